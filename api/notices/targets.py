"""Targets of subscriptions: checked before they are stored, and shown without their secrets."""

from __future__ import annotations

import re
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from api.notices.addresses import (
    Reach,
    RefusedAddressError,
    check_host,
    check_scheme,
    resolve_now,
)
from data.errors import InputError

HTTP_KINDS = ("webhook", "slack")

MAIL_SCHEMES = ("mailto", "mailtos")

LONGEST_TARGET = 2000

ON_THIS_MACHINE = frozenset(
    {
        *("dbus", "kde", "qt", "glib", "gio", "gnome", "macosx", "windows", "syslog", "blink1"),
        *("file", "memory"),
    }
)
"""Apprise's schemes that act on the server itself and reach nobody."""

WEB_SCHEMES = frozenset({"json", "jsons", "xml", "xmls", "form", "forms", "http", "https"})
"""Apprise's schemes for URLs of one's own: a webhook does that, signed and to a checked address."""

SHORTEST_SECRET = 4
"""Parts of a target of fewer characters are not taken for secrets in texts."""


NO_SECRETS = ("to", "from", "name", "cc", "bcc", "mode", "smtp")
"""Fields of an e-mail's URL that say whom it goes to and how."""


def checked(kind: str, target: str, reach: Reach) -> str:
    """Return a target as it is stored.

    Raises
    ------
    InputError
        If it is none of its kind, or may not be sent to. The message holds no part of its path.
    """
    target = target.strip()
    if not target or len(target) > LONGEST_TARGET:
        raise InputError(f"target: must be a URL of 1 to {LONGEST_TARGET:,} characters.")
    if re.search(r"[\x00-\x20\x7f]", target):
        raise InputError("target: holds spaces or characters that cannot be printed; escape them.")
    try:
        if kind in HTTP_KINDS:
            _check_web(target, reach)
        else:
            _check_apprise(kind, target, reach)
    except RefusedAddressError as error:
        raise InputError(f"target: {error}") from None
    return target


def _check_web(target: str, reach: Reach) -> None:
    from httpx import URL, InvalidURL

    try:
        parts = urlsplit(target)
        host, _ = URL(target).host, parts.port
    except (ValueError, InvalidURL):
        raise InputError("target: is not a URL; write https://HOST/PATH.") from None
    if parts.scheme not in ("http", "https") or not host:
        raise InputError("target: must begin with https:// and name a host.")
    addresses = resolve_now(host)
    if addresses:  # else it is looked up when something is sent
        addresses = check_host(host, addresses, reach)
    check_scheme(parts.scheme, host, addresses, reach)


def _check_apprise(kind: str, target: str, reach: Reach) -> None:
    scheme = target.partition("://")[0].lower()
    if "://" not in target:
        hint = "mailtos://USER:PASSWORD@HOST?to=NAME@HOST" if kind == "email" else "SCHEME://…"
        raise InputError(f"target: is not a URL of Apprise; write {hint}.")
    if kind == "email" and scheme not in MAIL_SCHEMES:
        raise InputError(
            "target: e-mail needs mailtos://USER:PASSWORD@HOST?to=NAME@HOST (or mailto://)."
        )
    if scheme in ON_THIS_MACHINE:
        raise InputError(f"target: {scheme}:// reaches nobody but this server.")
    if scheme in WEB_SCHEMES:
        raise InputError(
            f"target: for a URL of your own, use the kind 'webhook' instead of {scheme}://."
        )
    try:
        urlsplit(target)
    except ValueError:
        raise InputError(f"target: is not a URL; is the host of {scheme}:// whole?") from None
    check_plugin(plugin_of(target), reach)


def plugin_of(target: str) -> Any:
    """Return Apprise's object for a target.

    Raises
    ------
    InputError
        If Apprise does not know the scheme, or something is missing.
    """
    from api.notices.library import apprise

    found = apprise().Apprise.instantiate(target, suppress_exceptions=True)
    if found is None:
        raise InputError(
            f"target: Apprise cannot read this {target.partition('://')[0][:20]}:// URL; see its "
            "documentation for what belongs in it."
        )
    return found


def check_plugin(plugin: Any, reach: Reach) -> None:
    """Refuse a service of Apprise's whose host is private.

    Raises
    ------
    RefusedAddressError
        If its host is, and no setting allows it.
    """
    host = server_of(plugin)
    if host:
        addresses = resolve_now(host)
        if addresses:
            check_host(host, addresses, reach)


def server_of(plugin: Any) -> str:
    """Return the host that a service of Apprise's asks; "" where its provider has its own.

    Elsewhere the place of the host holds a token.
    """
    mail = getattr(plugin, "smtp_host", "")
    own = any("{host}" in template for template in getattr(plugin, "templates", ()))
    return str(mail or (getattr(plugin, "host", "") if own else "") or "")


def masked(kind: str, target: str) -> str:
    """Return a target as it may be shown: scheme and host, or the receivers of an e-mail."""
    scheme, _, rest = target.partition("://")
    if kind in HTTP_KINDS:
        parts = urlsplit(target)
        port = "" if parts.port is None else f":{parts.port}"
        host = parts.hostname or ""
        more = "/…" if parts.path.strip("/") or parts.query else ""
        return f"{scheme}://{f'[{host}]' if ':' in host else host}{port}{more}"
    if kind == "email" and rest:
        try:
            plugin = plugin_of(target)
        except InputError:  # written by a newer Apprise
            return f"{scheme}://…"
        receivers = ", ".join(address for _, address in plugin.targets)
        return f"{scheme}://{server_of(plugin)} to {receivers}"
    return f"{scheme}://…"


def without_secrets(text: str, target: str) -> str:
    """Return a text with every part of a target taken out that may be a secret."""
    parts = urlsplit(target)
    found = {target, parts.query, parts.path.strip("/"), parts.netloc.rpartition("@")[0]}
    found |= set(parts.path.split("/")) | set(parts.netloc.rpartition("@")[0].split(":"))
    found |= {value for name, value in parse_qsl(parts.query) if name not in NO_SECRETS}
    if parts.scheme not in ("http", "https", *MAIL_SCHEMES):
        found.add(parts.netloc)  # tokens stand there, too
    found |= {unquote(f) for f in found}
    for secret in sorted(found, key=len, reverse=True):
        if len(secret) >= SHORTEST_SECRET:
            text = text.replace(secret, "…")
    return text
