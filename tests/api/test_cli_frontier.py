"""``minfleet frontier``: a readable table, the document, files, exit statuses, bad input."""

from __future__ import annotations

import csv
import io
import json
import sys
import xml.etree.ElementTree as ET

import pyarrow.parquet as pq
import pytest
from jsonschema import Draft202012Validator

from api.schemas.base import undeclared_fields
from api.schemas.export import json_schema
from api.schemas.frontier import FrontierDocument
from api.table_files import as_csv, as_parquet

RANGE = ("--of", "tpot_ms", "--from", "15", "--to", "60", "--points", "3", "--resolution", "0.2")


@pytest.fixture(scope="module")
def chat(write_workload):
    return write_workload()


@pytest.fixture(scope="module")
def found(invoke, chat, offers, tmp_path_factory):
    """A frontier: what is printed as JSON, and every file of it."""
    folder = tmp_path_factory.mktemp("frontier")
    files = [
        part
        for name in ("out", "csv", "parquet", "plot")
        for part in (f"--{name}", folder / f"f.{'svg' if name == 'plot' else name}")
    ]
    result = invoke("frontier", chat, *RANGE, "--offers", offers, "--json", *files)
    assert result.exit_code == 0, result.output
    return json.loads(result.stdout), folder


def test_the_document_is_what_its_schema_says(found):
    document, folder = found
    assert json.loads((folder / "f.out").read_text("utf-8")) == document
    schema = Draft202012Validator(json_schema("frontier"))
    assert [e.message for e in schema.iter_errors(document)] == []
    assert list(undeclared_fields(FrontierDocument.model_validate(document))) == []
    assert document["complete"]
    assert len(document["points"]) >= 2


@pytest.mark.parametrize("of", ["power_kw", "providers", "quality_loss_pct"])
def test_so_are_those_of_limits(invoke, chat, offers, of):
    result = invoke("frontier", chat, "--of", of, "--offers", offers, "--json")
    assert result.exit_code == 0, result.output
    document = json.loads(result.stdout)
    schema = Draft202012Validator(json_schema("frontier"))
    assert [e.message for e in schema.iter_errors(document)] == []
    assert list(undeclared_fields(FrontierDocument.model_validate(document))) == []
    assert document["points"][-1]["holds_until"] is None


def test_tables_hold_every_point(found):
    document, folder = found
    rows = list(csv.DictReader(io.StringIO((folder / "f.csv").read_text("utf-8"))))
    table = pq.read_table(folder / "f.parquet")
    points = document["points"]
    assert len(rows) == table.num_rows == len(points)
    assert table.column_names == list(rows[0])
    for row, cells, point in zip(rows, table.to_pylist(), points, strict=True):
        for name in ("value", "cost_per_hour_usd", "bound_per_hour_usd", "gap", "gpus"):
            assert float(row[name]) == cells[name] == point[name]
        assert cells["in_force"] is point["in_force"]
        assert cells["fleet"] == row["fleet"] == point["fleet"]
        bought = ";".join(f"{p['nodes']} {p['offer_id']}" for p in point["purchases"])
        assert row["offers"] == bought
    assert rows[-1]["dearer_at"]
    assert str(table.schema.field("gpus").type) == "int64"


def test_cells_keep_what_they_are():
    rows = [{"a": 1, "b": 'x,\n"y"', "c": None}, {"a": 2.5, "b": "λ", "c": None}]
    text = as_csv(rows)
    assert list(csv.DictReader(io.StringIO(text))) == [
        {"a": "1", "b": 'x,\n"y"', "c": ""},
        {"a": "2.5", "b": "λ", "c": ""},
    ]
    table = pq.read_table(io.BytesIO(as_parquet(rows)))
    assert table.to_pylist() == [{**rows[0], "a": 1.0}, rows[1]]
    mixed = pq.read_table(io.BytesIO(as_parquet([{"v": "vllm"}, {"v": None}, {"v": 3.0}])))
    assert mixed.column("v").to_pylist() == ["vllm", None, "3.0"]
    assert as_csv([]) == "\n"
    assert pq.read_table(io.BytesIO(as_parquet([]))).num_rows == 0


@pytest.mark.parametrize("ending", ["svg", "png", "html"])
def test_it_is_drawn(invoke, chat, offers, tmp_path, ending):
    path = tmp_path / f"plot.{ending}"
    options = ("--of", "power_kw", "--offers", offers, "--plot", path)
    assert invoke("frontier", chat, *options).exit_code == 0
    raw = path.read_bytes()
    if ending == "png":
        assert raw.startswith(b"\x89PNG")
        return
    text = raw.decode()
    assert "most rated power of all accelerators (kW)" in text
    if ending == "svg":
        assert ET.fromstring(text).tag.endswith("svg")
    else:
        assert text.startswith("<!doctype html>")


def test_people_get_a_table(invoke, chat, offers, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    result = invoke("frontier", chat, *RANGE, "--offers", offers)
    assert result.exit_code == 0
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert "least cost by TPOT target" in " ".join(lines[:2])
    assert any(line.startswith("Proven at each of") for line in lines[:3])
    head = next(line for line in lines if "cost/h" in line)
    assert " ".join(head.split()) == "TPOT ≤ cost/h vs now GPUs kW TTFT TPOT fleet"
    marked = [line for line in lines if line.startswith("▸")]
    assert len(marked) == 1
    assert "▸ is where the workload stands, at 40 ms." in " ".join(lines)


def test_no_fleet_at_any_level(invoke, write_workload, offers):
    tight = write_workload(hardware={"max_cost_per_hour_usd": 0.01})
    result = invoke("frontier", tight, "--of", "providers", "--offers", offers)
    assert result.exit_code == 1
    assert "No fleet keeps any of the levels" in result.stdout


def test_without_pyarrow_one_sentence(refusal, chat, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    said = refusal("frontier", chat, "--of", "tpot_ms", "--parquet", tmp_path / "f.parquet")
    assert "pip install 'minfleet[parquet]'" in said


@pytest.mark.parametrize(
    ("options", "part"),
    [
        ((), "--of"),
        (("--of", "cost"), "is not one of 'tpot_ms'"),
        (("--of", "tpot_ms", "--plot", "plot.jpg"), "a plot ends in .svg, .png or .html"),
        (("--of", "tpot_ms", "--csv", "no/such/folder.csv"), "there is no folder"),
        (("--of", "tpot_ms", "--from", "50", "--to", "20"), "is empty"),
        (("--of", "tpot_ms", "--points", "1"), "--points"),
        (("--of", "tpot_ms", "--resolution", "0"), "--resolution"),
        (("--of", "tpot_ms", "--class", "chta"), "did you mean 'chat'"),
        (("--of", "power_kw", "--class", "chat"), "only a latency target"),
        (("--of", "tpot_ms", "--jobs", "0"), "--jobs"),
    ],
)
def test_bad_input_is_one_sentence(refusal, chat, offers, options, part):
    assert part in refusal("frontier", chat, "--offers", offers, *options)
