"""One entry for every format: recognise, read, add facts, check."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path

from data.errors import CatalogError
from data.measurements import NEEDED, MeasurementRow, Unusable, load_measurements
from data.results.aiperf import is_aiperf_csv, read_aiperf_csv
from data.results.documents import ACCEPTED, is_json, json_values, result_text
from data.results.facts import check_facts, option, require, with_facts
from data.results.mlperf import TITLE, read_mlperf
from data.results.plausible import Figures, check_plausible
from data.results.recognise import runs_of
from data.results.run import Run, Spread, drive
from data.results.values import as_cell

SINGLE_TOKEN = 1.5
"""Mean output up to which a run has no time per output token."""


def load_results(path: str | Path, facts: Mapping[str, str] | None = None) -> list[MeasurementRow]:
    """Read a result file of any known format (gzip by its ending) as measured rows.

    Parameters
    ----------
    path
        The file; its format is told from its content (`data.results`).
    facts
        What the file may lack, by column: ``gpu``, ``gpu_count``, ``tp``, ``pp``, ``ep``,
        ``engine``, ``engine_version``, ``model``, ``precision_weights``, ``precision_kv``,
        ``isl``, ``osl`` (tokens), ``concurrency_or_batch``, ``request_rate`` (requests/s). They
        fill empty cells.

    Returns
    -------
    list of MeasurementRow
        One a run, in the file's order. Latencies in ms; ``*_median`` is the median, or the mean
        where no median is known, which the notes then say; ``*_mean`` the mean. Where there are
        more GPUs than ``tp · pp``, rates are of several replicas: the notes say ``replicas=N``.

    Raises
    ------
    InputError
        If the file is missing or no text.
    CatalogError
        If it is not recognised, damaged or of failed requests only; if a figure is impossible or
        in another unit; if a fact contradicts it, or accelerator, model, TP, lengths or load stay
        unknown. Rows of a CSV of measured rows need the accelerator, the model and TP (or
        ``gpu_count``) alone.
    """
    path = Path(path)
    given = check_facts(facts or {})
    text = result_text(path)
    if not is_json(text) and TITLE not in text and not is_aiperf_csv(text):
        return _measured_rows(path, text, given)
    return [_row(run, given, path) for run in _runs(text, str(path))]


def _runs(text: str, place: str) -> Iterator[Run]:
    if is_json(text):
        for here, document in json_values(text, place):
            yield from runs_of(document, here)
    elif TITLE in text:
        yield read_mlperf(text, place)
    else:
        yield read_aiperf_csv(text, place)


def _row(run: Run, facts: Mapping[str, str], path: Path) -> MeasurementRow:
    presumed = {c: as_cell(v) for c, v in run.presumed.items()}
    cells = with_facts(run.row_cells(), facts, presumed, run.place)
    require(cells, ("gpu", "model", "tp", *run.needs, "isl", "osl"), run.place)
    _note_replicas(cells, run.place)
    if not cells["scenario"]:
        rate, clients = cells["request_rate"], cells["concurrency_or_batch"]
        how = drive(float(rate) if rate else None, float(clients) if clients else None)
        if not how["scenario"]:
            raise CatalogError(
                f"{run.place}: how the run was driven is unknown; give its clients with "
                f"{option('concurrency_or_batch')}, or its rate with {option('request_rate')}."
            )
        cells["scenario"] = how["scenario"]
    osl = float(cells["osl"])
    if osl <= SINGLE_TOKEN and not run.tpot.typical:
        run = replace(run, tpot=Spread())
        cells |= {c: "" for c in cells if c.startswith("tpot_ms_")}
    offline = cells["scenario"] == "max-throughput-offline"
    if not (offline or run.ttft.typical is not None or run.tpot.typical is not None):
        raise CatalogError(
            f"{run.place}: holds neither TTFT nor TPOT; measure with streaming and save both."
        )
    closed = cells["scenario"].startswith("closed-loop")
    clients = cells["concurrency_or_batch"]
    check_plausible(
        Figures(
            place=run.place,
            unit=run.unit,
            ttft=run.ttft,
            tpot=run.tpot,
            e2e_ms=run.e2e_ms,
            osl=osl,
            req_per_s=_float(cells["req_per_s"]),
            output_tok_per_s=_float(cells["output_tok_per_s"]),
            clients=_float(clients) if closed else None,
        )
    )
    cells["source_url_or_path"] = str(path)
    return MeasurementRow(run.place, cells)


def _note_replicas(cells: dict[str, str], place: str) -> None:
    """Say in the notes how many replicas share the load, where there are more than one.

    Raises
    ------
    CatalogError
        If the GPUs do not make whole replicas.
    """
    gpus, each = float(cells["gpu_count"] or 0), float(cells["tp"]) * float(cells["pp"] or 1)
    if not gpus or cells["scenario"] == "closed-loop-disagg":
        return
    if gpus % each:
        raise CatalogError(
            f"{place}, column gpu_count: {gpus:g} GPUs do not make whole replicas of {each:g} "
            "(tp · pp); correct one of them."
        )
    if gpus > each:
        cells["notes"] = " | ".join(n for n in (cells["notes"], f"replicas={gpus / each:g}") if n)


def _float(cell: str) -> float | None:
    return float(cell) if cell else None


def _measured_rows(path: Path, text: str, facts: Mapping[str, str]) -> list[MeasurementRow]:
    """Read a CSV of measured rows; what a single row lacks beyond the needed is its own affair."""
    header = text.lstrip().splitlines()[0]
    columns = {c.strip().strip('"') for c in header.split(",")}
    known = {"engine", "tp", "isl", "osl", "concurrency_or_batch", "scenario", *NEEDED}
    if not columns & known:
        raise CatalogError(
            f"{path}: is not recognised; it begins {header[:60]!r}. Accepted are {ACCEPTED}."
        )
    rows = []
    for row in load_measurements(path):
        cells = with_facts(row.cells, facts, {}, row.place)
        tp_known = (cells.get("gpu_count") or "").strip()
        require(cells, NEEDED if tp_known else (*NEEDED, "tp"), row.place)
        filled = MeasurementRow(row.place, cells)
        check_plausible(_figures(filled))
        rows.append(filled)
    return rows


def _figures(row: MeasurementRow) -> Figures:
    """Return what can be compared in a measured row; a cell that is no number is left out."""

    def known(column: str) -> float | None:
        try:
            return row.number(column) or None
        except Unusable:
            return None

    def latency(name: str) -> Spread:
        return Spread(*(known(f"{name}_ms_{figure}") for figure in ("median", "mean", "p99")))

    closed = row.text("scenario").lower().startswith("closed-loop")
    return Figures(
        place=row.place,
        ttft=latency("ttft"),
        tpot=latency("tpot"),
        osl=known("osl"),
        req_per_s=known("req_per_s"),
        output_tok_per_s=known("output_tok_per_s"),
        clients=known("concurrency_or_batch") if closed else None,
    )
