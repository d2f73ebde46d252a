"""The block ``batch`` of a workload: requests that wait, to be drained by a deadline."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any

from pydantic import Field

from solver.blocks import UNIT, Number, Strict

SECONDS_PER_HOUR = 3600.0

MOST_STEPS = 200
"""Billing steps until the deadline; each is a duration that may be planned for."""

NO_TARGETS = {"ttft_ms": None, "tpot_ms": None, "e2e_ms": None}


Hours = Annotated[Number, Field(gt=0, le=8784, json_schema_extra={UNIT: "h"})]


class Batch(Strict):
    """Requests that are all there at the start, to be drained by a deadline at least cost.

    No latency targets hold unless `sla` sets them, replicas are used to saturation unless
    `serving.max_utilization` is set, and spot nodes are bought unless `hardware.pricing` is set.
    """

    deadline_h: Hours
    """Hours from the start until everything must be drained."""
    billing_step_h: Hours = 1.0
    """Nodes are paid for whole steps of so many hours: 1 for the hour, 1/60 for the minute."""
    startup_h: Annotated[Number, Field(ge=0, le=100, json_schema_extra={UNIT: "h"})] = 0.0
    """Hours at the start in which nodes are paid for and load weights, but serve nothing."""

    def durations(self) -> list[tuple[float, float]]:
        """Return (hours until the end, hours paid for) of every duration that may be planned."""
        steps = math.floor(self.deadline_h / self.billing_step_h * (1 + 1e-12))
        found = [(k * self.billing_step_h,) * 2 for k in range(1, steps + 1)]
        if self.deadline_h > steps * self.billing_step_h * (1 + 1e-9):
            found.append((self.deadline_h, (steps + 1) * self.billing_step_h))
        return [(end, paid) for end, paid in found if end > self.startup_h]


def with_batch_defaults(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content of a workload with a batch, what a batch leaves open filled in.

    Rates are those that drain every class just at the deadline; what is malformed stays for the
    checks of the fields.
    """
    filled = dict(content)
    batch = filled["batch"]
    defaults: dict[str, dict[str, Any]] = {
        "sla": NO_TARGETS,
        "serving": {"max_utilization": 1.0},
        "hardware": {"pricing": ["on_demand", "spot"]},
    }
    for block, own in defaults.items():
        given = filled.get(block, {})
        if isinstance(given, Mapping):
            filled[block] = {**own, **given}
    classes = filled.get("classes")
    if isinstance(batch, Mapping) and isinstance(classes, (list, tuple)):
        hours = batch.get("deadline_h")
        filled["classes"] = [_with_rate(c, hours) for c in classes]
    return filled


def _with_rate(spec: Any, hours: Any) -> Any:
    """Return a class with the rate that drains it in so many hours, if it has none."""
    if not isinstance(spec, Mapping) or "rate_rps" in spec:
        return spec
    try:
        rate = requests_of(spec) / (float(hours) * SECONDS_PER_HOUR)
    except (TypeError, ValueError, ZeroDivisionError):
        rate = math.nan
    return {**spec, "rate_rps": rate if 1e-9 <= rate <= 1e9 else 1.0}


def requests_of(spec: Mapping[str, Any]) -> float:
    """Return the requests of a class: as given, or its output tokens over their mean length.

    Raises
    ------
    TypeError, ValueError
        If there are neither.
    """
    if spec.get("requests") is not None:
        return float(spec["requests"])
    osl = spec.get("osl")
    mean = osl.get("mean") if isinstance(osl, Mapping) else osl
    return float(spec.get("tokens")) / float(mean)  # type: ignore[arg-type]


def check_batch(workload: Any) -> None:
    """Raise if the classes of a workload do not fit its block `batch`, or its lack of one.

    Raises
    ------
    ValueError
        With one sentence, for the checks of pydantic.
    """
    batch: Batch | None = workload.batch
    for spec in workload.classes:
        given = [name for name in ("requests", "tokens") if getattr(spec, name) is not None]
        if batch is None and given:
            raise ValueError(
                f"classes.{spec.name}.{given[0]} is for a batch; add batch: {{deadline_h: …}}, or "
                "give rate_rps"
            )
        if batch is not None and len(given) != 1:
            raise ValueError(
                f"classes.{spec.name}: a class of a batch has either requests or tokens, not "
                + ("both" if given else "a rate alone")
            )
        if batch is not None and spec.requests is None and spec.osl is None:
            raise ValueError(f"classes.{spec.name}.tokens needs osl, which is not given")
    if batch is None:
        return
    steps = batch.deadline_h / batch.billing_step_h
    if steps > MOST_STEPS:
        raise ValueError(
            f"batch: {steps:,.0f} billing steps until the deadline are more than {MOST_STEPS}; "
            "raise billing_step_h"
        )
    if not batch.durations():
        raise ValueError("batch: startup_h leaves no time until deadline_h")
    if "committed" in workload.hardware.pricing:
        raise ValueError(
            "hardware.pricing: nodes of a batch are rented by the hour; leave committed out"
        )
    if workload.objective.order != ("cost",) or workload.objective.maximize is not None:
        raise ValueError("objective: a batch is drained at least cost; leave the objective out")
