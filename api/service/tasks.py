"""What a worker process does: one task in, one answer out, both as JSON text.

Nothing here knows of the store or of HTTP. Input errors come back as part of the answer, because
exceptions that travel between processes lose what made them.
"""

from __future__ import annotations

import ctypes
import datetime as dt
import gc
import json
import os
import resource
import signal
import sys
import time
import traceback
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.service.progress import Reporter
from data.errors import InputError, MinfleetError

if TYPE_CHECKING:
    from data.catalog import Catalog
    from data.coefficients import CoefficientTable
    from solver.measured import MeasuredCapacity

Task = dict[str, Any]
Answer = dict[str, Any]

NO_THREAD = "can't start new thread"
"""What Python says where there is no memory for the stack of one."""

TOO_LARGE = {"kind": "memory", "message": "the system gave no more memory."}

PR_SET_PDEATHSIG = 1
"""Of ``prctl``, from ``linux/prctl.h``."""


def answer(kind: str, text: str, channel: str, name: str, memory_bytes: int) -> str:
    """Do a task; called in a worker process.

    Parameters
    ----------
    kind
        One of `TASKS`.
    text
        The task as JSON.
    channel
        Where progress is told; see `api.service.progress`.
    name
        What the task is called there.
    memory_bytes
        Most memory that the system gives the process; 0 for no limit.

    Returns
    -------
    str
        JSON with `document`, or with `error`: its `kind` (``input``, ``failed``, ``memory`` or
        ``internal``) and `message`.
    """
    _die_with_server()
    if memory_bytes:
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = memory_bytes if hard == resource.RLIM_INFINITY else min(memory_bytes, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))
    reporter = Reporter(channel, name)
    reporter.tell(worker_pid=os.getpid(), stage="begins")
    found: Answer
    try:
        found = {"document": TASKS[kind](json.loads(text), reporter)}
    except InputError as error:
        found = {"error": {"kind": "input", "message": _one_line(error)}}
    except MinfleetError as error:
        found = {"error": {"kind": "failed", "message": _one_line(error)}}
    except MemoryError:
        found = {"error": TOO_LARGE}
    except Exception as error:
        # The server's log shows where; the client is told only that it was no fault of theirs.
        trace = traceback.format_exc()
        found = {"error": {"kind": "internal", "message": repr(error), "traceback": trace}}
        if memory_bytes and NO_THREAD in str(error):
            found = {"error": TOO_LARGE}
    return json.dumps({**found, "worker_pid": os.getpid()}, allow_nan=False)


def _die_with_server() -> None:
    """Let the system kill this process when the server dies, so that none works for nobody.

    Only Linux does; elsewhere a worker ends after its task.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def plan_task(task: Task, reporter: Reporter) -> Answer:
    """Plan a workload over a snapshot of the catalogue."""
    from solver.planner import plan
    from solver.simulate import LoadOptions
    from solver.workload import Workload

    settings = task["settings"]
    load = LoadOptions() if settings["simulate"] else False
    found = plan(
        Workload.parse(task["workload"], place="workload"),
        _catalog(task["catalog_id"], task["catalog_file"]),
        gap=settings["gap"],
        time_limit_s=settings["time_limit_s"],
        coefficients=_coefficients(task.get("coefficients")),
        measured=_measured(task),
        explain=settings["explain"],
        second_engine=settings["second_engine"],
        as_of=dt.date.fromisoformat(settings["as_of"]),
        simulate=load,
        progress=lambda stage: reporter.tell(stage=stage),
        improved=reporter.improved,
    )
    return found.to_dict()


def estimate_task(task: Task, reporter: Reporter) -> Answer:
    """Predict one replica."""
    from solver.estimate import Request, estimate_replica

    accelerators = _catalog(task["catalog_id"], task["catalog_file"]).accelerators
    return estimate_replica(Request(**task["replica"]), accelerators).to_dict()


def simulation_task(task: Task, reporter: Reporter) -> Answer:
    """Simulate a plan."""
    from data.traces import TracedRequest
    from solver.simulate import LoadOptions, PlanSimulation
    from solver.simulation_document import simulation_document
    from solver.workload import Workload

    document, options = task["plan"], dict(task["options"])
    trace = options.pop("trace", None)
    if trace is not None:
        options["trace"] = tuple(
            TracedRequest(r["arrival_s"], r["isl"], r["osl"], tuple(r["blocks"])) for r in trace
        )
    prepared = PlanSimulation(
        document,
        Workload.parse(document["workload"], place="plan: workload"),
        _catalog(task["catalog_id"], task["catalog_file"]).accelerators,
        _coefficients(task.get("coefficients")),
        LoadOptions(**options),
    )
    reporter.tell(stage="simulating", share=0.0)
    run, wall_s = prepared.run(_counter(reporter, prepared.arrivals.size))
    return simulation_document(prepared, run, wall_s)


def comparison_task(task: Task, reporter: Reporter) -> Answer:
    """Compare offers of a snapshot of the catalogue."""
    from solver.comparison.comparison import compare
    from solver.workload import Workload

    settings = task["settings"]
    found = compare(
        Workload.parse(task["workload"], place="workload"),
        _catalog(task["catalog_id"], task["catalog_file"]),
        offers=task["offer_ids"],
        subsets=task["subsets"],
        gap=settings["gap"],
        time_limit_s=settings["time_limit_s"],
        coefficients=_coefficients(task["coefficients"]),
        measured=_measured(task),
        as_of=dt.date.fromisoformat(settings["as_of"]),
        progress=lambda stage: reporter.tell(stage=stage),
    )
    return found.to_dict()


def frontier_task(task: Task, reporter: Reporter) -> Answer:
    """Set the cost against a target or limit."""
    from solver.frontier.frontier import frontier
    from solver.workload import Workload

    settings = task["settings"]

    def told(solved: int, total: int) -> None:
        share = round(solved / max(total, 1), 3)
        reporter.tell(stage=f"level {min(solved + 1, total)} of {total} so far", share=share)

    found = frontier(
        Workload.parse(task["workload"], place="workload"),
        _catalog(task["catalog_id"], task["catalog_file"]),
        **task["options"],
        gap=settings["gap"],
        time_limit_s=settings["time_limit_s"],
        coefficients=_coefficients(task["coefficients"]),
        measured=_measured(task),
        as_of=dt.date.fromisoformat(settings["as_of"]),
        jobs=1,  # the server has a worker for each core already
        progress=told,
    )
    return found.to_dict()


def replanning_task(task: Task, reporter: Reporter) -> Answer:
    """Decide whether a registered workload keeps its fleet; propose one where none runs."""
    from solver.replan.decide import replan
    from solver.replan.first import propose
    from solver.replan.memory import Memory
    from solver.replan.policy import Policy
    from solver.workload import Workload

    arguments: Any = (
        Workload.parse(task["content"], place="workload"),
        _catalog(task["catalog_id"], task["catalog_file"]),
    )
    options: Any = {
        "moment": dt.datetime.fromisoformat(task["moment"]),
        "gap": task["settings"]["gap"],
        "time_limit_s": task["settings"]["time_limit_s"],
        "coefficients": _coefficients(task["coefficients"]),
        "measured": _measured(task),
        "progress": lambda stage: reporter.tell(stage=stage),
    }
    policy = Policy.parse(task["policy"])
    if task["fleet"] is None:
        found = propose(*arguments, policy, **options)
    else:
        memory = Memory.from_dict(task["memory"])
        found = replan(*arguments, task["fleet"], policy, memory=memory, **options)
    accepted = found.memory_if_accepted
    return {
        "decision": found.to_dict(),
        "memory": found.memory.to_dict(),
        "memory_if_accepted": None if accepted is None else accepted.to_dict(),
    }


def warm_task(task: Task, reporter: Reporter) -> Answer:
    """Load what plans need, so that the first one is as quick as the others."""
    from data.catalog import Catalog
    from solver.planner import plan
    from solver.workload import Workload

    classes = [{"name": "warm", "rate_rps": 1.0, "isl": 512, "osl": 64}]
    hardware = {"accelerators": ["h100_sxm"]}
    content = {"model": "llama-3.1-8b-instruct", "classes": classes, "hardware": hardware}
    plan(Workload.parse(content), Catalog.load(), explain="none")
    gc.freeze()  # what lasts as long as the worker is not looked through again and again
    # Workers that begin together do not take each other's first tasks.
    time.sleep(task["seconds"])
    return {}


TASKS: dict[str, Callable[[Task, Reporter], Answer]] = {
    "plan": plan_task,
    "estimate": estimate_task,
    "simulation": simulation_task,
    "comparison": comparison_task,
    "frontier": frontier_task,
    "replanning": replanning_task,
    "warm": warm_task,
}
"""Kind → what does it."""


@lru_cache(maxsize=4)
def _catalog(catalog_id: str, file: str | None) -> Catalog:
    """Return a snapshot: the shipped one, or the one that the server wrote to a file."""
    from data.catalog import Catalog

    shipped = Catalog.load()
    if catalog_id == shipped.id or file is None:
        return shipped
    return Catalog.from_dict(json.loads(Path(file).read_text("utf-8")), catalog_id)


def _measured(task: Task) -> tuple[MeasuredCapacity, ...] | None:
    """Return the measured capacities of a task, if it has any."""
    from data.tables import table_rows
    from solver.measured import parse_measured

    rows = task.get("measured")
    return None if rows is None else parse_measured(table_rows(rows, "measured", "measured"))


def _coefficients(rows: list[dict[str, Any]] | None) -> CoefficientTable:
    """Return the shipped coefficients with the request's own over them."""
    from data.coefficients import parse_coefficients, shipped_coefficients
    from data.tables import table_rows

    shipped = shipped_coefficients()
    if rows is None:
        return shipped
    return shipped.over(parse_coefficients(table_rows(rows, "coefficients", "coefficients")))


def _counter(reporter: Reporter, total: int) -> Callable[[int], None]:
    """Return a function that counts what is done and tells the share of it."""
    done = 0

    def advance(count: int) -> None:
        nonlocal done
        done += count
        reporter.tell(stage="simulating", share=round(min(done / max(total, 1), 1.0), 3))

    return advance


def _one_line(error: Exception) -> str:
    return " ".join(str(error).splitlines())
