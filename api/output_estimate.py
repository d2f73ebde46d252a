"""An estimate for people: memory, step time and latency, every term of each sum."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from api.lines import Lines
from api.output import num

if TYPE_CHECKING:
    from model.predict import Prediction
    from solver.estimate import Estimate, MissedTarget

MEMORY = {
    "reported": "reported by the driver",
    "usable": "usable by the engine",
    "weights": "- weights",
    "workspace": "- workspace",
    "reserve": "- engine reserve",
    "kv": "= left for the KV cache",
}

LIMITS = {"ttft_ms": "TTFT", "tpot_ms": "TPOT", "e2e_ms": "end to end"}

TERMS = {
    "engine": "engine: scheduler, sampling",
    "layers": "layers: launches, small kernels",
    "weights": "weights streamed from memory *",
    "compute": "matrix products *",
    "experts": "routed experts, streamed and multiplied",
    "kv": "KV cache read",
    "collectives": "collectives between TP ranks",
    "hops": "pipeline hops",
    "total": "= one step (of * the root of their squares)",
}


def show_estimate(estimate: Estimate) -> None:
    """Print an estimate."""
    out = Lines()
    _headline(out, estimate)
    _memory(out, estimate)
    if estimate.fits:
        _steps(out, estimate)
        _load(out, estimate)
        _remarks(out, estimate)
        return
    tokens = estimate.request.isl + estimate.request.osl
    out.line()
    out.text(
        f"Does not fit: not even one sequence of {tokens:,.0f} tokens. Give it more accelerators "
        "(--tp) or narrower weights (--weights fp8, int4).",
        style="bold red",
    )
    _remarks(out, estimate)


def _remarks(out: Lines, estimate: Estimate) -> None:
    if estimate.remarks:
        out.line()
        out.rows((("!", f"{r}.") for r in estimate.remarks), style="yellow")


def _headline(out: Lines, estimate: Estimate) -> None:
    shape, request, a = estimate.shape, estimate.request, estimate.architecture
    degrees = f"TP{shape.tp}" + "".join(
        f" {name}{value}" for name, value in (("PP", shape.pp), ("EP", shape.ep)) if value > 1
    )
    out.text(
        f"{a.name} on {shape.gpus} × {shape.accelerator.name}, {degrees}, {request.role}",
        style="bold",
    )
    active = "" if a.params_active == a.params_total else f" ({a.params_active / 1e9:,.2f} active)"
    out.text(
        f"{a.params_total / 1e9:,.2f}{active} billion parameters in {shape.weights}, "
        f"KV in {shape.kv}, products at the {estimate.compute} rate, "
        f"quality loss {estimate.quality_loss_pct:g}%, {request.engine}"
    )


def _memory(out: Lines, estimate: Estimate) -> None:
    out.title("Memory of each accelerator")
    out.table(
        ("", "GB"), [(label, f"{estimate.memory_gb[key]:.2f}") for key, label in MEMORY.items()]
    )
    out.text(
        f"room for {estimate.kv_capacity_tokens:,.0f} tokens; a token takes "
        f"{estimate.kv_bytes_per_token:,.0f} bytes over all ranks"
    )


def _steps(out: Lines, estimate: Estimate) -> None:
    from solver.estimate import step_ms

    assert estimate.idle_step is not None
    p = estimate.prediction
    columns = [step_ms(estimate.idle_step)]
    head = ["", "1 sequence"]
    if p is not None and estimate.request.role != "prefill":
        columns.append(step_ms(p.step))
        head.append(f"{min(p.concurrency + 1, p.slots):,.1f} sequences")
    out.title("One decode step (ms)")
    rows = [(label, *(f"{column[key]:,.3f}" for column in columns)) for key, label in TERMS.items()]
    out.table(head, rows)
    parts = ((k.replace("_", " "), v) for k, v in estimate.prefill_ms.items())
    prefill = " + ".join(f"{v:,.1f} ms {k}" for k, v in parts)
    out.text(f"Prefilling {estimate.request.isl:,.0f} tokens adds {prefill} to its steps.")


def _load(out: Lines, estimate: Estimate) -> None:
    request, p = estimate.request, estimate.prediction
    targets = [
        f"{name} {num(value)} ms"
        for name, value in (
            ("TTFT", request.ttft_ms),
            ("TPOT", request.tpot_ms),
            ("end to end", request.e2e_ms),
        )
        if value is not None
    ]
    limits = f"{', '.join(targets)} at p{request.percentile:g}"
    out.line()
    if estimate.admissible_rps:
        admits = f"{estimate.admissible_rps:.4g} requests/s"
        out.text(f"Admits {admits} within {limits}.", style="bold")
    else:
        missed = "; ".join(_miss(m, request.role) for m in estimate.missed) or limits
        out.text(
            f"Admits nothing: at p{request.percentile:g} even idle it misses {missed}.",
            style="bold red",
        )
    if p is not None:
        _figures(out, p)


def _miss(missed: MissedTarget, role: str) -> str:
    """Write by how much an idle replica misses a target."""
    name = LIMITS[missed.limit]
    if not missed.target_ms:
        return f"{name}, which moving the KV cache alone uses up"
    over = missed.value_ms / missed.target_ms - 1
    part = "" if role == "aggregated" else f", the {role} pool's part of the target"
    return (
        f"{name}: {num(missed.value_ms)} ms against {num(missed.target_ms)} ms ({over:+,.0%}){part}"
    )


def _figures(out: Lines, p: Prediction) -> None:
    out.text(
        f"At {p.rate_rps:.4g} requests/s: {p.output_tokens_per_s:,.0f} output tokens/s, "
        f"{p.concurrency:.1f} sequences decoding of {p.slots} slots, utilisation "
        f"{p.utilization:.0%}, KV {p.kv_occupancy:.0%} full."
    )
    names = tuple(p.ttft_ms)
    rows = [
        (f"{name} (ms)", *(_figure(v) for v in figures.values()))
        for name, figures in (("TTFT", p.ttft_ms), ("TPOT", p.tpot_ms))
        if figures
    ]
    out.line()
    out.table((f"latency ±{p.error_band_pct:g}%", *names), rows)
    if not all(math.isfinite(v) for v in p.ttft_ms.values()):
        out.text("More than it can serve: the queue grows without end.", style="bold red")


def _figure(value: float) -> str:
    return f"{value:,.1f}" if math.isfinite(value) else "∞"
