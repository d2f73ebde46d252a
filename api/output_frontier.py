"""A frontier on one screen: each level where the cost falls, and what is bought there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from api.columns import figures_and_words
from api.lines import Lines, warn
from api.output import UNKNOWN, num, usd

if TYPE_CHECKING:
    from solver.frontier.document import Frontier

LABELS = {
    "tpot_ms": ("TPOT ≤", "TPOT target"),
    "ttft_ms": ("TTFT ≤", "TTFT target"),
    "quality_loss_pct": ("loss ≤", "limit on the quality loss"),
    "power_kw": ("power ≤", "limit on the rated power"),
    "providers": ("providers ≤", "limit on the number of providers"),
}
"""Name of what the cost is set against → heading of its column, and what it is in a sentence."""

SMALL = 0.01
"""Changes of the cost below this share are written with a digit more."""

Entry = Mapping[str, Any]


def show_frontier(found: Frontier, name: str) -> None:
    """Print a frontier for people.

    Parameters
    ----------
    name
        What to call the workload: its file.
    """
    out = Lines()
    of, points = found.of, found.points
    heading, words = LABELS[of["name"]][0], whose(of)
    rates = sum(c["rate_rps"] for c in found.workload["classes"])
    out.text(f"{num(rates)} requests/s of {name}: least cost by {words}", style="bold")
    out.text(_verdict(found), style="bold green" if found.complete else "bold yellow")
    if points:
        now = [p["cost_per_hour_usd"] for p in points if p["in_force"]]
        least, against = (now[0], "vs now") if now else (points[-1]["cost_per_hour_usd"], "more")
        out.line()
        head = (heading, "cost/h", against, "GPUs", "kW", "TTFT", "TPOT", "fleet")
        figures_and_words(out, head, [_row(p, of, least) for p in points])
        out.line()
        out.text(_reading(found, words))
    warn(out, found.warnings)


def whose(of: Entry) -> str:
    """Return what the cost is set against, in words: of one class, or of all."""
    words, field = LABELS[of["name"]][1], str(of["field"])
    if not field.startswith("classes."):
        return words
    return f"{words} of {field.removeprefix('classes.').removesuffix('.sla.' + of['name'])}"


def _verdict(found: Frontier) -> str:
    if not found.points:
        return "No fleet keeps any of the levels that were asked for."
    if not found.complete:
        return "Not proven everywhere: some points ran out of time; their gap is in --json."
    return (
        f"Proven at each of {len(found.solved)} levels to a gap of "
        f"{found.search['gap_asked']:.2%}: no fleet is both tighter and cheaper."
    )


def _row(point: Entry, of: Entry, least: float) -> tuple[str, ...]:
    cost = point["cost_per_hour_usd"]
    mark = "▸" if point["in_force"] else " "
    return (
        f"{mark} {level(point['value'], of)}",
        usd(cost) if point["status"] == "optimal" else f"≤ {usd(cost)}",
        "" if cost == least else _against(cost / least - 1),
        str(point["gpus"]),
        UNKNOWN if point["gpu_power_kw"] is None else num(point["gpu_power_kw"], 3),
        UNKNOWN if point["ttft_ms"] is None else num(point["ttft_ms"], 3),
        UNKNOWN if point["tpot_ms"] is None else num(point["tpot_ms"], 3),
        point["fleet"],
    )


def _against(change: float) -> str:
    """Write a change of the cost, a small one with a digit more."""
    return f"{change:+.0%}" if abs(change) >= SMALL else f"{change:+.1%}"


def level(value: float, of: Entry) -> str:
    """Write a level with its unit."""
    unit = of["unit"]
    return num(value, 4) + (f" {unit}" if unit else "")


def _least(of: Entry) -> float:
    """Return the least level that there can be."""
    return 1.0 if of["name"] == "providers" else 0.0


def _reading(found: Frontier, words: str) -> str:
    """Say how to read the first column, and where the workload stands."""
    of, first = found.of, found.points[0]
    said = [f"Each cost holds from its {words} up to the next."]
    if found.infeasible_at is not None:
        said.append(f"No fleet keeps {level(found.infeasible_at, of)}.")
    elif first["dearer_at"] is None and first["value"] > _least(of):
        said.append(f"Levels below {level(first['value'], of)} were not asked for.")
    if of["value"] is not None and any(p["in_force"] for p in found.points):
        said.append(f"▸ is where the workload stands, at {level(of['value'], of)}.")
    return " ".join(said)
