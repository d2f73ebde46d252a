"""What becomes of a job that plans a registered workload again: its task, and its result.

A job in the queue names its workload. What it works with (the fleet, the memory of the decisions
before, the catalogue in force) is read when it begins, so that one that waited long decides on what
is true then.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from sqlalchemy import Connection

from api.service.workers import TaskError
from api.store.decisions import store_decision, store_failure
from api.store.jobs import Job
from api.store.records import now
from api.store.registered import REPLANNING
from api.store.store import Store

Storing = Callable[[Connection], None]
"""Stores a result within the transaction that ends its job."""


def furnished(store: Store, job: Job) -> Job:
    """Return a job whose task has all that a worker needs; other kinds have it already.

    Raises
    ------
    TaskError
        If its workload was removed.
    StoreError
        If the store cannot be reached.
    """
    if job.kind != REPLANNING:
        return job
    name = job.task["workload"]
    live, catalog_id = store.registered.with_catalog(name)
    if live is None:
        raise TaskError("input", f"the workload {name!r} is registered no more.")
    more = {
        "revision": live.revision,
        "content": live.workload,
        "policy": live.policy,
        "fleet": live.fleet,
        "memory": live.memory,
        "catalog_id": catalog_id,
        "moment": now().isoformat(),
        **live.basis,
    }
    return replace(job, task={**job.task, **more})


def decided(
    job: Job, head: dict[str, Any], answer: dict[str, Any]
) -> tuple[dict[str, Any], Storing]:
    """Return a decision as it is stored, and what stores it.

    Parameters
    ----------
    head
        Its ``id`` and ``created_at``.
    answer
        What the worker found; see `api.service.tasks.replanning_task`.
    """
    found, names = answer["decision"], ("workload", "revision", "trigger")
    proposed = found["proposed"]
    if proposed is not None:
        named = {"id": head["id"].replace("decision", "plan"), "created_at": head["created_at"]}
        proposed = {**named, **proposed}
    document = {
        **head,
        **{name: job.task[name] for name in names},
        "job_id": job.id,
        **found,
        "proposed": proposed,
        "memory_if_accepted": answer["memory_if_accepted"],
    }
    return document, partial(store_decision, job=job, document=document, memory=answer["memory"])


def failed(job: Job, problem: dict[str, Any]) -> Storing | None:
    """Return what stores that a job came to nothing; None where nothing more is to be stored."""
    return partial(store_failure, job=job, problem=problem) if job.kind == REPLANNING else None


def request_body(name: str) -> bytes:
    """Return what stands for a request that has no body, so that two of them can be told apart."""
    return json.dumps({"workload": name}).encode()
