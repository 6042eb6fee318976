"""Writes of the service with an idempotency key, and what was answered."""

import sqlalchemy as sa
from alembic import op

from lightfast.library.schema import Moment

revision: str = "0003"
down_revision: str | None = "0002"


def upgrade() -> None:
    """Create the table."""
    op.create_table(
        "written",
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("answer", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("key", name=op.f("pk_written")),
    )
    op.create_index(op.f("ix_written_at"), "written", ["at"], unique=False)
