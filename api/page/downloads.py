"""``/download``: what the page shows, as files; whoever may see it may have it."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal

from fastapi import APIRouter, Request
from fastapi.responses import Response

from api.difference_words import difference_document
from api.page.ask import Asker, RefusedError
from api.page.quotes import template
from api.page.show import frontier
from api.page.show.comparison import COLUMNS, flat
from api.page.show.difference import DIFFERENCE_COLUMNS, lines_of
from api.service.problems import ProblemError

router = APIRouter(prefix="/download", include_in_schema=False)

POOL_COLUMNS = (
    *("name", "role", "model", "accelerator", "offer_id", "provider", "region", "pricing"),
    *("engine", "weight_precision", "kv_precision", "tp", "pp", "ep", "batch_cap", "replicas"),
    *("nodes", "gpus", "cost_per_hour_usd"),
)

HISTORY_COLUMNS = (
    *("id", "created_at", "model", "classes", "rate_rps", "status", "cost_per_hour_usd", "gpus"),
    *("workload_id", "catalog_id"),
)


async def _stored(request: Request, kind: str, result_id: str) -> dict[str, Any]:
    try:
        found = await Asker.of(request).stored(kind, result_id)
    except RefusedError as error:
        raise ProblemError("unauthorized", str(error)) from None
    if found is None:
        raise ProblemError("not-found", f"there is no {kind} {result_id[:100]!r}.")
    return found


def as_csv(columns: Sequence[str], rows: Iterable[Mapping[str, Any]]) -> str:
    """Return rows as CSV; what a spreadsheet would take for a formula is marked as text."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_cell(row.get(column)) for column in columns])
    return text.getvalue()


def _cell(value: Any) -> Any:
    if isinstance(value, str) and value[:1] in ("=", "+", "-", "@", "\t"):
        return f"'{value}"
    return "" if value is None else value


def csv_file(name: str, text: str) -> Response:
    """Return CSV as a file."""
    return _file(name, text, "text/csv; charset=utf-8")


def _file(name: str, text: str, media: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(text, 200, headers, media_type=media)


def json_file(name: str, document: Mapping[str, Any]) -> Response:
    """Return a document as a file."""
    return _file(name, json.dumps(document, indent=2) + "\n", "application/json")


@router.get("/plans/{plan_id}.json")
async def plan_json(request: Request, plan_id: str) -> Response:
    """Return a plan document."""
    return json_file("plan.json", await _stored(request, "plan", plan_id))


@router.get("/plans/{plan_id}/pools.csv")
async def pools_csv(request: Request, plan_id: str) -> Response:
    """Return the pools of a plan, a row each."""
    plan = await _stored(request, "plan", plan_id)
    return csv_file("pools.csv", as_csv(POOL_COLUMNS, plan["pools"]))


@router.get("/comparisons/{comparison_id}.json")
async def comparison_json(request: Request, comparison_id: str) -> Response:
    """Return a comparison document."""
    return json_file("comparison.json", await _stored(request, "comparison", comparison_id))


@router.get("/comparisons/{comparison_id}.csv")
async def comparison_csv(request: Request, comparison_id: str) -> Response:
    """Return the offers of a comparison, a row each."""
    found = await _stored(request, "comparison", comparison_id)
    return csv_file("comparison.csv", as_csv(COLUMNS, (flat(o) for o in found["offers"])))


@router.get("/quotes-template.csv")
async def quotes_template() -> Response:
    """Return the file of offers that a supplier fills in."""
    return csv_file("quotes.csv", template())


@router.get("/plans.csv")
async def plans_csv(request: Request, status: str = "", model: str = "") -> Response:
    """Return the history of plans, the latest first, a row each."""
    try:
        found = await Asker.of(request).plans(status=status or None, model=model or None)
    except RefusedError as error:
        raise ProblemError("unauthorized", str(error)) from None
    return csv_file("plans.csv", as_csv(HISTORY_COLUMNS, found))


@router.get("/diff.{kind}")
async def diff_file(request: Request, kind: Literal["json", "csv"], a: str, b: str) -> Response:
    """Return where two plans differ: its document, or a row each."""
    plans = await _stored(request, "plan", a), await _stored(request, "plan", b)
    found = difference_document(*plans)
    if kind == "json":
        return json_file("diff.json", found)
    rows = [dict(zip(DIFFERENCE_COLUMNS, line, strict=True)) for line in lines_of(found)]
    return csv_file("diff.csv", as_csv(DIFFERENCE_COLUMNS, rows))


@router.get("/frontiers/{frontier_id}.json")
async def frontier_json(request: Request, frontier_id: str) -> Response:
    """Return a frontier document."""
    return json_file("frontier.json", await _stored(request, "frontier", frontier_id))


@router.get("/frontiers/{frontier_id}.csv")
async def frontier_csv(request: Request, frontier_id: str) -> Response:
    """Return the points of a frontier, a row each."""
    found = await _stored(request, "frontier", frontier_id)
    return csv_file("frontier.csv", as_csv(frontier.COLUMNS, frontier.rows(found)))
