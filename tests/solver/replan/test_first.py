"""The first decision, where no fleet runs yet: the plan of that day, proposed with its proof."""

from __future__ import annotations

import datetime as dt

import pytest
from live_server import SMALL

from data.catalog import Catalog
from data.errors import PlanError
from solver.planner import plan
from solver.replan.first import propose
from solver.replan.memory import Memory
from solver.replan.policy import Policy
from solver.workload import Workload

MOMENT = dt.datetime(2026, 11, 2, 6, tzinfo=dt.UTC)


OFFER = {
    "offer_id": "acme/h100x8",
    "provider": "acme",
    "region": "eu",
    "accelerator": "h100_sxm",
    "gpus_per_node": 8,
    "price_per_node_hour_usd": 15.2,
    "pricing": "on_demand",
    "observed_at": "2026-11-01",
    "source": "a quote",
}


@pytest.fixture(scope="module")
def catalog():
    return Catalog.load().with_rows(offers=[OFFER])


def test_it_proposes_the_plan_of_the_day(catalog):
    workload = Workload.parse(SMALL)
    found = propose(workload, catalog, Policy(min_saving_pct=15), moment=MOMENT)
    best = plan(workload, catalog, explain="none", second_engine=False, as_of=MOMENT.date())
    # One GPU is enough, and nodes are sold whole.
    assert best.cost_per_hour_usd == 15.2
    assert (found.outcome, found.plan["cost_per_hour_usd"]) == ("switch", 15.2)
    assert found.plan["purchases"] == best.to_dict()["purchases"]
    assert found.proven
    assert not found.infeasible
    assert found.memory == Memory()
    assert found.memory_if_accepted == Memory(since=MOMENT)
    document = found.to_dict()
    assert document["reasons"] == ["No fleet runs yet: the cheapest that serves it costs $15.20/h."]
    assert (document["current"], document["rules"], document["steps"]) == (None, [], [])
    assert document["policy"]["min_saving_pct"] == 15
    assert document["decided_at"] == "2026-11-02T06:00:00+00:00"


def test_a_workload_that_no_fleet_serves_has_none(catalog):
    tight = {**SMALL, "hardware": {**SMALL["hardware"], "max_cost_per_hour_usd": 15}}
    with pytest.raises(PlanError, match="no fleet serves the workload within its limits"):
        propose(Workload.parse(tight), catalog, moment=MOMENT)
