"""One pool of a plan document, recomputed: rates, load, network, figures, targets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any

import numpy as np

from data.accelerators import canonical_accelerator
from model.admission import TierJob, admissible, admissible_in_tiers
from model.predict import Deployment, Prediction, predict
from model.traffic import RequestClass
from model.transfer import link_rps
from solver.assemble import prediction_document
from solver.demand import Demand
from solver.layouts import BATCH_CAPS, weight_formats
from solver.role_limits import pool_limits
from solver.stored_pool import pool_deployment

if TYPE_CHECKING:
    from solver.checker import PlanChecker

LOAD_TOLERANCE = Fraction(1, 10**6)
"""How far a pool's load may exceed its replicas: one part in a million, float rounding."""

Finding = str | None
"""None where a condition holds; else the sentence that says what does not."""


def unless(holds: bool, sentence: str) -> Finding:
    """Return None where a condition holds, else the sentence."""
    return None if holds else sentence


class PoolChecker:
    """Checks one pool of a plan document."""

    def __init__(self, plan: PlanChecker, pool: Mapping[str, Any]) -> None:
        self.plan, self.pool, self.name = plan, pool, pool["name"]
        self.offer = plan.offers[pool["offer_id"]]

    def findings(self) -> Iterator[Finding]:
        """Evaluate every condition of the pool."""
        if self.plan.measured is None:
            yield from self._formats()
        yield from self._load()
        yield self._spot_share()
        if self.plan.measured is None:
            yield from self._network()
            yield from self._figures()

    def _formats(self) -> Iterator[Finding]:
        """The formats run on the accelerator and are allowed; so is the role."""
        pool, workload = self.pool, self.plan.workload
        chip = self.plan.catalog.accelerators[self.offer.accelerator]
        weights, kv = pool["weight_precision"], pool["kv_precision"]
        allowed = weight_formats(self.demand().architecture, workload.precision)
        yield unless(
            weights in chip.weight_formats and weights in allowed,
            f"{self.name}: {weights} weights are not allowed or do not run on {chip.name}",
        )
        yield unless(
            kv in chip.kv_formats and kv in workload.precision.kv,
            f"{self.name}: a {kv} KV cache is not allowed or does not run on {chip.name}",
        )
        architecture, tp, ep = self.demand().architecture, pool["tp"], pool["ep"]
        experts = architecture.routing[0]
        yield unless(
            architecture.query_heads % tp == 0
            and (ep == 1 or (ep == tp and bool(experts) and experts % tp == 0)),
            f"{self.name}: TP {tp} with EP {ep} does not divide {architecture.name}",
        )
        yield unless(
            pool["batch_cap"] in BATCH_CAPS,
            f"{self.name}: a batch cap of {pool['batch_cap']} is none of those planned with",
        )
        wanted = workload.serving.disaggregation
        split = pool["role"] != "aggregated"
        yield unless(
            wanted == "auto" or split == (wanted == "only"),
            f"{self.name}: {pool['role']} pools are not allowed (disaggregation: {wanted})",
        )

    def _load(self) -> Iterator[Finding]:
        """What the pool admits, evaluated anew, carries its shares with the spares idle."""
        rates = {c.name: Fraction(c.rate_rps) for c in self.plan.workload.classes}
        admits = self._admitted()
        load = Fraction(0)
        for name, share in self.serves.items():
            rate = admits.get(name, 0.0)
            yield unless(rate > 0, f"{self.name}: a replica cannot serve class {name}")
            if rate > 0:
                load += share * rates[name] / Fraction(rate)
        room = self.replicas - self.plan.workload.hardware.spare_replicas
        yield unless(
            load <= room * (1 + LOAD_TOLERANCE),
            f"{self.name}: needs {float(load):.6f} replicas of load, has {room}",
        )
        for name, rate in self.pool["admits_rps"].items():
            again = admits.get(name, 0.0)
            yield unless(
                abs(again - rate) <= 1e-6 * max(again, rate),
                f"{self.name}: a replica admits {again:.6g} req/s of {name}, not {rate:.6g}",
            )

    def _spot_share(self) -> Finding:
        """No more replicas of the candidate can be interrupted than may be."""
        most = self.plan.workload.hardware.max_spot_share
        if most is None:
            return None
        at_risk = sum(
            int(p["replicas"]) for p in self.kind if self.plan.offers[p["offer_id"]].interruptible
        )
        return unless(
            at_risk <= Fraction(most) * self.replicas * (1 + LOAD_TOLERANCE),
            f"{self.name}: {at_risk} of {self.replicas} replicas can be interrupted, more than a "
            f"share of {most:g}",
        )

    @cached_property
    def kind(self) -> list[Mapping[str, Any]]:
        """Pools of the same candidate: split over offers, they share one load."""
        own = self._key(self.pool)
        return [p for p in self.plan.pools if self._key(p) == own]

    def _key(self, pool: Mapping[str, Any]) -> tuple[Any, ...]:
        """What makes two pools one candidate; pools for carbon are apart by grid."""
        return (*_kind(pool), self.plan.grid_of(pool))

    @cached_property
    def replicas(self) -> int:
        """Replicas of the candidate over all offers."""
        return sum(int(p["replicas"]) for p in self.kind)

    @cached_property
    def serves(self) -> dict[str, Fraction]:
        """Share of each class on the candidate over all offers."""
        total: dict[str, Fraction] = defaultdict(Fraction)
        for p in self.kind:
            for name, share in p["serves"].items():
                total[name] += Fraction(share)
        return total

    def demand(self) -> Demand:
        """Return the demand of the pool's model."""
        return next(d for d in self.plan.demands if d.model == self.pool["model"])

    def deployment(self) -> Deployment:
        """Return how the pool's replicas are run."""
        return pool_deployment(
            self.pool,
            self.plan.workload,
            self.demand(),
            self.plan.catalog.accelerators,
            self.plan.coefficients,
        )

    def _admitted(self) -> dict[str, float]:
        """Return the admissible rates of the pool's tier, evaluated anew."""
        pool = self.pool
        if self.plan.measured is not None:
            return self._measured()
        known = {c.name: c for c in self.demand().classes}
        rates = admissible_rps(
            self.deployment(),
            tuple(replace(known[name], rate_rps=1.0) for name in pool["tier"]),
            self.plan.workload.serving.max_utilization,
        )
        factor = float(pool["tightened"])
        return {n: v * factor for n, v in zip(pool["tier"], rates, strict=True)}

    def _measured(self) -> dict[str, float]:
        chips = self.plan.catalog.accelerators
        wanted = self.pool["accelerator"]
        return {
            m.class_name: m.capacity_rps
            for m in self.plan.measured or ()
            if m.gpus_per_replica == self.pool["tp"]
            and wanted in (m.accelerator, canonical_accelerator(m.accelerator, chips, strict=False))
        }

    def _network(self) -> Iterator[Finding]:
        """The network claimed is there, and carries the pipeline or the KV caches."""
        pool, offer = self.pool, self.offer
        node = offer.network_gbps or 0.0
        if pool["cross_node"]:
            yield unless(
                node >= pool["cross_node_gbps"],
                f"{self.name}: {offer.offer_id} has a slower network than its pipeline needs",
            )
        if pool["role"] == "aggregated":
            return
        share = node / 8 * 1e9 / offer.gpus_per_node * pool["tp"] * pool["pp"]
        yield unless(
            pool["network_bytes_per_s"] <= share * (1 + 1e-9),
            f"{self.name}: a replica has {share / 1e9:.2f} GB/s of network, not "
            f"{pool['network_bytes_per_s'] / 1e9:.2f}",
        )
        classes, rates = self._requests()
        network = np.array([pool["network_bytes_per_s"]])
        most = link_rps(self.deployment().replicas(), classes, network)[0]
        if not (most > 0).all():
            yield f"{self.name}: its network carries no KV cache"
            return
        load = sum(r / m for r, m in zip(rates, most, strict=True))
        yield unless(
            load <= 1 + 1e-6, f"{self.name}: its KV takes {load:.2f} of what its network carries"
        )

    def _requests(self) -> tuple[list[Any], list[float]]:
        """Return the classes the pool serves and their rates on one replica."""
        classes = [c for c in self.demand().classes if c.name in self.serves]
        return classes, [float(self.serves[c.name]) * c.rate_rps / self.replicas for c in classes]

    def _figures(self) -> Iterator[Finding]:
        """The predicted figures are those of the model, and keep the targets."""
        classes, rates = self._requests()
        again = self._predicted(classes, rates)
        yield unless(
            _close(prediction_document(again), self.pool["predicted"]),
            f"{self.name}: the predicted figures are not what the model gives",
        )
        for c in classes:
            figures = again.classes[c.name]
            pairs = [("TTFT", figures.ttft_ms, c.ttft_ms)]
            if self.pool["role"] != "prefill":
                pairs += [("TPOT", figures.tpot_ms, c.tpot_ms), ("E2E", figures.e2e_ms, c.e2e_ms)]
            for label, value, target in pairs:
                yield unless(
                    value <= target * (1 + 1e-6),
                    f"{self.name}: {label} of {c.name} is {value:,.6g} ms at "
                    f"p{c.percentile:g}, more than {target:,.6g} ms",
                )

    def _predicted(self, classes: list[Any], rates: list[float]) -> Prediction:
        """Return what the model gives now, once for the pools of a candidate."""
        kind = self._key(self.pool)
        if kind not in self.plan.predicted:
            self.plan.predicted[kind] = predict(self.deployment(), classes, rates)
        return self.plan.predicted[kind]


@lru_cache(maxsize=512)
def admissible_rps(
    deployment: Deployment, tier: tuple[RequestClass, ...], max_utilization: float
) -> tuple[float, ...]:
    """Return the requests/s of each class of a tier that one replica admits.

    Remembered between plans, since the rates of the classes do not matter here; nothing of what
    the solver found is read.
    """
    r, role = deployment.replicas(), deployment.role
    network = np.array([deployment.network_bytes_per_s])
    limits = pool_limits(tier, r, network, role, max_utilization)
    alone = admissible(r, tier, limits, role)
    (rates,) = admissible_in_tiers([TierJob(r, tier, limits, role, alone)])
    return tuple(rates[0].tolist())


def _kind(pool: Mapping[str, Any]) -> tuple[Any, ...]:
    """What makes two pools the same candidate on different offers."""
    keys = (
        "role", "model", "accelerator", "weight_precision", "kv_precision",
        "tp", "pp", "ep", "cross_node", "batch_cap", "cross_node_gbps", "network_bytes_per_s",
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
