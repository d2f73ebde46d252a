"""Reading workloads: defaults, overrides, traces, and the way back to a document."""

from __future__ import annotations

import json
import math

import pytest
import yaml
from small_catalog import CHAT, workload

from data.errors import InputError, WorkloadError
from solver.demand import demands_of, merged_sla, request_class, tiers_of
from solver.workload import Workload

FULL = """
schema: minfleet/workload/v1
model: llama-3.1-70b-instruct
classes:
  - {name: chat, rate_rps: 20, isl: 1024, osl: 256}
  - name: rag
    rate_rps: 4
    isl: {mean: 8000, p95: 16000}
    osl: 400
    model: llama-3.1-8b-instruct
    sla: {ttft_ms: 2000}
sla: {ttft_ms: 500, tpot_ms: 40, e2e_ms: null, percentile: 99}
hardware:
  accelerators: [h100_sxm]
  providers: [aws]
  regions: [us-east-1]
  pricing: [on_demand]
  max_gpus: 64
  max_cost_per_hour_usd: 200
  spare_replicas: 0
precision: {weights: [bf16, fp8, int4], kv: [bf16, fp8], max_quality_loss_pct: 1.0}
serving:
  engine: vllm
  disaggregation: auto
  chunk_tokens: 8192
  prefix_cache_hit_rate: 0.0
  max_utilization: 0.9
"""


def test_every_field_of_the_contract(tmp_path):
    path = tmp_path / "w.yaml"
    path.write_text(FULL)
    found = Workload.load(path).to_dict()
    for block, fields in yaml.safe_load(FULL).items():
        if block == "classes":
            for given, read in zip(fields, found["classes"], strict=True):
                assert given["name"] == read["name"]
                assert given["rate_rps"] == read["rate_rps"]
        elif isinstance(fields, dict):
            assert {k: found[block][k] for k in fields} == fields
        else:
            assert found[block] == fields


def test_json_reads_the_same(tmp_path):
    (tmp_path / "w.yaml").write_text(FULL)
    (tmp_path / "w.json").write_text(json.dumps(yaml.safe_load(FULL)))
    first, second = (Workload.load(tmp_path / f"w.{e}") for e in ("yaml", "json"))
    assert first.to_dict() == second.to_dict()


def test_a_document_reads_back_as_the_workload_it_came_from():
    wanted = workload(hardware={"spare_replicas": 2}, serving={"disaggregation": "off"})
    again = Workload.parse(json.loads(json.dumps(wanted.to_dict())))
    assert again.to_dict() == wanted.to_dict()
    assert again.serving.disaggregation == "off"


def test_targets_of_a_class_read_back_as_they_were():
    """A target that a class leaves to the workload is not written as null, which would lift it."""
    classes = [
        {"name": "own", "rate_rps": 1, "isl": 10, "osl": 10, "sla": {"ttft_ms": 900}},
        {"name": "lifted", "rate_rps": 1, "isl": 10, "osl": 10, "sla": {"tpot_ms": None}},
        {"name": "general", "rate_rps": 1, "isl": 10, "osl": 10},
    ]
    wanted = workload(classes=classes, sla={"ttft_ms": 500, "tpot_ms": 40})
    again = Workload.parse(json.loads(json.dumps(wanted.to_dict())))
    for before, after in zip(wanted.classes, again.classes, strict=True):
        assert merged_sla(after, again.sla) == merged_sla(before, wanted.sla)


def test_only_model_and_classes_are_needed():
    least = Workload.parse({"model": "m", "classes": [{"name": "a", "rate_rps": 1}]})
    assert least.sla.model_dump() == {
        "ttft_ms": 1000,
        "tpot_ms": 50,
        "e2e_ms": None,
        "percentile": 99,
    }
    assert least.hardware.pricing == ["on_demand"]
    assert (least.hardware.max_gpus, least.hardware.spare_replicas) == (None, 0)
    assert least.precision.weights is None
    assert least.serving.arrival_cv == 1


@pytest.mark.parametrize(("word", "meant"), [("off", "off"), ("on", "auto"), ("only", "only")])
def test_yaml_reads_off_as_false(tmp_path, word, meant):
    path = tmp_path / "w.yaml"
    path.write_text(
        f"model: m\nclasses: [{{name: a, rate_rps: 1}}]\nserving: {{disaggregation: {word}}}\n"
    )
    assert Workload.load(path).serving.disaggregation == meant


def test_a_class_overrides_only_what_it_names():
    general = {"ttft_ms": 500, "tpot_ms": 40, "e2e_ms": 9000, "percentile": 99}
    own = [{}, {"ttft_ms": 100}, {"tpot_ms": None}, {"percentile": 95}, {"percentile": None}]
    classes = [
        {"name": f"c{i}", "rate_rps": 1, "isl": 10, "osl": 10, "sla": sla}
        for i, sla in enumerate(own)
    ]
    wanted = workload(classes=classes, sla=general)
    found = [merged_sla(c, wanted.sla).model_dump() for c in wanted.classes]
    assert found == [
        general,
        {**general, "ttft_ms": 100},
        {**general, "tpot_ms": None},
        {**general, "percentile": 95},
        general,
    ]


def test_a_class_in_the_terms_of_the_model():
    wanted = workload(
        classes=[{"name": "a", "rate_rps": 3, "isl": {"mean": 800, "p95": 2000}, "osl": 50}],
        sla={"ttft_ms": 300, "tpot_ms": None, "percentile": 95},
        serving={"prefix_cache_hit_rate": 0.25, "arrival_cv": 2},
    )
    found = request_class(wanted.classes[0], wanted)
    assert (found.rate_rps, found.ttft_ms, found.tpot_ms, found.e2e_ms) == (
        3,
        300,
        math.inf,
        math.inf,
    )
    assert found.isl.mean == 800
    assert found.isl.quantile(0.95) == pytest.approx(2000)
    assert (found.osl.mean, found.osl.sigma) == (50, 0)
    assert (found.percentile, found.cached_share, found.arrival_scv) == (95, 0.25, 4)


def test_classes_are_grouped_by_model_in_order():
    classes = [
        {"name": "a", "rate_rps": 1, "isl": 10, "osl": 10},
        {"name": "b", "rate_rps": 1, "isl": 10, "osl": 10, "model": "llama-3.1-70b-instruct"},
        {"name": "c", "rate_rps": 1, "isl": 10, "osl": 10},
    ]
    found = demands_of(workload(classes=classes))
    assert [(d.model, d.index) for d in found] == [
        ("llama-3.1-8b-instruct", (0, 2)),
        ("llama-3.1-70b-instruct", (1,)),
    ]


def tiers(*lengths_and_targets: tuple[float, float]) -> set[tuple[int, ...]]:
    classes = [
        {"name": f"c{i}", "rate_rps": 1, "isl": isl, "osl": 10, "sla": {"ttft_ms": ttft}}
        for i, (isl, ttft) in enumerate(lengths_and_targets)
    ]
    wanted = workload(classes=classes)
    return set(tiers_of([request_class(c, wanted) for c in wanted.classes]))


def test_every_class_is_in_a_tier_with_all_others_and_few_are_alone():
    assert tiers((100, 500)) == {(0,)}
    assert {(0, 1), (0,), (1,)} <= tiers((100, 500), (100, 900))
    many = tiers(*[(100 + i, 500 if i % 2 else 900) for i in range(8)])
    assert tuple(range(8)) in many
    assert {(1, 3, 5, 7), (0, 2, 4, 6)} <= many


def test_short_and_long_prompts_may_be_served_apart():
    found = tiers((100, 500), (150, 500), (5000, 500), (6000, 500), (120, 500))
    assert {(0, 1, 4), (2, 3)} <= found


def test_a_local_config_is_found_beside_the_workload(tmp_path):
    from importlib import resources

    config = resources.files("data").joinpath("models/llama-3.1-8b-instruct.json").read_text()
    (tmp_path / "config.json").write_text(config)
    (tmp_path / "w.yaml").write_text(
        "model: {config: config.json}\nclasses: [{name: a, rate_rps: 1, isl: 10, osl: 10}]\n"
    )
    (demand,) = demands_of(Workload.load(tmp_path / "w.yaml"))
    assert demand.architecture.layers == 32


MOONCAKE = "\n".join(
    json.dumps({"timestamp": 500 * i, "input_length": 900 + i, "output_length": 50, "hash_ids": []})
    for i in range(40)
)
AZURE = "TIMESTAMP,ContextTokens,GeneratedTokens\n" + "\n".join(
    f"2023-11-16 18:15:{i % 60:02d}.{7 * i % 10}00,{100 + 50 * (i % 9)},{10 + 5 * (i % 5)}"
    for i in range(50)
)


def traced(folder, text: str, name: str = "trace.csv", **blocks) -> Workload:
    (folder / name).write_text(text + "\n")
    path = folder / "w.json"
    path.write_text(json.dumps({"model": "m", "trace": name, **blocks}))
    return Workload.load(path)


@pytest.mark.parametrize(("text", "name"), [(AZURE, "t.csv"), (MOONCAKE, "t.jsonl")])
def test_a_trace_becomes_classes(tmp_path, text, name):
    found = traced(tmp_path, text, name)
    assert 1 < len(found.classes) <= 9
    total = sum(c.rate_rps for c in found.classes)
    assert total == pytest.approx(2.0 if name == "t.jsonl" else 1.0, rel=0.03)
    assert found.trace == name
    for c in found.classes:
        demand = request_class(c, found)
        assert demand.isl.mean >= 1
        assert demand.osl.mean >= 1


def test_a_trace_sets_the_variability_unless_the_workload_does(tmp_path):
    assert traced(tmp_path, MOONCAKE).serving.arrival_cv == 0
    own = traced(tmp_path, MOONCAKE, serving={"arrival_cv": 1.5})
    assert own.serving.arrival_cv == 1.5


def test_a_traced_workload_reads_back_from_its_document(tmp_path):
    """The document of a plan holds the classes that the trace became."""
    found = traced(tmp_path, AZURE)
    again = Workload.parse(found.to_dict(), folder=tmp_path)
    assert again.to_dict() == found.to_dict()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("TIMESTAMP,ContextTokens\n2023-11-16 18:15:00,5", "GeneratedTokens"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\nnoon,5,5", "noon"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:00,0,5", "ContextTokens"),
        ("TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:00,5,5", "at least 2"),
        ('{"timestamp": 0}', "line 1"),
        ('{"timestamp": 0, "input_length": 1, "output_length": 1}\n{"timestamp"', "line 2"),
        ("", "empty"),
        (
            "TIMESTAMP,ContextTokens,GeneratedTokens\n2023-11-16 18:15:00,5,5\n"
            "2023-11-16 18:15:00,6,6",
            "same time",
        ),
    ],
)
def test_bad_traces_are_named(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as caught:
        traced(tmp_path, text)
    assert "trace.csv" in str(caught.value)


def test_a_trace_and_classes_are_not_both_accepted(tmp_path):
    with pytest.raises(WorkloadError, match=r"either 'trace' or 'classes'"):
        traced(tmp_path, AZURE, classes=CHAT["classes"])


def test_a_trace_that_is_not_there(tmp_path):
    path = tmp_path / "w.json"
    path.write_text(json.dumps({"model": "m", "trace": "nowhere.csv"}))
    with pytest.raises(InputError, match=r"nowhere\.csv"):
        Workload.load(path)
