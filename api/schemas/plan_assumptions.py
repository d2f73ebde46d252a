"""What a plan rests on: the catalogue, the settings in force, the rules of the search."""

from __future__ import annotations

from api.schemas.base import Document, Omittable
from api.schemas.units import Count, GigabitsPerSecond, GramsPerKwh, Hours, Sequences, Share, Stages
from api.schemas.words import Day, ModelName
from solver.workload import Hardware, PrecisionSpec, Serving, Sla, WeightFormat


class ObservedAt(Document):
    """When the prices of the catalogue were seen."""

    oldest: Day
    """Date of its oldest price."""
    newest: Day
    """Date of its newest price."""


class CatalogUsed(Document):
    """The catalogue that the plan was made from."""

    id: str
    """Hash of every accelerator and offer: equal ids mean equal catalogues."""
    as_of: Day
    """Day of the plan: only offers on sale then were considered, and the age of prices is counted
    to it."""
    observed_at: ObservedAt
    """When its prices were seen."""
    offers: Count
    """Number of its offers."""


class GridUsed(Document):
    """The grid of a region that is bought from."""

    provider: str
    """Provider."""
    region: str
    """Region in its naming."""
    zone: str
    """Grid it takes its power from; what the workload calls it, or `default`, where that states
    the figure."""
    gco2e_per_kwh: GramsPerKwh
    """What a kilowatt-hour from it emits on average."""
    year: int | None
    """Year of that average; null where the workload states the figure."""
    source: str
    """Where the figure comes from."""
    default: bool
    """Whether no figure is known for the region, so that the default counts."""


class FootprintRules(Document):
    """How energy and carbon are counted."""

    pue: float
    """Energy of the building over that of the accelerators."""
    idle_power_share: Share
    """Share of its board power that an idle accelerator draws."""
    utilization: str
    """What counts as utilisation."""
    power: str
    """What counts as power."""
    grids: list[GridUsed]
    """Grid of every region bought from."""


class Assumptions(Document):
    """Every setting in force, defaults included, and the rules of the search."""

    sla: Sla
    """Latency targets: the block of the workload, defaults filled in."""
    hardware: Hardware
    """Offers and limits, likewise."""
    precision: PrecisionSpec
    """Formats, likewise."""
    serving: Serving
    """How the engine is run, likewise."""
    hours_per_month: Hours
    """Hours of a month in every cost: 730."""
    footprint: Omittable[FootprintRules] = None
    """How energy and carbon are counted."""
    weight_formats: Omittable[dict[ModelName, list[WeightFormat]]] = None
    """Weight formats tried for each model."""
    arrivals: Omittable[str] = None
    """How requests arrive."""
    batch_caps: Omittable[list[Sequences]] = None
    """Batch caps tried."""
    pipeline_degrees: Omittable[list[Stages]] = None
    """Pipeline degrees tried."""
    cross_node_pipeline_min_gbps: Omittable[GigabitsPerSecond] = None
    """Slowest network over which pipelines cross nodes."""
    handover_share_of_ttft: Omittable[Share] = None
    """Part of the TTFT target kept for the hand-over where prefill and decode are split."""
    ttft_share_of_e2e_when_split: Omittable[Share] = None
    """Part of an end-to-end target that the TTFT may take then."""
    kv_reservation: Omittable[str] = None
    """How sequences are counted in memory."""
    prefix_cache: Omittable[str] = None
    """What prefix hits save."""
    commitments: Omittable[str] = None
    """Where the rates change: what is paid for commitments."""
    capacities: Omittable[str] = None
    """With measured capacities, in place of what follows `hours_per_month`: that they are
    measured."""
