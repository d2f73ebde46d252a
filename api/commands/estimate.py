"""``minfleet estimate``: one replica, every term of the sum shown."""

from __future__ import annotations

import click

from api.model_options import coefficients_option
from api.numbers import FiniteRange
from api.output import json_option


@click.command()
@click.argument("model")
@click.option("--accelerator", required=True, help="Catalogue name or alias, e.g. h100_sxm.")
@click.option(
    "--tp",
    default=1,
    show_default=True,
    type=click.IntRange(1, 1024),
    help="Tensor-parallel degree.",
)
@click.option(
    "--pp",
    default=1,
    show_default=True,
    type=click.IntRange(1, 64),
    help="Pipeline-parallel degree.",
)
@click.option(
    "--ep",
    default=1,
    show_default=True,
    type=click.IntRange(1, 1024),
    help="Expert-parallel degree: 1 or the TP degree.",
)
@click.option(
    "--weights",
    default="bf16",
    show_default=True,
    type=click.Choice(["bf16", "fp8", "int8", "int4", "fp4"]),
    help="Weight format.",
)
@click.option(
    "--kv",
    default="bf16",
    show_default=True,
    type=click.Choice(["bf16", "fp8"]),
    help="KV-cache format.",
)
@click.option(
    "--batch-cap",
    default=256,
    show_default=True,
    type=click.IntRange(1, 65_536),
    help="Most sequences decoded at once.",
)
@click.option(
    "--role",
    default="aggregated",
    show_default=True,
    type=click.Choice(["aggregated", "prefill", "decode"]),
    help="Role of the replica.",
)
@click.option(
    "--isl", default=1024.0, show_default=True, type=FiniteRange(1, 1e7), help="Prompt tokens."
)
@click.option(
    "--osl", default=256.0, show_default=True, type=FiniteRange(1, 1e7), help="Output tokens."
)
@click.option(
    "--rate",
    "rate_rps",
    type=FiniteRange(0, 1e6, min_open=True),
    help="Requests/s on this replica; the most it admits by default.",
)
@click.option(
    "--ttft",
    "ttft_ms",
    default=1000.0,
    show_default=True,
    type=FiniteRange(0, min_open=True),
    help="TTFT target (ms).",
)
@click.option(
    "--tpot",
    "tpot_ms",
    default=50.0,
    show_default=True,
    type=FiniteRange(0, min_open=True),
    help="TPOT target (ms).",
)
@click.option("--e2e", "e2e_ms", type=FiniteRange(0, min_open=True), help="End-to-end target (ms).")
@click.option(
    "--percentile",
    default=99.0,
    show_default=True,
    type=FiniteRange(50, 99.99),
    help="Percentile of the targets.",
)
@click.option(
    "--engine",
    default="vllm",
    show_default=True,
    type=click.Choice(["vllm", "sglang", "trtllm"]),
    help="Serving engine.",
)
@click.option(
    "--chunk-tokens",
    default=8192,
    show_default=True,
    type=click.IntRange(128, 1_000_000),
    help="Token budget of one step.",
)
@click.option(
    "--prefix-hit",
    default=0.0,
    show_default=True,
    type=FiniteRange(0, 0.99),
    help="Share of the prompt that the prefix cache holds.",
)
@click.option(
    "--max-utilization",
    default=0.9,
    show_default=True,
    type=FiniteRange(0, 1, min_open=True),
    help="Share of saturation to use.",
)
@click.option(
    "--network-gbps",
    default=0.0,
    show_default=True,
    type=FiniteRange(0, 1e6),
    help="Network of the replica: KV hand-over, or pipeline stages between nodes.",
)
@click.option("--cross-node", is_flag=True, help="Put each pipeline stage on a node of its own.")
@coefficients_option
@json_option
def estimate(as_json: bool, **given: object) -> None:
    """Show memory, TTFT, TPOT and throughput of one replica of MODEL, term by term.

    MODEL is a catalogue name, a Hugging Face id, or the path of a config.json.
    """
    from api.output import print_json
    from api.output_estimate import show_estimate
    from solver.estimate import Request, estimate_replica

    answer = estimate_replica(Request(**given))  # type: ignore[arg-type]
    if as_json:
        print_json(answer.to_dict())
    else:
        show_estimate(answer)
