"""A real ``minfleet serve`` in a process of its own, and a real PostgreSQL, for tests."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx

T = TypeVar("T")

START_S = 60.0

PATIENCE_S = 60.0
"""How long anything is waited for; noisy machines are slow."""

SMALL: dict[str, Any] = {
    "model": "llama-3.1-8b-instruct",
    "classes": [{"name": "chat", "rate_rps": 4, "isl": 512, "osl": 64}],
    "hardware": {"accelerators": ["h100_sxm"]},
    "serving": {"disaggregation": "off"},
}
"""A workload that is planned in a tenth of a second, without explanations."""


def until(condition: Callable[[], T], what: str, within_s: float = PATIENCE_S) -> T:
    """Return what a condition returns once it holds."""
    deadline = time.monotonic() + within_s
    while True:
        found = condition()
        if found:
            return found
        assert time.monotonic() < deadline, f"{what}: not within {within_s:g} s"
        time.sleep(0.02)


def small(rate_rps: float = 4.0) -> dict[str, Any]:
    """Return a request for a small plan; another rate makes another plan."""
    workload = copy.deepcopy(SMALL)
    workload["classes"][0]["rate_rps"] = rate_rps
    return {"workload": workload, "settings": {"explain": "none", "second_engine": False}}


def slow(rate_rps: float = 4.0) -> dict[str, Any]:
    """Return a request for a plan that takes several seconds."""
    classes = [
        {"name": f"c{i}", "rate_rps": rate_rps + i, "isl": 200 * (i + 1), "osl": 60 + 40 * i}
        for i in range(12)
    ]
    targets = {"ttft_ms": 900, "tpot_ms": 45}
    workload = {"model": "llama-3.1-70b-instruct", "classes": classes, "sla": targets}
    return {"workload": workload, "settings": {"explain": "full", "time_limit_s": 60}}


class LiveServer:
    """A server that runs; its settings are environment variables.

    Parameters
    ----------
    store_url
        Store to serve.
    settings
        Name → value, as ``queue_limit=3``. With one worker and no page a server starts sooner.
    """

    def __init__(self, store_url: str, folder: Path, **settings: object) -> None:
        self.store_url, self.log_path = store_url, folder / f"serve-{time.monotonic_ns()}.log"
        given = {"store_url": store_url, "port": 0, "workers": 1, "page": False, **settings}
        environment = {f"MINFLEET_{k.upper()}": str(v) for k, v in given.items()}
        with self.log_path.open("w") as log:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "minfleet", "serve"],
                env={**os.environ, **environment},
                stderr=log,
                stdout=log,
                cwd=Path(__file__).parents[1],
            )
        self.url = self._url()

    def _url(self) -> str:
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline:
            for event in self.log():
                if event.get("event") == "serving":
                    return str(event["url"])
            if self.process.poll() is not None:
                raise AssertionError(f"the server ended:\n{self.log_path.read_text()}")
            time.sleep(0.02)
        raise AssertionError(f"the server did not start:\n{self.log_path.read_text()}")

    def log(self) -> list[dict[str, Any]]:
        """Return the events logged so far."""
        lines = self.log_path.read_text("utf-8").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]

    def client(self, **headers: str) -> httpx.Client:
        """Return a client of it."""
        return httpx.Client(base_url=self.url, timeout=120.0, headers=headers)

    def until_ready(self) -> None:
        """Wait until store and workers answer."""
        deadline = time.monotonic() + START_S
        with self.client() as client:
            while time.monotonic() < deadline:
                try:
                    if client.get("/readyz").status_code == 200:
                        return
                except httpx.TransportError:
                    assert self.process.poll() is None, self.log_path.read_text()
                time.sleep(0.05)
        raise AssertionError(f"the server was never ready:\n{self.log_path.read_text()}")

    def stop(self) -> int:
        """Tell it to stop, and return its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(60)

    def kill(self) -> None:
        """End it as a power cut would."""
        self.process.kill()
        self.process.wait(10)


@contextmanager
def serving(store_url: str, folder: Path, **settings: object) -> Iterator[LiveServer]:
    """Serve while the context lasts."""
    server = LiveServer(store_url, folder, **settings)
    try:
        server.until_ready()
        yield server
    finally:
        if server.process.poll() is None:
            server.kill()


def sqlite_url(folder: Path) -> str:
    """Return the URL of a store in a folder."""
    return f"sqlite:///{folder / 'store.db'}"
