"""Faults of many rows, gathered so that whoever fills a file in hears of all of them at once."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from types import TracebackType

from data.errors import InputError, RowsError

Gathering = AbstractContextManager[None, bool | None]
"""What a row is read within: `Faults`, or `AT_ONCE`."""

AT_ONCE: Gathering = nullcontext()
"""Gathers nothing: the first fault ends the reading."""


class Faults:
    """Gathers what is refused within ``with faults:``; `check` raises what there is.

    >>> faults = Faults()
    >>> for row in rows:
    ...     with faults:
    ...         parse(row)
    >>> faults.check()
    """

    def __init__(self) -> None:
        self.found: list[InputError] = []

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool:
        if not isinstance(error, InputError):
            return False
        self.found.append(error)
        return True

    def check(self) -> None:
        """Raise the fault where there is one, and a `RowsError` where there are several.

        Raises
        ------
        InputError
            The fault as it was found.
        RowsError
            All of them.
        """
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise RowsError([str(error) for error in self.found])
