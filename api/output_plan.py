"""A plan on one screen: cost first, then pools, proof, what binds, what else there is.

Lines are laid out for 80 columns; what is longer wraps under its own beginning.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from api.lines import NO_BREAK, Lines
from api.output import UNKNOWN, amount, found_and_bound, milliseconds, num, usd
from api.output_objective import batch_lines, batch_rows, drawn, load_rows, rates_line, verdict
from api.output_schedule import schedule_headline, show_schedule

if TYPE_CHECKING:
    from solver.plan import Plan, Pool

LEFT_OUT_SHOWN = 5
"""Accelerators left out that are listed; the document has all."""

SMALLEST_BOUND = {"USD/h": 0.005}
"""A bound below half a cent an hour, printed as $0.00, is none."""

POOLS_SHOWN = 4
"""Layouts of another plan that are listed."""

SENTENCE = {
    "optimal": ("", "bold green"),
    "feasible": ("", "bold yellow"),
    "infeasible": ("Proven: no fleet meets the workload within its limits.", "bold red"),
    "unknown": ("No fleet and no proof in the time given.", "bold yellow"),
}
"""Status → what it means (with a fleet, see `verdict`), and the style it is printed in."""

INFORMATIVE = ("dearer", "outdone", "misses_target", "does_not_fit")
"""Reasons for leaving an accelerator out that say something about the accelerator."""


def show_plan(plan: Plan, name: str, *, explain: str = "auto") -> None:
    """Print a plan for people.

    Parameters
    ----------
    name
        What to call the workload: its file.
    explain
        How far it was explained: ``full`` leaves out the advice to ask for more.
    """
    out = Lines()
    _headline(out, plan, name)
    show_schedule(out, plan)
    if plan.schedule is not None:
        out.title("At the highest load")
    if plan.pools:
        _pools(out, plan)
        _classes(out, plan)
    if plan.infeasibility is not None:
        _infeasibility(out, plan.infeasibility)
    _simulation(out, plan)
    _proof(out, plan)
    _binding(out, plan, explain)
    _alternatives(out, plan, explain)
    _left_out(out, plan)
    if plan.warnings:
        out.line()
        out.rows((("!", f"{w}.") for w in plan.warnings), style="yellow")


def _headline(out: Lines, plan: Plan, name: str) -> None:
    for number, line in enumerate((*batch_lines(plan), *schedule_headline(plan))):
        out.text(line, style="" if number else "bold")
    if plan.cost_per_hour_usd is not None:
        parts = [
            f"{usd(plan.cost_per_hour_usd)} an hour",
            f"{usd(plan.cost_per_month_usd or 0.0)} a month",
        ]
        per_token = plan.cost_per_million_output_tokens_usd
        if per_token is not None:
            parts.append(f"${per_token:,.3g} per million output tokens")
        idle = f", {plan.gpus_idle} of them idle" if plan.gpus_idle else ""
        parts.append(f"{plan.gpus} GPU{'s' if plan.gpus != 1 else ''}{idle}")
        out.text(" · ".join(parts), style="" if plan.batch or plan.schedule else "bold")
        if told := list(drawn(plan)):
            out.text(" · ".join(told))
    out.text(rates_line(plan, name))
    sentence, style = SENTENCE[plan.status]
    out.text(sentence or verdict(plan), style=style)


def _pools(out: Lines, plan: Plan) -> None:
    """Print two lines a pool: what runs and how it does; what it serves and where it is bought."""
    rates = {c["name"]: float(c["rate_rps"]) for c in plan.workload["classes"]}
    cells = [
        (
            f"{p.replicas} × {layout(vars(p))}",
            f"{_load(p, rates):.0%}",
            *(milliseconds(_slowest(p, name)) for name in ("ttft_ms", "tpot_ms")),
            usd(p.cost_per_hour_usd),
        )
        for p in plan.pools
    ]
    out.line()
    out.table(
        ("pool", "load", "TTFT", "TPOT", "cost/h"),
        cells,
        under=[f"serves {_shares(p.serves)} · {p.offer_id}" for p in plan.pools],
    )


def layout(pool: Mapping[str, Any]) -> str:
    """Return role, accelerator, parallelism and formats of a pool in a few words."""
    degrees = f"TP{pool['tp']}" + "".join(
        f" {name.upper()}{pool[name]}" for name in ("pp", "ep") if pool.get(name, 1) > 1
    )
    role = "" if pool["role"] == "aggregated" else f"{pool['role']} "
    formats = dict.fromkeys((pool["weight_precision"], pool["kv_precision"]))
    formats.pop("measured", None)
    return f"{role}{pool['accelerator']} {degrees} {'/'.join(formats)}".rstrip()


def _load(pool: Pool, rates: Mapping[str, float]) -> float:
    """Return the share of what the pool admits within its targets that it is sent."""
    replicas = sum(share * rates[n] / pool.admits_rps[n] for n, share in pool.serves.items())
    return replicas / pool.replicas


def _slowest(pool: Pool, name: str) -> float | None:
    """Return the figure of the pool's slowest class, at that class's own percentile."""
    classes = (pool.predicted or {}).get("classes") or {}
    if pool.role == "prefill" and name == "tpot_ms":
        return None
    found = [c[name] for c in classes.values() if c[name] is not None]
    return max(found, default=None)


def _shares(serves: Mapping[str, float]) -> str:
    shown = [f"{n} {_percent(s)}" if s < 0.9995 else n for n, s in serves.items()]
    more = f" and {len(shown) - 3} more" if len(shown) > 4 else ""
    return ", ".join(shown[:3] if more else shown) + more


def _percent(share: float) -> str:
    return "<1%" if share < 0.005 else f"{share:.0%}"


def _classes(out: Lines, plan: Plan) -> None:
    if not plan.classes or plan.batch is not None:
        return
    keys = ("ttft_ms", "tpot_ms", "e2e_ms")
    cells = [
        (
            c["name"],
            num(c["rate_rps"]),
            f"p{c['percentile']:g}",
            *(_against(c[k], c["targets"][k]) for k in keys),
        )
        for c in plan.classes
    ]
    out.line()
    out.table(("class", "req/s", "at", "TTFT, target", "TPOT, target", "end to end"), cells)


def _against(value: float | None, target: float | None) -> str:
    """Write a figure beside its target, if it has one."""
    if target is None:
        return milliseconds(value)
    return f"{milliseconds(value)} ≤ {milliseconds(target)}"


def _simulation(out: Lines, plan: Plan) -> None:
    """Print what the fleet did in simulation, and what holding there costs."""
    s = plan.simulation
    if s is None:
        return
    holds = "holds" if s["meets"] else "MISSES"
    out.title(f"In simulation ({s['requests']:,} requests, {s['arrivals']}, {s['router']} router)")
    rows = []
    for c in s["classes"]:
        figures = [c[name] for name in ("ttft_ms", "tpot_ms")]
        percentile = f"p{c['percentile']:g}"
        cells = [_against(f["simulated"], f["target"]) for f in figures]
        met = "–" if c["attainment"] is None else f"{c['attainment']:.2%}"
        rows.append((c["name"], percentile, *cells, met))
    out.table(("class", "at", "TTFT, target", "TPOT, target", "met all"), rows)
    more = s["cost_per_hour_usd"] - s["cost_by_formulas_usd"]
    by_formulas = f"{usd(s['cost_by_formulas_usd'])}/h by the formulas alone"
    tried = f"{s['fleets_tried']} fleets were simulated"
    if more > 0:
        out.text(f"{holds} for {usd(more)}/h more than {by_formulas}; {tried}.")
    elif s["fleets_tried"] > 1:
        out.text(f"{holds} at {by_formulas}; {tried}.")
    else:
        out.text(f"{holds} at {by_formulas}.")


def _proof(out: Lines, plan: Plan) -> None:
    out.title("Proof" if plan.status in ("optimal", "infeasible") else "How far it is proven")
    out.rows(_proof_rows(plan))


def _proof_rows(plan: Plan) -> Iterator[tuple[str, str]]:
    c, s = plan.certificate, plan.search
    if plan.cost_per_hour_usd is not None:
        unit = plan.objective.get("unit", "USD/h")
        for part, of in ((c, unit), (c.get("then"), (c.get("then") or {}).get("unit", ""))):
            if part is not None:
                yield part["engine"], ("then " if part is not c else "") + found_and_bound(part, of)
                if second := part["second_engine"]:
                    yield second["engine"], _second_word(second, of)
        yield from load_rows(plan)
        yield from batch_rows(plan)
        check = c["check"]
        failed = len(check["failures"])
        verdict = f"{failed} DO NOT HOLD" if failed else "all hold"
        yield "checker", f"{check['rows_checked']} conditions recomputed, {verdict}"
        for failure in check["failures"]:
            yield "", failure
    elif s["rows"]:
        yield c["engine"], f"{c['termination']}, {s['columns']:,} columns, {s['rows']:,} rows"
    seconds = sum(s["seconds"].values())
    yield (
        "search",
        f"{s['candidates_considered']:,} configurations, {s['candidates_feasible']:,} feasible, "
        f"{s['candidates_undominated']:,} undominated; {s['offers_considered']:,} offers; "
        f"{seconds:.2f}{NO_BREAK}s",
    )


def _second_word(second: Mapping[str, Any], unit: str) -> str:
    """Write what the second engine says; a bound that no price is below says nothing."""
    bound = second["bound"]
    if second["agrees"] is False:
        return (
            "contradicts: finds no fleet"
            if bound is None
            else f"contradicts, bound {amount(bound, unit)}"
        )
    if bound is None or bound < SMALLEST_BOUND.get(unit, 1e-9):
        return "gave no bound within its work limit"
    return f"{second['verdict']}, bound {amount(bound, unit)}"


def _binding(out: Lines, plan: Plan, explain: str) -> None:
    if not plan.binding:
        return
    out.title("What holds the cost up (each relaxed alone)")
    out.rows(
        (
            f"{_about(b)}-{usd(b['worth_per_hour_usd'])}/h",
            f"({-b['worth_pct']:.1f}%)",
            f"{b['limit']}: {_change(b)}",
        )
        for b in plan.binding
    )
    if any(b["cost_per_hour_usd"] is None for b in plan.binding):
        out.text(f"about: valued in fractions of replicas and nodes{_more(explain)}.", style="dim")


def _more(explain: str) -> str:
    """Say how to learn more, unless that was asked for already."""
    return "" if explain == "full" else "; --explain full solves each"


def _about(relaxed: Mapping[str, Any]) -> str:
    """Mark a saving that no fleet shows."""
    return "about " if relaxed["cost_per_hour_usd"] is None else ""


def _change(relaxed: Mapping[str, Any]) -> str:
    to = "no limit" if relaxed["to"] is None else _value(relaxed["to"])
    return to if relaxed["from"] is None else f"{_value(relaxed['from'])} → {to}"


def _value(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(str, value))
    if isinstance(value, dict):
        return ", ".join(f"{k}: {v}" for k, v in value.items()) or UNKNOWN
    return f"{value:,.6g}" if isinstance(value, (int, float)) else str(value)


def _alternatives(out: Lines, plan: Plan, explain: str) -> None:
    if not plan.alternatives:
        return
    out.title("Other plans")
    out.rows(
        (
            f"{'' if a['proven'] else 'at most '}{usd(a['cost_per_hour_usd'])}/h",
            f"({a['extra_pct']:+.1f}%)",
            f"{_kind(a)} ({_fleet(a['pools'])})",
        )
        for a in plan.alternatives
    )
    if not all(a["proven"] for a in plan.alternatives):
        out.text(
            f"at most: a first good fleet, not proven the cheapest of its kind{_more(explain)}.",
            style="dim",
        )


def _kind(other: Mapping[str, Any]) -> str:
    """Return the kind of another plan in words; only a proven one is called the cheapest."""
    sentence = str(other["sentence"])
    return sentence if other["proven"] else sentence.removeprefix("cheapest ")


def _fleet(pools: Iterable[Mapping[str, Any]]) -> str:
    """Write the pools of another plan; those of one layout count as one."""
    replicas: Counter[str] = Counter()
    for p in pools:
        role = "" if p["role"] == "aggregated" else f"{p['role']} "
        replicas[f"{role}{p['accelerator']} TP{p['tp']}"] += p["replicas"]
    shown = [f"{n} × {name}".replace(" ", NO_BREAK) for name, n in replicas.items()]
    more = f" and {len(shown) - POOLS_SHOWN} more" if len(shown) > POOLS_SHOWN else ""
    return ", ".join(shown[:POOLS_SHOWN]) + more


def _left_out(out: Lines, plan: Plan) -> None:
    told = sorted((w for w in plan.why_not if w["reason"] in INFORMATIVE), key=_nearness)
    if not told:
        return
    shown = told[:LEFT_OUT_SHOWN]
    out.title("Left out" if plan.pools else "Accelerators that cannot serve it")
    out.rows((w["accelerator"], w["sentence"]) for w in shown)
    more = len(plan.why_not) - len(shown)
    if more:
        out.text(f"and {more} more (--json lists them all)")


def _nearness(w: Mapping[str, Any]) -> tuple[float, float, str]:
    """Order: least dearer first, then the nearest misses, then what does not fit."""
    if w["reason"] == "dearer":
        least = w.get("cost_per_hour_usd") or w.get("cost_at_least_usd_per_hour") or 0.0
        figure = float(least)
    elif w["reason"] == "misses_target":
        figure = float(w["best"]) / float(w["target"])
    else:
        figure = 0.0
    return float(INFORMATIVE.index(w["reason"])), figure, str(w["accelerator"])


def _infeasibility(out: Lines, found: Mapping[str, Any]) -> None:
    if found["conflicts"]:
        out.title("What conflicts")
        for c in found["conflicts"]:
            out.text(c.get("sentence") or f"{c['limit']} = {_value(c.get('value'))}")
    if not found["relaxations"]:
        out.line()
        out.text("No single limit, relaxed alone, makes a plan possible.")
        return
    out.title("What would make a plan possible (each alone)")
    out.rows(
        (f"{usd(r['cost_per_hour_usd'])}/h", f"{r['field']}: {_change(r)}")
        for r in found["relaxations"]
    )
