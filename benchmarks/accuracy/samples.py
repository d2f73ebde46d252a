"""Reading the measured rows that the package aiconfigurator-core carries (Apache-2.0, NVIDIA).

`Sample` gives the columns of ``silicon_sample.csv`` meaning; `benchmarks.accuracy.rows` turns a
sample into a measurement row, `benchmarks.accuracy.split` says what it is used for.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

INFERENCEX = re.compile(r"db-dump/|source_file=\d{4}-\d{2}-\d{2}\.csv")
"""How the source of a row from InferenceX begins; all others were measured by AIConfigurator."""

SHORTEST = 0.8
"""Shortest length of InferenceX's requests, as a share of the stated one (uniform up to it)."""


@dataclass(frozen=True)
class Sample:
    """One row of ``silicon_sample.csv``: a closed-loop benchmark of one deployment.

    Attributes
    ----------
    cells
        Every column as it was written; empty where unknown.
    """

    cells: Mapping[str, str]

    def text(self, column: str) -> str:
        """Return a cell; empty where unknown."""
        return (self.cells.get(column) or "").strip()

    def number(self, column: str) -> float | None:
        """Return a cell as a number; None where unknown."""
        cell = self.text(column)
        return float(cell) if cell else None

    def count(self, column: str) -> int:
        """Return a degree of parallelism; 1 where it is unknown or, as in some rows, 0."""
        return int(self.number(column) or 1)

    @cached_property
    def source(self) -> str:
        """Where the row was measured: a free text of ``name=value`` parts."""
        return self.text("silicon_data_source")

    @property
    def disaggregated(self) -> bool:
        """Whether prefill and decode ran on workers of their own."""
        return self.text("mode") == "disagg"

    @property
    def inferencex(self) -> bool:
        """Whether InferenceX measured the row, and so drew its lengths evenly."""
        return INFERENCEX.match(self.source) is not None

    @property
    def concurrency(self) -> int | None:
        """Clients of the closed loop; None where the source does not say."""
        found = re.search(r"silicon_concurrency=(\d+)", self.source)
        return int(found[1]) if found else None

    @property
    def date(self) -> str:
        """Day of the measurement (YYYY-MM-DD); empty where the source does not say."""
        found = re.search(r"measured=(\d{4}-\d{2}-\d{2})", self.source)
        return found[1] if found else ""

    def gpus(self, worker: str = "") -> int:
        """Return the GPUs of one engine: TP × PP × attention data parallelism.

        Parameters
        ----------
        worker
            ``prefill_`` or ``decode_`` for a worker of a disaggregated deployment.
        """
        parts = ("tp_size", "pp_size", "attention_dp_size")
        tp, pp, dp = (self.count(worker + part) for part in parts)
        return tp * pp * dp


def read_samples(path: Path) -> list[Sample]:
    """Read ``silicon_sample.csv``."""
    with path.open(encoding="utf-8", newline="") as file:
        return [Sample(row) for row in csv.DictReader(file)]
