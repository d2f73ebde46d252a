"""What the form reads from a workload, and what it writes back: nothing lost, nothing added."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from api.page.address import packed, unpacked
from api.page.form.content import DEFAULTS, START, get, put, read_file, shortened, start
from data.errors import InputError
from solver.workload import Workload

FULL = {
    "model": {"config": {"a": 1}, "name": "ours"},
    "classes": [
        {
            "name": "a",
            "rate_rps": 2,
            "isl": {"mean": 900, "p95": 2000},
            "osl": 50,
            "model": "phi-4",
        },
        {"name": "b", "rate_rps": 1, "isl": 10, "osl": 5, "sla": {"e2e_ms": None}},
    ],
    "sla": {"ttft_ms": None, "tpot_ms": 20},
    "hardware": {"pricing": ["spot"], "max_gpus": 8},
}


EXAMPLES = sorted((Path(__file__).parents[3] / "examples").glob("*.yaml"))


@pytest.mark.parametrize("content", [START, FULL, *EXAMPLES], ids=str)
def test_a_workload_shortened_is_the_same_workload(content):
    given_ = Workload.load(content) if isinstance(content, Path) else Workload.parse(content)
    whole = given_.to_dict()
    assert Workload.parse(shortened(whole)).to_dict() == whole
    assert "schema" not in shortened(whole)


def test_what_is_not_given_reads_as_its_default():
    for block, fields in DEFAULTS.items():
        for name, value in fields.items():
            if block != "sla":
                assert get(start(), (block, name)) == value


def test_a_default_is_left_out_of_the_address():
    content = start()
    put(content, ("hardware", "max_gpus"), 8)
    assert content["hardware"] == {"max_gpus": 8}
    put(content, ("hardware", "max_gpus"), None)
    assert content == START


def test_a_mean_leaves_the_spread_as_it_is():
    content = shortened(FULL)
    assert get(content, ("classes", 0, "isl")) == 900
    put(content, ("classes", 0, "isl"), 950.0)
    assert content["classes"][0]["isl"] == {"mean": 950, "p95": 2000}
    put(content, ("classes", 1, "isl"), 12.0)
    assert content["classes"][1]["isl"] == 12


def test_a_downloaded_plan_is_read_as_its_workload(plan_documents):
    plan = plan_documents["aggregated"]
    found = read_file(json.dumps(plan).encode(), "plan.json")
    assert Workload.parse(found).to_dict() == plan["workload"]


plain = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=9)


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.dictionaries(st.text(max_size=9), plain | st.lists(plain, max_size=4), max_size=5))
def test_an_address_gives_back_what_was_packed(value):
    text = packed(value)
    assert unpacked(text) == value
    assert re.fullmatch(r"[A-Za-z0-9_-]+", text)


@settings(deadline=None)
@given(st.text())
def test_any_other_address_is_refused_in_a_sentence(text):
    with pytest.raises(InputError, match=r"the link .*\."):
        unpacked(text)


def test_an_address_that_unpacks_to_no_end_is_refused():
    with pytest.raises(InputError, match="more than a workload"):
        unpacked(packed("a" * 10_000_000))
