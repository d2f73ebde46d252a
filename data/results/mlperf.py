"""Summaries of MLPerf inference (``mlperf_log_summary.txt``), as LoadGen 4.0 to 5.1 writes them.

Server (Interactive is Server with tighter limits) gives the rate of completed samples and tokens
and, in ns, percentiles of first-token latency and time per output token; Offline gives rates alone.
The rates are of the whole system, so its number of GPUs must be known. Model, accelerator and
prompt length stand in no summary; the mean output is tokens over samples.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from data.errors import CatalogError
from data.results.run import Run, Spread, spread
from data.results.values import count, number

TITLE = "MLPerf Results Summary"
"""Line that every summary starts with."""

NS = 1e-6
"""Milliseconds in a nanosecond."""

_LINE = re.compile(r"^\s*(?P<name>[^:]+?)\s*:\s*(?P<value>\S.*?)\s*$")


def read_mlperf(text: str, place: str) -> Run:
    """Return the run of one summary.

    Raises
    ------
    CatalogError
        If the result is not valid, is of another scenario or mode, counts no tokens, or the file
        is cut short.
    """
    lines = [m for line in text.splitlines() if (m := _LINE.match(line))]
    found: dict[str, str] = {}
    for line in lines:
        found.setdefault(" ".join(line["name"].lower().split()), line["value"])
    scenario = found.get("scenario", "")
    _check_valid(found, scenario, place)
    offline = scenario == "Offline"
    rate_keys = ("completed samples per second", "samples per second")
    token_keys = ("completed tokens per second", "tokens per second")
    samples = _first(found, rate_keys, place)
    tokens = _first(found, token_keys, place)
    if tokens is None:
        raise CatalogError(
            f"{place}: this MLPerf summary counts no tokens; it is cut short, or of a benchmark "
            "that is no language model."
        )
    offered = _first(found, ("scheduled samples per second", "target_qps"), place)
    ttft = _latency(found, "first token latency (ns)", "mean first token latency (ns)", place)
    tpot = _latency(
        found,
        "time to output token (ns)",
        ("mean time per output token (ns)", "mean time to output token (ns)"),
        place,
    )
    if not offline and not (ttft.known and tpot.known):
        raise CatalogError(
            f"{place}: the {scenario} summary lacks first-token latencies or times per output "
            "token; it is cut short, or was run without use_token_latencies."
        )
    e2e = number(found.get("mean latency (ns)"), "mean latency", place)
    return Run(
        place=place,
        source="mlperf-inference",
        cells={
            "osl": tokens / samples if samples else None,
            "request_rate": None if offline else offered,
            "req_per_s": samples,
            "output_tok_per_s": tokens,
            "scenario": "max-throughput-offline" if offline else "open-loop",
        },
        ttft=Spread() if offline else ttft,
        tpot=Spread() if offline else tpot,
        e2e_ms=None if offline or not e2e else e2e * NS,
        unit="ns",
        needs=("gpu_count",),
        notes=[
            f"MLPerf {scenario}",
            "VALID",
            "osl is a mean",
            "rates of the whole system",
            f"sut={found['sut name']}" if "sut name" in found else "",
        ],
    )


def _check_valid(found: Mapping[str, str], scenario: str, place: str) -> None:
    mode = found.get("mode", "")
    if scenario not in ("Server", "Interactive", "Offline"):
        raise CatalogError(
            f"{place}: the MLPerf scenario is {scenario[:30]!r}; summaries of Server, Interactive "
            "and Offline are read."
        )
    if not mode.startswith("Performance"):
        raise CatalogError(
            f"{place}: the MLPerf mode is {mode[:30]!r}; give the summary of the performance run."
        )
    result = found.get("result is", "")
    if result == "VALID":
        return
    if not result:
        raise CatalogError(
            f"{place}: the MLPerf summary has no line 'Result is'; the file is cut short."
        )
    unmet = [k.removesuffix(" satisfied") for k, v in found.items() if v == "NO"]
    why = f" ({', '.join(unmet)} not satisfied)" if unmet else ""
    raise CatalogError(
        f"{place}: the MLPerf result is {result[:20]}{why}; only VALID results are measurements."
    )


def _first(found: Mapping[str, str], names: tuple[str, ...], place: str) -> float | None:
    for name in names:
        if name in found:
            return count(found[name], name, place)
    return None


def _latency(
    found: Mapping[str, str], what: str, means: str | tuple[str, ...], place: str
) -> Spread:
    names = (means,) if isinstance(means, str) else means
    figures: dict[str, Any] = {
        "median": found.get(f"50.00 percentile {what}"),
        "mean": next((found[n] for n in names if n in found), None),
        "p99": found.get(f"99.00 percentile {what}"),
    }
    return spread(figures, NS, what, place)
