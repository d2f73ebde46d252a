"""How a worker process tells the server how far it is: datagrams on a socket of this machine.

A datagram arrives whole or not at all, so that a worker killed in the middle leaves nothing half
said; and a lost one costs nothing, since the next says more.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import math
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

Progress = dict[str, Any]

TELL_S = 0.2
"""Least time between two reports of the same stage."""


class Reporter:
    """The worker's end.

    Parameters
    ----------
    channel
        Path of the server's socket.
    name
        The task that the reports are about.
    """

    def __init__(self, channel: str, name: str) -> None:
        self._channel, self._name = channel, name
        self._known: Progress = {}
        self._told_at = -math.inf

    def tell(self, **what: Any) -> None:
        """Add to what is known of the job, and tell it unless that was done a moment ago."""
        news = what.get("stage") != self._known.get("stage")
        self._known |= what
        now = time.monotonic()
        if not news and now - self._told_at < TELL_S:
            return
        self._told_at = now
        report = json.dumps({"name": self._name, "progress": self._known}).encode()
        # A full or closed socket must never stop the work.
        with (
            contextlib.suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender,
        ):
            sender.setblocking(False)
            sender.sendto(report, self._channel)

    def improved(self, incumbent_usd: float | None, bound_usd: float) -> None:
        """Tell the best fleet and the bound that the solver has so far (USD/h)."""
        bound = bound_usd if math.isfinite(bound_usd) else None
        gap = None
        if incumbent_usd is not None and bound is not None:
            gap = max(incumbent_usd - bound, 0.0) / max(abs(incumbent_usd), 1e-12)
        self.tell(
            stage="solving",
            incumbent_usd_per_hour=_rounded(incumbent_usd),
            bound_usd_per_hour=_rounded(bound),
            gap=None if gap is None else round(gap, 6),
        )


def _rounded(usd: float | None) -> float | None:
    return None if usd is None else round(usd, 6)


class Listener:
    """The server's end: a socket that the event loop reads.

    Parameters
    ----------
    path
        Where the socket is made.
    heard
        Told the task and its progress, once for each report.
    """

    def __init__(self, path: Path, heard: Callable[[str, Progress], None]) -> None:
        self._heard = heard
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)
        self._socket.bind(str(path))
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._socket, self._read)

    def close(self) -> None:
        """Hear no more."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _read(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                report = json.loads(self._socket.recv(65_536))
                self._heard(report["name"], report["progress"])
