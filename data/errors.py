"""Every exception that minfleet raises on purpose, in one tree.

::

    MinfleetError
    ├── InputError            what the user gave is wrong; the message names the place and the fix
    │   ├── CatalogError      a row of accelerators, offers or models
    │   │   └── RowsError     … several rows of a file, one sentence each
    │   ├── StoreHeldError    the service's store is another server's
    │   ├── UnknownNameError  a model, accelerator, provider … that nothing here is called
    │   └── WorkloadError     a field of a workload
    ├── CalibrationError      measured runs cannot be fitted, or not better than before
    ├── EngineError           an optimisation engine failed or is missing
    ├── PlanError             a stored plan cannot be read or does not hold
    ├── ServerError           a minfleet server could not be reached, or could not answer
    │   └── ServerProblem     its answer was a problem document
    │       └── RequestRefusedError   … that the request itself is wrong; an InputError, too
    └── StoreError            the service's store cannot be reached, or is full
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from difflib import get_close_matches
from typing import Any


class MinfleetError(Exception):
    """Root of the tree: catch this to catch everything minfleet raises on purpose."""


class InputError(MinfleetError):
    """What the user gave is wrong. The message is one sentence: the place, the fault, the fix."""


class CatalogError(InputError):
    """A row of the catalogue (accelerator, offer, model, coefficient) is wrong."""


class RowsError(CatalogError):
    """Several rows are wrong. The message is of the first; `faults` has a sentence for each.

    Parameters
    ----------
    faults
        At least two sentences, in the order of the file.
    """

    def __init__(self, faults: Sequence[str]) -> None:
        self.faults = tuple(faults)
        others = len(self.faults) - 1
        more = f"{others:,} more faults are" if others > 1 else "One more fault is"
        super().__init__(
            f"{self.faults[0]} {more} there, too; 'minfleet catalog check' names every one."
        )


class WorkloadError(InputError):
    """A field of a workload file is wrong."""


class StoreHeldError(InputError):
    """The store of the service is a file that another server of this machine holds."""


class UnknownNameError(InputError):
    """A name that nothing in the catalogue carries.

    Parameters
    ----------
    kind
        What was looked for, e.g. ``"accelerator"``.
    name
        The name that was given.
    known
        The names that exist; the nearest are offered.
    place
        Where the name was given, e.g. ``"hardware.accelerators[0]"``.
    hint
        A closing half-sentence such as ``"list them with 'minfleet catalog list models'"``.
    """

    def __init__(
        self, kind: str, name: str, known: Iterable[str], place: str = "", hint: str = ""
    ) -> None:
        self.kind, self.name = kind, name
        near = nearest(name, known)
        where = f"{place}: " if place else ""
        meant = f"; did you mean {near}?" if near else "."
        tail = f" {hint[0].upper()}{hint[1:]}." if hint else ""
        super().__init__(f"{where}unknown {kind} {name!r}{meant}{tail}")


class CalibrationError(MinfleetError):
    """A fit cannot be made, did not converge, or is no better than what it started from."""


class EngineError(MinfleetError):
    """An optimisation engine failed, or the package that carries it is not installed."""


class PlanError(MinfleetError):
    """A stored plan cannot be read, or does not hold against its workload and catalogue."""


class ServerError(MinfleetError):
    """A minfleet server could not be reached, or could not answer for a reason of its own."""


class ServerProblem(ServerError):
    """A server's answer was a problem document (RFC 9457).

    Parameters
    ----------
    document
        The problem, with `type`, `title`, `status` and `detail`.
    retry_after_s
        When the server wants to be asked again; None where it does not say.
    """

    def __init__(self, document: Mapping[str, Any], retry_after_s: float | None = None) -> None:
        super().__init__(str(document["detail"]))
        self.document, self.retry_after_s = dict(document), retry_after_s

    @property
    def status(self) -> int:
        """HTTP status."""
        return int(self.document["status"])


class RequestRefusedError(ServerProblem, InputError):
    """The request itself is wrong (400, 413 or 422): the place, the fault, the fix."""


class StoreError(MinfleetError):
    """The store of the service cannot be reached, or is full."""


def nearest(name: str, known: Iterable[str], count: int = 3) -> str:
    """Return the known names nearest to `name`, quoted and joined with "or"; "" if none is near."""
    by_folded = {k.lower(): k for k in known}
    hits = get_close_matches(name.lower(), by_folded, n=count, cutoff=0.5)
    return " or ".join(repr(by_folded[h]) for h in hits)
