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
from data.coefficients import RANGES, RECORD, shipped_coefficients  # noqa: E402
from data.tables import shipped_rows  # noqa: E402

RATE = 2.0
"""Requests/s of the example."""


def coefficients_table() -> str:
    """Return the coefficients in force as a Markdown table."""
    names = ("coefficient", "engine", "family", "value", "unit", "bounds", "what it is", "source")
    lines = ["| " + " | ".join(names) + " |", "| --- " * len(names) + "|"]
    for row in shipped_rows("coefficients"):
        c = row.cells
        if c["coefficient"].startswith(RECORD):
            continue
        bounds = f"{c['low']} to {c['high']}" if c["low"] else ""
        cells = [f"`{c['coefficient']}`"]
        cells += ["all" if c[key] == "*" else c[key] for key in ("engine", "family")]
        cells += [c["value"], c["unit"], bounds, c["notes"], c["source"]]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines)


def fits_table() -> str:
    """Return what the coefficients were fitted on as a Markdown table."""
    table = shipped_coefficients()
    names = ("engine", "family", "runs", "TPOT error", "TTFT error", *RANGES.values())
    lines = ["| " + " | ".join(names) + " |", "| --- " * len(names) + "|"]
    records = {(c.engine, c.family, c.name): c for c in table.rows if c.name.startswith(RECORD)}
    for engine, family in dict.fromkeys(key[:2] for key in records):
        own = {
            n.removeprefix(RECORD): c
            for (e, f, n), c in records.items()
            if (e, f) == (engine, family)
        }
        errors = [
            f"{own[n].value:.0f} % ({own[n].high:.0f} %)" for n in ("tpot_error", "ttft_error")
        ]
        ranges = [f"{own[n].low:,.4g} to {own[n].high:,.4g}" for n in RANGES]
        cells = [engine, family, f"{own['rows'].value:,.0f}", *errors, *ranges]
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
    token += 80 * k["activation_passes"] * 16_384 / stream * 1e3
    launch = 80 * k["launch_layer_us"] / 1e3 - fixed
    attention = 80 * 4 * 8192 / 2 * 1024**2 / 2
    attention = attention / (k["mfu_attention"] * chip.bf16_tflops * 1e12) * 1e3

    def products(tokens: float, sampled: float) -> float:
        return (layers * tokens / rate8 + head * sampled / rate16) * 1e3

    def gemm(tokens: float, sampled: float) -> float:
        return math.hypot(weights, products(tokens, sampled))

    def prompt_gemm(tokens: float, sampled: float) -> float:
        return max(gemm(tokens, sampled), launch)

    def step_of(sequences: float) -> float:
        each = kv_each + token
        return engine + fixed + gemm(sequences, sequences) + latency + sequences * each

    def work_of(b: float, seen: float) -> float:
        """What a prompt adds to a step that it shares with b/255 others."""
        n = 1 + b / 255
        added = prompt_gemm(seen + n * 1024, seen + n) - gemm(seen, seen)
        return added / n + attention + 1024 * token

    b, rate = 1.0, RATE / 1e3
    for _ in range(200):
        b = rate * (255 * step_of(b + 1) + b * work_of(b, b + 1))
    step, work = step_of(b + 1), work_of(b, b + 1)
    prompt_share = 1 + b / 255
    busy = rate * work
    most = 64 / (255 * step_of(64) + 64 * work_of(64, 64)) * 1e3

    budget = 8192 - (b + 1)
    filled = prompt_gemm(b + 1 + budget, b + 1 + budget / 1024) - gemm(b + 1, b + 1)
    filled *= 1024 / budget
    filled += attention + 1024 * token
    service = filled + step * 1024 / budget
    load = rate * service
    scale = service / (2 * (1 - load))
    queue, queue_variance = load * scale, load * (2 - load) * scale**2
    products_of = prompt_gemm(b + 1 + prompt_share * 1024, b + 1 + prompt_share)
    matrices = gemm(b + 1, b + 1)
    own = step + products_of - matrices + prompt_share * (attention + 1024 * token)

    slope = (step_of(b + 1 + 2 * math.sqrt(b + 1)) - step) / (2 * math.sqrt(b + 1))
    rho = rate * (filled + 255 * slope)
    fading = (1 - rho**255) / (1 - rho)
    squares, present = rate * work * filled, queue + own
    left = rate * min(work, filled) * present
    settled = step / (1 - busy)
    stalls = 255 * (settled - step) + left * fading
    stall_variance = squares * settled / (1 - rho**2)
    stall_variance *= (255 * (1 + rho) - 2 * rho * fading) / (1 - rho)
    left_variance = squares * present + (rate * min(work, filled)) ** 2 * queue_variance
    stall_variance += left_variance * fading**2
    tpot = step + stalls / 255

    theta = (1 - busy) * (step - b * (step_of(b + 2) - step)) / (255 * step**2)
    batch_variance = rate / theta / (1 - busy) ** 2
    x = (255 * step + stalls) * theta
    kept = 2 / x * (1 - (1 - math.exp(-x)) / x)
    z = 2.3263478740408408
    spread = math.sqrt(batch_variance * kept)
    slower = (step_of(b + 1 + z * spread) - step) / (1 - busy)
    ninth = stall_variance / stalls**2 / 9
    worst = stalls * (1 - ninth + z * math.sqrt(ninth)) ** 3
    tpot_tail = step + slower + worst / 255

    running = 1 - math.exp(-b) * (1 - rate * own)
    residual = tpot / 2 * running
    joint = batch_variance + rate**2 * stall_variance
    beta = ((64 / b) ** (1 / 3) - 1) / math.sqrt(joint / b**2 / 9)
    density = math.exp(-(beta**2) / 2) / math.sqrt(2 * math.pi)
    slot = density / (density + beta * (1 + math.erf(beta / math.sqrt(2))) / 2)
    spare = 1e3 / (most - RATE)
    slot_scale = (1 + 1 / (1 + 12 * spare / (255 * step))) / 2 * spare
    handled = k["request_ms"] + 80 * k["prompt_layer_us"] / 1e3
    mean = queue + slot * slot_scale + residual + own + handled
    queue_more = scale * math.log(load / 0.01) - queue
    slot_more = slot_scale * math.log(max(slot / 0.01, 1)) - slot * slot_scale
    up = math.hypot(queue_more, max(slot_more, 0.0), residual)
    tail = mean + up + min(slot_more, 0.0)
    return {
        "load": (
            f"2/s · (255 · {step:.3f} + b · {work:.3f} ms) (found by iteration)", b, "sequences"),
        "step": (
            f"{engine:.3f} + {fixed:.3f} + {matrices:.3f} + {latency:.3f} + "
            f"{b + 1:.3f} · ({kv_each:.4f} + {token:.4f}) ms", step, "ms"),
        "prompts in a step that carries one": (f"1 + {b:.3f}/255", prompt_share, ""),
        "matrices of such a step": (
            f"√({weights:.3f}² + ({b + 1 + prompt_share * 1024:.1f} tokens · 68.451e9 flop/"
            f"{rate8 / 1e12:.1f} Tflop/s + head)²)", products_of, "ms"),
        "attention of a prompt": (
            f"80 · 4 · 8,192/2 · 1,024²/2 flop at {k['mfu_attention']:g} of the 16-bit peak",
            attention, "ms"),
        "work": (
            f"({products_of:.3f} − {matrices:.3f})/{prompt_share:.4f} + {attention:.3f} + "
            f"1,024 · {token:.5f} ms", work, "ms"),
        "saturation rate": (
            f"64/(255 · {step_of(64):.3f} + 64 · {work_of(64, 64):.3f} ms)", most, "/s"),
        "utilisation": (f"{RATE:g}/{most:.3f}", RATE / most, ""),
        "prefill service": (
            f"{filled:.3f} + {step:.3f} · 1,024/{budget:.1f} ms, in full steps", service, "ms"),
        "wait for prefill": (
            f"{load:.4f} · {service:.3f}/(2 · (1 − {load:.4f})) ms", queue, "ms"),
        "own prefill": (
            f"{step:.3f} + {products_of:.3f} − {matrices:.3f} + {prompt_share:.4f} · "
            f"({attention:.3f} + {1024 * token:.3f}) ms", own, "ms"),
        "share that a request more brings": (
            f"2/s · ({filled:.3f} + 255 · {slope:.4f} ms)", rho, ""),
        "prompts left behind": (f"2/s · {min(work, filled):.3f} · {present:.3f} ms", left, "ms"),
        "stalls of a request": (
            f"255 · ({settled:.3f} − {step:.3f}) + {left:.3f}/(1 − {rho:.4f}) ms", stalls, "ms"),
        "deviation of the stalls": (
            f"2/s · {work:.3f} · {filled:.3f} ms² a step, ρ = {rho:.4f}",
            math.sqrt(stall_variance), "ms"),
        "mean TPOT": (f"{step:.3f} + {stalls:.3f}/255 ms", tpot, "ms"),
        "sequences decoding": (f"2/s · 255 · {tpot:.3f} ms", rate * 255 * tpot, ""),
        "running step": (f"{tpot:.3f}/2 · {running:.5f} ms", residual, "ms"),
        "beside the steps": (
            f"{k['request_ms']:g} + 80 · {k['prompt_layer_us']:g}/1,000 ms", handled, "ms"),
        "mean TTFT": (
            f"{queue:.3f} + {slot * slot_scale:.3f} (slot) + {residual:.3f} + {own:.3f} + "
            f"{handled:.3f} ms",
            mean, "ms"),
        "p99 of the wait beyond its mean": (
            f"{scale:.3f} · ln({load:.4f}/0.01) − {queue:.3f} ms", queue_more, "ms"),
        "p99 TTFT": (
            f"{mean:.3f} + √({queue_more:.3f}² + {residual:.3f}²) ms", tail, "ms"),
        "spread of the batch": (
            f"√({batch_variance:.3f} · {kept:.4f}), averaged over a life", spread, ""),
        "p99 of the stalls": (
            f"gamma of mean {stalls:.1f} and deviation {math.sqrt(stall_variance):.1f} ms",
            worst, "ms"),
        "p99 TPOT": (
            f"{step:.3f} + {slower:.3f} (a fuller batch) + {worst:.3f}/255 ms", tpot_tail, "ms"),
    }  # fmt: skip


def replica_table() -> str:
    """Return the figures of the example's replica without load as a Markdown table."""
    k, chip = shipped_coefficients().values("vllm", "hopper"), shipped_accelerators()["h100_sxm"]
    layers, head = 70_553_706_496 - 2 * 128_256 * 8192 - 161 * 8192, 128_256 * 8192
    stream = k["mbu"] * chip.bandwidth_gb_per_s
    reach = f"({k['mbu']:g} · {chip.bandwidth_gb_per_s:,.0f} GB/s)"
    read = (layers * 1.002 + head * 2) / 2e9
    weights = read / stream * 1e3
    product = layers / (k["mfu_fp8"] * (chip.fp8_tflops or math.nan) * 1e12) * 1e3
    product += head / (k["mfu_bf16"] * chip.bf16_tflops * 1e12) * 1e3
    point = 80 * k["activation_passes"] * 16_384 / 1e9 / stream * 1e3
    fixed = 80 * (k["layer_us"] + k["layer_hidden_us"]) / 1e3 + point
    latency = k["allreduce_base_us"] + k["allreduce_log2_us"]
    link = k["link_efficiency"] * chip.link_gb_per_s
    collectives = 160 * latency / 1e3 + 160 * 16_384 / 1e9 / link * 1e3
    kv = 1152 * 81_920 / 1e9 * k["kv_read_factor"] / stream * 1e3
    step = k["step_ms"] + fixed + math.hypot(weights, product) + kv + collectives
    stored = (layers * 1.002 + 2 * head * 2) / 2e9 + 161 * 8192 * 2 / 1e9
    rows = [
        ("layer parameters", "70.554 B − 2 · 128,256 · 8,192 − norms", f"{layers / 1e9:.3f} B"),
        ("weights read a step", "(68.451 B · 1.002 + 1.0507 B · 2)/2", f"{read:.3f} GB"),
        ("weights", f"{read:.3f} GB/{reach}", f"{weights:.3f} ms"),
        ("products of one token", f"68.451 B flop/({k['mfu_fp8']:g} · {chip.fp8_tflops:,.0f} "
         "Tflop/s) + head", f"{product:.3f} ms"),
        ("layers", f"80 · ({k['layer_us']:g} + {k['layer_hidden_us']:g}) µs + "
         f"80 · {k['activation_passes']:g} · 16,384 B/{reach}", f"{fixed:.3f} ms"),
        ("collectives", f"160 · ({k['allreduce_base_us']:g} + {k['allreduce_log2_us']:g}) µs + "
         f"160 · 16,384 B/({k['link_efficiency']:g} · {chip.link_gb_per_s:,.0f} GB/s)",
         f"{collectives:.3f} ms"),
        ("KV, one sequence", f"1,152 tokens · 81,920 B · {k['kv_read_factor']:g}/{reach}",
         f"{kv:.3f} ms"),
        ("one decode step", f"{k['step_ms']:g} + {fixed:.3f} + √({weights:.3f}² + {product:.3f}²) "
         f"+ {kv:.3f} + {collectives:.3f} ms", f"{step:.3f} ms"),
        ("stored weights", "(68.451 B · 1.002 + 2 · 1.0507 B · 2)/2 + norms", f"{stored:.3f} GB"),
    ]  # fmt: skip
    lines = ["| figure | by hand | result |", "| --- | --- | --- |"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])


def example_table() -> str:
    """Return the example as a Markdown table."""
    lines = ["| figure | by hand | result |", "| --- | --- | --- |"]
    for name, (arithmetic, value, unit) in example().items():
        lines.append(f"| {name} | {arithmetic} | {value:.3f} {unit}".rstrip() + " |")
    return "\n".join(lines)


def parts() -> dict[str, str]:
    """Return the generated parts of the page."""
    return {
        "coefficients": coefficients_table(),
        "fits": fits_table(),
        "example": replica_table(),
        "example under load": example_table(),
    }


def write() -> None:
    """Rewrite the page."""
    rewrite(HERE / "performance-model.md", parts())


if __name__ == "__main__":
    write()
