"""``minfleet calibrate``: coefficients fitted to a user's own measured runs."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from pathlib import Path

import click

from api.output import Command, json_option, print_json

FACTS = {
    "engine": "Serving engine: vllm, sglang or trtllm.",
    "model": "Model, by catalogue name or Hugging Face id.",
    "gpu": "Accelerator, e.g. h100_sxm.",
    "gpu-count": "Accelerators of the whole deployment.",
    "tp": "Tensor-parallel degree.",
    "pp": "Pipeline-parallel degree.",
    "ep": "Expert-parallel degree.",
    "precision-weights": "Format of the weights.",
    "precision-kv": "Format of the KV cache.",
    "isl": "Prompt length (tokens).",
    "osl": "Output length (tokens).",
    "concurrency": "Clients of a closed loop.",
    "request-rate": "Rate of an open loop (requests/s).",
}
"""Options that say what a result file does not."""


def fact_options(command: Command) -> Command:
    """Add the options of `FACTS`."""
    for name, text in reversed(FACTS.items()):
        command = click.option(f"--{name}", metavar="VALUE", help=text)(command)
    return command


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(path_type=Path))
@fact_options
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    metavar="OUT.csv",
    help="Write the coefficients, for --coefficients of plan, estimate and predict.",
)
@click.option(
    "--coefficients",
    type=click.Path(path_type=Path),
    metavar="FILE.csv",
    help="Start from these, over the shipped ones.",
)
@click.option("--workers", type=click.IntRange(1, 1024), help="Processes; one a core by default.")
@json_option
def calibrate(
    files: tuple[Path, ...],
    out: Path | None,
    coefficients: Path | None,
    workers: int | None,
    as_json: bool,
    **facts: str | None,
) -> None:
    """Fit the model's coefficients to measured runs in FILES.

    Reads results of vLLM's and SGLang's benchmarks, GuideLLM, AIPerf and GenAI-Perf, InferenceX
    and MLPerf, and CSV of measured rows; the options give what a file does not say. The fit
    starts from the shipped coefficients and moves each only as far as the runs ask for.
    """
    from api.output_calibration import document, show
    from api.predict_rows import predictor
    from api.progress import stages
    from api.write import check_writable, write_atomically
    from data.coefficients import as_csv, load_coefficients, shipped_coefficients
    from data.results import load_results
    from model.calibration.calibrate import calibrate as fitted

    if out is not None:
        check_writable(out)
    table = load_coefficients(coefficients) if coefficients else shipped_coefficients()
    given = {
        {"concurrency": "concurrency_or_batch"}.get(name, name): value
        for name, value in facts.items()
        if value is not None
    }
    rows = [row for file in files for row in load_results(file, given)]
    source = f"fit to {len(rows)} measured runs of {', '.join(path.name for path in files)}"
    with stages(quiet=as_json) as stage, predictor(workers if len(rows) > 8 else 1) as predict:
        found = fitted(rows, table, source, predict=predict, progress=_steps(stage))
    if out is not None:
        write_atomically(out, as_csv(found.coefficients, dt.date.today()))
    if as_json:
        print_json(document(found))
    else:
        show(found, out)


def _steps(stage: Callable[[str], None]) -> Callable[[int, float], None]:
    def shown(step: int, cost: float) -> None:
        stage(f"fitting, step {step}: cost {cost:.4g}")

    return shown
