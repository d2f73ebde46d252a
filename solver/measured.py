"""Measured capacities in place of the performance model (``--measured FILE.csv``)."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from pathlib import Path

from data.accelerators import Accelerator, canonical_accelerator
from data.catalog import Catalog
from data.errors import CatalogError, UnknownNameError
from data.tables import Row, read_table
from model.shape import Shape
from solver.candidates import Candidate, Search
from solver.market import allowed_offers
from solver.workload import Workload


@dataclass(frozen=True)
class MeasuredCapacity:
    """Requests/s of one class that one replica on an accelerator sustains within the SLA."""

    accelerator: str
    class_name: str
    capacity_rps: float
    gpus_per_replica: int


def load_measured(path: str | Path) -> tuple[MeasuredCapacity, ...]:
    """Read measured capacities.

    Raises
    ------
    CatalogError
        If a row is wrong, or an accelerator and class come twice.
    """
    return parse_measured(read_table(Path(path), "measured"))


def parse_measured(rows: Iterable[Row]) -> tuple[MeasuredCapacity, ...]:
    """Return the measured capacities of `rows`; see `load_measured`."""
    found: dict[tuple[str, str, int], MeasuredCapacity] = {}
    for row in rows:
        item = MeasuredCapacity(
            accelerator=row.text("accelerator"),
            class_name=row.text("class"),
            capacity_rps=row.optional_number("capacity_rps", above=-1e-12) or 0.0,
            gpus_per_replica=row.optional_integer("gpus_per_replica", at_least=1) or 1,
        )
        key = (item.accelerator, item.class_name, item.gpus_per_replica)
        if key in found:
            raise CatalogError(
                f"{row.place}: {item.accelerator} and class {item.class_name!r} come twice."
            )
        found[key] = item
    return tuple(found.values())


def measured_candidates(
    workload: Workload,
    catalog: Catalog,
    measured: tuple[MeasuredCapacity, ...],
    *,
    as_of: dt.date | None = None,
) -> tuple[tuple[Candidate, ...], Search]:
    """Return one candidate for each accelerator and replica size that was measured.

    Parameters
    ----------
    as_of
        Day on which offers must be on sale; None for today.

    Raises
    ------
    UnknownNameError
        If a measured class is not one of the workload's.
    CatalogError
        If a replica size is not a power of two (replicas could then not share nodes safely).
    """
    hardware = workload.hardware
    offered = {o.accelerator for o in allowed_offers(catalog, hardware, strict=False, as_of=as_of)}
    every = every_measured(workload, catalog, measured, offered)
    candidates = tuple(c for c in every if c.shape.accelerator.name in offered)
    count = len({(m.accelerator, m.gpus_per_replica) for m in measured})
    return candidates, Search(count, count, len(candidates))


def every_measured(
    workload: Workload,
    catalog: Catalog,
    measured: tuple[MeasuredCapacity, ...],
    offered: Collection[str],
) -> tuple[Candidate, ...]:
    """Return one candidate for each accelerator and replica size that serves some class.

    Whether any offer has the accelerator is not asked; see `measured_candidates` for what is
    raised.

    Parameters
    ----------
    offered
        Accelerators as offers call them: names that need not be the catalogue's.
    """
    names = [c.name for c in workload.classes]
    by_replica: dict[tuple[str, int], dict[str, float]] = defaultdict(dict)
    for item in measured:
        if item.class_name not in names:
            raise UnknownNameError("class", item.class_name, names, "measured capacities")
        if item.gpus_per_replica & (item.gpus_per_replica - 1):
            raise CatalogError(
                f"measured capacities: {item.accelerator} has gpus_per_replica "
                f"{item.gpus_per_replica}; give a power of two (1, 2, 4, 8, …)."
            )
        name = item.accelerator
        if name not in offered:
            name = canonical_accelerator(name, catalog.accelerators, strict=False)
        rates = by_replica[name, item.gpus_per_replica]
        if item.class_name in rates:
            raise CatalogError(
                f"measured capacities: {name} and class {item.class_name!r} come twice, "
                "under two names of the accelerator; keep one."
            )
        rates[item.class_name] = item.capacity_rps
    return tuple(
        Candidate(
            model=workload.model if isinstance(workload.model, str) else "measured",
            role="aggregated",
            shape=Shape(_chip(catalog, name), "measured", "measured", gpus, 1, 1, 0),
            classes=tuple(range(len(names))),
            capacity_rps=tuple(capacities.get(n, 0.0) for n in names),
            link_rps=(float("inf"),) * len(names),
            loss_pct=0.0,
        )
        for (name, gpus), capacities in sorted(by_replica.items())
        if any(capacities.values())
    )


def _chip(catalog: Catalog, name: str) -> Accelerator:
    """Return the accelerator, or a stand-in that only carries the name."""
    known = catalog.accelerators.get(name)
    if known is not None:
        return known
    nan = float("nan")
    return Accelerator(
        name=name,
        vendor="unknown",
        family="unknown",
        memory_gb=nan,
        memory_mib=nan,
        bandwidth_gb_per_s=nan,
        bf16_tflops=nan,
        fp8_tflops=None,
        int8_tflops=None,
        fp4_tflops=None,
        link="pcie",
        link_gb_per_s=nan,
        link_domain=1,
        pcie_gb_per_s=None,
        tdp_w=None,
        compute_capability="",
        weight_formats=(),
        kv_formats=(),
        observed_at=dt.date.min,
        source="measured capacities",
        unverified=(),
        notes="",
    )
