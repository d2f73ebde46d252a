"""Documents as HTML: every kind of plan is shown, and nothing from outside becomes markup."""

from __future__ import annotations

import copy
from html.parser import HTMLParser
from pathlib import Path

import pytest

from api.page.show.headline import headline
from api.page.show.plan import plan_details
from api.page.show.topology import topology
from data.catalog import Catalog
from solver.planner import plan
from solver.workload import Workload

EXAMPLES = Path(__file__).parents[3] / "examples"

MOST_LOAD = {
    "model": "llama-3.1-8b-instruct",
    "classes": [{"name": "chat", "rate_rps": 4, "isl": 512, "osl": 64}],
    "objective": {"maximize": "load"},
    "hardware": {"accelerators": ["h100_sxm"], "max_cost_per_hour_usd": 10},
    "serving": {"disaggregation": "off"},
}

KINDS = (
    *("aggregated", "prefill and decode", "not explained", "budget", "target", "memory", "formats"),
    *("targets of classes", "stock", "measured", "not measured", "simulated"),
)


class Reader(HTMLParser):
    """Reads HTML: its text, and whether every element is closed."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.names: list[str] = []
        self.open: list[str] = []
        self.feed(html)
        assert self.open == []

    def handle_starttag(self, tag, attrs):
        self.open.append(tag)
        self.names.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join(self.words)


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_of_plan(plan_documents, kind):
    plan = plan_documents[kind]
    top, below = Reader(headline(plan)).text, Reader(plan_details(plan)).text
    if plan["cost_per_hour_usd"] is None:
        assert "No plan" in top
        assert "What to give up" in below
    else:
        assert f"${plan['cost_per_hour_usd']:,.2f}" in top
        for pool in plan["pools"]:
            assert pool["accelerator"] in below
        for purchase in plan["purchases"]:
            assert purchase["offer_id"] in below
    assert ("Why nothing cheaper exists" in below) == (plan["status"] == "optimal")


@pytest.mark.parametrize(
    ("name", "told"),
    [
        (
            "least-carbon-70b",
            ["no fleet emits less", "kg CO2e/h", "Among the fleets that are equal"],
        ),
        (MOST_LOAD, ["no fleet within the limits serves more", "none carries"]),
        ("batch-summaries-8b", ["no fleet drains it for less", "requests drained"]),
        ("day-and-commitments", ["no commitments and fleets serve", "in an average hour"]),
    ],
)
def test_what_is_proven_is_what_was_asked_for(name, told):
    """A plan for the least carbon is not called the cheapest."""
    example = EXAMPLES / f"{name}.yaml"
    workload = Workload.parse(name) if isinstance(name, dict) else Workload.load(example)
    document = plan(workload, Catalog.load(), explain="none").to_dict()
    words = Reader(headline(document) + plan_details(document)).text
    assert all(part in words for part in told)
    assert "cheaper fleet" not in words
    assert "Why nothing cheaper exists" not in words


def test_prefill_hands_its_kv_caches_to_decode(plan_documents):
    text = Reader(topology(plan_documents["prefill and decode"])).text
    assert text.index("Prefill") < text.index("KV caches") < text.index("Decode")
    assert "GB/s" in text


def test_every_gpu_is_drawn(plan_documents):
    plan = plan_documents["aggregated"]
    (pool,) = plan["pools"]
    assert Reader(topology(plan)).names.count("i") == pool["gpus"]


def test_names_are_no_markup(plan_documents):
    plan = copy.deepcopy(plan_documents["aggregated"])
    evil = "<img src=x onerror=alert(1)>"
    plan["pools"][0] |= {"accelerator": evil, "provider": evil, "serves": {evil: 1.0}}
    plan["purchases"][0]["offer_id"] = evil
    plan["classes"][0]["name"] = evil
    plan["warnings"] = [evil]
    shown = Reader(plan_details(plan))
    assert "img" not in shown.names
    assert evil in shown.text
