"""From the body of a request to the task of a comparison; see `api.service.intake`."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from typing import Any

from api.schemas.comparison_request import ComparisonRequest
from api.schemas.requests import EffortSettings
from api.service.intake import Intake, cells_of, edition, parsed
from api.store.jobs import NewJob
from api.store.records import digest_of
from data.errors import InputError, UnknownNameError
from solver.comparison.content import content_to_compare

CHECKED_APART = ("workload", "offers", "accelerators", "measured", "coefficients")
"""Parts that have checks of their own, with sentences that name the row."""


def comparison_job(intake: Intake, content: Any) -> NewJob:
    """Return the job that a request for a comparison is.

    Parameters
    ----------
    content
        The parsed body: a `ComparisonRequest`.

    Raises
    ------
    InputError, ProblemError
        If something in it is wrong, or beyond the limits.
    """
    envelope = intake.envelope(content, ComparisonRequest)
    workload = intake.workload(envelope.get("workload"))
    if "offers" not in envelope:
        raise InputError("offers: give the rows to compare, each a mapping of column to value.")
    for name in CHECKED_APART[1:]:
        intake.check_rows(name, envelope.get(name))
    rest = {k: v for k, v in envelope.items() if k not in CHECKED_APART}
    request = parsed(_Rest, rest, "")
    settings = request.settings or EffortSettings()
    intake.check_time_limit(settings.time_limit_s)
    catalog_id, compared = _competing(intake, envelope, request)
    subsets = {name: list(dict.fromkeys(ids)) for name, ids in (request.subsets or {}).items()}
    for name, ids in subsets.items():
        for offer_id in ids:
            if offer_id not in compared:
                raise UnknownNameError("offer", offer_id, compared, f"subsets.{name}")
    as_of = settings.as_of or dt.date.today()
    task = {
        "workload": content_to_compare(workload, workload.to_dict()),
        "catalog_id": catalog_id,
        "offer_ids": compared,
        "subsets": subsets,
        "measured": cells_of(envelope, "measured"),
        "coefficients": cells_of(envelope, "coefficients"),
        "settings": {**settings.model_dump(mode="json"), "as_of": as_of.isoformat()},
    }
    return NewJob("comparison", digest_of(["comparison", edition(), task]), task)


class _Rest(ComparisonRequest):
    """A request without the parts that are checked apart."""

    workload: Any = None  # type: ignore[assignment]
    offers: Any = None  # type: ignore[assignment]


def _competing(
    intake: Intake, envelope: Mapping[str, Any], request: ComparisonRequest
) -> tuple[str, list[str]]:
    """Store the snapshot of all offers that compete; return its id and the offers to compare."""
    catalogs = intake.store.catalogs
    base = intake.snapshot(request.catalog_id or catalogs.in_force().catalog_id)
    accelerators, strict = envelope.get("accelerators"), "measured" not in envelope
    quoted = base.with_rows(offers=envelope["offers"], accelerators=accelerators, strict=strict)
    known = [o.offer_id for o in quoted.offers]
    wanted = list(dict.fromkeys(request.offer_ids or known))
    for number, name in enumerate(wanted):
        if name not in known:
            raise UnknownNameError("offer", name, known, f"offer_ids[{number}]")
    if request.add_catalog:
        quoted = base.with_rows(
            add_offers=envelope["offers"], accelerators=accelerators, strict=strict
        )
    left_out = set(known) - set(wanted)
    competing = quoted.with_offers(o for o in quoted.offers if o.offer_id not in left_out)
    return catalogs.keep(competing).id, wanted
