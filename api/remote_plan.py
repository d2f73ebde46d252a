"""A plan made by a server from files of this machine."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from api.catalog_options import CatalogFiles
from api.client import Client
from api.progress import stages
from api.schemas.jobs import JobDocument
from data.tables import read_table
from solver.plan import Plan
from solver.workload import Workload


def plan_on(
    url: str,
    api_key: str | None,
    workload: Workload,
    files: CatalogFiles,
    *,
    measured: Path | None,
    coefficients: Path | None,
    settings: Mapping[str, Any],
    quiet: bool,
) -> Plan:
    """Return the plan that a server makes.

    Parameters
    ----------
    files
        Catalogue files that go over the server's catalogue.
    settings
        See `api.schemas.requests.PlanSettings`.
    quiet
        Show no progress.

    Raises
    ------
    InputError
        If a file cannot be read, or the server refuses what is in it.
    ServerError
        If the server cannot be reached, or comes to nothing.
    """
    rows = {
        name: None if path is None else [dict(row.cells) for row in read_table(path, table)]
        for name, path, table in (
            ("offers", files.offers, "offers"),
            ("add_offers", files.add_offers, "offers"),
            ("accelerators", files.accelerators, "accelerators"),
            ("measured", measured, "measured"),
            ("coefficients", coefficients, "coefficients"),
        )
    }
    with Client(url, api_key) as client, stages(quiet=quiet) as told:
        told(f"waiting for {url}")
        document = client.plan(
            workload, progress=lambda job: told(_stage(job)), settings=dict(settings), **rows
        )
    return Plan.from_dict(document.to_dict())


def _stage(job: JobDocument) -> str:
    """Say how far a job is."""
    if job.state == "queued":
        return f"waiting behind {job.queue_position} jobs"
    if job.progress is None:
        return job.state
    best, gap = job.progress.incumbent_usd_per_hour, job.progress.gap
    if best is None or gap is None:
        return job.progress.stage
    return f"{job.progress.stage}: ${best:,.2f} an hour, gap {gap:.2%}"
