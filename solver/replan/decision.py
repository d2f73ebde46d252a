"""The decision: keep the running fleet or switch, and why."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from solver.replan.memory import Memory

SCHEMA = "minfleet/decision/v1"

KEEP, SWITCH, MUST_SWITCH = "keep", "switch", "must_switch"


@dataclass(frozen=True)
class Decision:
    """What to do with a running fleet; `to_dict` gives the contract ``minfleet/decision/v1``.

    Attributes
    ----------
    outcome
        ``keep``, ``switch`` or ``must_switch``.
    plan
        The proposed plan document; None where nothing better or nothing at all was found.
    memory
        What the next decision must know: of the proposed fleet where it is accepted automatically,
        else of the running one.
    memory_if_accepted
        What the next decision must know once the proposed fleet runs; None without one.
    document
        The decision as a document.
    """

    outcome: str
    plan: Mapping[str, Any] | None
    memory: Memory
    memory_if_accepted: Memory | None
    document: Mapping[str, Any] = field(repr=False)

    @property
    def infeasible(self) -> bool:
        """Whether it is proven that no fleet serves the workload."""
        return bool(self.document["certificates"]["free"]["status"] == "infeasible")

    @property
    def proven(self) -> bool:
        """Whether every program was solved to the gap asked for."""
        open_ = ("feasible", "unknown")
        entries = self.document["certificates"].values()
        return all(c is None or c["status"] not in open_ for c in entries)

    def to_dict(self) -> dict[str, Any]:
        """Return the decision document, ready for JSON."""
        return dict(self.document)

    def to_json(self) -> str:
        """Return the decision document as JSON text."""
        return json.dumps(self.to_dict(), indent=2, allow_nan=False)
