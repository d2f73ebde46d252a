"""Connections whose clients must send and read at a pace; others are cut off.

Bodies have limits of their own, which are told (`api.service.guard`). What is cut off here has sent
no whole request, or does not read what it asked for.
"""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 65_536
"""Most bytes of a request line and its headers."""


class Connection(HttpToolsProtocol):
    """A connection of an HTTP client.

    Parameters
    ----------
    patience_s
        Seconds in which a request's head must have arrived, and in which a client must have read
        what fills the buffers to it.
    """

    def __init__(self, *args: Any, patience_s: float, **more: Any) -> None:
        super().__init__(*args, **more)
        self._patience_s = patience_s
        self._head: asyncio.TimerHandle | None = None
        self._head_bytes = 0
        self._unread: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Expect a head."""
        super().connection_made(transport)
        self._begin_head()

    def data_received(self, data: bytes) -> None:
        """Parse what came; cut off a head that is too long."""
        super().data_received(data)
        if self._head is not None:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.abort()

    def on_message_begin(self) -> None:
        """Expect the rest of a head."""
        super().on_message_begin()
        if self._head is None:
            self._begin_head()

    def on_headers_complete(self) -> None:
        """Begin with the request."""
        self._end_head()
        super().on_headers_complete()

    def pause_writing(self) -> None:
        """Wait for the client to read what is in the buffers."""
        super().pause_writing()
        self._unread = self.loop.call_later(self._patience_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on with a client that read."""
        super().resume_writing()
        self._end_unread()

    def timeout_keep_alive_handler(self) -> None:
        """Let an idle connection go; a plain close would wait for a reader that never reads."""
        self.transport.abort()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop every clock."""
        self._end_head()
        self._end_unread()
        self._unset_keepalive_if_required()
        super().connection_lost(exc)

    def _begin_head(self) -> None:
        self._head_bytes = 0
        self._head = self.loop.call_later(self._patience_s, self._head_is_late)

    def _head_is_late(self) -> None:
        if self.cycle is None or self.cycle.response_complete:
            self.transport.abort()
        else:  # it is not read on until the request before it is answered
            self._head = self.loop.call_later(self._patience_s, self._head_is_late)

    def _end_head(self) -> None:
        if self._head is not None:
            self._head.cancel()
            self._head = None

    def _end_unread(self) -> None:
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
