"""``minfleet sweep``: tables, the document, a tornado, plots, exit statuses, bad input."""

from __future__ import annotations

import csv
import io
import json
import xml.etree.ElementTree as ET

import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator

from api.plot_sweep import draw_sweep
from api.schemas.base import undeclared_fields
from api.schemas.export import json_schema
from api.schemas.sweep import SweepDocument


@pytest.fixture(scope="module")
def chat(write_workload):
    return write_workload()


def run(invoke, chat, offers, *options, status=0):
    """Run a sweep of the measured market and return what it prints."""
    result = invoke("sweep", chat, "--offers", offers, *options)
    assert result.exit_code == status, result.output
    assert result.stderr == ""
    return result.stdout


GRID = ("--vary", "rate=0.5,1,2", "--vary", "serving.engine=vllm,sglang")
ALONE = ("--vary", "tpot_ms=20:60:3", "--vary", "max_gpus=null,2", "--one-at-a-time")
KINDS = {"grid": GRID, "one_at_a_time": ALONE, "sensitivity": ("--sensitivity", "--by", "10")}


@pytest.mark.parametrize("mode", KINDS)
def test_the_document_is_what_its_schema_says(invoke, chat, offers, tmp_path, mode):
    files = ("--csv", tmp_path / "s.csv", "--parquet", tmp_path / "s.parquet")
    document = json.loads(run(invoke, chat, offers, *KINDS[mode], "--json", *files))
    schema = Draft202012Validator(json_schema("sweep"))
    assert [e.message for e in schema.iter_errors(document)] == []
    assert list(undeclared_fields(SweepDocument.model_validate(document))) == []
    assert (document["mode"], document["complete"]) == (mode, True)
    rows = list(csv.DictReader(io.StringIO((tmp_path / "s.csv").read_text("utf-8"))))
    table = pq.read_table(tmp_path / "s.parquet").to_pylist()
    assert len(rows) == len(table) == len(document["rows"]) == document["search"]["points"] - 1
    names = [f["name"] for f in document["factors"]]
    assert list(rows[0])[: len(names)] == names
    for cells, row in zip(table, document["rows"], strict=True):
        assert cells["cost_per_hour_usd"] == row["cost_per_hour_usd"]
        assert cells["fleet_changes"] is row["fleet_changes"]


@pytest.mark.parametrize("ending", ["svg", "png", "html"])
@pytest.mark.parametrize("mode", KINDS)
def test_it_is_drawn(invoke, chat, offers, tmp_path, mode, ending):
    path = tmp_path / f"plot.{ending}"
    run(invoke, chat, offers, *KINDS[mode], "--plot", path)
    raw = path.read_bytes()
    if ending == "png":
        assert raw.startswith(b"\x89PNG")
        return
    text = raw.decode()
    assert "least cost (USD/h)" in text
    if ending == "svg":
        assert ET.fromstring(text).tag.endswith("svg")
    else:
        assert text.startswith("<!doctype html>")


def test_points_without_a_fleet_are_drawn_too(invoke, chat, offers, tmp_path):
    vary = ("--vary", "max_gpus=1,8", "--vary", "rate=1,3")
    for number, options in enumerate((vary, vary[:2])):
        path = tmp_path / f"plot{number}.svg"
        document = json.loads(run(invoke, chat, offers, *options, "--json", "--plot", path))
        assert document["rows"][0]["status"] == "infeasible"
        assert ET.fromstring(path.read_text("utf-8")).tag.endswith("svg")
    assert b"no fleet" in draw_sweep(path, "again", _grid(document))


def _grid(document):
    """Return a grid of two whose points have no fleet."""
    rows = [dict(document["rows"][0]) for _ in range(4)]
    factors = [{**document["factors"][0], "name": n, "values": [1, 2]} for n in ("a", "b")]
    return {**document, "factors": factors, "rows": rows}


def test_people_get_a_line_for_each_point(invoke, chat, offers, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    lines = run(invoke, chat, offers, *GRID).splitlines()
    assert "an hour as it is" in " ".join(lines[:2])
    assert any(line.startswith("Proven at each of 7 points") for line in lines)
    at = next(i for i, line in enumerate(lines) if "cost/h" in line)
    assert lines[at].split() == ["rate", "serving.engine", "cost/h", "vs", "now", "GPUs", "fleet"]
    points = lines[at + 1 : at + 7]
    assert [line.split()[:2] for line in points] == [
        [rate, engine] for rate in ("0.5", "1", "2") for engine in ("vllm", "sglang")
    ]
    assert points[2].endswith("as it is")
    assert "same" in points[2]


def test_people_get_a_ranking(invoke, chat, offers, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    lines = run(invoke, chat, offers, "--sensitivity", "--by", "30").splitlines()
    head = next(line for line in lines if "× 0.7" in line)
    assert "× 1.3" in head
    assert any("█" in line for line in lines)
    assert any(line.startswith("No effect within this range: ") for line in lines)


def test_no_point_has_a_fleet(invoke, chat, offers):
    text = run(invoke, chat, offers, "--vary", "max_cost_per_hour_usd=0.01,0.02", status=1)
    assert "no fleet" in text


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ((), "give --vary NAME=VALUES or --sensitivity"),
        (("--vary", "rate"), "is not NAME=LOW:HIGH:COUNT"),
        (("--vary", "rte=1,2"), "did you mean"),
        (("--vary", "price:h10=1,2"), "unknown price"),
        (("--vary", "tpot_ms=fast"), "sla.tpot_ms"),
        (("--sensitivity", "--vary", "rate=1,2"), "leave --vary"),
        (("--by", "10", "--vary", "rate=1,2"), "--by goes with --sensitivity"),
        (("--sensitivity", "--by", "0"), "--by"),
        (("--sensitivity", "--by", "100"), "--by"),
        (
            (
                "--plot",
                "p.svg",
                *(p for n in ("isl", "osl", "rate") for p in ("--vary", f"{n}=1,2")),
            ),
            "a plot shows a grid of one or two factors",
        ),
        (("--vary", "isl=1,2", "--measured", "measured.csv"), "measured.csv"),
    ],
)
def test_bad_input_is_one_sentence(refusal, chat, offers, options, part):
    assert part in refusal("sweep", chat, "--offers", offers, *options)
