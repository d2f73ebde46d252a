"""Which samples calibrate, which are held out, and which are left out, each by rule.

A sample is held out if its model, its accelerator or its combination of both is, in this order.
Left out is what cannot be attributed to a deployment: the source multiplies TP by EP in some rows,
takes all GPUs of a rack for TP in others, and drops attention data parallelism in others still.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.accuracy.samples import Sample

HELD_MODELS = ("Qwen3-32B", "MiniMax-M2.5", "Kimi-K2.5", "GLM-5")

HELD_SYSTEMS = ("b300_sxm", "gb200", "gb300")

HELD_COMBINATIONS = (("Llama-3.1-70B", "b200_sxm"), ("Qwen3-235B", "h200_sxm"))

CALIBRATES = "calibrates"

PARTS = ("held-model", "held-gpu", "held-combo", CALIBRATES)
"""What a sample is used for."""

HELD = PARTS[:3]

BOARD = 8
"""GPUs of a board; an aggregated engine of the samples runs on one."""

SPECULATIVE = "disaggregated DeepSeek on TensorRT-LLM: probably speculative decoding, not recorded"
NO_LATENCY = "TTFT or TPOT missing, or not above zero"
NO_CONCURRENCY = "concurrency not recorded"
OTHER_CONCURRENCY = "GPUs ambiguous: concurrency is not batch size × attention ranks"
BOTH_PARALLEL = "GPUs ambiguous: TP and attention data parallelism both above 1"
MORE_EXPERT_RANKS = "GPUs ambiguous: experts on more ranks than attention"
BEYOND_BOARD = f"GPUs ambiguous: one aggregated engine on more than {BOARD}"
REPEATED = "the same measurement as another row"

REASONS = (
    NO_LATENCY,
    SPECULATIVE,
    NO_CONCURRENCY,
    BOTH_PARALLEL,
    MORE_EXPERT_RANKS,
    BEYOND_BOARD,
    OTHER_CONCURRENCY,
    REPEATED,
)
"""Why samples are left out, in the order in which they are asked."""


@dataclass(frozen=True)
class Placed:
    """A sample and what it is used for.

    Attributes
    ----------
    part
        One of `PARTS`, also where the sample is left out.
    left_out
        One of `REASONS`; empty where it is used.
    """

    sample: Sample
    part: str
    left_out: str = ""


def part_of(sample: Sample) -> str:
    """Return what a sample is used for, one of `PARTS`."""
    model, system = sample.text("model_path"), sample.text("system")
    if any(name in model for name in HELD_MODELS):
        return "held-model"
    if system in HELD_SYSTEMS:
        return "held-gpu"
    if any(name in model and system == on for name, on in HELD_COMBINATIONS):
        return "held-combo"
    return CALIBRATES


def fault_of(sample: Sample) -> str:
    """Return why a sample, taken alone, is left out; empty where it is not."""
    latencies = (sample.number(f"silicon_{figure}_ms") for figure in ("ttft", "tpot"))
    if not all((value or 0) > 0 for value in latencies):
        return NO_LATENCY
    if sample.disaggregated:
        deepseek = "DeepSeek" in sample.text("model_path")
        if deepseek and sample.text("backend") == "trtllm":
            return SPECULATIVE
        return NO_CONCURRENCY if sample.concurrency is None else ""
    if sample.concurrency is None:
        return NO_CONCURRENCY
    ranks = sample.count("attention_dp_size")
    if ranks > 1 and sample.count("tp_size") > 1:
        return BOTH_PARALLEL
    if sample.gpus() > BOARD:
        return BEYOND_BOARD
    if sample.count("moe_tp_size") * sample.count("moe_ep_size") > sample.gpus():
        return MORE_EXPERT_RANKS
    batch = sample.number("batch_size")
    if batch is not None and batch * ranks != sample.concurrency:
        return OTHER_CONCURRENCY
    return ""


def identity(sample: Sample) -> tuple[object, ...]:
    """Return what two rows of one measurement share: engine, accelerator, load and latencies.

    Models are left out, since one measurement is filed under DeepSeek-R1 and under DeepSeek-V3, and
    so are formats and parallelism, which are recorded differently; latencies of two measurements do
    not agree to a microsecond.
    """
    names = ("backend", "system", "mode", "isl", "osl")
    latencies = (sample.number(f"silicon_{figure}_ms") or 0.0 for figure in ("ttft", "tpot"))
    rounded = (round(value, 3) for value in latencies)
    return (*map(sample.text, names), sample.concurrency, *rounded)


def split(samples: Iterable[Sample]) -> Iterator[Placed]:
    """Yield every sample with what it is used for; of repeated ones the first is."""
    seen: set[tuple[object, ...]] = set()
    for sample in samples:
        fault = fault_of(sample)
        if not fault:
            key = identity(sample)
            fault = REPEATED if key in seen else ""
            seen.add(key)
        yield Placed(sample, part_of(sample), fault)
