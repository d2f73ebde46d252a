"""Reports of GuideLLM (``benchmarks.json``).

Three layouts hold the same figures:

- 0.2 and 0.3: ``benchmarks[].args.strategy``, ``.worker.backend_model``, ``.request_totals``;
- 0.4 to 0.6 (``metadata.version`` 1): ``benchmarks[].config.strategy``, ``.config.backend``,
  ``.metrics.request_totals``, and ``args`` of the whole report (a build before 0.4 has
  ``benchmarks[].scheduler.strategy`` and ``.benchmarker.backend``);
- 0.7 and 0.8 (``metadata.version`` 2): as 0.4, with ``config.spec`` in the place of ``args``.

Each metric has ``successful.{mean, median, percentiles.p99}``. ``request_latency`` is in seconds,
names ending ``_ms`` are in ms. TPOT is its ``inter_token_latency_ms``, (last − first token) /
(osl − 1), weighed by tokens; its ``time_per_output_token_ms`` divides by osl, and from 0.4 on holds
the first token too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from data.errors import CatalogError
from data.results.run import Run, Spread, check_completed, drive, spread
from data.results.values import at, count, first_at, number

METRICS = ("time_to_first_token_ms", "request_latency", "requests_per_second")
"""Metrics of which a report has at least one."""

REPORT_VERSIONS = (1, 2)
"""Values of ``metadata.version`` that are read; GuideLLM before 0.4 writes none."""


def is_guidellm(document: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a report of GuideLLM."""
    benchmarks = document.get("benchmarks")
    if not isinstance(benchmarks, list):
        return False
    if str(at(document, "metadata", "guidellm_version") or ""):
        return True
    return any(at(b, "metrics", m) is not None for b in benchmarks for m in METRICS)


def read_guidellm(document: Mapping[str, Any], place: str) -> Iterator[Run]:
    """Yield the run of each benchmark in a report.

    Raises
    ------
    CatalogError
        If the report is of another version, is empty, or a benchmark cannot be read.
    """
    version = at(document, "metadata", "version")
    if version is not None and version not in REPORT_VERSIONS:
        raise CatalogError(
            f"{place}: GuideLLM report version {str(version)[:20]!r} is not one of "
            f"{', '.join(map(str, REPORT_VERSIONS))}; export it with GuideLLM 0.2 to 0.8."
        )
    benchmarks = document["benchmarks"]
    if not benchmarks:
        raise CatalogError(f"{place}: the GuideLLM report holds no benchmark; run it again.")
    for n, benchmark in enumerate(benchmarks, start=1):
        here = f"{place}, benchmark {n}" if len(benchmarks) > 1 else place
        yield _run(benchmark, document, here)


def _run(benchmark: Any, report: Mapping[str, Any], place: str) -> Run:
    metrics = at(benchmark, "metrics")
    if not isinstance(metrics, Mapping):
        raise CatalogError(f"{place}: the GuideLLM benchmark has no metrics; is the file damaged?")
    totals = first_at(
        benchmark, "metrics.request_totals", "request_totals", "run_stats.requests_made"
    )
    completed = number(at(totals, "successful"), "successful requests", place)
    failed = number(at(totals, "errored"), "errored requests", place)
    cut = number(at(totals, "incomplete"), "incomplete requests", place)
    check_completed(completed, (failed or 0) + (cut or 0), place)
    strategy = first_at(benchmark, "config.strategy", "args.strategy", "scheduler.strategy")
    kind = str(first_at(strategy, "type_", "kind", "type") or "")
    in_flight = _mean(metrics, "request_concurrency", place)
    notes = [
        "lengths are means",
        "tpot is weighed by tokens",
        f"strategy={kind}",
        f"guidellm={at(report, 'metadata', 'guidellm_version')}"
        if at(report, "metadata", "guidellm_version")
        else "",
        "" if completed is None else f"completed={completed:.0f}",
        f"failed={failed:.0f}" if failed else "",
        f"cut_off={cut:.0f}" if cut else "",
    ]
    e2e_s = _mean(metrics, "request_latency", place)
    return Run(
        place=place,
        source="guidellm",
        cells={
            "model": _model(benchmark, report),
            "isl": _mean(metrics, "prompt_token_count", place) or None,
            "osl": _mean(metrics, "output_token_count", place) or None,
            "req_per_s": _mean(metrics, "requests_per_second", place) or None,
            "output_tok_per_s": _mean(metrics, "output_tokens_per_second", place) or None,
        }
        | _drive(strategy, kind, in_flight, place),
        ttft=_latency(metrics, "time_to_first_token_ms", "TTFT", place),
        tpot=_latency(metrics, "inter_token_latency_ms", "inter-token latency", place),
        e2e_ms=None if e2e_s is None else e2e_s * 1e3,
        in_flight=in_flight,
        notes=notes,
    )


def _drive(strategy: Any, kind: str, in_flight: float | None, place: str) -> dict[str, Any]:
    if kind == "synchronous":
        return drive(None, 1.0)
    if kind == "concurrent":
        return drive(None, count(at(strategy, "streams"), "streams", place))
    if kind == "throughput":
        limit = count(at(strategy, "max_concurrency"), "max_concurrency", place)
        return drive(None, limit or (round(in_flight) if in_flight else None))
    if kind in ("constant", "poisson"):
        return drive(count(at(strategy, "rate"), "rate", place), None)
    raise CatalogError(
        f"{place}: the GuideLLM strategy {kind[:30]!r} is not a steady load; measure with "
        "synchronous, concurrent, throughput, constant, poisson or sweep."
    )


def _model(benchmark: Any, report: Mapping[str, Any]) -> Any:
    found = first_at(
        benchmark,
        "config.backend.model",
        "worker.backend_model",
        "benchmarker.backend.model",
    )
    return found or first_at(
        report,
        "config.spec.backend.model",
        "args.model",
        "args.backend_kwargs.model",
        "args.backend_args.model",
    )


def _mean(metrics: Mapping[str, Any], name: str, place: str) -> float | None:
    return number(at(metrics, name, "successful", "mean"), f"mean {name}", place)


def _latency(metrics: Mapping[str, Any], name: str, what: str, place: str) -> Spread:
    found = at(metrics, name, "successful")
    percentiles = at(found, "percentiles")
    figures = {
        "median": first_at(found, "median", "percentiles.p50"),
        "mean": at(found, "mean"),
        "p99": at(percentiles, "p99"),
    }
    return spread(figures, 1.0, what, place)
