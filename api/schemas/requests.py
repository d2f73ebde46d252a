"""What the service is asked: plans and simulations. Estimates have a module of their own."""

from __future__ import annotations

import datetime as dt
import re
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, RootModel

from api.schemas.units import unit
from solver.workload import Workload

Scalar = str | float | int | bool | None

Cell = Scalar | list[str] | list[dict[str, Scalar]] | dict[str, Scalar]
"""Only `price_steps` takes a mapping of nodes to price, or a list of `{from_nodes, price}`."""

Rows = Annotated[list[dict[str, Cell]], Field(min_length=1)]
"""Rows of a table, each a mapping of column to value, as in a YAML file of it."""


def _iso(value: Any) -> dt.date:
    """Refuse what pydantic would take for a day besides YYYY-MM-DD, such as seconds since 1970."""
    if isinstance(value, dt.date):
        return value
    if isinstance(value, str) and ISO_DAY.fullmatch(value):
        return dt.date.fromisoformat(value)
    raise ValueError("should be a date, written YYYY-MM-DD")


ISO_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

Day = Annotated[dt.date, BeforeValidator(_iso)]
"""A day as YYYY-MM-DD."""


class Request(BaseModel):
    """A part of a request: unknown keys are errors. The text below a field is its meaning."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, allow_inf_nan=False, use_attribute_docstrings=True
    )


class PlanSettings(Request):
    """How hard to try, and how much to say."""

    gap: Annotated[float, Field(ge=0, le=1)] = 1e-4
    """Relative gap that counts as proven."""
    time_limit_s: Annotated[float, unit("seconds", ge=0.1, le=86_400)] = 60.0
    """Wall time for the main program; the server has a limit of its own for it."""
    explain: Literal["none", "auto", "full"] = "auto"
    """What binds, why not, and alternatives: left out, bounded where large, or all solved."""
    second_engine: bool = True
    """Whether a second engine is asked for an independent bound."""
    simulate: bool = False
    """Whether the fleet is simulated, and planned again until it holds its targets there."""
    as_of: Day | None = None
    """Day of the plan: offers must be on sale then, and the age of prices is counted to it. Today
    by default."""


class EffortSettings(Request):
    """How hard to try where many programs are solved."""

    gap: Annotated[float, Field(ge=0, le=1)] = 1e-4
    """Relative gap at which a fleet counts as proven."""
    time_limit_s: Annotated[float, unit("seconds", ge=0.1, le=86_400)] = 60.0
    """Wall time for each program; the server has limits of its own for it and for the whole job."""
    as_of: Day | None = None
    """Day of the answer: offers must be on sale then, and the age of prices is counted to it.
    Today by default."""


class PlanRequest(Request):
    """A workload with what belongs to it. A workload alone may be sent in its place."""

    workload: Workload
    """What is to be served. Models are catalogue names, or configs: `{config: {…}, name: …}`."""
    catalog_id: str | None = None
    """Snapshot of the catalogue to plan over; the one in force by default."""
    offers: Rows | None = None
    """Offers to plan over instead of the catalogue's, in the columns of an offers file."""
    add_offers: Rows | None = None
    """Offers to plan over besides the others."""
    accelerators: Rows | None = None
    """Accelerators to add or override, in the columns of an accelerators file."""
    measured: Rows | None = None
    """Measured capacities in place of the performance model: `accelerator`, `class`,
    `capacity_rps`, and `gpus_per_replica` where it is not 1."""
    coefficients: Rows | None = None
    """Coefficients of the performance model over the shipped ones, as `minfleet calibrate` writes
    them."""
    settings: PlanSettings | None = None
    """How hard to try, and how much to say; each has a default."""


class CatalogRows(RootModel[Rows]):
    """Rows of offers or accelerators, in the columns of a file of them."""


class ArrivedRequest(Request):
    """One request of a trace."""

    arrival_s: Annotated[float, unit("seconds", ge=0, le=1e9)]
    """When it arrives; only differences count."""
    isl: Annotated[int, unit("tokens", ge=1, le=10_000_000)]
    """Prompt tokens."""
    osl: Annotated[int, unit("tokens", ge=1, le=10_000_000)]
    """Output tokens."""
    blocks: list[Annotated[int, Field(ge=-(2**63), lt=2**63)]] = []
    """Hashes of the prompt's blocks of 512 tokens, each of the block and all before it."""


class SimulationRequest(Request):
    """A plan, and how it is loaded."""

    plan_id: str | None = None
    """A stored plan."""
    plan: dict[str, Any] | None = None
    """A plan document, in the place of `plan_id`."""
    requests: Annotated[int, unit("requests", ge=2, le=10_000_000)] | None = None
    """How many; by default enough for a steady state, or the whole trace."""
    arrivals: Annotated[str, Field(max_length=40)] | None = None
    """`poisson`, `gamma:CV` or `trace`; by default `trace` where one is given, else what the
    workload says."""
    router: Literal["random", "round_robin", "least_loaded"] = "random"
    """How each pool picks a replica; the formulas assume `random`."""
    seed: Annotated[int, Field(ge=0, lt=2**63)] = 0
    """Of all that is drawn; the same seed gives the same figures."""
    trace: Annotated[list[ArrivedRequest], Field(min_length=2)] | None = None
    """Requests to replay."""
    coefficients: Rows | None = None
    """Coefficients over the shipped ones; by default those that the stored plan was made with."""


class ModelImport(Request):
    """A model to add to the catalogue."""

    name: Annotated[
        str, Field(min_length=1, max_length=100, pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]*$")
    ]
    """What workloads call it; a name imported before gets the new config."""
    config: dict[str, Any]
    """The Hugging Face `config.json`."""
    note: Annotated[str, Field(max_length=1000)] = ""
    """Where it comes from."""
