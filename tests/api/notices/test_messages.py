"""Events in words: what happened, why, and what it comes to; every kind, and documents in part."""

from __future__ import annotations

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.notices import chat
from api.notices.messages import event_document, message_of
from api.schemas.base import undeclared_fields
from api.schemas.notices import EventDocument
from api.store.events import KINDS, Event
from api.store.records import now

unhurried = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])

POOL = {
    "role": "aggregated",
    "model": "m",
    "accelerator": "h100_sxm",
    "offer_id": "acme/eu/h100",
    "weight_precision": "fp8",
    "kv_precision": "fp8",
    "tp": 1,
    "pp": 1,
    "ep": 1,
    "batch_cap": 64,
    "replicas": 14,
}

SWITCH = {
    "schema": "minfleet/decision/v1",
    "outcome": "switch",
    "reasons": ["Another fleet costs $19.60 an hour in place of $32.20."],
    "current": {
        "cost_per_hour_usd": 32.2,
        "was_cost_per_hour_usd": 28.0,
        "pools": [POOL],
        "purchases": [
            {
                "offer_id": "acme/eu/h100",
                "nodes": 14,
                "price_per_node_hour_usd": 2.3,
                "was_price_per_node_hour_usd": 2.0,
                "price_change_pct": 15.0,
                "withdrawn": False,
            }
        ],
    },
    "considered": {
        "cost_per_hour_usd": 19.6,
        "pools": [{**POOL, "offer_id": "acme/us/h100"}],
        "purchases": [{"offer_id": "acme/us/h100", "nodes": 14}],
    },
    "saving": {"usd_per_hour": 12.6, "fraction": 12.6 / 32.2},
    "steps": [{}, {}],
    "proposed_plan_id": "plan-1",
}

HELD = {
    "reasons": ["2 prices move more than 60 %"],
    "counts": {"rows": 9, "offers": 5, "added": 1, "removed": 2, "moved": 3, "kept": 0},
    "gone": {"acme": 2},
    "beyond": [
        {"offer_id": "a", "old_usd": 2.0, "new_usd": 5.0, "change_pct": 150.0, "note": ""},
        {"offer_id": "b", "old_usd": 1.0, "new_usd": 0.1, "change_pct": -90.0, "note": ""},
    ],
}


def event(kind, document, subject="support-chat"):
    return Event(3, "event-3", kind, subject, now(), document)


def test_a_switch_in_words():
    """12.60 / 32.20 = 39.1 %; 14 replicas move from one region to the other."""
    message = message_of(event("decision.switch", SWITCH))
    assert message.title == "support-chat: a switch saves $12.60 an hour (39 %)"
    assert message.path == "/workloads/support-chat"
    assert message.lines == (
        "Another fleet costs $19.60 an hour in place of $32.20.",
        "At today's prices the fleet costs $32.20 an hour; it was $28.00.",
        "The offer acme/eu/h100 costs $2.30 a node-hour; it was $2.00.",
        "14 fewer replicas on h100_sxm TP1 fp8 (acme/eu/h100) and 14 new replicas on h100_sxm TP1 "
        "fp8 (acme/us/h100); the cost falls from $32.20 to $19.60 an hour (−39.1 %).",
        "It takes 2 steps; none has less capacity than the load.",
        "It waits to be accepted.",
    )


def test_who_accepted_is_told():
    accepted = message_of(event("decision.switch", {**SWITCH, "accepted_by": "policy"}))
    assert accepted.lines[-1] == "The switch was accepted by its policy."


def test_a_withdrawn_offer_is_told():
    current = {**SWITCH["current"]}
    current["purchases"] = [{**current["purchases"][0], "withdrawn": True}]
    message = message_of(event("decision.must_switch", {**SWITCH, "current": current}))
    assert message.title == "support-chat: the fleet cannot stay as it is"
    assert "The offer acme/eu/h100 is withdrawn." in message.lines


def test_a_held_refresh_names_its_rows():
    message = message_of(event("catalog.held", HELD, "gpuhunt"))
    assert message.title == "gpuhunt: new prices wait for a person"
    assert message.lines == (
        "2 prices move more than 60 %.",
        "5 offers read: 1 new, 2 gone, 3 at another price.",
        "acme is gone, with 2 offers.",
        "a: $2.00 → $5.00 a node-hour (+150 %).",
        "b: $1.00 → $0.10 a node-hour (−90 %).",
    )


def test_a_long_list_is_cut():
    rows = [{**HELD["beyond"][0], "offer_id": f"o{n}"} for n in range(40)]
    message = message_of(event("catalog.held", {**HELD, "beyond": rows}, "gpuhunt"))
    assert message.lines[-1] == "30 more rows moved as far."


@pytest.mark.parametrize("kind", [*KINDS, "subscription.test"])
@pytest.mark.parametrize("document", [{}, SWITCH, HELD])
def test_every_event_is_documented(kind, document):
    """A first proposal has no current fleet, a failure no saving: nothing of it may be missed."""
    found = event_document(event(kind, document), "https://minfleet.example.com/")
    model = EventDocument.model_validate(found)
    assert list(undeclared_fields(model)) == []
    assert found["title"]
    assert json.dumps(found, allow_nan=False)
    body = json.loads(chat.payload(found))
    assert body["text"].startswith(found["title"].split(":")[0])


@unhurried
@given(st.text(max_size=4000), st.text(max_size=300))
def test_a_chat_gets_no_more_than_it_takes(text, title):
    found = {"title": title, "text": text, "url": None, "kind": "k", "created_at": "2026-11-22T08"}
    for block in json.loads(chat.payload(found))["blocks"]:
        said = block["text"]["text"] if "text" in block else block["elements"][0]["text"]
        assert len(said) <= (150 if block["type"] == "header" else 3000)
        assert block["type"] == "header" or not {"<", ">"} & set(said)
