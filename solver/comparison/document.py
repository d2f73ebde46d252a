"""The comparison document, ``minfleet/comparison/v1``: figures of fleets, offers and subsets."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from data.offers import HOURS_PER_MONTH, Offer
from solver.assemble import cost_per_million_output_tokens
from solver.comparison.bench import Answer, Bench
from solver.comparison.break_even import BreakEven
from solver.comparison.sentences import Findings, sentence_of
from solver.comparison.stock import Worth
from solver.explain.alternatives import pools_in_short
from solver.power import WATTS_PER_KW, fleet_power_w

SCHEMA = "minfleet/comparison/v1"

DIGITS = 6
"""Digits after the point of prices and costs that were worked out (USD)."""


@dataclass(frozen=True)
class Comparison:
    """A comparison; `to_dict` gives the contract ``minfleet/comparison/v1``.

    Attributes
    ----------
    status
        That of the joint optimum: ``optimal``, ``feasible``, ``infeasible`` or ``unknown``.
    complete
        Whether every figure is proven; if not, those that are not are None and say so.
    offers, subsets
        One entry each, cheapest alone first.
    """

    status: str
    complete: bool
    joint: Mapping[str, Any]
    offers: tuple[Mapping[str, Any], ...]
    subsets: tuple[Mapping[str, Any], ...]
    search: Mapping[str, Any]
    catalog: Mapping[str, Any]
    warnings: tuple[str, ...]
    workload: Mapping[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the comparison document, ready for JSON."""
        return {
            "schema": SCHEMA,
            "status": self.status,
            "complete": self.complete,
            "joint": dict(self.joint),
            "offers": [dict(o) for o in self.offers],
            "subsets": [dict(s) for s in self.subsets],
            "search": dict(self.search),
            "catalog": dict(self.catalog),
            "warnings": list(self.warnings),
            "workload": dict(self.workload),
        }

    def to_json(self) -> str:
        """Return the comparison document as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)


def fleet_entry(
    bench: Bench, answer: Answer | None, status: str, warnings: tuple[str, ...] = ()
) -> dict[str, Any]:
    """Return the figures of a fleet; of one that is none, or not allowed, its status alone."""
    names = ("cost_per_hour_usd", "cost_per_month_usd", "cost_per_million_output_tokens_usd")
    fleet = None if answer is None else answer.solved.fleet
    if answer is None or fleet is None or status not in ("optimal", "feasible"):
        rest = dict.fromkeys((*names, "gpus", "nodes", "gpu_power_kw"))
        return {"status": status, **rest, "purchases": [], "pools": [], "warnings": []}
    cost = float(fleet.cost_usd)
    bought = {fleet.instance.offers[o]: n for o, n in fleet.nodes.items()}
    return {
        "status": status,
        "cost_per_hour_usd": cost,
        "cost_per_month_usd": round(cost * HOURS_PER_MONTH, 2),
        "cost_per_million_output_tokens_usd": cost_per_million_output_tokens(bench.problem, cost),
        "gpus": fleet.gpus,
        "nodes": sum(bought.values()),
        "gpu_power_kw": _power_kw(bench, bought),
        "purchases": [
            {"offer_id": o.offer_id, "nodes": n, "cost_per_hour_usd": float(o.hourly_usd * n)}
            for o, n in sorted(
                bought.items(), key=lambda b: (-b[0].hourly_usd * b[1], b[0].offer_id)
            )
        ],
        "pools": pools_in_short(fleet),
        "warnings": list(warnings),
    }


def _power_kw(bench: Bench, bought: Mapping[Offer, int]) -> float | None:
    """Return the rated power of all accelerators of a fleet; None if one's is not known."""
    total_w = fleet_power_w(bought.items(), bench.problem.catalog.accelerators)
    return None if total_w is None else round(total_w / WATTS_PER_KW, DIGITS)


def offer_facts(offer: Offer) -> dict[str, Any]:
    """Return what an offer is, whatever it is compared with."""
    return {
        "offer_id": offer.offer_id,
        "provider": offer.provider,
        "region": offer.region,
        "accelerator": offer.accelerator,
        "gpus_per_node": offer.gpus_per_node,
        "pricing": offer.pricing,
        "price_per_node_hour_usd": float(offer.price_per_node_hour_usd),
        "full_price_per_node_hour_usd": float(offer.hourly_usd),
        "stock": offer.stock,
        "min_nodes": offer.min_nodes,
        "term_months": offer.term_months,
        "observed_at": offer.observed_at.isoformat(),
    }


def offer_findings(found: Findings, joint_nodes: int | None) -> dict[str, Any]:
    """Return what was found of an offer, its fleet alone apart."""
    assert found.worth is not None
    return {
        "joint_share_pct": _percent(found.share),
        "joint_nodes": joint_nodes,
        "enters_at_usd_per_node_hour": _rounded(found.enters.level),
        "enters_reason": found.enters.reason,
        "takes_over_at_usd_per_node_hour": _rounded(found.takes_over.level),
        "takes_over_reason": found.takes_over.reason,
        "next_node_worth_usd_per_hour": _rounded(found.worth.usd_per_hour),
        "next_node_reason": found.worth.reason,
        "sentence": sentence_of(found),
    }


def subset_findings(found: Findings) -> dict[str, Any]:
    """Return what was found of a subset, its fleet alone apart."""
    return {
        "joint_share_pct": _percent(found.share),
        "enters_at_price_factor": _rounded(found.enters.level),
        "enters_reason": found.enters.reason,
        "takes_over_at_price_factor": _rounded(found.takes_over.level),
        "takes_over_reason": found.takes_over.reason,
        "sentence": sentence_of(found),
    }


OFFER_FINDINGS = (
    *("joint_share_pct", "joint_nodes", "enters_at_usd_per_node_hour", "enters_reason"),
    *("takes_over_at_usd_per_node_hour", "takes_over_reason"),
    *("next_node_worth_usd_per_hour", "next_node_reason"),
)
SUBSET_FINDINGS = (
    *("joint_share_pct", "enters_at_price_factor", "enters_reason"),
    *("takes_over_at_price_factor", "takes_over_reason"),
)
"""Fields that are null for an offer or a subset that is left out."""


def proven(found: Findings) -> bool:
    """Whether every figure of a lever is proven."""
    reasons: tuple[BreakEven | Worth | None, ...] = (found.enters, found.takes_over, found.worth)
    settled = all(r is None or r.reason != "not_proven" for r in reasons)
    return settled and found.status in ("optimal", "infeasible")


def _rounded(value: Fraction | None) -> float | None:
    return None if value is None else round(float(value), DIGITS)


def _percent(share: Fraction | None) -> float | None:
    return None if share is None else round(100 * float(share), 4)
