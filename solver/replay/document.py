"""The replay document, ``minfleet/replay/v1``."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any

from solver.replan.decision import KEEP
from solver.replay.course import Account, Course

if TYPE_CHECKING:
    from solver.replay.replay import Replay

SCHEMA = "minfleet/replay/v1"

CENT = 2
"""Digits after the point of amounts over the whole time (USD)."""


def document_of(found: Replay) -> dict[str, Any]:
    """Return a replay as its document."""
    accounts = {n: c.account(found.path, found.change) for n, c in found.courses.items()}
    cost = {n: a.usd for n, a in accounts.items()}
    # The policy's cost is known and the optimum bounded: both are shown as they were found.
    return {
        "schema": SCHEMA,
        "cost_usd": {n: round(usd, CENT) for n, usd in cost.items()},
        "switches": found.courses["policy"].switches,
        "decisions": [dict(d) for d in found.followed.decisions],
        "saving": {
            "usd": round(cost["never"] - cost["policy"], CENT),
            "fraction": _part(cost["never"] - cost["policy"], cost["never"]),
        },
        "regret": {
            "usd": round(cost["policy"] - cost["clairvoyant"], CENT),
            "fraction": _part(cost["policy"] - cost["clairvoyant"], cost["clairvoyant"]),
            "at_most_usd": round(cost["policy"] - found.best.bound_usd, CENT),
        },
        "certificate": _certificate(found),
        "courses": {n: _course(found, c, accounts[n]) for n, c in found.courses.items()},
        "path": _path(found),
        "workload": found.workload.to_dict(),
        "policy": found.policy.to_dict(),
        "skipped": [
            {"instance_type": s.instance_type, "reason": s.reason, "rows": s.rows}
            for s in found.skipped
        ],
        "search": _search(found),
        "warnings": list(found.warnings),
    }


def held_back_by(entry: Mapping[str, Any]) -> list[str]:
    """Return the rules that kept the fleet though another one was found; none after a switch."""
    if entry["outcome"] != KEEP or entry["saving"]["fraction"] is None:
        return []
    return [rule["name"] for rule in entry["rules"] if rule["passed"] is False]


def decision_rows(document: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the decisions of a replay document as rows of a table."""
    return [
        {
            "moment": entry["moment"],
            "outcome": entry["outcome"],
            "looks": entry["looks"],
            "cost_per_hour_usd": entry["cost_per_hour_usd"],
            "proposed_cost_per_hour_usd": entry["proposed_cost_per_hour_usd"],
            "saving_usd_per_hour": entry["saving"]["usd_per_hour"],
            "saving_fraction": entry["saving"]["fraction"],
            "change_usd": entry["change"] and entry["change"]["total_usd"],
            "held_back_by": "; ".join(held_back_by(entry)) or None,
            "proposed": entry["proposed"] and entry["proposed"]["text"],
            "reasons": " ".join(entry["reasons"]),
        }
        for entry in document["decisions"]
    ]


def _part(usd: float, of: float) -> float:
    return round(usd / of, 6) if of else 0.0


def _certificate(found: Replay) -> dict[str, Any]:
    best = found.best
    return {
        "status": "optimal" if best.proven else "feasible",
        "objective": round(best.usd, CENT),
        "bound": round(best.bound_usd, CENT),
        "gap": round(best.gap, 9),
        "columns": best.columns,
        "rows": best.rows,
        "wall_s": round(best.wall_s, 3),
        "decisions_proven": found.followed.proven,
    }


def _course(found: Replay, course: Course, account: Account) -> dict[str, Any]:
    return {
        "cost_usd": round(account.usd, CENT),
        "run_usd": round(account.run_usd, CENT),
        "change_usd": round(sum(account.change_usd), CENT),
        "switches": course.switches,
        "forced": course.forced,
        "steps": course.to_dicts(found.path, found.change),
        "paid": [{"moment": m.isoformat(), "usd": round(usd, CENT)} for m, usd in account.points],
    }


def _path(found: Replay) -> dict[str, Any]:
    path = found.path
    used = {o for c in found.courses.values() for s in c.steps for o in s.fleet.nodes}
    moved = sum(
        before.get(o) != after.get(o)
        for before, after in pairwise(path.prices)
        for o in before.keys() | after.keys()
    )
    return {
        "from": path.dates[0].isoformat(),
        "to": path.end.isoformat(),
        "hours": path.total_hours,
        "changes": moved,
        "offers": len(path.offers),
        "dates": [d.isoformat() for d in path.dates],
        "prices": {
            name: [None if name not in p else float(p[name]) for p in path.prices]
            for name in sorted(used)
        },
    }


def _search(found: Replay) -> dict[str, Any]:
    followed, solved = found.followed, len(found.followed.decisions)
    return {
        "looks": followed.looks,
        "every_h": found.every_h,
        "decisions": solved,
        "decisions_per_second": round(solved / followed.wall_s, 3) if followed.wall_s else None,
        "seconds": {
            "decisions": round(followed.wall_s, 3),
            "clairvoyant": round(found.best.wall_s, 3),
            "total": round(found.wall_s, 3),
        },
    }
