"""A plan on one screen: cost first, then pools, proof, what binds, what else there is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from api.output import console

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from solver.plan import Plan

LEFT_OUT_SHOWN = 6
"""Accelerators left out that are listed; the document has all."""

SENTENCE = {
    "optimal": "[bold green]Proven: no cheaper fleet exists[/]",
    "feasible": "[bold yellow]Not proven: a cheaper fleet may exist[/]",
    "infeasible": "[bold red]Proven: no fleet meets the workload within its limits[/]",
    "unknown": "[bold yellow]No fleet and no proof in the time given[/]",
}


def show_plan(plan: Plan, name: str) -> None:
    """Print a plan for people."""
    out = console()
    _headline(out, plan, name)
    if plan.pools:
        _pools(out, plan)
        _classes(out, plan)
    if plan.infeasibility is not None:
        _infeasibility(out, plan.infeasibility)
    _proof(out, plan)
    _binding(out, plan)
    _alternatives(out, plan)
    _left_out(out, plan)
    for warning in plan.warnings:
        out.print(f"[yellow]![/] {warning}.")


def money(value: float) -> str:
    """Write dollars: cents where they matter."""
    return f"${value:,.2f}"


def _headline(out: Console, plan: Plan, name: str) -> None:
    out.print()
    if plan.cost_per_hour_usd is None:
        out.print(f"[bold]{name}[/]: {SENTENCE[plan.status]}.")
        return
    per_token = plan.cost_per_million_output_tokens_usd
    parts = [
        f"[bold]{money(plan.cost_per_hour_usd)} an hour[/]",
        f"{money(plan.cost_per_month_usd or 0.0)} a month",
    ]
    if per_token is not None:
        parts.append(f"${per_token:,.3g} per million output tokens")
    idle = f", {plan.gpus_idle} of them idle" if plan.gpus_idle else ""
    parts.append(f"{plan.gpus} GPU{'s' if plan.gpus != 1 else ''}{idle}")
    out.print(" · ".join(parts))
    rates = sum(c["rate_rps"] for c in plan.workload["classes"])
    out.print(f"serves {rates:,.6g} requests/s of [bold]{name}[/]. {SENTENCE[plan.status]}.")


def _table(headings: Iterable[tuple[str, bool]]) -> Table:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    for heading, words in headings:
        table.add_column(heading, justify="left" if words else "right", overflow="fold")
    return table


def _pools(out: Console, plan: Plan) -> None:
    table = _table(
        [
            ("replicas", False), ("accelerator", True), ("layout", True),
            ("weights/KV", True), ("offer", True), ("$/h", False), ("serves", True),
            ("load", False), ("TTFT p99", False), ("TPOT p99", False),
        ]
    )  # fmt: skip
    for p in plan.pools:
        predicted = p.predicted or {}
        layout = (
            f"TP{p.tp}" + (f" PP{p.pp}" if p.pp > 1 else "") + (f" EP{p.ep}" if p.ep > 1 else "")
        )
        role = "" if p.role == "aggregated" else f" {p.role}"
        utilization = predicted.get("utilization")
        table.add_row(
            f"{p.replicas} ×",
            p.accelerator + role,
            layout,
            f"{p.weight_precision}/{p.kv_precision}",
            p.offer_id,
            money(p.cost_per_hour_usd),
            _shares(p.serves),
            "–" if utilization is None else f"{utilization:.0%}",
            _milliseconds((predicted.get("ttft_ms") or {}).get("p99")),
            _milliseconds((predicted.get("tpot_ms") or {}).get("p99")),
        )
    out.print(table)


def _shares(serves: Mapping[str, float]) -> str:
    shown = [f"{n} {s:.0%}" if s < 0.9995 else n for n, s in serves.items()]
    return (
        ", ".join(shown) if len(shown) <= 4 else f"{', '.join(shown[:3])} and {len(shown) - 3} more"
    )


def _milliseconds(value: float | None) -> str:
    return "–" if value is None else f"{value:,.0f} ms" if value >= 100 else f"{value:.1f} ms"


def _classes(out: Console, plan: Plan) -> None:
    if not plan.classes:
        return
    table = _table(
        [("class", True), ("req/s", False), ("TTFT", False), ("target", False), ("TPOT", False),
         ("target", False), ("end to end", False), ("target", False), ("at", False)]
    )  # fmt: skip
    for c in plan.classes:
        targets = c["targets"]
        table.add_row(
            c["name"],
            f"{c['rate_rps']:,.6g}",
            _milliseconds(c["ttft_ms"]),
            _milliseconds(targets["ttft_ms"]),
            _milliseconds(c["tpot_ms"]),
            _milliseconds(targets["tpot_ms"]),
            _milliseconds(c["e2e_ms"]),
            _milliseconds(targets["e2e_ms"]),
            f"p{c['percentile']:g}",
        )
    out.print(table)


def _proof(out: Console, plan: Plan) -> None:
    c = plan.certificate
    if plan.cost_per_hour_usd is not None:
        gap = c["gap"]
        line = f"[bold]Proof[/] costs {money(plan.cost_per_hour_usd)}"
        if c["bound"] is not None:
            line += f", nothing can be below {money(c['bound'])}"
        if gap is not None:
            line += f" (gap {gap:.4%}, asked {c['gap_asked']:.4%})"
        out.print(line + f", says {c['engine']}.")
        second = c["second_engine"]
        if second is not None:
            bound = "no bound" if second["bound"] is None else f"bound {money(second['bound'])}"
            out.print(f"      {second['engine']}: {second['verdict']} ({bound}).")
        check = c["check"]
        verdict = "passed" if check["passed"] else "FAILED"
        out.print(f"      independent check: {check['rows_checked']} conditions, {verdict}.")
        for failure in check["failures"]:
            out.print(f"      [red]- {failure}[/]")
    s = plan.search
    out.print(
        f"      searched {s['candidates_considered']:,} configurations, "
        f"{s['candidates_feasible']:,} feasible, {s['candidates_undominated']:,} undominated, "
        f"{s['offers_considered']:,} offers; {sum(s['seconds'].values()):.2f} s.",
    )


def _binding(out: Console, plan: Plan) -> None:
    if not plan.binding:
        return
    out.print("[bold]What holds the cost up[/]")
    for b in plan.binding:
        start = "" if b["from"] is None else f"{_value(b['from'])} → "
        to = "no limit" if b["to"] is None else _value(b["to"])
        out.print(
            f"      {b['limit']}: {start}{to} saves {money(b['worth_per_hour_usd'])}/h "
            f"({b['worth_pct']:.1f} %)"
        )


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v}" for k, v in value.items()) or "–"
    return f"{value:,.6g}" if isinstance(value, (int, float)) else str(value)


def _alternatives(out: Console, plan: Plan) -> None:
    if not plan.alternatives:
        return
    out.print("[bold]Other plans[/]")
    for a in plan.alternatives:
        pools = ", ".join(
            f"{p['replicas']} × {p['accelerator']} TP{p['tp']}"
            + (f" {p['role']}" if p["role"] != "aggregated" else "")
            for p in a["pools"][:4]
        )
        more = f" and {len(a['pools']) - 4} more" if len(a["pools"]) > 4 else ""
        out.print(
            f"      {money(a['cost_per_hour_usd'])}/h ({a['extra_pct']:+.1f} %) "
            f"{a['sentence']}: {pools}{more}"
        )


def _left_out(out: Console, plan: Plan) -> None:
    if not plan.why_not:
        return

    def nearness(w: Mapping[str, Any]) -> float:
        if w["reason"] == "dearer":
            return float(w.get("cost_per_hour_usd") or w["cost_at_least_usd_per_hour"])
        return {"misses_target": 1e9, "does_not_fit": 2e9}.get(w["reason"], 3e9)

    ranked = sorted(plan.why_not, key=nearness)
    out.print("[bold]Left out[/]")
    for w in ranked[:LEFT_OUT_SHOWN]:
        out.print(f"      {w['accelerator']}: {w['sentence']}")
    if len(ranked) > LEFT_OUT_SHOWN:
        out.print(f"      and {len(ranked) - LEFT_OUT_SHOWN} more; --json lists them all")


def _infeasibility(out: Console, found: Mapping[str, Any]) -> None:
    if found["conflicts"]:
        out.print("[bold]What conflicts[/]")
    for c in found["conflicts"]:
        out.print(f"      {c.get('sentence') or c['limit'] + ' = ' + _value(c.get('value'))}")
    if not found["relaxations"]:
        out.print("      No single limit, relaxed alone, makes a plan possible.")
        return
    out.print("[bold]What would make a plan possible[/] (each alone)")
    for r in found["relaxations"]:
        to = "no limit" if r["to"] is None else _value(r["to"])
        out.print(
            f"      {r['field']}: {_value(r['from'])} → {to}, "
            f"then {money(r['cost_per_hour_usd'])}/h"
        )
