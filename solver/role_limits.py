"""What each role must hold: whole targets, or their parts when prefill and decode are split."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.admission import Limits, limits_of
from model.replicas import Replicas
from model.traffic import RequestClass
from model.transfer import handover_s

Floats = NDArray[np.float64]

NOTHING_LEFT_S = 1e-9
"""A limit that no replica keeps."""

HANDOVER_SHARE = 0.2
"""Share of the TTFT target kept for the hand-over: KV arrival, decode slot and first step."""

E2E_TTFT_SHARE = 0.5
"""Share of an end-to-end target that the TTFT may take when prefill and decode are split."""


def pool_limits(
    classes: Sequence[RequestClass],
    replicas: Replicas,
    bandwidth: Floats,
    role: str,
    max_utilization: float,
) -> Limits:
    """Return the limits of a role, arrays of shape (replicas, classes).

    When prefill and decode are split, the TTFT target T (or `E2E_TTFT_SHARE` of an end-to-end
    target, if that is shorter) is shared: the prefill pool answers for (1 − h)·T less the time
    its network needs for the prompt's KV; the decode pool for h·T less the time its own network
    needs, with h = `HANDOVER_SHARE`. Both times are counted, which can only be pessimistic.
    """
    whole = limits_of(classes, max_utilization)
    shape = (replicas.size, len(classes))
    if role == "aggregated":
        return Limits(
            ttft_s=np.broadcast_to(whole.ttft_s, shape),
            tpot_s=np.broadcast_to(whole.tpot_s, shape),
            e2e_s=np.broadcast_to(whole.e2e_s, shape),
            utilization=whole.utilization,
        )
    first = np.minimum(whole.ttft_s, E2E_TTFT_SHARE * whole.e2e_s)
    travel = handover_s(replicas, classes, bandwidth)
    never = np.full(shape, np.inf)
    if role == "prefill":
        left = _positive((1 - HANDOVER_SHARE) * first - travel)
        return Limits(left, never, never, whole.utilization)
    with np.errstate(invalid="ignore"):  # without any target, inf − inf
        rest = np.where(np.isinf(whole.e2e_s), np.inf, whole.e2e_s - (1 - HANDOVER_SHARE) * first)
    return Limits(
        ttft_s=_positive(HANDOVER_SHARE * first - travel),
        tpot_s=np.broadcast_to(whole.tpot_s, shape),
        e2e_s=_positive(np.broadcast_to(rest, shape) - np.where(np.isinf(rest), 0.0, travel)),
        utilization=whole.utilization,
    )


def _positive(limit: Floats) -> Floats:
    """Replace what is left of a target that the hand-over alone uses up: nothing keeps that."""
    return np.maximum(limit, NOTHING_LEFT_S)
