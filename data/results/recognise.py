"""Which reader takes a JSON object; files that look alike are named and refused."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from data.errors import CatalogError
from data.results.aiperf import is_aiperf, read_aiperf
from data.results.documents import ACCEPTED
from data.results.guidellm import is_guidellm, read_guidellm
from data.results.inferencex import is_inferencex, read_inferencex
from data.results.run import Run
from data.results.vllm import is_vllm, read_vllm

LOOKALIKES = (
    (
        ("experiments", "service_kind"),
        "the raw profile of perf_analyzer; give profile_export_genai_perf.json beside it",
    ),
    (
        ("avg_latency", "percentiles"),
        "a result of vLLM's latency benchmark, which serves no requests; give one of bench serve",
    ),
    (
        ("elapsed_time", "tokens_per_second"),
        "a result of vLLM's throughput benchmark, which has no latencies; give one of bench serve",
    ),
    (
        ("benchmark", "metric"),
        "a record of the PyTorch benchmark database; give the JSON of bench serve beside it",
    ),
    (
        ("metadata", "metrics", "error"),
        "a record of one request of AIPerf; give profile_export_aiperf.json beside it",
    ),
    (
        ("combined", "per_run"),
        "AIPerf's collation of several runs; give the profile_export_aiperf.json of each",
    ),
    (
        ("metadata", "metrics"),
        "an aggregate of several AIPerf runs; give the profile_export_aiperf.json of each",
    ),
    (
        ("timeslices",),
        "the time slices of an AIPerf run; give its profile_export_aiperf.json",
    ),
    (("benchmarks", "machine_info"), "a result of pytest-benchmark, which serves no model"),
)
"""Keys that tell a kind of file that is not read → what it is, and what to give instead."""


def runs_of(document: Mapping[str, Any], place: str) -> Iterator[Run]:
    """Yield the runs of a JSON object.

    Raises
    ------
    CatalogError
        If no reader takes it, or the one that does cannot read it.
    """
    if is_guidellm(document):
        yield from read_guidellm(document, place)
    elif is_aiperf(document):
        yield read_aiperf(document, place)
    elif is_inferencex(document):
        yield read_inferencex(document, place)
    elif is_vllm(document):
        yield read_vllm(document, place)
    else:
        raise CatalogError(f"{place}: {_unread(document)}. Accepted are {ACCEPTED}.")


def _unread(document: Mapping[str, Any]) -> str:
    for keys, kind in LOOKALIKES:
        if all(k in document for k in keys):
            return f"is {kind}"
    names = ", ".join(repr(str(k)[:30]) for k in list(document)[:5])
    return f"is JSON of no known benchmark (its keys: {names or 'none'})"
