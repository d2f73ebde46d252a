"""Rating on demand: bounds first, tiers only where a cheaper fleet might use them."""

from dataclasses import replace

import numpy as np
import pytest
from small_catalog import catalog

from data.coefficients import shipped_coefficients
from solver.fleet import cheapest_fleet
from solver.problem import build_problem
from solver.screening import fractional_prices, within_reach
from solver.workload import Workload

WORKLOAD = {
    "model": "llama-3.1-70b-instruct",
    "classes": [
        {"name": "chat", "rate_rps": 6, "isl": 900, "osl": 200},
        {"name": "report", "rate_rps": 2, "isl": 600, "osl": 700},
        {"name": "document", "rate_rps": 1, "isl": 6000, "osl": 150},
    ],
    "sla": {"ttft_ms": 2500, "tpot_ms": 45, "percentile": 95},
}


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    return catalog(tmp_path_factory.mktemp("quotes"))


@pytest.fixture
def problem(quotes):
    return build_problem(Workload.parse(WORKLOAD), quotes, shipped_coefficients())


def by_configuration(candidates):
    """Group by what a configuration is, whatever classes it serves."""
    found = {}
    for c in candidates:
        found.setdefault((c.role, c.shape, c.location, c.network_bytes_per_s), []).append(c)
    return found


def test_all_start_as_prospects_that_serve_every_class(problem):
    assert all(c.prospect is not None for c in problem.instance.candidates)
    assert all(c.classes == (0, 1, 2) for c in problem.instance.candidates)


def test_rates_alone_bound_the_rates_in_every_tier(problem):
    alone = by_configuration(problem.instance.candidates)
    rated = problem.instance.rated().candidates
    assert {c.classes for c in rated} > {(0, 1, 2), (2,)}
    assert all(c.prospect is None for c in rated)
    for key, tiers in by_configuration(rated).items():
        (bound,) = alone[key]
        for c in tiers:
            served = {w for w, rate in enumerate(c.capacity_rps) if rate > 0}
            assert served <= set(c.classes)
            assert all(
                r <= b * (1 + 1e-9) for r, b in zip(c.capacity_rps, bound.capacity_rps, strict=True)
            )


def test_only_tiers_of_use_are_rated(problem):
    chosen = problem.instance.candidates
    useful = np.zeros((len(chosen), 3), dtype=bool)
    useful[:, 2] = True
    tiers = {c.classes for c in problem.instance.rated(useful).candidates}
    assert tiers
    assert all(2 in tier for tier in tiers)


def test_rating_in_steps_gives_the_same_rates_as_at_once(problem, quotes):
    """Cells are searched together; none may depend on which others are there."""
    few = problem.instance.keep(np.arange(len(problem.instance.candidates)) % 5 == 0)
    in_steps = {c.key: c for c in few.rated().candidates}
    fresh = build_problem(Workload.parse(WORKLOAD), quotes, shipped_coefficients())
    at_once = {c.key: c for c in fresh.instance.rated().candidates}
    both = in_steps.keys() & at_once.keys()
    assert len(both) > 5
    for key in both:
        assert in_steps[key].capacity_rps == at_once[key].capacity_rps


def test_the_cheapest_fleet_is_within_its_own_reach(problem):
    whole = problem.instance.rated()
    best = cheapest_fleet(whole, gap=0.0, time_limit_s=60.0, screen=False)
    cost = float(best.fleet.cost_usd)
    assert fractional_prices(problem.instance).bound_usd <= cost
    rest, _ = within_reach(problem.instance, cost)
    assert len(rest.candidates) < len(whole.candidates)
    again = cheapest_fleet(replace(rest, ceilings=None), gap=0.0, time_limit_s=60.0, screen=False)
    assert float(again.fleet.cost_usd) == cost
    lazily = cheapest_fleet(problem.instance, gap=0.0, time_limit_s=60.0)
    assert float(lazily.fleet.cost_usd) == cost


def test_a_factor_lowers_a_candidate_once(problem):
    chosen = problem.instance.rated().candidates[0]
    lowered = replace(problem.instance, factors={chosen.key: 0.9})
    for instance in (lowered, replace(lowered, candidates=lowered.rated().candidates)):
        (again,) = (c for c in instance.rated().candidates if c.key == chosen.key)
        assert again.tightened == 0.9
        assert again.capacity_rps == pytest.approx([0.9 * r for r in chosen.capacity_rps])
