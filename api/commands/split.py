"""``minfleet stack split``: longer prompts shift the prefill:decode split."""

from __future__ import annotations

import click

from api.catalog_options import CatalogFiles, catalog_options
from api.output import json_option, show, usd


@click.command("split")
@click.option("--model", default="llama-3.1-70b-instruct", show_default=True, help="Model.")
@click.option(
    "--rate",
    default=40.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="Requests a second.",
)
@click.option(
    "--osl",
    default=256.0,
    show_default=True,
    type=click.FloatRange(1, 1e6),
    help="Output tokens, fixed.",
)
@click.option(
    "--isl",
    "prompts",
    multiple=True,
    type=click.IntRange(1, 1_000_000),
    help="Prompt tokens; may be repeated. By default 256 to 16,384, doubling.",
)
@click.option(
    "--ttft",
    "ttft_ms",
    default=4000.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="TTFT target (ms) at p99.",
)
@click.option(
    "--tpot",
    "tpot_ms",
    default=40.0,
    show_default=True,
    type=click.FloatRange(0, min_open=True),
    help="TPOT target (ms) at p99.",
)
@click.option(
    "--accelerator",
    "chips",
    multiple=True,
    default=("h100_sxm",),
    show_default=True,
    help="Accelerator allowed; may be repeated.",
)
@click.option("--provider", "providers", multiple=True, help="Provider allowed; may be repeated.")
@catalog_options
@json_option
def split(
    model: str,
    rate: float,
    osl: float,
    prompts: tuple[int, ...],
    ttft_ms: float,
    tpot_ms: float,
    chips: tuple[str, ...],
    providers: tuple[str, ...],
    files: CatalogFiles,
    as_json: bool,
) -> None:
    """Show both pools of the cheapest split fleet, beside the cheapest single-pool fleet."""
    from solver.split import PROMPTS, prefill_decode_split
    from solver.workload import Workload

    hardware: dict[str, object] = {"accelerators": list(chips)}
    if providers:
        hardware["providers"] = list(providers)
    workload = Workload.parse(
        {
            "model": model,
            "classes": [{"name": "requests", "rate_rps": rate, "isl": 1024, "osl": osl}],
            "sla": {"ttft_ms": ttft_ms, "tpot_ms": tpot_ms},
            "hardware": hardware,
        },
        place="stack split",
    )
    rows = prefill_decode_split(workload, files.load(), prompts or PROMPTS)
    cells = [
        [
            f"{r.isl:,}",
            "–" if r.prefill_replicas is None else f"{r.prefill_replicas:,}",
            "–" if r.decode_replicas is None else f"{r.decode_replicas:,}",
            "–" if r.prefill_gpus is None else f"{r.prefill_gpus:,}:{r.decode_gpus:,}",
            "–" if r.split_usd is None else usd(r.split_usd),
            "–" if r.single_usd is None else usd(r.single_usd),
        ]
        for r in rows
    ]
    heading = (
        f"{model}, {rate:g} req/s, {osl:g} output tokens, TTFT {ttft_ms:g} ms and "
        f"TPOT {tpot_ms:g} ms at p99, on {', '.join(chips)}"
    )
    show(
        as_json,
        "split",
        {"rows": [r.to_dict() for r in rows]},
        [
            (
                heading,
                ["isl", "prefill replicas", "decode replicas", "GPUs P:D", "split $/h",
                 "single pool $/h"],
                cells,
            )
        ],
        ["The longer the prompts, the more of the fleet prefills."],
    )  # fmt: skip
