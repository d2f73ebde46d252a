"""The tables of ``docs/accuracy.md``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from benchmarks.accuracy.ask import Rival, prediction
from benchmarks.accuracy.compare import Compared, Which, errors, ours, theirs
from benchmarks.accuracy.split import CALIBRATES, HELD, PARTS, REASONS, Placed
from model.errors_of_rows import ErrorOf

FIGURES = {"tpot_ms": "TPOT", "ttft_ms": "TTFT"}

NOTHING = "–"

WAYS = {
    ("stated",): "as recorded (used above)",
    ("stated", "checkpoint"): "as recorded; where not measured, the checkpoint's",
    ("checkpoint",): "the checkpoint's, as it infers them",
}
"""Formats of which AIConfigurator is asked, in the order in which they are tried → their name."""


def table(header: Sequence[str], rows: Iterable[Sequence[object]], right: int = 1) -> str:
    """Return a Markdown table whose columns from `right` on are set to the right."""
    marks = ["---" if n < right else "---:" for n in range(len(header))]
    lines = [header, marks, *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def three(error: ErrorOf | None) -> str:
    """Return mean and median absolute error and signed bias, in percent."""
    if error is None:
        return NOTHING
    bias = f"{error.bias_pct:+.1f}".replace("-", "−")
    return f"{error.mape_pct:.1f} / {error.median_pct:.1f} / {bias}"


def parts_of(rows: Sequence[Compared]) -> dict[str, list[Compared]]:
    """Return the held rows by part, and all of them together."""
    found = {part: [r for r in rows if r.part == part] for part in HELD}
    return {**found, "all held": [r for r in rows if r.part in HELD]}


def side_by_side(rows: Sequence[Compared]) -> str:
    """Return the errors of both on the held rows that both predict."""
    lines = []
    for part, held in parts_of(rows).items():
        both = [r for r in held if r.by_both]
        mine, rival = errors(both, ours), errors(both, theirs)
        for figure, name in FIGURES.items():
            cells = [three(e.get(figure)) for e in (mine, rival)]
            lines.append((part, name, len(both), *cells))
    return table(("part", "figure", "rows", "minfleet", "AIConfigurator"), lines, right=2)


def alone(rows: Sequence[Compared]) -> str:
    """Return minfleet's errors on every row that it predicts, calibrating ones too."""
    lines = []
    together = [r for r in rows if not r.sample.disaggregated]
    apart = [r for r in rows if r.sample.disaggregated]
    groups = parts_of(together)
    groups["all held, dense models"] = [r for r in groups["all held"] if r.dense]
    groups[CALIBRATES] = [r for r in together if r.part == CALIBRATES]
    groups["disaggregated, held"] = [r for r in apart if r.part in HELD]
    groups[f"disaggregated, {CALIBRATES}"] = [r for r in apart if r.part == CALIBRATES]
    for part, group in groups.items():
        found = errors(group, ours)
        for figure, name in FIGURES.items():
            error = found.get(figure)
            within = f"{error.within_band_pct:.0f} %" if error else NOTHING
            lines.append((part, name, error.rows if error else 0, three(error), within))
    return table(("part", "figure", "rows", "minfleet", "within its band"), lines, right=2)


def other_ways(rows: Sequence[Compared]) -> str:
    """Return AIConfigurator's errors on the held rows by the way it is asked."""
    lines = []
    for ways, name in WAYS.items():
        for part, held in parts_of(rows).items():
            asked = [replace(r, theirs=prediction(r.answers, ways)) for r in held]
            found = errors(asked, theirs)
            tpot, ttft = (found.get(figure) for figure in FIGURES)
            lines.append((name, part, tpot.rows if tpot else 0, three(tpot), three(ttft)))
    return table(("formats", "part", "rows", "TPOT", "TTFT"), lines, right=2)


def cells(rows: Sequence[Compared], figure: str) -> str:
    """Return the errors of one figure by accelerator, model and TP, over the held rows."""
    groups: dict[tuple[str, str, int], list[Compared]] = {}
    for row in rows:
        if row.part in HELD and not row.sample.disaggregated:
            groups.setdefault(row.cell, []).append(row)
    lines = []
    for cell, group in sorted(groups.items()):
        both = [r for r in group if r.by_both]
        every, mine, rival = (
            errors(some, which).get(figure)
            for some, which in ((group, ours), (both, ours), (both, theirs))
        )
        count = every.rows if every else 0
        lines.append((*cell, count, three(every), len(both), three(mine), three(rival)))
    header = (
        "accelerator",
        "model",
        "TP",
        "rows",
        "minfleet",
        "both",
        "minfleet",
        "AIConfigurator",
    )
    return table(header, lines, right=2)


def left_out(placed: Sequence[Placed]) -> str:
    """Return how many samples each part has, and how many of them are left out and why."""
    count = Counter((p.part, p.left_out) for p in placed)
    lines: list[Sequence[object]] = [
        (reason, *(count[part, reason] for part in PARTS), sum(count[p, reason] for p in PARTS))
        for reason in (*REASONS, "")
        if any(count[part, reason] for part in PARTS)
    ]
    lines = [(line[0] or "**used**", *line[1:]) for line in lines]
    total = Counter(p.part for p in placed)
    lines.append(("all", *(total[part] for part in PARTS), len(placed)))
    return table(("", *PARTS, "all"), lines)


def refused(rows: Sequence[Compared], which: Which) -> str:
    """Return why used rows are not predicted, and how many."""
    count = Counter((which(r).refused, r.part) for r in rows if which(r).refused)
    parts = PARTS if which is ours else HELD
    total = Counter(reason for reason, part in count.elements() if part in parts)
    lines = [
        (reason, *(count[reason, part] for part in parts), number)
        for reason, number in total.most_common()
    ]
    return table(("", *parts, "all"), lines)


def versions(rival: Rival, rows: Sequence[Compared], ours: Mapping[str, str]) -> str:
    """Return what was run: versions, kernel measurements, how many answers carry a warning."""
    answers = [row.answers["stated"] for row in rows if not row.theirs.refused]
    bases = sorted({a["database"] for a in answers})
    doubtful = sum(bool(a["warning"]) for a in answers)
    lines = [*ours.items(), *rival.versions.items()]
    lines.append(("AIConfigurator's kernel measurements", ", ".join(bases)))
    lines.append(("its answers that warn of a full KV cache", f"{doubtful} of {len(answers)}"))
    return table(("what", "which"), lines, right=2)
