"""``minfleet stack``: the whiteboard arithmetic of a fleet, from one formula to a stack of levers.

Every command shows its worked example when run bare; each figure of it is an option.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.commands import fleets, formulas
from api.commands.split import split
from api.errors import MinfleetGroup
from api.output import Section, json_option, num, option, price, show, usd

if TYPE_CHECKING:
    from solver.stack import OrderAnalysis, Stage


@click.group("stack", cls=MinfleetGroup, invoke_without_command=True)
@option("--rate", 4_000.0, "Load, requests/s.")
@option("--node-rps", 30.0, "Baseline requests/s of a node.")
@option("--utilization", 0.60, "Share planned on.")
@option("--price-per-node-hour", 12.0, "US dollars.")
@option("--weights-gb", 140.0, "Weights a node holds.")
@option("--kv-gb", 40.0, "KV cache a node holds.")
@option("--gpu-memory-gb", 80.0, "Memory of a GPU.")
@option("--gpus-per-node", 4, "GPUs of a baseline node; 0 takes what the memory needs.")
@click.option(
    "--levers",
    "levers_file",
    type=click.Path(path_type=Path),
    help="YAML file of levers in place of the example's.",
)
@click.option("--orders/--no-orders", default=True, help="Compare all orders of the levers.")
@json_option
@click.pass_context
def stack(
    ctx: click.Context,
    rate: float,
    node_rps: float,
    utilization: float,
    price_per_node_hour: float,
    weights_gb: float,
    kv_gb: float,
    gpu_memory_gb: float,
    gpus_per_node: int,
    levers_file: Path | None,
    orders: bool,
    as_json: bool,
) -> None:
    """Size a fleet on the whiteboard: a stack of optimisations, and its single formulas.

    Run bare it shows what each lever on a 70B fleet buys. A levers file:

    \b
    levers:
      - {name: continuous batching, throughput_factor: 1.8}
      - name: speculative decoding
        throughput_factor: 1.8
        after: [{lever: continuous batching, throughput_factor: 1.2}]

    Factors: throughput_factor, weight_factor, kv_factor, price_factor.
    """  # noqa: D301 - click reads the escaped \\b
    if ctx.invoked_subcommand is not None:
        from data.errors import InputError

        given = [
            p.opts[0]
            for p in ctx.command.params
            if p.name and ctx.get_parameter_source(p.name) is click.core.ParameterSource.COMMANDLINE
        ]
        if given:
            raise InputError(
                f"{given[0]} belongs after '{ctx.invoked_subcommand}', or to 'stack' alone."
            )
        return
    from solver.stack import EXAMPLE_LEVERS, Baseline, analyse_orders, load_levers, run_stack

    baseline = Baseline(
        load_rps=rate,
        node_rps=node_rps,
        utilization=utilization,
        price_per_node_hour_usd=price_per_node_hour,
        weights_gb=weights_gb,
        kv_gb=kv_gb,
        gpu_memory_gb=gpu_memory_gb,
        gpus_per_node=gpus_per_node or None,
    )
    levers = load_levers(levers_file) if levers_file else EXAMPLE_LEVERS
    stages = run_stack(baseline, levers)
    order = analyse_orders(baseline, levers) if orders else None
    document = {
        "baseline": asdict(baseline),
        "levers": [asdict(lever) for lever in levers],
        "stages": [asdict(s) for s in stages],
        "cost_reduction_factor": stages[-1].cost_reduction_factor,
        "order": asdict(order) if order else None,
    }
    notes = [f"{lever.name}: {lever.why}" for lever in levers if lever.why]
    notes += _stage_notes(stages, gpu_memory_gb)
    notes += _order_notes(order) if order else []
    title = f"{num(rate)} requests/s at {100 * utilization:.4g}% of a node's throughput"
    show(as_json, "stack", document, [_stage_table(title, stages)], notes)


def _stage_table(title: str, stages: Sequence[Stage]) -> Section:
    """Tabulate the stages; the price of a node-hour shows where a lever changes it."""
    priced = len({s.price_per_node_hour_usd for s in stages}) > 1
    rows = [
        (
            s.name,
            f"×{num(s.throughput_factor)}" if i else "",
            num(s.node_rps),
            num(s.nodes),
            num(s.gpus_per_node),
            num(s.weights_gb + s.kv_gb),
            *((price(s.price_per_node_hour_usd),) if priced else ()),
            usd(s.cost_per_hour_usd),
            f"{s.cost_reduction_factor:.1f}×",
        )
        for i, s in enumerate(stages)
    ]
    node = ("Gain", "req/s", "Nodes", "GPUs", "GB", *(("$/node-h",) if priced else ()))
    return f"{title} (req/s, GPUs, GB: one node)", ("Stage", *node, "Cost/h", "Cheaper"), rows


def _stage_notes(stages: Sequence[Stage], gpu_memory_gb: float) -> list[str]:
    """Sum the stack up, and say what the figures take for granted."""
    first, last = stages[0], stages[-1]
    notes = [
        f"\n{usd(first.cost_per_hour_usd)} → {usd(last.cost_per_hour_usd)} an hour: "
        + f"{last.cost_reduction_factor:.1f}× cheaper with "
        + f"{num(last.cumulative_throughput_factor)}× the throughput of a node."
    ]
    if first.gpus_per_node != first.gpus_for_memory:
        notes.append(
            f"The baseline's {first.gpus_per_node} GPUs a node are given; memory alone needs "
            f"⌈{num(first.weights_gb + first.kv_gb)} / {num(gpu_memory_gb)}⌉ = "
            f"{first.gpus_for_memory}."
        )
    if last.gpus_per_node != first.gpus_per_node:
        notes.append(
            "A node-hour keeps its price however few GPUs a node has. Billed by the GPU, at the "
            f"baseline's {usd(first.price_per_node_hour_usd / first.gpus_per_node)} an hour of "
            f"one, the last fleet would cost {usd(last.cost_at_baseline_gpu_price_usd)} an hour."
        )
    return notes


def _order_notes(order: OrderAnalysis) -> list[str]:
    """Say what the order of the levers changes."""
    if order.order_independent:
        names = ("Cheapest on the way", "Dearest on the way")
        head = (
            f"Order: all {order.orders:,} orders end at the same fleet; they differ in what the "
            "rollout costs on the way."
        )
    else:
        names = ("Best", "Worst")
        head = (
            f"Order: {order.orders:,} orders end up to {order.spread_nodes:,} nodes and "
            f"{usd(order.spread_cost_per_hour_usd)} an hour apart. The system deployed in the end "
            "is one and the same, so measure it whole: the spread is what multiplying factors "
            "measured one at a time can be wrong by."
        )
    if order.orders == 1:
        return []
    ways = [
        f"{name}: {' → '.join(way.levers)}: {num(way.nodes)} nodes, "
        f"{usd(way.cost_per_hour_usd)} an hour at the end, "
        f"{usd(way.mean_cost_per_hour_usd)} on average before the last step."
        for name, way in zip(names, (order.best, order.worst), strict=True)
    ]
    return [head, *ways]


for command in (
    fleets.fleet,
    formulas.bound,
    formulas.wall,
    formulas.kv,
    fleets.batch,
    formulas.tokens,
    formulas.speculative,
    formulas.allreduce,
    split,
):
    stack.add_command(command)
