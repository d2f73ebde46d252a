"""A decision on one screen: the outcome, why, each rule, what changes, and the steps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from api.lines import Lines, warn
from api.output import UNKNOWN, found_and_bound, num, usd
from api.output_plan import layout

if TYPE_CHECKING:
    from solver.replan.decision import Decision

OUTCOMES = {
    "keep": ("Keep", "bold green"),
    "switch": ("Switch", "bold yellow"),
    "must_switch": ("Must switch", "bold red"),
}
"""Outcome → what it is called, and the style it is printed in."""

VERDICTS = {True: "passed", False: "failed", None: UNKNOWN}

PROGRAMS = {
    "held": "the running fleet as it is",
    "free": "any fleet, its change included",
    "within_rules": "any fleet within the rules, likewise",
}

Entry = Mapping[str, Any]


def show_decision(found: Decision, name: str) -> None:
    """Print a decision for people.

    Parameters
    ----------
    name
        What to call the workload: its file.
    """
    out, document = Lines(), found.to_dict()
    words, style = OUTCOMES[found.outcome]
    out.text(f"{words}: {_headline(document)}", style=style)
    out.text(f"The fleet of {name}, decided at {document['decided_at']}.")
    out.line()
    for reason in document["reasons"]:
        out.text(reason, first="- ", indent="  ")
    _rules(out, document)
    _fleets(out, document)
    _change(out, document)
    _steps(out, document["steps"])
    _proof(out, document["certificates"])
    warn(out, document["warnings"])


def _headline(document: Entry) -> str:
    cost = document["current"]["cost_per_hour_usd"]
    proposed, saving = document["proposed"], document["saving"]
    if document["outcome"] == "keep":
        return f"{usd(cost)} an hour"
    if proposed is None:
        return "there is no fleet to switch to"
    to, saved = document["considered"]["cost_per_hour_usd"], saving["usd_per_hour"]
    less = f"saves {usd(saved)}" if saved >= 0 else f"costs {usd(-saved)} more"
    part = "" if saving["fraction"] is None else f" ({abs(saving['fraction']):.1%})"
    return f"{usd(cost)} → {usd(to)} an hour, {less}{part}"


def _rules(out: Lines, document: Entry) -> None:
    out.title("Rules")
    rows = [
        (
            rule["name"],
            UNKNOWN if rule["figure"] is None else num(rule["figure"], 4),
            f"{'≥' if rule['comparison'] == '>=' else '≤'} {num(rule['limit'], 4)}",
            rule["unit"],
            VERDICTS[rule["passed"]],
        )
        for rule in document["rules"]
    ]
    out.table(("rule", "figure", "limit", "unit", "verdict"), rows)


def _fleets(out: Lines, document: Entry) -> None:
    current, considered = document["current"], document["considered"]
    out.title("Running fleet")
    out.rows(_pools(current["pools"]))
    carries = current["carries"]
    parts = [
        f"{usd(current['cost_per_hour_usd'])} an hour today"
        + (
            f", {usd(current['sunk_per_hour_usd'])} of commitments beside"
            if current["sunk_per_hour_usd"]
            else ""
        ),
        f"carries {carries:.0%} of the load",
        *_moves(current["purchases"]),
    ]
    out.text("; ".join(parts) + ".", indent="  ")
    if considered is not None:
        out.title("Proposed fleet" if document["proposed"] else "Fleet that was weighed")
        out.rows(_pools(considered["pools"]))
        out.text(f"{usd(considered['cost_per_hour_usd'])} an hour.", indent="  ")


def _pools(pools: Sequence[Entry]) -> Iterator[tuple[str, str]]:
    for pool in pools:
        yield f"  {pool['replicas']} × {layout(pool)}", pool["offer_id"]


def _moves(purchases: Sequence[Entry]) -> Iterator[str]:
    """Yield how the prices in use have moved."""
    for item in purchases:
        if item["withdrawn"]:
            yield f"{item['offer_id']} is withdrawn"
        elif item["price_change_pct"]:
            yield (
                f"{item['offer_id']} {usd(item['was_price_per_node_hour_usd'])} → "
                f"{usd(item['price_per_node_hour_usd'])} a node ({item['price_change_pct']:+.1f} %)"
            )


def _change(out: Lines, document: Entry) -> None:
    change = document["change"]
    if change is None:
        return
    pools = change["pools_changed"]
    back = (
        "never paid back"
        if change["payback_h"] is None
        else f"paid back in {num(change['payback_h'], 3)} h"
    )
    out.title("Change")
    out.text(
        f"{usd(change['total_usd'])} once: {usd(change['overlap_usd'])} for nodes that leave while "
        f"both fleets run, {usd(change['fixed_usd'])} for {pools} changed "
        f"pool{'s' if pools != 1 else ''}; {back}. {change['replicas_removed']} of the running "
        f"replicas do not run on ({change['changed_fraction']:.0%}), {change['replicas_added']} "
        "are new.",
        indent="  ",
    )


def _steps(out: Lines, steps: Sequence[Entry]) -> None:
    if not steps:
        return
    out.title("Steps")
    for step in steps:
        lowest = min(step["capacity"].values())
        out.text(
            f"carries {lowest:.0%} of the load, {usd(step['cost_per_hour_usd'])} an hour"
            + (
                f" ({usd(step['peak_cost_per_hour_usd'])} while both run)"
                if step["peak_cost_per_hour_usd"] > step["cost_per_hour_usd"]
                else ""
            ),
            first=f"{step['number']:>3}. ",
            indent="     ",
        )
        for change in step["changes"]:
            sign = "+" if change["action"] == "add" else "−"
            out.text(
                f"{change['replicas']} × {change['pool']} on {change['offer_id']} "
                f"({change['replicas_before']} → {change['replicas_after']} replicas, "
                f"{change['nodes_before']} → {change['nodes_after']} nodes)",
                first=f"     {sign} ",
                indent="       ",
            )


def _proof(out: Lines, certificates: Mapping[str, Entry | None]) -> None:
    out.title("Proof")
    rows = []
    for name, proof in certificates.items():
        if proof is None:
            continue
        told = proof["status"]
        if proof["objective"] is not None:
            told = f"{told}, {found_and_bound(proof)}"
        rows.append((f"  {PROGRAMS[name]}", told))
    out.rows(rows)
