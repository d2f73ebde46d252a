"""How the prefill:decode split follows the prompt length, and what it costs beside one pool."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from data.catalog import Catalog
from data.coefficients import shipped_coefficients
from data.errors import InputError
from solver.explain.restrict import restrict
from solver.fleet import Fleet, cheapest_fleet
from solver.problem import build_problem
from solver.steady import check_steady
from solver.workload import Workload

PROMPTS = (256, 512, 1024, 2048, 4096, 8192, 16384)


@dataclass(frozen=True)
class SplitRow:
    """One prompt length.

    Attributes
    ----------
    prefill_gpus, decode_gpus
        Accelerators that the replicas of each pool take; None where no split fleet exists.
    split_usd, single_usd
        Cost an hour of the split fleet, and of the fleet of aggregated pools alone.
    """

    isl: int
    prefill_replicas: int | None
    decode_replicas: int | None
    prefill_gpus: int | None
    decode_gpus: int | None
    split_usd: float | None
    single_usd: float | None
    pools: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the row ready for JSON."""
        return {**vars(self), "pools": list(self.pools)}


def prefill_decode_split(
    workload: Workload,
    catalog: Catalog,
    prompts: Sequence[int] = PROMPTS,
    *,
    gap: float = 1e-3,
    time_limit_s: float = 20.0,
) -> tuple[SplitRow, ...]:
    """Return the cheapest split fleet and the cheapest single-pool fleet for each prompt length.

    Parameters
    ----------
    workload
        A workload of one class; its prompt length is replaced by each of `prompts`.

    Raises
    ------
    InputError
        If the workload has several classes.
    """
    check_steady(workload, "the split is shown")
    if len(workload.classes) != 1:
        raise InputError("the split is shown for one class; give a workload with one.")
    return tuple(_row(workload, catalog, isl, gap, time_limit_s) for isl in prompts)


def _row(
    workload: Workload, catalog: Catalog, isl: int, gap: float, time_limit_s: float
) -> SplitRow:
    spec = workload.classes[0].model_copy(update={"isl": float(isl)})
    serving = workload.serving.model_copy(update={"disaggregation": "auto"})
    changed = workload.model_copy(update={"classes": [spec], "serving": serving})
    changed._folder = workload.folder
    problem = build_problem(changed, catalog, shipped_coefficients())

    def cheapest(aggregated: bool) -> Fleet | None:
        part = restrict(
            problem.instance, candidates=lambda c: (c.role == "aggregated") == aggregated
        )
        return cheapest_fleet(part, gap=gap, time_limit_s=time_limit_s).fleet

    split, single = cheapest(aggregated=False), cheapest(aggregated=True)
    return SplitRow(
        isl=isl,
        prefill_replicas=_count(split, "prefill", per_gpu=False),
        decode_replicas=_count(split, "decode", per_gpu=False),
        prefill_gpus=_count(split, "prefill", per_gpu=True),
        decode_gpus=_count(split, "decode", per_gpu=True),
        split_usd=None if split is None else float(split.cost_usd),
        single_usd=None if single is None else float(single.cost_usd),
        pools=() if split is None else _words(split),
    )


def _count(fleet: Fleet | None, role: str, *, per_gpu: bool) -> int | None:
    if fleet is None:
        return None
    return sum(
        n * (fleet.instance.candidates[c].gpus if per_gpu else 1)
        for c, n in fleet.replicas.items()
        if fleet.instance.candidates[c].role == role
    )


def _words(fleet: Fleet) -> tuple[str, ...]:
    return tuple(
        f"{n} × {c.shape.accelerator.name} TP{c.shape.tp} {c.role}"
        for i, n in fleet.replicas.items()
        for c in [fleet.instance.candidates[i]]
    )
