"""A Dask cluster of processes on this machine, for tests."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]

WAIT_S = 60.0


class DaskCluster:
    """A scheduler and its workers, each a process of one thread.

    Parameters
    ----------
    folder
        Where they write what they say.
    """

    def __init__(self, folder: Path, workers: int = 2) -> None:
        self.folder = folder
        self.file = folder / "scheduler.json"
        port = ("--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--no-show")
        self.scheduler = self._start("dask_scheduler", *port, "--scheduler-file", str(self.file))
        self._until(self.file.exists)
        self.workers: list[subprocess.Popen[bytes]] = []
        for _ in range(workers):
            self.add_worker()

    def add_worker(self) -> None:
        """Start one more worker."""
        name = ("--scheduler-file", str(self.file), "--host", "127.0.0.1")
        lean = ("--nthreads", "1", "--no-nanny", "--no-dashboard", "--memory-limit", "0")
        place = ("--local-directory", str(self.folder))
        self.workers.append(self._start("dask_worker", *name, *lean, *place))

    def wait_for_workers(self, count: int) -> None:
        """Wait until so many workers are there."""
        from distributed import Client

        with Client(scheduler_file=str(self.file)) as client:
            client.wait_for_workers(count, timeout=WAIT_S)

    def _start(self, what: str, *options: str) -> subprocess.Popen[bytes]:
        environment = {**os.environ, "PYTHONPATH": f"{ROOT}{os.pathsep}{Path(__file__).parent}"}
        with (self.folder / f"{what}-{time.monotonic_ns()}.log").open("wb") as log:
            return subprocess.Popen(
                [sys.executable, "-m", f"distributed.cli.{what}", *options],
                env=environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )

    def _until(self, there) -> None:
        end = time.monotonic() + WAIT_S
        while not there():
            assert time.monotonic() < end, self.said()
            assert self.scheduler.poll() is None, self.said()
            time.sleep(0.05)

    @property
    def address(self) -> str:
        """Where the scheduler is reached."""
        import json

        return str(json.loads(self.file.read_text())["address"])

    def kill_worker(self) -> None:
        """End the oldest worker at once, without a word."""
        oldest = self.workers.pop(0)
        oldest.send_signal(signal.SIGKILL)
        oldest.wait()

    def said(self) -> str:
        """Return what scheduler and workers wrote."""
        return "\n".join(log.read_text() for log in sorted(self.folder.glob("*.log")))

    def close(self) -> None:
        """End all of them."""
        for process in (*self.workers, self.scheduler):
            process.kill()
            process.wait()
