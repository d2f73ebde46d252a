"""Accelerators: what one chip can hold, move and compute, with the source of each figure."""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from data.errors import CatalogError, UnknownNameError
from data.tables import Row, read_table, shipped_rows

FORMATS = ("bf16", "fp8", "int8", "int4", "fp4")
"""Number formats a weight can be stored in; ``bf16`` stands for any 16-bit float."""

LINKS = (
    "nvlink_switch",
    "nvlink_bridge",
    "infinity_fabric",
    "ici_torus",
    "roce",
    "neuronlink",
    "pcie",
)


@dataclass(frozen=True)
class Accelerator:
    """One accelerator SKU. All rates are dense; None means unknown, never zero.

    Attributes
    ----------
    memory_mib
        Memory that the driver reports (MiB), not the label.
    bandwidth_gb_per_s
        Peak memory bandwidth (GB/s, 1e9).
    bf16_tflops, fp8_tflops, int8_tflops, fp4_tflops
        Peak dense matrix rates.
    link, link_gb_per_s, link_domain
        Scale-up link, its rate per accelerator and direction, and how many
        accelerators of one node share it (1: peers talk over PCIe).
    weight_formats, kv_formats
        Formats a serving engine can run here, natively or weight-only.
    """

    name: str
    vendor: str
    family: str
    memory_gb: float
    memory_mib: float
    bandwidth_gb_per_s: float
    bf16_tflops: float
    fp8_tflops: float | None
    int8_tflops: float | None
    fp4_tflops: float | None
    link: str
    link_gb_per_s: float
    link_domain: int
    pcie_gb_per_s: float | None
    tdp_w: float | None
    compute_capability: str
    weight_formats: tuple[str, ...]
    kv_formats: tuple[str, ...]
    observed_at: dt.date
    source: str
    unverified: tuple[str, ...]
    notes: str

    @property
    def memory_bytes(self) -> float:
        """Memory the driver reports, in bytes."""
        return self.memory_mib * 2**20

    def tflops(self, number_format: str) -> float | None:
        """Peak dense rate of a compute format, or None where the chip has no such units."""
        rates = {
            "bf16": self.bf16_tflops,
            "fp8": self.fp8_tflops,
            "int8": self.int8_tflops,
            "fp4": self.fp4_tflops,
        }
        return rates.get(number_format)


def parse_accelerator(row: Row) -> Accelerator:
    """Turn one row into an `Accelerator`, refusing what cannot be true."""
    formats = {}
    for column in ("weight_formats", "kv_formats"):
        formats[column] = row.names(column)
        for name in formats[column]:
            if name not in FORMATS:
                raise row.fault(column, f"{name!r} is not one of {', '.join(FORMATS)}.")
        if not formats[column]:
            raise row.fault(column, "is empty; name at least bf16.")
    memory_gb = row.number("memory_gb", above=0, at_most=4096)
    memory_mib = row.number("memory_mib", above=0, at_most=4096 * 1024)
    if not 0.85 <= memory_mib * 2**20 / (memory_gb * 1e9) <= 1.1:
        raise row.fault("memory_mib", f"{memory_mib:g} MiB does not fit {memory_gb:g} GB.")
    rate = {
        f"{f}_tflops": row.optional_number(f"{f}_tflops", above=0, at_most=1e5)
        for f in ("fp8", "int8", "fp4")
    }
    return Accelerator(
        name=row.text("name"),
        vendor=row.text("vendor"),
        family=row.text("family"),
        memory_gb=memory_gb,
        memory_mib=memory_mib,
        bandwidth_gb_per_s=row.number("bandwidth_gb_per_s", above=0, at_most=1e5),
        bf16_tflops=row.number("bf16_tflops", above=0, at_most=1e5),
        fp8_tflops=rate["fp8_tflops"],
        int8_tflops=rate["int8_tflops"],
        fp4_tflops=rate["fp4_tflops"],
        link=row.choice("link", LINKS),
        link_gb_per_s=row.number("link_gb_per_s", above=0, at_most=1e4),
        link_domain=row.integer("link_domain", at_least=1),
        pcie_gb_per_s=row.optional_number("pcie_gb_per_s", above=0, at_most=1e3),
        tdp_w=row.optional_number("tdp_w", above=0, at_most=1e4),
        compute_capability=row.cells.get("compute_capability", ""),
        weight_formats=formats["weight_formats"],
        kv_formats=formats["kv_formats"],
        observed_at=row.date("observed_at"),
        source=row.text("source"),
        unverified=row.names("unverified"),
        notes=row.cells.get("notes", ""),
    )


def parse_accelerators(rows: Iterable[Row]) -> dict[str, Accelerator]:
    """Return accelerators by name; a name given twice is an error."""
    found: dict[str, Accelerator] = {}
    for row in rows:
        accelerator = parse_accelerator(row)
        if accelerator.name in found:
            raise CatalogError(f"{row.place}: accelerator {accelerator.name!r} is there twice.")
        found[accelerator.name] = accelerator
    return found


@cache
def shipped_accelerators() -> Mapping[str, Accelerator]:
    """Return the accelerators that ship with minfleet, by name."""
    return parse_accelerators(shipped_rows("accelerators"))


def load_accelerators(path: Path) -> dict[str, Accelerator]:
    """Return the accelerators of a user's CSV or YAML file, by name."""
    return parse_accelerators(read_table(path, "accelerators"))


def _fold(name: str) -> str:
    return name.strip().lower().replace("-", "_").replace(" ", "_")


@cache
def aliases() -> Mapping[str, str]:
    """Return what clouds and Kubernetes labels call each accelerator: folded alias → name."""
    return {_fold(r.text("alias")): r.text("accelerator") for r in shipped_rows("aliases")}


def canonical_accelerator(
    name: str, known: Mapping[str, Accelerator], place: str = "", *, strict: bool = True
) -> str:
    """Return the catalogue name of an accelerator given by its name or an alias.

    Parameters
    ----------
    strict
        If False, an unknown name is returned as it is (a measured capacity needs no figures).

    Raises
    ------
    UnknownNameError
        If `strict` and nothing is called that; the nearest names are given.
    """
    if name in known:
        return name
    folded = _fold(name)
    for candidate in (folded, aliases().get(folded, "")):
        if candidate in known:
            return candidate
    if not strict:
        return name
    raise UnknownNameError(
        "accelerator",
        name,
        [*known, *aliases()],
        place,
        "list them with 'minfleet catalog list accelerators'",
    )
