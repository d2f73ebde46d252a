"""A portfolio on one screen: a line for each price scenario."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from api.lines import Lines
from api.output import usd

if TYPE_CHECKING:
    import pyarrow as pa

SCHEMA = "minfleet/portfolio/v1"

MOST_ERRORS = 5
"""Errors that are shown; the table has all of them."""

UNPROVEN = ("feasible", "unknown")

CHANGES = ("switch", "must_switch")


def summary_of(tables: Iterable[pa.Table], path: Path, workloads: int) -> dict[str, Any]:
    """Return what a table of decisions comes to, read part by part.

    Parameters
    ----------
    path
        Where the table goes.
    workloads
        Number of workloads.
    """
    scenarios: dict[str, dict[str, Any]] = {}
    outcomes: Counter[str] = Counter()
    unproven, errors, rows = 0, [], 0
    wanted = ("workload", "scenario", "outcome", "status", "cost_per_hour_usd")
    wanted = (*wanted, "saving_usd_per_hour", "error")
    for table in tables:
        for row in table.select(wanted).to_pylist():
            rows += 1
            outcomes[row["outcome"]] += 1
            unproven += row["status"] in UNPROVEN
            if row["error"] is not None and len(errors) < MOST_ERRORS:
                errors.append({k: row[k] for k in ("workload", "scenario", "error")})
            _add(scenarios, row)
    for entry in scenarios.values():
        for name in ("cost_per_hour_usd", "saving_usd_per_hour"):
            entry[name] = round(entry[name], 6)
    return {
        "schema": SCHEMA,
        "table": str(path),
        "workloads": workloads,
        "rows": rows,
        "outcomes": dict(sorted(outcomes.items())),
        "unproven": unproven,
        "scenarios": list(scenarios.values()),
        "errors": errors,
    }


def _add(scenarios: dict[str, dict[str, Any]], row: Mapping[str, Any]) -> None:
    name = row["scenario"]
    entry = scenarios.setdefault(
        name,
        {
            "name": name,
            "outcomes": {},
            "infeasible": 0,
            "cost_per_hour_usd": 0.0,
            "saving_usd_per_hour": 0.0,
        },
    )
    outcome = row["outcome"]
    entry["outcomes"][outcome] = entry["outcomes"].get(outcome, 0) + 1
    entry["infeasible"] += row["status"] == "infeasible"
    entry["cost_per_hour_usd"] += row["cost_per_hour_usd"] or 0.0
    if outcome in CHANGES:
        entry["saving_usd_per_hour"] += row["saving_usd_per_hour"] or 0.0


def show_portfolio(summary: Mapping[str, Any]) -> None:
    """Print a portfolio's summary for people."""
    out = Lines()
    count, rows = summary["workloads"], summary["rows"]
    scenarios = summary["scenarios"]
    each = "" if len(scenarios) == 1 else f" under {len(scenarios)} price scenarios"
    out.text(f"{count:,} workload{'s' * (count != 1)}{each}: {rows:,} rows in", style="bold")
    out.line(summary["table"], "bold")
    if summary["unproven"]:
        out.text(
            f"{summary['unproven']:,} of them are not proven: their time ran out.",
            style="bold yellow",
        )
    out.line()
    kinds = [k for k in ("plan", "keep", *CHANGES, "failed") if summary["outcomes"].get(k)]
    saves = any(k in CHANGES for k in kinds)
    none = any(s["infeasible"] for s in scenarios)
    head = ("scenario", *kinds, *(["no fleet"] * none), "cost/h", *(["saved/h"] * saves))
    out.table(
        head,
        [
            (
                s["name"],
                *(f"{s['outcomes'].get(kind, 0):,}" for kind in kinds),
                *([f"{s['infeasible']:,}"] * none),
                usd(s["cost_per_hour_usd"]),
                *([usd(s["saving_usd_per_hour"])] * saves),
            )
            for s in scenarios
        ],
    )
    if summary["errors"]:
        out.title("Failed")
        for error in summary["errors"]:
            out.text(f"{error['workload']} ({error['scenario']}): {error['error']}", indent="  ")
        more = summary["outcomes"]["failed"] - len(summary["errors"])
        if more > 0:
            out.text(f"and {more:,} more; see the column error.", indent="  ")
