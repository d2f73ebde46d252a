"""Where notices may go: public addresses, and private ones that a setting names.

Whoever may subscribe could otherwise have this server ask machines that only it can reach, such as
the metadata service of a cloud. Names are resolved when something is sent, and the connection goes
to the address that was looked at, so that no second answer of a name server slips another one in.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from anyio import getaddrinfo

if TYPE_CHECKING:
    from api.service.settings import Settings

Address = ipaddress.IPv4Address | ipaddress.IPv6Address

NAT64 = ipaddress.ip_network("64:ff9b::/96")
"""Addresses with an IPv4 address in their last 32 bits (RFC 6052)."""

ANY = "*"


class RefusedAddressError(Exception):
    """A target may not be sent to; the argument is a sentence."""


@dataclass(frozen=True)
class Reach:
    """What may be reached besides public addresses over https.

    Attributes
    ----------
    private_hosts
        Host names, addresses and networks (CIDR) that may be private; ``*`` for all.
    plain_http
        Whether http is good enough beyond loopback.
    loopback
        Whether this machine itself may be reached: where whoever can ask is on it already.
    """

    private_hosts: tuple[str, ...] = ()
    plain_http: bool = False
    loopback: bool = False

    @classmethod
    def of(cls, settings: Settings) -> Reach:
        """Return what the settings of a server allow."""
        hosts, own = tuple(settings.notify_private_hosts), not settings.asks_for_keys
        return cls(hosts, settings.notify_http, loopback=own)

    def permits(self, host: str, address: Address) -> bool:
        """Whether something may go to a host at that address."""
        if is_public(address) or (self.loopback and _bare(address).is_loopback):
            return True
        for entry in self.private_hosts:
            if entry == ANY or entry.lower() == host.lower():
                return True
            try:
                network = ipaddress.ip_network(entry, strict=False)
            except ValueError:  # a name
                continue
            if _bare(address) in network or address in network:
                return True
        return False


def is_public(address: Address) -> bool:
    """Whether an address is one of the internet at large, by itself and by what it stands for."""
    bare = _bare(address)
    return bare.is_global and not bare.is_multicast


def _bare(address: Address) -> Address:
    """Return the IPv4 address that an IPv6 address stands for; the address itself if for none."""
    if isinstance(address, ipaddress.IPv4Address):
        return address
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    tunnel = address.teredo
    return address.ipv4_mapped or address.sixtofour or (tunnel[1] if tunnel else address)


def literal(host: str) -> Address | None:
    """Return the address that a host is written as; None for a name."""
    try:
        return ipaddress.ip_address(host.strip("[]").partition("%")[0])
    except ValueError:
        return None


def check_host(host: str, addresses: Sequence[Address], reach: Reach) -> list[Address]:
    """Return the addresses of a host that may be sent to.

    Raises
    ------
    RefusedAddressError
        If there is none.
    """
    found = [a for a in addresses if reach.permits(host, a)]
    if not found:
        shown = ", ".join(map(str, addresses[:3]))
        raise RefusedAddressError(
            f"{host} is at {shown}, which is no public address; if that is meant, name it in "
            "MINFLEET_NOTIFY_PRIVATE_HOSTS."
        )
    return found


def check_scheme(scheme: str, host: str, addresses: Sequence[Address], reach: Reach) -> None:
    """Refuse http beyond loopback; `addresses` may be empty where the host is not known yet.

    Raises
    ------
    RefusedAddressError
        If it is refused.
    """
    loopback = bool(addresses) and all(a.is_loopback for a in addresses)
    if scheme == "https" or reach.plain_http or loopback:
        return
    raise RefusedAddressError(
        f"{host}: use https; over http anyone on the way can read and change notices "
        "(MINFLEET_NOTIFY_HTTP allows it)."
    )


async def resolve(host: str, port: int) -> list[Address]:
    """Return the addresses of a host.

    Raises
    ------
    OSError, UnicodeError
        If it has none, is no name, or no name server answers.
    """
    known = literal(host)
    if known is not None:
        return [known]
    found = await getaddrinfo(host, port, type=socket.SOCK_STREAM)
    hosts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
    return [ipaddress.ip_address(h) for h in hosts]


def resolve_now(host: str) -> list[Address]:
    """Return the addresses of a host, for those who may wait; none where it is not known."""
    known = literal(host)
    if known is not None:
        return [known]
    try:
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):  # unknown, or no name at all
        return []
    hosts = dict.fromkeys(str(entry[4][0]).partition("%")[0] for entry in found)
    return [ipaddress.ip_address(h) for h in hosts]
