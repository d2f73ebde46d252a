"""A stored plan simulated: the document, its options, and plans that cannot be simulated."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from small_catalog import catalog, workload

from data.accelerators import shipped_accelerators
from data.coefficients import shipped_coefficients
from data.errors import InputError
from solver.planner import plan
from solver.simulate import LoadOptions, PlanSimulation, arrival_cv
from solver.simulation_document import class_curves, simulation_document

TWO = workload(
    classes=[
        {"name": "chat", "rate_rps": 20, "isl": 1024, "osl": 256},
        {"name": "rag", "rate_rps": 2, "isl": {"mean": 4000, "p95": 8000}, "osl": 200},
    ],
    sla={"ttft_ms": 2000, "tpot_ms": 60},
)


@pytest.fixture(scope="module")
def stored(tmp_path_factory) -> dict[str, Any]:
    folder = tmp_path_factory.mktemp("offers")
    return json.loads(plan(TWO, catalog(folder), explain="none").to_json())


def prepared(stored, wanted=TWO, **options):
    return PlanSimulation(
        stored, wanted, shipped_accelerators(), shipped_coefficients(), LoadOptions(**options)
    )


def document(stored, **options):
    ready = prepared(stored, **{"requests": 3000, **options})
    run, wall_s = ready.run()
    return simulation_document(ready, run, wall_s)


def test_predicted_stands_beside_simulated(stored):
    found = document(stored, requests=20_000)
    json.dumps(found, allow_nan=False)
    assert found["schema"] == "minfleet/simulation/v1"
    assert (found["requests"], found["arrivals"], found["seed"]) == (20_000, "poisson", 0)
    assert found["requests_counted"] == pytest.approx(18_000, rel=0.02)
    assert found["requests_per_wall_s"] == pytest.approx(20_000 / found["wall_s"], rel=1e-3)
    planned = {c["name"]: c for c in stored["classes"]}
    for c in found["classes"]:
        for name in ("ttft_ms", "tpot_ms", "e2e_ms"):
            assert c[name]["predicted"] == pytest.approx(planned[c["name"]][name], rel=1e-3)
            assert c[name]["target"] == planned[c["name"]]["targets"][name]
        assert c["percentiles"]["ttft_ms"]["p99"] == c["ttft_ms"]["simulated"]
        assert c["meets"] == all(c[n]["meets"] for n in ("ttft_ms", "tpot_ms", "e2e_ms"))
        assert c["goodput_rps"] == pytest.approx(c["rate_rps"] * c["attainment"], rel=1e-3)
    assert found["meets"] == all(c["meets"] for c in found["classes"])
    assert sum(p["requests"] for p in found["pools"]) == 20_000
    for p in found["pools"]:
        assert 0 < p["busy_share"] <= 1
        # The bulk of a pool does what is predicted for it.
        assert p["concurrency"]["ratio"] == pytest.approx(1, abs=0.2)
        for c in p["classes"]:
            figure = c["tpot_ms"]["p50"]
            assert figure["ratio"] == pytest.approx(figure["simulated"] / figure["predicted"], 1e-3)
            assert figure["ratio"] == pytest.approx(1, abs=0.2)


def test_the_seed_repeats_the_document(stored):
    def figures(**options):
        found = document(stored, **options)
        return {k: v for k, v in found.items() if k not in ("wall_s", "requests_per_wall_s")}

    assert figures(seed=5) == figures(seed=5)
    assert figures(seed=5)["classes"] != figures(seed=6)["classes"]


def test_burstier_arrivals_are_slower(stored):
    calm, bursty = (document(stored, arrivals=a) for a in ("poisson", "gamma:4"))
    assert bursty["arrivals"] == "gamma:4"
    assert bursty["classes"][0]["ttft_ms"]["simulated"] > calm["classes"][0]["ttft_ms"]["simulated"]


def test_the_workload_says_how_requests_arrive(stored):
    bursty = workload(**{"serving": {"arrival_cv": 2.5}, "classes": TWO.to_dict()["classes"]})
    assert prepared(stored, bursty, requests=10).process == "gamma:2.5"


def test_enough_requests_by_default(stored):
    assert prepared(stored).arrivals.size >= 20_000


def test_curves_are_of_the_requests_that_count(stored):
    ready = prepared(stored, requests=500)
    run, wall_s = ready.run()
    found = simulation_document(ready, run, wall_s)
    curves = class_curves(ready, run)
    assert {n: v["ttft_ms"].size for n, v in curves.items()} == {
        c["name"]: c["requests"] for c in found["classes"]
    }


def write_trace(path, rows):
    path.write_text(
        "TIMESTAMP,ContextTokens,GeneratedTokens\n"
        + "".join(f"2023-11-16 18:17:{s:09.6f},{isl},{osl}\n" for s, isl, osl in rows)
    )
    return path


def test_a_trace_is_replayed_as_it_is(stored, tmp_path):
    rows = [(0.5 * k, 900 if k % 4 else 6000, 200) for k in range(100)]
    found = document(stored, trace=write_trace(tmp_path / "t.csv", rows), requests=None)
    assert found["arrivals"] == "trace"
    assert found["trace"]["classes"] == {"chat": 75, "rag": 25}
    assert found["trace"]["rate_rps"] == pytest.approx(2.0)
    assert found["duration_s"] == pytest.approx(49.5)
    assert any("the plan was made for 22" in w for w in found["warnings"])
    first = document(stored, trace=tmp_path / "t.csv", requests=40)
    assert first["requests"] == 40


def test_a_trace_may_be_smoothed(stored, tmp_path):
    rows = [(0.1 * (k // 10), 900, 200) for k in range(100)]
    path = write_trace(tmp_path / "t.csv", rows)
    found = document(stored, trace=path, arrivals="poisson", requests=None)
    assert found["arrivals"] == "poisson"
    assert found["duration_s"] == pytest.approx(0.9, rel=0.4)


def test_hashes_say_what_is_cached(stored, tmp_path):
    path = tmp_path / "t.jsonl"
    path.write_text(
        "".join(
            json.dumps(
                {
                    "timestamp": 1000 * k,
                    "input_length": 1536,
                    "output_length": 20,
                    "hash_ids": [1, 2, 100 + k],
                }
            )
            + "\n"
            for k in range(50)
        )
    )
    found = document(stored, trace=path, requests=None)
    assert found["trace"]["prefix_blocks"]
    rates = [p["prefix_hit_rate"] for p in found["pools"] if p["requests"]]
    # Two of three blocks on each replica, but for the first request that it gets.
    assert all(0.3 < rate < 2 / 3 for rate in rates)


def test_prompts_beyond_what_the_model_accepts_are_cut(stored, tmp_path):
    rows = [(k, 900, 20) for k in range(20)] + [(20, 500_000, 20)]
    found = document(stored, trace=write_trace(tmp_path / "t.csv", rows), requests=None)
    assert found["trace"]["cut"] == 1
    assert any("were cut to" in w for w in found["warnings"])


@pytest.mark.parametrize(
    ("text", "cv"), [("poisson", 1.0), ("gamma:2.5", 2.5), ("gamma:0", 0.0), ("trace", None)]
)
def test_arrival_processes(text, cv):
    assert arrival_cv(text) == cv


@pytest.mark.parametrize("text", ["", "gamma", "gamma:", "gamma:-1", "gamma:nan", "pareto:2", "1"])
def test_unknown_arrival_processes_are_refused(text):
    with pytest.raises(InputError, match="none of poisson, gamma:CV"):
        arrival_cv(text)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"arrivals": "trace"}, "give it with --trace"),
        ({"router": "clever"}, "router 'clever'"),
    ],
)
def test_wrong_options_are_refused(stored, options, words):
    with pytest.raises(InputError, match=words):
        prepared(stored, **options)


def test_a_trace_that_starts_at_once_needs_more_requests(stored, tmp_path):
    path = write_trace(tmp_path / "t.csv", [(0, 100, 10)] * 3 + [(1, 100, 10)])
    with pytest.raises(InputError, match="first 3 requests arrive at once"):
        prepared(stored, trace=path, requests=3)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("replicas", 0),
        ("tp", "two"),
        ("role", "spare"),
        ("model", "nobody"),
        ("accelerator", "nobody"),
        ("serves", {"nobody": 1.0}),
        ("serves", {}),
        ("weight_precision", "int2"),
        ("batch_cap", None),
    ],
)
def test_a_damaged_plan_is_refused(stored, field, value):
    damaged = copy.deepcopy(stored)
    damaged["pools"][0][field] = value
    with pytest.raises(InputError):
        prepared(damaged)


def test_a_plan_from_measured_capacities_cannot_be_simulated(stored):
    measured = copy.deepcopy(stored)
    measured["pools"][0]["predicted"] = None
    with pytest.raises(InputError, match="plan without --measured"):
        prepared(measured)
