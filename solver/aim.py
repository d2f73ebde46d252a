"""The block ``objective`` of a workload: what its plan makes smallest, and how power is counted."""

from __future__ import annotations

from typing import Annotated, Any, Literal, get_args

from pydantic import BeforeValidator, Field, model_validator

from solver.blocks import UNIT, Fraction, Number, Strict, refuse_truth_values

Aim = Literal["cost", "gpus", "energy", "carbon"]

IDLE_POWER_SHARE = 0.1
"""Share of its board power that an idle accelerator draws. Two published measurements of an H200
SXM at idle, whose limit is 700 W: 73.65 W (ConserveMode on RunPod) and 80.3 W (serialalice)."""

PUE = 1.3
"""Energy of the building over that of its machines: between Google's fleet (about 1.1) and the
average of the Uptime Institute's survey of 2024 (1.56)."""


def or_a_word(schema: dict[str, Any]) -> None:
    """Say in a JSON schema that the block may be the word that is its `minimize`."""
    schema["anyOf"] = [{"enum": list(get_args(Aim))}, {"$ref": schema.pop("$ref")}]


GramsPerKwh = Annotated[Number, Field(ge=0, le=5000, json_schema_extra={UNIT: "g CO2e/kWh"})]


class GridFactorsSpec(Strict):
    """What a kilowatt-hour emits, over the shipped figures."""

    default: GramsPerKwh | None = None
    """Where a region has no figure, neither here nor shipped; null for the world's average, 473."""
    by_region: Annotated[dict[str, GramsPerKwh], BeforeValidator(refuse_truth_values)] = {}
    """Figures by region, as `us-east-1` or `aws/us-east-1`; they go before the shipped ones."""


class ObjectiveSpec(Strict):
    """What the plan makes smallest, and how power is counted. A word alone is `minimize`."""

    minimize: Aim = "cost"
    """`cost` (USD/h), `gpus` (accelerators bought), `energy` (kWh/h, see below) or `carbon`
    (kg CO2e/h: the energy in each region times what a kilowatt-hour emits there)."""
    maximize: Literal["load"] | None = None
    """`load`: the largest factor on all rates that a fleet within the limits of `hardware` serves;
    of several such fleets the cheapest. Needs `max_cost_per_hour_usd` or `max_gpus`."""
    then: Aim | None = None
    """What decides between fleets that are equal in that, to the gap asked for; null for `cost`
    (for nothing where cost comes first)."""
    pue: Annotated[Number, Field(ge=1, le=3)] = PUE
    """Energy of the building over that of the accelerators in it."""
    idle_power_share: Annotated[Fraction, Field(ge=0, le=1)] = IDLE_POWER_SHARE
    """Share of its board power (TDP) that an idle accelerator draws; the rest grows with its load:
    energy = PUE · TDP · (share + (1 − share) · utilisation), over all accelerators bought. 0 counts
    TDP · utilisation · PUE."""
    grid_gco2e_per_kwh: GridFactorsSpec = GridFactorsSpec()
    """What a kilowatt-hour emits, where the shipped figures are not to count."""

    @model_validator(mode="before")
    @classmethod
    def _word(cls, value: Any) -> Any:
        """Read ``objective: gpus`` as ``objective: {minimize: gpus}``."""
        return {"minimize": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _two_aims(self) -> ObjectiveSpec:
        if self.maximize is not None and self.order != ("cost",):
            raise ValueError("with maximize, cost decides between fleets; leave out the others")
        if self.then == self.minimize:
            raise ValueError(f"then: {self.then} comes first already; name another, or none")
        return self

    @property
    def order(self) -> tuple[Aim, ...]:
        """What counts, first things first."""
        then = self.then or ("cost" if self.minimize != "cost" else None)
        return (self.minimize,) if then is None else (self.minimize, then)
