"""``minfleet predict``: measured benchmark rows, and what the model says of each."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING

import click

from api.output import json_option, print_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from data.measurements import MeasurementRow
    from model.errors_of_rows import ErrorOf
    from model.measured_rows import RowPrediction

REASONS_SHOWN = 6


@click.command()
@click.argument("rows", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="OUT.csv",
    help="Write the rows with their predictions.",
)
@click.option(
    "--coefficients",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="Coefficients over the shipped ones.",
)
@click.option(
    "--workers",
    type=click.IntRange(1, 1024),
    help="Processes; one a core by default.",
)
@json_option
def predict(
    rows: Path, out: Path | None, coefficients: Path | None, workers: int | None, as_json: bool
) -> None:
    """Predict the latency and throughput of measured benchmark ROWS (CSV, .csv.gz too).

    Every row keeps its columns and gains predicted_ttft_ms, predicted_tpot_ms,
    predicted_output_tok_per_s, error_band_pct and refused: the reason where it cannot be
    predicted.
    """
    from api.predict_rows import predictions, with_predictions
    from api.progress import counted
    from api.write import check_writable, write_atomically
    from data.coefficients import load_coefficients, shipped_coefficients
    from data.measurements import load_measurements
    from model.errors_of_rows import errors_of

    measured = load_measurements(rows)
    table = load_coefficients(coefficients) if coefficients else shipped_coefficients()
    if out is not None:
        check_writable(out)
    with counted("predicting", len(measured), quiet=as_json) as step:
        found = [step(p) for p in predictions(measured, table, workers)]
    if out is not None:
        write_atomically(out, with_predictions(measured, found))
    errors = errors_of(zip(measured, found, strict=True))
    if as_json:
        print_json(_document(measured, found, errors))
    else:
        _show(found, errors, out)


def _refusals(found: Sequence[RowPrediction]) -> Counter[str]:
    return Counter(p.refused for p in found if p.refused)


def _document(
    rows: Sequence[MeasurementRow], found: Sequence[RowPrediction], errors: Sequence[ErrorOf]
) -> dict[str, object]:
    return {
        "schema": "minfleet/predictions/v1",
        "rows": [
            {"place": r.place, **{k: v for k, v in vars(p).items() if v not in (None, "")}}
            for r, p in zip(rows, found, strict=True)
        ],
        "refused": dict(_refusals(found)),
        "errors": [vars(e) for e in errors],
    }


def _show(found: Sequence[RowPrediction], errors: Sequence[ErrorOf], out: Path | None) -> None:
    from api.lines import Lines

    lines = Lines()
    refused = _refusals(found)
    count = len(found) - refused.total()
    lines.line(f"{count:,} of {len(found):,} rows predicted", "bold")
    if errors:
        lines.title("Against what was measured")
        lines.table(
            ("figure", "rows", "median error", "mean error", "bias", "within band"),
            [
                (
                    e.figure,
                    f"{e.rows:,}",
                    f"{e.median_pct:.1f}%",
                    f"{e.mape_pct:.1f}%",
                    f"{e.bias_pct:+.1f}%",
                    f"{e.within_band_pct:.0f}%",
                )
                for e in errors
            ],
        )
    if refused:
        lines.title("Refused")
        lines.rows((f"{n:,}", reason) for reason, n in refused.most_common(REASONS_SHOWN))
        if len(refused) > REASONS_SHOWN:
            lines.text(f"and {len(refused) - REASONS_SHOWN} more reasons (--json lists them all)")
    if out is None:
        lines.line()
        lines.text("--out OUT.csv writes the rows with their predictions.")
