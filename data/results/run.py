"""One benchmark run as a reader found it, before facts are added and sense is checked."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from data.errors import CatalogError
from data.results.values import as_cell, count, number

COLUMNS = (
    "source", "source_url_or_path", "date", "engine", "engine_version", "model", "gpu",
    "gpu_count", "tp", "pp", "ep", "precision_weights", "precision_kv", "isl", "osl",
    "concurrency_or_batch", "request_rate", "req_per_s", "output_tok_per_s", "ttft_ms_median",
    "ttft_ms_mean", "ttft_ms_p99", "tpot_ms_median", "tpot_ms_mean", "tpot_ms_p99", "scenario",
    "notes",
)  # fmt: skip
"""Columns of every row that is read from a result file."""


WHOLE = ("gpu_count", "tp", "pp", "ep", "concurrency_or_batch")
"""Columns of whole numbers above zero."""


@dataclass(frozen=True)
class Spread:
    """A latency over the requests of a run (milliseconds); None is unknown."""

    median: float | None = None
    mean: float | None = None
    p99: float | None = None

    @property
    def typical(self) -> float | None:
        """The mean, which adds up over the parts of a request; else the median."""
        return self.median if self.mean is None else self.mean

    @property
    def known(self) -> bool:
        """Whether anything is."""
        return self.typical is not None or self.p99 is not None


@dataclass(frozen=True)
class Run:
    """One run.

    Attributes
    ----------
    place
        File, and which of its runs, for error messages.
    source
        Tool that wrote the file.
    cells
        What the file states, by column.
    presumed
        What it only suggests: used where neither it nor the user states more.
    ttft, tpot
        Time to first token, and per output token after it.
    e2e_ms
        Typical time of a whole request.
    in_flight
        Mean of requests in flight.
    unit
        Unit in which the file holds its latencies: ``ns``, ``us``, ``ms`` or ``s``.
    needs
        Columns that must be known beyond those that every run needs.
    notes
        Parts for the column of that name.
    """

    place: str
    source: str
    cells: Mapping[str, Any]
    ttft: Spread
    tpot: Spread
    presumed: Mapping[str, Any] = field(default_factory=dict)
    e2e_ms: float | None = None
    in_flight: float | None = None
    unit: str = "ms"
    needs: tuple[str, ...] = ()
    notes: Iterable[str] = ()

    def row_cells(self) -> dict[str, str]:
        """Return the cells of the measured row, those that the file states.

        A central figure that is a mean, with no median beside it, stands in the median's column;
        the notes say so.

        Raises
        ------
        CatalogError
            If a cell would hold several values, or a count no whole number above zero.
        """
        notes = [n for n in self.notes if n]
        found = dict.fromkeys(COLUMNS, "")
        found |= {c: self._cell(c, v) for c, v in self.cells.items()}
        found["source"] = self.source
        for name, spread in (("ttft", self.ttft), ("tpot", self.tpot)):
            central = spread.typical if spread.median is None else spread.median
            found[f"{name}_ms_median"] = as_cell(central)
            found[f"{name}_ms_mean"] = as_cell(spread.mean)
            found[f"{name}_ms_p99"] = as_cell(spread.p99)
            if spread.median is None and spread.mean is not None:
                notes.append(f"{name}_central=mean")
        found["notes"] = " | ".join(n.replace("|", "/") for n in notes)
        return found

    def _cell(self, column: str, value: Any) -> str:
        """Return a stated value as its cell, checked."""
        if column in WHOLE:
            value = count(value, column, self.place)
            if value is not None and not value.is_integer():
                raise CatalogError(f"{self.place}: {column} is {value:g}, not a whole number.")
        elif isinstance(value, Mapping | list):
            raise CatalogError(
                f"{self.place}: {column} is {str(value)[:40]}, not one value; is the file damaged?"
            )
        return as_cell(value)


def spread(values: Mapping[str, Any], scale: float, what: str, place: str) -> Spread:
    """Return a latency from its ``median``, ``mean`` and ``p99``, times `scale`.

    Raises
    ------
    CatalogError
        If a figure is not a number of zero or more.
    """

    def one(name: str) -> float | None:
        found = number(values.get(name), f"{name} {what}", place)
        return None if found is None else found * scale

    return Spread(one("median"), one("mean"), one("p99"))


def check_completed(completed: float | None, failed: float | None, place: str) -> None:
    """Refuse a run in which no request succeeded.

    Raises
    ------
    CatalogError
        If `completed` is zero.
    """
    if completed == 0:
        tried = f" of {failed:.0f}" if failed else ""
        raise CatalogError(
            f"{place}: no request completed (0{tried}), so nothing was measured; see why the "
            "requests failed and run it again."
        )


def drive(rate: float | None, clients: float | None) -> dict[str, Any]:
    """Return the cells that say how a run was driven, an open loop where a rate is known."""
    scenario = "open-loop" if rate else "closed-loop-agg" if clients else None
    return {"request_rate": rate, "concurrency_or_batch": clients, "scenario": scenario}
