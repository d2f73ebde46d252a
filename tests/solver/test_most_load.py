"""The most load that a budget serves: by hand, by enumeration, at its edge, and what is refused."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.optimize import linprog
from small_catalog import catalog, rows, workload, write_table

from api.cli import main
from data.catalog import Catalog
from data.coefficients import shipped_coefficients
from data.errors import WorkloadError
from solver.checker import PlanChecker
from solver.planner import plan
from solver.workload import Workload

HEADER = "offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,"


def measured_catalog(folder, prices, stock=None):
    """Offers of one accelerator a node, called a, b, …"""
    lines = [HEADER + "stock,observed_at,source"]
    lines += [
        f"o{n},acme,eu,chip-{n},1,{price},on_demand,{(stock or {}).get(n, '')},2026-07-01,a quote"
        for n, price in prices.items()
    ]
    (folder / "offers.csv").write_text("\n".join(lines))
    return Catalog.load(offers=folder / "offers.csv", strict=False)


def capacities(folder, rates):
    """What each accelerator sustains of each class, {(accelerator, class): requests/s}."""
    lines = ["accelerator,class,capacity_rps"]
    lines += [f"chip-{n},{name},{rate}" for (n, name), rate in rates.items()]
    path = folder / "measured.csv"
    path.write_text("\n".join(lines))
    return path


def wanted(rates, **hardware):
    classes = [{"name": name, "rate_rps": rate} for name, rate in rates.items()]
    return Workload.parse(
        {
            "model": "any",
            "classes": classes,
            "hardware": hardware,
            "objective": {"maximize": "load"},
        }
    )


def test_by_hand(tmp_path):
    """a admits 4 requests/s for $3, b 7 for $5; $14 buy 2 b and 1 a: 18 requests/s.

    Fewer b: 1 b and 3 a cost $14 too and admit 19; 0 b: 4 a cost $12 and admit 16. So 19/10. Any
    more takes $15 (3 b, 21 a second, or 5 a, 20).
    """
    offers = measured_catalog(tmp_path, {"a": 3, "b": 5})
    file = capacities(tmp_path, {("a", "chat"): 4, ("b", "chat"): 7})
    answer = plan(wanted({"chat": 10}, max_cost_per_hour_usd=14), offers, measured=file)
    assert answer.status == "optimal"
    assert answer.load["factor"] == pytest.approx(1.9, rel=1e-6)
    assert answer.load["served_rps"]["chat"] == pytest.approx(19, rel=1e-6)
    assert 1.9 < answer.load["none_from_factor"] <= 1.9 * (1 + 1.01e-4)
    assert answer.cost_per_hour_usd == 14
    assert answer.load["next_step"]["cost_per_hour_usd"] == 15
    assert answer.load["next_step"]["second_engine"]["agrees"] is True
    assert answer.objective["maximize"] == "load"


@settings(
    max_examples=25,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)
@given(
    prices=st.lists(st.integers(2, 9), min_size=2, max_size=2),
    admits=st.lists(st.integers(1, 9), min_size=4, max_size=4),
    budget=st.integers(10, 24),
    stock=st.one_of(st.none(), st.integers(1, 3)),
    most_gpus=st.one_of(st.none(), st.integers(2, 6)),
)
def test_as_enumeration_says(prices, admits, budget, stock, most_gpus, tmp_path):
    rates = {"chat": 8.0, "rag": 3.0}
    offers = measured_catalog(
        tmp_path, dict(zip("ab", prices, strict=True)), {} if stock is None else {"a": stock}
    )
    pairs = list(itertools.product("ab", rates))
    file = capacities(tmp_path, dict(zip(pairs, admits, strict=True)))
    limits = {"max_cost_per_hour_usd": budget, "max_gpus": most_gpus}
    answer = plan(wanted(rates, **limits), offers, measured=file, second_engine=False)
    best = 0.0
    for counts in itertools.product(range(13), repeat=2):
        cost = sum(n * p for n, p in zip(counts, prices, strict=True))
        within = cost <= budget and (most_gpus is None or sum(counts) <= most_gpus)
        if within and (stock is None or counts[0] <= stock):
            best = max(best, factor_of(counts, admits, list(rates.values())))
    assert answer.status == "optimal"
    assert answer.load["factor"] == pytest.approx(best, rel=1.1e-4)
    assert answer.load["factor"] <= best * (1 + 1e-6)
    assert answer.load["none_from_factor"] >= best * (1 - 1e-6)
    assert answer.cost_per_hour_usd <= budget


def factor_of(counts, admits, rates):
    """Return the largest factor of a fleet: a linear program over x_aw and f, two of each."""
    width = 5
    equal = np.zeros((2, width))
    below = np.zeros((2, width))
    for a, w in itertools.product(range(2), repeat=2):
        equal[w, 2 * a + w] = 1.0
        below[a, 2 * a + w] = rates[w] / admits[2 * a + w]
    equal[:, 4] = -1.0
    answer = linprog([0, 0, 0, 0, -1], A_ub=below, b_ub=counts, A_eq=equal, b_eq=[0, 0])
    return -answer.fun


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    return catalog(tmp_path_factory.mktemp("quotes"))


def test_a_budget_just_above_and_just_below_the_next_step(quotes):
    """With what the next step costs, more is served; with a cent less, no more."""
    first = plan(workload().most_load_within(8.0), quotes, explain=False)
    step = first.load["next_step"]["cost_per_hour_usd"]
    assert step > 8.0
    again = plan(workload().most_load_within(step - 0.01), quotes, explain=False)
    assert again.load["factor"] == pytest.approx(first.load["factor"], rel=2e-4)
    more = plan(workload().most_load_within(step), quotes, explain=False)
    assert more.load["factor"] >= first.load["none_from_factor"] * (1 - 1e-9)


def test_the_plan_is_one_of_the_rates_it_serves(quotes):
    document = json.loads(plan(workload().most_load_within(8.0), quotes).to_json())
    served = Workload.parse(document["workload"])
    assert served.classes[0].rate_rps == document["load"]["served_rps"]["chat"]
    check = PlanChecker(document, served, quotes, shipped_coefficients()).check()
    assert check.passed, check.failures
    document["load"]["factor"] *= 1.01
    failures = PlanChecker(document, served, quotes, shipped_coefficients()).check().failures
    assert any("class chat is served at" in f for f in failures)
    assert any("said to be impossible" in f for f in failures)


def test_a_budget_below_every_node_is_infeasible(quotes):
    answer = plan(workload().most_load_within(0.5), quotes)
    assert answer.status == "infeasible"
    assert answer.load is None
    (budget,) = [
        r
        for r in answer.infeasibility["relaxations"]
        if r["field"] == "hardware.max_cost_per_hour_usd"
    ]
    assert budget["to"] == pytest.approx(1.10)


def test_what_is_refused(quotes):
    with pytest.raises(WorkloadError, match="nothing limits the fleet"):
        plan(workload(objective={"maximize": "load"}), quotes)
    with pytest.raises(WorkloadError, match="not simulated while it is searched for"):
        plan(workload().most_load_within(8.0), quotes, simulate=True)
    with pytest.raises(WorkloadError, match="cost decides between fleets"):
        workload(objective={"maximize": "load", "minimize": "gpus"})


def test_the_command_takes_a_budget(tmp_path):
    (tmp_path / "chat.json").write_text(json.dumps(workload().to_dict()))
    offers = write_table(tmp_path / "offers.csv", rows())
    arguments = ["plan", str(tmp_path / "chat.json"), "--offers", str(offers), "--budget", "8"]
    answer = CliRunner().invoke(main, arguments)
    assert answer.exit_code == 0, answer.output
    words = " ".join(answer.output.split())
    assert "× the rates of" in words
    assert "Proven: no fleet within the limits serves more" in words
    little = CliRunner().invoke(main, [*arguments[:-1], "0.5"])
    assert little.exit_code == 1
    assert "no part of the rates of" in little.output
    both = CliRunner().invoke(main, [*arguments, "--minimize", "gpus"])
    assert both.exit_code == 2
    assert "leave out --minimize" in both.output
