"""What messages and the page say of a decision (``minfleet/decision/v1``)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from solver.difference import plan_difference

Document = Mapping[str, Any]

COMMON = (
    *("role", "model", "accelerator", "offer_id", "weight_precision", "kv_precision"),
    *("tp", "pp", "ep", "batch_cap", "replicas"),
)
"""What a decision says of the pools of both fleets."""


def decision_difference(document: Document) -> dict[str, Any] | None:
    """Return where the fleet that was weighed differs from the running one.

    Both at the prices of the decision and beside what is sunk; None where there is no other fleet,
    or none runs.

    Parameters
    ----------
    document
        A decision.
    """
    current, considered = document.get("current"), document.get("considered")
    if not current or not considered:
        return None
    return plan_difference(_fleet(current), _fleet(considered))


def _fleet(side: Document) -> dict[str, Any]:
    return {
        "cost_per_hour_usd": side.get("cost_per_hour_usd"),
        "pools": [{name: pool.get(name) for name in COMMON} for pool in side["pools"]],
        "purchases": [{name: p[name] for name in ("offer_id", "nodes")} for p in side["purchases"]],
    }
