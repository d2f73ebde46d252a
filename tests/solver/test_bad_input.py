"""Bad workloads: one sentence that names the place and the fix, never another error."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from small_catalog import CHAT, catalog

from data.errors import InputError, UnknownNameError, WorkloadError
from solver.planner import plan
from solver.workload import Workload

CLASS = CHAT["classes"][0]


@pytest.fixture(scope="module")
def quotes(tmp_path_factory):
    return catalog(tmp_path_factory.mktemp("quotes"))


def one_sentence(error: BaseException) -> str:
    """Return the message of an input error after checking how it reads."""
    assert isinstance(error, InputError)
    text = str(error)
    assert "\n" not in text
    assert len(text) < 500
    for leak in (
        "Traceback",
        "pydantic",
        "validation error",
        "<class",
        "object at 0x",
        "For further",
    ):
        assert leak not in text
    return text


def refused(blocks: dict[str, Any], quotes=None) -> str:
    """Return the sentence with which a workload is refused."""

    def attempt() -> None:
        wanted = Workload.parse({**copy.deepcopy(CHAT), **blocks})
        if quotes is not None:
            plan(wanted, quotes, explain=False, second_engine=False)

    with pytest.raises(InputError) as caught:
        attempt()
    return one_sentence(caught.value)


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ({"modle": "x"}, ("'modle'", "'model'")),
        ({"class": []}, ("'class'", "'classes'")),
        ({"sla": {"ttft": 500}}, ("'sla.ttft'", "'ttft_ms'")),
        ({"hardware": {"max_gpu": 3}}, ("'hardware.max_gpu'", "'max_gpus'")),
        ({"precision": {"weight": ["fp8"]}}, ("'precision.weight'", "'weights'")),
        ({"serving": {"chunk_token": 1}}, ("'serving.chunk_token'", "'chunk_tokens'")),
        ({"classes": [{**CLASS, "rate": 3}]}, ("'classes[0].rate'", "'rate_rps'")),
        ({"classes": [{**CLASS, "isl": {"mean": 5, "p97": 9}}]}, ("classes[0].isl.p97", "'p9")),
        ({"classes": [{**CLASS, "sla": {"tpot": 5}}]}, ("classes[0].sla.tpot", "'tpot_ms'")),
        ({"qqq": 1}, ("'qqq'", "known keys: schema, model, classes")),
    ],
)
def test_an_unknown_key_is_answered_with_the_nearest(blocks, words):
    text = refused(blocks)
    assert "unknown key" in text
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ({"model": "llama-3.1-70b-instrct"}, ("model", "'llama-3.1-70b-instruct'")),
        ({"classes": [{**CLASS, "model": "qwen3-8"}]}, ("classes.chat.model", "'qwen3-8b'")),
        (
            {"hardware": {"accelerators": ["h100_sxm", "h200_sx"]}},
            ("hardware.accelerators[1]", "'h200_sxm'"),
        ),
        ({"hardware": {"providers": ["acmee"]}}, ("hardware.providers[0]", "'acme'")),
        ({"hardware": {"regions": ["eus"]}}, ("hardware.regions[0]", "'eu'")),
    ],
)
def test_an_unknown_name_is_answered_with_the_nearest(quotes, blocks, words):
    with pytest.raises(UnknownNameError) as caught:
        plan(Workload.parse({**CHAT, **blocks}), quotes)
    text = one_sentence(caught.value)
    for word in (*words, "did you mean"):
        assert word in text


ABSURD = [-1, 0, float("nan"), float("inf"), -float("inf"), 1e300, "many", None, [], {}, True]
NUMBERS = {
    "classes[0].rate_rps": lambda v: {"classes": [{**CLASS, "rate_rps": v}]},
    "classes[0].isl": lambda v: {"classes": [{**CLASS, "isl": v}]},
    "classes[0].osl": lambda v: {"classes": [{**CLASS, "osl": v}]},
    "classes[0].isl.mean": lambda v: {"classes": [{**CLASS, "isl": {"mean": v}}]},
    "classes[0].sla.ttft_ms": lambda v: {"classes": [{**CLASS, "sla": {"ttft_ms": v}}]},
    "sla.ttft_ms": lambda v: {"sla": {"ttft_ms": v}},
    "sla.tpot_ms": lambda v: {"sla": {"tpot_ms": v}},
    "sla.e2e_ms": lambda v: {"sla": {"e2e_ms": v}},
    "sla.percentile": lambda v: {"sla": {"percentile": v}},
    "hardware.max_gpus": lambda v: {"hardware": {"max_gpus": v}},
    "hardware.max_cost_per_hour_usd": lambda v: {"hardware": {"max_cost_per_hour_usd": v}},
    "hardware.spare_replicas": lambda v: {"hardware": {"spare_replicas": v}},
    "precision.max_quality_loss_pct": lambda v: {"precision": {"max_quality_loss_pct": v}},
    "serving.chunk_tokens": lambda v: {"serving": {"chunk_tokens": v}},
    "serving.prefix_cache_hit_rate": lambda v: {"serving": {"prefix_cache_hit_rate": v}},
    "serving.max_utilization": lambda v: {"serving": {"max_utilization": v}},
    "serving.arrival_cv": lambda v: {"serving": {"arrival_cv": v}},
}
FINE = {
    ("sla.ttft_ms", None),
    ("sla.tpot_ms", None),
    ("sla.e2e_ms", None),
    ("classes[0].sla.ttft_ms", None),
    ("classes[0].isl", None),
    ("classes[0].osl", None),
    ("hardware.max_gpus", None),
    ("hardware.max_cost_per_hour_usd", None),
    ("hardware.max_cost_per_hour_usd", 1e300),
    ("hardware.spare_replicas", 0),
    ("precision.max_quality_loss_pct", 0),
    ("serving.prefix_cache_hit_rate", 0),
    ("serving.arrival_cv", 0),
}


@pytest.mark.parametrize("value", ABSURD, ids=repr)
@pytest.mark.parametrize("place", NUMBERS)
def test_an_absurd_number_is_refused_where_it_stands(place, value):
    blocks = NUMBERS[place](value)
    hashable = value if not isinstance(value, (list, dict)) else repr(value)
    if (place, hashable) in FINE and not isinstance(value, bool):
        Workload.parse({**CHAT, **blocks})
        return
    assert place in refused(blocks)


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ({"classes": []}, ("classes", "at least 1")),
        ({"classes": None}, ("classes",)),
        ({"classes": {"chat": CLASS}}, ("classes", "list")),
        ({"classes": "chat"}, ("classes", "list")),
        ({"classes": [CLASS, CLASS]}, ("'chat'", "twice")),
        ({"classes": [{**CLASS, "name": ""}]}, ("classes[0].name",)),
        ({"classes": [{**CLASS, "name": 5}]}, ("classes[0].name",)),
        ({"classes": [{**CLASS, "name": "x" * 1000}]}, ("classes[0].name",)),
        ({"classes": [{"rate_rps": 1}]}, ("classes[0].name", "missing")),
        ({"classes": [{"name": "a"}]}, ("classes[0].rate_rps", "missing")),
        ({"classes": ["chat"]}, ("classes[0]",)),
        ({"classes": [CLASS] * 2000}, ("classes", "1000")),
        ({"model": None}, ("model",)),
        ({"model": 7}, ("model",)),
        ({"model": ["a"]}, ("model",)),
        ({"sla": 5}, ("sla",)),
        ({"sla": None}, ("sla",)),
        ({"schema": "minfleet/workload/v2"}, ("schema", "minfleet/workload/v1")),
        ({"hardware": {"pricing": ["ondemand"]}}, ("hardware.pricing[0]", "on_demand")),
        ({"hardware": {"accelerators": "h100_sxm"}}, ("hardware.accelerators", "list")),
        ({"hardware": {"max_gpus": 2.5}}, ("hardware.max_gpus",)),
        ({"precision": {"weights": ["fp7"]}}, ("precision.weights[0]", "fp8")),
        ({"precision": {"kv": []}}, ("precision.kv",)),
        ({"precision": {"weights": []}}, ("precision.weights",)),
        ({"hardware": {"pricing": []}}, ("hardware.pricing",)),
        ({"serving": {"engine": "tgi"}}, ("serving.engine", "vllm")),
        ({"serving": {"disaggregation": "maybe"}}, ("serving.disaggregation", "auto")),
        (
            {"classes": [{**CLASS, "isl": {"mean": 900, "p90": 950, "p95": 990}}]},
            ("classes[0].isl", "at most one"),
        ),
        ({"classes": [{**CLASS, "isl": {"mean": 900, "p50": 800}}]}, ("classes[0].isl", "p90")),
        ({"classes": [{**CLASS, "isl": {"p95": 800}}]}, ("classes[0].isl.mean", "missing")),
        ({"trace": "t.csv"}, ("either 'trace' or 'classes'",)),
    ],
)
def test_other_faults_are_refused_where_they_stand(blocks, words):
    text = refused(blocks)
    for word in words:
        assert word in text


@pytest.mark.parametrize(
    ("blocks", "words"),
    [
        ({"classes": [{**CLASS, "isl": None}]}, ("classes.chat.isl", "missing")),
        ({"classes": [{**CLASS, "osl": None}]}, ("classes.chat.osl", "missing")),
        ({"classes": [{**CLASS, "isl": {"mean": 900, "p95": 100}}]}, ("classes.chat.isl", "p95")),
        ({"classes": [{**CLASS, "osl": {"mean": 9, "p99": 99999}}]}, ("classes.chat.osl", "p99")),
        ({"classes": [{**CLASS, "isl": 9_000_000}]}, ("classes.chat", "131,072")),
        ({"model": {"confg": "x.json"}}, ("model", "config")),
        ({"model": {"config": "nowhere.json"}}, ("nowhere.json",)),
        ({"model": {}}, ("model", "config")),
        ({"model": ""}, ("model",)),
        ({"hardware": {"accelerators": []}}, ("hardware.accelerators",)),
        ({"hardware": {"providers": ["bolt"], "regions": ["us"]}}, ("hardware.providers",)),
    ],
)
def test_what_only_shows_when_planning_is_refused_too(quotes, blocks, words):
    text = refused(blocks, quotes)
    for word in words:
        assert word in text


def test_a_class_that_nothing_can_serve_is_infeasible_not_an_error(quotes):
    wanted = Workload.parse({**CHAT, "sla": {"ttft_ms": 0.001}})
    answer = plan(wanted, quotes)
    assert answer.status == "infeasible"
    assert "chat" in json.dumps(answer.infeasibility)


@pytest.mark.parametrize(
    "blocks",
    [
        {"classes": [{**CLASS, "rate_rps": 1e9}]},
        {"classes": [{**CLASS, "rate_rps": 1e-9}]},
        {"hardware": {"max_cost_per_hour_usd": 1e300}},
        {"hardware": {"max_cost_per_hour_usd": 1e-300}},
        {"hardware": {"max_gpus": 10_000_000}},
        {"hardware": {"spare_replicas": 1000}},
        {"sla": {"ttft_ms": 86_400_000, "tpot_ms": 86_400_000, "percentile": 99.99}},
        {"sla": {"ttft_ms": 1e-300, "tpot_ms": 1e-300}},
        {"sla": {"ttft_ms": None, "tpot_ms": None, "e2e_ms": None}},
        {"sla": {"percentile": 50}},
        {"classes": [{**CLASS, "isl": 1, "osl": 1}]},
        {"classes": [{**CLASS, "isl": 131_071, "osl": 1}]},
        {"serving": {"chunk_tokens": 128, "arrival_cv": 100, "prefix_cache_hit_rate": 0.99}},
        {"serving": {"max_utilization": 1e-6}},
        {"serving": {"arrival_cv": 0, "max_utilization": 1}},
    ],
    ids=str,
)
def test_extremes_that_are_allowed_get_an_answer(quotes, blocks):
    answer = plan(Workload.parse({**CHAT, **blocks}), quotes, explain=False, second_engine=False)
    assert answer.status in ("optimal", "infeasible")
    json.loads(answer.to_json())


def loaded(path) -> str:
    with pytest.raises(InputError) as caught:
        Workload.load(path)
    return one_sentence(caught.value)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("- a\n- b\n", "must be a mapping"),
        ("just words\n", "must be a mapping"),
        ("5\n", "must be a mapping"),
        ("", "must be a mapping"),
        ("null\n", "must be a mapping"),
        ("model: x\nclasses:\n  - {name: a, rate_rps: 1, isl: [1\n", "line"),
        ('{"model": "x", "classes": [{"name": "a", "rate_', "line"),
        ("model: x\nmodel: y\nclasses: []\n", "twice"),
        ("a: &x [1]\nb: *x\n", "alias"),
        ("model: !!python/object/apply:os.system ['true']\n", "YAML"),
        ("[" * 5000, "nested"),
        ("model: 'x\n", "line"),
        ("\tmodel: x\n", "line 1"),
        ("model: x\nclasses: [{name: a, rate_rps: .nan, isl: 1, osl: 1}]\n", "rate_rps"),
        ("model: x\nclasses: [{name: a, rate_rps: .inf, isl: 1, osl: 1}]\n", "rate_rps"),
        ("model: x\nclasses: [{name: a, rate_rps: -.inf, isl: 1, osl: 1}]\n", "rate_rps"),
        ("model: x\nclasses: [{name: a, rate_rps: 5.0e-324, isl: 1, osl: 1}]\n", "rate_rps"),
        ("model: x\n5: y\nclasses: [{name: a, rate_rps: 1}]\n", "5"),
        ("model: x\n? [1, 2]\n: y\nclasses: [{name: a, rate_rps: 1}]\n", "line"),
        ("model: 2024-01-01\nclasses: [{name: a, rate_rps: 1}]\n", "model"),
    ],
)
def test_files_that_are_no_workload(tmp_path, text, words):
    path = tmp_path / "w.yaml"
    path.write_text(text)
    sentence = loaded(path)
    assert "w.yaml" in sentence
    assert words in sentence


def test_a_file_of_fifty_megabytes(tmp_path):
    path = tmp_path / "w.yaml"
    with path.open("wb") as file:
        file.truncate(50_000_000)
    assert "too large" in loaded(path)


def test_a_truncated_file_says_so_wherever_it_is_cut(tmp_path):
    """Cut anywhere, a workload is refused, or what is left still means the same kind of thing."""
    whole = json.dumps(CHAT)
    path = tmp_path / "w.json"
    for end in range(len(whole)):
        path.write_text(whole[:end])
        loaded(path)


@pytest.mark.parametrize(
    ("name", "words"),
    [("nowhere.yaml", "no such file"), ("", "folder"), ("zeros.yaml", "YAML")],
)
def test_files_that_cannot_be_read(tmp_path, name, words):
    (tmp_path / "zeros.yaml").write_bytes(bytes(100))
    assert words in loaded(tmp_path / name)


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "w.yaml"
    path.write_bytes(b"model: \xff\xfe\n")
    assert "UTF-8" in loaded(path)


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(10**20), 10**20)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["fp8", "auto", "h100_sxm", "on_demand", "chat"]),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=9), inner, max_size=3)
    ),
    max_leaves=8,
)
KEYS = ["model", "classes", "sla", "hardware", "precision", "serving", "schema", "trace", "clases"]
FIELDS = [
    "name",
    "rate_rps",
    "isl",
    "osl",
    "sla",
    "model",
    "mean",
    "p95",
    "ttft_ms",
    "kv",
    "regions",
]
nearly = st.dictionaries(
    st.sampled_from(KEYS),
    json_values
    | st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=4)
    | st.lists(st.dictionaries(st.sampled_from(FIELDS), json_values, max_size=5), max_size=3),
    max_size=6,
)


@settings(max_examples=300, deadline=None, derandomize=True)
@given(content=nearly | json_values)
def test_anything_is_a_workload_or_refused_in_a_sentence(content):
    sentence = ""
    try:
        Workload.parse(content)
    except InputError as error:
        sentence = str(error)
    assert "\n" not in sentence


def test_errors_say_which_file(tmp_path):
    path = tmp_path / "my-workload.yaml"
    path.write_text("model: m\nclasses: [{name: a, rate_rps: -5}]\n")
    with pytest.raises(WorkloadError) as caught:
        Workload.load(path)
    assert str(caught.value).startswith(str(path))
    assert "classes[0].rate_rps" in str(caught.value)
    assert "-5" in str(caught.value)
