"""Alembic runs this: migrations within the connection and the transaction of the store.

``alembic.config.Config.attributes["connection"]`` is set by `api.store.store.Store.migrate`.
"""

from __future__ import annotations

from alembic import context
from sqlalchemy import text

from api.store.tables import metadata

LOCK = 0x6D696E66
"""PostgreSQL's advisory lock that servers starting together take in turn."""

connection = context.config.attributes["connection"]
if connection.dialect.name == "postgresql":
    connection.execute(text(f"SELECT pg_advisory_xact_lock({LOCK})"))
context.configure(
    connection=connection,
    target_metadata=metadata,
    transactional_ddl=True,
    transaction_per_migration=False,
)
context.run_migrations()
