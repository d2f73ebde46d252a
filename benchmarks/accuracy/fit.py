"""Fits the shipped coefficients (``make coefficients``).

Only samples that calibrate are read; held ones never. The fit starts from, and is held by, the
priors in ``data/coefficient_priors.csv``; ``data/coefficients.csv`` is these with the fitted rows
over them.
"""

from __future__ import annotations

import argparse
import csv
import datetime as dt
import io
import random
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from api.predict_rows import predictor
from benchmarks.accuracy.ask import Rival
from benchmarks.accuracy.rows import to_row
from benchmarks.accuracy.samples import read_samples
from benchmarks.accuracy.split import CALIBRATES, split
from data.coefficients import COLUMNS, CoefficientTable, as_csv, parse_coefficients
from data.measurements import MeasurementRow
from data.tables import shipped_rows
from model.calibration.fit import fit
from model.calibration.parameters import parameters
from model.calibration.record import records
from model.calibration.samples import Sample, samples_of

ROOT = Path(__file__).parents[2]
TABLE = ROOT / "data" / "coefficients.csv"
PRIORS = ROOT / "data" / "coefficient_priors.csv"

ENGINES = ("vllm", "sglang", "trtllm")

KEYS = [
    *(("*", "*", name) for name in (
        "mbu", "mfu_bf16", "mfu_fp4", "mfu_attention", "layer_hidden_us", "activation_passes",
        "allreduce_base_us",
        "allreduce_log2_us",
    )),
    *((engine, "*", name) for engine in ENGINES for name in (
        "kv_read_factor", "mfu_fp8", "expert_mfu_factor", "layer_us", "step_ms", "moe_layer_us",
        "request_ms", "launch_layer_us", "prompt_layer_us", "moe_prompt_layer_us",
    )),
]  # fmt: skip
"""What is fitted: chips and links for all engines, what engines make of them by engine. Splitting
engines by accelerator family as well fits these rows a little better and held ones worse."""

SAMPLES = 450
"""Rows that are fitted; the rest of those that calibrate test the fit."""

SEED = 0

LONGEST_TTFT_MS = 20_000.0


def unfit(row: MeasurementRow) -> str:
    """Return why a calibrating row is not fitted; empty if it is."""
    version, deepseek = row.text("engine_version"), "DeepSeek" in row.text("model")
    if row.text("engine") == "trtllm" and deepseek:
        early = version.startswith("1.1.0rc2.post2") and row.text("date") >= "2026-01"
        if early or version.startswith("1.2.0rc6.post3"):
            return "TPOT half of the same deployment's: speculative decoding, not recorded"
    if row.text("engine") == "vllm" and "Llama-3.1-8B" in row.text("model"):
        return "TTFT shorter than its prompts can be computed in: prefix caching, not recorded"
    if (row.latency_ms("ttft") or 0.0) > LONGEST_TTFT_MS:
        return "TTFT above 20 s: queued behind a batch cap that is not recorded"
    if "gap-analysis.csv" in row.text("notes"):
        return "InferenceX rows once more, without their lengths"
    return ""


def source(fitted: Sequence[Sample]) -> str:
    """Return what the fitted rows cite."""
    return (
        f"fit to {len(fitted)} of the calibrating rows of silicon_sample.csv "
        "(aiconfigurator-core 0.12.0, Apache-2.0); held rows never read"
    )


def merged(new: str) -> str:
    """Return the priors with the rows of `new` in place of those of the same key."""
    rows = list(csv.DictReader(io.StringIO(new)))

    def key(row: dict[str, str]) -> tuple[str, str, str]:
        return row["engine"], row["family"], row["coefficient"]

    replaced = {key(row) for row in rows}
    for name in {row["coefficient"] for row in rows}:
        if all((engine, "*", name) in replaced for engine in ENGINES):
            replaced.add(("*", "*", name))  # no engine is left that the prior would hold for
    with PRIORS.open(encoding="utf-8", newline="") as file:
        kept = [row for row in csv.DictReader(file) if key(row) not in replaced]
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows([*kept, *rows])
    return text.getvalue()


def main() -> None:
    """Fit, write the table, and say what came of it."""
    parser = argparse.ArgumentParser(prog="benchmarks.accuracy.fit", description=__doc__)
    parser.add_argument("--environment", type=Path, default=ROOT / ".venv-accuracy")
    given = parser.parse_args()
    placed = split(read_samples(Rival.of(given.environment.absolute()).sample))
    rows = [to_row(p.sample) for p in placed if p.part == CALIBRATES and not p.left_out]
    unfitted = Counter(reason for row in rows if (reason := unfit(row)))
    rows = [row for row in rows if not unfit(row)]
    table = CoefficientTable(parse_coefficients(shipped_rows("coefficient_priors")))
    with predictor() as predict:
        usable, refused = samples_of(rows, predict(rows, table))
        chosen = random.Random(SEED).sample(usable, min(SAMPLES, len(usable)))
        found = fit(
            chosen,
            table,
            parameters(table, KEYS),
            predict=predict,
            most_evaluations=9,
            progress=lambda step, cost: print(f"step {step}: cost {cost:.1f}", flush=True),
        )
        cited = source(chosen)
        fitted = table.over(found.rows(cited))
        picked = {id(s) for s in chosen}
        tested = [s for s in usable if id(s) not in picked]
        kept = records(usable, predict([s.row for s in usable], fitted), cited)
        test = records(tested, predict([s.row for s in tested], fitted), cited)
    today = dt.date.today()
    TABLE.write_text(merged(as_csv([*found.rows(cited), *kept], today)), "utf-8")
    for reason, count in (*unfitted.items(), *refused.items()):
        print(f"{count:5} not fitted: {reason}")
    for p, x, deviation in zip(found.parameters, found.x, found.deviations, strict=True):
        known = 1 - deviation / p.spread
        name = f"{p.engine} {p.family} {p.name}"
        print(f"{name:40} {p.start:9.4g} → {p.value(x):9.4g}   {known:5.0%} from the rows")
    for c in test:
        print(f"{c.engine} {c.family} {c.name}: {c.value:.4g} ({c.low} to {c.high})")


if __name__ == "__main__":
    main()
