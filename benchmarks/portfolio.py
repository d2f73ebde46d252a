"""Plans a second of a portfolio, with one and two workers here and on a Dask cluster.

    .venv/bin/python -m benchmarks.portfolio [--rows 240] [--runs 3]

Starts a scheduler and two workers of one thread each on this machine, so leave it two idle cores.
Prints a Markdown table with medians; ``docs/scale.md`` has one. Each run begins with workers that
have planned before, as they have in a long one.
"""

from __future__ import annotations

import argparse
import contextlib
import datetime as dt
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil

from data.catalog import Catalog
from data.coefficients import shipped_coefficients
from solver.crew.crew import Crew
from solver.crew.parts import solve_in_parts
from solver.portfolio.entries import Entry, alike_of
from solver.portfolio.row import ROWS, PortfolioGround, RowTask
from solver.portfolio.scenarios import Move, Scenario
from solver.replan.policy import Policy

LENGTHS = ((512, 128), (1024, 256), (2048, 512), (4096, 256))
FACTORS = ("1", "0.8", "1.25", "0.6")
ROOT = Path(__file__).parents[1]


def small(pick: random.Random) -> dict[str, Any]:
    """One class on an 8B model."""
    isl, osl = pick.choice(LENGTHS)
    rate = round(pick.uniform(1, 40), 3)
    return {
        "model": "llama-3.1-8b-instruct",
        "classes": [{"name": "chat", "rate_rps": rate, "isl": isl, "osl": osl}],
        "sla": {"ttft_ms": 800, "tpot_ms": pick.choice((30, 40, 50))},
    }


def mixed(pick: random.Random) -> dict[str, Any]:
    """One to three classes on models of 8B and 70B, of lengths that hardly two workloads share."""
    model = pick.choice(("llama-3.1-8b-instruct", "llama-3.1-70b-instruct"))
    classes = [
        {
            "name": f"class-{number}",
            "rate_rps": round(pick.uniform(0.5, 20), 3),
            "isl": pick.randrange(200, 6000, 50),
            "osl": pick.randrange(50, 600, 10),
        }
        for number in range(pick.randint(1, 3))
    ]
    return {"model": model, "classes": classes, "sla": {"ttft_ms": 1500, "tpot_ms": 50}}


KINDS = {"small, one class": small, "mixed": mixed}


def tasks_of(kind: Any, rows: int) -> list[RowTask]:
    """Return the rows of a portfolio: each workload under every scenario."""
    pick, found = random.Random(7), []
    for number in range(rows // len(FACTORS)):
        content = kind(pick)
        entry = Entry(f"w{number}", "here", workload=content, alike=alike_of(content))
        found += [RowTask(entry, s, f"×{factor}") for s, factor in enumerate(FACTORS)]
    return found


def ground() -> PortfolioGround:
    """Return what the rows have in common: scenarios that move the prices of one accelerator."""
    from decimal import Decimal

    chip = (("accelerator", "h100_sxm"),)
    return PortfolioGround(
        scenarios=tuple(Scenario(f"×{f}", (Move(chip, Decimal(f)),)) for f in FACTORS),
        today=Catalog.load(),
        coefficients=shipped_coefficients(),
        measured=None,
        policy=Policy(),
        moment=dt.datetime(2026, 11, 22, tzinfo=dt.UTC),
        gap=1e-4,
        time_limit_s=60.0,
    )


@contextlib.contextmanager
def cluster(workers: int) -> Iterator[str]:
    """Start a scheduler and workers, and yield the scheduler's address."""
    from distributed import Client

    environment = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "scheduler.json")
        started = []

        def start(what: str, *options: str) -> None:
            command = [sys.executable, "-m", f"distributed.cli.{what}", "--no-dashboard", *options]
            quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
            started.append(subprocess.Popen(command, env=environment, cwd=ROOT, **quiet))

        address = ("--scheduler-file", str(file), "--host", "127.0.0.1")
        start("dask_scheduler", "--port", "0", "--no-show", *address)
        while not file.exists():
            time.sleep(0.1)
        for _ in range(workers):
            start("dask_worker", "--nthreads", "1", "--no-nanny", *address)
        with Client(scheduler_file=str(file)) as client:
            client.wait_for_workers(workers)
            found = client.scheduler.address
        try:
            yield found
        finally:
            for process in started:
                process.kill()
                process.wait()


def timed(crew: Crew[Any, Any, Any], tasks: list[RowTask], runs: int) -> tuple[list[float], float]:
    """Return the rows a second of each run, and processor time a row (ms), of all processes.

    A first run is not counted.
    """
    found, spent_s = [], 0.0
    for run in range(runs + 1):
        begin, before_s = time.perf_counter(), _spent_s()
        rows = [r for part in solve_in_parts(crew, [tasks], lambda t: t.entry.alike) for r in part]
        found.append(len(tasks) / (time.perf_counter() - begin))
        spent_s += (_spent_s() - before_s) * bool(run)
        assert not any(row["error"] for row in rows), next(r for r in rows if r["error"])
    return found[1:], 1e3 * spent_s / (runs * len(tasks))


def _spent_s() -> float:
    """Return the processor time of this process and all below it (s)."""
    here = psutil.Process()
    times = (p.cpu_times() for p in (here, *here.children(recursive=True)))
    return sum(t.user + t.system for t in times)


def measure(name: str, tasks: list[RowTask], runs: int) -> None:
    """Print the lines of one kind of workload."""
    import solver.crew.crew

    given = ground()
    for where in ("here", "Dask"):
        alone = 0.0
        for workers in (1, 2):
            if where == "here":
                solver.crew.crew.START_S = -1.0  # processes from the third task on
                with Crew(ROWS, given, workers) as crew:
                    rates, spent_ms = timed(crew, tasks, runs)
                    memory = _memory_mib()
                sent = ""
            else:
                with cluster(workers) as address, Crew(ROWS, given, dask=address) as crew:
                    rates, spent_ms = timed(crew, tasks, runs)
                    memory = _memory_mib()
                    sent = _sent(crew, len(tasks) * (runs + 1))
            median = statistics.median(rates)
            alone = alone or median
            spread = f"{min(rates):.1f}–{max(rates):.1f}"
            share = f"{median / (workers * alone):.0%}"
            busy = f"{spent_ms:.0f} ms"
            cells = (name, where, workers, f"{median:.1f}", spread, share, busy, memory, sent)
            print("| " + " | ".join(map(str, cells)) + " |", flush=True)


def _memory_mib() -> int:
    """Return the memory of the largest worker (MiB); of this process where there is none."""
    here = psutil.Process()
    below = [p for p in here.children(recursive=True) if p.status() != psutil.STATUS_ZOMBIE]
    return max(p.memory_info().rss for p in (below or [here])) // 2**20


def _sent(crew: Crew[Any, Any, Any], rows: int) -> str:
    team: Any = crew._team
    each = f"{team.sent_bytes / rows:.0f} + {team.received_bytes / rows:.0f}"
    return f"{each} B; {team.ground_bytes / 1000:.0f} kB once"


def main() -> None:
    """Measure both kinds."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=240)
    parser.add_argument("--runs", type=int, default=3)
    given = parser.parse_args()
    cores, memory = len(os.sched_getaffinity(0)), psutil.virtual_memory().total / 2**30
    print(f"{cores} cores, {memory:.0f} GiB; medians of {given.runs} runs of {given.rows} rows.\n")
    head = ("workloads", "where", "workers", "plans/s", "range", "efficiency", "CPU a plan")
    print("| " + " | ".join((*head, "MiB a worker", "bytes a plan, to and fro")) + " |")
    print("|" + " --- |" * (len(head) + 2))
    for name, kind in KINDS.items():
        measure(name, tasks_of(kind, given.rows), given.runs)


if __name__ == "__main__":
    main()
