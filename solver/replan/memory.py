"""What one decision must know of those before it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from data.errors import InputError

SCHEMA = "minfleet/replan-memory/v1"


@dataclass(frozen=True)
class Commitment:
    """Nodes that are paid for until a day, used or not.

    Attributes
    ----------
    until
        End of the term; None where it is not known, which counts as not yet.
    """

    offer_id: str
    nodes: int
    until: dt.datetime | None

    def binds(self, moment: dt.datetime) -> bool:
        """Whether the nodes are still paid for."""
        return self.until is None or moment < self.until


@dataclass(frozen=True)
class Memory:
    """What the next decision must know.

    Attributes
    ----------
    since
        When the running fleet was put in place; None where it is not known, which counts as long
        ago.
    proposal
        The fleet that the last decision found worth its change: configurations and offers, not
        numbers; "" for none.
    confirmations
        Consecutive decisions that found that fleet, the last one included.
    commitments
        Take-or-pay nodes, those that the running fleet leaves idle included. None where only the
        plan tells: its committed purchases then bind from `since` on, for their term.
    """

    since: dt.datetime | None = None
    proposal: str = ""
    confirmations: int = 0
    commitments: tuple[Commitment, ...] | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return the memory as a document, ready for JSON."""
        return {
            "schema": SCHEMA,
            "since": None if self.since is None else self.since.isoformat(),
            "proposal": self.proposal,
            "confirmations": self.confirmations,
            "commitments": None
            if self.commitments is None
            else [
                {
                    "offer_id": c.offer_id,
                    "nodes": c.nodes,
                    "until": None if c.until is None else c.until.isoformat(),
                }
                for c in self.commitments
            ],
        }

    @classmethod
    def from_dict(cls, document: Mapping[str, Any], *, place: str = "memory") -> Memory:
        """Return the memory that a document holds.

        Parameters
        ----------
        place
            Name of the file, for error messages.

        Raises
        ------
        InputError
            If the document is no memory.
        """
        if not isinstance(document, Mapping) or document.get("schema") != SCHEMA:
            raise InputError(
                f"{place}: is not a memory of decisions (schema {SCHEMA!r} is missing); leave it "
                "out to start without one."
            )
        try:
            held = document.get("commitments")
            return cls(
                since=_moment(document.get("since")),
                proposal=str(document.get("proposal") or ""),
                confirmations=int(document.get("confirmations") or 0),
                commitments=None if held is None else tuple(_commitments(held)),
            )
        except (LookupError, TypeError, ValueError, AttributeError) as error:
            raise InputError(
                f"{place}: the memory of decisions is damaged ({type(error).__name__}: {error}); "
                "leave it out to start without one."
            ) from None

    def confirmed(self, proposal: str) -> Memory:
        """Return the memory after a decision found a fleet worth its change; "" for none."""
        again = bool(proposal) and proposal == self.proposal
        count = self.confirmations + 1 if again else int(bool(proposal))
        return replace(self, proposal=proposal, confirmations=count)


def aware(moment: dt.datetime) -> dt.datetime:
    """Return a moment with its time zone; one without counts as UTC."""
    return moment if moment.tzinfo is not None else moment.replace(tzinfo=dt.UTC)


def _moment(text: str | None) -> dt.datetime | None:
    return None if text is None else aware(dt.datetime.fromisoformat(text))


def _commitments(entries: Iterable[Mapping[str, Any]]) -> Iterable[Commitment]:
    for entry in entries:
        yield Commitment(str(entry["offer_id"]), int(entry["nodes"]), _moment(entry["until"]))
