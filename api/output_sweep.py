"""A sweep on one screen: a line for each point, or for each factor by what it does to the cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from api.columns import figures_and_words
from api.lines import Lines, warn
from api.output import UNKNOWN, num, usd

if TYPE_CHECKING:
    from solver.sweep.document import Sweep

NAMES = {
    "rate": "rate",
    "isl": "input length",
    "osl": "output length",
    "ttft": "TTFT target",
    "tpot": "TPOT target",
    "e2e": "end-to-end target",
}
"""Factor → what people call it."""

SMALL = 0.05
"""Changes of no more percent than this are shown as none."""

NO_COST = {"infeasible": "no fleet", "unknown": "unknown"}
"""Status → what stands in place of the cost."""

BAR = 16
"""Columns of the longest bar."""

Entry = Mapping[str, Any]


def show_sweep(found: Sweep, name: str) -> None:
    """Print a sweep for people.

    Parameters
    ----------
    name
        What to call the workload: its file.
    """
    out = Lines()
    _headline(out, found, name)
    out.line()
    if found.mode == "sensitivity":
        _ranking(out, found)
    else:
        _rows(out, found)
    warn(out, found.warnings)


def _headline(out: Lines, found: Sweep, name: str) -> None:
    rates, base = sum(c["rate_rps"] for c in found.workload["classes"]), found.base
    cost = base["cost_per_hour_usd"]
    now = NO_COST[base["status"]] if cost is None else f"{usd(cost)} an hour"
    out.text(f"{num(rates)} requests/s of {name}: {now} as it is", style="bold")
    if base["fleet"]:
        out.text(base["fleet"])
    points = found.search["points"]
    if found.complete:
        out.text(
            f"Proven at each of {points} points to a gap of {found.search['gap_asked']:.2%}.",
            style="bold green",
        )
    else:
        unproven = sum(r["status"] not in ("optimal", "infeasible") for r in found.rows)
        out.text(
            f"Not proven at {unproven} of {points} points: their time ran out, and costs marked ≤ "
            "may be lower.",
            style="bold yellow",
        )


def _rows(out: Lines, found: Sweep) -> None:
    names = [f["name"] for f in found.factors]
    if found.mode == "one_at_a_time":
        head = ("factor", "value", "cost/h", "vs now", "GPUs", "fleet")
        rows = [(*_alone(r), *_figures(r)) for r in found.rows]
    else:
        head = (*map(label, names), "cost/h", "vs now", "GPUs", "fleet")
        rows = [(*(cell(r["values"][n]) for n in names), *_figures(r)) for r in found.rows]
    figures_and_words(out, head, rows, first_left=found.mode == "one_at_a_time")


def _alone(row: Entry) -> tuple[str, str]:
    ((name, value),) = row["values"].items()
    return label(name), cell(value)


def _figures(row: Entry) -> tuple[str, ...]:
    if row["cost_per_hour_usd"] is None:
        return (NO_COST[row["status"]], "", "", "")
    changes = row["fleet_changes"]
    fleet = "as it is" if changes is False else row["fleet"]
    return (cost_cell(row), percent(row["change_pct"]), str(row["gpus"]), fleet)


def cost_cell(entry: Entry) -> str:
    """Write the cost of a point, with a sign where it is not proven."""
    cost = entry["cost_per_hour_usd"]
    if cost is None:
        return NO_COST[entry["status"]]
    return usd(cost) if entry["status"] == "optimal" else f"≤ {usd(cost)}"


def percent(change: float | None) -> str:
    """Write a change of the cost."""
    if change is None:
        return UNKNOWN
    return "same" if abs(change) < SMALL else f"{change:+.1f}%"


def label(name: str) -> str:
    """Return what people call a factor or a field."""
    if name.startswith("price:"):
        return f"price of {name.removeprefix('price:')}"
    return NAMES.get(name, name)


def cell(value: object) -> str:
    """Write a value that is varied."""
    if isinstance(value, bool) or value is None:
        return {True: "true", False: "false", None: "null"}[value]
    return num(value, 6) if isinstance(value, (int, float)) else str(value)


def _ranking(out: Lines, found: Sweep) -> None:
    told = [r for r in found.ranking if _matters(r)]
    if told:
        ends = [told[0][end]["factor"] for end in ("low", "high")]
        head = ("", *(f"× {end:g}" for end in ends), "", "fleet changes at")
        longest = max(_larger(r) for r in told)
        out.table(head, [_line(r, longest) for r in told])
    rest = [r["name"] for r in found.ranking if not _matters(r)]
    if rest:
        out.line()
        out.text(f"No effect within this range: {_listed(rest)}.")


def _matters(entry: Entry) -> bool:
    return entry["effect_usd_per_hour"] is None or _larger(entry) >= SMALL


def _larger(entry: Entry) -> float:
    """Return the larger change of the cost (percent); that without a fleet counts as none."""
    return max(abs(entry[end]["change_pct"] or 0.0) for end in ("low", "high"))


def _line(entry: Entry, longest: float) -> tuple[str, ...]:
    ends = entry["low"], entry["high"]
    bar = "█" * max(1, round(BAR * _larger(entry) / longest)) if longest else ""
    moved = [f"× {end['factor']:g}" for end in ends if end["fleet_changes"]]
    cells = (
        percent(e["change_pct"]) if e["status"] in ("optimal", "feasible") else cost_cell(e)
        for e in ends
    )
    return label(entry["name"]), *cells, f"{bar:<{BAR}}", " and ".join(moved) or "neither"


def _listed(names: Sequence[str]) -> str:
    prices = [name.removeprefix("price:") for name in names if name.startswith("price:")]
    said = [label(name) for name in names if not name.startswith("price:")]
    if prices:
        said.append(f"the prices of {', '.join(prices)}" if len(prices) > 1 else label(names[-1]))
    return ", ".join(said)
