"""The checker: recomputes a plan document from the domain objects, apart from the solver.

It reads the document, the workload and the catalogue, never the program's arrays. Counts,
prices, shares and node packing are checked in exact rational arithmetic. Admissible rates are
evaluated anew by the performance model, for each pool's own configuration.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from data.accelerators import canonical_accelerator
from data.catalog import Catalog
from data.coefficients import CoefficientTable
from data.errors import PlanError
from model.admission import Limits, admissible, admissible_in_tier
from model.predict import Deployment, predict
from model.service import Operation
from model.shape import Shape
from model.transfer import prompt_kv_bytes
from solver.assemble import prediction_document
from solver.demand import Demand, demands_of
from solver.layouts import quality_loss_pct
from solver.market import allowed_accelerators
from solver.measured import MeasuredCapacity
from solver.role_limits import role_limits
from solver.workload import Workload

LOAD_TOLERANCE = Fraction(1, 10**6)
"""How far a pool's load may exceed its replicas: one part in a million, float rounding."""

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


Finding = str | None
"""None where a condition holds; else the sentence that says what does not."""


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

    def check(self) -> Check:
        """Evaluate every condition."""
        findings = list(self._findings())
        return Check(len(findings), tuple(f for f in findings if f is not None))

    def _findings(self) -> Iterator[Finding]:
        try:
            yield from self._purchases()
            yield from self._limits()
            yield from self._shares()
            yield from self._packing()
            for pool in self.document["pools"]:
                yield from self._pool(pool)
            yield from self._quality()
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise PlanError(
                f"the plan document is incomplete or damaged ({type(error).__name__}: {error})."
            ) from None

    def _purchases(self) -> Iterator[Finding]:
        total = Fraction(0)
        for item in self.document["purchases"]:
            offer = self.offers.get(item["offer_id"])
            if offer is None:
                yield f"offer {item['offer_id']!r} is not in the catalogue"
                continue
            price = Fraction(offer.price_per_node_hour_usd)
            total += price * item["nodes"]
            quoted = item["price_per_node_hour_usd"]
            yield _unless(
                quoted == float(price),
                f"{offer.offer_id} costs ${float(price):g} a node-hour, not ${quoted:g}",
            )
            yield _unless(item["nodes"] >= offer.min_nodes, f"{offer.offer_id}: below its minimum")
            yield _unless(
                offer.stock is None or item["nodes"] <= offer.stock,
                f"{offer.offer_id}: {item['nodes']} nodes are more than its stock of {offer.stock}",
            )
            yield self._filters(item["offer_id"])
        stated = self.document["cost_per_hour_usd"]
        yield _unless(
            stated == float(total), f"the purchases cost ${float(total)} an hour, not ${stated}"
        )
        pools = sum(p["cost_per_hour_usd"] for p in self.document["pools"])
        yield _unless(
            abs(pools - float(total)) <= 1e-6 * max(1.0, float(total)),
            f"the pools' costs sum to ${pools:.6f}, not ${float(total):.6f}",
        )

    def _filters(self, offer_id: str) -> Finding:
        offer, hardware = self.offers[offer_id], self.workload.hardware
        strict = self.measured is None
        chips = allowed_accelerators(self.catalog, hardware, strict=strict)
        allowed = (
            (chips is None or offer.accelerator in chips)
            and (hardware.providers is None or offer.provider in hardware.providers)
            and (hardware.regions is None or offer.region in hardware.regions)
            and offer.pricing in hardware.pricing
        )
        return _unless(allowed, f"{offer_id} does not pass the hardware filters")

    def _limits(self) -> Iterator[Finding]:
        hardware = self.workload.hardware
        gpus = sum(
            self.offers[p["offer_id"]].gpus_per_node * p["nodes"]
            for p in self.document["purchases"]
            if p["offer_id"] in self.offers
        )
        yield _unless(self.document["gpus"] == gpus, f"{gpus} accelerators are bought")
        yield _unless(
            hardware.max_gpus is None or gpus <= hardware.max_gpus,
            f"{gpus} accelerators are more than max_gpus {hardware.max_gpus}",
        )
        budget = hardware.max_cost_per_hour_usd
        cost = self.document["cost_per_hour_usd"]
        yield _unless(
            budget is None or Fraction(cost) <= Fraction(budget) + LOAD_TOLERANCE,
            f"${cost} an hour is more than the budget of ${budget}",
        )

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
            yield _unless(
                abs(total - 1) <= SHARE_TOLERANCE,
                f"class {spec.name}: shares sum to {float(total):.9f}, not 1",
            )
        for (name, *_), left in flows.items():
            yield _unless(
                abs(left) <= SHARE_TOLERANCE,
                f"class {name}: prefill and decode shares at one location differ by {float(left)}",
            )

    def _packing(self) -> Iterator[Finding]:
        """Place all groups on the nodes bought, largest first."""
        bought = {p["offer_id"]: p["nodes"] for p in self.document["purchases"]}
        groups: dict[str, list[int]] = defaultdict(list)
        for pool in self.document["pools"]:
            size = pool["tp"] if pool["cross_node"] else pool["tp"] * pool["pp"]
            count = pool["replicas"] * (pool["pp"] if pool["cross_node"] else 1)
            groups[pool["offer_id"]] += [size] * count
        for offer_id, sizes in groups.items():
            offer = self.offers.get(offer_id)
            free = [offer.gpus_per_node if offer else 0] * bought.get(offer_id, 0)
            fits = True
            for size in sorted(sizes, reverse=True):
                seat = next((i for i, room in enumerate(free) if room >= size), None)
                if seat is None:
                    fits = False
                    break
                free[seat] -= size
            yield _unless(fits, f"{offer_id}: its nodes cannot hold the replicas placed on them")

    def _pool(self, pool: Mapping[str, Any]) -> Iterator[Finding]:
        """Evaluate one pool: what it admits, its load, its network, its figures."""
        offer = self.offers[pool["offer_id"]]
        yield _unless(
            offer.accelerator == pool["accelerator"],
            f"{pool['name']}: {offer.offer_id} has {offer.accelerator}, not {pool['accelerator']}",
        )
        rates = {c.name: Fraction(c.rate_rps) for c in self.workload.classes}
        admits = self._admitted(pool)
        replicas = self._replicas_of_kind(pool)
        load = Fraction(0)
        for name, share in self._serves_of_kind(pool).items():
            rate = admits.get(name, 0.0)
            yield _unless(rate > 0, f"{pool['name']}: a replica cannot serve class {name}")
            if rate > 0:
                load += share * rates[name] / Fraction(rate)
        room = replicas - self.workload.hardware.spare_replicas
        yield _unless(
            load <= room * (1 + LOAD_TOLERANCE),
            f"{pool['name']}: needs {float(load):.6f} replicas of load, has {room}",
        )
        if self.measured is None:
            yield from self._model_figures(pool, replicas)

    def _same_kind(self, pool: Mapping[str, Any]) -> list[Mapping[str, Any]]:
        """Pools of one candidate, split over offers, share one load."""
        return [p for p in self.document["pools"] if _kind(p) == _kind(pool)]

    def _replicas_of_kind(self, pool: Mapping[str, Any]) -> int:
        return sum(int(p["replicas"]) for p in self._same_kind(pool))

    def _serves_of_kind(self, pool: Mapping[str, Any]) -> dict[str, Fraction]:
        total: dict[str, Fraction] = defaultdict(Fraction)
        for p in self._same_kind(pool):
            for name, share in p["serves"].items():
                total[name] += Fraction(share)
        return total

    def _demand(self, pool: Mapping[str, Any]) -> Demand:
        return next(d for d in self.demands if d.model == pool["model"])

    def _deployment(self, pool: Mapping[str, Any]) -> Deployment:
        chip = self.catalog.accelerators[
            canonical_accelerator(pool["accelerator"], self.catalog.accelerators)
        ]
        shape = Shape(
            accelerator=chip,
            weights=pool["weight_precision"],
            kv=pool["kv_precision"],
            tp=pool["tp"],
            pp=pool["pp"],
            ep=pool["ep"],
            batch_cap=pool["batch_cap"],
            cross_node=bool(pool["cross_node"]),
            network_gbps=pool["cross_node_gbps"],
        )
        return Deployment(
            architecture=self._demand(pool).architecture,
            shape=shape,
            engine=pool["engine"],
            chunk_tokens=self.workload.serving.chunk_tokens,
            coefficients=self.coefficients,
            role=pool["role"],
            network_bytes_per_s=pool["network_bytes_per_s"],
        )

    def _admitted(self, pool: Mapping[str, Any]) -> dict[str, float]:
        """Return the admissible rates of a pool's tier, evaluated anew."""
        if self.measured is not None:
            strict = False
            return {
                m.class_name: m.capacity_rps
                for m in self.measured
                if canonical_accelerator(m.accelerator, self.catalog.accelerators, strict=strict)
                == pool["accelerator"]
                or m.accelerator == pool["accelerator"]
                if m.gpus_per_replica == pool["tp"]
            }
        demand = self._demand(pool)
        deployment = self._deployment(pool)
        r = deployment.replicas()
        network = np.array([deployment.network_bytes_per_s])
        limits = role_limits(demand.classes, r, network, pool["role"], self.workload)
        alone = admissible(r, demand.classes, limits, pool["role"])
        names = [c.name for c in demand.classes]
        members = [names.index(n) for n in pool["tier"]]
        part = Operation(**{k: v[:, members] for k, v in vars(alone).items()})
        spread = {k: v[:, members] if np.ndim(v) == 2 else v for k, v in vars(limits).items()}
        rates = admissible_in_tier(
            r, [demand.classes[i] for i in members], Limits(**spread), pool["role"], part
        )
        factor = float(pool["tightened"])
        return {n: float(v) * factor for n, v in zip(pool["tier"], rates[0], strict=True)}

    def _model_figures(self, pool: Mapping[str, Any], replicas: int) -> Iterator[Finding]:
        """The predicted figures are those of the model, and KV fits the network."""
        deployment, demand = self._deployment(pool), self._demand(pool)
        serves = self._serves_of_kind(pool)
        classes = [c for c in demand.classes if c.name in serves]
        rates = [float(serves[c.name]) * c.rate_rps / replicas for c in classes]
        if pool["cross_node"]:
            slowest = self.offers[pool["offer_id"]].network_gbps or 0.0
            yield _unless(
                slowest >= pool["cross_node_gbps"],
                f"{pool['name']}: {pool['offer_id']} has a slower network than its pipeline needs",
            )
        again = prediction_document(predict(deployment, classes, rates))
        yield _unless(
            _close(again, pool["predicted"]),
            f"{pool['name']}: the predicted figures are not what the model gives",
        )
        if pool["role"] == "aggregated":
            return
        sizes = prompt_kv_bytes(deployment.replicas(), classes)[0]
        moved = sum(r * s for r, s in zip(rates, sizes, strict=True))
        yield _unless(
            moved <= deployment.network_bytes_per_s * (1 + 1e-6),
            f"{pool['name']}: {moved / 1e9:.2f} GB/s of KV exceed its network",
        )

    def _quality(self) -> Iterator[Finding]:
        if self.measured is not None:
            return
        allowed = self.workload.precision.max_quality_loss_pct
        lost: dict[str, float] = defaultdict(float)
        for pool in self.document["pools"]:
            shape = self._deployment(pool).shape
            loss = quality_loss_pct(shape, self._demand(pool).architecture)
            part = 1.0 if pool["role"] == "aggregated" else 0.5
            for name, share in pool["serves"].items():
                lost[name] += share * loss * part
        for name, value in lost.items():
            yield _unless(
                value <= allowed + 1e-6,
                f"class {name} loses {value:.3f} % quality, more than {allowed} %",
            )


def _kind(pool: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes two pools the same candidate on different offers."""
    keys = (
        "role", "model", "accelerator", "weight_precision", "kv_precision",
        "tp", "pp", "ep", "cross_node", "batch_cap",
    )  # fmt: skip
    place = (pool["provider"], pool["region"]) if pool["role"] != "aggregated" else ()
    return (*(pool[k] for k in keys), tuple(pool["tier"]), *place)


def _close(a: Any, b: Any) -> bool:
    """Whether two documents agree up to the rounding of shares."""
    if isinstance(a, Mapping) and isinstance(b, Mapping):
        return a.keys() == b.keys() and all(_close(a[k], b[k]) for k in a)
    if isinstance(a, float) and isinstance(b, (int, float)):
        return abs(a - b) <= 1e-4 * max(abs(a), abs(b), 1e-9)
    return bool(a == b)


def _unless(holds: bool, sentence: str) -> Finding:
    return None if holds else sentence
