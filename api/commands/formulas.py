"""The closed-form formulas of ``minfleet stack``: memory, tokens, drafts and all-reduces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import click

from api.output import json_option, num, option, own, show, usd


@click.command()
@own("--params-b", float, "Parameters in billions, of a model of your own.")
@own("--layers", int, "Its layers.")
@own("--hidden", int, "Its hidden width.")
@own("--context", int, "Tokens of context a request.")
@own("--requests", int, "Concurrent requests.")
@option("--bytes-per-weight", 2.0, "2 for bf16, 1 for fp8, 0.5 for int4.")
@option("--bytes-per-kv", 2.0, "Bytes a cached value.")
@option("--gpu-memory-gb", 80.0, "Memory of a GPU.")
@option("--gqa-factor", (1.0, 8.0), "Attention heads / KV heads.")
@json_option
def bound(
    params_b: float | None,
    layers: int | None,
    hidden: int | None,
    context: int | None,
    requests: int | None,
    bytes_per_weight: float,
    bytes_per_kv: float,
    gpu_memory_gb: float,
    gqa_factor: tuple[float, ...],
    as_json: bool,
) -> None:
    """Fewest GPUs that hold weights and KV cache.

    ⌈(P·b + 2·L·H·b_kv·C·R / GQA factor) / M⌉ for C tokens of R requests.
    """
    from data.errors import InputError
    from model.sizing import GB, WHITEBOARD_MODELS, gpu_lower_bound, positive

    models: list[tuple[str, Any, int, int]] = [
        (m.name, m.parameters, m.layers, m.hidden) for m in WHITEBOARD_MODELS
    ]
    if params_b is not None and layers is not None and hidden is not None:
        parameters = positive("--params-b", params_b) * GB
        models = [(f"{params_b:g}B", parameters, layers, hidden)]
    elif (params_b, layers, hidden) != (None, None, None):
        raise InputError("--params-b, --layers and --hidden go together; give all three.")
    points = [(8_000, 32), (128_000, 256)]
    if context is not None and requests is not None:
        points = [(context, requests)]
    elif (context, requests) != (None, None):
        raise InputError("--context and --requests go together; give both.")
    rows, found = [], []
    for tokens, many in points:
        for factor in gqa_factor:
            for name, parameters, depth, width in models:
                answer = gpu_lower_bound(
                    parameters,
                    depth,
                    width,
                    tokens,
                    many,
                    bytes_per_weight=bytes_per_weight,
                    bytes_per_kv=bytes_per_kv,
                    gqa_factor=factor,
                    gpu_memory_gb=gpu_memory_gb,
                )
                point = {"model": name, "context_tokens": tokens, "requests": many}
                found.append({**point, "gqa_factor": factor, **asdict(answer)})
                rows.append(
                    (
                        name,
                        f"{tokens:,} × {many:,}",
                        num(factor),
                        num(answer.weights_gb),
                        num(answer.kv_gb),
                        f"{answer.kv_share:.1%}",
                        num(answer.gpus),
                    )
                )
    headings = ("Model", "Tokens × requests", "GQA", "Weights GB", "KV GB", "KV share", "GPUs")
    title = f"Fewest GPUs of {num(gpu_memory_gb)} GB"
    note = "A bound, not a plan: no workspace, no reserve, and memory is not throughput."
    show(as_json, "stack-bound", {"bounds": found}, [(title, headings, rows)], [note])


@click.command()
@option("--params-b", (7.0, 70.0, 405.0), "Parameters in billions.")
@option("--bytes-per-weight", 2.0, "2 for bf16, 1 for fp8, 0.5 for int4.")
@option("--bandwidth-gb-per-s", 2_000.0, "Memory bandwidth.")
@json_option
def wall(
    params_b: tuple[float, ...], bytes_per_weight: float, bandwidth_gb_per_s: float, as_json: bool
) -> None:
    """Memory wall: most tokens/s of one sequence.

    Memory bandwidth / weight bytes: each token reads every weight once.
    """
    from model.sizing import GB, memory_wall_tokens_per_s, positive

    rows, found = [], []
    for size in params_b:
        parameters = positive("--params-b", size) * GB
        rate = memory_wall_tokens_per_s(parameters, bytes_per_weight, bandwidth_gb_per_s)
        weights = size * bytes_per_weight
        found.append({"params_b": size, "weights_gb": weights, "tokens_per_s": rate})
        rows.append((f"{size:g}B", num(weights), f"{rate:,.1f}", f"{1000 / rate:,.2f}"))
    document = {"bandwidth_gb_per_s": bandwidth_gb_per_s, "walls": found}
    title = f"One sequence on {num(bandwidth_gb_per_s)} GB/s"
    headings = ("Model", "Weights GB", "Tokens/s at most", "ms a token at least")
    note = "Batching shares the read among sequences; it does not shorten one sequence's token."
    show(as_json, "stack-wall", document, [(title, headings, rows)], [note])


@click.command()
@option("--layers", 80, "Layers of the model.")
@option("--kv-heads", (8, 64), "KV heads (MHA: the attention heads).")
@option("--head-dim", 128, "Values a head.")
@option("--bytes-per-value", 2.0, "2 for 16 bits, 1 for fp8.")
@option("--tokens", (4_096, 131_072), "Tokens of a sequence.")
@option("--gpu-memory-gb", 80.0, "For the batch ceiling.")
@option("--weights-gb", 14.0, "For the batch ceiling.")
@option("--kv-gb-per-sequence", 5.0, "For the batch ceiling.")
@json_option
def kv(
    layers: int,
    kv_heads: tuple[int, ...],
    head_dim: int,
    bytes_per_value: float,
    tokens: tuple[int, ...],
    gpu_memory_gb: float,
    weights_gb: float,
    kv_gb_per_sequence: float,
    as_json: bool,
) -> None:
    """KV cache of a sequence, and the batch that fits.

    2 · layers · KV heads · head dimension · bytes · tokens; the example is Llama-2-70B.
    """
    from model.sizing import GB, batch_ceiling, kv_bytes_per_sequence

    rows, found = [], []
    for length in tokens:
        for heads in kv_heads:
            size = kv_bytes_per_sequence(layers, heads, head_dim, length, bytes_per_value) / GB
            found.append({"tokens": length, "kv_heads": heads, "kv_gb_per_sequence": size})
            rows.append((f"{length:,}", f"{heads:,}", f"{size:,.2f}"))
    ceiling = batch_ceiling(gpu_memory_gb, weights_gb, kv_gb_per_sequence)
    document = {"sequences": found, "batch_ceiling": ceiling}
    note = (
        f"Batch ceiling: ⌊({num(gpu_memory_gb)} − {num(weights_gb)}) / {num(kv_gb_per_sequence)}⌋ "
        f"= {ceiling:,} sequences."
    )
    title = f"{layers:,} layers, head dimension {head_dim:,}, {bytes_per_value:g} bytes a value"
    headings = ("Tokens", "KV heads", "GB a sequence")
    show(as_json, "stack-kv", document, [(title, headings, rows)], [note])


@click.command()
@own("--price-per-hour", float, "US dollars an hour of your own machine.")
@own("--tokens-per-s", float, "Its tokens/s.")
@json_option
def tokens(price_per_hour: float | None, tokens_per_s: float | None, as_json: bool) -> None:
    """Cost of a million tokens: price / (3,600 · tokens/s) · 1e6."""
    from data.errors import InputError
    from model.sizing import cost_per_million_tokens_usd

    cases = [(2.50, 800.0), (20.0, 3_000.0), (32.0, 8_000.0)]
    if price_per_hour is not None and tokens_per_s is not None:
        cases = [(price_per_hour, tokens_per_s)]
    elif (price_per_hour, tokens_per_s) != (None, None):
        raise InputError("--price-per-hour and --tokens-per-s go together; give both.")
    costs = [cost_per_million_tokens_usd(price, speed) for price, speed in cases]
    found = [
        {"price_per_hour_usd": p, "tokens_per_s": s, "cost_per_million_tokens_usd": c}
        for (p, s), c in zip(cases, costs, strict=True)
    ]
    rows = [(usd(p), num(s), usd(c)) for (p, s), c in zip(cases, costs, strict=True)]
    headings = ("Price/h", "Tokens/s", "Per million tokens")
    note = "At full use: at 50 % utilization a million tokens cost twice as much."
    show(as_json, "stack-tokens", {"costs": found}, [("Cost of tokens", headings, rows)], [note])


@click.command()
@option("--draft-tokens", 5, "k drafted a round.")
@option("--accepted", 3.5, "Of them accepted, on average.")
@option("--acceptance", 0.8, "Chance of one to be accepted.")
@own(
    "--draft-cost-ratio",
    float,
    "Draft pass over target pass.  [default: 0.07 with --accepted, 0.05 with --acceptance]",
)
@option("--max-draft-tokens", 64, "Longest k tried.")
@json_option
def speculative(
    draft_tokens: int,
    accepted: float,
    acceptance: float,
    draft_cost_ratio: float | None,
    max_draft_tokens: int,
    as_json: bool,
) -> None:
    """Speculative decoding: gain, best draft length.

    (accepted + 1) / (1 + k · draft cost), with a · (1 − a^k) / (1 − a) tokens accepted of k drafted
    when each is accepted with chance a (Leviathan et al. 2023).
    """
    from model.speculative import (
        best_draft_length,
        break_even_acceptance,
        expected_accepted,
        speedup,
    )

    measured_cost = 0.07 if draft_cost_ratio is None else draft_cost_ratio
    cost = 0.05 if draft_cost_ratio is None else draft_cost_ratio
    gain = speedup(accepted, draft_tokens, measured_cost)
    best = best_draft_length(acceptance, cost, max_draft_tokens)
    lengths = sorted({1, 2, 4, 8, 16, max(1, best.draft_tokens), max(1, draft_tokens)})
    cases = [
        {
            "draft_tokens": k,
            "expected_accepted": expected_accepted(acceptance, k),
            "speedup": speedup(expected_accepted(acceptance, k), k, cost),
            "break_even_acceptance": break_even_acceptance(k, cost),
        }
        for k in lengths
    ]
    rows = [
        (
            f"{c['draft_tokens']}" + (" ← best" if c["draft_tokens"] == best.draft_tokens else ""),
            f"{c['expected_accepted']:.2f}",
            f"{c['speedup']:.2f}×",
            "none" if (even := c["break_even_acceptance"]) is None else f"{even:.3f}",
        )
        for c in cases
    ]
    notes = [
        f"Measured: k = {draft_tokens}, {num(accepted)} accepted, draft cost {num(measured_cost)}: "
        + f"{num(accepted + 1)} tokens per {num(1 + draft_tokens * measured_cost)} passes = "
        + f"{gain:.1f}×.",
        f"Best k is {best.draft_tokens} at {best.speedup:.2f}×"
        + (" (the longest tried)" if best.at_limit else "")
        + f"; within 1 %: k = {_span(best.within_1_pct)}; within 5 %: k = "
        f"{_span(best.within_5_pct)}.",
        "Holds while decoding is bound by memory; a large batch gains less.",
    ]
    document = {
        "measured": {
            "draft_tokens": draft_tokens,
            "accepted_tokens": accepted,
            "draft_cost_ratio": measured_cost,
            "speedup": gain,
        },
        "best": {"acceptance": acceptance, "draft_cost_ratio": cost, **asdict(best)},
        "lengths": cases,
    }
    title = f"Acceptance {num(acceptance)}, draft cost {num(cost)} of a target pass"
    headings = ("k", "Accepted", "Speed-up", "Break-even acceptance")
    show(as_json, "stack-speculative", document, [(title, headings, rows)], notes)


def _span(lengths: Sequence[int]) -> str:
    """Write neighbouring draft lengths as first–last."""
    return f"{lengths[0]}–{lengths[-1]}" if len(lengths) > 1 else f"{lengths[0]}"


@click.command()
@option("--width", 8_192, "Hidden width of the model.")
@option("--bytes-per-value", 2.0, "2 for 16 bits, 1 for fp8.")
@option("--tokens", 1, "Tokens in the step.")
@option("--layers", 80, "Two all-reduces each.")
@option("--weights-gb", 140.0, "Weights of the model.")
@option("--tp", (1, 2, 4, 8), "Tensor-parallel degree.")
# 0.6 and 1.0 us: ring hops of the LL protocol in NCCL's src/graph/tuning.cc. 450 GB/s: NVLink 4.
@option("--latency-us", 0.6, "Of a hop: 0.6 is NCCL's figure for NVLink, 1.0 for PCIe.")
@option("--bandwidth-gb-per-s", 450.0, "Of a GPU's link, one way; 450 is the H100's NVLink.")
@json_option
def allreduce(
    width: int,
    bytes_per_value: float,
    tokens: int,
    layers: int,
    weights_gb: float,
    tp: tuple[int, ...],
    latency_us: float,
    bandwidth_gb_per_s: float,
    as_json: bool,
) -> None:
    """Weigh what TP saves in weights and pays in all-reduces.

    A ring of n: 2(n−1) · latency + 2(n−1)/n · bytes / bandwidth, twice a layer.
    """
    from model.sizing import positive, ring_all_reduce, weights_gb_per_gpu, whole

    size = whole("--width", width) * whole("--tokens", tokens)
    message = size * positive("--bytes-per-value", bytes_per_value)
    calls = 2 * whole("--layers", layers)
    rows, found = [], []
    for ranks in tp:
        held = weights_gb_per_gpu(weights_gb, ranks)
        time = ring_all_reduce(ranks, message, latency_us, bandwidth_gb_per_s)
        step_ms = calls * time.total_us / 1000
        found.append({"tp": ranks, "weights_gb": held, **asdict(time), "step_ms": step_ms})
        rows.append(
            (
                f"{ranks}",
                num(held),
                f"{time.latency_us:.2f}",
                f"{time.transfer_us:.3f}",
                f"{time.total_us:.2f}",
                f"{step_ms:.2f}",
            )
        )
    title = f"All-reduce of {num(float(message))} bytes over {num(bandwidth_gb_per_s)} GB/s"
    headings = ("TP", "GB a GPU", "Latency µs", "Transfer µs", "Total µs", f"× {calls:,} ms")
    document = {"message_bytes": float(message), "all_reduces_per_step": calls, "ranks": found}
    show(as_json, "stack-allreduce", document, [(title, headings, rows)])
