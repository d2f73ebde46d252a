"""Whiteboard sizing: the closed forms that bound a fleet before any program is solved.

Every ceiling and floor here is taken in exact rational arithmetic. A number given as a float is
read at 12 significant digits, which is finer than any rate, price or memory is known and coarser
than the noise that binary floats pick up in a few operations (about 1e-16 relative). So
``0.1 + 0.2`` is three tenths; 119 requests/s at 0.7 · 85 a node are 2 nodes, where floats find
2.0000000000000004 and buy a third; and a quotient that really is 3.0000000001 needs its fourth.

Units: GB is 1e9 bytes, bandwidth is GB/s of 1e9 bytes, money is US dollars.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from fractions import Fraction
from numbers import Rational, Real

from data.errors import InputError

SIGNIFICANT_DIGITS = 12
"""Digits at which a float is read; see the module's first paragraph."""

LARGEST, SMALLEST = 10**18, Fraction(1, 10**18)
"""Bounds on the size of any input: beyond them a slip of units is certain."""

GB = 10**9

Number = float | Fraction
"""What the functions accept: int, float or an exact fraction."""


def exact(name: str, value: Number) -> Fraction:
    """Return `value` as a fraction: whole numbers and fractions as they are, floats at 12 digits.

    Raises
    ------
    InputError
        If `value` is not a finite number of at most 1e18 in size.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise InputError(f"{name} is {value!r}; give a number.")
    if isinstance(value, Rational):
        number = Fraction(int(value.numerator), int(value.denominator))
    elif math.isfinite(value):
        number = Fraction(format(float(value), f".{SIGNIFICANT_DIGITS}g"))
    else:
        raise InputError(f"{name} is {value}; give a finite number.")
    if abs(number) > LARGEST:
        raise InputError(f"{name} is {_short(number)}; give at most 1e18 (are the units right?).")
    return number


def positive(name: str, value: Number) -> Fraction:
    """Return `value` exactly; raise `InputError` unless it is a number from 1e-18 to 1e18."""
    number = exact(name, value)
    if number <= 0:
        raise InputError(f"{name} is {_short(number)}; give a number above 0.")
    if number < SMALLEST:
        raise InputError(f"{name} is {_short(number)}; give at least 1e-18 (are the units right?).")
    return number


def not_negative(name: str, value: Number) -> Fraction:
    """Return `value` exactly; raise `InputError` unless it is a number from 0 to 1e18."""
    number = exact(name, value)
    if number < 0:
        raise InputError(f"{name} is {_short(number)}; give 0 or more.")
    return number


def share(name: str, value: Number) -> Fraction:
    """Return `value` exactly; raise `InputError` unless it is above 0 and at most 1."""
    number = exact(name, value)
    if not 0 < number <= 1:
        raise InputError(f"{name} is {_short(number)}; give a share above 0 and at most 1.")
    return positive(name, value)


def whole(name: str, value: float, at_least: int = 1) -> int:
    """Return `value` as an int; raise `InputError` unless it is a whole number >= `at_least`."""
    number = exact(name, value)
    if number.denominator != 1 or number < at_least:
        raise InputError(f"{name} is {_short(number)}; give a whole number of at least {at_least}.")
    return int(number)


def _short(number: Fraction) -> str:
    """Write a number for an error message; `float` cannot hold every fraction."""
    if abs(number) > 10**300:
        return "beyond 1e300"
    return format(float(number), f".{SIGNIFICANT_DIGITS}g")


@dataclass(frozen=True)
class FleetSize:
    """Nodes that carry a load, and what they cost.

    `spare_share` is the part of the bought throughput, at the allowed utilization, that rounding
    up to whole nodes leaves over.
    """

    load_rps: float
    node_rps: float
    utilization: float
    nodes: int
    spare_share: float
    price_per_node_hour_usd: float
    cost_per_hour_usd: float
    cost_per_month_usd: float
    hours_per_month: float


def node_count(load_rps: Number, node_rps: Number, utilization: Number) -> int:
    """Return N = ceil(load / (utilization · node rate)), in exact arithmetic.

    Raises
    ------
    InputError
        If a rate is not above 0, or the utilization not in (0, 1].
    """
    load = positive("load_rps", load_rps)
    return math.ceil(load / (share("utilization", utilization) * positive("node_rps", node_rps)))


def fleet_size(
    load_rps: Number,
    node_rps: Number,
    utilization: Number,
    price_per_node_hour_usd: Number,
    *,
    rate_factor: Number = 1,
    price_factor: Number = 1,
    hours_per_month: Number = 730,
) -> FleetSize:
    """Size and price a fleet of equal nodes: N = ceil(load / (u · r)), C = N · c.

    Parameters
    ----------
    load_rps
        Requests/s that arrive, at the peak that the fleet must carry.
    node_rps
        Requests/s that one node sustains within the latency objective.
    utilization
        Share of `node_rps` that may be planned on, in (0, 1].
    price_per_node_hour_usd
        Price of one node for one hour.
    rate_factor, price_factor
        Levers on the node: rate × `rate_factor`, price × `price_factor`. They are applied in
        exact arithmetic, so 85 × 1.4 is 119.
    hours_per_month
        730 (8,760 / 12) as in the plan document; the textbook month of 30 days has 720.

    Raises
    ------
    InputError
        If a rate, price or factor is not above 0, or the utilization is not in (0, 1].
    """
    rate = positive("node_rps", node_rps) * positive("rate_factor", rate_factor)
    price = positive("price_per_node_hour_usd", price_per_node_hour_usd)
    price *= positive("price_factor", price_factor)
    hours = positive("hours_per_month", hours_per_month)
    nodes = node_count(load_rps, rate, utilization)
    load, used = exact("load_rps", load_rps), exact("utilization", utilization)
    return FleetSize(
        load_rps=float(load),
        node_rps=float(rate),
        utilization=float(used),
        nodes=nodes,
        spare_share=float(1 - load / (nodes * used * rate)),
        price_per_node_hour_usd=float(price),
        cost_per_hour_usd=float(nodes * price),
        cost_per_month_usd=float(nodes * price * hours),
        hours_per_month=float(hours),
    )


@dataclass(frozen=True)
class DenseShape:
    """A dense transformer as the whiteboard knows it: parameters, layers, hidden width."""

    name: str
    parameters: int
    layers: int
    hidden: int


WHITEBOARD_MODELS = (
    DenseShape("8B", 8 * GB, 32, 4_096),
    DenseShape("70B", 70 * GB, 80, 8_192),
    DenseShape("405B", 405 * GB, 126, 16_384),
)
"""Llama 3 shapes (Grattafiori et al. 2024, arXiv 2407.21783, table 3), parameters rounded."""


@dataclass(frozen=True)
class GpuBound:
    """The fewest GPUs whose memory holds weights and KV cache.

    `kv_share` is the KV cache's part of the bytes held.
    """

    gpus: int
    weights_gb: float
    kv_gb: float
    kv_share: float
    gpu_memory_gb: float


def gpu_lower_bound(
    parameters: Number,
    layers: int,
    hidden: int,
    context_tokens: int,
    requests: int,
    *,
    bytes_per_weight: Number = 2,
    bytes_per_kv: Number = 2,
    gqa_factor: Number = 1,
    gpu_memory_gb: Number = 80,
) -> GpuBound:
    """Return ceil((P·b + 2·L·H·b_kv·C·R / g) / M): no smaller fleet holds the bytes.

    A lower bound, not a plan: no workspace, no engine reserve, no fragmentation, every byte of
    the label used, and requests at their full context all at once.

    Parameters
    ----------
    parameters
        P, a count (70e9 and not 70).
    layers, hidden
        L and H; 2·L·H values a token is the multi-head (MHA) cache of keys and values.
    context_tokens, requests
        C tokens held for each of R concurrent requests.
    bytes_per_weight, bytes_per_kv
        b and b_kv in bytes a value (2 for bf16, 1 for fp8, 0.5 for int4).
    gqa_factor
        g = attention heads / KV heads, at least 1: grouped queries (Ainslie et al. 2023,
        arXiv 2305.13245) shrink the cache by it. Llama 3: 4 for 8B, 8 for 70B, 16 for 405B.
    gpu_memory_gb
        M, memory of one GPU in GB of 1e9 bytes.

    Raises
    ------
    InputError
        If a figure is not above 0, a count not whole, or the GQA factor below 1.
    """
    group = positive("gqa_factor", gqa_factor)
    if group < 1:
        raise InputError(
            f"gqa_factor is {float(group):g}; give heads / KV heads, which is at least 1."
        )
    memory = positive("gpu_memory_gb", gpu_memory_gb)
    weights = positive("parameters", parameters) * positive("bytes_per_weight", bytes_per_weight)
    values = 2 * whole("layers", layers) * whole("hidden", hidden)
    tokens = whole("context_tokens", context_tokens) * whole("requests", requests)
    kv = values * tokens * positive("bytes_per_kv", bytes_per_kv) / group
    return GpuBound(
        gpus=math.ceil((weights + kv) / (memory * GB)),
        weights_gb=float(weights / GB),
        kv_gb=float(kv / GB),
        kv_share=float(kv / (weights + kv)),
        gpu_memory_gb=float(memory),
    )


def memory_wall_tokens_per_s(
    parameters: Number, bytes_per_weight: Number, bandwidth_gb_per_s: Number
) -> float:
    """Return the most tokens/s that one sequence can be decoded at: bandwidth / weight bytes.

    Each token reads every weight once, so no amount of compute lifts a single sequence above
    this; the KV cache read lowers it further (Pope et al. 2022, arXiv 2211.05102, section 2).

    Raises
    ------
    InputError
        If a figure is not above 0.
    """
    weights = positive("parameters", parameters) * positive("bytes_per_weight", bytes_per_weight)
    return float(positive("bandwidth_gb_per_s", bandwidth_gb_per_s) * GB / weights)


def kv_bytes_per_sequence(
    layers: int, kv_heads: int, head_dim: int, tokens: int, bytes_per_value: Number = 2
) -> float:
    """Return the KV cache of one sequence in bytes: 2 · layers · KV heads · head dim · b · tokens.

    The 2 counts keys and values. With MHA, KV heads are the attention heads.

    Raises
    ------
    InputError
        If a count is not a whole number above 0, or the bytes are not above 0.
    """
    per_token = 2 * whole("layers", layers) * whole("kv_heads", kv_heads)
    per_token *= whole("head_dim", head_dim)
    size = positive("bytes_per_value", bytes_per_value)
    return float(per_token * whole("tokens", tokens) * size)


def batch_ceiling(memory_gb: Number, weights_gb: Number, kv_gb_per_sequence: Number) -> int:
    """Return floor((memory − weights) / KV a sequence): sequences that fit at full length.

    0 means that the weights leave no room for one sequence, or do not fit at all.

    Raises
    ------
    InputError
        If a figure is not above 0.
    """
    memory, weights = positive("memory_gb", memory_gb), positive("weights_gb", weights_gb)
    room = (memory - weights) / positive("kv_gb_per_sequence", kv_gb_per_sequence)
    return max(0, math.floor(room))


def weights_gb_per_gpu(weights_gb: Number, tp: int) -> float:
    """Return the weights that one GPU of a tensor-parallel group holds: weights / TP, in GB.

    Raises
    ------
    InputError
        If the weights are not above 0 or `tp` is not a whole number above 0.
    """
    return float(positive("weights_gb", weights_gb) / whole("tp", tp))


def cost_per_million_tokens_usd(price_per_hour_usd: Number, tokens_per_s: Number) -> float:
    """Return dollars for a million tokens: price an hour / (3,600 · tokens/s) · 1e6.

    Raises
    ------
    InputError
        If a figure is not above 0.
    """
    price = positive("price_per_hour_usd", price_per_hour_usd)
    return float(price * 10**6 / (3600 * positive("tokens_per_s", tokens_per_s)))


@dataclass(frozen=True)
class AllReduceTime:
    """Time of one ring all-reduce in microseconds, and its two terms."""

    ranks: int
    latency_us: float
    transfer_us: float
    total_us: float


def ring_all_reduce(
    ranks: int, message_bytes: Number, hop_latency_us: Number, bandwidth_gb_per_s: Number
) -> AllReduceTime:
    """Return 2(n−1)·latency + 2(n−1)/n · bytes/bandwidth for a ring of n ranks.

    A reduce-scatter and an all-gather of n−1 hops each move 1/n of the message a hop: the
    transfer is bandwidth-optimal (Patarasuk and Yuan 2009, doi 10.1016/j.jpdc.2008.09.002), the
    latency grows with n, which is what a single token's message of some KB pays.

    Parameters
    ----------
    ranks
        n; one rank has nothing to reduce and takes no time.
    message_bytes
        Bytes that each rank holds (8,192 fp16 values are 16,384).
    hop_latency_us
        Time of a hop before its first byte, microseconds; 0 gives the bandwidth term alone.
    bandwidth_gb_per_s
        Bandwidth of one direction of a rank's link.

    Raises
    ------
    InputError
        If `ranks` is not a whole number above 0, the latency negative, or another figure not
        above 0.
    """
    n = whole("ranks", ranks)
    size = positive("message_bytes", message_bytes)
    bandwidth = positive("bandwidth_gb_per_s", bandwidth_gb_per_s)
    latency = 2 * (n - 1) * not_negative("hop_latency_us", hop_latency_us)
    transfer = Fraction(2 * (n - 1), n) * size / (bandwidth * GB) * 10**6
    return AllReduceTime(n, float(latency), float(transfer), float(latency + transfer))
