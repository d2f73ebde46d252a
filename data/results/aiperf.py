"""Exports of AIPerf and of its forerunner GenAI-Perf, JSON and CSV.

JSON (``profile_export_aiperf.json``, schema 1.0 to 1.5; ``profile_export_genai_perf.json`` of
GenAI-Perf with units): a block ``{unit, avg, p50, p99, …}`` for each metric, and ``input_config``
with the model and the load, of which each generation has its own layout. CSV holds the same
metrics by title and no configuration, in a section with percentiles and one with single values.
Units are those of the file. ``inter_token_latency`` is (request latency − TTFT) / (osl − 1) per
request, which is TPOT.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping
from typing import Any

from data.errors import CatalogError
from data.results.run import Run, Spread, check_completed, drive, spread
from data.results.values import at, count, first_at, ms_per, number

BLOCKS = ("request_latency", "time_to_first_token", "request_throughput", "inter_token_latency")
"""Metrics of which an export has at least one."""

_TITLE = re.compile(r"^(?P<name>[^(]+?)\s*(?:\((?P<unit>[^)]*)\))?$")


def is_aiperf(document: Mapping[str, Any]) -> bool:
    """Whether a JSON object is a summary of AIPerf or GenAI-Perf."""
    return any("avg" in b for b in map(document.get, BLOCKS) if isinstance(b, Mapping))


def is_aiperf_csv(text: str) -> bool:
    """Whether CSV text is an export of AIPerf or GenAI-Perf."""
    return text.lstrip().startswith(("Metric,avg", "Metric,Value"))


def read_aiperf(document: Mapping[str, Any], place: str) -> Run:
    """Return the run of a JSON summary.

    Raises
    ------
    CatalogError
        If the schema is of another version, no request completed, or a figure or its unit cannot
        be read.
    """
    schema = str(document.get("schema_version") or "1")
    if schema.partition(".")[0] != "1":
        raise CatalogError(
            f"{place}: AIPerf schema {schema[:20]!r} is not 1.x; export the run with a version of "
            "AIPerf that writes 1.x."
        )
    config = document.get("input_config")
    version = document.get("aiperf_version")
    gpus = {
        str(name)
        for endpoint in _values(at(document, "telemetry_data", "endpoints"))
        for gpu in _values(at(endpoint, "gpus"))
        if (name := at(gpu, "gpu_name"))
    }
    stimulus = _stimulus(config)
    rate = count(_single(stimulus.get("request_rate")), "request_rate", place)
    clients = count(_single(stimulus.get("concurrency")), "concurrency", place)
    presumed: dict[str, Any] = {"gpu": gpus.pop() if len(gpus) == 1 else None}
    if at(config, "service_kind") == "triton" or at(config, "endpoint", "service_kind") == "triton":
        backend = first_at(config, "backend", "endpoint.backend")
        presumed["engine"] = {"tensorrtllm": "trtllm"}.get(str(backend), backend)
    notes = [
        f"aiperf={version}" if version else "",
        "cancelled" if document.get("was_cancelled") else "",
    ]
    stated = {"model": _model(config), "date": str(document.get("start_time") or "")[:10]}
    return _run(document, place, stated | drive(rate, clients), presumed, notes)


def read_aiperf_csv(text: str, place: str) -> Run:
    """Return the run of a CSV export, which says neither model nor load.

    Raises
    ------
    CatalogError
        If a section is cut short, no request completed, or a figure cannot be read.
    """
    blocks: dict[str, dict[str, Any]] = {}
    header: list[str] = []
    reader = csv.reader(io.StringIO(text))
    for cells in reader:
        if not any(c.strip() for c in cells):
            continue
        if "Metric" in cells:
            header = cells
            continue
        if header[0] != "Metric":
            continue
        if len(cells) != len(header):
            raise CatalogError(
                f"{place}, line {reader.line_num}: has {len(cells)} cells where the header has "
                f"{len(header)}; the file may be cut short."
            )
        title = _TITLE.match(cells[0].strip())
        if title is None:
            continue
        block: dict[str, Any] = {
            k: v.replace(",", "") for k, v in zip(header[1:], cells[1:], strict=True)
        }
        block["avg"] = block.pop("Value", block.get("avg"))
        if title["unit"]:
            block["unit"] = title["unit"]
        blocks[title["name"].lower().replace(" ", "_")] = block
    return _run(blocks, place, {}, {}, [])


def _run(
    blocks: Mapping[str, Any],
    place: str,
    stated: Mapping[str, Any],
    presumed: Mapping[str, Any],
    notes: list[str],
) -> Run:
    def average(name: str) -> float | None:
        return number(at(blocks, name, "avg"), name, place)

    completed, failed = average("request_count"), average("error_request_count")
    check_completed(completed, failed, place)
    e2e, _ = _latency(blocks, "request_latency", place)
    ttft, unit = _latency(blocks, "time_to_first_token", place)
    tpot, tpot_unit = _latency(blocks, "inter_token_latency", place)
    if not ttft.known and not tpot.known:
        raise CatalogError(
            f"{place}: holds neither time_to_first_token nor inter_token_latency; measure with "
            "--streaming."
        )
    return Run(
        place=place,
        source="aiperf",
        cells={
            **stated,
            "isl": average("input_sequence_length") or None,
            "osl": average("output_sequence_length") or None,
            "req_per_s": average("request_throughput") or None,
            "output_tok_per_s": average("output_token_throughput") or None,
        },
        presumed=presumed,
        ttft=ttft,
        tpot=tpot,
        e2e_ms=e2e.typical,
        unit=tpot_unit if tpot.known else unit,
        notes=[
            "lengths are means",
            *notes,
            "" if completed is None else f"completed={completed:.0f}",
            f"failed={failed:.0f}" if failed else "",
        ],
    )


def _latency(blocks: Mapping[str, Any], name: str, place: str) -> tuple[Spread, str]:
    """Return a latency, and the unit it is held in (ms where the export does not say)."""
    block = at(blocks, name)
    unit = str(at(block, "unit") or "ms")
    figures = {"median": at(block, "p50"), "mean": at(block, "avg"), "p99": at(block, "p99")}
    return spread(figures, ms_per(unit, name, place), name, place), unit


def _stimulus(config: Any) -> dict[str, Any]:
    """Return the load: concurrency, request rate, or both."""
    phases = at(config, "phases")
    if isinstance(phases, Mapping):
        phases = [v | {"name": k} for k, v in phases.items() if isinstance(v, dict)]
    for phase in phases if isinstance(phases, list) else []:
        if "profiling" in (at(phase, "name"), at(phase, "kind")):
            rate = first_at(phase, "rate", "request_rate")
            return {"concurrency": at(phase, "concurrency"), "request_rate": rate}
    places = ("loadgen", "perf_analyzer.stimulus", "stimulus")
    return {
        "concurrency": first_at(config, *(f"{p}.concurrency" for p in places), "concurrency"),
        "request_rate": first_at(config, *(f"{p}.request_rate" for p in places), "request_rate"),
    }


def _model(config: Any) -> Any:
    """Return the model's name, if the run had one only."""
    names = first_at(
        config, "endpoint.model_names", "models.items", "models", "model_names", "model"
    )
    names = names if isinstance(names, list) else [names]
    if len(names) != 1:
        return None
    return at(names[0], "name") if isinstance(names[0], Mapping) else names[0]


def _single(value: Any) -> Any:
    """Return the only item of a list; a value that is no list as it is."""
    if isinstance(value, list):
        return value[0] if len(value) == 1 else None
    return value


def _values(mapping: Any) -> list[Any]:
    return list(mapping.values()) if isinstance(mapping, Mapping) else []
