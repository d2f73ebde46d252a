"""A difference of two plans in words, for the command line, messages and the page."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from api.output import counted, milliseconds, usd
from solver.difference import plan_difference

Entry = Mapping[str, Any]

SETTING_WORDS = {
    "weight_precision": "weights",
    "kv_precision": "KV cache",
    "tp": "TP",
    "pp": "PP",
    "ep": "EP",
    "engine": "engine",
    "batch_cap": "batch cap",
}

LATENCY_WORDS = {"ttft_ms": "TTFT", "tpot_ms": "TPOT", "e2e_ms": "end to end"}

MOST_IN_ONE_SENTENCE = 3


def settings(side: Entry) -> str:
    """Return the settings of a pool, such as ``TP2 fp8``; what is usual is left out."""
    degrees = "".join(
        f"{word}{side[name]} "
        for name, word in (("tp", "TP"), ("pp", "PP"), ("ep", "EP"))
        if side.get(name) is not None and (name == "tp" or side[name] != 1)
    )
    formats = dict.fromkeys(side.get(n) for n in ("weight_precision", "kv_precision"))
    return degrees + "/".join(str(f) for f in formats if f is not None)


def place(pool: Entry) -> str:
    """Return where a pool runs: role, accelerator and offer."""
    role = "" if pool["role"] == "aggregated" else f"{pool['role']} on "
    return f"{role}{pool['accelerator']}"


def fraction(value: float) -> str:
    """Return a change as a percentage with its sign."""
    return f"{value * 100:+.1f} %".replace("-", "−").replace(".0 %", " %")


def cost_sentence(difference: Entry) -> str:
    """Return how the cost changes, as half a sentence."""
    one, other = (difference[side]["cost_per_hour_usd"] for side in ("first", "second"))
    if one is None or other is None:
        if one == other:
            return "neither has a fleet"
        return f"the {'second' if other is None else 'first'} has no fleet"
    if f"{one:.2f}" == f"{other:.2f}":
        return f"the cost stays at {usd(one)} an hour"
    word = "falls" if other < one else "rises"
    part = difference["cost"]["change_fraction"]
    told = "" if part is None else f" ({fraction(part)})"
    return f"the cost {word} from {usd(one)} to {usd(other)} an hour{told}"


def pool_sentence(pool: Entry) -> str:
    """Return what happens to a pool, as half a sentence."""
    before, after, more = pool["first"], pool["second"], pool["replicas_change"]
    where = place(pool)
    if before is None:
        return f"{counted(more, 'new replica')} on {where} {settings(after)} ({pool['offer_id']})"
    if after is None:
        replicas = "replica" if more == -1 else "replicas"
        return f"{-more:,} fewer {replicas} on {where} {settings(before)} ({pool['offer_id']})"
    changed = ", ".join(
        f"{SETTING_WORDS[name]} {before[name]} → {after[name]}" for name in pool["settings_changed"]
    )
    if more:
        word = "more" if more > 0 else "fewer"
        replicas = "replica" if abs(more) == 1 else "replicas"
        told = f" ({changed})" if changed else ""
        return f"{abs(more):,} {word} {replicas} on {where} {settings(after)}{told}"
    if changed:
        return f"{counted(after['replicas'], 'replica')} on {where}: {changed}"
    one, other = usd(before["cost_per_hour_usd"]), usd(after["cost_per_hour_usd"])
    replicas = counted(after["replicas"], "replica")
    return f"{replicas} on {where} {settings(after)} at {other} an hour instead of {one}"


def purchase_sentence(purchase: Entry) -> str:
    """Return what is rented otherwise, as half a sentence."""
    before, after, more = purchase["first"], purchase["second"], purchase["nodes_change"]
    offer = purchase["offer_id"]
    if before is None:
        price = after["price_per_node_hour_usd"]
        told = "" if price is None else f" at {usd(price)} each an hour"
        return f"rent {counted(after['nodes'], 'node')} of {offer}{told}"
    if after is None:
        return f"give back {counted(before['nodes'], 'node')} of {offer}"
    said = []
    if more:
        said.append(
            f"{'rent' if more > 0 else 'give back'} {counted(abs(more), 'node')} "
            f"{'more ' if more > 0 else ''}of {offer}"
        )
    one, other = before["price_per_node_hour_usd"], after["price_per_node_hour_usd"]
    if one != other and one is not None and other is not None:
        priced = f"a node costs {usd(other)} an hour instead of {usd(one)}"
        said.append(priced if more else f"offer {offer}: {priced}")
    if not said:
        one, other = usd(before["cost_per_hour_usd"]), usd(after["cost_per_hour_usd"])
        said.append(f"offer {offer}: {other} an hour instead of {one}")
    return ", ".join(said)


def class_sentence(entry: Entry) -> str:
    """Return how the latencies of a class change, as half a sentence; "" where none does."""
    before, after = entry["first"], entry["second"]
    if before is None or after is None:
        return f"the class {entry['name']} is {entry['change']}"
    said = [
        f"{word} {milliseconds(before[name])} → {milliseconds(after[name])}"
        for name, word in LATENCY_WORDS.items()
        if milliseconds(before[name]) != milliseconds(after[name])
    ]
    if before["meets"] and after["meets"] is False:
        said.append("no longer within its targets")
    return f"class {entry['name']}: {', '.join(said)}" if said else ""


def headline(difference: Entry) -> str:
    """Return a difference as one sentence: the pools that change most, and the cost."""
    if difference["equal"]:
        return "The plans are equal."
    pools = sorted(difference["pools"], key=lambda p: -abs(p["replicas_change"]))
    told = [pool_sentence(p) for p in pools[:MOST_IN_ONE_SENTENCE]]
    if len(pools) > MOST_IN_ONE_SENTENCE:
        told.append(counted(len(pools) - MOST_IN_ONE_SENTENCE, "further pool"))
    if not told:
        told = ["The same pools"]
    return _sentence([_listed(told), cost_sentence(difference)])


def sentences(difference: Entry) -> list[str]:
    """Return a difference in full, a sentence for each thing that differs, the cost first."""
    if difference["equal"]:
        return ["The plans are equal."]
    return [_sentence([part]) for part in _parts(difference) if part]


def _parts(difference: Entry) -> Iterator[str]:
    yield cost_sentence(difference)
    yield from map(pool_sentence, difference["pools"])
    yield from map(purchase_sentence, difference["purchases"])
    yield from map(class_sentence, difference["classes"])


def _listed(parts: list[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}"


def _sentence(parts: Iterable[str]) -> str:
    told = "; ".join(parts)
    return f"{told[0].upper()}{told[1:]}."


def difference_document(first: Entry, second: Entry) -> dict[str, Any]:
    """Return where two plan documents differ, with the words: ``minfleet/difference/v1``."""
    found = plan_difference(first, second)
    told = sentences(found)
    return {**found, "words": told if found["equal"] else [headline(found), *told]}
