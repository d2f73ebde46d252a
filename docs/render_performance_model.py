"""Writes the generated parts of performance-model.md: coefficients, and an example under load.

Run it after changing ``data/coefficients.csv``; a test compares. The example is worked in plain
arithmetic, apart from the model, so that the test which compares the two means something.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

from marked import rewrite  # noqa: E402

from data.accelerators import shipped_accelerators  # noqa: E402
from data.coefficients import shipped_coefficients  # noqa: E402
from data.tables import shipped_rows  # noqa: E402

RATE = 2.0
"""Requests/s of the example."""


def coefficients_table() -> str:
    """Return the coefficients in force as a Markdown table."""
    names = ("coefficient", "engine", "family", "value", "unit", "bounds", "what it is", "source")
    lines = ["| " + " | ".join(names) + " |", "| --- " * len(names) + "|"]
    for row in shipped_rows("coefficients"):
        c = row.cells
        bounds = f"{c['low']} to {c['high']}" if c["low"] else ""
        cells = [f"`{c['coefficient']}`"]
        cells += ["all" if c[key] == "*" else c[key] for key in ("engine", "family")]
        cells += [c["value"], c["unit"], bounds, c["notes"], c["source"]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def example() -> dict[str, tuple[str, float, str]]:
    """Return the figures of the example: name → arithmetic, result, unit.

    Llama 3.1 70B, FP8 weights and KV, two H100 SXM, vLLM, a cap of 64, 1,024 tokens in and 256
    out, Poisson arrivals of fixed lengths.
    """
    k, chip = shipped_coefficients().values("vllm", "hopper"), shipped_accelerators()["h100_sxm"]
    layers, head = 70_553_706_496 - 2 * 128_256 * 8192 - 161 * 8192, 128_256 * 8192
    stream = k["mbu"] * chip.bandwidth_gb_per_s * 1e9
    rate8 = k["mfu_fp8"] * (chip.fp8_tflops or math.nan) * 1e12
    rate16 = k["mfu_bf16"] * chip.bf16_tflops * 1e12
    engine, fixed = k["step_ms"], 80 * (k["layer_us"] + k["layer_hidden_us"]) / 1e3
    weights = (layers * 1.002 + head * 2) / 2 / stream * 1e3
    kv_each = 1152 * 81_920 * k["kv_read_factor"] / stream * 1e3
    latency = 160 * (k["allreduce_base_us"] + k["allreduce_log2_us"]) / 1e3
    token = 160 * 16_384 / (k["link_efficiency"] * chip.link_gb_per_s * 1e9) * 1e3
    attention = 80 * 4 * 8192 / 2 * 1024**2 / 2
    attention = attention / (k["mfu_attention"] * chip.bf16_tflops * 1e12) * 1e3

    def products(tokens: float, sampled: float) -> float:
        return (layers * tokens / rate8 + head * sampled / rate16) * 1e3

    def gemm(tokens: float, sampled: float) -> float:
        return max(weights, products(tokens, sampled))

    def step_of(sequences: float) -> float:
        each = kv_each + token
        return engine + fixed + gemm(sequences, sequences) + latency + sequences * each

    def work_of(sequences: float) -> float:
        added = gemm(sequences + 1024, sequences + 1) - gemm(sequences, sequences)
        return added + attention + 1024 * token

    b = 1.0
    for _ in range(200):
        b = RATE / 1e3 * (255 * step_of(b + 1) + b * work_of(b + 1))
    step, work = step_of(b + 1), work_of(b + 1)
    tpot = step + b / 255 * work
    most = 64 / (255 * step_of(64) + 64 * work_of(64)) * 1e3

    budget = 8192 - (b + 1)
    filled = gemm(b + 1 + budget, b + 1 + budget / 1024) - gemm(b + 1, b + 1)
    service = filled * 1024 / budget + attention + 1024 * token + step * 1024 / budget
    busy = RATE / 1e3 * service
    scale = service / (2 * (1 - busy))
    own = step + work
    running = 1 - math.exp(-b) * (1 - RATE / 1e3 * own)
    residual = tpot / 2 * running
    slot = (RATE / most) ** (math.sqrt(2 * 65) - 1)
    slot_scale = 0.5 / (most - RATE) * 1e3
    mean = busy * scale + slot * slot_scale + residual + own
    queue_more = scale * math.log(busy / 0.01) - busy * scale
    slot_more = slot_scale * math.log(max(slot / 0.01, 1)) - slot * slot_scale
    up = math.hypot(queue_more, max(slot_more, 0.0), residual)
    tail = mean + up + min(slot_more, 0.0)

    slope = step_of(b + 2) - step
    theta = (1 - RATE / 1e3 * work) * (step - b * slope) / (255 * step**2)
    x = 255 * tpot * theta
    kept = 2 / x * (1 - (1 - math.exp(-x)) / x)
    z = 2.3263478740408408
    spread = math.sqrt(RATE / 1e3 / theta * kept)
    batch = (step_of(b + 1 + z * spread) - step) * tpot / step
    hits = z * work * math.sqrt(RATE / 1e3 * 255 * tpot) / 255
    tpot_tail = tpot + math.hypot(batch, hits)
    return {
        "sequences decoding": (
            f"λ·255·tpot = {RATE:g}/s · 255 · {tpot:.3f} ms (found by iteration)", b, ""),
        "step": (
            f"{engine:.3f} + {fixed:.3f} + {weights:.3f} + {latency:.3f} + "
            f"{b + 1:.3f} · ({kv_each:.4f} + {token:.4f}) ms", step, "ms"),
        "products of a prompt": (
            f"{b + 1025:.1f} tokens · 68.451e9 flop/{rate8 / 1e12:.1f} Tflop/s + head", 
            products(b + 1025, b + 2), "ms"),
        "attention of a prompt": (
            "80 · 4 · 8,192/2 · 1,024²/2 flop at 0.4 of the 16-bit peak", attention, "ms"),
        "work": (
            f"{products(b + 1025, b + 2):.3f} − {weights:.3f} + {attention:.3f} + "
            f"1,024 · {token:.5f} ms", work, "ms"),
        "mean TPOT": (f"{step:.3f} + {b:.3f}/255 · {work:.3f} ms", tpot, "ms"),
        "saturation rate": (
            f"64/(255 · {step_of(64):.3f} + 64 · {work_of(64):.3f} ms)", most, "/s"),
        "utilisation": (f"{RATE:g}/{most:.3f}", RATE / most, ""),
        "prefill service": (
            f"1,024/{budget:.1f} · ({step:.3f} + {filled:.3f}) + {attention:.3f} + "
            f"{1024 * token:.3f} ms", service, "ms"),
        "wait for prefill": (
            f"{busy:.4f} · {service:.3f}/(2 · (1 − {busy:.4f})) ms", busy * scale, "ms"),
        "running step": (f"{tpot:.3f}/2 · {running:.5f} ms", residual, "ms"),
        "own prefill": (f"{step:.3f} + {work:.3f} ms", own, "ms"),
        "mean TTFT": (
            f"{busy * scale:.3f} + {slot * slot_scale:.3f} (slot) + {residual:.3f} + {own:.3f} ms",
            mean, "ms"),
        "p99 of the wait beyond its mean": (
            f"{scale:.3f} · ln({busy:.4f}/0.01) − {busy * scale:.3f} ms", queue_more, "ms"),
        "p99 TTFT": (
            f"{mean:.3f} + √({queue_more:.3f}² + {residual:.3f}²) ms", tail, "ms"),
        "spread of the batch": (
            f"√(λ/θ · kept), 1/θ = {1 / theta / 1e3:.2f} s, kept = {kept:.4f}", spread, ""),
        "p99 TPOT": (
            f"{tpot:.3f} + √({batch:.3f}² + {hits:.3f}²) ms: a fuller batch, more prefills",
            tpot_tail, "ms"),
    }  # fmt: skip


def example_table() -> str:
    """Return the example as a Markdown table."""
    lines = ["| figure | by hand | result |", "| --- | --- | --- |"]
    for name, (arithmetic, value, unit) in example().items():
        lines.append(f"| {name} | {arithmetic} | {value:.3f} {unit}".rstrip() + " |")
    return "\n".join(lines)


def parts() -> dict[str, str]:
    """Return the generated parts of the page."""
    return {"coefficients": coefficients_table(), "example under load": example_table()}


def write() -> None:
    """Rewrite the page."""
    rewrite(HERE / "performance-model.md", parts())


if __name__ == "__main__":
    write()
