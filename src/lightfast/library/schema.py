"""The tables of a library, the same on SQLite and PostgreSQL.

Numbers of rows grow with time, so that the newest rows have the largest ids. Decisions are only ever added;
what a tag is now follows from them, and is kept beside them (`tags`), so that no search replays anything.
"""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    MetaData,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
)

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Number = BigInteger().with_variant(Integer(), "sqlite")
"""Whole numbers of 64 bits; SQLite counts rows by itself only in a column that is called INTEGER."""


EPOCH, MICROSECOND = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)


class Moment(TypeDecorator[datetime]):
    """A point in time, kept as whole microseconds since 1970 in UTC: sortable, and alike on both."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        """datetime with a zone → microseconds."""
        return None if value is None else (value - EPOCH) // MICROSECOND

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        """Microseconds → datetime in UTC."""
        return None if value is None else EPOCH + value * MICROSECOND


def _number() -> Column[Any]:
    return Column("id", Number, Identity(always=False), primary_key=True)


def _to(name: str, target: str, **more: Any) -> Column[Any]:
    return Column(name, Number, ForeignKey(f"{target}.id"), **more)


def _one_of(column: str, *words: str) -> CheckConstraint:
    return CheckConstraint(f"{column} IN ({', '.join(repr(word) for word in words)})", name=column)


users = Table(
    "users",
    METADATA,
    _number(),
    Column("name", Text, nullable=False, unique=True),
    Column("role", Text, nullable=False, server_default="reviewer"),
    # The client whose labels and pictures the user may see; NULL: all.
    Column("client", Text),
    Column("password_hash", Text),
    Column("created_at", Moment, nullable=False),
    Column("disabled_at", Moment),
    _one_of("role", "viewer", "reviewer", "admin"),
    sqlite_autoincrement=True,
)
tokens = Table(
    "tokens",
    METADATA,
    _number(),
    _to("user_id", "users", nullable=False, index=True),
    Column("hash", Text, nullable=False, unique=True),
    Column("note", Text, nullable=False, server_default=""),
    # "session": of a browser; "token": of a program.
    Column("kind", Text, nullable=False, server_default="token"),
    # What a token may at most, where that is less than its user may; NULL: as the user.
    Column("role", Text),
    Column("client", Text),
    Column("created_at", Moment, nullable=False),
    Column("expires_at", Moment),
    Column("revoked_at", Moment),
    sqlite_autoincrement=True,
)
assets = Table(
    "assets",
    METADATA,
    _number(),
    # Of the bytes of the file: a picture that is added twice is one asset with two places.
    Column("sha256", Text, nullable=False, unique=True),
    # Of the decoded pixels, as decisions name pictures; NULL where the file cannot be decoded.
    Column("content", Text, index=True),
    # 64 bits as a signed number; NULL where there is none.
    Column("perceptual_hash", BigInteger, index=True),
    Column("width", Integer),
    Column("height", Integer),
    Column("bytes", BigInteger, nullable=False),
    Column("format", Text),
    Column("taken_at", Moment, index=True),
    # Why the file is no picture that can be seen; NULL: it is one.
    Column("unreadable", Text),
    Column("added_at", Moment, nullable=False),
    Column("deleted_at", Moment),
    sqlite_autoincrement=True,
)
places = Table(
    "places",
    METADATA,
    _number(),
    _to("asset_id", "assets", nullable=False, index=True),
    # An absolute path, an fsspec address, or `kept:SHA256` for a copy inside the library.
    Column("uri", Text, nullable=False, unique=True),
    # What the user called it: the folder or list that it was added from.
    Column("source", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("modified_at", Moment),
    Column("added_at", Moment, nullable=False),
    # When the file was found to be gone or changed; NULL: as it was.
    Column("lost_at", Moment),
    sqlite_autoincrement=True,
)
labels = Table(
    "labels",
    METADATA,
    _number(),
    # "" : the library's own; a client names labels in its own words.
    Column("client", Text, nullable=False, server_default=""),
    Column("name", Text, nullable=False),
    _to("parent_id", "labels"),
    # A client's name for one of the library's own labels.
    _to("same_as_id", "labels"),
    # No longer in the taxonomy; tags that people gave stay.
    Column("retired_at", Moment),
    UniqueConstraint("client", "name"),
    sqlite_autoincrement=True,
)
models = Table(
    "models",
    METADATA,
    _number(),
    Column("name", Text, nullable=False),
    # The run folder, relative to the library where it lies inside.
    Column("run", Text, nullable=False),
    Column("digest", Text, nullable=False, unique=True),
    Column("class_names", JSON, nullable=False),
    Column("metrics", JSON, nullable=False),
    # class name → {"threshold", "precision", "interval", "n"}: above it a tag is accepted.
    Column("acceptance", JSON, nullable=False),
    _to("parent_id", "models"),
    Column("added_at", Moment, nullable=False),
    Column("promoted_at", Moment, index=True),
    Column("rolled_back_at", Moment),
    sqlite_autoincrement=True,
)
tagged = Table(
    "tagged",
    METADATA,
    # Which pictures a model has seen: it sees each once.
    _to("model_id", "models", primary_key=True),
    _to("asset_id", "assets", primary_key=True, index=True),
    Column("at", Moment, nullable=False),
    # Why the model could say nothing; NULL: its predictions are there.
    Column("failed", Text),
)
predictions = Table(
    "predictions",
    METADATA,
    _to("asset_id", "assets", primary_key=True),
    _to("model_id", "models", primary_key=True),
    _to("label_id", "labels", primary_key=True),
    Column("probability", Double, nullable=False),
)
decision_table = Table(
    "decisions",
    METADATA,
    _number(),
    _to("asset_id", "assets", nullable=False, index=True),
    _to("user_id", "users", nullable=False),
    Column("at", Moment, nullable=False),
    # confirm: it is `label_id`. reject: it is not. undo, redo: of `about_id`. The others have no label.
    Column("act", Text, nullable=False),
    _to("label_id", "labels"),
    # The label before, where there was one.
    _to("from_label_id", "labels"),
    _to("about_id", "decisions", index=True),
    # Decisions that were one act of the hand (a whole cluster) share the id of the first.
    Column("batch_id", Number, index=True),
    Column("reason", Text, nullable=False, server_default=""),
    Column("seconds", Double, nullable=False, server_default="0"),
    # Given by the caller: the same act sent twice is one.
    Column("key", Text, unique=True),
    Index(None, "user_id", "id"),
    _one_of("act", "confirm", "reject", "undo", "redo", "skip", "second_opinion", "send_back"),
    sqlite_autoincrement=True,
)
tags = Table(
    "tags",
    METADATA,
    _to("asset_id", "assets", primary_key=True),
    _to("label_id", "labels", primary_key=True),
    Column("state", Text, nullable=False),
    # 1 where confirmed, 0 where rejected, else the model's probability: what a search compares.
    Column("score", Double, nullable=False),
    # What holds where no person has decided: "suggested", "confirmed", or NULL: nothing but the person.
    Column("machine_state", Text),
    Column("probability", Double),
    _to("model_id", "models"),
    # Which rule set `machine_state`: "precision 0.99", "gap 0.5", "given".
    Column("rule", Text),
    # The person's decision that holds now; NULL: none does.
    _to("decision_id", "decisions"),
    Column("updated_at", Moment, nullable=False),
    # Written into a file or a catalogue by us, so that only what we wrote is ever taken out.
    Column("written", Boolean, nullable=False, server_default="0"),
    Index(None, "label_id", "asset_id", "score", "state"),
    _one_of("state", "suggested", "confirmed", "rejected"),
)
queue_table = Table(
    "queue",
    METADATA,
    _number(),
    _to("asset_id", "assets", nullable=False, index=True),
    # NULL: any label may be given.
    _to("label_id", "labels"),
    # tag, repair, curate, select, disagreement, person.
    Column("source", Text, nullable=False),
    Column("reason", Text, nullable=False),
    # 0 (sure) to 1: the larger, the sooner.
    Column("uncertainty", Double, nullable=False),
    Column("cluster", Integer),
    Column("state", Text, nullable=False, server_default="open"),
    # A second opinion: not by this user, who cannot be seen by the next.
    _to("not_user_id", "users"),
    Column("added_at", Moment, nullable=False),
    # A skipped one comes back behind those that were never seen.
    Column("skipped", Integer, nullable=False, server_default="0"),
    Column("done_at", Moment),
    _to("decision_id", "decisions"),
    _one_of("state", "open", "done", "withdrawn"),
    sqlite_autoincrement=True,
)
# In the order in which the queue is read: without it every lease sorts all that waits.
Index(
    "ix_queue_in_order",
    queue_table.c.state,
    queue_table.c.skipped,
    queue_table.c.uncertainty.desc(),
    queue_table.c.id,
)
leases = Table(
    "leases",
    METADATA,
    # One picture is in one hand: the asset, not the entry of the queue.
    _to("asset_id", "assets", primary_key=True),
    _to("user_id", "users", nullable=False, index=True),
    Column("expires_at", Moment, nullable=False, index=True),
)
embeddings = Table(
    "embeddings",
    METADATA,
    _to("asset_id", "assets", primary_key=True),
    # Which network made it; the vector itself lies in row `row` of that network's file.
    Column("source", Text, primary_key=True),
    Column("row", Integer, nullable=False),
    UniqueConstraint("source", "row"),
)
ledger = Table(
    "ledger",
    METADATA,
    _number(),
    Column("at", Moment, nullable=False),
    _to("before_model_id", "models"),
    _to("after_model_id", "models"),
    Column("decisions", Integer, nullable=False),
    Column("minutes", Double, nullable=False),
    # Paired on the untouched part: {"accuracy_before", "accuracy_after", "points", "interval", "n", "p"}.
    Column("figures", JSON, nullable=False),
    Column("verdict", Text, nullable=False),
    sqlite_autoincrement=True,
)
held_out_table = Table(
    "held_out",
    METADATA,
    # The untouched part: never trained on, judged as rarely as can be.
    _to("asset_id", "assets", primary_key=True),
    Column("chosen_at", Moment, nullable=False),
)
jobs = Table(
    "jobs",
    METADATA,
    # Sorts by the time at which it was ordered.
    Column("id", Text, primary_key=True),
    # Given by the caller: the same order sent twice is one job.
    Column("key", Text, index=True, unique=True),
    Column("kind", Text, nullable=False),
    Column("arguments", JSON, nullable=False),
    Column("state", Text, nullable=False),
    Column("done", BigInteger, nullable=False, server_default="0"),
    Column("total", BigInteger, nullable=False, server_default="0"),
    Column("said", Text, nullable=False, server_default=""),
    Column("result", JSON),
    Column("error", Text),
    _to("user_id", "users"),
    Column("cancel", Boolean, nullable=False, server_default="0"),
    Column("made_at", Moment, nullable=False, index=True),
    Column("started_at", Moment),
    Column("ended_at", Moment),
    # The process that has it in hand, while it runs.
    Column("worker", Text),
    # How often it was begun since it was ordered, or tried again by hand.
    Column("attempts", Integer, nullable=False, server_default="0"),
    # How often in a row it was begun and got no further than before; how far it got, by steps done and left.
    Column("in_vain", Integer, nullable=False, server_default="0"),
    Column("furthest", BigInteger, nullable=False, server_default="0"),
    Column("least_left", BigInteger),
    Column("seconds_left", Double),
    Index(None, "state", "kind"),
    _one_of("state", "waiting", "running", "done", "failed", "cancelled"),
)
audit = Table(
    "audit",
    METADATA,
    _number(),
    Column("at", Moment, nullable=False, index=True),
    _to("user_id", "users"),
    Column("act", Text, nullable=False),
    Column("detail", JSON, nullable=False),
    sqlite_autoincrement=True,
)
written_table = Table(
    "written",
    METADATA,
    # Digest of who wrote what with which idempotency key: the same write sent again is answered from here.
    Column("key", Text, primary_key=True),
    # Digest of what was sent.
    Column("body", Text, nullable=False),
    Column("at", Moment, nullable=False, index=True),
    # Of the answer; NULL: under work.
    Column("status", Integer),
    Column("answer", Text),
)
