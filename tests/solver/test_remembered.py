"""What is remembered between plans: bounded, and nothing that changes an answer."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from small_catalog import catalog, workload

from data.catalog import Catalog
from solver import search
from solver.planner import plan
from solver.pool_checker import admissible_rps
from solver.remembered import Remembered

TWO = [
    {"name": "chat", "rate_rps": 6, "isl": 1024, "osl": 256},
    {"name": "rag", "rate_rps": 1, "isl": 6000, "osl": 300, "sla": {"ttft_ms": 3000}},
]


@pytest.fixture(scope="session")
def quotes(tmp_path_factory) -> Catalog:
    return catalog(tmp_path_factory.mktemp("quotes"))


def at(*rates: float) -> list[dict[str, Any]]:
    return [{**c, "rate_rps": rate} for c, rate in zip(TWO, rates, strict=True)]


def planned(classes: list[dict[str, Any]], market: Catalog, **changes: Any) -> dict[str, Any]:
    wanted = workload(classes=classes, **changes)
    answer = plan(wanted, market, explain=False, second_engine=False).to_dict()
    del answer["search"]["seconds"], answer["certificate"]["wall_s"]
    return answer


def forget() -> None:
    search._EVALUATIONS.clear()
    admissible_rps.cache_clear()


def test_a_plan_does_not_depend_on_those_before(quotes):
    wanted = [at(6, 1), at(40, 1), at(0.5, 9)]
    alone = []
    for classes in wanted:
        forget()
        alone.append(planned(classes, quotes))
    forget()
    assert [planned(classes, quotes) for classes in wanted] == alone
    assert [planned(classes, quotes) for classes in reversed(wanted)] == alone[::-1]


@pytest.mark.parametrize(
    "change",
    [
        {"sla": {"ttft_ms": 700, "tpot_ms": 30}},
        {"serving": {"max_utilization": 0.5}},
        {"serving": {"chunk_tokens": 2048}},
        {"precision": {"kv": ["bf16"]}},
        {"precision": {"max_quality_loss_pct": 0.0}},
        {"hardware": {"accelerators": ["l40s"]}},
        {"model": "mistral-7b-instruct-v0.3"},
    ],
    ids=str,
)
def test_whatever_decides_the_rates_is_asked_anew(quotes, change):
    forget()
    expected = planned(at(6, 1), quotes, **change)
    forget()
    planned(at(6, 1), quotes)
    assert planned(at(6, 1), quotes, **change) == expected
    assert len(search._EVALUATIONS) == 2


def test_other_rates_are_the_same_question(quotes):
    forget()
    planned(at(6, 1), quotes)
    planned(at(7, 2), quotes)
    assert len(search._EVALUATIONS) == 1


def test_threads_share_what_is_remembered(quotes):
    wanted = [at(5 + k, 1 + k / 3) for k in range(6)]
    forget()
    expected = [planned(classes, quotes) for classes in wanted]
    forget()
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda classes: planned(classes, quotes), wanted)) == expected


def test_the_oldest_answers_make_room():
    kept: Remembered[str, str] = Remembered(len, 10)
    for word in ("four", "five", "four", "three"):
        kept.get(word, lambda word=word: word)
    asked: list[str] = []

    def again(word: str) -> str:
        asked.append(word)
        return word

    assert len(kept) == 2
    assert kept.get("four", lambda: again("four")) == "four"
    assert kept.get("three", lambda: again("three")) == "three"
    assert kept.get("five", lambda: again("five")) == "five"
    assert asked == ["five"]


def test_an_answer_larger_than_the_budget_is_not_kept():
    kept: Remembered[str, str] = Remembered(len, 3)
    assert kept.get("word", lambda: "word") == "word"
    assert len(kept) == 0
