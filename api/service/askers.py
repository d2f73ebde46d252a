"""How many askers of this server want each job, so that one of them may leave."""

from __future__ import annotations

from collections import OrderedDict

MOST = 10_000
"""Jobs that are counted; of older ones it is not known, and they are not given up."""


class Askers:
    """Job → how many asked for it."""

    def __init__(self) -> None:
        self._counts: OrderedDict[str, int] = OrderedDict()

    def add(self, job_id: str) -> None:
        """Count one more."""
        self._counts[job_id] = self._counts.get(job_id, 0) + 1
        while len(self._counts) > MOST:
            self._counts.popitem(last=False)

    def leave(self, job_id: str) -> bool:
        """Count one less; return whether it was the last."""
        left = self._counts.pop(job_id, 0) - 1
        if left > 0:
            self._counts[job_id] = left
        return left == 0
