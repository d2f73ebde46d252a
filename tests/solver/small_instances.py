"""Small instances of the program: built by hand with `candidate` and `offer`, or at random."""

from __future__ import annotations

import datetime as dt
import math
from decimal import Decimal

from hypothesis import strategies as st

from data.accelerators import Accelerator
from data.offers import Offer
from model.shape import Shape
from solver.candidates import Candidate
from solver.instance import Caps, Instance

DAY = dt.date(2026, 7, 1)
FAST_GBPS = 400.0


TDP_W = {"a": 300.0, "b": 700.0, "c": 75.0}
"""Rated power of the accelerators; that of any other is not known."""


def chip(name: str) -> Accelerator:
    """Return an accelerator; the program reads its name and its power only."""
    return Accelerator(
        name=name,
        vendor="acme",
        family="acme",
        memory_gb=80.0,
        memory_mib=80_000.0,
        bandwidth_gb_per_s=2000.0,
        bf16_tflops=500.0,
        fp8_tflops=None,
        int8_tflops=None,
        fp4_tflops=None,
        link="pcie",
        link_gb_per_s=32.0,
        link_domain=1,
        pcie_gb_per_s=None,
        tdp_w=TDP_W.get(name),
        compute_capability="",
        weight_formats=("bf16",),
        kv_formats=("bf16", "fp8"),
        observed_at=DAY,
        source="test",
        unverified=(),
        notes="",
    )


def offer(
    accelerator: str = "a",
    gpus: int = 1,
    price: str | float = "1.00",
    *,
    name: str = "",
    stock: int | None = None,
    min_nodes: int = 1,
    network: float | None = None,
    place: tuple[str, str] = ("acme", "eu"),
) -> Offer:
    """Return an offer of whole nodes."""
    return Offer(
        offer_id=name or f"{'/'.join(place)}/{accelerator}x{gpus}",
        provider=place[0],
        region=place[1],
        instance_type="",
        accelerator=accelerator,
        gpus_per_node=gpus,
        price_per_node_hour_usd=Decimal(str(price)),
        pricing="on_demand",
        stock=stock,
        network_gbps=network,
        min_nodes=min_nodes,
        term_months=None,
        upfront_usd=None,
        interruptible=False,
        available_from=None,
        available_until=None,
        currency="USD",
        observed_at=DAY,
        source="test",
        notes="",
    )


def candidate(
    *capacity_rps: float,
    accelerator: str = "a",
    tp: int = 1,
    pp: int = 1,
    role: str = "aggregated",
    loss: float = 0.0,
    links: tuple[float, ...] = (),
    place: tuple[str, str] = ("acme", "eu"),
    kv: str = "bf16",
    crosses: bool = False,
    network_gb_per_s: float = 1.0,
) -> Candidate:
    """Return a replica configuration that admits `capacity_rps` of each class."""
    classes = len(capacity_rps)
    split = role != "aggregated"
    return Candidate(
        model="m",
        role=role,
        shape=Shape(
            chip(accelerator), "bf16", kv, tp, pp, 1, 16, crosses, FAST_GBPS if crosses else 0.0
        ),
        classes=tuple(range(classes)),
        capacity_rps=tuple(float(c) for c in capacity_rps),
        link_rps=tuple(links) or (math.inf,) * classes,
        loss_pct=loss,
        location=place if split else None,
        network_bytes_per_s=network_gb_per_s * 1e9 if split else 0.0,
    )


def instance(
    rates: tuple[float, ...],
    candidates: list[Candidate],
    offers: list[Offer],
    **caps: float | None,
) -> Instance:
    """Return an instance whose classes are called c0, c1, …"""
    names = tuple(f"c{i}" for i in range(len(rates)))
    return Instance(names, tuple(map(float, rates)), tuple(candidates), tuple(offers), Caps(**caps))


NODE_SIZES = (1, 2, 3, 4, 6, 8)
PLACES = (("acme", "eu"), ("acme", "us"), ("bolt", "eu"))


@st.composite
def instances(draw: st.DrawFn, max_candidates: int = 4, split: bool = False) -> Instance:
    """Small instances: at most 3 accelerators, 3 classes, and 3 replicas of use a candidate.

    With `split` there is a pair of prefill and decode candidates in each.
    """
    chips = "abc"[: draw(st.integers(1, 3))]
    classes = draw(st.integers(1, 3))
    rates = tuple(float(draw(st.integers(1, 20))) for _ in range(classes))
    candidates: list[Candidate] = _pair(draw, chips, rates) if split else []
    for _ in range(draw(st.integers(0 if split else 1, max_candidates - len(candidates)))):
        if draw(st.integers(0, 3)):
            candidates.append(_aggregated(draw, chips, rates))
        else:
            candidates += _pair(draw, chips, rates)
    wanted = [candidates[0], candidates[-1]]
    wanted += draw(st.lists(st.sampled_from(candidates), max_size=2))
    offers = [_offer(draw, number, c) for number, c in enumerate(wanted)]
    caps = {
        "spare_replicas": draw(st.sampled_from((0, 0, 0, 1, 2))),
        "max_gpus": draw(st.one_of(st.none(), st.none(), st.integers(1, 24))),
        "max_cost_per_hour_usd": draw(st.one_of(st.none(), st.none(), st.integers(1, 60))),
        "max_quality_loss_pct": draw(st.sampled_from((None, 0.5, 1.0, 1.0))),
        "max_power_kw": draw(st.sampled_from((None, None, None, 0.3, 0.75, 1.4, 3.0))),
        "max_providers": draw(st.sampled_from((None, None, 1))),
    }
    return instance(rates, candidates, offers, **caps)


def _loads(draw: st.DrawFn, classes: int, least: int = 0) -> list[float]:
    """Replicas that each class takes, in twentieths: at most 3 together; 0 where it cannot."""
    whole = draw(st.integers(4, 60))
    parts = [draw(st.integers(least, 6)) for _ in range(classes)]
    return [whole * p / max(sum(parts), 1) / 20 for p in parts]


def _capacity(rates: tuple[float, ...], loads: list[float], cannot: float) -> tuple[float, ...]:
    return tuple(rate / load if load else cannot for rate, load in zip(rates, loads, strict=True))


def _losses() -> st.SearchStrategy[float]:
    return st.sampled_from((0.0, 0.0, 0.4, 1.2))


def _aggregated(draw: st.DrawFn, chips: str, rates: tuple[float, ...]) -> Candidate:
    tp, crosses = draw(st.sampled_from((1, 2, 4, 8))), draw(st.integers(0, 7)) == 0
    pp = 2 if crosses else draw(st.sampled_from((1, 1, 1, 2)))
    return candidate(
        *_capacity(rates, _loads(draw, len(rates), draw(st.integers(0, 1))), 0.0),
        accelerator=draw(st.sampled_from(chips)),
        tp=min(tp, 4) if pp == 2 else tp,
        pp=pp,
        crosses=crosses,
        loss=draw(_losses()),
    )


def _pair(draw: st.DrawFn, chips: str, rates: tuple[float, ...]) -> list[Candidate]:
    place, kv = draw(st.sampled_from(PLACES)), draw(st.sampled_from(("bf16", "fp8")))
    return [
        candidate(
            *_capacity(rates, _loads(draw, len(rates), 1), 0.0),
            accelerator=draw(st.sampled_from(chips)),
            tp=draw(st.sampled_from((1, 2, 4))),
            role=role,
            loss=draw(_losses()),
            links=_capacity(rates, _loads(draw, len(rates)), math.inf),
            place=place,
            kv=kv,
            network_gb_per_s=draw(st.sampled_from((1.0, 1.0, 10.0))),
        )
        for role in ("prefill", "decode")
    ]


def _offer(draw: st.DrawFn, number: int, wanted: Candidate) -> Offer:
    """Return an offer that can mostly hold a candidate."""
    gpus = draw(st.sampled_from([g for g in NODE_SIZES if g >= wanted.group_size]))
    cents = gpus * draw(st.integers(50, 400))
    needs_network = wanted.role != "aggregated" or wanted.shape.cross_node
    return offer(
        wanted.shape.accelerator.name,
        gpus,
        f"{cents / 100:.2f}",
        name=f"o{number}",
        stock=draw(st.one_of(st.none(), st.none(), st.integers(0, 4))),
        min_nodes=draw(st.sampled_from((1, 1, 1, 2, 3))),
        network=FAST_GBPS if needs_network else draw(st.sampled_from((None, 100.0, FAST_GBPS))),
        place=wanted.location or draw(st.sampled_from(PLACES)),
    )
