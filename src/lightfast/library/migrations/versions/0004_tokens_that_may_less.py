"""Tokens that may less than their users; the queue's index in the order in which the queue is read."""

import sqlalchemy as sa
from alembic import op

revision: str = "0004"
down_revision: str | None = "0003"


def upgrade() -> None:
    """Add the columns, and put the index in the place of the other."""
    op.add_column("tokens", sa.Column("role", sa.Text(), nullable=True))
    op.add_column("tokens", sa.Column("client", sa.Text(), nullable=True))
    op.drop_index(op.f("ix_queue_state_skipped_uncertainty_id"), "queue")
    order = ["state", "skipped", sa.text("uncertainty DESC"), "id"]
    op.create_index("ix_queue_in_order", "queue", order, unique=False)
