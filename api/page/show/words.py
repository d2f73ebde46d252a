"""What statuses, engines and limits are called on the page."""

from __future__ import annotations

from typing import Any

STATUS = {
    "optimal": ("good", "Proven: no cheaper fleet exists."),
    "feasible": ("warn", "Not proven: a cheaper fleet may exist."),
    "infeasible": ("bad", "Proven: no fleet meets the workload within its limits."),
    "unknown": ("warn", "No fleet and no proof in the time given."),
}
"""Status → kind of chip, and the sentence."""

ENGINES = {"highs": "HiGHS", "cp-sat": "OR-Tools CP-SAT"}

LIMITS = {
    "hardware.pricing": "ways of paying",
    "hardware.providers": "providers",
    "hardware.regions": "regions",
    "hardware.accelerators": "accelerators",
    "hardware.max_gpus": "most GPUs",
    "hardware.max_power_kw": "most power",
    "hardware.max_providers": "most providers",
    "hardware.max_cost_per_hour_usd": "budget per hour",
    "hardware.spare_replicas": "spare replicas",
    "hardware.max_spot_share": "most spot",
    "hardware.spot_headroom": "spot headroom",
    "sla.ttft_ms": "TTFT target",
    "sla.tpot_ms": "TPOT target",
    "sla.e2e_ms": "end-to-end target",
    "sla.percentile": "percentile",
    "precision.weights": "weight formats",
    "precision.kv": "KV formats",
    "precision.max_quality_loss_pct": "quality loss",
    "serving.disaggregation": "prefill and decode apart",
}


def limit(name: str) -> str:
    """Return what a limit is called."""
    return LIMITS.get(name, name)


def value(given: Any, field: str = "") -> str:
    """Return the value of a limit in words, with the unit that its field has."""
    if given is None:
        return "no limit"
    if isinstance(given, list):
        return ", ".join(str(g).replace("_", "-") for g in given)
    if isinstance(given, dict):
        return ", ".join(f"{k} {value(v)}" for k, v in given.items())
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        return str(given)
    if field.endswith("_usd"):
        return f"${given:,.2f}"
    units = {"_ms": " ms", "_pct": " %", "_kw": " kW"}
    unit = next((u for ending, u in units.items() if field.endswith(ending)), "")
    return f"{given:,.6g}{unit}"


def change(field: str, before: Any, after: Any) -> str:
    """Return how the limit of a field would change."""
    return f"{value(before, field)} → {value(after, field)}"
