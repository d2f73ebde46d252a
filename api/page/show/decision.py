"""A decision on a registered workload: outcome, reasons, rules, steps, and what would change."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from urllib.parse import quote

from api.decision_words import decision_difference
from api.difference_words import sentences
from api.output import counted, num, price, usd
from api.page.show.html import Cell, chip, link, links, moment, section, table, tag, text

Document = Mapping[str, Any]

OUTCOMES = {
    "keep": ("good", "keep"),
    "switch": ("warn", "switch"),
    "must_switch": ("bad", "must switch"),
    "failed": ("bad", "failed"),
}
"""Outcome → kind of chip, and its word."""

TRIGGERS = {
    "schedule": "due by its schedule",
    "price_change": "prices changed",
    "request": "somebody asked",
    "first": "its first fleet",
}

ACTIONS = {"add": "start", "remove": "stop", "change": "change"}

UNITS = {"percent": "%", "fraction": "", "ratio": ""}


def outcome_chip(outcome: str) -> Cell:
    """Return an outcome on a coloured ground."""
    kind, word = OUTCOMES.get(outcome, ("plain", outcome))
    return chip(kind, word)


def decision_head(document: Document) -> Cell:
    """Return what was decided and why, and what became of it."""
    made = str(document.get("created_at") or document.get("decided_at"))
    trigger = TRIGGERS.get(str(document.get("trigger")), "")
    about = " · ".join(part for part in (f"{moment(made)} UTC", trigger) if part)
    reasons = "".join(tag("li", text(r)) for r in document.get("reasons") or ())
    return (
        tag("p", outcome_chip(str(document["outcome"])), " ", text(about), class_="decided")
        + tag("ul", reasons)
        + _figures(document)
        + _accepted(document)
    )


def _figures(document: Document) -> Cell:
    current, considered = document.get("current") or {}, document.get("considered") or {}
    change, saving = document.get("change") or {}, document.get("saving") or {}
    told = [
        ("running fleet, at today's prices", current.get("cost_per_hour_usd"), "/h"),
        ("when it was planned", current.get("was_cost_per_hour_usd"), "/h"),
        ("fleet weighed against it", considered.get("cost_per_hour_usd"), "/h"),
        ("saving", saving.get("usd_per_hour"), "/h"),
        ("cost of the change", change.get("total_usd"), ""),
    ]
    cells = [
        tag("div", tag("dt", text(name)), tag("dd", text(f"{usd(figure)}{unit}")))
        for name, figure, unit in told
        if figure is not None
    ]
    if change.get("payback_h") is not None:
        paid = tag("dd", text(f"{num(change['payback_h'], 3)} h"))
        cells.append(tag("div", tag("dt", text("paid back in")), paid))
    return tag("dl", *cells, class_="figures") if cells else ""


def _accepted(document: Document) -> Cell:
    if not document.get("accepted_at"):
        return ""
    by = document.get("accepted_by")
    whom = {"policy": " by its policy", None: ""}.get(by, f" with the key {by}")
    return tag("p", chip("good", f"Accepted{whom} on {moment(document['accepted_at'])} UTC."))


def decision_details(document: Document) -> Cell:
    """Return the rules, the difference, the steps and the proof of a decision."""
    return "".join(
        part(document) for part in (rules, differing, stages, repriced, certificates, cautions)
    )


def rules(document: Document) -> Cell:
    """Return each rule's figure beside its limit."""
    found = document.get("rules") or ()
    if not found:
        return ""
    rows = [
        (
            tag("b", text(r["name"])) + tag("div", tag("small", text(r["meaning"]))),
            text(_figure(r["figure"], r["unit"])),
            text(f"{'≥' if r['comparison'] == '>=' else '≤'} {_figure(r['limit'], r['unit'])}"),
            _verdict(r["passed"]),
        )
        for r in found
    ]
    inner = table(("rule", "figure", "limit", ""), rows, stacks=True)
    return section("Rules of the policy", inner)


def _figure(value: float | None, unit: str) -> str:
    if value is None:
        return "not known"
    return f"{num(value)} {UNITS.get(unit, unit)}".strip()


def _verdict(passed: bool | None) -> Cell:
    if passed is None:
        return chip("plain", "nothing to weigh")
    return chip("good", "passes") if passed else chip("bad", "does not pass")


def differing(document: Document) -> Cell:
    """Return what the fleet that was weighed would change."""
    found = decision_difference(document)
    if found is None or found["equal"]:
        return ""
    items = "".join(tag("li", text(s)) for s in sentences(found))
    return section(
        "What would change", tag("ul", items), plan_links(document),
        note="At the prices of the decision, beside what is committed and paid anyway.",
    )  # fmt: skip


def plan_links(document: Document) -> Cell:
    """Return the ways to the plans of a decision."""
    plan_id = document.get("proposed_plan_id") or (document.get("proposed") or {}).get("id")
    if not plan_id:
        return ""
    found = [link(f"/plans/{quote(plan_id, safe='')}", "The proposed plan")]
    before = document.get("plan_id")
    if before and before != plan_id:
        a, b = quote(before, safe=""), quote(plan_id, safe="")
        found.append(link(f"/diff?a={a}&b={b}", "Both plans side by side"))
    return links(found)


def stages(document: Document) -> Cell:
    """Return the steps of a change; none has less capacity than the load."""
    steps = document.get("steps") or ()
    if not steps:
        return ""
    rows = [
        (
            text(str(s["number"])),
            "".join(tag("div", text(line)) for line in _changes(s)),
            text(", ".join(f"{n} {share:.0%}" for n, share in s["capacity"].items())),
            text(usd(s["cost_per_hour_usd"])),
        )
        for s in steps
    ]
    headings = ("step", "change", "capacity over load", "$/h after it")
    inner = table(headings, rows, words=(0, 1, 2), stacks=True)
    return section("Steps", inner, note="In this order; capacity stays above the load throughout.")


def _changes(step: Document) -> Iterator[str]:
    for c in step["changes"]:
        where = f"{c['pool']} on {c['offer_id']}" if c.get("offer_id") else str(c["pool"])
        action = ACTIONS.get(c["action"], c["action"])
        yield f"{action} {counted(c['replicas'], 'replica')} of {where}"


def repriced(document: Document) -> Cell:
    """Return what the running fleet is rented at, today and when it was planned."""
    found = (document.get("current") or {}).get("purchases") or ()
    if not found:
        return ""
    rows = [
        (
            text(p["offer_id"]),
            text(f"{p['nodes']:,}"),
            text(_price(p.get("was_price_per_node_hour_usd"))),
            chip("bad", "withdrawn")
            if p.get("withdrawn")
            else text(_price(p.get("price_per_node_hour_usd"))),
            text("" if not p.get("price_change_pct") else f"{p['price_change_pct']:+.1f} %"),
        )
        for p in found
    ]
    headings = ("offer", "nodes", "$/node-h then", "today", "")
    return section("What runs", table(headings, rows, stacks=True))


def _price(value: float | None) -> str:
    return "–" if value is None else price(value)


def certificates(document: Document) -> Cell:
    """Return how far it is proven that nothing cheaper pays its change back."""
    found = document.get("certificates") or {}
    names = (
        ("held", "the fleet as it is"),
        ("free", "any fleet, its change paid"),
        ("within_rules", "any within the rules"),
    )
    rows = []
    for name, words in names:
        c = found.get(name)
        if c:
            objective, bound = c.get("objective"), c.get("bound")
            rows.append(
                (
                    text(words),
                    text("–" if objective is None else usd(objective)),
                    text("–" if bound is None else usd(bound)),
                    text("–" if c.get("gap") is None else f"{c['gap']:.4%}"),
                    text(c.get("status") or ""),
                )
            )
    if not rows:
        return ""
    headings = ("program", "$/h found", "$/h bound", "gap", "")
    return section("How far it is proven", table(headings, rows))


def cautions(document: Document) -> Cell:
    """Return what to know before relying on it."""
    found = document.get("warnings") or ()
    items = [tag("li", text(f"{str(w).rstrip('.')}.")) for w in found]
    return section("Before you rely on it", tag("ul", *items, class_="warnings")) if items else ""
