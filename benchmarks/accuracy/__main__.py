"""Writes ``docs/accuracy.md`` and its plots (``make accuracy``)."""

from __future__ import annotations

import argparse
import datetime as dt
import hashlib
import sys
from importlib import metadata
from pathlib import Path

from benchmarks.accuracy import plots, tables
from benchmarks.accuracy.ask import Rival
from benchmarks.accuracy.compare import compare, ours, theirs
from benchmarks.accuracy.puzzles import puzzles
from benchmarks.accuracy.samples import read_samples
from benchmarks.accuracy.split import split

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from marked import rewrite  # noqa: E402


def versions() -> dict[str, str]:
    """Return what of minfleet was run, and when."""
    coefficients = (ROOT / "data" / "coefficients.csv").read_bytes()
    return {
        "date": dt.date.today().isoformat(),
        "minfleet": metadata.version("minfleet"),
        "data/coefficients.csv": f"SHA-256 {hashlib.sha256(coefficients).hexdigest()[:12]}…",
    }


def main() -> None:
    """Predict the samples and render the page."""
    parser = argparse.ArgumentParser(prog="benchmarks.accuracy", description=__doc__)
    parser.add_argument(
        "--environment",
        type=Path,
        default=ROOT / ".venv-accuracy",
        help="environment that holds AIConfigurator (default: .venv-accuracy)",
    )
    parser.add_argument("--docs", type=Path, default=ROOT / "docs", help="folder of the page")
    given = parser.parse_args()

    rival = Rival.of(given.environment.absolute())
    placed = list(split(read_samples(rival.sample)))
    rows = compare(placed, rival)
    plots.scatter(rows, given.docs / "accuracy-scatter.png")
    plots.error_bars(rows, given.docs / "accuracy-errors.svg")
    side_by_side = tables.side_by_side(rows)
    rewrite(
        given.docs / "accuracy.md",
        {
            "side by side": side_by_side,
            "alone": tables.alone(rows),
            "puzzles": puzzles(rows),
            "other ways": tables.other_ways(rows),
            "tpot cells": tables.cells(rows, "tpot_ms"),
            "ttft cells": tables.cells(rows, "ttft_ms"),
            "left out": tables.left_out(placed),
            "refused": tables.refused(rows, ours),
            "refused by AIConfigurator": tables.refused(rows, theirs),
            "versions": tables.versions(rival, rows, versions()),
        },
    )
    print(side_by_side)


if __name__ == "__main__":
    main()
