"""Who is logged in to the page: sessions in memory, named by a cookie that no script can read.

An API key is typed once; it stays on the server and in no file. Whoever holds the cookie may do
what the key may, as long as the key is not revoked and the session is not over.
"""

from __future__ import annotations

import secrets
import time
from collections import OrderedDict

COOKIE = "minfleet_session"

LASTS_S = 12 * 3600.0

MOST = 10_000
"""Sessions that are remembered; the oldest ends first."""


class Sessions:
    """Session → API key."""

    def __init__(self) -> None:
        self._keys: OrderedDict[str, tuple[str, float]] = OrderedDict()

    def begin(self, key: str) -> str:
        """Return the name of a new session of a key."""
        name = secrets.token_urlsafe(32)
        self._keys[name] = (key, time.monotonic() + LASTS_S)
        while len(self._keys) > MOST:
            self._keys.popitem(last=False)
        return name

    def key(self, name: str | None) -> str | None:
        """Return the key of a session; None where there is none, or it is over."""
        key, until = self._keys.get(name or "", (None, 0.0))
        if key is not None and time.monotonic() > until:
            self.end(name)
            return None
        return key

    def end(self, name: str | None) -> None:
        """Forget a session."""
        self._keys.pop(name or "", None)
