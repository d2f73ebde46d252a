"""The words of a plan: what the second engine says, what is valued roughly, what is proven."""

from __future__ import annotations

from typing import Any

import pytest

from api.output_plan import show_plan
from solver.plan import Plan

SEARCH = {
    "candidates_considered": 9,
    "candidates_feasible": 5,
    "candidates_undominated": 4,
    "offers_considered": 3,
    "columns": 400,
    "rows": 90,
    "seconds": {"solve": 0.1},
}


def second(verdict: str, agrees: bool | None, bound: float | None) -> dict[str, Any]:
    return {
        "engine": "cp-sat",
        "objective": None,
        "bound": bound,
        "agrees": agrees,
        "verdict": verdict,
    }


def limit(name: str, cost: float | None) -> dict[str, Any]:
    return {
        "limit": name,
        "from": 40,
        "to": 50,
        "cost_per_hour_usd": cost,
        "worth_per_hour_usd": 2.0,
        "worth_pct": 20.0,
        "proven": cost is not None,
    }


def other(name: str, *, proven: bool) -> dict[str, Any]:
    return {
        "kind": "one_accelerator",
        "sentence": f"cheapest on another single accelerator: {name}",
        "cost_per_hour_usd": 12.0,
        "extra_per_hour_usd": 2.0,
        "extra_pct": 20.0,
        "gpus": 1,
        "proven": proven,
        "pools": [{"role": "aggregated", "accelerator": name, "tp": 1, "replicas": 1}],
    }


@pytest.fixture
def shown(capsys, monkeypatch):
    """Print a plan of $10 an hour with some parts replaced, and return the text on one line."""
    monkeypatch.setenv("COLUMNS", "80")

    def show(explain: str = "auto", **parts: Any) -> str:
        certificate = {
            "engine": "highs",
            "objective": 10.0,
            "bound": 10.0,
            "gap": 0.0,
            "gap_asked": 1e-4,
            "termination": "gap_closed",
            "check": {"passed": True, "rows_checked": 99, "failures": []},
            "second_engine": parts.pop("second_engine", None),
        }
        plan = Plan(
            status="optimal",
            workload={"classes": [{"name": "chat", "rate_rps": 5}]},
            catalog={},
            cost_per_hour_usd=10.0,
            certificate=certificate,
            search=SEARCH,
            **parts,
        )
        show_plan(plan, "chat.yaml", explain=explain)
        text = capsys.readouterr().out
        assert max(map(len, text.splitlines())) <= 80
        return " ".join(text.split())

    return show


@pytest.mark.parametrize(
    ("word", "text"),
    [
        (second("confirmed", True, 10.0), "cp-sat confirmed, bound $10.00"),
        (second("not certified", None, 7.5), "cp-sat not certified, bound $7.50"),
        (second("not certified", None, 0.0), "cp-sat gave no bound within its work limit"),
        (second("not certified", None, -3.0), "cp-sat gave no bound within its work limit"),
        (second("not certified", None, None), "cp-sat gave no bound within its work limit"),
        (second("contradicts", False, 12.0), "cp-sat contradicts, bound $12.00"),
        (second("contradicts", False, None), "cp-sat contradicts: finds no fleet"),
    ],
)
def test_what_the_second_engine_says(shown, word, text):
    assert text in shown(second_engine=word)


def test_limits_valued_in_fractions_say_so(shown):
    note = "about: valued in fractions of replicas and nodes"
    text = shown(binding=(limit("sla.tpot_ms", None),))
    assert "about -$2.00/h (-20.0%) sla.tpot_ms: 40 → 50" in text
    assert f"{note}; --explain full solves each." in text
    assert f"{note}." in shown("full", binding=(limit("sla.tpot_ms", None),))
    solved = shown(binding=(limit("sla.tpot_ms", 8.0),))
    assert "about" not in solved


def test_a_first_fleet_is_not_called_the_cheapest(shown):
    text = shown(alternatives=(other("h100_sxm", proven=True), other("l40s", proven=False)))
    assert " $12.00/h (+20.0%) cheapest on another single accelerator: h100_sxm" in text
    assert "at most $12.00/h (+20.0%) on another single accelerator: l40s" in text
    assert "at most: a first good fleet, not proven the cheapest of its kind; --explain" in text
    assert "at most" not in shown(alternatives=(other("h100_sxm", proven=True),))
