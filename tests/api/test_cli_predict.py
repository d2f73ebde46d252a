"""``minfleet predict``."""

import csv
import json

import pytest

HEADER = (
    "source,engine,model,gpu,tp,precision_weights,isl,osl,concurrency_or_batch,request_rate,"
    "tpot_ms_median,scenario,notes"
)
LINES = (
    "lab,vllm,meta-llama/Llama-3.1-70B,H100-SXM,4,fp8,1024,256,16,,17.0,closed-loop-agg,a | b",
    "lab,trtllm,Mixtral 8x7B,H200,2,fp8,1024,256,,2.0,,,",
    "lab,sglang,gpt-oss-20b,B200,1,,512,64,8,,,static-batch,",
    "lab,trtllm,Llama-3.1-8B,H100-SXM,1,fp8,512,64,,,,max-throughput-offline,",
    "lab,vllm,unheard-of,H100-SXM,1,fp8,512,64,8,,,,",
    "lab,vllm,Llama-3.1-8B,abacus,1,fp8,512,64,8,,,,",
    "lab,vllm,Llama-3.1-8B,H100-SXM,1,fp8,many,64,8,,,,",
    "lab,vllm,Llama-3.1-405B,H100-SXM,1,fp8,512,64,8,,,,",
)


@pytest.fixture
def rows(tmp_path):
    path = tmp_path / "rows.csv"
    path.write_text("\n".join((HEADER, *LINES)) + "\n")
    return path


def test_no_row_is_dropped_and_no_column_lost(invoke, rows, tmp_path):
    out = tmp_path / "out.csv"
    result = invoke("predict", rows, "--out", out)
    assert result.exit_code == 0, result.output
    before, after = (list(csv.DictReader(p.open())) for p in (rows, out))
    assert [{k: v for k, v in a.items() if k in b} for a, b in zip(after, before, strict=True)] == (
        before
    )
    refused = [a["refused"] for a in after]
    assert refused[:4] == [""] * 4
    assert refused[4:] == [
        "model 'unheard-of' is not in the catalogue",
        "accelerator 'abacus' is not in the catalogue",
        "isl 'many' is not a number",
        "the weights do not fit the memory",
    ]
    for a in after[:4]:
        assert float(a["predicted_output_tok_per_s"]) > 0
        assert float(a["error_band_pct"]) > 0
    assert float(after[0]["predicted_tpot_ms"]) == pytest.approx(17, rel=0.3)
    assert after[3]["predicted_tpot_ms"] == after[4]["predicted_tpot_ms"] == ""


def test_the_summary_says_how_far_off(invoke, rows):
    shown = invoke("predict", rows).stdout
    assert "4 of 8 rows predicted" in shown
    assert "tpot_ms" in shown
    assert "--out OUT.csv" in shown


def test_json(invoke, rows):
    document = json.loads(invoke("predict", rows, "--json").stdout)
    assert document["schema"] == "minfleet/predictions/v1"
    assert len(document["rows"]) == 8
    (error,) = document["errors"]
    assert (error["figure"], error["rows"]) == ("tpot_ms", 1)
    assert sum(document["refused"].values()) == 4


def test_processes_change_nothing(invoke, rows):
    alone, two = (invoke("predict", rows, "--json", "--workers", n).stdout for n in (1, 2))
    assert alone == two


def test_bad_files(invoke, tmp_path):
    result = invoke("predict", tmp_path / "none.csv")
    assert result.exit_code == 2
    assert "no such file" in result.stderr
