"""Decisions, workloads and prices as HTML: figures beside limits, and nothing becomes markup."""

from __future__ import annotations

from html.parser import HTMLParser

from api.page.show.decision import decision_details, decision_head
from api.page.show.prices import price_table, refresh_card, refresh_table
from api.page.show.workloads import history_table, schedule_words, workload_table

EVIL = "<img src=x onerror=alert(1)>"

RULE = {
    "name": "min_saving_pct",
    "figure": 9.5238,
    "limit": 10,
    "unit": "percent",
    "comparison": ">=",
    "passed": False,
    "decides": "switch",
    "meaning": EVIL,
}

DECISION = {
    "id": "decision-1",
    "outcome": "keep",
    "trigger": "price_change",
    "created_at": "2026-11-22T07:55:39+00:00",
    "reasons": [EVIL],
    "current": {
        "cost_per_hour_usd": 29.4,
        "was_cost_per_hour_usd": 28.0,
        "pools": [],
        "purchases": [
            {
                "offer_id": EVIL,
                "nodes": 14,
                "price_per_node_hour_usd": None,
                "was_price_per_node_hour_usd": 2.0,
                "price_change_pct": None,
                "withdrawn": True,
            }
        ],
    },
    "considered": None,
    "rules": [RULE, {**RULE, "figure": None, "passed": None}],
    "steps": [
        {
            "number": 1,
            "changes": [{"action": "add", "pool": EVIL, "offer_id": "o", "replicas": 3}],
            "capacity": {EVIL: 1.0},
            "cost_per_hour_usd": 29.5,
        }
    ],
    "certificates": {"held": None, "free": {"objective": 29.4, "bound": 29.4, "gap": 0.0}},
    "warnings": [EVIL],
}


class Reader(HTMLParser):
    """Reads HTML: its words, the names of its elements, and that each is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words, self.names, self.open = "", [], []
        self.feed(html)
        assert self.open == []
        assert "img" not in self.names

    def handle_starttag(self, tag, attrs):
        self.names.append(tag)
        self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words += f"{data} "


def test_a_decision_shows_each_rule_beside_its_limit():
    head, below = Reader(decision_head(DECISION)).words, Reader(decision_details(DECISION)).words
    assert "prices changed" in head
    assert "$29.40/h" in head
    assert EVIL in head
    assert "min_saving_pct" in below
    assert "9.524 %" in below
    assert "≥ 10 %" in below
    assert "does not pass" in below
    assert "not known" in below
    assert "withdrawn" in below
    assert "start 3 replicas" in below


def test_a_decision_that_failed_shows_its_reason():
    failed = {"outcome": "failed", "created_at": "2026-11-22T07:55", "reasons": ["no time"]}
    assert "no time" in Reader(decision_head(failed) + decision_details(failed)).words


def test_workloads_and_their_past():
    entry = {
        "name": "support-chat",
        "model": EVIL,
        "schedule": {"cron": "0 6 * * *", "timezone": "Europe/Berlin", "on": None},
        "paused": False,
        "due_at": "2026-11-23T05:00:00+00:00",
        "cost_per_hour_usd": 28.0,
        "outcome": "switch",
        "decided_at": "2026-11-22T07:55:39+00:00",
        "proposed": True,
    }
    new = {**entry, "outcome": None, "cost_per_hour_usd": None, "due_at": None, "schedule": None}
    words = Reader(workload_table([entry, new])).words
    assert "0 6 * * * (Europe/Berlin)" in words
    assert "waits for acceptance" in words
    assert "none yet" in words
    assert "PUT /v1/workloads" in Reader(workload_table([])).words
    assert schedule_words(None, paused=True) == "on request; paused now"
    past = Reader(history_table("support-chat", [DECISION], "decision-1"))
    assert "$29.40/h" in past.words
    assert "a" not in past.names, "the one that is looked at leads nowhere"


def test_prices_and_refreshes():
    """2.00 → 1.40 is −30 %; an offer that is gone has no price."""

    def point(usd):
        return {"since": "2026-11-22T07:55:39+00:00", "price_per_gpu_hour_usd": usd}

    offer = {"offer_id": EVIL, "accelerator": "h100_sxm", "pricing": "on_demand"}
    offers = [
        {**offer, "points": [point(2.0), point(1.4)]},
        {**offer, "points": [point(2.0), point(None)]},
    ]
    words = Reader(price_table(offers)).words
    assert "−30 %" in words
    assert "gone" in words
    counts = {"offers": 5, "rows": 6, "added": 0, "removed": 2, "moved": 1, "kept": 2}
    report = {
        "reasons": [EVIL],
        "counts": counts,
        "beyond": [{"offer_id": EVIL, "old_usd": 1.4, "new_usd": 0.2, "change_pct": -85.71}],
        "removed": [EVIL, "b"],
    }
    held = {"state": "held", "name": EVIL, "created_at": "2026-11-22T07:55", "report": report}
    card = Reader(refresh_card(held)).words
    assert "−85.7 %" in card
    assert "2 offers would be gone" in card
    refused = {**held, "state": "refused", "report": {"reasons": ["it is HTML"]}}
    assert "it is HTML" in Reader(refresh_table([held, refused])).words
