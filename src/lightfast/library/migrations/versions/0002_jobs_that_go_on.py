"""Jobs: who works on one, how often it was begun, the time left, and a key by which it is ordered once."""

import sqlalchemy as sa
from alembic import op

revision: str = "0002"
down_revision: str | None = "0001"


def upgrade() -> None:
    """Add the columns."""
    op.add_column("jobs", sa.Column("key", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("worker", sa.Text(), nullable=True))
    op.add_column("jobs", sa.Column("attempts", sa.Integer(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("in_vain", sa.Integer(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("furthest", sa.BigInteger(), server_default="0", nullable=False))
    op.add_column("jobs", sa.Column("least_left", sa.BigInteger(), nullable=True))
    op.add_column("jobs", sa.Column("seconds_left", sa.Double(), nullable=True))
    op.create_index(op.f("ix_jobs_key"), "jobs", ["key"], unique=True)
    op.create_index(op.f("ix_jobs_state_kind"), "jobs", ["state", "kind"], unique=False)
