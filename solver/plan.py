"""The plan: what to buy, what runs where, what it does, and how far it is proven."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from data.errors import PlanError
from data.offers import HOURS_PER_MONTH

SCHEMA = "minfleet/plan/v1"


@dataclass(frozen=True)
class Pool:
    """Replicas of one kind and role on the nodes of one offer.

    Attributes
    ----------
    serves
        Class name → share of the class that this pool takes.
    admits_rps
        Class name → requests/s one replica admits; loads of classes add up as fractions.
    tier
        Classes whose strictest promise the pool keeps.
    tightened
        Factor on the admissible rates, below 1 where the mix would have missed a target.
    nodes
        Nodes that hold any of its replicas; pools may share nodes.
    cost_per_hour_usd
        Its part of the nodes' price, by accelerators in use.
    predicted
        What one replica does under its load; None with measured capacities.
    """

    name: str
    role: str
    model: str
    accelerator: str
    offer_id: str
    provider: str
    region: str
    pricing: str
    engine: str
    weight_precision: str
    kv_precision: str
    tp: int
    pp: int
    ep: int
    cross_node: bool
    cross_node_gbps: float
    batch_cap: int
    replicas: int
    spare_replicas: int
    nodes: int
    gpus: int
    cost_per_hour_usd: float
    serves: Mapping[str, float]
    admits_rps: Mapping[str, float]
    tier: tuple[str, ...]
    tightened: float
    quality_loss_pct: float
    network_bytes_per_s: float
    predicted: Mapping[str, Any] | None


@dataclass(frozen=True)
class Purchase:
    """Nodes of one offer.

    Attributes
    ----------
    price_per_node_hour_usd
        Price of one node as listed, without what is paid upfront.
    upfront_usd
        Paid in advance for all of them; 0 for nothing.
    term_months
        Length of the commitment; None for none.
    cost_per_hour_usd
        Price of all of them and their part of the upfront payment, spread over the term.
    observed_at
        Day on which the price was seen (ISO).
    """

    offer_id: str
    nodes: int
    price_per_node_hour_usd: float
    upfront_usd: float
    term_months: int | None
    cost_per_hour_usd: float
    observed_at: str


@dataclass(frozen=True)
class Plan:
    """A plan document; `to_dict` gives the contract ``minfleet/plan/v1``.

    Attributes
    ----------
    status
        ``optimal``: proven to the gap asked for. ``feasible``: the gap is open and shown.
        ``infeasible``: proven that no plan exists. ``unknown``: neither was found in time.
    classes
        What each class gets, beside its targets.
    objective
        What is made smallest, its unit and value, and what decides between equal fleets.
    power_kw
        Board power of the accelerators bought; None where one is not known, as the next two.
    energy_kwh_per_hour, carbon_kg_per_hour
        What the fleet takes in an hour and emits; see `solver.footprint`.
    simulation
        The fleet's cost by formulas alone and with targets held in simulation; None without one.
    load
        The factor on the rates of a plan for the most load; None otherwise.
    batch
        Hours and total cost of a plan that drains a batch; None otherwise.
    schedule
        Commitments, and the fleet of every period, of a plan for rates that change; None
        otherwise. Pools and purchases are then those of the highest load, and costs an average.
    change
        What the change from a running fleet costs, where the plan was made beside one: its
        objective is then the cost and that. None otherwise.
    """

    status: str
    workload: Mapping[str, Any]
    catalog: Mapping[str, Any]
    cost_per_hour_usd: float | None = None
    gpus: int = 0
    gpus_idle: int = 0
    cost_per_million_output_tokens_usd: float | None = None
    objective: Mapping[str, Any] = field(default_factory=dict)
    power_kw: float | None = None
    energy_kwh_per_hour: float | None = None
    carbon_kg_per_hour: float | None = None
    pools: tuple[Pool, ...] = ()
    purchases: tuple[Purchase, ...] = ()
    classes: tuple[Mapping[str, Any], ...] = ()
    certificate: Mapping[str, Any] = field(default_factory=dict)
    search: Mapping[str, Any] = field(default_factory=dict)
    binding: tuple[Mapping[str, Any], ...] = ()
    why_not: tuple[Mapping[str, Any], ...] = ()
    alternatives: tuple[Mapping[str, Any], ...] = ()
    infeasibility: Mapping[str, Any] | None = None
    simulation: Mapping[str, Any] | None = None
    load: Mapping[str, Any] | None = None
    batch: Mapping[str, Any] | None = None
    schedule: Mapping[str, Any] | None = None
    change: Mapping[str, Any] | None = None
    assumptions: Mapping[str, Any] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()

    @classmethod
    def from_dict(cls, document: Mapping[str, Any]) -> Plan:
        """Return the plan that a document holds; `to_dict` gives its fields back.

        Raises
        ------
        PlanError
            If the document is no plan, or a field of a pool is missing.
        """
        parts = {"pools": Pool, "purchases": Purchase}
        known = {f.name for f in fields(cls)}
        found = {name: value for name, value in document.items() if name in known}
        try:
            for name, kind in parts.items():
                found[name] = tuple(_record(kind, entry) for entry in document[name])
            for name, value in found.items():
                if isinstance(value, list):
                    found[name] = tuple(value)
            return cls(**found)
        except (LookupError, TypeError, AttributeError) as error:
            raise PlanError(
                f"the plan document is incomplete or damaged ({type(error).__name__}: {error})."
            ) from None

    @property
    def cost_per_month_usd(self) -> float | None:
        """Cost of 730 hours."""
        if self.cost_per_hour_usd is None:
            return None
        return round(self.cost_per_hour_usd * HOURS_PER_MONTH, 2)

    def to_dict(self) -> dict[str, Any]:
        """Return the plan document, ready for JSON."""
        return {
            "schema": SCHEMA,
            "status": self.status,
            "cost_per_hour_usd": self.cost_per_hour_usd,
            "cost_per_month_usd": self.cost_per_month_usd,
            "cost_per_million_output_tokens_usd": self.cost_per_million_output_tokens_usd,
            "gpus": self.gpus,
            "gpus_idle": self.gpus_idle,
            "objective": dict(self.objective),
            "power_kw": self.power_kw,
            "energy_kwh_per_hour": self.energy_kwh_per_hour,
            "carbon_kg_per_hour": self.carbon_kg_per_hour,
            "pools": [plain(p) for p in self.pools],
            "purchases": [plain(p) for p in self.purchases],
            "classes": [dict(c) for c in self.classes],
            "certificate": dict(self.certificate),
            "search": dict(self.search),
            "binding": [dict(b) for b in self.binding],
            "why_not": [dict(w) for w in self.why_not],
            "alternatives": [dict(a) for a in self.alternatives],
            "infeasibility": None if self.infeasibility is None else dict(self.infeasibility),
            "simulation": None if self.simulation is None else dict(self.simulation),
            "load": None if self.load is None else dict(self.load),
            "batch": None if self.batch is None else dict(self.batch),
            "schedule": None if self.schedule is None else dict(self.schedule),
            "change": None if self.change is None else dict(self.change),
            "catalog": dict(self.catalog),
            "assumptions": dict(self.assumptions),
            "warnings": list(self.warnings),
            "workload": dict(self.workload),
        }

    def to_json(self) -> str:
        """Return the plan document as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)


def _record(kind: Any, entry: Mapping[str, Any]) -> Any:
    """Return an entry of a document as the record it was written from."""
    found = {f.name: entry[f.name] for f in fields(kind)}
    return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in found.items()})


def plain(item: Pool | Purchase) -> dict[str, Any]:
    """Return a pool or a purchase as a document shows it."""
    return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(item).items()}
