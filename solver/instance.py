"""The data of one program: what is written into the formulation, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from data.offers import Offer
from solver.candidates import Candidate, CandidateKey, Rater
from solver.change import Change, kind_of
from solver.grids import by_grid
from solver.hosting import HostKey
from solver.objective import COST, Held, Objective


@dataclass(frozen=True)
class Caps:
    """Limits on the whole fleet; None means no limit."""

    max_gpus: int | None = None
    max_cost_per_hour_usd: float | None = None
    max_power_kw: float | None = None
    max_providers: int | None = None
    spare_replicas: int = 0
    max_quality_loss_pct: float | None = None
    max_spot_share: float | None = None
    spot_headroom: float = 0.0
    held: tuple[Held, ...] = ()


@dataclass(frozen=True)
class Ceilings:
    """What a fleet whose objective is at most `most` cannot exceed.

    Attributes
    ----------
    replicas
        Most replicas of each candidate.
    shares
        Largest share of each class on each candidate, ``shares[c][w]``.
    """

    most: float
    replicas: tuple[float, ...]
    shares: tuple[tuple[float, ...], ...]


@dataclass(frozen=True)
class Instance:
    """One fleet problem.

    Attributes
    ----------
    class_names, rates_rps
        The classes w and their rates λ_w.
    candidates
        The candidates c, in a fixed order.
    offers
        The offers o that may be bought.
    ceilings
        Bounds that every fleet no dearer than a known one keeps; None without such a fleet.
    rater
        What turns prospects among the candidates into candidates; None if there are none.
    factors
        Factors on the capacities of some candidates, by their keys.
    common_factor
        A factor on the capacities of all.
    objective
        What a fleet is charged.
    change
        The running fleet that a change from is charged, too; None without one. Its candidates are
        among `candidates`.
    """

    class_names: tuple[str, ...]
    rates_rps: tuple[float, ...]
    candidates: tuple[Candidate, ...]
    offers: tuple[Offer, ...]
    caps: Caps = field(default_factory=Caps)
    ceilings: Ceilings | None = None
    rater: Rater | None = None
    factors: Mapping[CandidateKey, float] = field(default_factory=dict)
    common_factor: float = 1.0
    objective: Objective = COST
    change: Change | None = None

    def rated(self, useful: NDArray[np.bool_] | None = None) -> Instance:
        """Return the instance with its prospects rated, and capacities scaled by the factors.

        Parameters
        ----------
        useful
            Which classes each candidate is of use for, shape (candidates, classes); all by
            default.
        """
        chosen = self.candidates
        if self.rater is not None and any(c.prospect is not None for c in chosen):
            if useful is None:
                useful = np.ones((len(chosen), len(self.class_names)), dtype=bool)
            chosen = self.rater.rated(chosen, useful)
            if self.change is not None:
                chosen = self.change.without_copies(chosen)
        located = [o for o in self.objectives if o.located]
        if located:
            chosen = by_grid(chosen, self.fitting, self.offers, located[0])
        if self.factors or self.common_factor != 1:
            common = self.common_factor
            chosen = tuple(_scaled(c, self.factors.get(c.key, 1.0) * common) for c in chosen)
        return replace(self, candidates=chosen)

    @property
    def objectives(self) -> tuple[Objective, ...]:
        """What a fleet is charged, and what else it is held to."""
        return (self.objective, *(held for held, _ in self.caps.held))

    def keep(
        self, kept: NDArray[np.bool_] | None = None, offers: Sequence[Offer] | None = None
    ) -> Instance:
        """Return the instance with only some candidates (all by default), or other offers.

        What is known of the candidates as arrays is kept as well.
        """
        chosen, mask = self.candidates, kept
        if mask is not None:
            chosen = tuple(c for c, k in zip(chosen, mask, strict=True) if k)
        again = replace(
            self, candidates=chosen, offers=self.offers if offers is None else tuple(offers)
        )
        for name, candidates_axis in _ARRAYS.items():
            if name in self.__dict__:
                known = self.__dict__[name]
                if mask is not None:
                    known = known[(slice(None),) * candidates_axis + (mask,)]
                again.__dict__[name] = known
        return again

    @cached_property
    def host_codes(self) -> NDArray[np.intp]:
        """Number of what each candidate asks of a node: equal where that is, whoever they are."""
        codes: dict[HostKey, int] = {}
        found = [codes.setdefault(c.host, len(codes)) for c in self.candidates]
        return np.array(found, dtype=np.intp)

    @cached_property
    def pair_codes(self) -> NDArray[np.intp]:
        """Number of the location, KV format and model that a prefill or decode pool pairs at.

        −1 for aggregated candidates.
        """
        codes: dict[object, int] = {}
        found = [
            -1
            if c.role == "aggregated"
            else codes.setdefault((c.location, c.shape.kv, c.model), len(codes))
            for c in self.candidates
        ]
        return np.array(found, dtype=np.intp)

    @cached_property
    def prefills(self) -> NDArray[np.bool_]:
        """Which candidates are prefill pools."""
        return np.array([c.role == "prefill" for c in self.candidates], dtype=bool)

    @cached_property
    def capacity_rps(self) -> NDArray[np.float64]:
        """Requests/s that a replica of each candidate admits, shape (classes, candidates)."""
        rates = [c.capacity_rps for c in self.candidates]
        return np.array(rates, dtype=float).reshape(-1, len(self.class_names)).T

    @cached_property
    def link_rps(self) -> NDArray[np.float64]:
        """Requests/s that the network of a replica carries, shape (classes, candidates)."""
        rates = [c.link_rps for c in self.candidates]
        return np.array(rates, dtype=float).reshape(-1, len(self.class_names)).T

    @cached_property
    def offers_of(self) -> dict[str, tuple[int, ...]]:
        """Accelerator → positions of its offers."""
        found: dict[str, list[int]] = {}
        for i, o in enumerate(self.offers):
            found.setdefault(o.accelerator, []).append(i)
        return {name: tuple(positions) for name, positions in found.items()}

    @cached_property
    def providers(self) -> tuple[str, ...]:
        """Who offers are bought from, by name."""
        return tuple(sorted({o.provider for o in self.offers}))

    def node_power_w(self, o: int) -> float | None:
        """Return the rated power of the accelerators of a node (W); None where it is not known."""
        each = self._tdp_w.get(self.offers[o].accelerator)
        return None if each is None else each * self.offers[o].gpus_per_node

    @cached_property
    def _tdp_w(self) -> dict[str, float | None]:
        chips = (c.shape.accelerator for c in self.candidates)
        return {chip.name: chip.tdp_w for chip in chips}

    def fitting(self, key: HostKey) -> tuple[int, ...]:
        """Return the positions of the offers whose nodes can hold replicas of `key`.

        Where power is limited, nodes whose power is not known can hold none.
        """
        if self.caps.max_power_kw is not None and self._tdp_w.get(key.accelerator) is None:
            return ()
        nearby = self.offers_of.get(key.accelerator, ())
        return tuple(i for i in nearby if key.accepts(self.offers[i]))

    def host_of(self, candidate: Candidate) -> HostKey:
        """Return what the replicas of a candidate ask of a node.

        Where the share on interruptible nodes is limited, each candidate is placed on its own;
        where a change is charged, each kind that must be told from others.
        """
        if self.caps.max_spot_share is not None:
            return replace(candidate.host, owner=candidate.key)
        if self.change is not None and self.change.apart(candidate):
            return replace(candidate.host, owner=kind_of(candidate))
        return candidate.host

    def room_factor(self, o: int) -> float:
        """Return the nodes of an offer to buy for each node in use: above 1 for free ones."""
        return 1.0 + self.caps.spot_headroom if self.offers[o].interruptible else 1.0

    @cached_property
    def hosts(self) -> dict[HostKey, tuple[tuple[int, ...], tuple[int, ...]]]:
        """Host keys with the candidates (positions) they hold and the offers (positions) they fit.

        Candidates that no offer can hold are not listed: they cannot be deployed.
        """
        members: dict[HostKey, list[int]] = {}
        for i, c in enumerate(self.candidates):
            members.setdefault(self.host_of(c), []).append(i)
        found = {}
        for key, group in members.items():
            fitting = self.fitting(key)
            if fitting:
                found[key] = (tuple(group), fitting)
        return found

    @cached_property
    def deployable(self) -> tuple[int, ...]:
        """Positions of the candidates that some offer can hold."""
        return tuple(sorted(i for group, _ in self.hosts.values() for i in group))

    def load(self, w: int, c: int) -> float | None:
        """Replicas of candidate c that the whole of class w takes, λ_w/μ_wc; None if it cannot."""
        capacity = self.candidates[c].capacity_rps[w]
        return self.rates_rps[w] / capacity if capacity > 0 else None

    def largest_share(self, w: int, c: int) -> float:
        """Return the largest share of class w that candidate c can take in a useful fleet."""
        return 1.0 if self.ceilings is None else self.ceilings.shares[c][w]

    def link_load(self, w: int, c: int) -> float:
        """Replicas of c that the KV hand-over of the whole of class w takes (0: none)."""
        return self.rates_rps[w] / self.candidates[c].link_rps[w]

    def node_weight(self, o: int) -> float:
        """Return a_o: what a node of offer o is charged."""
        return self.objective.node(self.offers[o])

    def busy_weights(self, objective: Objective) -> NDArray[np.float64]:
        """Return b_c: what a replica of each candidate is charged at full load above an idle one.

        Of a candidate that offers of several charges can hold, the least; 0 where none can.
        """
        if not objective.charges_load:
            return np.zeros(len(self.candidates))
        codes, firsts = np.unique(self.host_codes, return_index=True)
        keys = [self.host_of(self.candidates[i]) for i in firsts]
        per_key = np.array(
            [
                key.group_size
                * key.groups
                * min((objective.busy(self.offers[o]) for o in self.fitting(key)), default=0.0)
                for key in keys
            ]
        )
        return np.asarray(per_key[np.searchsorted(codes, self.host_codes)], dtype=float)

    def most_replicas(self, c: int) -> int:
        """Return an upper bound on useful replicas of a deployable candidate, spares included."""
        return self._most_replicas[c]

    @cached_property
    def _most_replicas(self) -> dict[int, int]:
        return {c: self._replicas_for_all(c) for c in self.deployable}

    def _replicas_for_all(self, c: int) -> int:
        """Replicas of a candidate that all classes take together, and spares.

        Of a kind that runs, no fewer than run: that they run on may cost less than to stop some.
        """
        loads = [self.load(w, c) or 0.0 for w in range(len(self.class_names))]
        links = [self.link_load(w, c) for w in range(len(self.class_names))]
        most = _ceil(max(sum(loads), sum(links))) + self.caps.spare_replicas
        if self.change is not None:
            most = max(most, self.change.kinds.get(kind_of(self.candidates[c]), 0))
        if self.ceilings is not None:
            most = int(min(most, self.ceilings.replicas[c]))
        return most

    def most_nodes(self, o: int) -> int:
        """Return an upper bound on useful nodes of an offer, its stock included."""
        offer, need = self.offers[o], self._nodes_for_all.get(o, 0)
        if self.ceilings is not None and self.node_weight(o) > 0:
            affordable = self.ceilings.most / self.node_weight(o)
            need = min(need, int(affordable * (1 + 1e-9)))
        need = max(need, offer.min_nodes)
        return need if offer.stock is None else min(need, offer.stock)

    @cached_property
    def _nodes_for_all(self) -> dict[int, int]:
        """Offer → nodes that hold as many replicas as are useful of all it can hold."""
        need: dict[int, int] = {}
        for key, (group, fitting) in self.hosts.items():
            groups = sum(self.most_replicas(c) for c in group) * key.groups
            for o in fitting:
                per_node = self.offers[o].gpus_per_node // key.group_size
                need[o] = need.get(o, 0) - (-groups // per_node)
        return {o: _ceil(nodes * self.room_factor(o)) for o, nodes in need.items()}


_ARRAYS = {"host_codes": 0, "pair_codes": 0, "prefills": 0, "capacity_rps": 1, "link_rps": 1}
"""Arrays over the candidates, and the axis that runs over them."""


def _ceil(value: float) -> int:
    """Ceiling that forgives a rounding error of one part in 1e9."""
    return -int(-(value * (1 - 1e-9)) // 1)


def _scaled(candidate: Candidate, factor: float) -> Candidate:
    if factor == candidate.tightened:
        return candidate
    change = factor / candidate.tightened
    rates = tuple(v * change for v in candidate.capacity_rps)
    return replace(candidate, capacity_rps=rates, tightened=factor)
