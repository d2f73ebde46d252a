"""Samples become measurement rows that prediction understands."""

import csv

import pytest

from benchmarks.accuracy.rows import to_row
from benchmarks.accuracy.samples import read_samples
from data.coefficients import shipped_coefficients
from data.workers import WorkerNote, read_workers
from model.measured_rows import predict_row


def test_an_aggregated_row_of_inferencex(sample):
    row = to_row(sample())
    expected = {
        "source": "inferencex-via-aic",
        "date": "2026-04-17",
        "engine": "vllm",
        "engine_version": "0.19.0",
        "model": "MiniMaxAI/MiniMax-M2.5",
        "gpu": "B300",
        "gpu_count": "4",
        "tp": "4",
        "pp": "1",
        "ep": "1",
        "precision_weights": "fp8",
        "precision_kv": "",
        "concurrency_or_batch": "128",
        "scenario": "closed-loop-agg",
    }
    assert {column: row.text(column) for column in expected} == expected
    assert row.positive("ttft_ms_median") == pytest.approx(972.311, abs=1e-3)
    assert row.positive("tpot_ms_median") == pytest.approx(33.443, abs=1e-3)
    assert row.place.endswith(
        "silicon_sample.csv#minimaxm2_5_b300_vllm_fp8_agg_8192x1024_c128_cfg733"
    )


def test_lengths_of_inferencex_are_drawn_evenly(sample):
    notes = to_row(sample()).text("notes")
    assert "lengths ~U[0.8L;L] (InferenceX" in notes
    assert "lengths" not in to_row(sample("own")).text("notes")


@pytest.mark.parametrize(
    "source",
    ["db-dump/2026-04-27; config_id=1", "source_file=2026-04-06.csv; model=DeepSeek-R1"],
)
def test_who_is_inferencex(sample, source):
    assert sample(silicon_data_source=source).inferencex


@pytest.mark.parametrize(
    "source", ["source_file=data/h100_sxm/trtllm/x.csv", "source_file=kimi-k2.5-gap-analysis.csv"]
)
def test_who_is_not(sample, source):
    assert not sample(silicon_data_source=source).inferencex


def test_parallelism_stands_in_the_notes(sample):
    row = to_row(sample(tp_size="1", attention_dp_size="4", moe_tp_size="1", moe_ep_size="4"))
    assert row.notes["attention_dp"] == "4"
    assert row.notes["moe_tp"] == "1"
    assert row.text("ep") == "4"
    assert row.text("gpu_count") == "4"


def test_a_disaggregated_row_keeps_its_workers(sample):
    row = to_row(sample("disaggregated"))
    assert row.scenario == "closed-loop-disagg"
    assert row.text("tp") == "1"
    assert row.text("ep") == "8"
    assert row.text("gpu_count") == "24"
    workers = read_workers(row.text("notes"))
    assert workers["prefill"] == WorkerNote(2, tp=8, ep=workers["prefill"].ep)
    assert workers["decode"] == WorkerNote(1, dp=8, ep=8)
    assert "attention_dp" not in row.notes


def test_unknown_workers_leave_the_gpus_unknown(sample):
    row = to_row(sample("disaggregated", prefill_num_workers="", prefill_batch_size=""))
    assert row.text("gpu_count") == ""
    assert read_workers(row.text("notes"))["prefill"].count is None


@pytest.mark.parametrize(
    ("gemm", "precision", "weights"),
    [
        ("nvfp4", "fp4", "nvfp4"),
        ("int4_wo", "int4", "int4"),
        ("fp8_block", "fp8", "fp8_block"),
        ("", "bf16", "bf16"),
        ("", "", ""),
    ],
)
def test_formats(sample, gemm, precision, weights):
    row = to_row(sample(gemm_quant_mode=gemm, precision=precision))
    assert row.text("precision_weights") == weights


def test_what_is_unknown_stays_empty(sample):
    row = to_row(sample("own", silicon_data_source="source_file=data/x.csv; gtl_job_id=1"))
    assert row.text("concurrency_or_batch") == ""
    assert row.text("date") == ""


def test_bars_of_the_source_do_not_part_the_notes(sample):
    row = to_row(sample(silicon_data_source="db-dump/x; silicon_concurrency=4 | tp=9"))
    assert "tp" not in row.notes


@pytest.mark.parametrize("kind", ["aggregated", "own"])
def test_rows_are_predicted(sample, kind):
    found = predict_row(to_row(sample(kind)), shipped_coefficients())
    assert not found.refused
    assert found.tpot_ms is not None
    assert found.tpot_ms > 0


def test_a_file_is_read_as_it_is(sample, tmp_path):
    path = tmp_path / "silicon_sample.csv"
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(sample().cells))
        writer.writeheader()
        writer.writerow(sample().cells)
    assert read_samples(path) == [sample()]
