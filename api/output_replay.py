"""A replay on one screen: four ways through the history, and the switches of the policy."""

from __future__ import annotations

import datetime as dt
import textwrap
from collections.abc import Mapping
from itertools import groupby
from typing import Any

from api.columns import figures_and_words
from api.lines import Lines, warn
from api.output import num, usd
from solver.replay.document import held_back_by

Entry = Mapping[str, Any]

COURSES = {
    "policy": "the policy",
    "never": "never switching",
    "always": "always switching",
    "clairvoyant": "clairvoyant",
}
"""Course → what people call it."""

SMALL = 5e-5
"""Parts smaller than this are shown as none."""

MOST_ROWS = 12
"""Looks that are shown of one kind."""

MOST_SKIPPED = 6
"""Instance types that are named for one reason."""


def show_replay(document: Entry, name: str) -> None:
    """Print a replay document for people.

    Parameters
    ----------
    name
        What to call the workload: its file.
    """
    out = Lines()
    _headline(out, document, name)
    out.line()
    _courses(out, document)
    out.line()
    _proof(out, document)
    _timeline(out, document)
    _held_back(out, document)
    _skipped(out, document)
    warn(out, [w.rstrip(".") for w in document["warnings"]])


def _headline(out: Lines, document: Entry, name: str) -> None:
    path, search = document["path"], document["search"]
    days = path["hours"] / 24
    out.text(
        f"{name} from {path['from']} to {path['to']}: {num(days)} days, {path['changes']:,} price "
        f"changes of {path['offers']:,} offers on {len(path['dates']) - 1} days",
        style="bold",
    )
    rate = search["decisions_per_second"]
    speed = "" if rate is None else f", {rate:.3g} a second"
    out.text(
        f"{search['looks']} looks; {search['decisions']} were decided anew{speed}, the others "
        "found nothing changed since the look before."
    )


def _courses(out: Lines, document: Entry) -> None:
    never = document["cost_usd"]["never"]
    rows = []
    for key, title in COURSES.items():
        course = document["courses"][key]
        rows.append(
            (
                title,
                usd(course["cost_usd"]),
                _against(course["cost_usd"], never) if key != "never" else "",
                usd(course["run_usd"]),
                usd(course["change_usd"]),
                str(course["switches"]) + (f" ({course['forced']})" if course["forced"] else ""),
            )
        )
    out.table(("", "cost", "vs never", "nodes", "changes", "switches"), rows)
    if any(document["courses"][key]["forced"] for key in COURSES):
        out.text(
            "In brackets: switches that an offer's withdrawal, or a rule, forced.", style="dim"
        )


def _against(cost: float, base: float) -> str:
    part = (cost - base) / base
    return "the same" if abs(part) < SMALL else f"{part:+.1%}"


def _proof(out: Lines, document: Entry) -> None:
    proof, regret = document["certificate"], document["regret"]
    if proof["status"] == "optimal":
        out.text(
            f"Proven: no sequence of fleets costs less than {usd(proof['bound'])} "
            f"(gap {proof['gap']:.2%}).",
            style="bold green",
        )
    else:
        out.text(
            f"Not proven: some sequence may cost as little as {usd(proof['bound'])} "
            f"(gap {proof['gap']:.2%}); give more time.",
            style="bold yellow",
        )
    if not proof["decisions_proven"]:
        out.text("Some decisions were made on plans that time did not suffice to prove.")
    far = "cost as little as the clairvoyant optimum"
    if regret["fraction"] >= SMALL:
        far = f"cost {usd(regret['usd'])} ({regret['fraction']:.1%}) more than the optimum"
    out.text(f"The policy {far}.")


def _timeline(out: Lines, document: Entry) -> None:
    steps = document["courses"]["policy"]["steps"]
    out.title("What the policy ran")
    rows = []
    for number, step in enumerate(steps):
        what = step["fleet"]["text"]
        if number:
            why = textwrap.shorten(step["why"], 300, placeholder=" …")
            what += f". {'It had to. ' * step['forced']}{why}"
        rows.append(
            (
                _day(step["moment"]),
                usd(step["cost_per_hour_usd"]),
                usd(step["change_usd"]) if number else "",
                what,
            )
        )
    figures_and_words(out, ("from", "cost/h", "change", "fleet"), rows, first_left=True)


def _held_back(out: Lines, document: Entry) -> None:
    """Tell of looks that kept the fleet though another one was found worth its change."""
    rows = [
        (
            _day(entry["moment"]),
            str(entry["looks"]),
            f"{entry['saving']['fraction']:.1%}",
            ", ".join(held_back_by(entry)),
        )
        for entry in document["decisions"]
        if held_back_by(entry)
    ]
    if not rows:
        return
    out.title("When it kept its fleet though another would have paid back its change")
    figures_and_words(out, ("from", "looks", "saving", "rules not met"), rows[:MOST_ROWS])
    if len(rows) > MOST_ROWS:
        out.text(f"… and {len(rows) - MOST_ROWS} more; --json has them all.", style="dim")


def _day(moment: str) -> str:
    at = dt.datetime.fromisoformat(moment)
    return f"{at:%Y-%m-%d}" if at.time() == dt.time() else f"{at:%Y-%m-%d %H:%M}"


def _skipped(out: Lines, document: Entry) -> None:
    """Name what was left out, one line a reason."""
    if not document["skipped"]:
        return
    out.title("Left out")
    by_reason = sorted(document["skipped"], key=lambda s: (s["reason"], s["instance_type"]))
    for reason, group in groupby(by_reason, key=lambda s: s["reason"]):
        entries = list(group)
        names = [s["instance_type"] for s in entries[:MOST_SKIPPED]]
        more = len(entries) - len(names)
        tail = f" and {more} more" if more else ""
        out.text(f"{', '.join(names)}{tail}: {reason}", indent="    ", first="  ")
