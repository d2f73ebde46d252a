"""Comparisons of offers, and frontiers."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"

NUMBER = sa.BigInteger().with_variant(sa.Integer(), "sqlite")

TABLES = ("comparisons", "frontiers")


def upgrade() -> None:
    """Make the tables."""
    for table in TABLES:
        op.create_table(
            table,
            sa.Column("number", NUMBER, autoincrement=True, nullable=False),
            sa.Column("id", sa.String(length=40), nullable=False),
            sa.Column("digest", sa.String(length=64), nullable=True),
            sa.Column("key_id", sa.String(length=32), nullable=True),
            sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
            sa.Column("document", sa.Text(), nullable=False),
            sa.PrimaryKeyConstraint("number", name=f"pk_{table}"),
            sa.UniqueConstraint("digest", name=f"uq_{table}_digest"),
            sa.UniqueConstraint("id", name=f"uq_{table}_id"),
        )


def downgrade() -> None:
    """Drop them."""
    for table in TABLES:
        op.drop_table(table)
