"""What a replica must hold: targets and promises, and by how much they are missed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from model.service import Operation
from model.traffic import RequestClass

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Limits:
    """What a replica must hold for each class; arrays broadcast to (replicas, classes).

    Attributes
    ----------
    ttft_s, tpot_s, e2e_s
        Targets at the class's percentile; ``inf`` where there is none.
    wait_s, mean_tpot_s
        Promises of a tier: the shared wait at the percentile, and the mean TPOT.
    utilization
        Largest utilisation.
    """

    ttft_s: Floats
    tpot_s: Floats
    e2e_s: Floats
    utilization: float
    wait_s: Floats | float = np.inf
    mean_tpot_s: Floats | float = np.inf


def limits_of(classes: Sequence[RequestClass], max_utilization: float) -> Limits:
    """Return the targets of `classes` as limits (seconds).

    An answer of a single token has no time per further token, so no TPOT target binds it.
    """
    return Limits(
        ttft_s=np.array([c.ttft_ms for c in classes]) / 1e3,
        tpot_s=np.array([c.tpot_ms if c.osl.mean > 1 else np.inf for c in classes]) / 1e3,
        e2e_s=np.array([c.e2e_ms for c in classes]) / 1e3,
        utilization=max_utilization,
    )


def broadcast(limits: Limits, shape: tuple[int, int]) -> Limits:
    """Return `limits` with every array of `shape`."""
    given = vars(limits)
    fixed = given["utilization"]
    spread = {k: np.broadcast_to(v, shape) for k, v in given.items() if k != "utilization"}
    return Limits(**spread, utilization=fixed)


def take(limits: Limits, index: object) -> Limits:
    """Return the limits at `index` (any NumPy index)."""
    return Limits(**{k: v[index] if np.ndim(v) else v for k, v in vars(limits).items()})


def joined(parts: Sequence[Limits]) -> Limits:
    """Return limits of equal utilisation, one after another."""
    arrays: dict[str, Any] = {
        k: np.concatenate([getattr(p, k) for p in parts]) if np.ndim(v) else v
        for k, v in vars(parts[0]).items()
    }
    return Limits(**arrays)


def excess(o: Operation, limits: Limits) -> Floats:
    """Return by which factor (less one) the worst-kept limit of single-class mixes is missed.

    Negative or zero where every limit holds; at most 4, so that the search stays tame where a
    queue has no steady state.
    """
    with np.errstate(invalid="ignore"):
        return _tamed(
            o,
            o.ttft_tail_s[..., 0] / limits.ttft_s,
            o.tpot_tail_s[..., 0] / limits.tpot_s,
            o.e2e_tail_s[..., 0] / limits.e2e_s,
            o.wait_tail_s[..., 0] / limits.wait_s,
            o.tpot_s / limits.mean_tpot_s,
            o.utilization / limits.utilization,
        )


def _tamed(o: Operation, worst: Floats, *ratios: Floats) -> Floats:
    """Return the largest ratio, less one; at most 4, and 4 where a ratio or a slot is missing."""
    for ratio in ratios:
        worst = np.maximum(worst, ratio)
    worst = np.where(np.isnan(worst) | (o.slots < 1), np.inf, worst)
    return np.asarray(np.minimum(worst - 1, 4.0), dtype=float)


def mix_excess(o: Operation, limits: Limits) -> Floats:
    """`excess` of mixes whose classes run over the last axis of `limits`."""
    with np.errstate(invalid="ignore"):
        return _tamed(
            o,
            (o.ttft_tail_s / limits.ttft_s).max(axis=-1),
            (o.tpot_tail_s / limits.tpot_s).max(axis=-1),
            (o.e2e_tail_s / limits.e2e_s).max(axis=-1),
            o.utilization / limits.utilization,
        )
