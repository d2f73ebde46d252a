"""Candidates: replica configurations that may be deployed, with what they admit.

Performance belongs to (accelerator, configuration); price and stock belong to offers. The two
meet only in the program's node rows, so that a thousand prices do not multiply the candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from model.shape import Shape
from solver.hosting import HostKey
from solver.market import Location


@dataclass(frozen=True)
class Candidate:
    """One replica configuration that may be deployed.

    A *prospect* is a configuration whose rates are known for each class alone only: upper bounds
    on what it admits in any tier. A `Rater` turns prospects into candidates of one tier each.

    Attributes
    ----------
    classes
        Positions (in the workload) of the classes its pool may serve: its tier.
    location
        Provider and region of a prefill or decode pool; None for aggregated ones.
    capacity_rps
        Requests/s of each class of the workload that one replica admits (0: none).
    link_rps
        Requests/s of each class whose KV cache its network carries (inf: no hand-over).
    network_bytes_per_s
        Network of the replica, its accelerators' share of the node (prefill and decode).
    tightened
        Factor on the capacities, below 1 where a mix of classes would have missed a target.
    prospect
        Where a prospect was evaluated, (job, row); None for candidates.
    grid
        Locations its replicas are placed in, where load is charged by location; None for anywhere.
    """

    model: str
    role: str
    shape: Shape
    classes: tuple[int, ...]
    capacity_rps: tuple[float, ...]
    link_rps: tuple[float, ...]
    loss_pct: float
    location: Location | None = None
    network_bytes_per_s: float = 0.0
    tightened: float = 1.0
    prospect: tuple[int, int] | None = None
    grid: frozenset[Location] | None = None

    @property
    def gpus(self) -> int:
        """Accelerators a replica takes."""
        return self.shape.gpus

    @property
    def group_size(self) -> int:
        """Accelerators that must sit in one node."""
        return self.shape.tp if self.shape.cross_node else self.shape.gpus

    @property
    def groups(self) -> int:
        """Number of such groups a replica takes (more than 1 only across nodes)."""
        return self.shape.pp if self.shape.cross_node else 1

    @property
    def key(self) -> CandidateKey:
        """What tells this candidate from all others, whatever it admits."""
        return (
            self.model,
            self.role,
            self.shape,
            self.classes,
            self.location,
            self.network_bytes_per_s,
            self.grid,
        )

    @cached_property
    def host(self) -> HostKey:
        """Where its replicas can be placed."""
        shape = self.shape
        return HostKey(
            accelerator=shape.accelerator.name,
            group_size=self.group_size,
            groups=self.groups,
            location=self.location,
            cross_node_gbps=shape.network_gbps if shape.cross_node else 0.0,
            kv_gbps=self.network_bytes_per_s / shape.gpus * 8 / 1e9,
            grid=self.grid,
        )


CandidateKey = tuple[
    str, str, Shape, tuple[int, ...], Location | None, float, frozenset[Location] | None
]


class Rater(Protocol):
    """Turns prospects into candidates."""

    def rated(
        self, prospects: Sequence[Candidate], useful: NDArray[np.bool_]
    ) -> tuple[Candidate, ...]:
        """Return the undominated candidates of prospects, for tiers with a useful class.

        Parameters
        ----------
        useful
            Which classes each prospect is of use for, shape (prospects, classes).
        """
        ...


@dataclass
class Search:
    """What the candidate search looked at.

    Attributes
    ----------
    considered, fitting
        Configurations with batch caps, and those whose memory holds a sequence of some class.
    feasible
        Those that serve some class within its targets.
    reasons
        For each accelerator (by name): the idle figures of its best misses, for ``why_not``.
    """

    considered: int = 0
    fitting: int = 0
    feasible: int = 0
    reasons: dict[str, list[Miss]] = field(default_factory=dict)


@dataclass(frozen=True)
class Miss:
    """Why no configuration of an accelerator serves a class: the nearest miss.

    Attributes
    ----------
    limit
        ``memory``, ``ttft_ms``, ``tpot_ms``, ``e2e_ms`` or ``utilization``.
    best, target
        The best figure an idle replica reaches and the target (units of the limit).
    """

    class_name: str
    limit: str
    best: float
    target: float
