"""Sweeps: each change does what it says, points are those of plans, in any number of processes."""

from __future__ import annotations

import pickle
from decimal import Decimal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from measured_market import DAY, TWO_CHIPS, capacities, chat, market
from small_catalog import catalog, workload

from data.errors import InputError
from solver.crew.crew import Crew
from solver.planner import plan
from solver.sweep.changes import changed_catalog, changed_workload
from solver.sweep.factors import Factor, read_factor
from solver.sweep.point import AT_POINTS, Task, solve_task
from solver.sweep.sensitivity import sensitivity
from solver.sweep.sweep import check, grounded, sweep

WHOLE = {"serving": {"disaggregation": "off"}}


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    return catalog(tmp_path_factory.mktemp("quotes"), only=("l40s-1", "a100-1", "h100-1", "h100-2"))


@pytest.fixture(scope="module")
def chips(tmp_path_factory):
    return market(tmp_path_factory.mktemp("chips"), *TWO_CHIPS)


def measured_sweep(rate, chips, *vary, **options):
    """Sweep the market whose fleets are worked out by hand."""
    return sweep(
        chat(rate),
        chips,
        vary=[read_factor(text) for text in vary],
        measured=capacities(),
        as_of=DAY,
        **options,
    )


def costs(found):
    return [row["cost_per_hour_usd"] for row in found.rows]


def test_rates_and_prices_by_hand(chips):
    """20 requests/s: 5 L40S at 0.70, or 2 H100 at 2.00; at 1.2 times 0.70 these are cheaper."""
    found = measured_sweep(20, chips, "rate=0.5,1,2", "price:l40s=0.5,1,1.2")
    assert costs(found) == pytest.approx(
        [
            *(3 * 0.35, 2.00, 2.00),  # 10 requests/s: 3 L40S, or 1 H100
            *(5 * 0.35, 5 * 0.70, 4.00),
            *(10 * 0.35, 10 * 0.70, 8.00),  # or 4 H100
        ]
    )
    values = [tuple(row["values"].values()) for row in found.rows]
    assert values == [(r, p) for r in (0.5, 1, 2) for p in (0.5, 1, 1.2)]
    assert [row["fleet_changes"] for row in found.rows[3:6]] == [False, False, True]
    assert [row["change_pct"] for row in found.rows[3:6]] == pytest.approx([-50, 0, 14.2857])
    assert found.base["cost_per_hour_usd"] == pytest.approx(3.50)
    assert found.complete


def test_the_fleet_stays_where_it_costs_no_more_than_another(chips):
    """At 4/3.5 times its price the L40S fleet costs as much as two H100: it is kept."""
    factor = 4 / 3.5
    found = measured_sweep(20, chips, f"price:l40s={factor!r},{factor * 1.001!r}")
    assert [row["fleet_changes"] for row in found.rows] == [False, True]
    assert costs(found) == pytest.approx([4.00, 4.00])


def test_limits_that_the_fleet_keeps_change_nothing(chips):
    """Five L40S draw 1.75 kW for 3.50 from one provider; at 1.74 kW it takes two H100."""
    kept = {"max_gpus": 5, "max_power_kw": 1.75, "max_providers": 1, "max_cost_per_hour_usd": 3.5}
    found = measured_sweep(20, chips, "max_power_kw=1.74,1.75,null")
    assert [row["fleet_changes"] for row in found.rows] == [True, False, False]
    assert costs(found) == pytest.approx([4.00, 3.50, 3.50])
    for name, value in kept.items():
        one = measured_sweep(20, chips, f"{name}={value}")
        assert one.rows[0]["fleet_changes"] is False, name


def test_a_budget_counts_the_prices_that_are_varied(chips):
    """At 1.1 times their price five L40S cost 3.85: more than 3.60, so nothing is left."""
    held = chat(20, hardware={"max_cost_per_hour_usd": 3.6})
    vary = [read_factor("price:all=1,1.1")]
    found = sweep(held, chips, vary=vary, measured=capacities(), as_of=DAY)
    assert [row["status"] for row in found.rows] == ["optimal", "infeasible"]


def test_one_at_a_time(chips):
    found = measured_sweep(20, chips, "rate=0.5,2", "max_gpus=2,5", mode="one_at_a_time")
    assert [row["values"] for row in found.rows] == [
        {"rate": 0.5},
        {"rate": 2.0},
        {"hardware.max_gpus": 2.0},
        {"hardware.max_gpus": 5.0},
    ]
    assert costs(found) == pytest.approx([2.00, 7.00, 4.00, 3.50])


def test_a_point_without_a_fleet_is_a_row(chips):
    found = measured_sweep(20, chips, "max_gpus=1,2")
    assert [row["status"] for row in found.rows] == ["infeasible", "optimal"]
    first = found.rows[0]
    assert (first["cost_per_hour_usd"], first["change_pct"], first["fleet_changes"]) == (None,) * 3
    assert found.complete


def test_what_the_cost_hangs_on(chips):
    """20 requests/s on five L40S of 0.70; ± 25 % of the rate, of the prices of either chip.

    15: 1 H100 and 2 L40S, 3.40 (4 L40S serve 16 for 2.80). 25: 7 L40S, 4.90; 1 H100 and 4 L40S,
    4.80. L40S at 0.525: 2.625; at 0.875: 2 H100, 4.00. H100 at 1.50: 2 of them, 3.00.
    """
    found = sensitivity(chat(20), chips, by=0.25, measured=capacities(), as_of=DAY)
    ranking = {
        r["name"]: (r["low"]["cost_per_hour_usd"], r["high"]["cost_per_hour_usd"])
        for r in found.ranking
    }
    assert ranking == {
        "rate": pytest.approx((2.80, 4.80)),
        "price:l40s": pytest.approx((2.625, 4.00)),
        "price:h100_sxm": pytest.approx((3.00, 3.50)),
    }
    assert [r["name"] for r in found.ranking] == ["rate", "price:l40s", "price:h100_sxm"]
    assert [r["effect_usd_per_hour"] for r in found.ranking] == pytest.approx([1.30, 0.875, 0.50])
    assert found.mode == "sensitivity"


def test_a_factor_that_leaves_no_fleet_comes_first(chips):
    held = chat(20, hardware={"max_gpus": 5, "accelerators": ["l40s"]})
    found = sensitivity(held, chips, measured=capacities(), as_of=DAY)
    assert [r["name"] for r in found.ranking] == ["rate", "price:l40s"]
    assert found.ranking[0]["effect_usd_per_hour"] is None
    assert found.ranking[0]["high"]["status"] == "infeasible"


@settings(max_examples=10, deadline=None, derandomize=True)
@given(
    changes=st.fixed_dictionaries(
        {},
        optional={
            "rate": st.sampled_from((0.3, 1.0, 2.5)),
            "isl": st.sampled_from((0.5, 2.0)),
            "osl": st.sampled_from((0.5, 3.0)),
            "tpot": st.sampled_from((0.6, 1.5)),
            "sla.ttft_ms": st.sampled_from((200.0, 900.0)),
            "price:h100_sxm": st.sampled_from((0.4, 0.9, 1.3)),
            "price:bolt": st.sampled_from((0.7, 2.0)),
            "hardware.max_gpus": st.sampled_from((2.0, 6.0)),
        },
    ).filter(bool)
)
def test_points_are_those_of_plans(quotes, changes):
    wanted = workload(**WHOLE)
    found = sweep(
        wanted,
        quotes,
        vary=[Factor(name, (value,)) for name, value in changes.items()],
        as_of=DAY,
    )
    made = plan(
        changed_workload(wanted, tuple(changes.items())),
        changed_catalog(quotes, tuple(changes.items())),
        explain=False,
        second_engine=False,
        as_of=DAY,
    )
    (row,) = found.rows
    assert row["status"] == made.status
    if made.cost_per_hour_usd is not None:
        assert row["cost_per_hour_usd"] == pytest.approx(made.cost_per_hour_usd, rel=2e-4)
        assert row["bound_per_hour_usd"] <= row["cost_per_hour_usd"]


def test_several_processes_give_the_same(quotes, monkeypatch):
    monkeypatch.setattr("solver.crew.crew.START_S", 0.0)
    vary = [Factor("rate", (0.5, 1.0, 2.0)), Factor("sla.tpot_ms", (20.0, 40.0))]
    counted = []
    alone, together = (
        sweep(
            workload(**WHOLE),
            quotes,
            vary=vary,
            as_of=DAY,
            jobs=jobs,
            progress=lambda done, total: counted.append((done, total)),
        ).to_json()
        for jobs in (1, 2)
    )
    assert alone == together
    assert counted == [*((n, 7) for n in range(8)), *((n, 7) for n in range(8))]


def test_a_task_and_its_ground_can_be_sent_anywhere(quotes):
    ground = grounded(workload(**WHOLE), quotes, 1e-4, 10.0, None, None, DAY)
    again = pickle.loads(pickle.dumps(ground))
    task = pickle.loads(pickle.dumps(Task((("rate", 0.5), ("price:all", 0.9)))))
    assert solve_task(again, task) == solve_task(ground, task)
    assert solve_task(again, task).cost_usd == pytest.approx(0.9 * 2.20)


def test_an_error_in_a_worker_is_that_of_the_task(quotes, monkeypatch):
    monkeypatch.setattr("solver.crew.crew.START_S", 0.0)
    ground = grounded(workload(**WHOLE), quotes, 1e-4, 10.0, None, None, DAY)
    tasks = [Task(()), Task((("hardware.providers", "nobody"),))]
    for jobs in (1, 2):
        told = pytest.raises(InputError, match=r"hardware\.providers")
        with Crew(AT_POINTS, ground, jobs) as crew, told:
            list(crew.solve(tasks))


def test_factors_multiply_what_the_workload_says():
    classes = [
        {"name": "a.b", "rate_rps": 2, "isl": {"mean": 100, "p95": 300}, "osl": 10},
        {"name": "c", "rate_rps": 4, "isl": 50, "osl": 20, "sla": {"tpot_ms": 10}},
    ]
    wanted = workload(classes=classes)
    found = changed_workload(wanted, (("rate", 1.5), ("isl", 2.0), ("tpot", 0.5)))
    assert [c.rate_rps for c in found.classes] == [3, 6]
    assert (found.classes[0].isl.mean, found.classes[0].isl.p95) == (200, 600)
    assert found.classes[1].isl == 100
    assert [c.osl for c in found.classes] == [10, 20]
    assert (found.sla.tpot_ms, found.classes[1].sla.tpot_ms) == (20, 5)
    one = changed_workload(wanted, (("classes.a.b.rate_rps", 7.0), ("serving.engine", "sglang")))
    assert [c.rate_rps for c in one.classes] == [7, 4]
    assert one.serving.engine == "sglang"
    assert changed_workload(wanted, (("price:all", 2.0),)) is wanted


def test_price_factors_multiply_all_that_is_paid(tmp_path):
    quoted = catalog(
        tmp_path,
        {
            "h100-8": {
                "price": "20",
                "pricing": "committed",
                "term_months": "12",
                "upfront_usd": "8760",
                "price_steps": "4: 18",
            }
        },
    )
    half = changed_catalog(quoted, (("price:h100-8", 0.5),)).offer("h100-8")
    assert half.hourly_usd == (20 + Decimal(1)) / 2
    assert half.hourly_usd_at(4) == (18 + Decimal(1)) / 2
    names = {
        "price:h100": {"h100-1", "h100-2", "h100-8"},  # an alias of the SXM
        "price:bolt": {"h100-2"},
        "price:l40s": {"l40s-1", "l40s-4"},
        "price:all": {o.offer_id for o in quoted.offers},
    }
    for name, concerned in names.items():
        dearer = changed_catalog(quoted, ((name, 2.0),))
        pairs = zip(quoted.offers, dearer.offers, strict=True)
        assert {a.offer_id for a, b in pairs if a.hourly_usd != b.hourly_usd} == concerned


@pytest.mark.parametrize(
    ("text", "name", "values"),
    [
        ("rate=0.5:4:8", "rate", (0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0)),
        ("tpot_ms=60, 40,20", "sla.tpot_ms", (60.0, 40.0, 20.0)),
        ("price:acme/eu/h100=0.5:1.5:3", "price:acme/eu/h100", (0.5, 1.0, 1.5)),
        ("serving.engine=vllm,sglang", "serving.engine", ("vllm", "sglang")),
        ("max_gpus=null,8", "hardware.max_gpus", (None, 8.0)),
        ("classes.chat.isl=100,200", "classes.chat.isl", (100.0, 200.0)),
        ("rate=0.1:0.3:3", "rate", (0.1, 0.2, 0.3)),
    ],
)
def test_what_is_varied_is_read(text, name, values):
    assert read_factor(text) == Factor(name, values)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("rate", "is not NAME=LOW:HIGH:COUNT or NAME=VALUE"),
        ("rate=", "is not NAME=LOW:HIGH:COUNT"),
        ("=1,2", "is not NAME=LOW:HIGH:COUNT"),
        ("rate=1:2", "an example is rate=0.5:4:8"),
        ("rate=1:2:x", "COUNT is a whole one"),
        ("rate=1:2:2.5", "COUNT is a whole one"),
        ("rate=a:2:3", "LOW and HIGH are numbers"),
        ("rate=1:2:1", "give 2 to 10,000 values"),
        ("rate=1:2:99999", "give 2 to 10,000 values"),
        ("rate=1,,2", "a value is missing between two commas"),
        ("rate=1,2,1", "a value comes twice"),
        ("rate=1:1:3", "a value comes twice"),
    ],
)
def test_what_cannot_be_read_is_told(text, said):
    with pytest.raises(InputError) as told:
        read_factor(text)
    assert said in str(told.value)
    assert text in str(told.value)


@pytest.mark.parametrize(
    ("vary", "said"),
    [
        (("rate=0,1",), "give a number above 0"),
        (("rate=a,b",), "give a number above 0"),
        (("price:h100=-1,1",), "give a number above 0"),
        (("price:h1000=1,2",), "unknown price 'h1000'"),
        (("price:t4=1,2",), "unknown price 't4'"),  # known, but not sold here
        (("tpot_ms=0,40",), "sla.tpot_ms"),
        (("ttpt_ms=30,40",), "unknown"),
        (("sla.tpt_ms=30,40",), "tpot_ms"),
        (("classes.chta.isl=1,2",), "unknown class 'chta'; did you mean 'chat'"),
        (("max_gpus=1.5,2",), "hardware.max_gpus"),
        (("model.name=1,2",), "is no field of a workload"),
        (("rate=1,2", "rate=3,4"), "rate is varied twice"),
        ((), "nothing is varied"),
        (("rate=0.1:1:1001", "isl=0.1:1:1000"), "1,001,000 points"),
    ],
)
def test_what_cannot_be_varied_is_told_before_anything_is_solved(quotes, monkeypatch, vary, said):
    monkeypatch.setattr("solver.sweep.sweep.AT_POINTS", None)
    with pytest.raises(InputError) as told:
        sweep(workload(**WHOLE), quotes, vary=[read_factor(v) for v in vary], as_of=DAY)
    assert said in str(told.value)
    assert len(str(told.value).splitlines()) == 1


@pytest.mark.parametrize("name", ["isl", "osl", "tpot", "sla.ttft_ms", "classes.chat.sla.tpot_ms"])
def test_what_was_measured_cannot_be_varied(chips, name):
    ground = grounded(chat(20), chips, 1e-4, 10.0, None, capacities(), DAY)
    with pytest.raises(InputError, match="leave --measured out"):
        check(ground, [((name, 2.0),)])
