"""The KV cache: bytes a sequence holds, and how many sequences a configuration can cap at."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import ArrayLike, NDArray

from model.replicas import LOGIT_BYTES, Replicas
from model.traffic import RequestClass

Floats = NDArray[np.float64]

KV_BLOCK_TOKENS = 16
"""Paged KV is handed out in blocks of this many tokens (vLLM's default)."""


def kv_bytes(r: Replicas, tokens: ArrayLike) -> Floats:
    """Return the cache bytes that a sequence of `tokens` tokens holds on one accelerator.

    Growing layers hold every token, window layers the last `window_tokens`, linear layers a
    fixed state.
    """
    tokens = np.asarray(tokens, dtype=float)
    windowed = np.minimum(tokens, r.window_tokens)
    return np.asarray(
        r.kv_token_bytes * tokens + r.kv_window_token_bytes * windowed + r.state_bytes, dtype=float
    )


def kv_reserved_bytes(r: Replicas, tokens: ArrayLike) -> Floats:
    """Return `kv_bytes` with the tokens rounded up to whole paged blocks."""
    blocks = np.ceil(np.asarray(tokens, dtype=float) / KV_BLOCK_TOKENS)
    return kv_bytes(r, blocks * KV_BLOCK_TOKENS)


def with_caps(
    base: Replicas, classes: Sequence[RequestClass], caps: Sequence[int], vocab: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], Replicas]:
    """Return `base` with every batch cap that makes a difference.

    A cap beyond what the KV cache holds changes nothing, so for each configuration the caps end
    with the first that exceeds it; configurations that cannot hold one sequence of any class
    are left out.

    Parameters
    ----------
    base
        Replicas, shape (n,), built with the smallest of `caps`.
    vocab
        Vocabulary size: the logits of a batch are part of the workspace.

    Returns
    -------
    index, cap, replicas
        For each combination kept: the position in `base`, the cap, and the replica.
    """
    rc = base.column
    tokens = np.array([c.isl.mean + c.osl.mean for c in classes])
    need = kv_reserved_bytes(rc, tokens)
    most = np.floor(np.maximum(base.kv_budget_bytes, 0.0)[:, None] / need).max(axis=1)
    ladder = np.array(sorted(caps))
    below = np.concatenate([[0], ladder[:-1]])
    index, which = np.nonzero(below[None, :] < most[:, None])
    cap = ladder[which]
    chosen = base.take(index)
    extra = (cap - chosen.batch_cap) * vocab * LOGIT_BYTES / (chosen.tp * chosen.dp)
    return (
        index,
        cap,
        replace(
            chosen,
            batch_cap=cap.astype(float),
            workspace_bytes=chosen.workspace_bytes + extra,
        ),
    )
