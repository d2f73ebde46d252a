"""The checker passes a plan as it is, and fails it whatever is changed in it."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_catalog import catalog, workload

from data.coefficients import shipped_coefficients
from data.errors import PlanError
from solver.checker import Check, PlanChecker, _fit
from solver.planner import plan
from solver.workload import Workload

CHAT = {"name": "chat", "rate_rps": 60, "isl": 1024, "osl": 256}
RAG = {"name": "rag", "rate_rps": 2, "isl": 6000, "osl": 300, "sla": {"ttft_ms": 2500}}
KINDS: dict[str, dict[str, Any]] = {
    "spare replicas": {"hardware": {"spare_replicas": 1}},
    "disaggregated": {"serving": {"disaggregation": "only"}},
    "two classes": {"classes": [CHAT, RAG], "hardware": {"accelerators": ["h100_sxm"]}},
}
LABELS = {"name"}
"""Text of a pool that may be anything."""

Path = tuple[Any, ...]


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    return catalog(tmp_path_factory.mktemp("quotes"))


@pytest.fixture(scope="module")
def documents(quotes):
    """Return plan documents with their workloads, as they are read back from JSON."""
    found = {}
    for kind, blocks in KINDS.items():
        wanted = workload(**blocks)
        found[kind] = (wanted, json.loads(plan(wanted, quotes, explain=False).to_json()))
    return found


def check(document: dict[str, Any], wanted: Workload, quotes) -> Check:
    return PlanChecker(document, wanted, quotes, shipped_coefficients()).check()


def holds(document: dict[str, Any], wanted: Workload, quotes) -> bool:
    """Whether the check passes; a document that makes no sense does not."""
    try:
        return check(document, wanted, quotes).passed
    except PlanError:
        return False


def leaves(part: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    if isinstance(part, dict):
        for key, value in part.items():
            yield from leaves(value, (*path, key))
    elif isinstance(part, list):
        for number, value in enumerate(part):
            yield from leaves(value, (*path, number))
    else:
        yield path, part


def changed(document: dict[str, Any], path: Path, value: Any) -> dict[str, Any]:
    found = copy.deepcopy(document)
    part = found
    for key in path[:-1]:
        part = part[key]
    part[path[-1]] = value
    return found


CHECKED = (
    "cost_per_hour_usd",
    "cost_per_month_usd",
    "cost_per_million_output_tokens_usd",
    "gpus",
    "gpus_idle",
    "pools",
    "purchases",
    "classes",
)


def figures(document: dict[str, Any]) -> list[tuple[Path, Any]]:
    part = {key: document[key] for key in CHECKED}
    return [(path, value) for path, value in leaves(part) if value is not None]


every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_an_untouched_plan_passes(documents, quotes, kind):
    wanted, document = documents[kind]
    found = check(document, wanted, quotes)
    assert found.failures == ()
    assert found.rows_checked > 30


CHANGES: dict[str, Callable[[Any], Any]] = {
    "a little more": lambda v: v + 1 if isinstance(v, int) else v * 1.001 + 1e-6,
    "a little less": lambda v: v - 1 if isinstance(v, int) else v * 0.999 - 1e-6,
    "far more": lambda v: v * 1000 + 1000,
    "nothing": lambda v: 0,
    "its negative": lambda v: -v - 1,
    "text": str,
    "missing": lambda v: None,
}
NEAR = ("a little more", "a little less")


@pytest.mark.parametrize(
    ("kind", "change"),
    [("spare replicas", change) for change in CHANGES]
    + [(kind, "a little more") for kind in KINDS if kind != "spare replicas"],
)
def test_any_number_changed_fails_the_check(documents, quotes, kind, change):
    wanted, document = documents[kind]
    unnoticed = []
    for path, value in figures(document):
        if isinstance(value, (bool, str)):
            continue
        if path[0] == "pools" and path[1] > 0 and "predicted" in path:
            continue  # as in the first pool
        if change in NEAR and path[-1] == "nodes" and path[0] == "pools":
            continue  # how its replicas lie in shared nodes is not written down
        other = CHANGES[change](value)
        if other != value and holds(changed(document, path, other), wanted, quotes):
            unnoticed.append((path, value, other))
    assert not unnoticed


@every_kind
def test_any_word_changed_fails_the_check(documents, quotes, kind):
    wanted, document = documents[kind]
    unnoticed = []
    for path, value in figures(document):
        if not isinstance(value, (bool, str)) or (path[-1] in LABELS and path[0] == "pools"):
            continue
        other = (not value) if isinstance(value, bool) else value + "x"
        if holds(changed(document, path, other), wanted, quotes):
            unnoticed.append((path, value))
    assert not unnoticed


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("tp", 2),
        ("pp", 2),
        ("ep", 2),
        ("weight_precision", "bf16"),
        ("kv_precision", "bf16"),
        ("batch_cap", 1),
        ("role", "decode"),
        ("offer_id", "a100-1"),
        ("accelerator", "a100_sxm_80gb"),
        ("model", "llama-3.1-70b-instruct"),
        ("tightened", 2.0),
        ("tightened", 0.5),
        ("serves", {"chat": 0.5}),
        ("serves", {"chat": 2.0}),
        ("serves", {}),
        ("serves", {"chat": float("nan")}),
        ("replicas", 10**9),
        ("replicas", 2.5),
        ("tier", []),
        ("predicted", None),
        ("admits_rps", {"chat": 1e9}),
    ],
)
def test_another_configuration_fails_the_check(documents, quotes, field, value):
    wanted, document = documents["spare replicas"]
    assert document["pools"][0][field] != value
    for number in range(len(document["pools"])):
        assert not holds(changed(document, ("pools", number, field), value), wanted, quotes)


@pytest.mark.parametrize("part", ["pools", "purchases", "classes"])
@every_kind
def test_parts_left_out_or_doubled_fail_the_check(documents, quotes, kind, part):
    wanted, document = documents[kind]
    for number, item in enumerate(document[part]):
        fewer = [x for i, x in enumerate(document[part]) if i != number]
        for parts in (fewer, [*document[part], item]):
            assert not holds({**document, part: parts}, wanted, quotes)


def test_a_consistent_lie_about_the_price_fails_the_check(documents, quotes):
    """The prices are the catalogue's, however well the document adds up."""
    wanted, document = documents["spare replicas"]
    cheaper = {
        o: replace(quotes.offer(o), price_per_node_hour_usd=Decimal("0.50"))
        for o in (p["offer_id"] for p in document["purchases"])
    }
    bargain = quotes.with_offers(cheaper.get(o.offer_id, o) for o in quotes.offers)
    lie = json.loads(plan(wanted, bargain, explain=False).to_json())
    assert holds(lie, wanted, bargain)
    found = check(lie, wanted, quotes)
    assert not found.passed
    assert any("not $0.5" in sentence for sentence in found.failures)


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ({"sla": {"ttft_ms": 500, "tpot_ms": 10}}, "TPOT"),
        ({"hardware": {"max_gpus": 1, "spare_replicas": 1}}, "max_gpus"),
        ({"hardware": {"max_cost_per_hour_usd": 0.5, "spare_replicas": 1}}, "budget"),
        ({"hardware": {"spare_replicas": 2}}, "replicas of load"),
        ({"hardware": {"accelerators": ["a100_sxm_80gb"], "spare_replicas": 1}}, "filters"),
        ({"hardware": {"pricing": ["spot"], "spare_replicas": 1}}, "filters"),
        ({"hardware": {"regions": ["us"], "spare_replicas": 1}}, "filters"),
        ({"precision": {"weights": ["bf16"]}}, "weights"),
        ({"precision": {"max_quality_loss_pct": 0.0}}, "quality"),
        ({"serving": {"disaggregation": "only"}}, "disaggregation"),
        ({"classes": [{**CHAT, "rate_rps": 600}]}, "replicas of load"),
        ({"classes": [{**CHAT, "name": "other"}]}, "no class"),
    ],
)
def test_a_plan_for_another_workload_fails_the_check(documents, quotes, blocks, words):
    _, document = documents["spare replicas"]
    found = check(document, workload(**blocks), quotes)
    assert any(words in sentence for sentence in found.failures), found.failures


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"stock": 0}, "stock"),
        ({"min_nodes": 99}, "minimum"),
        ({"gpus_per_node": 99}, "accelerators are bought"),
        ({"accelerator": "l4"}, "does not have"),
    ],
)
def test_a_plan_for_another_market_fails_the_check(documents, quotes, changes, words):
    wanted, document = documents["spare replicas"]
    market = quotes.with_offers(replace(o, **changes) for o in quotes.offers)
    found = check(document, wanted, market)
    assert any(words in sentence for sentence in found.failures), found.failures


def test_a_network_that_is_not_there_fails_the_check(documents, quotes):
    wanted, document = documents["disaggregated"]
    slow = quotes.with_offers(replace(o, network_gbps=0.001) for o in quotes.offers)
    found = check(document, wanted, slow)
    assert any("network" in sentence for sentence in found.failures)


@pytest.mark.filterwarnings("error")
def test_a_decode_pool_whose_network_carries_nothing_fails_the_check(documents, quotes):
    wanted, document = documents["disaggregated"]
    split = [i for i, p in enumerate(document["pools"]) if p["role"] == "decode"]
    assert split
    for number in split:
        cut = changed(document, ("pools", number, "network_bytes_per_s"), 0.0)
        found = check(cut, wanted, quotes)
        name = document["pools"][number]["name"]
        assert f"{name}: its network carries no KV cache" in found.failures


def test_an_offer_that_is_gone_fails_the_check(documents, quotes):
    wanted, document = documents["spare replicas"]
    used = {p["offer_id"] for p in document["purchases"]}
    others = quotes.with_offers(o for o in quotes.offers if o.offer_id not in used)
    assert any("not in the catalogue" in s for s in check(document, wanted, others).failures)


def test_a_document_without_its_figures_is_damaged(documents, quotes):
    wanted, document = documents["spare replicas"]
    for field in ("purchases", "gpus", "cost_per_hour_usd", "classes"):
        rest = {k: v for k, v in document.items() if k != field}
        with pytest.raises(PlanError, match="damaged"):
            check(rest, wanted, quotes)


sizes = st.dictionaries(st.sampled_from((1, 2, 4, 8)), st.integers(0, 9), max_size=4)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(sizes=sizes, gpus=st.integers(1, 12), nodes=st.integers(0, 6))
def test_fitting_many_at_once_is_fitting_one_by_one(sizes, gpus, nodes):
    free, fits = [gpus] * nodes, True
    for size, count in sorted(sizes.items(), reverse=True):
        for _ in range(count):
            seat = next((i for i, room in enumerate(free) if room >= size), None)
            if seat is None:
                fits = False
                break
            free[seat] -= size
    assert _fit(sizes, gpus, nodes) == fits
