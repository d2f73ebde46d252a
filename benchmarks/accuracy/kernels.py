"""Laws of matrix kernels, fitted to kernel measurements of aiconfigurator-core (``make kernels``).

The package (NVIDIA, Apache-2.0) carries times of single kernels of vLLM, SGLang and TensorRT-LLM by
shape, measured apart from any benchmark of a whole engine. Fitted are the laws of
`model.step_time`: for the products of routed experts

    time = overhead + bytes of the experts visited/(share · bandwidth) + flops/(share · peak)
           + passes · bytes of the copies of tokens/bandwidth

and for dense products in 4 bits the root of the summed squares of both terms. They become the
rows ``expert_mbu_*``, ``expert_mfu_*``, ``expert_passes_*`` and ``mbu_fp4`` of
``data/coefficient_priors.csv``.

Runs in the environment of AIConfigurator, whose pandas reads the tables; imports nothing of ours.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import io
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

import aiconfigurator_core
import numpy as np
import pandas as pd
from scipy.optimize import least_squares

SYSTEMS = {
    "h100_sxm": ("hopper", 3352, 989.4),
    "h200_sxm": ("hopper", 4800, 989.4),
    "b200_sxm": ("blackwell", 8000, 2250.0),
}
"""System of the tables → family, GB/s, dense Tflop/s in 16 bits."""

EXPERTS = {
    ("hopper", "bf16"): ("bfloat16", 2.0, 1),
    ("hopper", "fp8"): ("fp8_block", 1.0, 2),
    ("hopper", "int4"): ("int4_wo", 0.5625, 1),
    ("hopper", "fp4"): ("w4a16_mxfp4", 0.53125, 1),
    ("blackwell", "bf16"): ("bfloat16", 2.0, 1),
    ("blackwell", "fp8"): ("fp8_block", 1.0, 2),
    ("blackwell", "int4"): ("int4_wo", 0.5625, 1),
    ("blackwell", "fp4"): ("nvfp4", 0.5625, 4),
}
"""Family and format of a coefficient → kernels that serve it, bytes a parameter, and the peak rate
of its products in units of the 16-bit one."""

DENSE = {
    ("hopper", "bf16"): ("bfloat16", 2.0, 1),
    ("hopper", "fp8"): ("fp8", 1.0, 2),
    ("blackwell", "bf16"): ("bfloat16", 2.0, 1),
    ("blackwell", "fp8"): ("fp8", 1.0, 2),
    ("blackwell", "fp4"): ("nvfp4", 0.5625, 4),
}
"""The same for dense products, whose soft corner is looked at; the rates of all but FP4 are fitted
to whole engines (``make coefficients``)."""

ENGINES = ("vllm", "sglang", "trtllm")

MOST_TOKENS = 16_384
LEAST_ROWS = 25

ROBUST = 0.1
"""Relative error from which on rows count linearly."""

PASSES = (0.5, 50.0)
"""Bounds of the passes over the copies of tokens."""

SHARES = (0.02, 1.0)
"""Bounds of a share; caches make some small products faster than memory alone would allow."""

COLUMNS = ("engine", "family", "coefficient", "value", "unit", "low", "high", "observed_at",
           "source", "notes")  # fmt: skip

Floats = np.ndarray
Parts = tuple[Floats, Floats, Floats, Floats]
"""Streaming, multiplying and moving once at the peaks, and measured times (µs)."""

Cells = tuple[str, ...]

NOTES = {
    "expert_mbu": "share of the peak bandwidth at which routed experts in {} are streamed",
    "expert_mfu": "share of the peak rate of its compute format at which experts in {} multiply",
    "expert_passes": "reads and writes of each copy of a token for routed experts in {}",
    "mbu_fp4": "share of the peak bandwidth at which dense 4-bit float weights are streamed",
}


def tables(kind: str) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield engine, family and rows of a kind of kernel on each system.

    Of the two newest releases the one with more rows is taken: some hold a few new shapes alone.
    """
    root = Path(aiconfigurator_core.__file__).parent / "systems" / "data"
    for system, (family, bandwidth, peak) in SYSTEMS.items():
        for engine in ENGINES:
            paths = sorted(
                (root / system / kind / engine).glob(f"*/{kind}_perf.parquet"), key=order
            )
            rows = max((pd.read_parquet(path) for path in paths[-2:]), key=len)
            rows = rows.astype({f"{kind}_dtype": object})
            yield engine, family, rows.assign(bandwidth=bandwidth, peak=peak)


def order(path: Path) -> list[int]:
    """Return the numbers of the release that a table is of, ``1.3.0rc20`` as 1, 3, 0, 20."""
    return [int(number) for number in re.findall(r"\d+", path.parent.name)]


def experts(rows: pd.DataFrame, size: float, width: int) -> Parts:
    """Return the parts of kernels of routed experts."""
    rows = rows[(rows.distribution == "balanced") & (rows.moe_ep_size == 1)]
    rows = rows[(rows.num_tokens <= MOST_TOKENS) & (rows.hidden_size >= 2048)]
    one = 3.0 * rows.hidden_size * rows.inter_size / rows.moe_tp_size
    routed = rows.num_tokens.astype(float) * rows.topk
    visited = np.minimum(rows.num_experts.astype(float), routed)
    copies = routed * rows.hidden_size * 2.0
    return _microseconds(visited * one * size, 2 * one * routed, copies, rows, width)


def dense(rows: pd.DataFrame, size: float, width: int) -> Parts:
    """Return the parts of dense products."""
    shape = rows[["m", "n", "k"]].astype(float)
    large = (shape.n >= 1024) & (shape.k >= 1024) & (shape.n <= 65_536) & (shape.m <= 8192)
    rows, shape = rows[large], shape[large]
    area = shape.n * shape.k
    return _microseconds(area * size, 2 * shape.m * area, 0 * area, rows, width)


def _microseconds(
    size: pd.Series, flops: pd.Series, moved: pd.Series, rows: pd.DataFrame, width: int
) -> Parts:
    read, move = (s / (rows.bandwidth * 1e9) * 1e6 for s in (size, moved))
    multiply = flops / (rows.peak * width * 1e12) * 1e6
    parts = (read, multiply, move, rows.latency.astype(float) * 1e3)
    a, b, c, d = (part.to_numpy(float) for part in parts)
    return a, b, c, d


@dataclass(frozen=True)
class Law:
    """Shares of bandwidth and rate that kernels reach, passes over what they move; the median
    error, and how many kernels."""

    mbu: float
    mfu: float
    passes: float
    error_pct: float
    rows: int


def law(parts: list[Parts], joined: Callable[[Floats, Floats], Floats]) -> Law:
    """Fit the law of an engine; `joined` makes one time of streaming and multiplying."""
    read, multiply, move, measured = (np.concatenate(c) for c in zip(*parts, strict=True))

    def residuals(x: Floats) -> Floats:
        overhead, mbu, mfu, passes = np.exp(x)
        return np.log((overhead + joined(read / mbu, multiply / mfu) + passes * move) / measured)

    low = np.log([0.5, SHARES[0], SHARES[0], PASSES[0]])
    high = np.log([400, SHARES[1], SHARES[1], PASSES[1]])
    found = least_squares(
        residuals, np.log([30, 0.7, 0.4, 4]), loss="soft_l1", f_scale=ROBUST,
        bounds=(low, high + 1e-9),
    )  # fmt: skip
    _, mbu, mfu, passes = np.exp(found.x)
    return Law(mbu, mfu, passes, float(np.median(np.abs(found.fun)) * 100), len(measured))


def mean(laws: list[Law]) -> Law:
    """Return the geometric mean, for engines without such kernels."""

    def of(name: str) -> float:
        return float(np.exp(np.mean(np.log([getattr(x, name) for x in laws]))))

    error = float(np.mean([x.error_pct for x in laws]))
    return Law(of("mbu"), of("mfu"), of("passes"), error, sum(x.rows for x in laws))


def by_engine(kind: str, family: str, kernels: str, size: float, width: int) -> dict[str, Law]:
    """Return the law of each engine that has such kernels."""
    timed, joined = (experts, np.add) if kind == "moe" else (dense, np.hypot)
    found: dict[str, list[Parts]] = {}
    for engine, own, table in tables(kind):
        if own == family:
            parts = timed(table[table[f"{kind}_dtype"] == kernels], size, width)
            if len(parts[0]) >= LEAST_ROWS:
                found.setdefault(engine, []).append(parts)
    return {engine: law(parts, joined) for engine, parts in found.items()}


def rows(today: str, version: str) -> Iterator[Cells]:
    """Yield rows of coefficients: of each engine, and of all engines for those without."""

    def row(engine: str, family: str, name: str, value: float, found: Law) -> Cells:
        kind, _, stored = name.rpartition("_")
        note = NOTES[name if name in NOTES else kind].format(stored)
        source = (
            f"law fitted to {found.rows} kernel measurements of aiconfigurator-core {version} "
            f"(Apache-2.0), median error {found.error_pct:.0f} %"
        )
        unit = "count" if kind == "expert_passes" else "fraction"
        return engine, family, name, f"{value:.3g}", unit, "", "", today, source, note

    for (family, stored), kernels in EXPERTS.items():
        laws = by_engine("moe", family, *kernels)
        everyone = {"*": mean(list(laws.values())), **laws}
        for engine, found in everyone.items():
            places = ("*", family) if engine == "*" and family == "hopper" else (family,)
            for place in places:
                yield row(engine, place, f"expert_mbu_{stored}", found.mbu, found)
                yield row(engine, place, f"expert_mfu_{stored}", found.mfu, found)
                yield row(engine, place, f"expert_passes_{stored}", found.passes, found)
    laws = by_engine("gemm", "blackwell", *DENSE["blackwell", "fp4"])
    everyone = {"*": mean(list(laws.values())), **laws}
    yield row("*", "*", "mbu_fp4", everyone["*"].mbu, everyone["*"])
    for engine, found in everyone.items():
        yield row(engine, "blackwell", "mbu_fp4", found.mbu, found)


def main() -> None:
    """Put the rows in place of those of the same names."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("table", type=Path)
    given = parser.parse_args()
    new = list(rows(str(dt.date.today()), metadata.version("aiconfigurator-core")))
    names = {row[2] for row in new}
    with given.table.open(encoding="utf-8", newline="") as file:
        kept = [row for row in csv.reader(file) if row[2] not in names]
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerows([*kept, *new])
    given.table.write_text(text.getvalue(), "utf-8")
    for row in new:
        print(*row[:4], row[8])
    print("how closely dense products follow the root of squares, median error:")
    for (family, stored), kernels in DENSE.items():
        for engine, found in by_engine("gemm", family, *kernels).items():
            print(f"{engine} {family} {stored}: {found.error_pct:.0f} % of {found.rows} kernels")


if __name__ == "__main__":
    main()
