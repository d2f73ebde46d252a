"""The document ``minfleet/simulation/v1``: what was predicted beside what was simulated."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.predict import PERCENTILES
from model.simulation.fleet import FleetRun, PoolRun
from model.simulation.outcome import (
    ClassOutcome,
    Times,
    after_warm_up,
    class_outcome,
    fleet_times,
    mean_decoding,
    percentiles,
    pool_times,
)
from model.traffic import RequestClass
from solver.assemble import rounded, slowest_way
from solver.simulate import PlannedPool, PlanSimulation

Floats = NDArray[np.float64]

SCHEMA = "minfleet/simulation/v1"

FIGURES = ("ttft_ms", "tpot_ms", "e2e_ms")

LEAST_BEYOND = 10
"""A percentile is called uncertain where fewer requests lie beyond it."""

LEAST_TURNOVERS = 10
"""A steady state takes as many times the duration of a request."""

RATE_TOLERANCE = 0.1
"""How far the rate of a trace may be from the plan's before it is mentioned."""


def simulation_document(s: PlanSimulation, run: FleetRun, wall_s: float) -> dict[str, Any]:
    """Return the document of a simulated plan, ready for JSON.

    Parameters
    ----------
    wall_s
        Seconds that the simulation took.
    """
    options, arrivals = s.options, run.arrivals
    counts = after_warm_up(run, options.warm_up)
    span = arrivals.duration_s * (1 - options.warm_up)
    times = fleet_times(run, counts)
    outcomes = [class_outcome(times.of(k), c, span) for k, c in enumerate(s.classes)]
    classes = [_class(s, k, c, times, outcomes[k]) for k, c in enumerate(s.classes)]
    document: dict[str, Any] = {
        "schema": SCHEMA,
        "plan": {k: s.document[k] for k in ("status", "cost_per_hour_usd", "gpus")},
        "seed": options.seed,
        "requests": arrivals.size,
        "arrivals": s.process,
        "router": options.router,
        "trace": _trace(s),
        "duration_s": rounded(arrivals.duration_s),
        "warm_up_share": options.warm_up,
        "requests_counted": int(counts.sum()),
        "meets": all(c["meets"] for c in classes if c["requests"]),
        "classes": classes,
        "pools": [
            _pool(s, pool, pool_run, run, counts, span)
            for pool, pool_run in zip(s.pools, run.pools, strict=True)
        ],
        "unfinished": int(np.isnan(run.done_s).sum()),
        "wall_s": rounded(wall_s),
        "requests_per_wall_s": rounded(arrivals.size / wall_s),
    }
    return {**document, "warnings": list(_warnings(s, document))}


def class_curves(s: PlanSimulation, run: FleetRun) -> dict[str, dict[str, Floats]]:
    """Return the latencies of every request that counts: class → figure → milliseconds."""
    times = fleet_times(run, after_warm_up(run, s.options.warm_up))
    return {c.name: times.of(k).named() for k, c in enumerate(s.classes)}


def _trace(s: PlanSimulation) -> dict[str, Any] | None:
    if s.options.trace is None:
        return None
    return {
        "file": str(s.options.trace) if isinstance(s.options.trace, Path) else None,
        "model": s.demands[0].model,
        "rate_rps": rounded((s.arrivals.size - 1) / s.arrivals.duration_s),
        "prefix_blocks": s.arrivals.blocks is not None,
        "cut": s.cut,
        "classes": s.trace_classes,
    }


def _class(
    s: PlanSimulation, kind: int, c: RequestClass, times: Times, o: ClassOutcome
) -> dict[str, Any]:
    """Return what a class got from the fleet as a whole, at its own percentile."""
    expected = slowest_way(
        (p.entry["role"], p.prediction.classes[c.name])
        for p in s.pools
        if c.name in p.prediction.classes
    )
    targets = {"ttft_ms": c.ttft_ms, "tpot_ms": c.tpot_ms, "e2e_ms": c.e2e_ms}
    own = times.of(kind).named()
    return {
        "name": c.name,
        "model": next(d.model for d in s.demands if c in d.classes),
        "percentile": c.percentile,
        "requests": o.requests,
        "unfinished": o.unfinished,
        "rate_rps": rounded(o.rate_rps),
        "attainment": None if o.attainment is None else rounded(o.attainment),
        "goodput_rps": rounded(o.goodput_rps),
        "meets": all(o.meets.values()),
        **{
            name: {
                **_beside(expected[name], o.at_percentile[name]),
                "target": rounded(targets[name]),
                "meets": o.meets[name],
            }
            for name in FIGURES
        },
        "percentiles": {name: _plain(percentiles(own[name])) for name in FIGURES},
    }


def _pool(
    s: PlanSimulation,
    pool: PlannedPool,
    pool_run: PoolRun,
    run: FleetRun,
    counts: NDArray[np.bool_],
    span_s: float,
) -> dict[str, Any]:
    entry, times = pool.entry, pool_times(run, pool_run, counts)
    concurrency = None
    if entry["role"] != "prefill":
        decoding = mean_decoding(pool_run, counts, span_s) / entry["replicas"]
        concurrency = _beside(pool.prediction.concurrency, decoding)
    asked = pool_run.blocks_asked
    return {
        **{k: entry[k] for k in ("name", "role", "model", "accelerator", "replicas")},
        "requests": int(pool_run.numbers.size),
        "busy_share": rounded(pool_run.busy_s / pool_run.elapsed_s) if pool_run.elapsed_s else 0.0,
        "utilization_predicted": rounded(pool.prediction.utilization),
        "concurrency": concurrency,
        "preempted": int(pool_run.preempted.sum()),
        "prefix_hit_rate": rounded(pool_run.blocks_found / asked) if asked else None,
        "classes": [
            {"name": c.name, **_spread(pool.prediction.percentiles[c.name], times.of(k), entry)}
            for k, c in enumerate(s.classes)
            if c in pool.classes
        ],
    }


def _spread(
    predicted: Mapping[str, Mapping[str, float]], times: Times, entry: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the percentiles of a class in a pool; a prefill pool has only a TTFT."""
    named = times.named()
    figures = FIGURES[:1] if entry["role"] == "prefill" else FIGURES
    found: dict[str, Any] = {"requests": int(times.kind.size)}
    for name in figures:
        seen = percentiles(named[name])
        found[name] = {
            f"p{p}": _beside(predicted[name][f"p{p}"], seen[f"p{p}"]) for p in PERCENTILES
        }
    return found


def _beside(predicted: float, simulated: float | None) -> dict[str, float | None]:
    """Return a predicted figure, the simulated one and simulated/predicted."""
    seen = None if simulated is None else rounded(simulated)
    expected = rounded(predicted)
    ratio = rounded(seen / expected, 4) if seen is not None and expected else None
    return {"predicted": expected, "simulated": seen, "ratio": ratio}


def _plain(values: Mapping[str, float | None]) -> dict[str, float | None]:
    return {k: None if v is None else rounded(v) for k, v in values.items()}


def _warnings(s: PlanSimulation, document: Mapping[str, Any]) -> Iterator[str]:
    """Yield what a reader should know before believing the figures."""
    few = [
        c["name"]
        for c in document["classes"]
        if 0 < c["requests"] * (1 - c["percentile"] / 100) < LEAST_BEYOND
    ]
    if few:
        yield (
            f"fewer than {LEAST_BEYOND} requests lie beyond the percentile of {', '.join(few)}: "
            "it is uncertain"
        )
    lasting = [c["percentiles"]["e2e_ms"]["p50"] or 0.0 for c in document["classes"]]
    turnovers = document["duration_s"] * 1e3 / max(max(lasting), 1e-9)
    if turnovers < LEAST_TURNOVERS:
        yield (
            f"the requests arrive within {turnovers:.2g} times what one of them takes, too short "
            "for a steady state; simulate more with --requests"
        )
    if document["unfinished"]:
        yield f"{document['unfinished']:,} requests never finished: no KV cache holds them"
    if document["trace"] is not None:
        trace, planned = document["trace"], sum(c.rate_rps for c in s.classes)
        if abs(trace["rate_rps"] / planned - 1) > RATE_TOLERANCE:
            yield (
                f"the trace has {trace['rate_rps']:.4g} requests/s; the plan was made for "
                f"{planned:.4g}"
            )
        if s.cut:
            yield (
                f"{s.cut:,} requests of the trace were cut to the "
                f"{s.demands[0].architecture.max_context:,} tokens that {trace['model']} accepts"
            )
