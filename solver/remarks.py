"""Remarks on one replica configuration that can be evaluated, but that no plan would run."""

from __future__ import annotations

from collections.abc import Iterator

from data.catalog import Catalog
from model.architecture import Architecture
from model.communication import joins_over_link
from model.shape import Shape

Remarks = Iterator[str]


def remarks_on(architecture: Architecture, shape: Shape) -> tuple[str, ...]:
    """Return a sentence for each thing about `shape` that the figures do not tell."""
    return (*_link(shape), *_node(shape), *_stages(architecture, shape))


def _link(shape: Shape) -> Remarks:
    """A TP group larger than the link's domain talks over something slower."""
    chip = shape.accelerator
    if shape.tp == 1 or chip.link == "pcie" or joins_over_link(shape):
        return
    way = "over PCIe" if chip.pcie_gb_per_s is not None else "at the rate of the link all the same"
    yield (
        f"TP {shape.tp} is more than the {chip.link_domain} {chip.name} that one "
        f"{chip.link.replace('_', ' ')} domain joins; its collectives are counted {way}"
    )


def _node(shape: Shape) -> Remarks:
    """What must sit in one node is more than the largest node has."""
    chip = shape.accelerator.name
    group = shape.tp if shape.cross_node else shape.gpus
    if group == 1:
        return
    largest = _largest_node(chip)
    if not largest or group <= largest:
        return
    what = f"TP {shape.tp}" if group == shape.tp else f"TP {shape.tp} × PP {shape.pp}"
    way = (
        "; --cross-node puts each stage on a node of its own"
        if not shape.cross_node and shape.pp > 1 and shape.tp <= largest
        else "; no plan runs it, and a network between its ranks is not counted"
    )
    yield (
        f"{what} needs {group} {chip} in one node, and the largest node on offer has {largest}{way}"
    )


def _largest_node(chip: str) -> int:
    """Accelerators of the largest shipped node; 0 if none is on offer."""
    offers = Catalog.load().offers
    return max((o.gpus_per_node for o in offers if o.accelerator == chip), default=0)


def _stages(architecture: Architecture, shape: Shape) -> Remarks:
    """Stages of unequal depth are counted as equal in time."""
    layers = architecture.layers
    if layers % shape.pp:
        most = -(-layers // shape.pp)
        yield (
            f"PP {shape.pp} does not divide the {layers} layers of {architecture.name}; the "
            f"largest stage holds {most}, which its weights are counted for, but step time and "
            "KV cache are those of equal stages"
        )
