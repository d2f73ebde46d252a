"""The checker: recomputes a plan document from the domain objects, apart from the solver.

It reads the document, the workload and the catalogue, never the program's arrays. Counts,
prices, shares and node packing are checked in exact rational arithmetic. Admissible rates are
evaluated anew by the performance model, for each pool's own configuration.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from data.catalog import Catalog
from data.coefficients import CoefficientTable
from data.errors import MinfleetError, PlanError
from data.grid import GridFactors
from model.admission import ROLES
from model.predict import Prediction
from solver.certified import certificate_findings, load_findings
from solver.demand import demands_of
from solver.fleet_limits import limit_findings
from solver.layouts import quality_loss_pct
from solver.market import allowed_accelerators
from solver.measured import MeasuredCapacity
from solver.pool_checker import LOAD_TOLERANCE, Finding, PoolChecker, unless
from solver.stated import stated_figures
from solver.stated_batch import batch_findings
from solver.stated_charges import charge_findings
from solver.stated_schedule import schedule_findings
from solver.workload import Workload

SHARE_TOLERANCE = Fraction(1, 10**8)
"""How far the shares of a class may be from one after rounding to the document."""


@dataclass(frozen=True)
class Check:
    """What the checker found.

    Attributes
    ----------
    rows_checked
        Number of conditions evaluated.
    failures
        One sentence for each that does not hold.
    """

    rows_checked: int
    failures: tuple[str, ...]

    @property
    def passed(self) -> bool:
        """Whether every condition holds."""
        return not self.failures


class PlanChecker:
    """Checks one plan document.

    Parameters
    ----------
    document
        A plan document (``Plan.to_dict()`` or the JSON it was stored as).
    measured
        Measured capacities the plan was made with, if any.
    """

    def __init__(
        self,
        document: Mapping[str, Any],
        workload: Workload,
        catalog: Catalog,
        coefficients: CoefficientTable,
        *,
        measured: tuple[MeasuredCapacity, ...] | None = None,
    ) -> None:
        self.document, self.workload, self.catalog = document, workload, catalog
        self.coefficients, self.measured = coefficients, measured
        self.demands = demands_of(workload) if measured is None else ()
        self.offers = {o.offer_id: o for o in catalog.offers}
        self.pools: list[Mapping[str, Any]] = list(document["pools"])
        self.predicted: dict[tuple[Any, ...], Prediction] = {}

    def of(self, document: Mapping[str, Any], workload: Workload) -> PlanChecker:
        """Return the checker of another document over the same catalogue."""
        return PlanChecker(
            document, workload, self.catalog, self.coefficients, measured=self.measured
        )

    def check(self) -> Check:
        """Evaluate every condition."""
        findings = list(self._findings())
        return Check(len(findings), tuple(f for f in findings if f is not None))

    def grid_of(self, pool: Mapping[str, Any]) -> float | None:
        """Return what a kilowatt-hour of a pool emits, where that decides what runs there."""
        spec = self.workload.objective
        if "carbon" not in spec.order or spec.idle_power_share == 1:
            return None
        offer, given = self.offers[pool["offer_id"]], spec.grid_gco2e_per_kwh
        grid = GridFactors(given.default, given.by_region)
        return grid.at(offer.provider, offer.region).gco2e_per_kwh

    def _findings(self) -> Iterator[Finding]:
        try:
            if self.document.get("schedule") or self.workload.demand is not None:
                yield from schedule_findings(self)
                yield from certificate_findings(self.document)
                return
            malformed = list(self.malformed())
            yield from malformed
            if any(f is not None for f in malformed):
                return
            yield from self._purchases()
            yield from limit_findings(
                self.document, self.workload.hardware, self.offers, self.catalog.accelerators
            )
            yield from self.serving()
            yield from stated_figures(self.document, self.workload, self.offers)
            yield from charge_findings(
                self.document, self.workload, self.offers, self.catalog.accelerators
            )
            yield from certificate_findings(self.document)
            yield from batch_findings(self.document, self.workload)
            rates = {c.name: c.rate_rps for c in self.workload.classes}
            yield from load_findings(self.document, rates)
        except MinfleetError:
            raise
        except (LookupError, TypeError, ValueError, AttributeError, ArithmeticError) as error:
            raise PlanError(
                f"the plan document is incomplete or damaged ({type(error).__name__}: {error})."
            ) from None

    def malformed(self) -> Iterator[Finding]:
        """Evaluate what must hold before anything can be computed."""
        for pool in self.document["pools"]:
            yield from self._well_formed(pool)

    def serving(self) -> Iterator[Finding]:
        """Evaluate whether the pools serve the load, on the nodes that there are."""
        yield from self._shares()
        yield from self._packing()
        for pool in self.pools:
            yield from PoolChecker(self, pool).findings()
        yield from self._quality()

    def _well_formed(self, pool: Mapping[str, Any]) -> Iterator[Finding]:
        """Evaluate what must hold before anything can be computed from a pool."""
        name = pool["name"]
        counts = ("replicas", "tp", "pp", "ep", "nodes")
        for field in (*counts, "batch_cap") if self.measured is None else counts:
            value = pool[field]
            whole = isinstance(value, int) and not isinstance(value, bool) and value >= 1
            yield unless(whole, f"{name}: {field} is {value!r}, not a whole number from 1")
        yield unless(pool["role"] in ROLES, f"{name}: {pool['role']!r} is no role")
        yield unless(
            pool["offer_id"] in self.offers, f"{name}: {pool['offer_id']!r} is not in the catalogue"
        )
        offer = self.offers.get(pool["offer_id"])
        yield unless(
            offer is None or offer.accelerator == pool["accelerator"],
            f"{name}: {pool['offer_id']} does not have {pool['accelerator']}",
        )
        engine = self.workload.serving.engine
        yield unless(pool["engine"] == engine, f"{name}: runs {pool['engine']!r}, not {engine}")
        known = {c.name for c in self.workload.classes}
        yield unless(bool(pool["serves"]), f"{name}: serves no class")
        for served, share in pool["serves"].items():
            yield unless(served in known, f"{name}: {served!r} is no class of the workload")
            yield unless(0 < share <= 1, f"{name}: the share {share} of {served} is not in (0, 1]")
        yield unless(set(pool["tier"]) <= known, f"{name}: its tier names an unknown class")
        yield unless(set(pool["serves"]) <= set(pool["tier"]), f"{name}: serves beyond its tier")
        yield unless(0 < pool["tightened"] <= 1, f"{name}: its rates are raised, not tightened")
        if self.measured is None:
            models = {d.model for d in self.demands}
            yield unless(
                pool["model"] in models, f"{name}: {pool['model']!r} is no model asked for"
            )

    def _purchases(self) -> Iterator[Finding]:
        total = Fraction(0)
        for item in self.document["purchases"]:
            offer = self.offers.get(item["offer_id"])
            if offer is None:
                yield f"offer {item['offer_id']!r} is not in the catalogue"
                continue
            price = Fraction(offer.price_at(item["nodes"]))
            total += Fraction(offer.hourly_usd_at(item["nodes"])) * item["nodes"]
            quoted = item["price_per_node_hour_usd"]
            yield unless(
                quoted == float(price),
                f"{offer.offer_id} costs ${float(price):g} a node-hour, not ${quoted:g}",
            )
            yield unless(item["nodes"] >= offer.min_nodes, f"{offer.offer_id}: below its minimum")
            yield unless(
                offer.stock is None or item["nodes"] <= offer.stock,
                f"{offer.offer_id}: {item['nodes']} nodes are more than its stock of {offer.stock}",
            )
            yield self.passes_filters(item["offer_id"])
            day = dt.date.fromisoformat(self.document["catalog"]["as_of"])
            yield unless(offer.on_sale(day), f"{offer.offer_id} is not on sale on {day}")
        stated = self.document["cost_per_hour_usd"]
        yield unless(
            stated == float(total), f"the purchases cost ${float(total)} an hour, not ${stated}"
        )
        pools = sum(p["cost_per_hour_usd"] for p in self.document["pools"])
        yield unless(
            abs(pools - float(total)) <= 1e-6 * max(1.0, float(total)),
            f"the pools' costs sum to ${pools:.6f}, not ${float(total):.6f}",
        )

    def passes_filters(self, offer_id: str) -> Finding:
        """Evaluate whether an offer may be bought from."""
        offer, hardware = self.offers[offer_id], self.workload.hardware
        strict = self.measured is None
        chips = allowed_accelerators(self.catalog, hardware, strict=strict)
        allowed = (
            (chips is None or offer.accelerator in chips)
            and (hardware.providers is None or offer.provider in hardware.providers)
            and (hardware.regions is None or offer.region in hardware.regions)
            and offer.pricing in hardware.pricing
        )
        return unless(allowed, f"{offer_id} does not pass the hardware filters")

    def _shares(self) -> Iterator[Finding]:
        starts: dict[str, Fraction] = defaultdict(Fraction)
        flows: dict[tuple[str, str, str, str, str], Fraction] = defaultdict(Fraction)
        for pool in self.document["pools"]:
            sign = {"prefill": 1, "decode": -1}.get(pool["role"], 0)
            for name, share in pool["serves"].items():
                part = Fraction(share)
                if pool["role"] != "decode":
                    starts[name] += part
                if sign:
                    place = (pool["provider"], pool["region"])
                    flows[(name, *place, pool["kv_precision"], pool["model"])] += sign * part
        for spec in self.workload.classes:
            total = starts[spec.name]
            yield unless(
                abs(total - 1) <= SHARE_TOLERANCE,
                f"class {spec.name}: shares sum to {float(total):.9f}, not 1",
            )
        for (name, *_), left in flows.items():
            yield unless(
                abs(left) <= SHARE_TOLERANCE,
                f"class {name}: prefill and decode shares at one location differ by {float(left)}",
            )

    def _packing(self) -> Iterator[Finding]:
        """Place all groups on the nodes bought, largest first."""
        bought = {p["offer_id"]: p["nodes"] for p in self.document["purchases"]}
        groups: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        for pool in self.document["pools"]:
            size = pool["tp"] if pool["cross_node"] else pool["tp"] * pool["pp"]
            count = pool["replicas"] * (pool["pp"] if pool["cross_node"] else 1)
            groups[pool["offer_id"]][size] += count
        for offer_id, sizes in groups.items():
            yield unless(
                _fit(sizes, self.offers[offer_id].gpus_per_node, bought.get(offer_id, 0)),
                f"{offer_id}: its nodes cannot hold the replicas placed on them",
            )
            if self.offers[offer_id].interruptible:
                yield self._headroom(offer_id, sizes, bought.get(offer_id, 0))

    def _headroom(self, offer_id: str, sizes: Mapping[int, int], nodes: int) -> Finding:
        """As many nodes of an interruptible offer are free as the workload asks for."""
        factor = 1 + Fraction(self.workload.hardware.spot_headroom)
        gpus = self.offers[offer_id].gpus_per_node
        enough = all(
            factor * sum(size * count for size, count in sizes.items() if size >= least)
            <= gpus // least * least * nodes * (1 + LOAD_TOLERANCE)
            for least in sizes
        )
        return unless(enough, f"{offer_id}: fewer nodes are free than spot_headroom asks for")

    def _quality(self) -> Iterator[Finding]:
        if self.measured is not None:
            return
        allowed = self.workload.precision.max_quality_loss_pct
        lost: dict[str, float] = defaultdict(float)
        for pool in self.pools:
            at = PoolChecker(self, pool)
            loss = quality_loss_pct(at.deployment().shape, at.demand().architecture)
            yield unless(
                abs(pool["quality_loss_pct"] - loss) <= 1e-5 * loss,
                f"{pool['name']}: its formats lose {loss:g} % quality",
            )
            part = 1.0 if pool["role"] == "aggregated" else 0.5
            for name, share in pool["serves"].items():
                lost[name] += share * loss * part
        for name, value in lost.items():
            yield unless(
                value <= allowed + 1e-6,
                f"class {name} loses {value:.3f} % quality, more than {allowed} %",
            )


def _fit(sizes: Mapping[int, int], gpus: int, nodes: int) -> bool:
    """Whether groups (size → how many) fit into nodes of `gpus`, the largest placed first."""
    free = {gpus: nodes}
    for size, wanted in sorted(sizes.items(), reverse=True):
        for room in sorted(free):
            each = room // size
            if not each or not wanted:
                continue
            full = min(wanted // each, free[room])
            rest = wanted - full * each
            partly = 1 if rest > 0 and full < free[room] else 0
            wanted = 0 if partly else rest
            free[room] -= full + partly
            free[room - each * size] = free.get(room - each * size, 0) + full
            if partly:
                left = room - rest * size
                free[left] = free.get(left, 0) + 1
        if wanted:
            return False
    return True
