"""Explanations of large plans: valued in fractions, and first fleets."""

import pytest
from small_catalog import catalog, workload

from solver.explain import effort
from solver.planner import plan


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    return catalog(tmp_path_factory.mktemp("quotes"))


@pytest.fixture
def large(monkeypatch):
    """Let every program count as large."""
    monkeypatch.setattr(effort, "SOLVED_COLUMNS", 0)


WANTED = {"sla": {"ttft_ms": 800, "tpot_ms": 11}}


def test_a_limit_is_valued_in_fractions(large, quotes):
    answer = plan(workload(**WANTED), quotes)
    assert answer.status == "optimal"
    assert answer.binding
    for entry in answer.binding:
        assert entry["cost_per_hour_usd"] is None
        assert entry["proven"] is False
        assert 0 < entry["worth_per_hour_usd"] < answer.cost_per_hour_usd


def test_other_plans_are_fleets_whose_cost_is_no_less(large, quotes):
    answer = plan(workload(**WANTED), quotes)
    assert answer.alternatives
    for other in answer.alternatives:
        assert other["cost_per_hour_usd"] >= answer.cost_per_hour_usd * (1 - 1e-4)
        assert other["pools"]


def test_full_solves_whatever_the_size(large, quotes):
    bounded, solved = (plan(workload(**WANTED), quotes, explain=e) for e in ("auto", "full"))
    assert all(b["cost_per_hour_usd"] is not None for b in solved.binding)
    kinds = {a["kind"]: a["cost_per_hour_usd"] for a in solved.alternatives}
    for other in bounded.alternatives:
        assert other["cost_per_hour_usd"] >= kinds[other["kind"]] * (1 - 2e-3)


def test_none_leaves_all_out(quotes):
    answer = plan(workload(), quotes, explain="none")
    assert (answer.binding, answer.alternatives, answer.why_not) == ((), (), ())
