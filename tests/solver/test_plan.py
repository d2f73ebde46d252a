"""Whole plans over a pinned small catalogue: the contract, the arithmetic, every kind of limit."""

from __future__ import annotations

import datetime as dt
import json
import os
import subprocess
import sys
from collections import defaultdict
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from small_catalog import catalog, workload

from data.catalog import Catalog
from data.coefficients import shipped_coefficients
from solver import certify, in_order
from solver.assemble import prediction_document
from solver.checker import PlanChecker
from solver.engines.result import EngineResult, Termination
from solver.estimate import Request, estimate_replica
from solver.plan import Plan
from solver.planner import plan
from solver.workload import Workload

DAY = dt.date(2026, 7, 15)
EXAMPLES = Path(__file__).parents[2] / "examples"
CHAT = {"name": "chat", "rate_rps": 20, "isl": 1024, "osl": 256}
RAG = {"name": "rag", "rate_rps": 2, "isl": 6000, "osl": 300, "sla": {"ttft_ms": 2500}}
LLAMA_70B = "llama-3.1-70b-instruct"

KINDS: dict[str, dict[str, Any]] = {
    "one class": {},
    "70B": {"model": LLAMA_70B, "classes": [{**CHAT, "rate_rps": 5}]},
    "two classes": {"classes": [CHAT, RAG]},
    "two models": {"classes": [CHAT, {**CHAT, "name": "big", "rate_rps": 3, "model": LLAMA_70B}]},
    "disaggregated": {"serving": {"disaggregation": "only"}},
    "spare replicas": {"hardware": {"spare_replicas": 1}},
    "few accelerators": {"hardware": {"max_gpus": 2}, "classes": [{**CHAT, "rate_rps": 30}]},
    "budget": {"hardware": {"max_cost_per_hour_usd": 4.0}},
    "whole nodes": {"hardware": {"regions": ["us"]}},
    "lossless": {"precision": {"weights": ["bf16"], "kv": ["bf16"], "max_quality_loss_pct": 0}},
    "tail of 90 percent": {"sla": {"ttft_ms": 800, "tpot_ms": 25, "percentile": 90}},
    "end to end": {"sla": {"ttft_ms": None, "tpot_ms": None, "e2e_ms": 6000}},
    "cached prompts": {"serving": {"prefix_cache_hit_rate": 0.5, "engine": "sglang"}},
    "random lengths": {"classes": [{**CHAT, "isl": {"mean": 900, "p95": 2500}}]},
}


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    return catalog(tmp_path_factory.mktemp("quotes"))


@pytest.fixture(scope="module")
def planned(quotes):
    """Return the plan of a kind of workload; each is made once, without explanations."""
    known: dict[str, Plan] = {}

    def make(kind: str) -> Plan:
        if kind not in known:
            known[kind] = plan(workload(**KINDS[kind]), quotes, explain=False, as_of=DAY)
        return known[kind]

    return make


every_kind = pytest.mark.parametrize("kind", KINDS)


@every_kind
def test_it_is_proven_and_checked(planned, kind):
    answer = planned(kind)
    assert answer.status == "optimal"
    proof = answer.certificate
    assert proof["check"]["passed"], proof["check"]["failures"]
    assert proof["check"]["rows_checked"] > 10
    assert proof["objective"] == pytest.approx(answer.cost_per_hour_usd, abs=1e-9)
    assert 0 <= proof["gap"] <= 1e-4
    assert proof["bound"] <= proof["objective"] * (1 + 1e-9)
    assert proof["second_engine"]["agrees"] is not False
    assert all(c["meets"] for c in answer.classes)


FIELDS = {
    "": "schema status cost_per_hour_usd cost_per_month_usd cost_per_million_output_tokens_usd "
    "gpus pools purchases certificate search binding infeasibility alternatives catalog "
    "assumptions warnings",
    "pools": "name role model accelerator offer_id provider region pricing engine "
    "weight_precision kv_precision tp pp ep batch_cap replicas nodes gpus cost_per_hour_usd "
    "serves predicted",
    "purchases": "offer_id nodes price_per_node_hour_usd cost_per_hour_usd",
    "certificate": "engine objective bound gap wall_s check second_engine",
    "catalog": "id observed_at",
}


@every_kind
def test_every_field_of_the_contract_is_there(planned, kind):
    document = json.loads(planned(kind).to_json())
    assert document["schema"] == "minfleet/plan/v1"
    for place, names in FIELDS.items():
        parts = document[place] if place else document
        for part in parts if isinstance(parts, list) else [parts]:
            assert set(names.split()) <= set(part), place
    assert {"passed", "rows_checked"} <= set(document["certificate"]["check"])
    second = set(document["certificate"]["second_engine"])
    assert {"engine", "objective", "bound", "agrees"} <= second
    for pool in document["pools"]:
        predicted = pool["predicted"]
        assert set(predicted["ttft_ms"]) == {"p50", "p90", "p95", "p99"}
        if pool["role"] != "prefill":
            assert set(predicted["tpot_ms"]) == {"p50", "p90", "p95", "p99"}
        assert {"utilization", "kv_occupancy", "error_band_pct"} <= set(predicted)


@every_kind
def test_costs_and_counts_add_up(planned, quotes, kind):
    answer = planned(kind)
    bought = {p.offer_id: p.nodes for p in answer.purchases}
    price = {i: quotes.offer(i).price_per_node_hour_usd for i in bought}
    assert answer.cost_per_hour_usd == float(sum(price[i] * n for i, n in bought.items()))
    for item in answer.purchases:
        assert item.price_per_node_hour_usd == float(price[item.offer_id])
        assert item.cost_per_hour_usd == float(price[item.offer_id] * item.nodes)
    assert answer.cost_per_month_usd == pytest.approx(answer.cost_per_hour_usd * 730, abs=0.005)
    tokens = sum(
        c["rate_rps"] * (c["osl"] if isinstance(c["osl"], float) else c["osl"]["mean"])
        for c in answer.workload["classes"]
    )
    per_million = answer.cost_per_hour_usd / (tokens * 3600 / 1e6)
    assert answer.cost_per_million_output_tokens_usd == pytest.approx(per_million, rel=1e-5)
    assert answer.gpus == sum(quotes.offer(i).gpus_per_node * n for i, n in bought.items())
    assert answer.gpus == answer.gpus_idle + sum(p.gpus for p in answer.pools)
    assert sum(p.cost_per_hour_usd for p in answer.pools) == pytest.approx(answer.cost_per_hour_usd)
    assert {p.offer_id for p in answer.pools} == set(bought)
    assert len({p.name for p in answer.pools}) == len(answer.pools)
    served: dict[str, float] = defaultdict(float)
    for pool in answer.pools:
        offer = quotes.offer(pool.offer_id)
        assert (pool.provider, pool.region, pool.pricing) == (
            offer.provider,
            offer.region,
            offer.pricing,
        )
        assert pool.gpus == pool.replicas * pool.tp * pool.pp
        assert 1 <= pool.nodes <= bought[pool.offer_id]
        assert set(pool.serves) <= set(pool.tier) & set(pool.admits_rps)
        for name, share in pool.serves.items():
            served[name] += share if pool.role != "decode" else 0
    assert served == pytest.approx({c["name"]: 1.0 for c in answer.workload["classes"]})


@every_kind
def test_every_predicted_figure_is_what_estimate_shows(planned, kind):
    answer = planned(kind)
    wanted = Workload.parse(dict(answer.workload))
    specs = {c.name: c for c in wanted.classes}
    compared = 0
    for pool in answer.pools:
        (name, share), *more = pool.serves.items()
        spec = specs[name]
        if more or not isinstance(spec.isl, float):
            continue  # estimate takes one class of fixed lengths
        sla = planner_sla(spec, wanted)
        request = Request(
            model=pool.model,
            accelerator=pool.accelerator,
            tp=pool.tp,
            pp=pool.pp,
            ep=pool.ep,
            weights=pool.weight_precision,
            kv=pool.kv_precision,
            batch_cap=pool.batch_cap,
            role=pool.role,
            isl=spec.isl,
            osl=spec.osl,
            rate_rps=share * spec.rate_rps / pool.replicas,
            **sla,
            engine=pool.engine,
            chunk_tokens=wanted.serving.chunk_tokens,
            prefix_hit=wanted.serving.prefix_cache_hit_rate,
            max_utilization=wanted.serving.max_utilization,
            network_gbps=pool.network_bytes_per_s * 8 / 1e9,
        )
        found = estimate_replica(request)
        shown = prediction_document(found.prediction)
        assert shown.pop("classes")["requests"] == close(pool.predicted["classes"][name])
        expected = {k: v for k, v in pool.predicted.items() if k != "classes"}
        assert shown.pop("outside_fit") == expected.pop("outside_fit")
        assert shown == {k: close(v) for k, v in expected.items()}
        if pool.tier == (name,):
            assert found.admissible_rps * pool.tightened == pytest.approx(pool.admits_rps[name])
        compared += 1
    if kind not in ("two classes", "random lengths"):
        assert compared


def close(figures: Any) -> Any:
    """Return figures to compare with: equal to the digits that a document shows."""
    return pytest.approx(figures, rel=2e-5)


def planner_sla(spec, wanted) -> dict[str, Any]:
    general = wanted.sla.model_dump()
    own = {} if spec.sla is None else spec.sla.model_dump(exclude_unset=True)
    return {**general, **own}


def test_disaggregated_pools(planned):
    answer = planned("disaggregated")
    assert {p.role for p in answer.pools} == {"prefill", "decode"}
    assert len({(p.provider, p.region, p.kv_precision) for p in answer.pools}) == 1
    assert all(p.network_bytes_per_s > 0 for p in answer.pools)
    decode = [p for p in answer.pools if p.role == "decode"]
    prefill = [p for p in answer.pools if p.role == "prefill"]
    assert all(p.predicted["tpot_ms"] for p in decode)
    assert not any(p.predicted["tpot_ms"] for p in prefill)
    first, rest = (
        max(p.predicted["classes"]["chat"]["ttft_ms"] for p in s) for s in (prefill, decode)
    )
    assert answer.classes[0]["ttft_ms"] == pytest.approx(first + rest, rel=1e-5)


def test_spare_replicas_take_no_load(planned):
    answer = planned("spare replicas")
    kinds = {}
    for pool in answer.pools:
        assert pool.spare_replicas == 1
        kind = (pool.role, pool.accelerator, pool.tp, pool.weight_precision, pool.batch_cap)
        load = sum(20 * s / pool.admits_rps[n] for n, s in pool.serves.items())
        kinds.setdefault(kind, []).append((load, pool.replicas))
    for parts in kinds.values():  # one kind may stand on several offers
        assert sum(load for load, _ in parts) <= sum(n for _, n in parts) - 1 + 1e-6
    assert answer.cost_per_hour_usd >= planned("one class").cost_per_hour_usd


def test_limits_of_the_fleet(planned):
    assert planned("few accelerators").gpus <= 2
    assert planned("budget").cost_per_hour_usd <= 4.0


def test_whole_nodes_are_bought(planned):
    answer = planned("whole nodes")
    assert answer.gpus % 8 == 0
    assert answer.gpus_idle == answer.gpus - sum(p.gpus for p in answer.pools)


def test_idle_accelerators_of_a_node_are_paid_for(quotes, tmp_path):
    measured = tmp_path / "measured.csv"
    measured.write_text("accelerator,class,capacity_rps,gpus_per_replica\nh100_sxm,chat,60,4\n")
    answer = plan(
        workload(hardware={"regions": ["us"], "spare_replicas": 0}),
        quotes,
        measured=measured,
        explain=False,
    )
    assert (answer.gpus, answer.gpus_idle, sum(p.gpus for p in answer.pools)) == (8, 4, 4)
    assert sum(p.cost_per_hour_usd for p in answer.pools) == answer.cost_per_hour_usd == 23.6


def test_several_models_have_pools_of_their_own(planned):
    answer = planned("two models")
    assert {(p.model, *p.serves) for p in answer.pools} == {
        ("llama-3.1-8b-instruct", "chat"),
        (LLAMA_70B, "big"),
    }


def test_quality_is_kept(planned):
    assert {p.quality_loss_pct for p in planned("lossless").pools} == {0.0}
    assert all(p.weight_precision == "bf16" for p in planned("lossless").pools)


def test_stock_is_kept(quotes, tmp_path):
    scarce = catalog(tmp_path, {"h100-1": {"stock": "1"}, "h100-2": {"stock": "0"}})
    wanted = workload(classes=[{**CHAT, "rate_rps": 60}])
    free, limited = (plan(wanted, c, explain=False) for c in (quotes, scarce))
    bought = {p.offer_id: p.nodes for p in limited.purchases}
    assert bought.get("h100-1", 0) <= 1
    assert "h100-2" not in bought
    assert limited.cost_per_hour_usd > free.cost_per_hour_usd


def test_a_minimum_order_is_kept(tmp_path):
    bulk = catalog(tmp_path, {"h100-1": {"min_nodes": "3"}}, only=["h100-1"])
    answer = plan(workload(), bulk, explain=False)
    assert [p.nodes for p in answer.purchases] == [3]


def test_tiers_of_classes(planned):
    answer = planned("two classes")
    assert {n for p in answer.pools for n in p.serves} == {"chat", "rag"}
    targets = {c["name"]: c["targets"] for c in answer.classes}
    assert targets["rag"] == {"ttft_ms": 2500, "tpot_ms": 40, "e2e_ms": None}
    assert targets["chat"] == {"ttft_ms": 500, "tpot_ms": 40, "e2e_ms": None}


AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "".join(
    f"2023-11-16 18:15:{i:02d}.000,{400 + 300 * (i % 7)},{100 + 40 * (i % 3)}\n" for i in range(60)
)


def test_a_trace_in_place_of_classes(quotes, tmp_path):
    (tmp_path / "trace.csv").write_text(AZURE)
    (tmp_path / "w.yaml").write_text("model: llama-3.1-8b-instruct\ntrace: trace.csv\n")
    wanted = Workload.load(tmp_path / "w.yaml")
    # One request a second, like clockwork.
    assert sum(c.rate_rps for c in wanted.classes) == pytest.approx(1.0)
    assert wanted.serving.arrival_cv == 0
    mean = sum(400 + 300 * (i % 7) for i in range(60)) / 60
    weighed = sum(
        c.rate_rps * (c.isl if isinstance(c.isl, float) else c.isl.mean) for c in wanted.classes
    )
    assert weighed == pytest.approx(mean, rel=1e-3)
    answer = plan(wanted, quotes, explain=False)
    assert answer.status == "optimal"
    assert {n for p in answer.pools for n in p.serves} == {c.name for c in wanted.classes}


@pytest.fixture(scope="module")
def explained(quotes):
    hardware = {"accelerators": ["h100_sxm", "l40s"], "spare_replicas": 1}
    wanted = workload(hardware=hardware, classes=[{**CHAT, "rate_rps": 60}])
    return wanted, plan(wanted, quotes, as_of=DAY)


def test_what_binds_is_worth_what_it_says(explained, quotes):
    wanted, answer = explained
    assert answer.binding
    for entry in answer.binding:
        assert entry["worth_per_hour_usd"] > 0
        saved = answer.cost_per_hour_usd - entry["cost_per_hour_usd"]
        assert entry["worth_per_hour_usd"] == pytest.approx(saved, abs=1e-5)
    worths = [b["worth_per_hour_usd"] for b in answer.binding]
    assert worths == sorted(worths, reverse=True)
    spares = next(b for b in answer.binding if b["limit"] == "hardware.spare_replicas")
    relaxed = wanted.model_copy(
        update={"hardware": wanted.hardware.model_copy(update={"spare_replicas": 0})}
    )
    again = plan(relaxed, quotes, explain=False)
    assert again.cost_per_hour_usd == pytest.approx(spares["cost_per_hour_usd"], rel=3e-3)


def test_alternatives_are_of_other_kinds_and_dearer(explained):
    _, answer = explained
    kinds = [a["kind"] for a in answer.alternatives]
    assert {"one_accelerator", "one_provider"} <= set(kinds)
    assert len(kinds) == len(set(kinds))
    for other in answer.alternatives:
        assert other["cost_per_hour_usd"] >= answer.cost_per_hour_usd * (1 - 1e-4)
        extra = other["cost_per_hour_usd"] - answer.cost_per_hour_usd
        assert other["extra_per_hour_usd"] == pytest.approx(extra, abs=1e-5)


def test_why_not_has_one_line_for_each_accelerator_left_out(explained, quotes):
    _, answer = explained
    named = [line["accelerator"] for line in answer.why_not]
    assert len(named) == len(set(named))
    assert set(named) == set(quotes.accelerators) - {p.accelerator for p in answer.pools}
    reasons = {line["accelerator"]: line["reason"] for line in answer.why_not}
    assert reasons["a100_sxm_80gb"] == "excluded"
    assert all(line["sentence"] for line in answer.why_not)


def test_a_dearer_accelerator_is_compared_in_one_configuration(explained):
    _, answer = explained
    dearer = [line for line in answer.why_not if line["reason"] == "dearer"]
    assert dearer
    for line in dearer:
        if "cost_per_hour_usd" in line:
            cost = line["cost_per_hour_usd"]
            assert line["sentence"].startswith(f"in one configuration would cost ${cost:,.2f}/h")
        else:
            assert "in one configuration" not in line["sentence"]


def test_assumptions_show_every_default(explained):
    _, answer = explained
    assert answer.assumptions["sla"]["percentile"] == 99
    assert answer.assumptions["serving"]["max_utilization"] == 0.9
    assert answer.assumptions["hardware"]["pricing"] == ["on_demand"]
    assert answer.assumptions["precision"]["max_quality_loss_pct"] == 1.0


def test_stale_and_interruptible_offers_are_warned_of(tmp_path):
    spot = catalog(tmp_path, {"h100-1": {"pricing": "spot"}}, only=["h100-1"])
    wanted = workload(hardware={"pricing": ["spot"]})
    answer = plan(wanted, spot, explain=False, as_of=DAY)
    assert any("interrupted" in w for w in answer.warnings)
    assert not any("days ago" in w for w in answer.warnings)
    late = plan(wanted, spot, explain=False, as_of=DAY + dt.timedelta(days=100))
    assert any("2026-07-01" in w and "days ago" in w for w in late.warnings)


def timeless(text: str) -> dict[str, Any]:
    document = json.loads(text)
    assert document["search"].pop("seconds")
    assert document["certificate"].pop("wall_s") >= 0
    return document


SCRIPT = """
import datetime, pathlib, sys
sys.path.insert(0, {helpers!r})
from small_catalog import catalog, workload
from solver.planner import plan
quotes = catalog(pathlib.Path({folder!r}))
hardware = {{"accelerators": ["h100_sxm", "l40s"], "spare_replicas": 1}}
wanted = workload(
    hardware=hardware, classes=[{{"name": "chat", "rate_rps": 60, "isl": 1024, "osl": 256}}]
)
print(plan(wanted, quotes, as_of=datetime.date(2026, 7, 15)).to_json())
"""


def test_the_same_input_gives_the_same_document(explained, tmp_path):
    """Byte for byte but for the seconds, in another process with other hashes, too."""
    _, answer = explained
    here = Path(__file__).parent
    script = SCRIPT.format(helpers=str(here), folder=str(tmp_path))
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        check=True,
        cwd=here.parents[1],
        env={**os.environ, "PYTHONHASHSEED": "4242"},
    )
    first, second = timeless(answer.to_json()), timeless(done.stdout)
    assert json.dumps(first, indent=2) == json.dumps(second, indent=2)


def test_an_open_gap_is_shown_and_not_called_optimal(quotes, monkeypatch):
    real = in_order.cheapest_fleet

    def cut_short(*args, **options):
        solved = real(*args, **options)
        cost = solved.result.objective
        half = replace(solved.result, termination=Termination.LIMIT, bound=0.5 * cost)
        return replace(solved, result=half)

    monkeypatch.setattr(in_order, "cheapest_fleet", cut_short)
    answer = plan(workload(), quotes, explain=False, second_engine=False)
    assert answer.status == "feasible"
    assert answer.certificate["gap"] == pytest.approx(0.5)
    assert answer.certificate["termination"] == "limit"
    assert answer.pools


def test_nothing_found_in_time_is_unknown(quotes, monkeypatch):
    real = in_order.cheapest_fleet

    def nothing(*args, **options):
        result = EngineResult("highs", Termination.LIMIT, None, -float("inf"), None, 1.0)
        return replace(real(*args, **options), fleet=None, result=result)

    monkeypatch.setattr(in_order, "cheapest_fleet", nothing)
    answer = plan(workload(), quotes)
    assert answer.status == "unknown"
    assert answer.infeasibility is None
    assert (answer.cost_per_hour_usd, answer.pools) == (None, ())
    json.loads(answer.to_json())


def test_the_objective_is_the_cost_of_what_is_bought(quotes, monkeypatch):
    """The engine may leave a node that holds nothing; the fleet, and the certificate, do not."""
    real = in_order.cheapest_fleet

    def idle_node(*args, **options):
        solved = real(*args, **options)
        dearer = replace(solved.result, objective=solved.result.objective * (1 + 5e-5))
        return replace(solved, result=dearer)

    monkeypatch.setattr(in_order, "cheapest_fleet", idle_node)
    wanted = workload()
    document = plan(wanted, quotes, explain=False).to_dict()
    certificate = document["certificate"]
    assert certificate["objective"] == document["cost_per_hour_usd"]
    assert PlanChecker(document, wanted, quotes, shipped_coefficients()).check().passed


def test_a_second_engine_that_contradicts_takes_the_proof_away(quotes, monkeypatch):
    from solver.engines import cpsat

    def higher(program, **options):
        return EngineResult("cp-sat", Termination.LIMIT, None, 1e6, None, 0.0)

    monkeypatch.setattr(cpsat, "bound_cpsat", higher)
    answer = plan(workload(), quotes, explain=False)
    assert answer.certificate["second_engine"]["verdict"] == "contradicts"
    assert answer.status == "feasible"


def test_a_second_engine_that_stops_early_leaves_it_not_certified(quotes, monkeypatch):
    from solver.engines import cpsat

    def lower(program, **options):
        return EngineResult("cp-sat", Termination.LIMIT, 9.0, 0.1, None, 0.0)

    monkeypatch.setattr(cpsat, "bound_cpsat", lower)
    second = plan(workload(), quotes, explain=False).certificate["second_engine"]
    assert (second["agrees"], second["verdict"], second["bound"]) == (None, "not certified", 0.1)


def test_a_failed_check_takes_the_proof_away(quotes, monkeypatch):
    from solver.checker import Check

    monkeypatch.setattr(certify.PlanChecker, "check", lambda self: Check(3, ("wrong",)))
    answer = plan(workload(), quotes, explain=False)
    assert answer.status == "feasible"
    assert answer.certificate["check"] == {
        "passed": False,
        "rows_checked": 3,
        "failures": ["wrong"],
    }


def test_the_gap_asked_for_is_in_the_document(quotes):
    answer = plan(workload(), quotes, gap=0.05, explain=False, second_engine=False)
    assert answer.certificate["gap_asked"] == 0.05
    assert answer.certificate["second_engine"] is None
    assert answer.binding == answer.alternatives == answer.why_not == ()


def test_stages_are_reported_as_they_begin(quotes):
    stages: list[str] = []
    plan(workload(), quotes, progress=stages.append)
    assert stages[:3] == ["evaluating candidates", "solving", "checking"]
    assert len(stages) > 3


def test_progress_tells_costs_that_fall_and_bounds_that_hold():
    seen: list[tuple[float | None, float]] = []
    answer = plan(
        Workload.load(EXAMPLES / "one-cloud-aws.yaml"),
        Catalog.load(),
        explain="none",
        second_engine=False,
        improved=lambda cost, bound: seen.append((cost, bound)),
    )
    assert seen
    assert answer.cost_per_hour_usd is not None
    for cost, bound in seen:
        assert cost is None or cost >= answer.cost_per_hour_usd * (1 - 1e-6)
        assert bound <= answer.cost_per_hour_usd * (1 + 1e-6)
