"""Held rows that lie far off: what was found out, and whether model or row is to blame."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace

from benchmarks.accuracy.compare import Compared, errors, ours
from benchmarks.accuracy.split import HELD
from benchmarks.accuracy.tables import FIGURES, table, three
from data.coefficients import shipped_coefficients
from data.measurements import MeasurementRow
from model.measured_rows import predict_row


@dataclass(frozen=True)
class Puzzle:
    """Rows that belong together, and what is wrong with them.

    Attributes
    ----------
    blame
        ``row`` where it leaves out what decides, ``model`` where that misses something.
    finding
        What was found out, in a sentence.
    noted
        A note that the rows would carry if they told what they leave out; empty if none helps.
    """

    name: str
    holds: Callable[[Compared], bool]
    blame: str
    finding: str
    noted: str = ""


def _is(model: str, engine: str, system: str = "") -> Callable[[Compared], bool]:
    def holds(row: Compared) -> bool:
        s = row.sample
        found = model in s.text("model_path") and engine == s.text("backend")
        return found and system in s.text("system")

    return holds


PUZZLES = (
    Puzzle(
        "Qwen3-32B, SGLang, H100",
        _is("Qwen3-32B", "sglang"),
        "row",
        "Its clients stay in step: all requests of exactly equal length start together, and SGLang "
        "runs all prompts before it decodes, so they end together and start together again. TTFT "
        "is that of a whole wave and TPOT that of decoding undisturbed. Whether lengths differ is "
        "not recorded; in the calibrating rows of SGLang they must. Predicted as in step below.",
        "in_step",
    ),
    Puzzle(
        "Qwen3-235B, vLLM 0.12, H200",
        _is("Qwen3-235B", "vllm", "h200"),
        "row",
        "TPOT is the same from 4 to 20 clients and from 1,000 to 8,000 tokens of context, and "
        "three times SGLang's on the same accelerators: the host paces the steps, as without CUDA "
        "graphs.",
    ),
    Puzzle(
        "Kimi-K2.5 in INT4, vLLM 0.15 to 0.17",
        lambda row: (
            "Kimi" in row.sample.text("model_path")
            and row.sample.text("gemm_quant_mode") == "int4_wo"
        ),
        "row",
        "Kernels of INT4 experts changed after these releases, and laws are fitted to those of the "
        "newest one measured (vLLM 0.24).",
    ),
    Puzzle(
        "GLM-5",
        _is("GLM-5", "sglang"),
        "model",
        "Sparse attention: its indexer is charged by layer, from a prior; no calibrating row has "
        "one.",
    ),
)


def puzzles(rows: Sequence[Compared]) -> str:
    """Return the errors of rows that lie off, and of all held rows without those to blame."""
    held = [r for r in rows if r.part in HELD and not r.sample.disaggregated]
    lines: list[tuple[object, ...]] = []
    for puzzle in PUZZLES:
        group = [r for r in held if puzzle.holds(r)]
        lines.append((puzzle.name, puzzle.blame, *_errors(group), puzzle.finding))
        if puzzle.noted:
            lines.append(("the same, told", "", *_errors(_told(group, puzzle.noted)), ""))
    blamed = [p for p in PUZZLES if p.blame == "row"]
    rest = [r for r in held if not any(p.holds(r) for p in blamed)]
    lines.append(("all held rows but those to blame", "", *_errors(rest), ""))
    return table(("rows", "to blame", "n", *FIGURES.values(), "finding"), lines, right=6)


def _errors(rows: Sequence[Compared]) -> tuple[int, str, str]:
    found = errors(rows, ours)
    tpot, ttft = (found.get(figure) for figure in FIGURES)
    return tpot.rows if tpot else 0, three(tpot), three(ttft)


def _told(rows: Iterable[Compared], note: str) -> list[Compared]:
    """Return the rows predicted as if they carried a note."""
    table_ = shipped_coefficients()
    found = []
    for row in rows:
        cells = {**row.row.cells, "notes": f"{row.row.text('notes')} | {note}"}
        told = MeasurementRow(row.row.place, cells)
        found.append(replace(row, ours=predict_row(told, table_)))
    return found
