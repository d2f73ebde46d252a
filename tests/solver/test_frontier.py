"""Frontiers: worked out by hand, by enumeration, and beside plans at every level."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from measured_market import DAY, TWO_CHIPS, capacities, chat, market
from small_catalog import catalog, workload

from data.errors import InputError
from solver.frontier.frontier import frontier
from solver.planner import plan

POWER_KW = {"h100_sxm": 0.7, "l40s": 0.35, "a100_sxm_80gb": 0.4}


@pytest.fixture
def chips(tmp_path):
    return market(tmp_path, *TWO_CHIPS)


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    return catalog(tmp_path_factory.mktemp("quotes"), only=("l40s-1", "a100-1", "h100-1", "h100-2"))


def steps(found):
    return [(p["value"], p["cost_per_hour_usd"]) for p in found.points]


def test_power_by_hand(chips):
    """44 requests/s: 11 L40S; 2 H100 and 6 L40S; 4 H100 and 1 L40S. 5 H100 draw no less."""
    found = frontier(chat(44), chips, of="power_kw", measured=capacities(), as_of=DAY, gap=1e-9)
    expected = [(3.15, 8.70), (3.5, 8.20), (3.85, 7.70)]
    assert [v for pair in steps(found) for v in pair] == pytest.approx(
        [v for pair in expected for v in pair]
    )
    assert [p["gpus"] for p in found.points] == [5, 8, 11]
    assert found.infeasible_at == pytest.approx(3.149)
    assert [p["holds_until"] is None for p in found.points] == [False, False, True]
    assert [p["in_force"] for p in found.points] == [False, False, True]
    assert found.complete


def test_a_limit_in_force_is_marked(chips):
    wanted = chat(44, hardware={"max_power_kw": 3.6})
    found = frontier(wanted, chips, of="power_kw", measured=capacities(), as_of=DAY)
    assert [p["in_force"] for p in found.points] == [False, True, False]
    assert found.of["value"] == 3.6


def test_providers_by_hand(tmp_path):
    """50 requests/s on five H100: see test_fleet_limits."""
    sellers = market(
        tmp_path,
        ("a", "acme", "h100_sxm", "2.00", "3"),
        ("b", "bolt", "h100_sxm", "2.50", ""),
        ("c", "cargo", "h100_sxm", "2.20", "1"),
    )
    found = frontier(chat(50), sellers, of="providers", measured=capacities(), as_of=DAY)
    assert steps(found) == [(1, 12.5), (2, 11.0), (3, pytest.approx(10.7))]
    assert [p["providers"] for p in found.points] == [
        ["bolt"],
        ["acme", "bolt"],
        ["acme", "bolt", "cargo"],
    ]


def enumerated(rate, rows, rps):
    """Return the power (kW) and cost of every fleet that no other one beats in both."""
    chips = [chip for _, _, chip, _, _ in rows]
    most = [math.ceil(rate / rps[chip]) for chip in chips]
    fleets = []
    for counts in itertools.product(*(range(n + 1) for n in most)):
        if sum(n * rps[c] for n, c in zip(counts, chips, strict=True)) >= rate:
            kw = sum(n * POWER_KW[c] for n, c in zip(counts, chips, strict=True))
            usd = sum(n * float(r[3]) for n, r in zip(counts, rows, strict=True))
            fleets.append((round(kw, 6), round(usd, 6)))
    front = []
    for kw, usd in sorted(fleets):
        if not front or usd < front[-1][1]:
            front.append((kw, usd))
    return front


cents = st.integers(40, 300).map(lambda n: f"{n / 100:.2f}")


@settings(
    max_examples=12,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    rate=st.integers(5, 40),
    prices=st.tuples(cents, cents, cents),
    speeds=st.tuples(st.integers(2, 9), st.integers(2, 9), st.integers(2, 9)),
)
def test_power_is_what_enumeration_finds(tmp_path, rate, prices, speeds):
    names = list(POWER_KW)
    rows = [(c, "acme", c, p, "") for c, p in zip(names, prices, strict=True)]
    rps = dict(zip(names, map(float, speeds), strict=True))
    found = frontier(
        chat(rate),
        market(tmp_path, *rows),
        of="power_kw",
        resolution=1e-4,
        gap=0.0,
        measured=capacities(**rps),
        as_of=DAY,
    )
    expected = enumerated(rate, rows, rps)
    assert [v for pair in steps(found) for v in pair] == pytest.approx(
        [v for pair in expected for v in pair]
    )


CHAT = {"serving": {"disaggregation": "off"}, "precision": {"weights": ["bf16", "fp8", "int4"]}}


@pytest.mark.parametrize(
    ("of", "field", "low", "high", "resolution"),
    [("tpot_ms", "sla", 12, 60, 0.03), ("ttft_ms", "sla", 20, 600, 0.05)],
)
def test_latency_is_what_plans_at_every_target_cost(quotes, of, field, low, high, resolution):
    wanted = workload(**CHAT)
    found = frontier(
        wanted, quotes, of=of, low=low, high=high, resolution=resolution, as_of=DAY, points=4
    )
    assert found.complete
    costs = [p["cost_per_hour_usd"] for p in found.points]
    assert len(costs) >= 2
    assert costs == sorted(costs, reverse=True)

    def planned(target):
        sla = wanted.sla.model_copy(update={of: target})
        answer = plan(
            wanted.model_copy(update={field: sla}),
            quotes,
            explain=False,
            second_engine=False,
            as_of=DAY,
        )
        return answer.cost_per_hour_usd

    for point in found.points:
        cost = pytest.approx(point["cost_per_hour_usd"], rel=2e-4)
        assert planned(point["value"]) == cost
        assert planned(point["holds_until"]) == cost
        assert planned(math.sqrt(point["value"] * point["holds_until"])) == cost
        assert point[of] <= point["value"] * (1 + 1e-6)
        dearer = point["dearer_at"]
        if dearer is not None:
            assert point["value"] / dearer <= 1 + resolution + 1e-5
            at_less = planned(dearer)
            assert at_less is None or at_less > point["cost_per_hour_usd"]
    for level in found.solved:
        if level["cost_per_hour_usd"] is not None:
            assert level["bound_per_hour_usd"] <= level["cost_per_hour_usd"]
            assert level["gap"] <= 1e-4
    (now,) = [p for p in found.points if p["in_force"]]
    assert now["value"] <= found.of["value"] <= now["holds_until"]


def test_quality_is_what_plans_at_every_limit_cost(quotes):
    wanted = workload(**CHAT)
    found = frontier(wanted, quotes, of="quality_loss_pct", as_of=DAY)
    assert found.points[0]["value"] == 0
    assert len(found.points) >= 2
    for point in found.points:
        assert point["quality_loss_pct"] <= point["value"] + 1e-6
        limit = wanted.precision.model_copy(update={"max_quality_loss_pct": point["value"]})
        answer = plan(
            wanted.model_copy(update={"precision": limit}),
            quotes,
            explain=False,
            second_engine=False,
            as_of=DAY,
        )
        assert answer.cost_per_hour_usd == pytest.approx(point["cost_per_hour_usd"], rel=2e-4)
    losses = [p["value"] for p in found.points]
    costs = [p["cost_per_hour_usd"] for p in found.points]
    assert losses == sorted(losses)
    assert costs == sorted(costs, reverse=True)


def test_no_level_has_a_fleet(chips):
    found = frontier(
        chat(44, hardware={"max_gpus": 2}), chips, of="power_kw", measured=capacities(), as_of=DAY
    )
    assert found.points == ()
    assert found.complete
    assert found.infeasible_at is not None


def test_an_open_gap_is_told(quotes, monkeypatch):
    """A point whose gap stays open leaves the frontier incomplete, with its bound."""
    import solver.frontier.frontier as module

    true = module.Crew.solve

    def slower(crew, tasks, done=lambda count: None):
        return [
            p
            if p.cost_usd is None
            else replace(p, status="feasible", bound_usd=0.9 * p.cost_usd, gap=0.1)
            for p in true(crew, tasks, done)
        ]

    monkeypatch.setattr(module.Crew, "solve", slower)
    found = frontier(workload(**CHAT), quotes, low=20, high=40, points=2, resolution=1, as_of=DAY)
    assert not found.complete
    assert {p["status"] for p in found.points} == {"feasible"}
    assert all(p["gap"] == pytest.approx(0.1) for p in found.points)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"of": "power"}, "unknown frontier 'power'; did you mean 'power_kw'"),
        ({"of": "tpot_ms", "measured": capacities()}, "needs the performance model"),
        ({"of": "quality_loss_pct", "measured": capacities()}, "needs the performance model"),
        ({"points": 1}, "give at least 2"),
        ({"resolution": 0}, "between 0.0001 and 1"),
        ({"low": 50, "high": 20}, "from 50 to 20 is empty"),
        ({"low": 0}, "begin above 0"),
        ({"high": math.inf}, "cannot end at inf"),
    ],
)
def test_what_makes_no_sense_is_refused(quotes, options, said):
    with pytest.raises(InputError, match=said.replace("?", r"\?")):
        frontier(workload(**CHAT), quotes, as_of=DAY, **options)


def test_a_target_that_nobody_is_held_to_is_refused(quotes):
    own = [{"name": "a", "rate_rps": 1, "isl": 100, "osl": 10, "sla": {"tpot_ms": 30}}]
    with pytest.raises(InputError, match=r"classes\.a\.sla\.tpot_ms"):
        frontier(workload(classes=own), quotes, of="tpot_ms", as_of=DAY)


def test_the_target_of_one_class(quotes):
    """Half of the load must answer fast: only its own target is moved."""
    chat_class = {"name": "chat", "rate_rps": 10, "isl": 1024, "osl": 256}
    own = [chat_class, {**chat_class, "name": "live", "sla": {"tpot_ms": 20}}]
    wanted = workload(classes=own, **CHAT)
    found = frontier(
        wanted, quotes, of_class="live", low=12, high=40, points=3, resolution=0.2, as_of=DAY
    )
    assert found.of["field"] == "classes.live.sla.tpot_ms"
    assert found.of["value"] == 20
    whole = plan(wanted, quotes, explain=False, second_engine=False, as_of=DAY)
    (now,) = [p for p in found.points if p["in_force"]]
    assert now["cost_per_hour_usd"] == pytest.approx(whole.cost_per_hour_usd, rel=2e-4)
    with pytest.raises(InputError, match="unknown class 'lve'; did you mean 'live'"):
        frontier(wanted, quotes, of_class="lve", as_of=DAY)
    with pytest.raises(InputError, match="only a latency target may be of one class"):
        frontier(wanted, quotes, of="power_kw", of_class="live", as_of=DAY)
