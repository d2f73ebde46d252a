"""From the body of a request to the task of a frontier; see `api.service.intake`."""

from __future__ import annotations

import datetime as dt
from typing import Any

from api.schemas.frontier_request import FrontierRequest
from api.schemas.requests import EffortSettings
from api.service.intake import Intake, cells_of, edition, parsed
from api.store.jobs import NewJob
from api.store.records import digest_of

ROWS = ("offers", "add_offers", "accelerators", "measured", "coefficients")

OPTIONS = ("of", "points", "low", "high", "resolution")


def frontier_job(intake: Intake, content: Any) -> NewJob:
    """Return the job that a request for a frontier is.

    Parameters
    ----------
    content
        The parsed body: a `FrontierRequest`.

    Raises
    ------
    InputError, ProblemError
        If something in it is wrong, or beyond the limits.
    """
    envelope = intake.envelope(content, FrontierRequest)
    workload = intake.workload(envelope.get("workload"))
    for name in ROWS:
        intake.check_rows(name, envelope.get(name))
    rest = {k: v for k, v in envelope.items() if k not in ("workload", *ROWS)}
    request = parsed(_Rest, rest, "")
    settings = request.settings or EffortSettings()
    intake.check_time_limit(settings.time_limit_s)
    as_of = settings.as_of or dt.date.today()
    task = {
        "workload": workload.to_dict(),
        "catalog_id": intake.snapshot_id(envelope),
        "options": request.model_dump(include=set(OPTIONS)),
        "measured": cells_of(envelope, "measured"),
        "coefficients": cells_of(envelope, "coefficients"),
        "settings": {**settings.model_dump(mode="json"), "as_of": as_of.isoformat()},
    }
    return NewJob("frontier", digest_of(["frontier", edition(), task]), task)


class _Rest(FrontierRequest):
    """A request without the parts that have checks of their own."""

    workload: Any = None  # type: ignore[assignment]
