"""Bad input: one sentence with the place and the fix, status 2, nothing written."""

from __future__ import annotations

import json

import pytest

CHAT = {"name": "chat", "rate_rps": 5, "isl": 512, "osl": 64}


def chat(**changes: object) -> list[dict[str, object]]:
    return [{**CHAT, **changes}]


WORKLOADS: dict[str, tuple[dict[str, object], tuple[str, ...]]] = {
    "unknown key": ({"clases": []}, ("'clases'", "'classes'")),
    "unknown key of a block": ({"sla": {"ttft": 500}}, ("'sla.ttft'", "ttft_ms")),
    "unknown key of a class": ({"classes": chat(rate=1)}, ("rate_rps",)),
    "no model": ({"model": None}, ("model", "missing")),
    "no classes": ({"classes": None}, ("classes", "missing")),
    "empty classes": ({"classes": []}, ("classes",)),
    "unknown model": ({"model": "llama-9"}, ("model", "llama-9")),
    "near model": ({"model": "llama-3.1-8b-instuct"}, ("did you mean", "llama-3.1-8b-instruct")),
    "unknown accelerator": ({"hardware": {"accelerators": ["h100_smx"]}}, ("h100_smx", "h100")),
    "unknown provider": ({"hardware": {"providers": ["acm"]}}, ("acm", "'acme'")),
    "unknown region": ({"hardware": {"regions": ["mars"]}}, ("mars", "hardware.regions[0]")),
    "no offer left": (
        {"hardware": {"providers": ["bolt"], "pricing": ["spot"]}},
        ("hardware.providers", "hardware.pricing"),
    ),
    "negative rate": ({"classes": chat(rate_rps=-1)}, ("classes[0].rate_rps", "-1")),
    "zero rate": (
        {"classes": chat(rate_rps=0)},
        ("classes[0].rate_rps", "greater than or equal to"),
    ),
    "infinite rate": ({"classes": chat(rate_rps=float("inf"))}, ("rate_rps",)),
    "a rate that is not a number": ({"classes": chat(rate_rps=float("nan"))}, ("rate_rps",)),
    "absurd rate": ({"classes": chat(rate_rps=1e12)}, ("rate_rps",)),
    "a rate in words": ({"classes": chat(rate_rps="many")}, ("rate_rps", "'many'")),
    "zero tokens": ({"classes": chat(isl=0)}, ("classes[0].isl",)),
    "more tokens than the model takes": ({"classes": chat(isl=900_000)}, ("chat", "131,072")),
    "no length": ({"classes": [{"name": "chat", "rate_rps": 5}]}, ("classes.chat.isl",)),
    "a quantile below the mean": (
        {"classes": chat(isl={"mean": 500, "p95": 100})},
        ("classes.chat.isl", "p95"),
    ),
    "two quantiles": ({"classes": chat(isl={"mean": 5, "p90": 9, "p99": 12})}, ("at most one",)),
    "a class twice": ({"classes": [CHAT, CHAT]}, ("'chat'", "twice")),
    "negative target": ({"sla": {"ttft_ms": -5}}, ("sla.ttft_ms",)),
    "percentile of 100": ({"sla": {"percentile": 100}}, ("sla.percentile",)),
    "unknown format": ({"precision": {"weights": ["fp2"]}}, ("precision.weights[0]", "fp2")),
    "no KV format": ({"precision": {"kv": []}}, ("precision.kv",)),
    "no weight format": ({"precision": {"weights": []}}, ("precision.weights",)),
    "no pricing": ({"hardware": {"pricing": []}}, ("hardware.pricing",)),
    "unknown pricing": ({"hardware": {"pricing": ["free"]}}, ("hardware.pricing[0]", "free")),
    "half a spare replica": ({"hardware": {"spare_replicas": 0.5}}, ("spare_replicas",)),
    "unknown engine": ({"serving": {"engine": "vlm"}}, ("serving.engine", "vlm")),
    "utilisation above 1": ({"serving": {"max_utilization": 1.5}}, ("serving.max_utilization",)),
    "another version": ({"schema": "minfleet/workload/v9"}, ("schema", "v1")),
    "a config that is not there": ({"model": {"config": "absent.json"}}, ("absent.json",)),
    "a model of no kind": ({"model": {"path": "x"}}, ("model", "config")),
    "a trace that is not there": ({"trace": "absent.csv", "classes": None}, ("absent.csv",)),
    "a trace beside classes": ({"trace": "absent.csv"}, ("trace", "classes")),
}


@pytest.mark.parametrize("name", WORKLOADS)
def test_a_bad_workload_is_named(refusal, write_workload, offers, name, tmp_path):
    changes, parts = WORKLOADS[name]
    file = write_workload(**changes)
    out = tmp_path / "plan.json"
    sentence = refusal("plan", file, "--offers", offers, "--out", out)
    for part in parts:
        assert part in sentence
    assert sentence.count("\n") == 1
    assert len(sentence) < 500 + len(str(file))
    assert list(tmp_path.iterdir()) == []


FILES: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "mapping"),
    "a list": (b"- 1\n- 2\n", "mapping"),
    "text": (b"hello", "mapping"),
    "broken YAML": (b"model: [\nclasses: {", "line"),
    "a tab": (b"model: x\n\tclasses: []", "line 2"),
    "cut short": (b'{"model": "llama-3.1-8b-instruct", "classes": [', "line"),
    "not text": (b"\xff\xfe\x00\x01", "UTF-8"),
    "an alias bomb": (b"a: &a [x]\nb: [*a, *a]\n", "aliases"),
    "a key twice": (b"model: a\nmodel: b\n", "twice"),
    "deep": (b"[" * 20_000, "deep"),
    "large": (b"# " + b"x" * 51_000_000, "too large"),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_workload_is_named(refusal, offers, tmp_path, name):
    content, part = FILES[name]
    path = tmp_path / "workload.yaml"
    path.write_bytes(content)
    sentence = refusal("plan", path, "--offers", offers)
    assert part in sentence
    assert "workload.yaml" in sentence
    assert len(sentence) < 500 + len(str(path))


def test_missing_files_and_folders(refusal, workload, offers, tmp_path):
    assert "no such file" in refusal("plan", tmp_path / "absent.yaml")
    assert "folder" in refusal("plan", tmp_path)
    assert "no such file" in refusal("plan", workload, "--offers", tmp_path / "absent.csv")
    assert "no such file" in refusal("plan", workload, "--measured", tmp_path / "absent.csv")
    assert "no such file" in refusal("plan", workload, "--coefficients", tmp_path / "absent.csv")
    assert "no such file" in refusal("plan", workload, "--accelerators", tmp_path / "absent.csv")
    assert "no such file" in refusal("verify", tmp_path / "absent.json")


HEAD = (
    "offer_id,provider,region,accelerator,gpus_per_node,price_per_node_hour_usd,pricing,stock,"
    "currency,observed_at,source"
)
GOOD = "a,acme,eu,h100_sxm,1,2.50,on_demand,,USD,2026-07-01,a quote"

CATALOGUES: dict[str, tuple[str, tuple[str, ...]]] = {
    "empty": ("", ("empty",)),
    "no rows": (HEAD, ("no rows",)),
    "an id twice": (f"{HEAD}\n{GOOD}\n{GOOD}", ("line 3", "'a'", "line 2")),
    "no price": (f"{HEAD}\n{GOOD.replace('2.50', '')}", ("line 2", "price_per_node_hour_usd")),
    "a negative price": (f"{HEAD}\n{GOOD.replace('2.50', '-2')}", ("line 2", "price")),
    "a B200 for a cent": (
        f"{HEAD}\n{GOOD.replace('h100_sxm', 'b200_sxm').replace('2.50', '0.01')}",
        ("line 2", "0.01", "electricity"),
    ),
    "a monthly price": (f"{HEAD}\n{GOOD.replace('2.50', '1800')}", ("line 2", "monthly")),
    "another currency": (f"{HEAD}\n{GOOD.replace('USD', 'EUR')}", ("line 2", "EUR", "USD")),
    "no source": (f"{HEAD}\n{GOOD.replace('a quote', '')}", ("line 2", "source")),
    "no date": (f"{HEAD}\n{GOOD.replace('2026-07-01', '')}", ("line 2", "observed_at")),
    "a wrong date": (f"{HEAD}\n{GOOD.replace('2026-07-01', '1 July')}", ("line 2", "YYYY-MM-DD")),
    "unknown accelerator": (f"{HEAD}\n{GOOD.replace('h100_sxm', 'h1000')}", ("line 2", "h1000")),
    "no GPUs": (f"{HEAD}\n{GOOD.replace('sxm,1,', 'sxm,0,')}", ("line 2", "gpus_per_node")),
    "cut short": (f"{HEAD}\n{GOOD[:40]}", ("line 2", "cut short")),
    "unknown column": (f"{HEAD},prize\n{GOOD},1", ("'prize'",)),
    "a column missing": (
        "\n".join(line.replace(",2.50", "").replace(",price_per_node_hour_usd", "")
                  for line in (HEAD, GOOD)),
        ("price_per_node_hour_usd",),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", CATALOGUES)
def test_a_bad_catalogue_is_named(refusal, workload, tmp_path, name):
    text, parts = CATALOGUES[name]
    path = tmp_path / "offers.csv"
    path.write_text(text + "\n")
    sentence = refusal("plan", workload, "--offers", path)
    for part in ("offers.csv", *parts):
        assert part in sentence
    assert sentence.count("\n") == 1


MEASUREMENTS: dict[str, tuple[str, tuple[str, ...]]] = {
    "another class": ("accelerator,class,capacity_rps\nh100_sxm,chatt,3\n", ("chatt", "'chat'")),
    "negative": ("accelerator,class,capacity_rps\nh100_sxm,chat,-3\n", ("line 2", "-3")),
    "not a number": ("accelerator,class,capacity_rps\nh100_sxm,chat,fast\n", ("line 2", "fast")),
    "nan": ("accelerator,class,capacity_rps\nh100_sxm,chat,nan\n", ("line 2", "nan")),
    "twice": (
        "accelerator,class,capacity_rps\nh100_sxm,chat,3\nh100_sxm,chat,4\n",
        ("line 3", "twice"),
    ),
    "three GPUs": (
        "accelerator,class,capacity_rps,gpus_per_replica\nh100_sxm,chat,3,3\n",
        ("power of two",),
    ),
    "no column": ("accelerator,capacity_rps\nh100_sxm,3\n", ("'class'",)),
}


@pytest.mark.parametrize("name", MEASUREMENTS)
def test_bad_measurements_are_named(refusal, workload, offers, tmp_path, name):
    text, parts = MEASUREMENTS[name]
    path = tmp_path / "measured.csv"
    path.write_text(text)
    sentence = refusal("plan", workload, "--offers", offers, "--measured", path)
    for part in parts:
        assert part in sentence
    assert sentence.count("\n") == 1


def test_a_class_that_no_measurement_serves_is_proven_infeasible(
    invoke, write_workload, offers, measured
):
    file = write_workload(classes=[CHAT, {"name": "rare", "rate_rps": 1}])
    result = invoke("plan", file, "--offers", offers, "--measured", measured, "--json")
    assert result.exit_code == 1, result.output
    (conflict,) = json.loads(result.stdout)["infeasibility"]["conflicts"]
    assert conflict["class"] == "rare"


def test_nothing_is_solved_before_the_files_can_be_written(
    refusal, workload, offers, tmp_path, monkeypatch
):
    import solver.planner

    monkeypatch.setattr(solver.planner, "plan", lambda *a, **k: pytest.fail("was solved"))
    here = ("plan", workload, "--offers", offers)
    assert "no folder" in refusal(*here, "--out", tmp_path / "absent" / "plan.json")
    assert "folder" in refusal(*here, "--out", tmp_path)
    assert "no folder" in refusal(*here, "--export", tmp_path / "absent" / "x.lp")
    assert ".lp or .mps" in refusal(*here, "--export", tmp_path / "x.txt")
    assert ".lp or .mps" in refusal(*here, "--export", tmp_path / "x")
    export = tmp_path / "x.lp"
    assert "no folder" in refusal(*here, "--export", export, "--out", tmp_path / "no" / "p.json")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "part"),
    [
        (["--gap", "2"], "--gap"),
        (["--gap", "-1"], "--gap"),
        (["--gap", "nan"], "finite"),
        (["--time-limit", "0"], "--time-limit"),
        (["--time-limit", "nan"], "finite"),
        (["--time-limit", "soon"], "soon"),
        (["--jsn"], "--json"),
    ],
)
def test_bad_options_are_named(refusal, workload, arguments, part):
    assert part in refusal("plan", workload, *arguments)


def test_an_unknown_command_names_the_nearest(refusal):
    assert "'plan'" in refusal("plann")


USAGE: dict[str, tuple[tuple[str, ...], str, str]] = {
    "unknown option": (("plan", "x", "--jsn"), "(did you mean '--json'?)", "plan --help"),
    "unknown option of the program": (("--foo",), "'--foo'", "--help"),
    "unknown command": (("plann",), "(did you mean 'plan'", "--help"),
    "unknown command of a group": (("catalog", "lst"), "(did you mean 'list'?)", "catalog --help"),
    "no argument": (("verify",), "Missing argument 'PLAN'", "verify --help"),
    "no option": (("estimate", "x"), "'--accelerator'", "estimate --help"),
    "no choice": (("catalog", "import", "x"), "csv, skypilot", "catalog import --help"),
    "another choice": (("estimate", "x", "--accelerator", "y", "--kv", "z"), "'z'", "--help"),
    "an argument too many": (("plan", "a", "b"), "(b)", "plan --help"),
    "no value": (("plan", "a", "--gap"), "'--gap'", "plan --help"),
    "deep in groups": (("stack", "batch", "--rat", "3"), "'--rate'", "stack batch --help"),
}


@pytest.mark.parametrize("name", USAGE)
def test_a_wrong_use_is_one_sentence_that_says_where_the_help_is(refusal, name):
    arguments, part, path = USAGE[name]
    sentence = refusal(*arguments)
    assert sentence.startswith("Error: ")
    assert part in sentence
    assert sentence.endswith(f"{path}'.\n")
    assert sentence.count("\n") == 1


def test_a_group_alone_still_shows_its_help(invoke):
    for group in ((), ("catalog",), ("catalog", "list")):
        result = invoke(*group)
        assert result.exit_code == 2
        assert "Commands:" in result.stderr


@pytest.mark.parametrize(
    "content",
    [
        {"model": "llama-3.1-8b-instruct", "classes": {"chat": 1}},
        {"model": 7, "classes": [CHAT]},
        {"model": "llama-3.1-8b-instruct", "classes": [None]},
        {"model": "llama-3.1-8b-instruct", "classes": [[]]},
        {"model": "llama-3.1-8b-instruct", "classes": chat(isl=[1, 2])},
        {"model": "llama-3.1-8b-instruct", "classes": chat(name="")},
        {"model": "llama-3.1-8b-instruct", "classes": chat(name=7)},
        {"model": "llama-3.1-8b-instruct", "classes": [CHAT], "sla": 5},
        {"model": "llama-3.1-8b-instruct", "classes": [CHAT], "hardware": None},
        {"model": "llama-3.1-8b-instruct", "classes": [CHAT], "sla": {"ttft_ms": True}},
        {"model": "", "classes": [CHAT]},
    ],
)
def test_values_of_the_wrong_kind(refusal, offers, tmp_path, content):
    path = tmp_path / "workload.json"
    path.write_text(json.dumps(content))
    sentence = refusal("plan", path, "--offers", offers)
    assert sentence.count("\n") == 1
    assert sentence.startswith("Error: ")
