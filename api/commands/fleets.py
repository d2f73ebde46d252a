"""The formulas of ``minfleet stack`` that size a fleet from the rate of one node."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.output import Command, json_option, num, option, own, price, show, usd

if TYPE_CHECKING:
    from data.curves import CurvePoint
    from model.batch_curve import BatchFleet
    from model.sizing import FleetSize


def demand_options(command: Command) -> Command:
    """Add the options of a fleet's demand, with the figures of the worked example."""
    for add in (
        option("--hours-per-month", 720.0, "720 is a month of 30 days; plans use 730."),
        option("--price-per-node-hour", 3.10, "US dollars."),
        option("--utilization", 0.70, "Share of a node's rate planned on."),
        option("--rate", 12_000.0, "Load, requests/s."),
    ):
        command = add(command)
    return command


@click.command()
@demand_options
@option("--node-rps", 85.0, "Requests/s of a node.")
@option("--rate-factor", (2.0, 1.4), "Lever on the node's rate.")
@option("--price-factor", (0.65,), "Lever on the node's price.")
@json_option
def fleet(
    rate: float,
    utilization: float,
    price_per_node_hour: float,
    hours_per_month: float,
    node_rps: float,
    rate_factor: tuple[float, ...],
    price_factor: tuple[float, ...],
    as_json: bool,
) -> None:
    """Nodes and cost of a load, with levers.

    N = ⌈load / (utilization · node rate)⌉ nodes, C = N · price an hour; levers multiply the node's
    rate, its price, or both.
    """
    from model.sizing import fleet_size

    cases = [(1.0, 1.0), *((r, 1.0) for r in rate_factor), *((1.0, c) for c in price_factor)]
    cases += [(r, c) for r in rate_factor for c in price_factor]
    sized = [
        fleet_size(
            rate,
            node_rps,
            utilization,
            price_per_node_hour,
            rate_factor=r,
            price_factor=c,
            hours_per_month=hours_per_month,
        )
        for r, c in cases
    ]
    saved = [1 - s.cost_per_hour_usd / sized[0].cost_per_hour_usd for s in sized]
    rows = [
        (
            _lever_name(r, c),
            num(s.node_rps),
            price(s.price_per_node_hour_usd),
            num(s.nodes),
            usd(s.cost_per_hour_usd),
            usd(s.cost_per_month_usd),
            f"{part:.1%}",
        )
        for (r, c), s, part in zip(cases, sized, saved, strict=True)
    ]
    document = {
        "fleets": [
            {"rate_factor": r, "price_factor": c, **asdict(s), "saving_share": part}
            for (r, c), s, part in zip(cases, sized, saved, strict=True)
        ]
    }
    title = f"{num(rate)} requests/s at {100 * utilization:.4g}% utilization"
    headings = ("Fleet", "req/s", "$/node-h", "Nodes", "Cost/h", "Cost/month", "Saved")
    notes = [f"A month has {num(hours_per_month)} hours here."]
    show(as_json, "stack-fleet", document, [(title, headings, rows)], notes)


def _lever_name(rate_factor: float, price_factor: float) -> str:
    """Name a combination of levers."""
    parts = [f"rate ×{rate_factor:g}"] if rate_factor != 1 else []
    parts += [f"price ×{price_factor:g}"] if price_factor != 1 else []
    return ", ".join(parts) or "as it is"


@click.command()
@demand_options
@option("--slot-rps", 5.0, "q0 of q0·b / (1 + s·b).")
@option("--saturation", 0.05, "s of the same.")
@option("--p99-base-ms", 40.0, "P99 = base + slope·b.")
@option("--p99-slope-ms", 2.5, "The slope of the same.")
@option("--p99-ms", 100.0, "The objective.")
@own("--max-batch", int, "Cap on the batch; the formula only.")
@click.option(
    "--curve",
    "curve_file",
    type=click.Path(path_type=Path),
    help="CSV with batch, throughput_rps, p99_ms, in place of the formula.",
)
@json_option
@click.pass_context
def batch(
    ctx: click.Context,
    rate: float,
    utilization: float,
    price_per_node_hour: float,
    hours_per_month: float,
    slot_rps: float,
    saturation: float,
    p99_base_ms: float,
    p99_slope_ms: float,
    p99_ms: float,
    max_batch: int | None,
    curve_file: Path | None,
    as_json: bool,
) -> None:
    """Largest batch within a P99 objective, its fleet.

    The honest rate of a node is the one at that batch, by a formula or a measured curve.

    Exit status 1 says that no batch of the curve meets it.
    """
    from data.curves import load_curve
    from model.batch_curve import Demand, SaturatingCurve, formula_fleet, measured_fleet

    demand = Demand(rate, utilization, price_per_node_hour, hours_per_month)
    if curve_file is not None:
        points = list(load_curve(curve_file))
        answer = measured_fleet(points, p99_ms, demand)
        title = f"{curve_file.name}, P99 ≤ {num(p99_ms)} ms"
    else:
        formula = SaturatingCurve(slot_rps, saturation, p99_base_ms, p99_slope_ms)
        answer = formula_fleet(formula, p99_ms, demand, max_batch)
        points = [formula.point(size) for size in (1, 8, 16, 32, 64)]
        title = (
            f"q(b) = {num(slot_rps)}·b / (1 + {num(saturation)}·b), P99 = {num(p99_base_ms)} + "
            f"{num(p99_slope_ms)}·b ≤ {num(p99_ms)} ms"
        )
    if answer.point is not None and answer.point not in points:
        points = sorted([*points, answer.point], key=lambda p: p.batch)
    fleets = [demand.fleet(p.throughput_rps) for p in points]
    if answer.point is not None and answer.fleet is not None:
        # The answer's fleet is sized from the exact rate, not from its rounded float.
        fleets[points.index(answer.point)] = answer.fleet
    rows = [_batch_row(p, f, answer) for p, f in zip(points, fleets, strict=True)]
    headings = ("Batch", "req/s", "P99 ms", "Nodes", "Cost/h", "")
    document = {"answer": asdict(answer), "curve": [asdict(p) for p in points]}
    show(as_json, "stack-batch", document, [(title, headings, rows)], _batch_notes(answer))
    if answer.point is None:
        ctx.exit(1)


def _batch_row(point: CurvePoint, fleet: FleetSize, answer: BatchFleet) -> tuple[str, ...]:
    """Write one batch of the curve, marked as the answer or as a miss."""
    mark = "misses" if point.p99_ms > answer.p99_limit_ms else ""
    if point.batch in answer.disregarded:
        mark = "beyond a miss"
    return (
        num(point.batch),
        num(point.throughput_rps),
        num(point.p99_ms),
        num(fleet.nodes),
        usd(fleet.cost_per_hour_usd),
        "← largest within" if point == answer.point else mark,
    )


def _batch_notes(answer: BatchFleet) -> list[str]:
    """Say what the answer is and what holds it."""
    if answer.point is None or answer.fleet is None:
        return [f"No batch of the curve has a P99 within {num(answer.p99_limit_ms)} ms."]
    why = {
        "p99": "a larger batch misses the objective",
        "max_batch": "the cap given",
        "measured_range": "the largest batch measured; nothing is claimed beyond it",
    }[answer.limited_by]
    between = ", between two measured points" if answer.interpolated else ""
    notes = [
        f"Batch {num(answer.point.batch)} ({why}){between}: {num(answer.point.throughput_rps)} "
        + f"requests/s a node, {num(answer.fleet.nodes)} nodes, "
        + f"{usd(answer.fleet.cost_per_hour_usd)} an hour, "
        + f"{usd(answer.fleet.cost_per_month_usd)} a month."
    ]
    if answer.better is not None and answer.better_fleet is not None:
        notes.append(
            f"Throughput falls before that: capped at batch {num(answer.better.batch)} the node "
            f"does {num(answer.better.throughput_rps)} requests/s, and "
            f"{num(answer.better_fleet.nodes)} nodes at "
            f"{usd(answer.better_fleet.cost_per_hour_usd)} an hour are enough."
        )
    return notes
