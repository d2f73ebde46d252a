"""What a crew needs of those who work for it: processes of this machine, or a cluster's."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

from data.errors import EngineError


class WorkerLostError(EngineError):
    """A worker was killed before it had an answer. A crew tries again, and tells in the end."""


class Team(Protocol):
    """Workers that solve batches of tasks over one ground, in any order.

    Attributes
    ----------
    trusts
        How often a batch may be lost with its worker before its tasks are tried one by one, alone.
    tries
        How often a task that is tried alone may be lost.
    """

    trusts: int
    tries: int

    def workers(self) -> int:
        """Return how many are at work now; at least 1."""

    def submit(self, batch: Sequence[Any]) -> Any:
        """Send a batch and return what stands for its answer."""

    def answer(self, sent: Any) -> list[Any]:
        """Return the results of a batch, waiting for them.

        Raises
        ------
        WorkerLostError
            If its worker was killed, as often as the team tries by itself.
        EngineError
            If the team is gone, or cannot solve anything.
        """

    def lost(self, sent: Any) -> bool:
        """Whether it is known that the answer to a batch was lost with its worker."""

    def settle(self, sent: Sequence[Any]) -> None:
        """Wait until all batches are answered or lost."""

    def close(self) -> None:
        """Stop what is at work and let go of the workers."""
