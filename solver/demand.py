"""From the workload's words to the model's terms: request classes by model, and tiers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from data.errors import WorkloadError
from data.models import find_model, reference_name
from model.architecture import Architecture
from model.lengths import Lengths
from model.read_config import read_architecture
from model.traffic import RequestClass
from solver.workload import ClassSpec, LengthSpec, ModelReference, Sla, Workload

MAX_SINGLES = 4
"""Up to this many classes of a model, each may also have pools of its own."""

LENGTH_GAP = 2.0
"""Prompts that differ by more than this factor are also offered separate pools."""


@dataclass(frozen=True)
class Demand:
    """The classes of one model.

    Attributes
    ----------
    model
        The model as the workload names it.
    index
        Position of each class in the workload.
    tiers
        Sets of classes (positions within this demand) that may share a pool.
    """

    model: str
    architecture: Architecture
    classes: tuple[RequestClass, ...]
    index: tuple[int, ...]
    tiers: tuple[tuple[int, ...], ...]


def request_class(spec: ClassSpec, workload: Workload) -> RequestClass:
    """Return a class in the model's terms, its SLA merged with the workload's."""
    place = f"classes.{spec.name}"
    if spec.isl is None or spec.osl is None:
        missing = "isl" if spec.isl is None else "osl"
        raise WorkloadError(
            f"{place}.{missing} is missing; give the token length (only --measured needs none)."
        )
    sla = merged_sla(spec, workload.sla)
    return RequestClass(
        name=spec.name,
        rate_rps=spec.rate_rps,
        isl=_lengths(spec.isl, f"{place}.isl"),
        osl=_lengths(spec.osl, f"{place}.osl"),
        ttft_ms=_target(sla.ttft_ms),
        tpot_ms=_target(sla.tpot_ms),
        e2e_ms=_target(sla.e2e_ms),
        percentile=sla.percentile,
        cached_share=workload.serving.prefix_cache_hit_rate,
        arrival_scv=workload.serving.arrival_cv**2,
    )


def merged_sla(spec: ClassSpec, general: Sla) -> Sla:
    """Return the workload's SLA with the fields that the class itself sets over it."""
    if spec.sla is None:
        return general
    own = spec.sla.model_dump(include=spec.sla.model_fields_set)
    if own.get("percentile", 0) is None:
        del own["percentile"]
    return general.model_copy(update=own)


def _target(milliseconds: float | None) -> float:
    return math.inf if milliseconds is None else milliseconds


def _lengths(spec: float | LengthSpec, place: str) -> Lengths:
    if not isinstance(spec, LengthSpec):
        return Lengths(float(spec))
    for probability, value in spec.quantiles.items():
        return Lengths.from_quantile(spec.mean, probability, value, place)
    return Lengths(spec.mean)


def demands_of(workload: Workload) -> tuple[Demand, ...]:
    """Return the classes of the workload by model, in order of appearance.

    Raises
    ------
    InputError
        If a model is unknown, its config unusable, or a context longer than it accepts.
    """
    by_model: dict[str, list[int]] = {}
    references: dict[str, tuple[ModelReference, str]] = {}
    for number, spec in enumerate(workload.classes):
        reference = spec.model if spec.model is not None else workload.model
        key = reference_name(reference)
        by_model.setdefault(key, []).append(number)
        place = "model" if spec.model is None else f"classes.{spec.name}.model"
        known, at = references.setdefault(key, (reference, place))
        if known != reference:
            raise WorkloadError(f"{place}: {key!r} is another model than at {at}; rename one.")
    return tuple(_demand(workload, key, *references[key], index) for key, index in by_model.items())


def _demand(
    workload: Workload, key: str, reference: ModelReference, place: str, index: Sequence[int]
) -> Demand:
    architecture = load_architecture(reference, workload.folder, place)
    classes = tuple(request_class(workload.classes[i], workload) for i in index)
    for c in classes:
        longest = c.isl.mean + c.osl.mean
        if architecture.max_context and longest > architecture.max_context:
            raise WorkloadError(
                f"classes.{c.name}: {longest:,.0f} tokens (isl + osl) are more than "
                f"{key} accepts ({architecture.max_context:,})."
            )
    return Demand(key, architecture, classes, tuple(index), tiers_of(classes))


def load_architecture(reference: ModelReference, folder: Path, place: str) -> Architecture:
    """Return the architecture that a model reference names."""
    return read_architecture(find_model(reference, folder, place))


def tiers_of(classes: Sequence[RequestClass]) -> tuple[tuple[int, ...], ...]:
    """Return the sets of classes that may share a pool.

    All together; those with equal targets; within each of these, the short prompts and the
    long ones where there is a gap; and up to `MAX_SINGLES` classes, each alone. A pool keeps
    the strictest promise of its tier, so small tiers waste less and large ones share more;
    the program picks.
    """
    everyone = tuple(range(len(classes)))
    groups: dict[tuple[float, ...], list[int]] = {}
    for i, c in enumerate(classes):
        groups.setdefault((c.ttft_ms, c.tpot_ms, c.e2e_ms, c.percentile), []).append(i)
    found = {everyone: None}
    found.update((tuple(g), None) for g in groups.values())
    for tier in list(found):
        found.update((part, None) for part in _by_length(classes, tier))
    if len(classes) <= MAX_SINGLES:
        found.update(((i,), None) for i in everyone)
    return tuple(found)


def _by_length(classes: Sequence[RequestClass], tier: tuple[int, ...]) -> list[tuple[int, ...]]:
    """Split a tier at the widest gap between its prompt lengths, if that is wide enough."""
    order = sorted(tier, key=lambda i: classes[i].isl.mean)
    gaps = [
        (classes[b].isl.mean / classes[a].isl.mean, cut)
        for cut, (a, b) in enumerate(pairwise(order), start=1)
    ]
    if not gaps or max(gaps)[0] < LENGTH_GAP:
        return []
    cut = max(gaps)[1]
    return [tuple(sorted(order[:cut])), tuple(sorted(order[cut:]))]
