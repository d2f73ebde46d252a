"""Who may do what: API keys, their scopes and their rates."""

from __future__ import annotations

import math
from collections.abc import Awaitable, Callable
from typing import Annotated

from aiolimiter import AsyncLimiter
from anyio import to_thread
from fastapi import Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from api.service.problems import ProblemError
from api.store.keys import Key, Keys

bearer = HTTPBearer(
    auto_error=False,
    scheme_name="API key",
    description="A key from `minfleet keys create`. On loopback none is asked for by default.",
)


class Access:
    """Checks keys and counts what they are used for.

    Parameters
    ----------
    needed
        Whether a request without a key is refused. A wrong key is refused in any case.
    """

    def __init__(self, keys: Keys, *, needed: bool) -> None:
        self._keys, self._needed = keys, needed
        self._rates: dict[str, AsyncLimiter] = {}

    async def check(self, text: str | None, scope: str) -> Key | None:
        """Return the key that a request carries; None where none is needed.

        Raises
        ------
        ProblemError
            If there is no such key, its scope is too small, or it was used too often.
        """
        if text is None:
            if self._needed:
                raise _unauthorized("send an API key as 'Authorization: Bearer mf_…'.")
            return None
        key = await to_thread.run_sync(self._keys.find, text)
        if key is None:
            raise _unauthorized("the API key is unknown or was revoked.")
        if not key.may(scope):
            raise ProblemError(
                "forbidden",
                f"the key {key.name!r} has the scope {key.scope!r}; this needs {scope!r}.",
            )
        await self._count(key)
        return key

    async def _count(self, key: Key) -> None:
        rate = self._rates.setdefault(key.id, AsyncLimiter(key.rate_per_minute, 60))
        if not rate.has_capacity():
            pause = math.ceil(60 / key.rate_per_minute)
            raise ProblemError(
                "rate-limited",
                f"the key {key.name!r} may send {key.rate_per_minute} requests a minute.",
                {"Retry-After": str(pause)},
            )
        await rate.acquire()


def _unauthorized(detail: str) -> ProblemError:
    return ProblemError("unauthorized", detail, {"WWW-Authenticate": "Bearer"})


def needs(scope: str) -> Callable[..., Awaitable[Key | None]]:
    """Return the dependency that lets a request pass whose key has a scope."""

    async def check(
        request: Request,
        given: Annotated[HTTPAuthorizationCredentials | None, Security(bearer)],
    ) -> Key | None:
        text = None if given is None else given.credentials
        key: Key | None = await request.app.state.service.access.check(text, scope)
        request.state.key = key
        return key

    return check


# The scopes are named once more for OpenAPI, which shows them.
Reader = Annotated[Key | None, Security(needs("read"), scopes=["read"])]
Planner = Annotated[Key | None, Security(needs("plan"), scopes=["plan"])]
Admin = Annotated[Key | None, Security(needs("admin"), scopes=["admin"])]
