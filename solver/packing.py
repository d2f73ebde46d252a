"""From replica counts to nodes: which replica runs on which node of which offer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from data.errors import EngineError
from solver.hosting import HostKey
from solver.instance import Instance


@dataclass(frozen=True)
class Placement:
    """Replicas of one candidate on the nodes of one offer.

    Attributes
    ----------
    nodes
        Numbers of the nodes (from 0, within the offer) that hold any of them.
    """

    candidate: int
    offer: int
    replicas: int
    nodes: tuple[range, ...]

    @property
    def node_count(self) -> int:
        """Number of nodes that hold any of its replicas."""
        return sum(len(span) for span in self.nodes)


@dataclass(frozen=True)
class _Run:
    """Neighbouring nodes with equally many accelerators free."""

    nodes: range
    free: int


def place(
    instance: Instance,
    replicas: Mapping[int, int],
    hosted: Mapping[tuple[HostKey, int], int],
    nodes: Mapping[int, int],
) -> list[Placement]:
    """Place every replica, largest groups first, each group inside one node.

    Equal nodes are filled together, so that a fleet of millions takes no longer than a small one.

    Parameters
    ----------
    replicas
        Candidate → replicas.
    hosted
        (host key, offer) → replicas of that key on nodes of that offer.
    nodes
        Offer → nodes bought.

    Raises
    ------
    EngineError
        If a group finds no room, which the program's node rows exclude.
    """
    waiting = {
        key: [(c, replicas[c]) for c in group if replicas.get(c, 0)]
        for key, (group, _) in instance.hosts.items()
    }
    free = {o: [_Run(range(n), instance.offers[o].gpus_per_node)] for o, n in nodes.items()}
    number: dict[tuple[int, int], int] = defaultdict(int)
    touched: dict[tuple[int, int], list[range]] = defaultdict(list)
    order = sorted(
        ((key, o, count) for (key, o), count in hosted.items() if count),
        key=lambda entry: (-entry[0].group_size, entry[1]),
    )
    for key, o, count in order:
        while count and waiting[key]:
            c, left = waiting[key].pop(0)
            taken = min(count, left)
            free[o], used = _seat(free[o], key.group_size, taken * key.groups)
            number[c, o] += taken
            touched[c, o] += used
            count -= taken
            if left > taken:
                waiting[key].insert(0, (c, left - taken))
    if any(waiting.values()):
        raise EngineError("some replicas found no node; please report the workload.")
    return [
        Placement(c, o, count, tuple(_merged(touched[c, o])))
        for (c, o), count in sorted(number.items())
    ]


def _seat(runs: list[_Run], size: int, groups: int) -> tuple[list[_Run], list[range]]:
    """Put `groups` groups of `size` into the first nodes that have room for them."""
    rest: list[_Run] = []
    used: list[range] = []
    for run in runs:
        each = run.free // size
        if not each or not groups:
            rest.append(run)
            continue
        full = min(groups // each, len(run.nodes))
        groups -= full * each
        cuts = [(run.nodes[:full], each)]
        if groups and full < len(run.nodes):
            cuts.append((run.nodes[full : full + 1], groups))
            groups = 0
        taken = sum(len(span) for span, _ in cuts)
        rest += [_Run(span, run.free - n * size) for span, n in cuts if span]
        used += [span for span, _ in cuts if span]
        if taken < len(run.nodes):
            rest.append(_Run(run.nodes[taken:], run.free))
    if groups:
        raise EngineError("a group found no room in the nodes bought; please report the workload.")
    return rest, used


def _merged(spans: list[range]) -> Iterator[range]:
    """Join spans of nodes that meet or overlap."""
    start = stop = 0
    for span in sorted(spans, key=lambda s: s.start):
        if span.start > stop:
            if stop > start:
                yield range(start, stop)
            start = span.start
        stop = max(stop, span.stop)
    if stop > start:
        yield range(start, stop)
