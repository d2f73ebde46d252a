"""A calibration for people and as a JSON document."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from api.lines import Lines
from model.calibration.calibrate import Calibration, Group

FIGURES = {"tpot_ms": "TPOT", "ttft_ms": "TTFT", "output_tok_per_s": "tokens/s"}

REASONS_SHOWN = 6


def document(found: Calibration) -> dict[str, Any]:
    """Return ``minfleet/calibration/v1``."""
    fit = found.fit
    return {
        "schema": "minfleet/calibration/v1",
        "runs": len(found.samples),
        "left_out": dict(found.left_out),
        "coefficients": [
            {
                "engine": p.engine,
                "family": p.family,
                "coefficient": p.name,
                "before": p.start,
                "after": p.value(float(x)),
                "unit": p.unit,
                "known_from_runs": round(1 - float(d) / p.spread, 3),
            }
            for p, x, d in zip(fit.parameters, fit.x, fit.deviations, strict=True)
        ],
        "not_identifiable": [".".join(p.key) for p in fit.unidentified],
        "entwined": [
            {"a": ".".join(a.key), "b": ".".join(b.key), "correlation": round(c, 3)}
            for a, b, c in fit.entwined
        ],
        "errors": [
            {
                "by": g.by,
                "group": g.name,
                "before": {name: vars(e) for name, e in g.before.items()},
                "after": {name: vars(e) for name, e in g.after.items()},
            }
            for g in found.groups()
        ],
    }


def show(found: Calibration, out: Path | None) -> None:
    """Print what was fitted, how well, and what the runs cannot tell."""
    lines, fit = Lines(), found.fit
    pairs = dict.fromkeys((s.engine, s.family) for s in found.samples)
    of = ", ".join(f"{engine} on {family}" for engine, family in pairs)
    lines.line(f"Coefficients of {of}, fitted to {len(found.samples):,} measured runs", "bold")
    lines.title("Error of the predictions, before → after")
    groups = found.groups()
    names = [n for n in FIGURES if n in groups[0].after]
    lines.table(
        ("", "", "runs", *(f"{FIGURES[n]} {what}" for n in names for what in ("median", "mean"))),
        [_cells(g, names) for g in groups],
    )
    quiet = set(fit.unidentified)
    moved = [
        (p.name, f"{p.start:.4g}", f"{p.value(float(x)):.4g}", p.unit, f"{p.engine} {p.family}")
        for p, x in zip(fit.parameters, fit.x, strict=True)
        if p not in quiet
    ]
    if moved:
        lines.title("What the runs tell")
        lines.table(("coefficient", "before", "after", "unit", "of"), moved)
    if quiet:
        lines.title("What they do not tell")
        names_of = ", ".join(dict.fromkeys(p.name for p in fit.unidentified))
        lines.text(f"{names_of}: kept near where they were.")
    for a, b, c in fit.entwined:
        lines.text(f"{a.name} and {b.name} of {a.engine} only together (correlation {c:+.2f}).")
    if found.left_out:
        lines.title("Runs left out")
        ordered = sorted(found.left_out.items(), key=lambda item: -item[1])
        lines.rows((f"{n:,}", reason) for reason, n in ordered[:REASONS_SHOWN])
    lines.line()
    if out is None:
        lines.text("--out OUT.csv writes the coefficients; nothing was written.")
    else:
        lines.text(f"Written to {out}; use it with --coefficients {out}.")


def _cells(g: Group, names: list[str]) -> tuple[str, ...]:
    rows = max((e.rows for e in g.after.values()), default=0)
    cells = [g.by if g.by != "all" else "", g.name, f"{rows:,}"]
    for name in names:
        before, after = g.before.get(name), g.after.get(name)
        for figure in ("median_pct", "mape_pct"):
            if before is None or after is None:
                cells.append("–")
            else:
                cells.append(f"{getattr(before, figure):.1f} → {getattr(after, figure):.1f}%")
    return tuple(cells)
