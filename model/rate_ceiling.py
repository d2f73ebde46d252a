"""A quick upper bound on the admissible rate, for dropping configurations before the search."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.admission import Limits, excess, one_each
from model.replicas import Replicas
from model.service import operate, prepare
from model.step_time import decode_step_s
from model.traffic import RequestClass

Floats = NDArray[np.float64]

_ROUNDING = 1 + 1e-9

_IDLE = 1e-9


def rate_ceiling(
    replicas: Replicas, classes: Sequence[RequestClass], limits: Limits, role: str
) -> Floats:
    """Return a rate that no replica admits more than, shape (replicas, classes).

    Zero where even an idle replica misses a limit. Otherwise the least of

    - the utilisation limit times the saturation rate, and
    - b/(tokens·T) with b the most sequences that a mean TPOT of T allows: a decode step takes at
      least that of one sequence plus the KV reads and collectives of each further one, and the
      rate λ(b) grows with b.

    Parameters
    ----------
    limits
        As for `model.admission.admissible`.
    """
    shape = (replicas.size, len(classes))
    traffic = one_each(classes, role)
    station = prepare(replicas.column(), traffic, prefill_only=role == "prefill")
    low = np.full(shape, _IDLE)
    if station.prefill_only:
        idle = operate(station, 0.0, low * station.saturation_rps)
    else:
        idle = operate(station, low * np.maximum(station.slots, 1.0))
    spread = Limits(
        ttft_s=np.broadcast_to(limits.ttft_s, shape),
        tpot_s=np.broadcast_to(limits.tpot_s, shape),
        e2e_s=np.broadcast_to(limits.e2e_s, shape),
        utilization=limits.utilization,
    )
    ceiling = limits.utilization * station.saturation_rps
    if not station.prefill_only:
        r = station.replicas
        one = decode_step_s(r, np.ones(shape), station.context)
        many = decode_step_s(r, np.full(shape, 2.0), station.context)
        terms = many - one
        weights = _weight_growth(station.replicas, shape, station.context)
        each = np.maximum(terms - weights, 0.0)
        target = spread.tpot_s
        with np.errstate(divide="ignore", invalid="ignore"):
            most = np.where(each > 0, np.maximum(target - one, 0.0) / each, np.inf)
            ceiling = np.minimum(ceiling, most / (station.decode_tokens * target))
    feasible = excess(idle, spread) <= 0
    return np.where(feasible, ceiling * _ROUNDING, 0.0)


def _weight_growth(r: Replicas, shape: tuple[int, int], context: Floats) -> Floats:
    """Growth of the matrix part of a step from one sequence to two; it may level off later."""
    from model.step_time import decode_terms

    one = decode_terms(r, np.ones(shape), context)
    two = decode_terms(r, np.full(shape, 2.0), context)
    before = np.maximum(one.weights, one.compute)
    return np.asarray(np.maximum(two.weights, two.compute) - before, dtype=float)
