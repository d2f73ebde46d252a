"""Samples of the benchmark of accuracy, a handful written out."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from benchmarks.accuracy.samples import Sample

AGGREGATED = {
    "id": "minimaxm2_5_b300_vllm_fp8_agg_8192x1024_c128_cfg733",
    "silicon_data_source": "db-dump/2026-04-27; config_id=733; silicon_concurrency=128; "
    "measured=2026-04-17T00:00:00.000Z; workflow_run_id=758; vllm/vllm-openai:v0.19.0-cu130",
    "backend": "vllm",
    "backend_version": "0.19.0",
    "model_path": "MiniMaxAI/MiniMax-M2.5",
    "system": "b300_sxm",
    "precision": "fp8",
    "mode": "agg",
    "isl": "8192",
    "osl": "1024",
    "gemm_quant_mode": "fp8",
    "moe_quant_mode": "fp8",
    "batch_size": "128",
    "tp_size": "4",
    "pp_size": "1",
    "attention_dp_size": "1",
    "moe_tp_size": "4",
    "moe_ep_size": "1",
    "silicon_ttft_ms": "972.3109823355117",
    "silicon_tpot_ms": "33.442908754168066",
}
"""InferenceX: MiniMax-M2.5 in FP8 on four B300."""

DISAGGREGATED = {
    "id": "dsr1_h200_sglang_fp8_disagg_1024x1024_c256_cfg434",
    "silicon_data_source": "db-dump/2026-04-27; config_id=434; silicon_concurrency=256; "
    "measured=2026-02-07T00:00:00.000Z; workflow_run_id=266; lmsysorg/sglang:v0.5.8.post1-cu130",
    "backend": "sglang",
    "backend_version": "0.5.8.post1",
    "model_path": "deepseek-ai/DeepSeek-V3",
    "system": "h200_sxm",
    "precision": "fp8",
    "mode": "disagg",
    "isl": "1024",
    "osl": "1024",
    "gemm_quant_mode": "fp8",
    "moe_quant_mode": "fp8_block",
    "prefill_batch_size": "1.0",
    "prefill_num_workers": "2.0",
    "prefill_tp_size": "8.0",
    "prefill_pp_size": "1.0",
    "prefill_attention_dp_size": "1.0",
    "prefill_moe_tp_size": "8.0",
    "prefill_moe_ep_size": "1.0",
    "decode_batch_size": "32.0",
    "decode_num_workers": "1.0",
    "decode_tp_size": "1.0",
    "decode_pp_size": "1.0",
    "decode_attention_dp_size": "8.0",
    "decode_moe_tp_size": "1.0",
    "decode_moe_ep_size": "8.0",
    "silicon_ttft_ms": "1037.036",
    "silicon_tpot_ms": "20.166",
}
"""InferenceX: DeepSeek on two prefill workers and a decode worker of eight H200 each."""

OWN = {
    "id": "qwen_qwen3_32b_h100_sxm_vllm_agg_1000x500_c8_tp2",
    "silicon_data_source": "source_file=data/h100_sxm/vllm/0.12.0/Qwen_Qwen3-32B.csv; "
    "silicon_concurrency=8",
    "backend": "vllm",
    "backend_version": "0.12.0",
    "model_path": "Qwen/Qwen3-32B",
    "system": "h100_sxm",
    "precision": "",
    "mode": "agg",
    "isl": "1000",
    "osl": "500",
    "batch_size": "8",
    "tp_size": "2.0",
    "pp_size": "1.0",
    "moe_tp_size": "1.0",
    "moe_ep_size": "0.0",
    "silicon_ttft_ms": "95.5",
    "silicon_tpot_ms": "17.25",
}
"""AIConfigurator's own: Qwen3-32B as published on two H100."""


@pytest.fixture(scope="session")
def sample() -> Callable[..., Sample]:
    """Return the sample of a kind with some columns changed."""
    kinds = {"aggregated": AGGREGATED, "disaggregated": DISAGGREGATED, "own": OWN}

    def make(kind: str = "aggregated", **changed: str) -> Sample:
        return Sample({**kinds[kind], **changed})

    return make
