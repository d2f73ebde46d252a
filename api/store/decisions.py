"""Decisions on registered workloads: stored once for each job, never changed, accepted or not."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Connection, select, update

from api.store.database import Database
from api.store.events import record_event
from api.store.jobs import Job
from api.store.plans import store_plan
from api.store.records import insert_new, new_id, now
from api.store.registered import REPLANNING, due_values, find_registered
from api.store.tables import decisions, registered

SCHEMA = "minfleet/decision/v1"

BY_POLICY = "policy"
"""Who accepts a proposal where the policy says that nobody need be asked."""

PROPOSALS = ("switch", "must_switch")

NOT_TOLD = ("proposed", "memory_if_accepted")
"""Parts of a decision that its event leaves out; the decision has them."""


@dataclass(frozen=True)
class StoredDecision:
    """A decision and what became of it.

    Attributes
    ----------
    outcome
        ``keep``, ``switch``, ``must_switch``, or ``failed``.
    accepted_by
        Id of the API key, ``policy``, or None where nobody did, or no keys are asked for.
    """

    number: int
    id: str
    workload: str
    revision: int
    job_id: str | None
    trigger: str
    outcome: str
    catalog_id: str | None
    accepted_at: dt.datetime | None
    accepted_by: str | None
    created_at: dt.datetime
    document: dict[str, Any]

    def to_dict(self) -> dict[str, Any]:
        """Return the document with what became of the decision."""
        at = None if self.accepted_at is None else self.accepted_at.isoformat()
        return {**self.document, "accepted_at": at, "accepted_by": self.accepted_by}


def waits(decision: Mapping[str, Any] | None, revision: int) -> bool:
    """Whether the decision that holds proposes what can be accepted.

    Parameters
    ----------
    decision
        Of `Decisions.standing`, as `StoredDecision.to_dict` gives it.
    revision
        Of the workload now.
    """
    return (
        decision is not None
        and decision["proposed"] is not None
        and decision["accepted_at"] is None
        and decision["revision"] == revision
    )


class NotAcceptableError(Exception):
    """A decision cannot be accepted; the argument is a sentence that says why."""


class Decisions:
    """The decisions of a store."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, decision_id: str) -> StoredDecision | None:
        """Return a decision."""
        return self._database.read(lambda c: _find(c, decisions.c.id == decision_id))

    def list(
        self,
        limit: int,
        *,
        workload: str | None = None,
        outcome: str | None = None,
        after: str | None = None,
    ) -> list[StoredDecision]:
        """Return decisions, the latest first.

        Raises
        ------
        LookupError
            If there is no decision `after`.
        """

        def work(connection: Connection) -> list[StoredDecision]:
            query = select(decisions).order_by(decisions.c.number.desc()).limit(limit)
            for column, value in (
                (decisions.c.workload, workload),
                (decisions.c.outcome, outcome),
            ):
                if value is not None:
                    query = query.where(column == value)
            if after is not None:
                mark = select(decisions.c.number).where(decisions.c.id == after)
                number = connection.execute(mark).scalar()
                if number is None:
                    raise LookupError(after)
                query = query.where(decisions.c.number < number)
            return [_read(row) for row in connection.execute(query).all()]

        return self._database.read(work)

    def standing(self, workload: str) -> StoredDecision | None:
        """Return the decision on a workload that holds: the latest that came to one."""
        query = select(decisions).where(
            decisions.c.workload == workload, decisions.c.outcome != "failed"
        )
        query = query.order_by(decisions.c.number.desc()).limit(1)
        row = self._database.read(lambda c: c.execute(query).first())
        return None if row is None else _read(row)

    def of_jobs(self, job_ids: Collection[str]) -> Sequence[StoredDecision]:
        """Return what jobs decided, the oldest first."""
        query = select(decisions).where(decisions.c.job_id.in_(job_ids))
        rows = self._database.read(lambda c: c.execute(query.order_by(decisions.c.number)).all())
        return [_read(row) for row in rows]

    def accept(self, decision_id: str, by: str | None) -> StoredDecision | None:
        """Let the proposed plan of a decision be the fleet that runs; None if there is no such one.

        Accepting it again changes nothing.

        Parameters
        ----------
        by
            Who accepts.

        Raises
        ------
        NotAcceptableError
            If it proposes nothing, or is not the last word on the workload as it stands.
        """

        def work(connection: Connection) -> StoredDecision | None:
            found = _find(connection, decisions.c.id == decision_id, lock=True)
            if found is None or found.accepted_at is not None:
                return found
            _check(connection, found)
            _enact(connection, found.document)
            _note_acceptance(connection, decision_id, by)
            return _find(connection, decisions.c.id == decision_id)

        return self._database.write(work)


def store_decision(
    connection: Connection, job: Job, document: dict[str, Any], memory: Mapping[str, Any]
) -> None:
    """Store what a job decided, within the transaction that ends it.

    Its proposal becomes a stored plan. Memory, and under a policy of automatic acceptance the
    fleet, change only where the workload stands as it did when the job began.

    Parameters
    ----------
    job
        Its task as it was begun; see `api.service.replanning`.
    document
        The decision, `id` and `created_at` included.
    memory
        What the next decision knows while the fleet stays.
    """
    task, proposed = job.task, document["proposed"]
    live = find_registered(connection, task["workload"], lock=True)
    if not _insert(connection, job, document):
        return
    if proposed is not None:
        store_plan(
            connection, proposed, request=_made_from(job.task), digest=None, key_id=job.key_id
        )
    stands = live is not None and live.revision == task["revision"]
    automatic = task["policy"].get("accept") == "automatic" and document["outcome"] in PROPOSALS
    accepted = stands and automatic and proposed is not None
    if accepted:
        _enact(connection, document)
        _note_acceptance(connection, document["id"], BY_POLICY)
    elif stands and live is not None and live.memory == task["memory"]:
        connection.execute(
            update(registered)
            .where(registered.c.name == live.name)
            .values(memory=json.dumps(dict(memory)))
        )
    _tell(connection, document, BY_POLICY if accepted else None)


def store_failure(connection: Connection, job: Job, problem: Mapping[str, Any]) -> None:
    """Store that a job came to no decision, within the transaction that fails it.

    Nothing is told of a workload that was removed meanwhile.

    Parameters
    ----------
    problem
        Why, as a problem document.
    """
    if find_registered(connection, job.task["workload"]) is None:
        return
    document = {
        "schema": SCHEMA,
        "id": new_id("decision"),
        "created_at": now().isoformat(),
        "workload": job.task["workload"],
        "revision": job.task["revision"],
        "trigger": job.task["trigger"],
        "job_id": job.id,
        "outcome": "failed",
        "reasons": [str(problem["detail"])],
        "problem": dict(problem),
        "proposed": None,
        "memory_if_accepted": None,
    }
    if _insert(connection, job, document):
        _tell(connection, document, None)


def _insert(connection: Connection, job: Job, document: Mapping[str, Any]) -> bool:
    """Store a decision, unless one of the same job is stored."""
    return insert_new(
        connection,
        decisions,
        id=document["id"],
        workload=document["workload"],
        revision=document["revision"],
        job_id=job.id,
        trigger=document["trigger"],
        outcome=document["outcome"],
        catalog_id=job.task.get("catalog_id"),
        created_at=now(),
        document=json.dumps(document, allow_nan=False),
    )


def _check(connection: Connection, found: StoredDecision) -> None:
    """Refuse what cannot be accepted."""
    if found.document["proposed"] is None:
        raise NotAcceptableError(f"{found.id} is {found.outcome!r} and proposes no other fleet.")
    live = find_registered(connection, found.workload, lock=True)
    if live is None:
        raise NotAcceptableError(f"the workload {found.workload!r} is registered no more.")
    if live.revision != found.revision:
        raise NotAcceptableError(
            f"{found.id} was made for revision {found.revision} of {found.workload!r}, which is at "
            f"{live.revision} by now; plan it again with POST /v1/workloads/{found.workload}"
            "/replanning."
        )
    later = select(decisions.c.id).where(
        decisions.c.workload == found.workload,
        decisions.c.number > found.number,
        decisions.c.outcome != "failed",
    )
    newer = connection.execute(later.order_by(decisions.c.number.desc()).limit(1)).scalar()
    if newer is not None:
        raise NotAcceptableError(f"{newer} is a newer decision on {found.workload!r}; see there.")


def _enact(connection: Connection, document: Mapping[str, Any]) -> None:
    """Let a proposal be the fleet that runs, from now on."""
    live = find_registered(connection, document["workload"], lock=True)
    assert live is not None
    fleet = document["proposed"]
    memory = {**document["memory_if_accepted"], "since": now().isoformat()}
    values: dict[str, Any] = {
        "fleet": json.dumps(fleet),
        "plan_id": fleet["id"],
        "memory": json.dumps(memory),
        "revision": live.revision + 1,
        "updated_at": now(),
    }
    if live.fleet is None:  # its schedule begins with its first fleet
        values |= due_values(connection, live, fleet)
    connection.execute(update(registered).where(registered.c.name == live.name).values(**values))


def _note_acceptance(connection: Connection, decision_id: str, by: str | None) -> None:
    connection.execute(
        update(decisions)
        .where(decisions.c.id == decision_id)
        .values(accepted_at=now(), accepted_by=by)
    )


def _made_from(task: Mapping[str, Any]) -> dict[str, Any]:
    """Return what a proposed plan was made from, as the request for a plan would be."""
    settings = {"explain": "none", "second_engine": False, "simulate": False, **task["settings"]}
    return {
        "workload": task["content"],
        "catalog_id": task["catalog_id"],
        "measured": task["measured"],
        "coefficients": task["coefficients"],
        "settings": {**settings, "as_of": task["moment"][:10]},
        "replanning": task["workload"],
    }


def _tell(connection: Connection, document: Mapping[str, Any], accepted_by: str | None) -> None:
    """Record the event of a decision."""
    proposed = document["proposed"]
    told = {
        **{name: value for name, value in document.items() if name not in NOT_TOLD},
        "proposed_plan_id": None if proposed is None else proposed["id"],
        "accepted_by": accepted_by,
        "url": f"/v1/decisions/{document['id']}",
    }
    record_event(connection, f"decision.{document['outcome']}", document["workload"], told)


def _find(connection: Connection, where: Any, *, lock: bool = False) -> StoredDecision | None:
    query = select(decisions).where(where)
    row = connection.execute(query.with_for_update() if lock else query).first()
    return None if row is None else _read(row)


def _read(row: Any) -> StoredDecision:
    return StoredDecision(**{**row._mapping, "document": json.loads(row.document)})


__all__ = [
    "REPLANNING",
    "Decisions",
    "NotAcceptableError",
    "StoredDecision",
    "store_decision",
    "store_failure",
]
