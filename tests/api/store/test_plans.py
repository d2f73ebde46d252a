"""Plans and simulations: kept for good, listed page by page, the freshest one answers."""

from __future__ import annotations

import json

import pytest

from api.store.plans import TABLES
from api.store.records import digest_of


def test_a_plan_is_given_back_as_it_was_stored(store, put_plan):
    plan_id = put_plan("d", extra={"z": 1, "a": [1.5, None]})
    document = json.loads(store.plans.document(plan_id))
    assert document["extra"] == {"z": 1, "a": [1.5, None]}
    assert store.plans.request(plan_id) == {"n": 1}
    workload_id = store.plans.list(1)[0].workload_id
    assert json.loads(store.plans.workload(workload_id)) == document["workload"]


@pytest.mark.parametrize("odd", ["", "plan-nope", "' OR 1=1 --", "%", "päon-🎈", "x" * 5000])
def test_odd_ids_find_nothing(store, put_plan, odd):
    put_plan()
    for find in (store.plans.document, store.plans.request):
        assert find(odd) is None
    assert all(store.plans.result(kind, odd) is None for kind in TABLES)
    assert store.plans.workload(odd) is None
    assert store.plans.answer_to("plan", odd) is None


def test_a_fresher_plan_answers_from_now_on(store, put_plan):
    old = put_plan("d")
    new = put_plan("d", cost_per_hour_usd=2.0)
    assert store.plans.answer_to("plan", "d")[0] == new
    assert json.loads(store.plans.document(old))["cost_per_hour_usd"] == 2.5
    assert [p.id for p in store.plans.list(9)] == [new, old]


def test_plans_that_answer_nothing_do_not_clash(store, put_plan):
    first, second = put_plan(None), put_plan(None)
    assert first != second
    assert len(store.plans.list(9)) == 2


def test_a_plan_and_a_simulation_may_answer_the_same_digest(store, put_plan, put_simulation):
    plan_id = put_plan("d")
    put_simulation("simulation-1", "d")
    put_simulation("simulation-1", "d")
    assert store.plans.answer_to("plan", "d")[0] == plan_id
    assert store.plans.answer_to("simulation", "d")[0] == "simulation-1"
    put_simulation("simulation-2", "d")
    assert store.plans.answer_to("simulation", "d")[0] == "simulation-2"
    assert json.loads(store.plans.result("simulation", "simulation-1"))["meets"] is True


def test_a_plan_whose_snapshot_is_not_stored_is_refused(store, put_plan):
    """Its prices could never be looked up again."""
    with pytest.raises(Exception, match=r"(?i)foreign key"):
        put_plan(catalog={"id": "nowhere"})
    assert store.plans.list(9) == []


def test_pages_and_filters(store, put_plan):
    other = {"model": {"config": {"hidden_size": 1}, "name": "ours"}, "classes": []}
    ids = [put_plan() for _ in range(3)]
    ids.append(put_plan(workload=other))
    ids.append(put_plan(status="infeasible", cost_per_hour_usd=None, gpus=0))
    listed = store.plans.list(2)
    assert [p.id for p in listed] == ids[:2:-1]
    assert (listed[0].cost_per_hour_usd, listed[0].gpus) == (None, 0)
    assert [p.id for p in store.plans.list(9, after=ids[3])] == ids[2::-1]
    assert [p.id for p in store.plans.list(9, status="infeasible")] == [ids[4]]
    assert [p.id for p in store.plans.list(9, model="ours")] == [ids[3]]
    assert [p.id for p in store.plans.list(9, workload_id=digest_of(other))] == [ids[3]]
    assert [p.id for p in store.plans.list(9, after=ids[4], status="infeasible")] == []
    assert store.plans.list(9, model="nobody's") == []
    with pytest.raises(LookupError):
        store.plans.list(9, after="plan-nope")


def test_a_model_of_a_long_name_is_stored(store, put_plan):
    plan_id = put_plan(workload={"model": {"config": {}, "name": "x" * 900}, "classes": []})
    assert store.plans.list(1)[0].id == plan_id


def test_equal_workloads_are_kept_once(store, put_plan):
    put_plan()
    put_plan(workload={"classes": [], "model": "llama-3.1-8b-instruct"})
    assert len({p.workload_id for p in store.plans.list(9)}) == 1


def test_a_fresher_plan_at_once_from_several_servers(store, put_plan, at_once):
    at_once([lambda: put_plan("d") for _ in range(6)])
    assert len(store.plans.list(9)) == 6
    assert store.plans.answer_to("plan", "d") is not None
