"""CSV of measured rows, read by the same entry: facts, contradictions, units."""

import gzip

import pytest

from data.errors import CatalogError
from data.results import load_results

HEADER = (
    "engine,model,gpu,tp,isl,osl,concurrency_or_batch,output_tok_per_s,ttft_ms_median,"
    "tpot_ms_median,scenario,mine\n"
)
ROW = "vllm,llama-3.1-8b-instruct,,1,1024,128,8,780,40,9.75,closed-loop-agg,x\n"


@pytest.fixture
def load(tmp_path):
    def load(text, facts=None):
        path = tmp_path / "rows.csv"
        path.write_text(text, "utf-8")
        return load_results(path, facts)

    return load


def test_facts_fill_what_is_empty_and_own_columns_stay(load):
    (row,) = load(HEADER + ROW, {"gpu": "h100_sxm", "precision_weights": "fp8"})
    found = [row.text(c) for c in ("gpu", "precision_weights", "mine", "tpot_ms_median")]
    assert found == ["h100_sxm", "fp8", "x", "9.75"]
    assert row.place.endswith("rows.csv, line 2")


def test_gzip(tmp_path):
    path = tmp_path / "rows.csv.gz"
    path.write_bytes(gzip.compress((HEADER + ROW).encode()))
    assert load_results(path, {"gpu": "h100_sxm"})[0].text("gpu") == "h100_sxm"


def test_the_gpus_of_a_row_stand_for_its_tp(load):
    text = HEADER.replace(",tp,", ",gpu_count,") + ROW
    assert load(text, {"gpu": "h100_sxm"})[0].text("gpu_count") == "1"


def test_a_cell_that_cannot_be_used_is_left_to_its_row(load):
    (row,) = load(HEADER + ROW.replace("1024", "long"), {"gpu": "h100_sxm"})
    assert row.text("isl") == "long"


@pytest.mark.parametrize(
    ("row", "facts", "sentence"),
    [
        (ROW, {}, "line 2, column gpu: is unknown"),
        (ROW.replace(",1,1024", ",,1024"), {"gpu": "h100_sxm"}, "line 2, column tp: is unknown"),
        (ROW, {"gpu": "h100_sxm", "tp": "2"}, "line 2, column tp: the file states '1'"),
        (
            ROW.replace("llama-3.1-8b-instruct", ""),
            {"gpu": "h100_sxm"},
            "line 2, column model: is unknown",
        ),
        (
            ROW.replace("9.75", "0.00975"),
            {"gpu": "h100_sxm"},
            "line 2: tpot looks like seconds, not ms",
        ),
        (ROW.replace("9.75", "9750"), {"gpu": "h100_sxm"}, "line 2: tpot looks like µs, not ms"),
        (ROW.replace(",x", ""), {"gpu": "h100_sxm"}, "has 11 cells where the header has 12"),
    ],
)
def test_what_is_wrong_is_said(load, row, facts, sentence):
    with pytest.raises(CatalogError, match=sentence):
        load(HEADER + row, facts)


def test_a_table_without_accelerators(load):
    with pytest.raises(CatalogError, match="column 'gpu' is missing"):
        load("model,tp\nm,1\n")
