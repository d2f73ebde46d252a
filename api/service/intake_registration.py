"""From the body of a request to a registration; see `api.service.intake`."""

from __future__ import annotations

import json
import re
from typing import Annotated, Any

from pydantic import Field, ValidationError

from api.schedules import check_times
from api.schemas.base import Document
from api.schemas.plan import BoughtOffer
from api.schemas.plan_pools import PlannedPool
from api.schemas.registration import Registration, ReplanningSettings
from api.service.intake import Intake, cells_of, parsed
from api.service.problems import ProblemError
from api.store.records import now
from api.store.registered import Content
from data.errors import InputError
from solver.replan.memory import Memory
from solver.replan.policy import Policy
from solver.replan.supported import refuse_unsupported

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}")

CHECKED_APART = ("workload", "policy", "plan", "measured", "coefficients")
"""Parts that have checks of their own."""


def checked_name(name: str) -> str:
    """Return the name of a registered workload.

    Raises
    ------
    InputError
        If it cannot be one.
    """
    if not NAME.fullmatch(name):
        raise InputError(
            f"name: {name[:100]!r} cannot be the name of a workload; write up to 100 letters, "
            "digits, dots, dashes and underscores, a letter or digit first."
        )
    return name


def registration(intake: Intake, content: Any) -> Content:
    """Return what a request registers.

    Parameters
    ----------
    content
        The parsed body: a `Registration`, or a workload alone.

    Raises
    ------
    InputError, ProblemError
        If something in it is wrong, or beyond the limits.
    """
    envelope = intake.envelope(content, Registration)
    workload = intake.workload(envelope.get("workload"))
    refuse_unsupported(workload)
    for name in ("measured", "coefficients"):
        intake.check_rows(name, envelope.get(name))
    rest = {k: v for k, v in envelope.items() if k not in CHECKED_APART}
    request = parsed(_Rest, rest, "")
    settings = request.settings or ReplanningSettings()
    intake.check_time_limit(settings.time_limit_s)
    fleet, basis = _fleet(intake, envelope.get("plan"), request.plan_id)
    for name in ("measured", "coefficients"):
        if name in envelope:
            basis[name] = cells_of(envelope, name)
    return Content(
        workload=workload.to_dict(),
        policy=Policy.parse(envelope.get("policy")).to_dict(),
        schedule=_schedule(request),
        basis={**basis, "settings": settings.model_dump(mode="json")},
        fleet=fleet,
        plan_id=request.plan_id,
        memory=_memory(request).to_dict(),
        paused=request.paused,
    )


class _Rest(Registration):
    """A request without the parts that are checked apart."""

    workload: Any = None  # type: ignore[assignment]


def _fleet(
    intake: Intake, plan: Any, plan_id: str | None
) -> tuple[dict[str, Any] | None, dict[str, Any]]:
    """Return the fleet that a request names, and what it was planned with."""
    basis: dict[str, Any] = {"measured": None, "coefficients": None}
    if plan is not None and plan_id is not None:
        raise InputError("give either plan_id, of a stored plan, or plan, a plan document.")
    if plan is not None:
        if not isinstance(plan, dict):
            raise InputError("plan: must be a plan document.")
        _check_parts(plan)
        return intake.simulable(plan), basis
    if plan_id is None:
        return None, basis
    plans = intake.store.plans
    text, made_from = plans.document(plan_id), plans.request(plan_id)
    if text is None or made_from is None:
        raise ProblemError("not-found", f"plan_id: there is no plan {plan_id!r}.")
    basis = {name: made_from.get(name) for name in basis}
    return intake.simulable(json.loads(text)), basis


class _Fleet(Document):
    """What of a plan document says which fleet runs."""

    pools: list[PlannedPool]
    purchases: Annotated[list[BoughtOffer], Field(min_length=1)]


def _check_parts(plan: dict[str, Any]) -> None:
    """Refuse a plan document whose fleet was written by hand, and wrongly."""
    if "pools" not in plan or "purchases" not in plan:
        return  # the sentence of a document that is none is better
    try:
        _Fleet.model_validate({name: plan[name] for name in ("pools", "purchases")})
    except ValidationError as error:
        wrong = [e for e in error.errors(include_url=False) if e["type"] != "missing"]
        if not wrong:  # an older minfleet wrote fewer fields; what is needed is looked at later
            return
        first = wrong[0]
        place = ".".join(str(part) for part in first["loc"])
        message = str(first["msg"]).removeprefix("Value error, ").removeprefix("Input ")
        raise InputError(f"plan.{place}: {message[0].lower()}{message[1:]}.") from None


def _schedule(request: Registration) -> dict[str, Any]:
    """Return a schedule that can be read; empty for none."""
    found = request.schedule
    if found is None:
        return {}
    if found.cron is None and found.on is None:
        raise InputError(
            "schedule: says no time; give cron, such as '0 6 * * *', or on: price_change."
        )
    try:
        check_times(found.cron, found.timezone)
    except InputError as error:
        raise InputError(f"schedule.{error}") from None
    return found.model_dump(mode="json")


def _memory(request: Registration) -> Memory:
    since = request.running_since or now()
    if since.tzinfo is None:
        raise InputError("running_since: says no time zone; write it as 2026-11-01T06:00:00Z.")
    if since > now():
        raise InputError("running_since: is in the future; give when the fleet was put in place.")
    return Memory(since=since)
