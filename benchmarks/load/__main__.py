"""Loads a server on loopback with wrk and looks whether a plan was lost or made twice.

    python -m benchmarks.load --seconds 60

needs wrk (``apt-get install wrk``). Each mode gets a fresh server on an empty store:

- ``new``: every request is another plan (rates differ; models, accelerators and lengths are mixed);
- ``free``: token lengths differ in every request, too, so that nothing is remembered of another;
- ``same``: twelve requests over and over, answered from the store after the first time.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import create_engine, text

HERE = Path(__file__).parent

START_S = 60.0

CONNECTIONS = {"new": 4, "free": 4, "same": 8}


class Running:
    """A server of its own, at a port that is free."""

    def __init__(self, store_url: str, folder: Path, workers: int) -> None:
        log = folder / "log"
        environment = {
            **os.environ,
            "MINFLEET_STORE_URL": store_url,
            "MINFLEET_PORT": "0",
            "MINFLEET_WORKERS": str(workers),
            "MINFLEET_LOG_LEVEL": "warning",
        }
        with log.open("w") as file:
            command = [sys.executable, "-m", "minfleet", "serve"]
            self.process = subprocess.Popen(command, env=environment, stderr=file)
        self.url = ""
        deadline = time.monotonic() + START_S
        while not self._is_ready(log):
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                sys.exit(f"the server did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)

    def _is_ready(self, log: Path) -> bool:
        line = log.read_text().partition("\n")[0]
        if not line:
            return False
        self.url = json.loads(line)["url"]
        return httpx.get(f"{self.url}/readyz").status_code == 200

    def cpu_s(self) -> float:
        """Return the seconds that its processes have worked."""
        ticks = os.sysconf("SC_CLK_TCK")
        total = 0
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                fields = stat.read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if self.process.pid in (int(stat.parent.name), int(fields[1])):
                total += int(fields[11]) + int(fields[12])
        return total / ticks

    def stop(self) -> None:
        """End it."""
        self.process.terminate()
        self.process.wait(60)


def measure(mode: str, seconds: int, workers: int, store_url: str | None) -> dict[str, Any]:
    """Return what wrk and the store say of a mode."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        url = store_url or f"sqlite:///{folder / 'store.db'}"
        server = Running(url, folder, workers)
        try:
            begin_s = server.cpu_s()
            found = _wrk(server.url, mode, seconds)
            found["server_cpu_s"] = round(server.cpu_s() - begin_s, 1)
        finally:
            server.stop()
        found |= _stored(url)
    found["requests_per_s"] = round(found["requests"] / found["seconds"], 1)
    return {"mode": mode, **found}


def _wrk(url: str, mode: str, seconds: int) -> dict[str, Any]:
    command = [
        "wrk",
        "-t1",
        f"-c{CONNECTIONS[mode]}",
        f"-d{seconds}s",
        "--timeout=30s",
        "--latency",
        f"--script={HERE / 'plans.lua'}",
        url,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, "MODE": mode}, check=True
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def _stored(url: str) -> dict[str, int]:
    """Return what the store holds: plans, requests that they answer, and jobs by how they ended."""
    engine = create_engine(url.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        count = {
            "plans": "SELECT count(*) FROM plans",
            "plans_not_proven": "SELECT count(*) FROM plans WHERE status = 'feasible'",
            "requests_answered": "SELECT count(DISTINCT digest) FROM jobs WHERE state = 'done'",
            "jobs": "SELECT count(*) FROM jobs",
            "jobs_done": "SELECT count(*) FROM jobs WHERE state = 'done'",
            "jobs_waiting": "SELECT count(*) FROM jobs WHERE state = 'queued'",
        }
        found = {
            name: int(connection.execute(text(sql)).scalar_one()) for name, sql in count.items()
        }
    engine.dispose()
    return found


def verdict(found: dict[str, Any]) -> list[str]:
    """Return what was lost or doubled."""
    said = []
    if found["not_2xx"] or found["broken"]:
        said.append(f"{found['not_2xx']} answers were no 2xx, {found['broken']} broke")
    if found["plans"] != found["requests_answered"]:
        said.append("a request has two plans")
    # wrk leaves off in the middle: up to one request a connection was not read to its end, and
    # its job may wait for the next server.
    spare = CONNECTIONS[found["mode"]]
    if found["jobs"] != found["jobs_done"] + found["jobs_waiting"]:
        said.append("a job did not end well")
    if found["jobs_waiting"] > spare:
        said.append(f"{found['jobs_waiting']} jobs wait, though only {spare} were cut off")
    made = 12 if found["mode"] == "same" else found["requests"]
    if not made <= found["plans"] <= made + spare:
        said.append(f"{made} plans were answered and {found['plans']} stored")
    return said


def main() -> None:
    """Measure, print, and fail if a plan was lost or doubled."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--workers", type=int, default=os.cpu_count() or 1)
    parser.add_argument("--store-url", help="an empty store; by default a new SQLite file")
    parser.add_argument("--mode", action="append", choices=list(CONNECTIONS))
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        parser.error("wrk is not installed; 'apt-get install wrk' brings it.")
    failed = False
    for mode in given.mode or CONNECTIONS:
        found = measure(mode, given.seconds, given.workers, given.store_url)
        faults = verdict(found)
        failed = failed or bool(faults)
        print(json.dumps({**found, "faults": faults}), flush=True)
    sys.exit(failed)


if __name__ == "__main__":
    main()
