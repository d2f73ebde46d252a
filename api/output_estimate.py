"""An estimate for people: memory, step time and latency, every term of each sum."""

from __future__ import annotations

from typing import TYPE_CHECKING

from api.output import console

if TYPE_CHECKING:
    from rich.console import Console

    from solver.estimate import Estimate

TERMS = {
    "engine": "engine: scheduler, sampling",
    "layers": "layers: launches and small kernels",
    "weights": "weights streamed from memory",
    "compute": "matrix products",
    "kv": "KV cache read",
    "collectives": "collectives between TP ranks",
    "hops": "pipeline hops",
    "total": "one decode step",
}


def show_estimate(estimate: Estimate) -> None:
    """Print an estimate."""
    out = console()
    shape, request = estimate.shape, estimate.request
    pipeline = f" PP{shape.pp}" if shape.pp > 1 else ""
    out.print(
        f"\n[bold]{estimate.architecture.name}[/] on {shape.gpus} × {shape.accelerator.name}, "
        f"TP{shape.tp}{pipeline}, weights {shape.weights}, KV {shape.kv}, {request.engine}, "
        f"{request.role}"
    )
    out.print(
        f"products at the {estimate.compute} rate, quality loss {estimate.quality_loss_pct:g} %, "
        f"{estimate.architecture.params_total / 1e9:,.2f} B parameters "
        f"({estimate.architecture.params_active / 1e9:,.2f} B active)"
    )
    _memory(out, estimate)
    if not estimate.fits:
        tokens = request.isl + request.osl
        out.print(f"[bold red]Does not fit[/]: not even one sequence of {tokens:,.0f} tokens.")
        return
    _steps(out, estimate)
    _load(out, estimate)


def _memory(out: Console, estimate: Estimate) -> None:
    m = estimate.memory_gb
    out.print("[bold]Memory of each accelerator[/] (GB)")
    out.print(
        f"      {m['reported']:.2f} reported, {m['usable']:.2f} usable "
        f"- {m['weights']:.2f} weights - {m['workspace']:.2f} workspace "
        f"- {m['reserve']:.2f} engine = {m['kv']:.2f} for KV"
    )
    out.print(
        f"      {estimate.kv_bytes_per_token:,.0f} bytes of KV a token over all ranks; "
        f"room for {estimate.kv_capacity_tokens:,.0f} tokens"
    )


def _steps(out: Console, estimate: Estimate) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    from solver.estimate import step_ms

    table = Table(box=SIMPLE_HEAD, pad_edge=False)
    table.add_column("decode step (ms)")
    table.add_column("1 sequence", justify="right")
    assert estimate.idle_step is not None
    idle = step_ms(estimate.idle_step)
    loaded = None if estimate.prediction is None else step_ms(estimate.prediction.step)
    if loaded is not None and estimate.prediction is not None:
        seen = min(estimate.prediction.concurrency + 1, estimate.prediction.slots)
        table.add_column(f"{seen:,.1f} sequences", justify="right")
    for key, label in TERMS.items():
        cells = [label if key != "total" else f"[bold]{label}[/] (weights or products, not both)"]
        cells += [f"{column[key]:.3f}" for column in (idle, loaded) if column is not None]
        table.add_row(*cells)
    out.print(table)
    prefill = " + ".join(f"{v:.1f} ms {k}" for k, v in estimate.prefill_ms.items())
    out.print(f"Prefill of {estimate.request.isl:,.0f} tokens adds {prefill} to its steps.")


def _load(out: Console, estimate: Estimate) -> None:
    request, p = estimate.request, estimate.prediction
    targets = [
        f"{name} {value:g} ms"
        for name, value in (
            ("TTFT", request.ttft_ms),
            ("TPOT", request.tpot_ms),
            ("end to end", request.e2e_ms),
        )
        if value is not None
    ]
    limits = f"{', '.join(targets)} at p{request.percentile:g}"
    if estimate.admissible_rps:
        out.print(f"[bold]Admits {estimate.admissible_rps:.4g} requests/s[/] within {limits}.")
    else:
        out.print(f"[bold red]Admits nothing[/]: even idle it misses {limits}.")
    if p is None:
        return
    out.print(
        f"At {p.rate_rps:.4g} requests/s: {p.output_tokens_per_s:,.0f} output tokens/s, "
        f"{p.concurrency:.1f} sequences decoding of {p.slots} slots, utilisation "
        f"{p.utilization:.0%}, KV {p.kv_occupancy:.0%} full (latencies ±{p.error_band_pct:g} %)"
    )
    for name, figures in (("TTFT", p.ttft_ms), ("TPOT", p.tpot_ms)):
        if figures:
            shown = ", ".join(f"{k} {v:,.1f} ms" for k, v in figures.items())
            out.print(f"      {name}: {shown}")
