"""The tables of the store, the same in SQLite and PostgreSQL.

Order is kept by numbers that the database counts, never by its clock or ours: clocks jump.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    types,
)


class UtcTime(types.TypeDecorator[dt.datetime]):
    """A moment with its time zone; SQLite keeps none, so that UTC is given back to it."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """Turn a moment to UTC."""
        return None if value is None else value.astimezone(dt.UTC)

    def process_result_value(self, value: dt.datetime | None, dialect: Any) -> dt.datetime | None:
        """Return a moment in UTC."""
        if value is None:
            return None
        aware = value if value.tzinfo else value.replace(tzinfo=dt.UTC)
        return aware.astimezone(dt.UTC)


metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Number = BigInteger().with_variant(Integer, "sqlite")
"""SQLite counts up only columns that are called INTEGER."""


def _numbered() -> Column[int]:
    return Column("number", Number, primary_key=True, autoincrement=True)


def _created() -> Column[dt.datetime]:
    return Column("created_at", UtcTime, nullable=False)


catalogs = Table(
    "catalogs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("document", LargeBinary, nullable=False),  # JSON, zlib
    _created(),
)
"""Snapshots by the hash of what they hold. Rows are added, never changed: plans name them."""

catalog_history = Table(
    "catalog_history",
    metadata,
    _numbered(),
    Column("catalog_id", String(32), ForeignKey("catalogs.id"), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("key_id", String(32)),
    _created(),
)
"""Which snapshot came in force when; the last row is in force. Rows are added, never changed."""

models = Table(
    "models",
    metadata,
    _numbered(),
    Column("name", String(200), nullable=False, index=True),
    Column("config", Text, nullable=False),
    Column("note", Text, nullable=False, default=""),
    Column("key_id", String(32)),
    _created(),
)
"""Imported model configs; the last row of a name counts. Rows are added, never changed."""

workloads = Table(
    "workloads",
    metadata,
    Column("id", String(64), primary_key=True),
    Column("document", Text, nullable=False),
    _created(),
)

plans = Table(
    "plans",
    metadata,
    _numbered(),
    Column("id", String(40), nullable=False, unique=True),
    Column("digest", String(64), unique=True),
    Column("workload_id", String(64), ForeignKey("workloads.id"), nullable=False, index=True),
    Column("catalog_id", String(32), ForeignKey("catalogs.id"), nullable=False),
    Column("status", String(20), nullable=False, index=True),
    Column("model", String(400), nullable=False),
    Column("cost_per_hour_usd", Float),
    Column("gpus", Integer, nullable=False),
    Column("key_id", String(32)),
    _created(),
    Column("request", Text, nullable=False),
    Column("document", Text, nullable=False),
)
"""`digest` names the `request` that the plan answers; equal ones are answered from here."""

simulations = Table(
    "simulations",
    metadata,
    _numbered(),
    Column("id", String(40), nullable=False, unique=True),
    Column("digest", String(64), unique=True),
    Column("plan_id", String(40), index=True),
    Column("meets", Boolean, nullable=False),
    Column("key_id", String(32)),
    _created(),
    Column("document", Text, nullable=False),
)


def _documents(name: str) -> Table:
    """Return a table of answers of which nothing but the document is looked at."""
    return Table(
        name,
        metadata,
        _numbered(),
        Column("id", String(40), nullable=False, unique=True),
        Column("digest", String(64), unique=True),
        Column("key_id", String(32)),
        _created(),
        Column("document", Text, nullable=False),
    )


comparisons = _documents("comparisons")

frontiers = _documents("frontiers")

jobs = Table(
    "jobs",
    metadata,
    _numbered(),
    Column("id", String(40), nullable=False, unique=True),
    Column("kind", String(20), nullable=False),
    Column("state", String(20), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("active_digest", String(64), unique=True),
    Column("fresh", Boolean, nullable=False),
    Column("task", Text, nullable=False),
    Column("owner", String(40), index=True),
    Column("attempts", Text, nullable=False),
    Column("progress", Text),
    Column("cancel_requested", Boolean, nullable=False),
    Column("result_id", String(40)),
    Column("problem", Text),
    Column("key_id", String(32)),
    _created(),
    Column("started_at", UtcTime),
    Column("finished_at", UtcTime),
    Index("ix_jobs_state_number", "state", "number"),
)
"""`active_digest` is the digest while the job is queued or runs: equal requests share a job."""

idempotency = Table(
    "idempotency",
    metadata,
    Column("key_id", String(32), primary_key=True),
    Column("name", String(255), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("job_id", String(40)),
    Column("result_id", String(40)),
    _created(),
)
"""What an Idempotency-Key was first used for; `key_id` is empty where no key is asked for."""

keys = Table(
    "keys",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("scope", String(20), nullable=False),
    Column("rate_per_minute", Integer, nullable=False),
    _created(),
    Column("revoked_at", UtcTime),
)

instances = Table(
    "instances",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("beat", BigInteger, nullable=False),
)
"""Servers on this store; one whose beat stands still is dead, and its jobs are taken over."""

refreshes = Table(
    "refreshes",
    metadata,
    _numbered(),
    Column("id", String(40), nullable=False, unique=True),
    Column("feed", String(40), nullable=False),
    Column("name", String(100), nullable=False, index=True),
    Column("place", Text, nullable=False),
    Column("state", String(20), nullable=False, index=True),
    Column("base_id", String(32), ForeignKey("catalogs.id")),
    Column("catalog_id", String(32), ForeignKey("catalogs.id")),
    Column("report", Text, nullable=False),
    Column("key_id", String(32)),
    _created(),
    Column("decided_at", UtcTime),
    Column("decided_by", String(200)),
)
"""Every attempt to refresh prices: what became of it, and the snapshot it was compared with.
`name` tells feeds of one kind apart; `decided_at` is set where a person was waited for."""

registered = Table(
    "registered",
    metadata,
    Column("name", String(100), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("workload", Text, nullable=False),
    Column("policy", Text, nullable=False),
    Column("schedule", Text, nullable=False),
    Column("basis", Text, nullable=False),
    Column("fleet", Text),
    Column("plan_id", String(40)),
    Column("memory", Text, nullable=False),
    Column("paused", Boolean, nullable=False),
    Column("due_at", UtcTime, index=True),
    Column("planned_history", Number),
    Column("key_id", String(32)),
    _created(),
    Column("updated_at", UtcTime, nullable=False),
    Column("removed_at", UtcTime),
)
"""Workloads that are planned again and again. `fleet` is what runs, `memory` what the next
decision must know of those before it, `basis` what else they are planned with. `revision` counts
what people change, acceptances among it, and goes on where a removed name is registered again.
`planned_history` is the number of the catalogue (`catalog_history`) that it was last planned with,
where a newer one makes it due."""

decisions = Table(
    "decisions",
    metadata,
    _numbered(),
    Column("id", String(40), nullable=False, unique=True),
    Column("workload", String(100), nullable=False, index=True),
    Column("revision", Integer, nullable=False),
    Column("job_id", String(40), unique=True),
    Column("trigger", String(20), nullable=False),
    Column("outcome", String(20), nullable=False),
    Column("catalog_id", String(32), ForeignKey("catalogs.id")),
    Column("accepted_at", UtcTime),
    Column("accepted_by", String(32)),
    _created(),
    Column("document", Text, nullable=False),
)
"""What was decided for a registered workload, for ever; a job decides once."""

events = Table(
    "events",
    metadata,
    _numbered(),
    Column("id", String(40), nullable=False, unique=True),
    Column("kind", String(40), nullable=False, index=True),
    Column("subject", String(200), nullable=False),
    _created(),
    Column("document", Text, nullable=False),
)
"""What happened that someone may want to be told of; written with the change itself."""

subscriptions = Table(
    "subscriptions",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("target", Text, nullable=False),
    Column("secret", Text),
    Column("events", Text, nullable=False),
    Column("key_id", String(32)),
    _created(),
    Column("removed_at", UtcTime),
)
"""Who is told of which kinds of events; `events` is a JSON list, empty for all. `target` and
`secret` are emptied when it is removed."""

deliveries = Table(
    "deliveries",
    metadata,
    _numbered(),
    Column("event_number", Number, ForeignKey("events.number"), nullable=False),
    Column("subscription_id", String(40), ForeignKey("subscriptions.id"), nullable=False),
    Column("state", String(20), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("due_at", UtcTime, nullable=False),
    Column("owner", String(40), index=True),
    Column("error", Text),
    Column("delivered_at", UtcTime),
    UniqueConstraint("event_number", "subscription_id"),
    Index("ix_deliveries_state_due_at", "state", "due_at"),
)
"""The outbox: one row for each event and each who is to be told of it."""
