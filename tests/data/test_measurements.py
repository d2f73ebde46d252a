"""Measured rows: what is read, and what is refused."""

import gzip

import pytest

from data.errors import CatalogError, InputError
from data.measurements import Unusable, load_measurements

HEADER = "source,engine,model,gpu,tp,isl,osl,concurrency_or_batch,scenario,notes,mine\n"
ROW = "lab,vllm,llama-3.1-8b-instruct,H100-SXM,1,1024,128,8,,gemm=fp8 | fast,x\n"


def one(tmp_path, text=HEADER + ROW, name="rows.csv"):
    path = tmp_path / name
    path.write_text(text)
    return path


def test_every_column_is_kept(tmp_path):
    (row,) = load_measurements(one(tmp_path))
    assert row.text("mine") == "x"
    assert row.positive("isl") == 1024
    assert row.number("ttft_ms_median") is None
    assert row.notes == {"gemm": "fp8", "fast": ""}
    assert row.place.endswith("rows.csv, line 2")


def test_gzip(tmp_path):
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress((HEADER + ROW).encode()))
    assert len(load_measurements(path)) == 1


@pytest.mark.parametrize(
    ("scenario", "rate", "clients", "meant"),
    [
        ("Static-Batch", "", "8", "static-batch"),
        ("", "2.5", "", "open-loop"),
        ("", "", "8", "closed-loop-agg"),
    ],
)
def test_the_scenario_is_stated_or_told_by_the_columns(tmp_path, scenario, rate, clients, meant):
    text = (
        f"model,gpu,scenario,request_rate,concurrency_or_batch\nm,g,{scenario},{rate},{clients}\n"
    )
    (row,) = load_measurements(one(tmp_path, text))
    assert row.scenario == meant


@pytest.mark.parametrize(
    ("cell", "reason"),
    [
        ("abc", "isl 'abc' is not a number"),
        ("nan", "isl 'nan' is not a finite number of zero or more"),
        ("-3", "isl '-3' is not a finite number of zero or more"),
        ("", "isl is unknown"),
        ("0", "isl is zero"),
    ],
)
def test_a_cell_that_cannot_be_used_says_why(tmp_path, cell, reason):
    (row,) = load_measurements(one(tmp_path, f"model,gpu,isl\nm,g,{cell}\n"))
    with pytest.raises(Unusable, match=reason):
        row.positive("isl")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("model,tp\nm,1\n", "column 'gpu' is missing"),
        (HEADER, "has no rows"),
        ("", "is empty"),
        (HEADER + "lab,vllm,m\n", "the file may be cut short"),
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, text, sentence):
    with pytest.raises(CatalogError, match=sentence):
        load_measurements(one(tmp_path, text))


def test_a_missing_file_is_refused(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        load_measurements(tmp_path / "none.csv")
