"""A POST to a URL that someone gave: to an address that was looked at, and nowhere else."""

from __future__ import annotations

import contextlib
import os
import ssl
from collections.abc import Mapping
from functools import cache

import httpx

from api.notices.addresses import Reach, RefusedAddressError, check_host, check_scheme, resolve
from api.notices.sending import NotDeliveredError

MOST_READ = 1000
"""Bytes of an answer that are looked at."""

TRIED_ADDRESSES = 2
"""Addresses of a host that are tried in one attempt."""

GONE = 410


@cache
def _tls() -> ssl.SSLContext:
    return httpx.create_ssl_context()


async def post(
    url: str, content: bytes, headers: Mapping[str, str], reach: Reach, *, timeout_s: float
) -> bytes:
    """Send a body and return the beginning of the answer.

    Redirects are not followed, and no proxy is used: the connection goes to the address that was
    checked. Its certificate must be that of the host.

    Raises
    ------
    NotDeliveredError
        If the host may not be reached, does not answer in time, or not with 2xx.
    """
    parts = httpx.URL(url)
    host = parts.host
    try:
        addresses = await resolve(host, parts.port or 443)
        addresses = check_host(host, addresses, reach)
        check_scheme(parts.scheme, host, addresses, reach)
    except (OSError, UnicodeError):
        raise NotDeliveredError(f"{host} is not known to the name server.") from None
    except RefusedAddressError as error:
        raise NotDeliveredError(str(error)) from None
    told = f"{host} could not be reached."
    tried = addresses[:TRIED_ADDRESSES]
    # Of httpx, the limit is one for each step; that of the whole attempt is its caller's.
    options = {"trust_env": False, "follow_redirects": False, "timeout": timeout_s}
    async with httpx.AsyncClient(verify=_tls(), **options) as client:  # type: ignore[arg-type]
        for number, address in enumerate(tried):
            given = {**headers, "Host": parts.netloc.decode("ascii").rpartition("@")[2]}
            target = parts.copy_with(host=str(address))
            extensions = {"sni_hostname": host} if parts.scheme == "https" else {}
            try:
                async with client.stream(
                    "POST", target, content=content, headers=given, extensions=extensions
                ) as answer:
                    return await _read(answer, host)
            except httpx.ConnectError as error:
                told = f"{host} could not be reached ({_reason(error)})."
                if number + 1 < len(tried):
                    continue
            except httpx.TimeoutException:
                told = f"{host} did not answer within {timeout_s:g} s."
            except httpx.HTTPError as error:
                told = f"{host} broke the connection off ({type(error).__name__})."
            raise NotDeliveredError(told) from None
    raise NotDeliveredError(told)


async def _read(answer: httpx.Response, host: str) -> bytes:
    body = b""
    async for chunk in answer.aiter_raw():
        body += chunk
        if len(body) >= MOST_READ:
            break
    if answer.is_success:
        return body
    status = f"{answer.status_code} {answer.reason_phrase}".strip()
    if answer.is_redirect:
        raise NotDeliveredError(
            f"{host} answers with a redirect ({status}); subscribe the address that it leads to."
        )
    if answer.status_code == GONE:
        raise NotDeliveredError(f"{host} answers {status}: it wants no more.", final=True)
    wanted = None
    with contextlib.suppress(ValueError):  # a date, or nonsense
        wanted = max(float(answer.headers.get("retry-after", "")), 0.0)
    raise NotDeliveredError(f"{host} answers {status}.", wanted_s=wanted)


def _reason(error: httpx.ConnectError) -> str:
    """Return why there was no connection, in the system's words."""
    cause: BaseException | None = error
    said = "no connection"
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not accepted: {cause.verify_message}"
        if isinstance(cause, OSError) and cause.errno:
            said = os.strerror(cause.errno).lower()
        cause = cause.__cause__ or cause.__context__
    return said
