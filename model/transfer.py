"""KV caches on the move: what a prompt hands from a prefill pool to a decode pool."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from model.kv_cache import kv_bytes
from model.replicas import Replicas
from model.traffic import RequestClass

Floats = NDArray[np.float64]


def prompt_kv_bytes(r: Replicas, classes: Sequence[RequestClass]) -> Floats:
    """Return the cache bytes of each class's mean prompt, all ranks together.

    Heads that TP replicates are sent once a rank, as current connectors do.

    Returns
    -------
    ndarray
        Shape (replicas, classes).
    """
    rc = r.column
    isl = np.array([c.isl.mean for c in classes])
    return np.asarray(kv_bytes(rc, isl) * rc.gpus, dtype=float)


def link_rps(r: Replicas, classes: Sequence[RequestClass], bandwidth: Floats) -> Floats:
    """Return the requests/s of each class whose KV the network of a replica carries.

    Parameters
    ----------
    bandwidth
        Network of each replica (bytes/s), shape (replicas,).

    Returns
    -------
    ndarray
        Shape (replicas, classes).
    """
    rate = np.asarray(bandwidth, dtype=float)[:, None] * r.column.network_efficiency
    return np.asarray(rate / np.maximum(prompt_kv_bytes(r, classes), 1e-9), dtype=float)


def handover_s(r: Replicas, classes: Sequence[RequestClass], bandwidth: Floats) -> Floats:
    """Return the time to move the KV of each class's prompt at its percentile.

    Parameters
    ----------
    bandwidth
        Network of each replica (bytes/s), shape (replicas,); 0 means no network: infinite.
    """
    rc = r.column
    tail = np.array([c.isl.quantile(c.percentile / 100) for c in classes])
    size = kv_bytes(rc, tail) * rc.gpus
    rate = np.asarray(bandwidth, dtype=float)[:, None] * rc.network_efficiency
    return np.where(rate > 0, size / np.maximum(rate, 1e-9), np.inf)
