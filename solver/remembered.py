"""Answers worth keeping between plans, as many as fit in a budget.

A service plans the same few models again and again, at other rates. What does not depend on the
rates is kept here; `functools.lru_cache` would do, but that it counts answers, not their size.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from threading import Lock
from typing import Generic, TypeVar

Key = TypeVar("Key", bound=Hashable)
Answer = TypeVar("Answer")


class Remembered(Generic[Key, Answer]):
    """The answers to the questions asked last.

    Parameters
    ----------
    weigh
        Size of an answer, in any unit.
    budget
        Size of all answers together, in that unit; one that is larger alone is not kept.
    """

    def __init__(self, weigh: Callable[[Answer], float], budget: float) -> None:
        self._weigh, self._budget, self._held = weigh, budget, 0.0
        self._known: OrderedDict[Key, tuple[Answer, float]] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        """Return the number of answers held."""
        return len(self._known)

    def get(self, key: Key, find: Callable[[], Answer]) -> Answer:
        """Return the answer to `key`, found by calling `find` where it is not known.

        Threads that ask the same at the same time may each find it.
        """
        with self._lock:
            known = self._known.get(key)
            if known is not None:
                self._known.move_to_end(key)
                return known[0]
        answer = find()
        weight = self._weigh(answer)
        with self._lock:
            if weight <= self._budget and key not in self._known:
                self._known[key] = answer, weight
                self._held += weight
                while self._held > self._budget:
                    _, (_, freed) = self._known.popitem(last=False)
                    self._held -= freed
        return answer

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._known.clear()
            self._held = 0.0
