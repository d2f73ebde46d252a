"""The formulas' percentiles beside simulated ones, over a grid of replicas (``make tails``).

Each cell is one replica under Poisson arrivals at a share of the rate at which it saturates. The
table goes into ``docs/simulation.md``.
"""

from __future__ import annotations

import argparse
import itertools
import math
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

import numpy as np

from data.accelerators import shipped_accelerators
from data.coefficients import shipped_coefficients
from data.models import find_model
from model.architecture import Architecture
from model.lengths import Lengths
from model.predict import Deployment, predict
from model.read_config import read_architecture
from model.shape import Shape
from model.simulation.clock import Clock
from model.simulation.engine import Engine, Requests
from model.station import prepare
from model.traffic import RequestClass, Traffic, traffic_of

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT / "docs"))

from marked import rewrite  # noqa: E402

REPLICAS = (
    ("llama-3.1-8b-instruct", "h100_sxm", "bf16", 1),
    ("llama-3.1-8b-instruct", "l40s", "fp8", 1),
    ("llama-3.1-70b-instruct", "h100_sxm", "fp8", 4),
    ("qwen3-30b-a3b", "h100_sxm", "fp8", 1),
    ("deepseek-v3", "h200_sxm", "fp8", 8),
)
"""Model, accelerator, weights, TP."""

LENGTHS = ((1024, 256), (200, 800), (8000, 400), (4000, 60), (512, 16))
"""Prompt and output (tokens): chat, reasoning, retrieval, summaries, labels."""

CAPS = (32, 256)
SPREADS = (0.0, 0.6)
"""Deviation of the logarithm of both lengths."""

UTILIZATIONS = (0.3, 0.5, 0.7, 0.8, 0.9)

WITHIN = {"tpot_ms": 0.15, "ttft_ms": 0.25}
"""What the formulas' 99th percentile should be within."""

WARM_UP = 0.1
"""Share of the requests that is left out."""


@dataclass(frozen=True)
class Cell:
    """One replica, its requests, and its load."""

    replica: tuple[str, str, str, int]
    isl: int
    osl: int
    cap: int
    spread: float
    utilization: float

    @property
    def requests(self) -> RequestClass:
        """The requests at the 99th percentile, without targets."""
        return RequestClass(
            "load", 1.0, Lengths(self.isl, self.spread), Lengths(self.osl, self.spread),
            math.inf, math.inf, math.inf, 99.0,
        )  # fmt: skip

    @property
    def deployment(self) -> Deployment:
        """The replica on vLLM."""
        model, chip, weights, tp = self.replica
        shape = Shape(shipped_accelerators()[chip], weights, "bf16", tp, 1, 1, self.cap)
        return Deployment(_architecture(model), shape, "vllm", 8192, shipped_coefficients())


@dataclass(frozen=True)
class Compared:
    """A cell with its 99th percentiles, by formula over simulated, less one."""

    cell: Cell
    error: dict[str, float]


@cache
def _architecture(name: str) -> Architecture:
    return read_architecture(find_model(name))


def cells() -> Iterator[Cell]:
    """Return the grid."""
    for replica, (isl, osl), cap, spread, load in itertools.product(
        REPLICAS, LENGTHS, CAPS, SPREADS, UTILIZATIONS
    ):
        yield Cell(replica, isl, osl, cap, spread, load)


def compared(cell: Cell, requests: int) -> Compared:
    """Predict a cell and simulate it."""
    unit, of = cell.deployment, cell.requests
    r = unit.replicas()
    t = traffic_of([of], np.ones(1))
    station = prepare(r, Traffic(**{k: np.atleast_2d(v) for k, v in vars(t).items()}))
    rate = cell.utilization * float(station.saturation_rps[0])
    seen = predict(unit, [of], [rate])
    simulated = _simulated(Clock.of(r), of, rate, requests)
    error = {
        "tpot_ms": seen.classes["load"].tpot_ms / simulated[0] - 1,
        "ttft_ms": seen.classes["load"].ttft_ms / simulated[1] - 1,
    }
    return Compared(cell, error)


def _simulated(clock: Clock, of: RequestClass, rate: float, requests: int) -> tuple[float, float]:
    """Return the 99th percentiles of TPOT and TTFT (ms) after the warm-up."""
    rng = np.random.default_rng(0)
    arrivals = np.cumsum(rng.exponential(1 / rate, requests))
    isl, osl = (_drawn(rng, of_length, requests) for of_length in (of.isl, of.osl))
    load = Requests(arrivals.tolist(), isl.tolist(), osl.tolist(), [0] * requests)
    engine = Engine(clock, load)
    for n in range(requests):
        engine.submit(n)
    engine.run()
    later = slice(int(WARM_UP * requests), None)
    first, done = np.array(load.first_s)[later], np.array(load.done_s)[later]
    more = osl[later] > 1
    tpot = (done - first)[more] / (osl[later][more] - 1)
    ttft = first - arrivals[later]
    return float(np.percentile(tpot, 99)) * 1e3, float(np.percentile(ttft, 99)) * 1e3


def _drawn(rng: np.random.Generator, lengths: Lengths, count: int) -> np.ndarray:
    if not lengths.sigma:
        return np.full(count, int(lengths.mean))
    drawn = rng.lognormal(math.log(lengths.mean) - lengths.sigma**2 / 2, lengths.sigma, count)
    return np.maximum(np.rint(drawn), 1).astype(int)


GROUPS: dict[str, Callable[[Cell], str]] = {
    "all": lambda c: "",
    "utilisation": lambda c: f"{c.utilization:g}",
    "requests": lambda c: f"{c.isl:,} in, {c.osl:,} out",
    "lengths": lambda c: "random" if c.spread else "equal",
    "replica": lambda c: f"{c.replica[0]} on {c.replica[3]} {c.replica[1]}",
}


def table(found: Sequence[Compared]) -> str:
    """Return the errors by group as a Markdown table."""
    lines = [
        "| | | cells | TPOT p99: median | within 15 % | worst | TTFT p99: median | within 25 % | "
        "worst |",
        "| --- | --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |",
    ]
    for by, name_of in GROUPS.items():
        for name in dict.fromkeys(name_of(f.cell) for f in found):
            own = [f for f in found if name_of(f.cell) == name]
            figures = []
            for figure, within in WITHIN.items():
                errors = np.array([f.error[figure] for f in own]) * 100
                share = (np.abs(errors) <= within * 100).mean()
                worst = errors[np.argmax(np.abs(errors))]
                figures.append(f"{np.median(errors):+.0f} % | {share:.0%} | {worst:+.0f} %")
            lines.append(f"| {by} | {name} | {len(own)} | {' | '.join(figures)} |")
    return "\n".join(lines)


def main() -> None:
    """Compare the grid and render the table."""
    parser = argparse.ArgumentParser(prog="benchmarks.tails", description=__doc__)
    parser.add_argument("--requests", type=int, default=10_000, help="requests a cell")
    given = parser.parse_args()
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        each = partial(compared, requests=given.requests)
        found = list(pool.map(each, cells(), chunksize=5))
    rendered = table(found)
    rewrite(ROOT / "docs" / "simulation.md", {"tails": rendered})
    print(rendered)


if __name__ == "__main__":
    main()
