"""The figures of a plan document that follow from its others: sums, costs, what classes get."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Any

from data.offers import HOURS_PER_MONTH, Offer
from solver.assemble import rounded
from solver.demand import merged_sla
from solver.pool_checker import Finding, unless
from solver.workload import LengthSpec, Workload

Document = Mapping[str, Any]

_TARGETS = ("ttft_ms", "tpot_ms", "e2e_ms")


def stated_figures(
    document: Document, workload: Workload, offers: Mapping[str, Offer]
) -> Iterator[Finding]:
    """Compare every figure that a document derives with what it is derived from."""
    yield from _totals(document, workload)
    yield from _purchases(document, offers)
    yield from stated_pools(document, workload, offers)


def stated_pools(
    document: Document, workload: Workload, offers: Mapping[str, Offer]
) -> Iterator[Finding]:
    """Compare the figures of pools and classes with what they are derived from."""
    used: dict[str, int] = defaultdict(int)
    for pool in document["pools"]:
        used[pool["offer_id"]] += pool["replicas"] * pool["tp"] * pool["pp"]
    bills = {p["offer_id"]: p["cost_per_hour_usd"] for p in document["purchases"]}
    bought = {p["offer_id"]: p["nodes"] for p in document["purchases"]}
    for pool in document["pools"]:
        name, offer = pool["offer_id"], offers[pool["offer_id"]]
        yield from _pool(pool, offer, workload, bought.get(name, 0))
        part = bills.get(name, 0.0) * pool["gpus"] / used[name]
        yield _same(f"{pool['name']}: its part of the cost", pool["cost_per_hour_usd"], part)
    yield from _classes(document, workload)


def _same(what: str, stated: float | None, again: float | None) -> Finding:
    if stated is None or again is None:
        return unless(stated is again, f"{what} is {again}, not {stated}")
    near = abs(stated - again) <= 2e-5 * max(abs(stated), abs(again))
    return unless(near, f"{what} is {again:.6g}, not {stated:.6g}")


def _totals(document: Document, workload: Workload) -> Iterator[Finding]:
    cost = document["cost_per_hour_usd"]
    month = document["cost_per_month_usd"]
    yield unless(
        month == round(cost * HOURS_PER_MONTH, 2),
        f"{HOURS_PER_MONTH} hours cost ${cost * HOURS_PER_MONTH:.2f}, not ${month}",
    )
    idle = document["gpus"] - sum(p["gpus"] for p in document["pools"])
    yield unless(
        document["gpus_idle"] == idle, f"{idle} accelerators idle, not {document['gpus_idle']}"
    )
    tokens = 0.0
    for spec in workload.classes:
        if spec.osl is None:
            return
        osl = spec.osl.mean if isinstance(spec.osl, LengthSpec) else spec.osl
        tokens += spec.rate_rps * osl
    again = cost / (tokens * 3600 / 1e6)
    stated = document["cost_per_million_output_tokens_usd"]
    yield _same("the cost of a million output tokens", stated, again)


def _purchases(document: Document, offers: Mapping[str, Offer]) -> Iterator[Finding]:
    names = [p["offer_id"] for p in document["purchases"]]
    yield unless(len(set(names)) == len(names), "an offer is bought in two purchases")
    for item in document["purchases"]:
        offer = offers.get(item["offer_id"])
        if offer is None:
            continue
        name, term = offer.offer_id, offer.term_months
        upfront = float((offer.upfront_usd or 0) * item["nodes"])
        yield _same(f"{name}: what is paid upfront", item["upfront_usd"], upfront)
        yield unless(
            item["term_months"] == term,
            f"{name}: its term_months is {term}, not {item['term_months']}",
        )
        yield unless(
            item["observed_at"] == offer.observed_at.isoformat(),
            f"{name}: its price was observed on {offer.observed_at}, not {item['observed_at']}",
        )
        bill = item["price_per_node_hour_usd"] * item["nodes"]
        bill += upfront / (term * HOURS_PER_MONTH) if upfront and term else 0.0
        yield _same(f"the purchase of {name}", item["cost_per_hour_usd"], bill)


def _pool(pool: Document, offer: Offer, workload: Workload, bought: int) -> Iterator[Finding]:
    name = pool["name"]
    gpus = pool["replicas"] * pool["tp"] * pool["pp"]
    yield unless(pool["gpus"] == gpus, f"{name}: takes {gpus} accelerators, not {pool['gpus']}")
    place = (pool["provider"], pool["region"], pool["pricing"])
    yield unless(
        place == (offer.provider, offer.region, offer.pricing),
        f"{name}: {offer.offer_id} is not sold as {', '.join(place)}",
    )
    spares = workload.hardware.spare_replicas
    yield unless(
        pool["spare_replicas"] == spares,
        f"{name}: has {pool['spare_replicas']} spares, not {spares}",
    )
    crosses = bool(pool["cross_node"])
    link, network = pool["cross_node_gbps"], pool["network_bytes_per_s"]
    yield unless(
        link > 0 and pool["pp"] > 1 if crosses else link == 0,
        f"{name}: only pipelines across nodes have a network between their stages",
    )
    yield unless(
        network == 0 if pool["role"] == "aggregated" else network > 0,
        f"{name}: only prefill and decode pools have a network for KV caches",
    )
    size = pool["tp"] if crosses else pool["tp"] * pool["pp"]
    groups = pool["replicas"] * (pool["pp"] if crosses else 1)
    each = max(offer.gpus_per_node // size, 1)
    yield unless(
        -(-groups // each) <= pool["nodes"] <= min(groups, bought),
        f"{name}: its replicas cannot lie in {pool['nodes']} nodes",
    )


def _classes(document: Document, workload: Workload) -> Iterator[Finding]:
    """Each class gets what the slowest of its pools gives it."""
    stated = {c["name"]: c for c in document["classes"]}
    if any(p["predicted"] is None for p in document["pools"]):
        yield unless(not stated, "measured capacities say nothing of latency")
        return
    names = [c.name for c in workload.classes]
    listed = [c["name"] for c in document["classes"]]
    yield unless(listed == names, "the classes are not those of the workload")
    for spec in workload.classes:
        entry = stated.get(spec.name)
        if entry is None:
            continue
        yield unless(
            entry["rate_rps"] == spec.rate_rps,
            f"class {spec.name}: comes at {spec.rate_rps:g} req/s",
        )
        models = {p["model"] for p in document["pools"] if spec.name in p["serves"]}
        yield unless(models == {entry["model"]}, f"class {spec.name}: runs on {sorted(models)}")
        figures = _figures(document, spec.name)
        for key, again in figures.items():
            yield _same(f"class {spec.name}: its {key}", entry[key], rounded(again))
        sla = merged_sla(spec, workload.sla)
        targets = {k: getattr(sla, k) for k in _TARGETS}
        stated_targets = [entry["targets"][k] for k in _TARGETS]
        yield unless(
            stated_targets == [None if v is None else rounded(v) for v in targets.values()]
            and entry["percentile"] == sla.percentile,
            f"class {spec.name}: its targets are not those of the workload",
        )
        late = [k for k, v in targets.items() if v is not None and figures[k] > v * (1 + 1e-5)]
        yield unless(not late, f"class {spec.name}: misses its {', '.join(late)}")
        yield unless(entry["meets"] is not bool(late), f"class {spec.name}: wrongly called in time")


def _figures(document: Document, name: str) -> dict[str, float]:
    ttft = tpot = e2e = first = handover = rest = 0.0
    for pool in document["pools"]:
        if name not in pool["serves"]:
            continue
        own = {k: v or 0.0 for k, v in pool["predicted"]["classes"][name].items()}
        if pool["role"] == "aggregated":
            ttft, e2e = max(ttft, own["ttft_ms"]), max(e2e, own["e2e_ms"])
            tpot = max(tpot, own["tpot_ms"])
        elif pool["role"] == "prefill":
            first = max(first, own["ttft_ms"])
        else:
            handover, rest = max(handover, own["ttft_ms"]), max(rest, own["e2e_ms"])
            tpot = max(tpot, own["tpot_ms"])
    return {
        "ttft_ms": max(ttft, first + handover),
        "tpot_ms": tpot,
        "e2e_ms": max(e2e, first + rest),
    }
