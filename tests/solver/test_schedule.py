"""Plans for rates that change: by hand, checked period by period, and what is refused."""

from __future__ import annotations

import copy
import datetime as dt
import json

import pytest
from click.testing import CliRunner
from small_catalog import write_table

from api.cli import main
from data.catalog import Catalog
from data.coefficients import shipped_coefficients
from data.errors import WorkloadError
from solver.checker import PlanChecker
from solver.measured import load_measured
from solver.planner import plan
from solver.workload import Workload

DAY = dt.date(2026, 7, 15)
BASE_AND_PEAK = [0.4] * 18 + [1.0] * 6
"""Two replicas for 18 hours, five for 6 (of a class at 5 requests/s, 1 a replica)."""

OFFERS = """\
offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,stock,min_nodes,term_months,observed_at,source
day,acme,eu,chip,1,2.00,on_demand,,,,2026-07-01,a quote
year,acme,eu,chip,1,1.00,committed,,,12,2026-07-01,a quote
month,acme,eu,chip,1,1.50,committed,,,1,2026-07-01,a quote
long,acme,eu,chip,1,0.50,committed,,,36,2026-07-01,a quote
"""


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    path = tmp_path_factory.mktemp("quotes") / "offers.csv"
    path.write_text(OFFERS)
    return Catalog.load(offers=path, strict=False)


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    rows = [{"accelerator": "chip", "class": "chat", "capacity_rps": "1"}]
    return write_table(tmp_path_factory.mktemp("measured") / "measured.csv", rows)


def wanted(pricing=("on_demand", "committed"), **demand):
    return Workload.parse(
        {
            "model": "any",
            "classes": [{"name": "chat", "rate_rps": 5}],
            "sla": {},
            "hardware": {"pricing": list(pricing)},
            "demand": {"horizon_months": 12, **demand},
        }
    )


def find(workload, quotes, measured, **options):
    return plan(workload, quotes, measured=measured, as_of=DAY, gap=1e-6, **options)


def check(document, workload, quotes, measured):
    return PlanChecker(
        document, workload, quotes, shipped_coefficients(), measured=load_measured(measured)
    ).check()


def test_base_and_peak(quotes, measured):
    """2 · 1.00 always and 3 · 2.00 for 6 hours of 24: 2 + 1.50 = 3.50 an hour, 30,660 a year."""
    answer = find(wanted(hourly=BASE_AND_PEAK), quotes, measured)
    assert answer.status == "optimal"
    assert answer.cost_per_hour_usd == pytest.approx(3.50)
    assert answer.certificate["objective"] == answer.cost_per_hour_usd
    assert answer.certificate["check"]["passed"]
    s = answer.schedule
    assert (s["months"], s["cycle_hours"]) == (12, 24)
    assert s["cost_usd"] == pytest.approx(3.50 * 12 * 730)
    assert s["committed_usd_per_hour"] == pytest.approx(2.00)
    assert s["on_demand_usd_per_hour"] == pytest.approx(1.50)
    assert (s["starts_usd_per_hour"], s["idle_usd_per_hour"]) == (0, 0)
    # Five replicas all the time, all committed, at 1.00 each.
    assert s["peak_always_usd_per_hour"] == pytest.approx(5.00)
    (item,) = s["commitments"]
    assert (item["offer_id"], item["nodes"], item["used_share"]) == ("year", 2, 1)
    assert (item["first_month"], item["last_month"]) == (0, 11)
    assert item["cost_usd"] == pytest.approx(2 * 8_760)
    night, peak = s["periods"]
    assert (night["hours"], peak["hours"]) == (list(range(18)), list(range(18, 24)))
    assert [(n["offer_id"], n["nodes"]) for n in peak["nodes"]] == [("day", 3), ("year", 2)]
    assert peak["cost_per_hour_usd"] == pytest.approx(8.00)
    # The plan's own pools and purchases are those of the peak.
    assert answer.gpus == 5
    assert {p.offer_id: p.nodes for p in answer.purchases} == {"day": 3, "year": 2}
    assert sum(p.replicas for p in answer.pools) == 5


def test_idle_commitments(quotes, measured):
    """5 at 1.00 beat 2 and 3 · 2.00 · 0.6 = 5.60; three are idle for 10 hours of 24."""
    hourly = [0.4] * 10 + [1.0] * 14
    s = find(wanted(hourly=hourly), quotes, measured).schedule
    assert s["cost_per_hour_usd"] == pytest.approx(5.00)
    assert s["idle_usd_per_hour"] == pytest.approx(3 * 10 / 24)
    assert s["commitments"][0]["used_share"] == pytest.approx((2 * 10 + 5 * 14) / (5 * 24))


def test_starts(quotes, measured):
    """Three nodes start once a day, 2 hours each at 2.00: 3 · 4/24 = 0.50 more."""
    answer = find(wanted(hourly=BASE_AND_PEAK, startup_h=2), quotes, measured)
    assert answer.cost_per_hour_usd == pytest.approx(4.00)
    assert answer.schedule["starts_usd_per_hour"] == pytest.approx(0.50)
    assert answer.certificate["check"]["passed"]


def test_growth(quotes, measured):
    """Months at 2, 3, 4 replicas: the first two for the whole time would need a term of 3.

    Of `month` alone: (2 + 3 + 4)/3 · 1.50 = 4.50; on demand 6.00. Twelve months outlast three.
    """
    growth = wanted(monthly=[0.4, 0.6, 0.8], horizon_months=3)
    answer = find(growth, quotes, measured)
    assert answer.cost_per_hour_usd == pytest.approx(4.50)
    bought = [(c["offer_id"], c["first_month"], c["nodes"]) for c in answer.schedule["commitments"]]
    assert bought == [("month", 0, 2), ("month", 1, 3), ("month", 2, 4)]
    assert answer.certificate["check"]["passed"]
    assert any("year" in w and "horizon_months" in w for w in answer.warnings)


def test_commitments_that_outlast_the_horizon_are_left_out(quotes, measured):
    """`long` at 0.50 binds for 36 months; planned for as many, it serves the base and the peak."""
    short = find(wanted(hourly=BASE_AND_PEAK), quotes, measured)
    assert any("left out" in w and "long" in w for w in short.warnings)
    whole = find(wanted(hourly=BASE_AND_PEAK, horizon_months=36), quotes, measured)
    assert whole.cost_per_hour_usd == pytest.approx(2.50)
    assert find(wanted(hourly=BASE_AND_PEAK, horizon_months=None), quotes, measured).schedule[
        "months"
    ] == (36)


def test_what_nothing_serves_at_the_peak(tmp_path, measured):
    path = tmp_path / "offers.csv"
    path.write_text(OFFERS.splitlines()[0] + "\nday,acme,eu,chip,1,2,on_demand,3,,,2026-07-01,q\n")
    few = Catalog.load(offers=path, strict=False)
    answer = find(wanted(hourly=BASE_AND_PEAK), few, measured)
    assert (answer.status, answer.schedule, answer.cost_per_hour_usd) == ("infeasible", None, None)
    assert any("stock" in c["limit"] for c in answer.infeasibility["conflicts"])


CHANGES = [
    lambda d: d["schedule"]["periods"][1]["nodes"][0].update(nodes=2),
    lambda d: d["schedule"]["periods"][1]["nodes"][0].update(in_use=4),
    lambda d: d["schedule"]["periods"][0].update(share=0.7),
    lambda d: d["schedule"]["periods"][0].update(hours=list(range(17))),
    lambda d: d["schedule"]["periods"][0].update(cost_per_hour_usd=1.0),
    lambda d: d["schedule"]["periods"][1]["pools"][0].update(replicas=1),
    lambda d: d["schedule"]["commitments"][0].update(nodes=1),
    lambda d: d["schedule"]["commitments"][0].update(offer_id="day"),
    lambda d: d["schedule"]["commitments"][0].update(last_month=5),
    lambda d: d["schedule"]["commitments"].append(d["schedule"]["commitments"][0]),
    lambda d: d["schedule"].update(idle_usd_per_hour=0.1),
    lambda d: d["schedule"].update(cost_usd=1.0),
    lambda d: d["schedule"].update(startup_h=1.0),
    lambda d: d.update(cost_per_hour_usd=3.0),
    lambda d: d.update(gpus=4),
    lambda d: d["purchases"][0].update(nodes=9),
    lambda d: d.update(pools=[]),
    lambda d: d.update(schedule=None),
    lambda d: d["certificate"].update(bound=4.0),
]


@pytest.fixture(scope="module")
def document(quotes, measured):
    return json.loads(find(wanted(hourly=BASE_AND_PEAK), quotes, measured).to_json())


@pytest.mark.parametrize("change", CHANGES)
def test_the_checker_finds_what_was_changed(document, quotes, measured, change):
    workload = wanted(hourly=BASE_AND_PEAK)
    assert check(document, workload, quotes, measured).passed
    changed = copy.deepcopy(document)
    change(changed)
    assert not check(changed, workload, quotes, measured).passed


@pytest.mark.parametrize(
    ("block", "words"),
    [
        ({}, "hourly factors, monthly factors, or both"),
        ({"hourly": [1.0] * 23}, "24 for a day or 168 for a week"),
        ({"hourly": [0.0] * 24}, "greater than or equal to 0.001"),
        ({"monthly": [1.0] * 13}, "horizon_months is 12, but monthly has 13 factors"),
        ({"hourly": [h / 200 for h in range(1, 169)], "monthly": [1.0] * 12}, "periods are more"),
        ({"hours": [1.0] * 24}, "did you mean 'hourly'?"),
    ],
)
def test_bad_demand(block, words):
    with pytest.raises(WorkloadError) as caught:
        wanted(**block)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "more",
    [
        {"hardware": {"max_gpus": 8}},
        {"hardware": {"max_cost_per_hour_usd": 8}},
        {"objective": "gpus"},
        {"batch": {"deadline_h": 2}, "classes": [{"name": "chat", "requests": 5}]},
    ],
)
def test_what_does_not_go_with_demand(more):
    content = {
        "model": "any",
        "classes": [{"name": "chat", "rate_rps": 5}],
        "demand": {"hourly": BASE_AND_PEAK},
    }
    with pytest.raises(WorkloadError, match="demand|objective"):
        Workload.parse({**content, **more})


def test_by_the_performance_model():
    """A day of constant rates is the plan at them; of two levels, the average of both plans."""
    content = {
        "model": "llama-3.1-8b-instruct",
        "classes": [{"name": "chat", "rate_rps": 40, "isl": 1024, "osl": 128}],
        "hardware": {"accelerators": ["h100_sxm", "l40s"]},
        "serving": {"disaggregation": "off"},
    }
    quiet = {"explain": False, "second_engine": False, "as_of": DAY}
    steady = Workload.parse(content)
    costs = [plan(steady.at_rates(f), **quiet).cost_per_hour_usd for f in (0.5, 1.0)]
    flat = Workload.parse({**content, "demand": {"hourly": [0.5] * 24}})
    assert plan(flat, **quiet).cost_per_hour_usd == pytest.approx(costs[0])
    levels = Workload.parse({**content, "demand": {"hourly": [0.5] * 16 + [1.0] * 8}})
    answer = plan(levels, **quiet)
    assert answer.status == "optimal"
    assert answer.cost_per_hour_usd == pytest.approx((2 * costs[0] + costs[1]) / 3)
    assert answer.schedule["periods"][0]["classes"][0]["meets"]


def test_the_command(tmp_path, quotes, measured):
    (tmp_path / "day.yaml").write_text(json.dumps(wanted(hourly=BASE_AND_PEAK).to_dict()))
    (tmp_path / "offers.csv").write_text(OFFERS)
    arguments = ["plan", str(tmp_path / "day.yaml"), "--offers", str(tmp_path / "offers.csv")]
    arguments += ["--measured", str(measured)]
    shown = CliRunner().invoke(main, arguments)
    assert shown.exit_code == 0, shown.output
    for words in (
        "$30,660.00 for 12 months, $3.50 in an average hour",
        "$2.00 committed + $1.50 on demand; $0.00 of it for nodes that hold nothing",
        "30% less than the fleet of the peak all the time ($5.00/h)",
        "2 nodes of year",
        "18–24h",
        "3 × day, 2 × year",
        "2 to 5 requests/s",
        "Proven: no commitments and fleets serve these rates for less.",
    ):
        assert words in shown.output
    out = tmp_path / "plan.json"
    CliRunner().invoke(main, [*arguments, "--out", str(out)])
    options = ["--offers", str(tmp_path / "offers.csv"), "--measured", str(measured)]
    verified = CliRunner().invoke(main, ["verify", str(out), *options])
    assert verified.exit_code == 0, verified.output
