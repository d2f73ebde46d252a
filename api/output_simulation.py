"""A simulated plan on one screen: the verdict, what each class got, then pool by pool."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from api.lines import Lines
from api.output import UNKNOWN, milliseconds, num
from api.output_plan import layout

SHOWN = ("p50", "p99")
"""Percentiles that are printed of each pool; the document has more."""

CLASSES_SHOWN = 4
"""Classes of a pool that are printed: those that take most of it."""

FIGURES = {"ttft_ms": "TTFT", "tpot_ms": "TPOT", "e2e_ms": "end to end"}

ROUTED = {
    "random": "at random",
    "round_robin": "in turn",
    "least_loaded": "to the least loaded replica",
}


def show_simulation(
    document: Mapping[str, Any], name: str, pools: Mapping[str, Mapping[str, Any]]
) -> None:
    """Print a simulation document for people.

    Parameters
    ----------
    name
        What to call the plan: its file.
    pools
        The plan's pools by name.
    """
    out = Lines()
    _headline(out, document, name)
    _classes(out, document)
    _pools(out, document, pools)
    rest = [f"{w}." for w in document["warnings"]]
    if rest:
        out.line()
        out.rows((("!", w) for w in rest), style="yellow")


def _headline(out: Lines, document: Mapping[str, Any], name: str) -> None:
    missed = [c for c in document["classes"] if c["requests"] and not c["meets"]]
    if not missed:
        out.text("All targets hold in simulation.", style="bold green")
    else:
        words = "; ".join(f"{c['name']}: {', '.join(_missed(c))}" for c in missed)
        out.text(f"Missed in simulation: {words}.", style="bold red")
    out.text(
        f"{document['requests']:,} requests to {name}, arrivals {document['arrivals']}, routed "
        f"{ROUTED[document['router']]}, seed {document['seed']}; the first "
        f"{document['warm_up_share']:.0%} of {_duration(document['duration_s'])} not counted; "
        f"{document['requests_per_wall_s']:,.0f} simulated a second."
    )
    trace = document["trace"]
    if trace is not None:
        counts = ", ".join(f"{n} {count:,}" for n, count in trace["classes"].items() if count)
        hits = " Its hashes say which prefixes are cached." if trace["prefix_blocks"] else ""
        out.text(
            f"Trace {trace['file']} on {trace['model']}, each request taken for the class of the "
            f"nearest lengths: {counts}.{hits}"
        )


def _missed(c: Mapping[str, Any]) -> Iterator[str]:
    for key, label in FIGURES.items():
        figure = c[key]
        if not figure["meets"]:
            seen = (
                "never ends" if figure["simulated"] is None else milliseconds(figure["simulated"])
            )
            yield f"{label} {seen} > {milliseconds(figure['target'])}"


def _duration(seconds: float) -> str:
    return f"{seconds / 60:,.0f} min" if seconds >= 120 else f"{num(seconds, 3)} s"


def _classes(out: Lines, document: Mapping[str, Any]) -> None:
    shown = [
        key
        for key in FIGURES
        if key != "e2e_ms" or any(c[key]["target"] is not None for c in document["classes"])
    ]
    rows = [
        (
            c["name"],
            num(c["rate_rps"], 3),
            num(c["goodput_rps"], 3),
            UNKNOWN if c["attainment"] is None else f"{c['attainment']:.1%}",
            f"p{c['percentile']:g}",
            *(_against(c[key]) for key in shown),
        )
        for c in document["classes"]
    ]
    out.line()
    out.table(("class", "req/s", "good", "within", "at", *(FIGURES[k] for k in shown)), rows)
    out.text(
        "within: share of requests that met every target; good: such requests a second.",
        style="dim",
    )


def _against(figure: Mapping[str, Any]) -> str:
    """Write a simulated figure beside its target, if it has one."""
    seen, target = milliseconds(figure["simulated"]), figure["target"]
    if target is None:
        return seen
    return f"{seen} {'≤' if figure['meets'] else '>'} {milliseconds(target)}"


def _pools(out: Lines, document: Mapping[str, Any], pools: Mapping[str, Mapping[str, Any]]) -> None:
    out.title("Predicted and simulated")
    head = ["", *(w for p in SHOWN for w in (f"{p} plan", "simulated", "ratio"))]
    rows: list[tuple[str, ...]] = []
    for pool in document["pools"]:
        rows.append((_title(pool, pools[pool["name"]]), *[""] * (len(head) - 1)))
        taken = sorted(pool["classes"], key=lambda c: -c["requests"])
        for c in taken[:CLASSES_SHOWN]:
            rows += [
                (f"  {c['name']} {FIGURES[key]}", *_ratios(c[key]))
                for key in ("ttft_ms", "tpot_ms")
                if key in c
            ]
        if len(taken) > CLASSES_SHOWN:
            left = len(taken) - CLASSES_SHOWN
            rows.append((f"  and {left} more (--json)", *[""] * (len(head) - 1)))
    _table(out, head, rows)


def _table(out: Lines, head: list[str], rows: list[tuple[str, ...]]) -> None:
    """Print rows under their pools, whose titles may run over the columns."""
    under = [r for r in rows if any(r[1:])]
    widths = [max(map(len, column)) for column in zip(head, *under, strict=True)]
    for k, cells in enumerate([tuple(head), *rows]):
        if k and not any(cells[1:]):
            out.text(cells[0])
            continue
        padded = [f"{cells[0]:<{widths[0]}}"]
        padded += [f"{c:>{w}}" for c, w in zip(cells[1:], widths[1:], strict=True)]
        out.line("  ".join(padded).rstrip(), "" if k else "dim")


def _title(pool: Mapping[str, Any], entry: Mapping[str, Any]) -> str:
    parts = [f"{pool['replicas']} × {layout(entry)}", f"busy {pool['busy_share'] or 0:.0%}"]
    if pool["concurrency"] is not None and pool["concurrency"]["simulated"] is not None:
        parts.append(
            f"{num(pool['concurrency']['simulated'], 3)} sequences at once, planned "
            f"{num(pool['concurrency']['predicted'] or 0, 3)}"
        )
    if pool["prefix_hit_rate"] is not None:
        parts.append(f"{pool['prefix_hit_rate']:.0%} of prefix blocks cached")
    if pool["preempted"]:
        parts.append(f"{pool['preempted']:,} preempted")
    return ", ".join(parts)


def _ratios(figure: Mapping[str, Mapping[str, float | None]]) -> Iterator[str]:
    for p in SHOWN:
        at = figure[p]
        yield milliseconds(at["predicted"])
        yield milliseconds(at["simulated"])
        yield UNKNOWN if at["ratio"] is None else f"{at['ratio']:.2f}"
