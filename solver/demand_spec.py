"""The block ``demand`` of a workload: rates that change over the day, the week and the months."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, model_validator

from data.offers import Offer
from solver.blocks import UNIT, Number, Strict, refuse_truth_values
from solver.horizon.periods import Period, Start

HOURS_PER_DAY = 24
HOURS_PER_WEEK = 168

DEFAULT_MONTHS = 12
"""Horizon where neither the workload nor an offer says one."""

MOST_PERIODS = 1000
"""Months times different hours that one plan may have."""

Factor = Annotated[Number, Field(ge=1e-3, le=1e3, json_schema_extra={UNIT: "× rate_rps"})]


@dataclass(frozen=True)
class Slice:
    """A period, and which hours of the day or week it stands for (0 is the first; () for all)."""

    period: Period
    hours: tuple[int, ...]


class DemandSpec(Strict):
    """How the rates of `classes` change: factors by the hour, by the month, or both.

    The plan then has a fleet for every period, and commitments for the whole horizon.
    """

    hourly: Annotated[list[Factor] | None, BeforeValidator(refuse_truth_values)] = None
    """Factors on every rate, hour by hour: 24 for a day that repeats, or 168 for a week."""
    monthly: Annotated[
        Annotated[list[Factor], Field(min_length=1, max_length=120)] | None,
        BeforeValidator(refuse_truth_values),
    ] = None
    """Further factors, one for each month of the horizon: a growth path."""
    horizon_months: (
        Annotated[int, Field(ge=1, le=120, json_schema_extra={UNIT: "months"})] | None
    ) = None
    """Months planned for; the last factor of `monthly` lasts until then. Null for as many as
    `monthly` has, else the longest term for sale, else 12. Commitments that outlast it are left
    out."""
    startup_h: Annotated[Number, Field(ge=0, le=24, json_schema_extra={UNIT: "h"})] = 0.0
    """Hours that a node is paid for before it serves, each time it is started between two
    periods."""

    @model_validator(mode="after")
    def _factors(self) -> DemandSpec:
        if self.hourly is None and self.monthly is None:
            raise ValueError("give hourly factors, monthly factors, or both")
        if self.hourly is not None and len(self.hourly) not in (HOURS_PER_DAY, HOURS_PER_WEEK):
            raise ValueError(
                f"hourly has {len(self.hourly)} factors; give 24 for a day or 168 for a week"
            )
        if self.monthly is not None and (self.horizon_months or 120) < len(self.monthly):
            raise ValueError(
                f"horizon_months is {self.horizon_months}, but monthly has "
                f"{len(self.monthly)} factors"
            )
        count = len(self.slices(self.months_over(())))
        if count > MOST_PERIODS:
            raise ValueError(
                f"{count} periods are more than {MOST_PERIODS}; give fewer months, or 24 hours in "
                "place of 168"
            )
        return self

    @property
    def peak(self) -> float:
        """The highest factor."""
        return max(self.hourly or [1.0]) * max(self.monthly or [1.0])

    @property
    def cycle_hours(self) -> int:
        """Hours after which the hourly factors come again."""
        return len(self.hourly) if self.hourly else HOURS_PER_DAY

    def months_over(self, offers: Iterable[Offer]) -> int:
        """Return the months planned for, given the offers for sale."""
        if self.horizon_months is not None:
            return self.horizon_months
        if self.monthly is not None:
            return len(self.monthly)
        terms = [o.term_months for o in offers if o.pricing == "committed" and o.term_months]
        return max(terms, default=DEFAULT_MONTHS)

    def start(self) -> Start | None:
        """Return what starting a node costs; None for nothing."""
        return Start(self.startup_h, float(self.cycle_hours)) if self.startup_h else None

    def slices(self, months: int) -> list[Slice]:
        """Return the periods of a horizon, in order of time.

        Hours of one factor are one period; where starting a node costs something, only hours
        that follow each other. Without a growth path all months are alike, and one stands for
        them: what is best in one is best in each.
        """
        growth = list(self.monthly or [1.0])
        if self.monthly is not None:
            growth += growth[-1:] * (months - len(growth))
        found = []
        for month, grown in enumerate(growth):
            for hours, factor in self._hours():
                share = (len(hours) or 1) / (len(growth) * (len(self.hourly or [0])))
                found.append(Slice(Period(month, grown * factor, share), hours))
        return found

    def _hours(self) -> list[tuple[tuple[int, ...], float]]:
        if self.hourly is None:
            return [((), 1.0)]
        found: list[tuple[list[int], float]] = []
        for hour, factor in enumerate(self.hourly):
            alike = found[-1:] if self.startup_h else found
            same = next((hours for hours, f in alike if f == factor), None)
            if same is None:
                found.append(([hour], factor))
            else:
                same.append(hour)
        return [(tuple(hours), factor) for hours, factor in found]


def check_demand(workload: Any) -> None:
    """Raise if a workload asks for what cannot be had of rates that change.

    Raises
    ------
    ValueError
        With one sentence, for the checks of pydantic.
    """
    if workload.demand is None:
        return
    if workload.batch is not None:
        raise ValueError("demand: a batch has no rates that change; leave demand or batch out")
    if workload.objective.order != ("cost",) or workload.objective.maximize is not None:
        raise ValueError("objective: rates that change are served at least cost; leave it out")
    limits = ("max_gpus", "max_cost_per_hour_usd", "max_power_kw", "max_providers")
    given = [name for name in limits if getattr(workload.hardware, name, None) is not None]
    if given:
        raise ValueError(
            f"hardware.{given[0]} limits one fleet, and demand asks for one in every period; "
            "leave one of them out"
        )


def outlasting(demand: DemandSpec, offers: Iterable[Offer]) -> tuple[Offer, ...]:
    """Return the commitments that are longer than the horizon."""
    offers = tuple(offers)
    months = demand.months_over(offers)
    return tuple(o for o in offers if o.pricing == "committed" and (o.term_months or 0) > months)
