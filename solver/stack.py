"""The optimisation stack: what each lever on a fleet buys, one after the other, in any order.

A baseline fleet is N = ceil(load / (u · node rate)) nodes at a price. A lever multiplies the node's
throughput, its weight bytes, its KV-cache bytes or its price; the stack applies levers in turn and
sizes the fleet after each. Factors that are plain numbers commute, so the end does not depend on
the order. A factor that holds only once another lever is on (speculative decoding gains less in a
batch that already fills the compute) makes the multiplied end depend on the order, although the
system deployed in the end cannot: the spread over the orders is then the error that multiplying
one-at-a-time measurements can make.

All arithmetic is exact (`model.sizing`), so a rounding error never buys a node.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from fractions import Fraction
from pathlib import Path
from typing import Any

from data.errors import InputError, UnknownNameError
from data.tables import parse_yaml, read_text
from model.sizing import node_count, not_negative, positive, share, whole

MAX_ORDERED_LEVERS = 8
"""Most levers whose orders are all tried: 8! = 40,320."""


@dataclass(frozen=True)
class After:
    """Factors that replace a lever's own once `lever` is applied; None keeps the lever's."""

    lever: str
    throughput_factor: float | None = None
    weight_factor: float | None = None
    kv_factor: float | None = None
    price_factor: float | None = None


@dataclass(frozen=True)
class Lever:
    """One optimisation: the factors that it multiplies a node by, and why.

    Attributes
    ----------
    throughput_factor
        On the requests/s of a node.
    weight_factor, kv_factor
        On the GB of weights and of KV cache that a node must hold.
    price_factor
        On the price of a node-hour.
    why
        One line: the mechanism.
    after
        Conditions on levers applied before; the first that gives a factor sets it.
    """

    name: str
    throughput_factor: float = 1.0
    weight_factor: float = 1.0
    kv_factor: float = 1.0
    price_factor: float = 1.0
    why: str = ""
    after: tuple[After, ...] = ()


@dataclass(frozen=True)
class Baseline:
    """The fleet before any lever.

    `gpus_per_node` is given where something other than memory decides it (a TP degree must divide
    the heads, so 3 becomes 4) and holds until a lever changes what the memory needs; None takes
    what the memory needs throughout.
    """

    load_rps: float
    node_rps: float
    utilization: float
    price_per_node_hour_usd: float
    weights_gb: float
    kv_gb: float
    gpu_memory_gb: float = 80.0
    gpus_per_node: int | None = None


@dataclass(frozen=True)
class Stage:
    """The fleet after a lever (the baseline first).

    Attributes
    ----------
    throughput_factor
        The lever's factor as it applied here.
    gpus_per_node, gpus_for_memory
        GPUs a node, and ceil((weights + KV) / GPU memory); they differ only while the GPUs given
        for the baseline hold.
    cumulative_throughput_factor
        Node throughput over the baseline's.
    cost_reduction_factor
        The baseline's cost an hour over this stage's.
    cost_at_baseline_gpu_price_usd
        Cost an hour if a node were billed by the GPU at the baseline's price of one, instead of at
        the same price a node-hour however few GPUs it has.
    """

    name: str
    throughput_factor: float
    node_rps: float
    nodes: int
    weights_gb: float
    kv_gb: float
    gpus_for_memory: int
    gpus_per_node: int
    price_per_node_hour_usd: float
    cost_per_hour_usd: float
    cumulative_throughput_factor: float
    cost_reduction_factor: float
    cost_at_baseline_gpu_price_usd: float


@dataclass(frozen=True)
class Order:
    """Where one order of the levers ends.

    `mean_cost_per_hour_usd` is the mean over the rollout: the stages before the last, one equal
    span each. Orders with the same end differ in it.
    """

    levers: tuple[str, ...]
    nodes: int
    cost_per_hour_usd: float
    mean_cost_per_hour_usd: float


@dataclass(frozen=True)
class OrderAnalysis:
    """All orders of the levers compared by the cost at the end, then by the mean on the way.

    `order_independent` says that every order ends at the same nodes and cost. The spreads are
    largest minus smallest over all orders.
    """

    orders: int
    order_independent: bool
    best: Order
    worst: Order
    spread_nodes: int
    spread_cost_per_hour_usd: float


_State = tuple[Fraction, Fraction, Fraction, Fraction]
_End = tuple[Fraction, Fraction, int, tuple[str, ...]]
_FACTORS = ("throughput_factor", "weight_factor", "kv_factor", "price_factor")


def run_stack(baseline: Baseline, levers: Sequence[Lever]) -> tuple[Stage, ...]:
    """Return the baseline's stage and one after each lever, applied in the order given.

    Raises
    ------
    InputError
        If a figure or factor is not above 0, the utilization not in (0, 1], the GPUs given cannot
        hold the baseline, a lever's name is there twice, or a condition names no lever.
    """
    factors = _factors(levers)
    state, memory = _start(baseline), positive("gpu_memory_gb", baseline.gpu_memory_gb)
    needed = math.ceil((state[1] + state[2]) / memory)
    given = needed if baseline.gpus_per_node is None else baseline.gpus_per_node
    if whole("gpus_per_node", given) < needed:
        raise InputError(
            f"gpus_per_node is {given}, but {float(state[1] + state[2]):g} GB of weights and KV "
            f"cache need {needed} GPUs of {float(memory):g} GB; give at least {needed}."
        )
    first, per_gpu = state, state[3] / given
    stages: list[Stage] = []
    applied: list[str] = []
    for lever in (None, *levers):
        used = Fraction(1)
        if lever is not None:
            step = _applicable(factors[lever.name], applied)
            state, used = _apply(state, step), step[0]
            applied.append(lever.name)
        nodes = node_count(baseline.load_rps, state[0], baseline.utilization)
        fit = math.ceil((state[1] + state[2]) / memory)
        gpus = given if fit == needed else fit
        cost = nodes * state[3]
        stages.append(
            Stage(
                name="baseline" if lever is None else lever.name,
                throughput_factor=float(used),
                node_rps=float(state[0]),
                nodes=nodes,
                weights_gb=float(state[1]),
                kv_gb=float(state[2]),
                gpus_for_memory=fit,
                gpus_per_node=gpus,
                price_per_node_hour_usd=float(state[3]),
                cost_per_hour_usd=float(cost),
                cumulative_throughput_factor=float(state[0] / first[0]),
                cost_reduction_factor=stages[0].cost_per_hour_usd / float(cost) if stages else 1.0,
                cost_at_baseline_gpu_price_usd=float(nodes * gpus * per_gpu * state[3] / first[3]),
            )
        )
    return tuple(stages)


def analyse_orders(baseline: Baseline, levers: Sequence[Lever]) -> OrderAnalysis:
    """Try every order of up to `MAX_ORDERED_LEVERS` levers and compare where they end.

    Of orders that are equal at the end and on the way, the first in the order given stands.

    Raises
    ------
    InputError
        If there are more levers, or for what `run_stack` raises.
    """
    if len(levers) > MAX_ORDERED_LEVERS:
        raise InputError(
            f"{len(levers)} levers have too many orders to try; give at most {MAX_ORDERED_LEVERS}."
        )
    factors = _factors(levers)
    names = [lever.name for lever in levers]
    load = positive("load_rps", baseline.load_rps)
    needed = load / share("utilization", baseline.utilization)

    def walk(rate: Fraction, price: Fraction, order: tuple[str, ...], spent: Fraction) -> None:
        nodes = math.ceil(needed / rate)
        cost = nodes * price
        if len(order) == len(names):
            ends.append((cost, spent, nodes, order))
        for name in names:
            if name not in order:
                step = _applicable(factors[name], order)
                walk(rate * step[0], price * step[3], (*order, name), spent + cost)

    ends: list[_End] = []
    start = _start(baseline)
    walk(start[0], start[3], (), Fraction(0))
    costs, nodes = [end[0] for end in ends], [end[2] for end in ends]
    spread = max(costs) - min(costs)

    def order(end: _End) -> Order:
        cost, spent, count, applied = end
        mean = spent / len(names) if names else cost
        return Order(applied, count, float(cost), float(mean))

    return OrderAnalysis(
        orders=len(ends),
        order_independent=spread == 0 and max(nodes) == min(nodes),
        best=order(min(ends, key=lambda end: end[:2])),
        worst=order(max(ends, key=lambda end: end[:2])),
        spread_nodes=max(nodes) - min(nodes),
        spread_cost_per_hour_usd=float(spread),
    )


def _start(baseline: Baseline) -> _State:
    """Return the baseline's (node rate, weights, KV cache, price), checked and exact."""
    return (
        positive("node_rps", baseline.node_rps),
        positive("weights_gb", baseline.weights_gb),
        not_negative("kv_gb", baseline.kv_gb),
        positive("price_per_node_hour_usd", baseline.price_per_node_hour_usd),
    )


@dataclass(frozen=True)
class _Exact:
    """A lever's factors as fractions, and its conditions with None where they keep them."""

    own: _State
    after: tuple[tuple[str, tuple[Fraction | None, ...]], ...]


def _factors(levers: Sequence[Lever]) -> dict[str, _Exact]:
    """Check the levers against each other and return their exact factors by name."""
    known = [lever.name for lever in levers]
    found: dict[str, _Exact] = {}
    for lever in levers:
        place = f"lever {lever.name!r}"
        if lever.name in found:
            raise InputError(f"{place} is there twice; give each lever a name of its own.")
        for condition in lever.after:
            if condition.lever == lever.name:
                raise InputError(f"{place}: it cannot come after itself; name another lever.")
            if condition.lever not in known:
                raise UnknownNameError("lever", condition.lever, known, f"{place}: after")
        rows = [
            (c.lever, tuple(_factor(place, f, getattr(c, f)) for f in _FACTORS))
            for c in lever.after
        ]
        own = [positive(f"{place}: {f}", getattr(lever, f)) for f in _FACTORS]
        found[lever.name] = _Exact((own[0], own[1], own[2], own[3]), tuple(rows))
    return found


def _factor(place: str, name: str, value: float | None) -> Fraction | None:
    """Return a condition's factor exactly; None stays None."""
    return None if value is None else positive(f"{place}: after: {name}", value)


def _applicable(factors: _Exact, applied: Sequence[str]) -> _State:
    """Return the factors of a lever that comes after `applied`."""
    if not factors.after:
        return factors.own
    chosen = [
        next((row[i] for lever, row in factors.after if lever in applied and row[i]), None) or own
        for i, own in enumerate(factors.own)
    ]
    return chosen[0], chosen[1], chosen[2], chosen[3]


def _apply(state: _State, step: _State) -> _State:
    """Multiply a node's state by a lever's factors."""
    return state[0] * step[0], state[1] * step[1], state[2] * step[2], state[3] * step[3]


EXAMPLE = Baseline(
    load_rps=4_000,
    node_rps=30,
    utilization=0.60,
    price_per_node_hour_usd=12,
    weights_gb=140,
    kv_gb=40,
    gpu_memory_gb=80,
    gpus_per_node=4,
)
"""A 70B model in 16 bits at 4,000 requests/s: 140 GB of weights, 40 GB of KV cache a node."""

EXAMPLE_LEVERS = (
    Lever(
        "int8 weights",
        throughput_factor=1.35,
        weight_factor=0.5,
        why="Half the bytes a weight: 70 + 40 = 110 GB; decoding reads half as much a step.",
    ),
    # 2:4 sparsity would not do here: a 2-bit index for each weight kept makes 8-bit weights 0.625
    # of their size, and 43.75 + 40 GB is more than one GPU of 80 GB.
    Lever(
        "distilled 35B variant",
        throughput_factor=1.4,
        weight_factor=0.5,
        why="Narrower feed-forward layers, same attention: 35 + 40 = 75 GB fits one GPU.",
    ),
    Lever(
        "fp8 KV cache",
        throughput_factor=1.25,
        kv_factor=0.5,
        why="Half the bytes a cached token: room for more sequences in a batch.",
    ),
    Lever(
        "continuous batching",
        throughput_factor=1.8,
        why="A finished sequence gives up its slot at once, not when its whole batch ends.",
    ),
    Lever(
        "prefix reuse",
        throughput_factor=1.2,
        why="The shared start of the prompts is prefilled once and its KV cache kept.",
    ),
)
"""Factors of the worked example; a lever's real factor is a measurement on one's own traffic."""


def load_levers(path: str | Path) -> tuple[Lever, ...]:
    """Read levers from a YAML (or JSON) file.

    ::

        levers:
          - {name: continuous batching, throughput_factor: 1.8}
          - name: speculative decoding
            throughput_factor: 1.8
            why: Several tokens for each pass over the weights.
            after: [{lever: continuous batching, throughput_factor: 1.2}]

    Raises
    ------
    InputError
        If the file cannot be read, holds no list of levers, or a lever has an unknown key, no
        name or a factor that is not a number above 0. The message names file and lever.
    """
    place = str(path)
    document = parse_yaml(read_text(Path(path), "levers"), place)
    rows = document.get("levers") if isinstance(document, Mapping) else document
    if not isinstance(rows, list) or not rows:
        raise InputError(f"{place}: must hold 'levers:', a list with a mapping for each lever.")
    levers = tuple(_read_lever(row, f"{place}, lever {i}") for i, row in enumerate(rows, start=1))
    try:
        _factors(levers)
    except InputError as error:
        raise InputError(f"{place}: {error}") from None
    return levers


def _read_lever(row: Any, place: str) -> Lever:
    """Build a lever from a mapping."""
    cells = _cells(row, place, [f.name for f in fields(Lever)])
    conditions = cells.pop("after", [])
    if not isinstance(conditions, list):
        raise InputError(f"{place}: after must be a list of mappings, each with a lever.")
    known = [f.name for f in fields(After)]
    after = [_cells(c, f"{place}, after {i}", known) for i, c in enumerate(conditions, start=1)]
    _need_text(cells, "name", place)
    for i, condition in enumerate(after, start=1):
        _need_text(condition, "lever", f"{place}, after {i}")
    if not isinstance(cells.get("why", ""), str):
        raise InputError(f"{place}: why is not a text; write one line.")
    return Lever(**cells, after=tuple(After(**c) for c in after))


def _need_text(cells: Mapping[str, Any], key: str, place: str) -> None:
    """Raise unless `key` holds a text."""
    value = cells.get(key)
    if not isinstance(value, str) or not value.strip():
        raise InputError(f"{place}: {key} is missing or not a text; give the lever's name.")


def _cells(row: Any, place: str, known: Sequence[str]) -> dict[str, Any]:
    """Return a mapping's entries; unknown keys and empty values are errors."""
    if not isinstance(row, Mapping):
        raise InputError(f"{place}: must be a mapping with {', '.join(known)}.")
    for key, value in row.items():
        if key not in known:
            raise UnknownNameError("key", str(key), known, place)
        if value is None:
            raise InputError(f"{place}: {key} is empty; give a value or leave the key out.")
    return dict(row)
