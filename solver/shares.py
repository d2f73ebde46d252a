"""Who serves what: the shares of a fleet whose size is settled.

Many splits of the load are equally cheap once the nodes are bought. This picks the one that
leaves the busiest pool the most room, so that plans are calm and the same input gives the same
plan; and it rounds shares to nine decimals so that they sum to one exactly.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal

import numpy as np

from data.errors import EngineError
from solver.engines.highs import solve_highs
from solver.instance import Instance
from solver.objective import Objective, charging_load
from solver.program import Program

GRID = Decimal("1e-9")

CHARGE_SLACK = 1e-9
"""How far a calmer split may be charged above the least, as a part of it."""

_LOSS_WEIGHT = 1e-4
"""Weight of lost quality beside utilisation: a tie-break."""

Shares = dict[tuple[int, int], Decimal]


def balanced_shares(instance: Instance, replicas: Mapping[int, int]) -> Shares:
    """Return the share of each class on each candidate, (w, c) → share.

    Minimises t subject to load_c ≤ t·(n_c − spares) for every pool in use, t ≤ 1; where an
    objective charges load, among the splits that it charges least.

    Parameters
    ----------
    replicas
        Candidate position → replicas n_c > 0.

    Raises
    ------
    EngineError
        If the replicas cannot serve the classes (an engine returned a wrong answer).
    """
    columns = [
        (w, c)
        for c in replicas
        for w in range(len(instance.class_names))
        if instance.load(w, c) is not None
    ]
    program = _program(instance, replicas, columns)
    for objective in charging_load(instance.objectives):
        program = _charged_least(program, instance, columns, objective)
    result = solve_highs(program, gap=0.0, time_limit_s=60.0)
    if result.values is None:
        raise EngineError("the fleet found does not serve all classes; please report the workload.")
    raw = {pair: max(float(v), 0.0) for pair, v in zip(columns, result.values, strict=False)}
    return _rounded(instance, raw)


def _charged_least(
    program: Program, instance: Instance, columns: list[tuple[int, int]], objective: Objective
) -> Program:
    """Return the program of the splits that an objective charges least."""
    from scipy.sparse import csr_array, vstack

    busy = instance.busy_weights(objective)
    charge = np.array([busy[c] * (instance.load(w, c) or 0.0) for w, c in columns] + [0.0])
    least = solve_highs(replace(program, cost=charge), gap=0.0, time_limit_s=60.0).objective
    if least is None:
        raise EngineError("the fleet found does not serve all classes; please report the workload.")
    return replace(
        program,
        matrix=csr_array(vstack([program.matrix, csr_array(charge[None, :])])),
        row_low=np.append(program.row_low, -np.inf),
        row_high=np.append(program.row_high, least * (1 + CHARGE_SLACK) + CHARGE_SLACK),
        row_names=(*program.row_names, "charge"),
    )


def _program(
    instance: Instance, replicas: Mapping[int, int], columns: list[tuple[int, int]]
) -> Program:
    from scipy.sparse import csr_array

    spare = instance.caps.spare_replicas
    rows: list[tuple[dict[int, float], float, float]] = []
    last = len(columns)
    of_class: dict[int, dict[int, float]] = defaultdict(dict)
    of_pool: dict[int, dict[int, float]] = defaultdict(dict)
    of_link: dict[int, dict[int, float]] = defaultdict(dict)
    flows: dict[object, dict[int, float]] = defaultdict(dict)
    losses: dict[int, dict[int, float]] = defaultdict(dict)
    cost = np.zeros(last + 1)
    cost[last] = 1.0
    for j, (w, c) in enumerate(columns):
        candidate = instance.candidates[c]
        of_pool[c][j] = instance.load(w, c) or 0.0
        part = 1.0 if candidate.role == "aggregated" else 0.5
        losses[w][j] = candidate.loss_pct * part
        cost[j] = _LOSS_WEIGHT * candidate.loss_pct * part / len(instance.class_names)
        if candidate.role != "decode":
            of_class[w][j] = 1.0
        if candidate.role != "aggregated":
            of_link[c][j] = instance.link_load(w, c)
            key = (w, candidate.location, candidate.shape.kv, candidate.model)
            flows[key][j] = 1.0 if candidate.role == "prefill" else -1.0
    for w in range(len(instance.class_names)):
        rows.append((of_class[w], 1.0, 1.0))
    for c, loads in of_pool.items():
        rows.append(({**loads, last: -float(replicas[c] - spare)}, -np.inf, 0.0))
    rows += [(loads, -np.inf, float(replicas[c])) for c, loads in of_link.items()]
    rows += [(flow, 0.0, 0.0) for flow in flows.values()]
    allowed = instance.caps.max_quality_loss_pct
    if allowed is not None:
        rows += [
            (loss, -np.inf, allowed) for loss in losses.values() if max(loss.values()) > allowed
        ]
    data, at, on = [], [], []
    for i, (entries, _, _) in enumerate(rows):
        for j, v in entries.items():
            data.append(v)
            at.append(i)
            on.append(j)
    size = last + 1
    return Program(
        cost=cost,
        matrix=csr_array((data, (at, on)), shape=(len(rows), size)),
        row_low=np.array([low for _, low, _ in rows]),
        row_high=np.array([high for _, _, high in rows]),
        col_low=np.zeros(size),
        col_high=np.append(np.ones(last), 1.0 + 1e-7),
        integer=np.zeros(size, dtype=bool),
        kind=np.array(["x"] * last + ["t"]),
        key=(*columns, (0,)),
        row_names=("",) * len(rows),
    )


def _rounded(instance: Instance, raw: Mapping[tuple[int, int], float]) -> Shares:
    """Round shares to the grid; what rounding loses goes to the largest share of each sum."""
    shares: Shares = {}
    starts: dict[int, list[tuple[int, int]]] = defaultdict(list)
    flows: dict[object, tuple[list[tuple[int, int]], list[tuple[int, int]]]]
    flows = defaultdict(lambda: ([], []))
    for (w, c), value in raw.items():
        rounded = Decimal(value).quantize(GRID)
        if rounded <= 10 * GRID:
            continue
        shares[w, c] = rounded
        candidate = instance.candidates[c]
        if candidate.role != "decode":
            starts[w].append((w, c))
        if candidate.role != "aggregated":
            key = (w, candidate.location, candidate.shape.kv, candidate.model)
            flows[key][candidate.role == "decode"].append((w, c))
    for members in starts.values():
        _settle(shares, members, Decimal(1))
    for prefill, decode in flows.values():
        if prefill and decode:
            _settle(shares, decode, sum((shares[p] for p in prefill), Decimal(0)))
        else:
            for lone in (*prefill, *decode):
                raise EngineError(f"a hand-over has only one side (class {lone[0]}).")
    return shares


def _settle(shares: Shares, members: list[tuple[int, int]], total: Decimal) -> None:
    largest = max(members, key=lambda m: shares[m])
    shares[largest] += total - sum((shares[m] for m in members), Decimal(0))
