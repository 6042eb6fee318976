"""The first tables. What stands here is never changed; a later step changes the tables."""

from typing import Any

import sqlalchemy as sa
from alembic import op

from lightfast.library.schema import Moment, Number

revision: str = "0001"
down_revision: str | None = None


def upgrade() -> None:
    """Create every table."""
    _assets()
    _labels()
    _models()
    _users()
    _audit()
    _decisions()
    _embeddings()
    _held_out()
    _jobs()
    _leases()
    _ledger()
    _places()
    _predictions()
    _tagged()
    _tokens()
    _queue()
    _tags()


def _number() -> sa.Column[Any]:
    return sa.Column("id", Number, sa.Identity(always=False), nullable=False)


def _assets() -> None:
    op.create_table(
        "assets",
        _number(),
        sa.Column("sha256", sa.Text(), nullable=False),
        sa.Column("content", sa.Text(), nullable=True),
        sa.Column("perceptual_hash", sa.BigInteger(), nullable=True),
        sa.Column("width", sa.Integer(), nullable=True),
        sa.Column("height", sa.Integer(), nullable=True),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("format", sa.Text(), nullable=True),
        sa.Column("taken_at", Moment(), nullable=True),
        sa.Column("unreadable", sa.Text(), nullable=True),
        sa.Column("added_at", Moment(), nullable=False),
        sa.Column("deleted_at", Moment(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_assets")),
        sa.UniqueConstraint("sha256", name=op.f("uq_assets_sha256")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_assets_content"), "assets", ["content"], unique=False)
    op.create_index(op.f("ix_assets_perceptual_hash"), "assets", ["perceptual_hash"], unique=False)
    op.create_index(op.f("ix_assets_taken_at"), "assets", ["taken_at"], unique=False)


def _labels() -> None:
    op.create_table(
        "labels",
        _number(),
        sa.Column("client", sa.Text(), server_default="", nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("parent_id", Number, nullable=True),
        sa.Column("same_as_id", Number, nullable=True),
        sa.Column("retired_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["labels.id"], name=op.f("fk_labels_parent_id")),
        sa.ForeignKeyConstraint(["same_as_id"], ["labels.id"], name=op.f("fk_labels_same_as_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_labels")),
        sa.UniqueConstraint("client", "name", name=op.f("uq_labels_client_name")),
        sqlite_autoincrement=True,
    )


def _models() -> None:
    op.create_table(
        "models",
        _number(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("run", sa.Text(), nullable=False),
        sa.Column("digest", sa.Text(), nullable=False),
        sa.Column("class_names", sa.JSON(), nullable=False),
        sa.Column("metrics", sa.JSON(), nullable=False),
        sa.Column("acceptance", sa.JSON(), nullable=False),
        sa.Column("parent_id", Number, nullable=True),
        sa.Column("added_at", Moment(), nullable=False),
        sa.Column("promoted_at", Moment(), nullable=True),
        sa.Column("rolled_back_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["parent_id"], ["models.id"], name=op.f("fk_models_parent_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_models")),
        sa.UniqueConstraint("digest", name=op.f("uq_models_digest")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_models_promoted_at"), "models", ["promoted_at"], unique=False)


def _users() -> None:
    op.create_table(
        "users",
        _number(),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("role", sa.Text(), server_default="reviewer", nullable=False),
        sa.Column("client", sa.Text(), nullable=True),
        sa.Column("password_hash", sa.Text(), nullable=True),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("disabled_at", Moment(), nullable=True),
        sa.CheckConstraint("role IN ('viewer', 'reviewer', 'admin')", name=op.f("ck_users_role")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_users")),
        sa.UniqueConstraint("name", name=op.f("uq_users_name")),
        sqlite_autoincrement=True,
    )


def _audit() -> None:
    op.create_table(
        "audit",
        _number(),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("user_id", Number, nullable=True),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("detail", sa.JSON(), nullable=False),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_audit_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_audit_at"), "audit", ["at"], unique=False)


def _decisions() -> None:
    op.create_table(
        "decisions",
        _number(),
        sa.Column("asset_id", Number, nullable=False),
        sa.Column("user_id", Number, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("act", sa.Text(), nullable=False),
        sa.Column("label_id", Number, nullable=True),
        sa.Column("from_label_id", Number, nullable=True),
        sa.Column("about_id", Number, nullable=True),
        sa.Column("batch_id", Number, nullable=True),
        sa.Column("reason", sa.Text(), server_default="", nullable=False),
        sa.Column("seconds", sa.Double(), server_default="0", nullable=False),
        sa.Column("key", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "act IN ('confirm', 'reject', 'undo', 'redo', 'skip', 'second_opinion', 'send_back')",
            name=op.f("ck_decisions_act"),
        ),
        sa.ForeignKeyConstraint(["about_id"], ["decisions.id"], name=op.f("fk_decisions_about_id")),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_decisions_asset_id")),
        sa.ForeignKeyConstraint(["from_label_id"], ["labels.id"], name=op.f("fk_decisions_from_label_id")),
        sa.ForeignKeyConstraint(["label_id"], ["labels.id"], name=op.f("fk_decisions_label_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_decisions_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_decisions")),
        sa.UniqueConstraint("key", name=op.f("uq_decisions_key")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_decisions_about_id"), "decisions", ["about_id"], unique=False)
    op.create_index(op.f("ix_decisions_asset_id"), "decisions", ["asset_id"], unique=False)
    op.create_index(op.f("ix_decisions_batch_id"), "decisions", ["batch_id"], unique=False)
    op.create_index(op.f("ix_decisions_user_id_id"), "decisions", ["user_id", "id"], unique=False)


def _embeddings() -> None:
    op.create_table(
        "embeddings",
        sa.Column("asset_id", Number, nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("row", sa.Integer(), nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_embeddings_asset_id")),
        sa.PrimaryKeyConstraint("asset_id", "source", name=op.f("pk_embeddings")),
        sa.UniqueConstraint("source", "row", name=op.f("uq_embeddings_source_row")),
    )


def _held_out() -> None:
    op.create_table(
        "held_out",
        sa.Column("asset_id", Number, nullable=False),
        sa.Column("chosen_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_held_out_asset_id")),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("pk_held_out")),
    )


def _jobs() -> None:
    op.create_table(
        "jobs",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("arguments", sa.JSON(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("done", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("total", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("said", sa.Text(), server_default="", nullable=False),
        sa.Column("result", sa.JSON(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("user_id", Number, nullable=True),
        sa.Column("cancel", sa.Boolean(), server_default="0", nullable=False),
        sa.Column("made_at", Moment(), nullable=False),
        sa.Column("started_at", Moment(), nullable=True),
        sa.Column("ended_at", Moment(), nullable=True),
        sa.CheckConstraint(
            "state IN ('waiting', 'running', 'done', 'failed', 'cancelled')", name=op.f("ck_jobs_state")
        ),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_jobs_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
    )
    op.create_index(op.f("ix_jobs_made_at"), "jobs", ["made_at"], unique=False)


def _leases() -> None:
    op.create_table(
        "leases",
        sa.Column("asset_id", Number, nullable=False),
        sa.Column("user_id", Number, nullable=False),
        sa.Column("expires_at", Moment(), nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_leases_asset_id")),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_leases_user_id")),
        sa.PrimaryKeyConstraint("asset_id", name=op.f("pk_leases")),
    )
    op.create_index(op.f("ix_leases_expires_at"), "leases", ["expires_at"], unique=False)
    op.create_index(op.f("ix_leases_user_id"), "leases", ["user_id"], unique=False)


def _ledger() -> None:
    op.create_table(
        "ledger",
        _number(),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("before_model_id", Number, nullable=True),
        sa.Column("after_model_id", Number, nullable=True),
        sa.Column("decisions", sa.Integer(), nullable=False),
        sa.Column("minutes", sa.Double(), nullable=False),
        sa.Column("figures", sa.JSON(), nullable=False),
        sa.Column("verdict", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(["after_model_id"], ["models.id"], name=op.f("fk_ledger_after_model_id")),
        sa.ForeignKeyConstraint(["before_model_id"], ["models.id"], name=op.f("fk_ledger_before_model_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_ledger")),
        sqlite_autoincrement=True,
    )


def _places() -> None:
    op.create_table(
        "places",
        _number(),
        sa.Column("asset_id", Number, nullable=False),
        sa.Column("uri", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", Moment(), nullable=True),
        sa.Column("added_at", Moment(), nullable=False),
        sa.Column("lost_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_places_asset_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_places")),
        sa.UniqueConstraint("uri", name=op.f("uq_places_uri")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_places_asset_id"), "places", ["asset_id"], unique=False)


def _predictions() -> None:
    op.create_table(
        "predictions",
        sa.Column("asset_id", Number, nullable=False),
        sa.Column("model_id", Number, nullable=False),
        sa.Column("label_id", Number, nullable=False),
        sa.Column("probability", sa.Double(), nullable=False),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_predictions_asset_id")),
        sa.ForeignKeyConstraint(["label_id"], ["labels.id"], name=op.f("fk_predictions_label_id")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_predictions_model_id")),
        sa.PrimaryKeyConstraint("asset_id", "model_id", "label_id", name=op.f("pk_predictions")),
    )


def _tagged() -> None:
    op.create_table(
        "tagged",
        sa.Column("model_id", Number, nullable=False),
        sa.Column("asset_id", Number, nullable=False),
        sa.Column("at", Moment(), nullable=False),
        sa.Column("failed", sa.Text(), nullable=True),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_tagged_asset_id")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_tagged_model_id")),
        sa.PrimaryKeyConstraint("model_id", "asset_id", name=op.f("pk_tagged")),
    )
    op.create_index(op.f("ix_tagged_asset_id"), "tagged", ["asset_id"], unique=False)


def _tokens() -> None:
    op.create_table(
        "tokens",
        _number(),
        sa.Column("user_id", Number, nullable=False),
        sa.Column("hash", sa.Text(), nullable=False),
        sa.Column("note", sa.Text(), server_default="", nullable=False),
        sa.Column("kind", sa.Text(), server_default="token", nullable=False),
        sa.Column("created_at", Moment(), nullable=False),
        sa.Column("expires_at", Moment(), nullable=True),
        sa.Column("revoked_at", Moment(), nullable=True),
        sa.ForeignKeyConstraint(["user_id"], ["users.id"], name=op.f("fk_tokens_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_tokens")),
        sa.UniqueConstraint("hash", name=op.f("uq_tokens_hash")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_tokens_user_id"), "tokens", ["user_id"], unique=False)


def _queue() -> None:
    op.create_table(
        "queue",
        _number(),
        sa.Column("asset_id", Number, nullable=False),
        sa.Column("label_id", Number, nullable=True),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("uncertainty", sa.Double(), nullable=False),
        sa.Column("cluster", sa.Integer(), nullable=True),
        sa.Column("state", sa.Text(), server_default="open", nullable=False),
        sa.Column("not_user_id", Number, nullable=True),
        sa.Column("added_at", Moment(), nullable=False),
        sa.Column("skipped", sa.Integer(), server_default="0", nullable=False),
        sa.Column("done_at", Moment(), nullable=True),
        sa.Column("decision_id", Number, nullable=True),
        sa.CheckConstraint("state IN ('open', 'done', 'withdrawn')", name=op.f("ck_queue_state")),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_queue_asset_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_queue_decision_id")),
        sa.ForeignKeyConstraint(["label_id"], ["labels.id"], name=op.f("fk_queue_label_id")),
        sa.ForeignKeyConstraint(["not_user_id"], ["users.id"], name=op.f("fk_queue_not_user_id")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_queue")),
        sqlite_autoincrement=True,
    )
    op.create_index(op.f("ix_queue_asset_id"), "queue", ["asset_id"], unique=False)
    op.create_index(
        op.f("ix_queue_state_skipped_doubt_id"),
        "queue",
        ["state", "skipped", "uncertainty", "id"],
        unique=False,
    )


def _tags() -> None:
    op.create_table(
        "tags",
        sa.Column("asset_id", Number, nullable=False),
        sa.Column("label_id", Number, nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("score", sa.Double(), nullable=False),
        sa.Column("machine_state", sa.Text(), nullable=True),
        sa.Column("probability", sa.Double(), nullable=True),
        sa.Column("model_id", Number, nullable=True),
        sa.Column("rule", sa.Text(), nullable=True),
        sa.Column("decision_id", Number, nullable=True),
        sa.Column("updated_at", Moment(), nullable=False),
        sa.Column("written", sa.Boolean(), server_default="0", nullable=False),
        sa.CheckConstraint("state IN ('suggested', 'confirmed', 'rejected')", name=op.f("ck_tags_state")),
        sa.ForeignKeyConstraint(["asset_id"], ["assets.id"], name=op.f("fk_tags_asset_id")),
        sa.ForeignKeyConstraint(["decision_id"], ["decisions.id"], name=op.f("fk_tags_decision_id")),
        sa.ForeignKeyConstraint(["label_id"], ["labels.id"], name=op.f("fk_tags_label_id")),
        sa.ForeignKeyConstraint(["model_id"], ["models.id"], name=op.f("fk_tags_model_id")),
        sa.PrimaryKeyConstraint("asset_id", "label_id", name=op.f("pk_tags")),
    )
    op.create_index(
        op.f("ix_tags_label_id_asset_id_score_state"),
        "tags",
        ["label_id", "asset_id", "score", "state"],
        unique=False,
    )
