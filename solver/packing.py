"""From replica counts to nodes: which replica runs on which node of which offer."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
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
    nodes: tuple[int, ...]


def place(
    instance: Instance,
    replicas: Mapping[int, int],
    hosted: Mapping[tuple[HostKey, int], int],
    nodes: Mapping[int, int],
) -> list[Placement]:
    """Place every replica, largest groups first, each group inside one node.

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
        key: [c for c in group for _ in range(replicas.get(c, 0))]
        for key, (group, _) in instance.hosts.items()
    }
    free = {o: [instance.offers[o].gpus_per_node] * count for o, count in nodes.items()}
    found: dict[tuple[int, int], tuple[int, set[int]]] = defaultdict(lambda: (0, set()))
    order = sorted(
        ((key, o, count) for (key, o), count in hosted.items() if count),
        key=lambda entry: (-entry[0].group_size, entry[1]),
    )
    for key, o, count in order:
        for _ in range(count):
            if not waiting[key]:
                break
            c = waiting[key].pop(0)
            used = {_seat(free[o], key.group_size) for _ in range(key.groups)}
            number, touched = found[c, o]
            found[c, o] = (number + 1, touched | used)
    if any(waiting.values()):
        raise EngineError("some replicas found no node; please report the workload.")
    return [
        Placement(c, o, number, tuple(sorted(touched)))
        for (c, o), (number, touched) in sorted(found.items())
    ]


def _seat(free: list[int], size: int) -> int:
    """Take `size` accelerators of the first node that has them."""
    for i, room in enumerate(free):
        if room >= size:
            free[i] -= size
            return i
    raise EngineError("a group found no room in the nodes bought; please report the workload.")
