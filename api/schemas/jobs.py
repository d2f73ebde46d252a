"""Jobs as the service shows them."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field

from api.schemas.base import Document
from api.schemas.units import unit


class Attempt(Document):
    """A worker that took the job up."""

    owner: str | None
    """Id of the server."""
    worker_pid: int | None
    """Process id of the worker there; null where it never told."""
    started_at: str | None = None
    """When it began (UTC)."""
    ended: str
    """How it ended: `answered`, `cancelled`, or why not."""


class Progress(Document):
    """How far a running job is. The search for the cheapest fleet tells `incumbent` and `bound`."""

    stage: str
    """What is being done."""
    worker_pid: int | None = None
    """Process id of the worker."""
    incumbent_usd_per_hour: Annotated[float, unit("USD/h")] | None = None
    """Cost of the cheapest fleet found so far."""
    bound_usd_per_hour: Annotated[float, unit("USD/h")] | None = None
    """What no fleet can be cheaper than, as far as is proven."""
    gap: Annotated[float, Field(ge=0)] | None = None
    """Relative gap between the two."""
    share: Annotated[float, Field(ge=0, le=1)] | None = None
    """Share of a simulation or frontier that is done, as far as is known."""


class JobDocument(Document):
    """An answer in the making."""

    id: str
    """Name of the job."""
    kind: Literal["plan", "simulation", "comparison", "frontier", "replanning"]
    """What it makes."""
    state: Literal["queued", "running", "done", "failed", "cancelled"]
    """`queued` and `running` go on; the others are final."""
    queue_position: Annotated[int, Field(ge=0)] | None
    """How many jobs wait before it; null unless it is queued."""
    progress: Progress | None
    """How far it is; null before it runs."""
    attempts: list[Attempt]
    """Workers that took it up and ended, the first first. One that died is replaced once."""
    cancel_requested: bool
    """Whether someone wants it cancelled."""
    result_id: str | None
    """Name of what it made; null until it is done."""
    result_url: str | None
    """Path of it."""
    problem: dict[str, Any] | None
    """Why it failed, as a problem document (RFC 9457)."""
    created_at: dt.datetime
    """When it was accepted."""
    started_at: dt.datetime | None
    """When it was first taken up."""
    finished_at: dt.datetime | None
    """When it ended."""


class JobList(Document):
    """Jobs, the latest first."""

    jobs: list[JobDocument]
    """The jobs."""
    next: str | None
    """Path of the next page; null on the last."""
