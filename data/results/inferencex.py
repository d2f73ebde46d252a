"""Results of InferenceX (InferenceMAX), ``agg_*.json``: one row an object, or a list of them.

Layouts of ``utils/process_result.py``: the first (``hw, tp, ep, dp_attention, conc, model,
framework, precision``, without lengths) and the later one (``isl, osl, image, disagg,
is_multinode, spec_decoding``, and for several nodes ``prefill_*``, ``decode_*``,
``num_prefill_gpu``, ``num_decode_gpu``). Latencies are in seconds, ``*_intvty`` is 1/TPOT. Rates
are a GPU: output is divided by TP on one node, by the decode GPUs on several. A run sends 10
requests a client, of lengths drawn evenly from 0.8 of ``isl`` and ``osl`` to the whole. Where
``dp_attention`` is true, ``tp`` GPUs hold the attention once each.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from data.accelerators import canonical_accelerator, shipped_accelerators
from data.errors import CatalogError
from data.results.run import Run, Spread, spread
from data.results.values import count, first_at, number

ENGINES = {"trt": "trtllm", "trtllm": "trtllm", "tensorrt-llm": "trtllm"}
"""Frameworks that have another name here."""


def is_inferencex(document: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a result row of InferenceX."""
    return "hw" in document and ("tput_per_gpu" in document or "conc" in document)


def read_inferencex(document: Mapping[str, Any], place: str) -> Run:
    """Return the run of one row.

    Raises
    ------
    CatalogError
        If the row is of an agentic or image benchmark, or a figure is no number.
    """
    scenario = str(document.get("scenario_type") or "")
    if scenario.startswith("agentic") or document.get("modality") not in (None, "", "text"):
        kind = scenario or document.get("modality")
        raise CatalogError(
            f"{place}: is an InferenceX row of the {str(kind)[:30]!r} benchmark, which has no "
            "fixed prompt and output length; give rows of the fixed-length benchmark."
        )
    apart = _true(document.get("disagg")) or _true(document.get("is_multinode"))
    tp = count(document.get("decode_tp" if apart else "tp"), "tp", place)
    gpus = _gpus(document, apart, tp, place)
    rated = number(document.get("num_decode_gpu"), "num_decode_gpu", place) if apart else gpus
    output = number(document.get("output_tput_per_gpu"), "output_tput_per_gpu", place)
    attention = _true(document.get("decode_dp_attention" if apart else "dp_attention"))
    speculation = str(first_at(document, "spec_decoding", "mtp") or "none")
    framework = str(document.get("framework") or "").strip().lower()
    engine = framework.rpartition("-")[2] if framework.startswith("dynamo") else framework
    figures = {
        m: spread(_figures(document, m), 1e3, m.upper(), place) for m in ("ttft", "tpot", "e2el")
    }
    _check_interactivity(document, figures["tpot"], place)
    return Run(
        place=place,
        source="inferencex",
        cells={
            "engine": ENGINES.get(engine, engine),
            "engine_version": first_at(document, "engine_version", "framework_version"),
            "model": document.get("model"),
            "gpu": _gpu(document.get("hw")),
            "gpu_count": gpus,
            "tp": 1 if attention else tp,
            "pp": count(document.get("decode_pp" if apart else "pp"), "pp", place),
            "ep": count(document.get("decode_ep" if apart else "ep"), "ep", place),
            "precision_weights": document.get("precision"),
            "isl": number(document.get("isl"), "isl", place) or None,
            "osl": number(document.get("osl"), "osl", place) or None,
            "concurrency_or_batch": count(document.get("conc"), "conc", place),
            "output_tok_per_s": output * rated if output and rated else None,
            "date": str(document.get("date") or "")[:10],
            "scenario": "closed-loop-disagg" if apart else "closed-loop-agg",
        },
        ttft=figures["ttft"],
        tpot=figures["tpot"],
        e2e_ms=figures["e2el"].typical,
        unit="s",
        notes=[
            "InferenceX",
            "lengths ~U[0.8L;L]",
            f"attention_dp={tp:g}" if attention and tp else "attention_dp=1",
            *(_workers(document, role, place) for role in ("prefill", "decode") if apart),
            f"framework={framework}",
            f"spec_decoding={speculation}" if speculation not in ("none", "off", "false") else "",
            f"image={document['image']}" if document.get("image") else "",
        ],
    )


def _figures(document: Mapping[str, Any], metric: str) -> dict[str, Any]:
    return {f: document.get(f"{f}_{metric}") for f in ("median", "mean", "p99")}


def _workers(document: Mapping[str, Any], role: str, place: str) -> str:
    """Return the workers of a role as `data.workers` reads them.

    Where their number is missing it is what the role's GPUs make up.
    """

    def degree(name: str) -> float:
        return count(document.get(f"{role}_{name}"), f"{role}_{name}", place) or 1.0

    ranks, pp, ep = degree("tp"), degree("pp"), degree("ep")
    gpus = count(document.get(f"num_{role}_gpu"), f"num_{role}_gpu", place)
    workers = count(document.get(f"{role}_num_workers"), f"{role}_num_workers", place)
    if not workers and gpus and gpus % (ranks * pp) == 0:
        workers = gpus / (ranks * pp)
    tp, dp = (1.0, ranks) if _true(document.get(f"{role}_dp_attention")) else (ranks, 1.0)
    number_of = f"{workers:g}" if workers else "?"
    return f"{role[0].upper()}:{number_of}x(tp{tp:g} pp{pp:g} dp{dp:g} ep{ep:g})"


def _gpus(document: Mapping[str, Any], apart: bool, tp: float | None, place: str) -> float | None:
    """GPUs of the deployment; on one node those that rates are divided by."""
    if not apart:
        pp = count(document.get("pp"), "pp", place) or 1.0
        return count(document.get("num_gpus"), "num_gpus", place) or (tp * pp if tp else None)
    parts = [
        number(document.get(k), k, place) or 0.0 for k in ("num_prefill_gpu", "num_decode_gpu")
    ]
    return sum(parts) or None


def _gpu(name: Any) -> str:
    """Return the accelerator; a runner's suffix (``b200-trt``) is left off where that helps."""
    text = str(name or "").strip()
    known = shipped_accelerators()
    for candidate in (text, text.partition("-")[0]):
        if canonical_accelerator(candidate, known, strict=False) in known:
            return candidate
    return text


def _check_interactivity(document: Mapping[str, Any], tpot: Spread, place: str) -> None:
    """Refuse a median TPOT that is not the inverse of the interactivity beside it."""
    stated = number(document.get("median_intvty"), "median_intvty", place)
    if not stated or not tpot.median:
        return
    product = stated * tpot.median / 1e3
    if 0.5 <= product <= 2:
        return
    unit = "ms, not seconds" if 500 <= product <= 2000 else "another unit than seconds"
    raise CatalogError(
        f"{place}: tpot looks like {unit}: median_tpot · median_intvty is {product:.3g} where "
        "1 is right; InferenceX holds latencies in seconds."
    )


def _true(value: Any) -> bool:
    return str(value).strip().lower() in ("true", "1")
