"""The catalogue as the service shows it."""

from __future__ import annotations

import datetime as dt
from typing import Annotated, Any, Literal

from pydantic import Field

from api.schemas.base import Document
from api.schemas.units import unit


class CatalogFacts(Document):
    """Which snapshot an answer comes from."""

    id: str
    """Hash of every accelerator and offer in it."""
    observed_at: dict[str, dt.date]
    """Dates of the `oldest` and the `newest` price."""


class PriceStepDocument(Document):
    """From so many nodes on, every node costs this."""

    from_nodes: Annotated[int, unit("nodes", ge=2)]
    """Nodes from which on it holds."""
    price_per_node_hour_usd: Annotated[float, unit("USD/h", ge=0)]
    """Price of each of the nodes."""


class OfferDocument(Document):
    """An offer; the fields are the columns of an offers file."""

    offer_id: str
    """Name of the offer."""
    provider: str
    """Who rents it out."""
    region: str
    """Where; empty where that is not known."""
    accelerator: str
    """Catalogue name of the accelerator."""
    gpus_per_node: Annotated[int, unit("accelerators", ge=1)]
    """Accelerators of a node; whole nodes are rented."""
    price_per_node_hour_usd: Annotated[float, unit("USD/h", ge=0)]
    """Price of a node."""
    price_per_gpu_hour_usd: Annotated[float, unit("USD/h", ge=0)]
    """Cost of one accelerator, its part of an upfront payment included."""
    pricing: Literal["on_demand", "spot", "committed"]
    """How it is sold."""
    stock: Annotated[int, unit("nodes", ge=0)] | None
    """Nodes that can be had; null where no limit is known."""
    instance_type: str
    """What the provider calls the machine."""
    network_gbps: Annotated[float, unit("Gbit/s", gt=0)] | None
    """Network of a node towards others; null where that is not known."""
    min_nodes: Annotated[int, unit("nodes", ge=1)]
    """Fewest nodes that are sold."""
    term_months: Annotated[int, unit("months", ge=1)] | None
    """Length of the commitment; null for none."""
    upfront_usd: Annotated[float, unit("USD", ge=0)] | None
    """Payment in advance for a node and the whole term; null for none."""
    interruptible: bool
    """Whether the provider may take it away."""
    available_from: dt.date | None
    """First day on which it can be rented; null where no limit is known."""
    available_until: dt.date | None
    """Last such day."""
    currency: str
    """ISO 4217 code of the currency it was quoted in; every amount here is in US dollars."""
    observed_at: dt.date
    """When the price was seen."""
    source: str
    """Where."""
    notes: str
    """What else there is to say."""
    usd_per_unit: Annotated[float, unit("USD", gt=0)] | None
    """Exchange rate that it was converted at: dollars for one unit; null for US dollars."""
    rate_date: dt.date | None
    """Day of that rate; null for US dollars."""
    price_steps: list[PriceStepDocument]
    """Prices that fall with the number of nodes; empty where one price holds for any number."""
    confirmed: bool
    """Whether the buyer confirmed a price that looks like one of another unit."""


class OfferList(Document):
    """Offers, the cheapest accelerator-hour first."""

    catalog: CatalogFacts
    """The snapshot."""
    total: Annotated[int, Field(ge=0)]
    """Offers within the filters."""
    offers: list[OfferDocument]
    """Those of this page."""


class AcceleratorDocument(Document):
    """An accelerator; the fields are the columns of an accelerators file, and what it costs."""

    name: str
    """Catalogue name."""
    vendor: str
    """Who makes it."""
    memory_mib: Annotated[float, unit("MiB", gt=0)]
    """Memory as the driver reports it."""
    bandwidth_gb_per_s: Annotated[float, unit("GB/s", gt=0)]
    """Memory bandwidth."""
    bf16_tflops: Annotated[float, unit("TFLOPS", gt=0)]
    """Dense peak in bf16."""
    offers: Annotated[int, Field(ge=0)]
    """Offers of it within the filters."""
    least_price_per_gpu_hour_usd: dict[str, float | None]
    """The cheapest of these by pricing (USD/h); null where there is none."""


class AcceleratorList(Document):
    """Accelerators, by vendor and size."""

    catalog: CatalogFacts
    """The snapshot."""
    accelerators: list[AcceleratorDocument]
    """Those within the filters."""


class ModelDocument(Document):
    """A model, with what its shapes give."""

    name: str
    """What workloads call it."""
    hf_id: str
    """Hugging Face id; empty where it has none."""
    params_total: Annotated[float, unit("parameters", gt=0)]
    """Parameters, computed from its config."""
    params_active: Annotated[float, unit("parameters", gt=0)]
    """Parameters that a token visits."""
    layers: Annotated[int, Field(ge=1)]
    """Layers."""
    native_precision: str
    """Weight format of the published checkpoint."""
    source: str
    """Where the config comes from."""


class ModelList(Document):
    """Models, the smallest first."""

    models: list[ModelDocument]
    """The models."""


class ModelVersion(Document):
    """A config of an imported model."""

    number: Annotated[int, Field(ge=1)]
    """Counts up over all imports; the greatest of a name counts."""
    name: str
    """What workloads call it."""
    config: dict[str, Any]
    """The config."""
    note: str
    """Where it comes from."""
    created_at: dt.datetime
    """When it was imported."""


class ModelVersions(Document):
    """Imports of models, the latest first."""

    models: list[ModelVersion]
    """The imports."""


class SnapshotInForce(Document):
    """A snapshot of the catalogue, and since when it was in force."""

    number: Annotated[int, Field(ge=1)]
    """Counts up; the greatest is in force."""
    catalog_id: str
    """The snapshot."""
    kind: Literal["shipped", "imported", "refreshed"]
    """Whether it came with minfleet, was imported, or is a refresh of prices."""
    note: str
    """What the importer said of it, or the refresh."""
    created_at: dt.datetime
    """Since when."""


class CatalogHistory(Document):
    """What was in force, the latest first."""

    history: list[SnapshotInForce]
    """The snapshots."""
    next: str | None
    """Path of the next page; null on the last."""


class OfferChange(Document):
    """An offer in one snapshot of the history."""

    catalog_id: str
    """The snapshot."""
    since: dt.datetime
    """When it came in force."""
    price_per_node_hour_usd: Annotated[float, unit("USD/h", ge=0)] | None
    """Price of a node; null where the snapshot does not hold the offer."""
    stock: Annotated[int, unit("nodes", ge=0)] | None
    """Nodes that could be had; null where no limit was known."""


class OfferHistory(Document):
    """How an offer changed, the latest first; snapshots that left it as it was are left out."""

    offer_id: str
    """The offer."""
    changes: list[OfferChange]
    """The changes."""


class ImportReport(Document):
    """What an import changed."""

    dry_run: bool
    """Whether nothing was changed, only looked at."""
    catalog_id: str
    """The snapshot that it makes, now in force unless it was a dry run."""
    rows: Annotated[int, Field(ge=0)]
    """Rows read."""
    added: list[str]
    """Names that were not there before."""
    changed: list[str]
    """Names whose figures changed."""
    removed: list[str]
    """Names that are there no more."""
    skipped: list[dict[str, str]]
    """Rows that gave nothing, each with its place and the reason."""
    warnings: list[str]
    """What to look at."""
