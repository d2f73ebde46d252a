"""Results of vLLM's serving benchmark.

The JSON that ``benchmarks/benchmark_serving.py`` (0.4 to 0.10) and ``vllm bench serve`` (0.9 on)
write with ``--save-result`` or ``--append-result``; the serving benchmarks of SGLang and
TensorRT-LLM descend from it and write these keys too. Latencies are in ms. TPOT is (e2e − ttft) /
(osl − 1) per request. ``request_rate`` is ``"inf"`` where all requests are sent at once, up to
``max_concurrency``; ``--metadata tp=4 gpu=h100_sxm`` puts what it is given beside the results.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from data.errors import CatalogError
from data.results.run import Run, check_completed, drive, spread
from data.results.values import as_cell, count, first_at, number

ENGINES = {"vllm": "vllm", "sglang": "sglang", "tensorrt-llm": "trtllm", "trt": "trtllm"}
"""Client protocols named after an engine → the engine they suggest."""

TELLING = ("request_throughput", "total_input_tokens", "output_throughput", "mean_ttft_ms")
"""Keys of which a result has at least one beside ``completed``."""

METADATA = {
    "engine": ("engine",),
    "engine_version": ("engine_version", "vllm_version", "version"),
    "gpu": ("gpu", "gpu_name", "gpu_type", "accelerator", "hardware"),
    "gpu_count": ("gpu_count", "num_gpus"),
    "tp": ("tp", "tensor_parallel_size", "tensor_parallel"),
    "pp": ("pp", "pipeline_parallel_size", "pipeline_parallel"),
    "ep": ("ep", "expert_parallel_size"),
    "precision_weights": ("precision_weights", "quantization"),
    "precision_kv": ("precision_kv", "kv_cache_dtype"),
}
"""Columns → names under which ``--metadata`` may hold them."""


def is_vllm(document: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a result of this benchmark."""
    return "completed" in document and any(k in document for k in TELLING)


def read_vllm(document: Mapping[str, Any], place: str) -> Run:
    """Return the run of one result.

    Raises
    ------
    CatalogError
        If no request completed, a figure is no number, or the load rose during the run.
    """
    completed = number(document["completed"], "completed", place) or 0.0
    failed = number(document.get("failed"), "failed", place)
    sent = number(document.get("num_prompts"), "num_prompts", place) or completed + (failed or 0)
    check_completed(completed, failed or sent, place)
    if document.get("ramp_up_strategy"):
        raise CatalogError(
            f"{place}: the request rate rose during the run (ramp_up_strategy), so its figures "
            "mix loads; measure at one rate."
        )
    rate = _rate(document.get("request_rate"), place)
    clients = count(document.get("max_concurrency"), "max_concurrency", place)
    how = drive(rate, clients)
    if how["scenario"] is None and str(document.get("request_rate", "")).lower() == "inf":
        how |= {"concurrency_or_batch": sent, "scenario": "static-batch"}
    burstiness = number(document.get("burstiness"), "burstiness", place)
    notes = [
        "lengths are means",
        f"backend={document['backend']}" if document.get("backend") else "",
        f"completed={completed:.0f}",
        f"failed={failed:.0f}" if failed else "",
        f"burstiness={burstiness:g}" if rate and burstiness not in (None, 1.0) else "",
    ]
    return Run(
        place=place,
        source="vllm-bench-serve",
        cells={c: first_at(document, *names) for c, names in METADATA.items()}
        | {
            "model": document.get("model_id"),
            "date": _date(document.get("date")),
            "isl": _per_request(document, "total_input_tokens", completed, place),
            "osl": _per_request(document, "total_output_tokens", completed, place),
            "req_per_s": count(document.get("request_throughput"), "request_throughput", place),
            "output_tok_per_s": count(
                document.get("output_throughput"), "output_throughput", place
            ),
        }
        | how,
        presumed={"engine": ENGINES.get(str(document.get("backend", "")).lower())},
        ttft=spread(_figures(document, "ttft"), 1.0, "TTFT", place),
        tpot=spread(_figures(document, "tpot"), 1.0, "TPOT", place),
        e2e_ms=spread(_figures(document, "e2el"), 1.0, "E2EL", place).typical,
        notes=notes,
    )


def _figures(document: Mapping[str, Any], metric: str) -> dict[str, Any]:
    return {f: document.get(f"{f}_{metric}_ms") for f in ("median", "mean", "p99")}


def _per_request(
    document: Mapping[str, Any], key: str, completed: float, place: str
) -> float | None:
    total = count(document.get(key), key, place)
    return None if total is None else total / completed


def _rate(value: Any, place: str) -> float | None:
    """Rate of an open loop; None where requests are sent at once ("inf") or it is not said."""
    if isinstance(value, str) and value.strip().lower() in ("inf", "infinity"):
        return None
    if isinstance(value, float) and value == math.inf:
        return None
    return count(value, "request_rate", place)


def _date(value: Any) -> str:
    """``20260617-164242`` as ``2026-06-17``; anything else as it is."""
    text = as_cell(value)
    day = text[:8]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}" if text[8:9] == "-" and day.isdigit() else text
