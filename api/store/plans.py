"""Plans and other answers, with the workloads and snapshots that they came from."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, Table, select, update

from api.store.database import Database
from api.store.records import digest_of, insert_new, now
from api.store.tables import comparisons, frontiers, plans, simulations, workloads


@dataclass(frozen=True)
class PlanSummary:
    """A stored plan without its document."""

    number: int
    id: str
    workload_id: str
    catalog_id: str
    status: str
    model: str
    cost_per_hour_usd: float | None
    gpus: int
    created_at: dt.datetime


class Plans:
    """Stored answers; documents are JSON text, given back as they were stored."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def document(self, plan_id: str) -> str | None:
        """Return the document of a plan."""
        return self._document(plans, plans.c.id == plan_id)

    def request(self, plan_id: str) -> dict[str, Any] | None:
        """Return what a plan was made from."""
        query = select(plans.c.request).where(plans.c.id == plan_id)
        text = self._database.read(lambda c: c.execute(query).scalar())
        return None if text is None else json.loads(text)

    def answer_to(self, kind: str, digest: str) -> tuple[str, str] | None:
        """Return id and document of what answers a request, if anything does."""
        table = TABLES[kind]
        query = select(table.c.id, table.c.document).where(table.c.digest == digest)
        row = self._database.read(lambda c: c.execute(query).first())
        return None if row is None else (row.id, row.document)

    def result(self, kind: str, result_id: str) -> str | None:
        """Return the document of a plan, simulation, comparison or frontier (`kind`)."""
        table = TABLES[kind]
        return self._document(table, table.c.id == result_id)

    def workload(self, workload_id: str) -> str | None:
        """Return a workload as JSON text."""
        return self._document(workloads, workloads.c.id == workload_id)

    def workloads(self, ids: Collection[str]) -> dict[str, dict[str, Any]]:
        """Return workloads by their ids."""
        query = select(workloads.c.id, workloads.c.document).where(workloads.c.id.in_(ids))
        rows = self._database.read(lambda c: c.execute(query).all())
        return {row.id: json.loads(row.document) for row in rows}

    def list(
        self,
        limit: int,
        *,
        after: str | None = None,
        status: str | None = None,
        model: str | None = None,
        workload_id: str | None = None,
    ) -> list[PlanSummary]:
        """Return plans, the latest first.

        Parameters
        ----------
        after
            Id of the last plan that was seen already.

        Raises
        ------
        LookupError
            If there is no plan `after`.
        """
        columns = [plans.c[name] for name in PlanSummary.__dataclass_fields__]
        query = select(*columns).order_by(plans.c.number.desc()).limit(limit)
        for column, value in (
            (plans.c.status, status),
            (plans.c.model, model),
            (plans.c.workload_id, workload_id),
        ):
            if value is not None:
                query = query.where(column == value)

        def work(connection: Connection) -> list[Any]:
            listed = query
            if after is not None:
                mark = select(plans.c.number).where(plans.c.id == after)
                number = connection.execute(mark).scalar()
                if number is None:
                    raise LookupError(after)
                listed = query.where(plans.c.number < number)
            return list(connection.execute(listed).all())

        return [PlanSummary(**row._mapping) for row in self._database.read(work)]

    def _document(self, table: Table, where: Any) -> str | None:
        query = select(table.c.document).where(where)
        return self._database.read(lambda c: c.execute(query).scalar())


TABLES = {
    "plan": plans,
    "simulation": simulations,
    "comparison": comparisons,
    "frontier": frontiers,
}
"""Kind of a job → the table that its result goes to."""


def stored_answer(connection: Connection, kind: str, digest: str) -> str | None:
    """Return the id of what answers a request, if anything does."""
    table = TABLES[kind]
    found: str | None = connection.execute(
        select(table.c.id).where(table.c.digest == digest)
    ).scalar()
    return found


def store_plan(
    connection: Connection,
    document: dict[str, Any],
    *,
    request: dict[str, Any],
    digest: str | None,
    key_id: str | None,
) -> None:
    """Store a plan document, its ``id`` and ``created_at`` included, within a transaction.

    Parameters
    ----------
    request
        What it was made from, so that it can be made again.
    digest
        The request that it answers from now on, in the place of an older plan; None where it
        should answer no other.
    """
    workload = document["workload"]
    workload_id = digest_of(workload)
    insert_new(
        connection,
        workloads,
        id=workload_id,
        document=json.dumps(workload),
        created_at=now(),
    )
    _insert_answer(
        connection,
        plans,
        id=document["id"],
        digest=digest,
        workload_id=workload_id,
        catalog_id=document["catalog"]["id"],
        status=document["status"],
        model=_model_name(workload["model"]),
        cost_per_hour_usd=document["cost_per_hour_usd"],
        gpus=document["gpus"],
        key_id=key_id,
        created_at=now(),
        request=json.dumps(request),
        document=json.dumps(document, allow_nan=False),
    )


def store_simulation(
    connection: Connection,
    document: dict[str, Any],
    *,
    digest: str | None,
    plan_id: str | None,
    key_id: str | None,
) -> None:
    """Store a simulation document, its ``id`` included, within a transaction."""
    _insert_answer(
        connection,
        simulations,
        id=document["id"],
        digest=digest,
        plan_id=plan_id,
        meets=document["meets"],
        key_id=key_id,
        created_at=now(),
        document=json.dumps(document, allow_nan=False),
    )


def store_document(
    connection: Connection,
    kind: str,
    document: dict[str, Any],
    *,
    digest: str | None,
    key_id: str | None,
) -> None:
    """Store a comparison or frontier (`kind`), its ``id`` included, within a transaction."""
    _insert_answer(
        connection,
        TABLES[kind],
        id=document["id"],
        digest=digest,
        key_id=key_id,
        created_at=now(),
        document=json.dumps(document, allow_nan=False),
    )


def _insert_answer(connection: Connection, table: Table, **values: Any) -> None:
    """Insert a row unless it is there, and let no other one stand for its request."""
    same, digest = table.c.id == values["id"], values["digest"]
    while connection.execute(select(table.c.id).where(same)).first() is None:
        if digest is not None:
            connection.execute(update(table).where(table.c.digest == digest).values(digest=None))
        # Another server may store an answer in between; the next round goes over it.
        insert_new(connection, table, **values)


def _model_name(reference: Any) -> str:
    from data.models import reference_name

    return reference_name(reference)[:400]
