"""Samples as measurement rows (``docs/measurements.md``)."""

from __future__ import annotations

from benchmarks.accuracy.samples import SHORTEST, Sample
from data.measurements import MeasurementRow

FILE = "aiconfigurator_core/systems/silicon_sample.csv"
"""Where the package keeps the samples."""

UNIFORM = f"lengths ~U[{SHORTEST}L;L] (InferenceX RANDOM_RANGE_RATIO={SHORTEST}; mean 0.9L)"
"""Part of the notes from which prediction learns how lengths were drawn."""

ACCELERATORS = {
    "h100_sxm": "H100-SXM",
    "h200_sxm": "H200",
    "b200_sxm": "B200",
    "b300_sxm": "B300",
    "gb200": "GB200",
    "gb300": "GB300",
}
"""Systems of the samples → names that the catalogue knows."""

WEIGHTS = {"int4_wo": "int4"}
"""Formats that measurement rows call otherwise."""


def weights_of(sample: Sample) -> str:
    """Return the format of the weights; empty where none is recorded (as published)."""
    stored = sample.text("gemm_quant_mode") or sample.text("precision")
    return WEIGHTS.get(stored, stored)


def to_row(sample: Sample) -> MeasurementRow:
    """Return a sample as a measurement row.

    TTFT and TPOT are means, as benchmarks of a closed loop report them; they stand in the columns
    of the medians, which is what predictions are compared with. A disaggregated row takes TP and EP
    of its decode workers; both kinds of worker stand in the notes.
    """
    worker = "decode_" if sample.disaggregated else ""
    cells = {
        "source": "inferencex-via-aic" if sample.inferencex else "aiconfigurator-own",
        "source_url_or_path": f"{FILE}#{sample.text('id')}",
        "date": sample.date,
        "engine": sample.text("backend"),
        "engine_version": sample.text("backend_version"),
        "model": sample.text("model_path"),
        "gpu": ACCELERATORS.get(sample.text("system"), sample.text("system")),
        "gpu_count": _gpu_count(sample),
        "tp": str(sample.count(f"{worker}tp_size")),
        "pp": str(sample.count(f"{worker}pp_size")),
        "ep": str(sample.count(f"{worker}moe_ep_size")),
        "precision_weights": weights_of(sample),
        "precision_kv": "",
        "isl": sample.text("isl"),
        "osl": sample.text("osl"),
        "concurrency_or_batch": str(sample.concurrency or ""),
        "ttft_ms_median": sample.text("silicon_ttft_ms"),
        "tpot_ms_median": sample.text("silicon_tpot_ms"),
        "scenario": "closed-loop-disagg" if sample.disaggregated else "closed-loop-agg",
        "notes": " | ".join(_notes(sample)),
    }
    return MeasurementRow(f"{FILE}#{sample.text('id')}", cells)


def _gpu_count(sample: Sample) -> str:
    """Return the GPUs of the deployment; empty where the number of workers is unknown."""
    if not sample.disaggregated:
        return str(sample.gpus())
    workers = {w: sample.number(f"{w}num_workers") for w in ("prefill_", "decode_")}
    if not all(workers.values()):
        return ""
    return str(sum(int(n or 0) * sample.gpus(w) for w, n in workers.items()))


def _notes(sample: Sample) -> list[str]:
    """Return the parts of the notes: formats, parallelism beyond TP, lengths, the source's text."""
    parts = [
        f"precision_label={sample.text('precision')}",
        f"gemm={sample.text('gemm_quant_mode')}",
        f"moe={sample.text('moe_quant_mode')}",
    ]
    if sample.disaggregated:
        parts += [_workers(sample, role) for role in ("prefill_", "decode_")]
    else:
        parts += [
            f"attention_dp={sample.count('attention_dp_size')}",
            f"moe_tp={sample.count('moe_tp_size')}",
            f"moe_ep={sample.count('moe_ep_size')}",
            f"batch_size_col={_whole(sample, 'batch_size')}",
        ]
    if sample.inferencex:
        parts.append(UNIFORM)
    return [*parts, sample.source.replace("|", "/")]


def _workers(sample: Sample, role: str) -> str:
    """Return the workers of a role as `data.workers` reads them."""
    degrees = {
        "tp": sample.count(f"{role}tp_size"),
        "pp": sample.count(f"{role}pp_size"),
        "dp": sample.count(f"{role}attention_dp_size"),
        "ep": sample.count(f"{role}moe_ep_size"),
    }
    count = _whole(sample, f"{role}num_workers") or "?"
    return f"{role[0].upper()}:{count}x({' '.join(f'{k}{v}' for k, v in degrees.items())})"


def _whole(sample: Sample, column: str) -> str:
    value = sample.number(column)
    return "" if value is None else f"{value:g}"
