"""Which coefficients a fit may move, from where, and how far."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from data.coefficients import Coefficient, CoefficientTable
from model.calibration.samples import Sample

SPREADS = {
    "mbu": 0.05,
    "mfu_bf16": 0.15,
    "mfu_fp8": 0.2,
    "mfu_fp4": 0.3,
    "mfu_attention": 0.3,
    "expert_mfu_factor": 0.3,
    "kv_read_factor": 0.3,
    "layer_us": 0.5,
    "layer_hidden_us": 0.4,
    "moe_layer_us": 0.5,
    "activation_passes": 0.4,
    "step_ms": 0.7,
    "allreduce_base_us": 0.7,
    "allreduce_log2_us": 0.4,
    "request_ms": 0.8,
    "launch_layer_us": 1.0,
    "prompt_layer_us": 1.0,
    "moe_prompt_layer_us": 1.0,
}
"""Coefficient → prior deviation of its logarithm. Kernel measurements bound bandwidth and rates
narrowly; what an engine adds around its kernels differs by half and more between versions."""

NEUTRAL = {
    "activation_passes": 12.0,
    "request_ms": 30.0,
    "launch_layer_us": 200.0,
    "prompt_layer_us": 100.0,
    "moe_prompt_layer_us": 500.0,
}
"""Where a fit starts from if the coefficient is 0, which has no logarithm."""


@dataclass(frozen=True)
class Parameter:
    """A coefficient that a fit moves: value = start · exp(x), x about 0 ± `spread`.

    Attributes
    ----------
    engine, family
        Whose coefficient it is; ``*`` for all.
    start, spread
        Prior value, and prior deviation of its logarithm.
    """

    engine: str
    family: str
    name: str
    unit: str
    notes: str
    start: float
    spread: float

    @property
    def key(self) -> tuple[str, str, str]:
        """Engine, family and name."""
        return self.engine, self.family, self.name

    def value(self, x: float) -> float:
        """Return the coefficient at `x`."""
        return self.start * math.exp(x)

    def moves(self, sample: Sample) -> bool:
        """Whether the coefficient can change the prediction of a sample."""
        return self.engine in ("*", sample.engine) and self.family in ("*", sample.family)

    def row(self, x: float, source: str) -> Coefficient:
        """Return the coefficient at `x` as a row of a table."""
        return Coefficient(
            self.engine, self.family, self.name, self.value(x), self.unit, source, self.notes
        )


def parameters(table: CoefficientTable, keys: Iterable[tuple[str, str, str]]) -> list[Parameter]:
    """Return parameters for (engine, family, name) keys, starting where the table is.

    A key of all engines starts from the table's general value.
    """
    found = []
    for engine, family, name in keys:
        base = table.find(engine, family, name)
        found.append(
            Parameter(
                engine=engine,
                family=family,
                name=name,
                unit=base.unit,
                notes=base.notes,
                start=base.value or NEUTRAL[name],
                spread=SPREADS[name],
            )
        )
    return found


GENERAL = ("activation_passes",)
"""Coefficients that only runs of many models and chips tell from the others."""


def own_keys(samples: Sequence[Sample]) -> list[tuple[str, str, str]]:
    """Return a key for every coefficient of every engine and family that was measured."""
    pairs = dict.fromkeys((s.engine, s.family) for s in samples)
    names = [name for name in SPREADS if name not in GENERAL]
    return [(engine, family, name) for engine, family in pairs for name in names]
