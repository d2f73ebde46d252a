"""A comparison on one screen: the joint optimum, each offer alone, break-even prices, in words."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from api.lines import Lines, warn
from api.output import UNKNOWN, num, price, usd

if TYPE_CHECKING:
    from solver.comparison.document import Comparison

SENTENCE = {
    "optimal": ("Proven: no cheaper fleet of these offers exists.", "bold green"),
    "feasible": ("Not proven: a cheaper fleet of these offers may exist.", "bold yellow"),
    "infeasible": ("Proven: no fleet of these offers meets the workload.", "bold red"),
    "unknown": ("No fleet and no proof in the time given.", "bold yellow"),
}
"""Status of the joint optimum → what it means, and the style it is printed in."""

NO_PRICE = {"any_price": "any price", "no_price": "no price", "not_proven": "not proven"}
"""Why there is no break-even price → what the table shows for it."""

NO_WORTH = {"unlimited": "no limit", "makes_possible": "a fleet", "not_proven": "not proven"}
"""Why there is no worth of a node → what the table shows for it."""

Entry = Mapping[str, Any]


def show_comparison(found: Comparison, name: str) -> None:
    """Print a comparison for people.

    Parameters
    ----------
    name
        What to call the workload: its file.
    """
    out = Lines()
    _headline(out, found, name)
    told = [(str(o["offer_id"]), o) for o in found.offers]
    grouped = [(str(s["name"]), s) for s in found.subsets]
    compared = [(n, e) for n, e in (*told, *grouped) if e["alone"]["status"] != "filtered"]
    if compared:
        out.title("Alone, and in the joint optimum")
        head = ("", "cost/h", "a month", "per M tokens", "GPUs", "kW", "of joint")
        out.table(head, [_alone(n, e) for n, e in compared])
    own = [(n, e) for n, e in told if e["alone"]["status"] != "filtered"]
    if own:
        out.title("Break-even prices of a node-hour")
        head = ("", "now", "enters below", "alone below", "one more node")
        out.table(head, [_prices(n, e) for n, e in own])
    out.title("In words")
    for label, entry in (*told, *grouped):
        out.line(label)
        out.text(entry["sentence"], indent="    ")
    warn(out, found.warnings)


def _headline(out: Lines, found: Comparison, name: str) -> None:
    joint = found.joint
    if joint["cost_per_hour_usd"] is not None:
        out.text(" · ".join(_figures(joint)), style="bold")
    rates = sum(c["rate_rps"] for c in found.workload["classes"])
    count = sum(o["alone"]["status"] != "filtered" for o in found.offers)
    out.text(f"{num(rates)} requests/s of {name}, {count} of {len(found.offers)} offers compared")
    sentence, style = SENTENCE[found.status]
    out.text(sentence, style=style)
    if found.status == "optimal" and not found.complete:
        out.text("Some other figures were not proven in time, and are left out.", style="yellow")
    if joint["purchases"]:
        bought = (f"{p['nodes']} × {p['offer_id']}" for p in joint["purchases"])
        out.text(f"The joint optimum buys {', '.join(bought)}.")


def _figures(joint: Entry) -> Iterator[str]:
    yield f"{usd(joint['cost_per_hour_usd'])} an hour together"
    yield f"{usd(joint['cost_per_month_usd'])} a month"
    if joint["cost_per_million_output_tokens_usd"] is not None:
        yield f"${joint['cost_per_million_output_tokens_usd']:,.3g} per million output tokens"
    yield f"{joint['gpus']} GPU{'s' if joint['gpus'] != 1 else ''}"
    if joint["gpu_power_kw"] is not None:
        yield f"{num(joint['gpu_power_kw'])} kW"


def _alone(name: str, entry: Entry) -> tuple[str, ...]:
    alone, share = entry["alone"], entry["joint_share_pct"]
    if alone["cost_per_hour_usd"] is None:
        figures: Iterable[str] = ("infeasible",) if alone["status"] == "infeasible" else ("?",)
        cells = [*figures, *[UNKNOWN] * 4]
    else:
        per_million, power = alone["cost_per_million_output_tokens_usd"], alone["gpu_power_kw"]
        most = "" if alone["status"] == "optimal" else "≤ "
        cells = [
            f"{most}{usd(alone['cost_per_hour_usd'])}",
            f"${alone['cost_per_month_usd']:,.0f}",
            UNKNOWN if per_million is None else _fine(per_million),
            str(alone["gpus"]),
            UNKNOWN if power is None else num(power),
        ]
    return name, *cells, UNKNOWN if share is None else f"{share:.0f}%"


def _fine(amount: float) -> str:
    """Write dollars with cents, and small amounts with three digits."""
    return usd(amount) if amount >= 1 else f"${amount:.3g}"


def _prices(name: str, entry: Entry) -> tuple[str, ...]:
    worth = entry["next_node_worth_usd_per_hour"]
    saves = NO_WORTH.get(entry["next_node_reason"])
    if saves is None:
        saves = UNKNOWN if worth is None else f"-{usd(worth)}/h" if worth else "saves nothing"
    return (
        name,
        price(entry["full_price_per_node_hour_usd"]),
        _level(entry["enters_at_usd_per_node_hour"], entry["enters_reason"]),
        _level(entry["takes_over_at_usd_per_node_hour"], entry["takes_over_reason"]),
        saves,
    )


def _level(value: float | None, reason: str) -> str:
    return NO_PRICE.get(reason, UNKNOWN) if value is None else price(value)
