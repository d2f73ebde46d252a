"""Predictions of AIConfigurator, run by the Python of the environment that holds it.

It imports nothing of minfleet. ``rival.py about`` prints as JSON where the package keeps its
measured rows, and its versions; ``rival.py predict QUESTIONS.csv ANSWERS.csv`` predicts each
question in two ways: with the formats it states, and with those that AIConfigurator reads from the
checkpoint. Each is one call of ``cli_estimate(mode="agg")``: a continuous batch of the stated size
on one fixed configuration, from measured kernels (``database_mode="SILICON"``).
"""

from __future__ import annotations

import csv
import json
import logging
import os
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import cache
from importlib import metadata, resources

WAYS = ("stated", "checkpoint")
"""Formats as the question states them, or as AIConfigurator infers them from the checkpoint."""

CHECKPOINTS = {
    ("meta-llama/Llama-3.1-70B", "fp8"): "nvidia/Llama-3.1-70B-Instruct-FP8",
    ("meta-llama/Llama-3.1-70B", ""): "meta-llama/Meta-Llama-3.1-70B",
    ("MiniMaxAI/MiniMax-M2.5", "fp4"): "nvidia/MiniMax-M2.5-NVFP4",
    ("moonshotai/Kimi-K2.5", "fp4"): "nvidia/Kimi-K2.5-NVFP4",
    ("zhipuai/GLM-5", "fp8"): "zai-org/GLM-5-FP8",
    ("zhipuai/GLM-5", "fp4"): "nvidia/GLM-5-NVFP4",
    ("zhipuai/GLM-5", ""): "zai-org/GLM-5",
    ("Qwen/Qwen3-32B", "fp8"): "Qwen/Qwen3-32B-FP8",
    ("nvidia/Qwen3-32B-NVFP4", ""): "Qwen/Qwen3-32B",
    ("Qwen/Qwen3.5-397B-A17B", "fp4"): "nvidia/Qwen3.5-397B-A17B-NVFP4",
}
"""Model and precision of a question → the checkpoint of that precision which the package knows."""

ANSWER = ("key", "way", "ttft_ms", "tpot_ms", "database", "warning", "refused")
"""Columns of an answer."""


def about() -> dict[str, str]:
    """Return where the measured rows are, and the versions of the packages."""
    sample = resources.files("aiconfigurator_core") / "systems" / "silicon_sample.csv"
    names = ("aiconfigurator", "aiconfigurator-core")
    return {"sample": str(sample), **{name: metadata.version(name) for name in names}}


def checkpoint(model: str, precision: str) -> str:
    """Return the name under which AIConfigurator knows a model of a precision."""
    return CHECKPOINTS.get((model, precision)) or CHECKPOINTS.get((model, "")) or model


@cache
def database(system: str, backend: str) -> str:
    """Return the version of the kernel measurements in use: the latest complete one."""
    from aiconfigurator.sdk.perf_database import get_latest_database_version

    return str(get_latest_database_version(system=system, backend=backend))


def answers(question: dict[str, str]) -> list[dict[str, str]]:
    """Return the answers to one question, one for each of `WAYS`."""
    return [{"key": question["key"], "way": way, **_answer(question, way)} for way in WAYS]


def _answer(question: dict[str, str], way: str) -> dict[str, str]:
    from aiconfigurator.cli.api import cli_estimate
    from aiconfigurator.sdk.models import check_is_moe

    logging.disable(logging.WARNING)
    system, backend = question["system"], question["backend"]
    model = checkpoint(question["model"], question["precision"])
    sizes = ("isl", "osl", "batch_size", "tp_size", "pp_size", "attention_dp_size")
    try:
        version = database(system, backend)
        moe = check_is_moe(model)
        formats = ["gemm_quant_mode", "kvcache_quant_mode"] + ["moe_quant_mode"] * moe
        experts = ["moe_tp_size", "moe_ep_size"] * moe
        found = cli_estimate(
            model,
            system,
            mode="agg",
            backend_name=backend,
            backend_version=version,
            **{name: int(question[name]) for name in (*sizes, *experts)},
            **{name: question[name] or None for name in formats if way == "stated"},
        )
    except Exception as reason:
        return {"refused": f"{type(reason).__name__}: {reason}"}
    return {
        "ttft_ms": f"{float(found.ttft):.6g}",
        "tpot_ms": f"{float(found.tpot):.6g}",
        "database": f"{backend} {version}",
        "warning": found.kv_cache_warning or "",
    }


def predict(questions: str, written: str) -> None:
    """Answer a file of questions on all cores."""
    with open(questions, encoding="utf-8", newline="") as file:
        asked = list(csv.DictReader(file))
    with (
        ProcessPoolExecutor(os.cpu_count()) as pool,
        open(written, "w", encoding="utf-8", newline="") as file,
    ):
        writer = csv.DictWriter(file, ANSWER, restval="")
        writer.writeheader()
        for n, given in enumerate(pool.map(answers, asked, chunksize=20), 1):
            writer.writerows(given)
            if n % 100 == 0 and sys.stderr.isatty():
                print(f"\r{n} of {len(asked)}", end="", file=sys.stderr)


if __name__ == "__main__":
    if sys.argv[1] == "about":
        print(json.dumps(about()))
    else:
        predict(*sys.argv[2:])
