"""Number formats: bits an element takes, quality it costs, and the rate it computes at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache

from data.accelerators import FORMATS, Accelerator
from data.tables import shipped_rows


@dataclass(frozen=True)
class Precision:
    """A storage format of weights or KV cache.

    Attributes
    ----------
    bits
        Stored bits an element, scales included.
    loss_pct
        Mean benchmark score lost against the published checkpoint (percent, see `source`).
    """

    format: str
    role: str
    bits: float
    loss_pct: float
    source: str

    @property
    def bytes(self) -> float:
        """Stored bytes an element, scales included."""
        return self.bits / 8


@cache
def precisions() -> Mapping[tuple[str, str], Precision]:
    """Return the shipped formats by (role, format); role is ``weights`` or ``kv``."""
    found = {}
    for row in shipped_rows("precisions"):
        name, role = row.choice("format", FORMATS), row.choice("role", ("weights", "kv"))
        bits = row.number("bits_per_element") * (1 + row.number("scale_overhead_pct") / 100)
        found[role, name] = Precision(name, role, bits, row.number("loss_pct"), row.text("source"))
    return found


def compute_format(weight_format: str, accelerator: Accelerator) -> str:
    """Return the format whose peak rate bounds matrix products with such weights.

    Weight-only formats dequantise to 16 bits first: int4 everywhere, and fp8, int8 or fp4
    on chips without units for them (FP8 on A100, for example).
    """
    if weight_format == "int4":
        return "bf16"
    return weight_format if accelerator.tflops(weight_format) is not None else "bf16"


def weight_loss_pct(weight_format: str, native_format: str) -> float:
    """Return the quality lost by serving `weight_format` (percent).

    Serving a checkpoint at the precision it was published in, or above it, loses nothing:
    FP8 costs DeepSeek-V3 nothing, it is what was released.
    """
    table = precisions()
    stored, native = table["weights", weight_format], table["weights", native_format]
    if weight_format == native_format or stored.bits > native.bits:
        return 0.0
    return max(0.0, stored.loss_pct - native.loss_pct)
