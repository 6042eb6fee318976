"""Pictures as people look through them: pages of cards, newest first, and all that is known of one
picture.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Literal

from sqlalchemy import ColumnElement, Connection, Row, func, or_, select

from lightfast.base.errors import NotFoundError
from lightfast.library.people.client_view import client_label_ids, seen_by_client, shown_name
from lightfast.library.review.disagree import kept_from
from lightfast.library.review.tag_states import live_decisions
from lightfast.library.schema import assets, decision_table, labels, models, places, predictions, tags, users

TagState = Literal["suggested", "confirmed", "rejected"]


@dataclass(frozen=True)
class TagCard:
    """A tag of a picture.

    Attributes:
        label_id, label: what it says.
        state: suggested, confirmed or rejected.
        score: 1 where confirmed, 0 where rejected, else the probability.
        probability: by the model; None where no model said it.
        rule: which rule set it, where one did.
        by_person: whether a person's decision holds.
    """

    label_id: int
    label: str
    state: TagState
    score: float
    probability: float | None
    rule: str | None
    by_person: bool


@dataclass(frozen=True)
class AssetCard:
    """A picture as a list shows it.

    Attributes:
        id: of the picture.
        name: of a file that holds it, without its folder.
        content: hash of its pixels; None where it is unreadable.
        width, height: pixels, upright.
        bytes: of the file.
        format: "JPEG", "PNG" …
        taken_at: the date in its EXIF.
        added_at, deleted_at: when it came, when it was deleted.
        unreadable: why it cannot be shown; None: it can.
        tags: surest first.
    """

    id: int
    name: str
    content: str | None
    width: int | None
    height: int | None
    bytes: int
    format: str | None
    taken_at: datetime | None
    added_at: datetime
    deleted_at: datetime | None
    unreadable: str | None
    tags: tuple[TagCard, ...] = ()


@dataclass(frozen=True)
class PlaceCard:
    """A file that holds a picture: its address, what it was added from, and when it was found lost."""

    uri: str
    source: str
    lost_at: datetime | None


@dataclass(frozen=True)
class PredictionCard:
    """What a model said of a picture."""

    model_id: int
    model: str
    label_id: int
    label: str
    probability: float


@dataclass(frozen=True)
class DecisionCard:
    """An act of a person about a picture; `holds`: no undo has taken it back."""

    id: int
    at: datetime
    user: str
    act: str
    label: str | None
    from_label: str | None
    reason: str
    holds: bool


@dataclass(frozen=True)
class AssetDetail:
    """All that is known of one picture."""

    asset: AssetCard
    places: tuple[PlaceCard, ...]
    predictions: tuple[PredictionCard, ...]
    history: tuple[DecisionCard, ...]


@dataclass(frozen=True)
class AssetFilter:
    """Which pictures are wanted.

    Attributes:
        deleted: those that were deleted, in place of those that are there.
        unreadable: only files that are no picture (True), only pictures (False), both (None).
        label_id, state: that have this tag, in this state; without a state confirmed or suggested.
        client: that a user of this client may see, and by its labels alone; None: all.
        blind_to: the user who is not shown what others said of pictures that wait for a second opinion
            (`disagree.kept_from`): they are not found by label or state. None: everything is shown.
    """

    deleted: bool = False
    unreadable: bool | None = None
    label_id: int | None = None
    state: TagState | None = None
    client: str | None = None
    blind_to: int | None = None


def list_assets(
    connection: Connection, wanted: AssetFilter, *, before: int | None = None, limit: int = 50
) -> tuple[AssetCard, ...]:
    """At most `limit` pictures, newest first, with ids below `before`."""
    found = select(assets.c.id).where(*_conditions(wanted)).order_by(assets.c.id.desc()).limit(limit)
    if before is not None:
        found = found.where(assets.c.id < before)
    ids = connection.execute(found).scalars().all()
    return asset_cards(connection, ids, wanted.client, blind_to=wanted.blind_to)


def list_asset_ids(connection: Connection, wanted: AssetFilter) -> tuple[int, ...]:
    """The ids of all of them, newest first: what a grid of many needs to know how long it is."""
    found = select(assets.c.id).where(*_conditions(wanted)).order_by(assets.c.id.desc())
    return tuple(connection.execute(found).scalars())


def asset_cards(
    connection: Connection,
    asset_ids: Sequence[int],
    client: str | None = None,
    *,
    blind_to: int | None = None,
) -> tuple[AssetCard, ...]:
    """The cards of these pictures, in this order; those that are not there are left out. With a `client`
    their tags are its own, in its words. Where `blind_to` is a user from whom what others said is kept
    (`disagree.kept_from`), the tags stand as the machine left them, and as that user decided.
    """
    rows = {row.id: row for row in connection.execute(select(assets).where(assets.c.id.in_(asset_ids)))}
    names, tagged = _names(connection, rows), _tags(connection, rows, client, blind_to)
    return tuple(_card(rows[one], names, tagged) for one in asset_ids if one in rows)


def asset_detail(
    connection: Connection,
    asset_id: int,
    user_id: int,
    client: str | None = None,
    *,
    blind_to: int | None = None,
) -> AssetDetail:
    """All about one picture, for this user: what others think who asked for a second opinion is not shown. A
    viewer of a `client` sees no folders, and neither what models said nor who decided what; `blind_to`: see
    `asset_cards`, the history is then the user's own.

    Raises NotFoundError.
    """
    found = asset_cards(connection, [asset_id], client, blind_to=blind_to)
    if not found:
        raise missing_asset(asset_id)
    if client is not None:
        return AssetDetail(found[0], (PlaceCard(found[0].name, "", None),), (), ())
    where = connection.execute(select(places).where(places.c.asset_id == asset_id).order_by(places.c.id))
    return AssetDetail(
        found[0],
        tuple(PlaceCard(row.uri, row.source, row.lost_at) for row in where),
        _predictions(connection, asset_id),
        _history(connection, asset_id, user_id, blind_to),
    )


def missing_asset(asset_id: int) -> NotFoundError:
    """The error of a picture that is not there, or that the user may not see."""
    return NotFoundError(f"picture {asset_id} is not in the library", cure="Load the list anew.")


def require_visible(connection: Connection, asset_id: int, client: str | None) -> Row[Any]:
    """The row of a picture that users of this client may see; raises NotFoundError."""
    where = [assets.c.id == asset_id, *_of_client(client)]
    row = connection.execute(select(assets).where(*where)).one_or_none()
    if row is None:
        raise missing_asset(asset_id)
    return row


def visible_assets(connection: Connection, asset_ids: Sequence[int], client: str | None) -> list[int]:
    """Those of some pictures that users of this client may see, in the order given."""
    where = [assets.c.id.in_(asset_ids), *_of_client(client)]
    seen = set(connection.execute(select(assets.c.id).where(*where)).scalars())
    return [one for one in asset_ids if one in seen]


def client_asset_ids(client: str) -> Any:
    """A query: the pictures that are there and that a viewer of the client may see."""
    return select(assets.c.id).where(*_conditions(AssetFilter(client=client)))


def _conditions(wanted: AssetFilter) -> list[ColumnElement[bool]]:
    gone = assets.c.deleted_at
    found = [gone.isnot(None) if wanted.deleted else gone.is_(None), *_of_client(wanted.client)]
    if wanted.unreadable is not None:
        found.append(assets.c.unreadable.isnot(None) if wanted.unreadable else assets.c.unreadable.is_(None))
    if wanted.label_id is not None:
        found.append(_has_tag(tags.c.label_id == wanted.label_id, wanted))
    elif wanted.state is not None:
        found.append(_has_tag(tags.c.state == wanted.state, wanted))
    if wanted.blind_to is not None and (wanted.label_id, wanted.state) != (None, None):
        found.append(~kept_from(assets.c.id, wanted.blind_to))
    return found


def _has_tag(which: ColumnElement[bool], wanted: AssetFilter) -> ColumnElement[bool]:
    """The condition that a picture has such a tag, of those that the client may see."""
    held = tags.c.state != "rejected" if wanted.state is None else tags.c.state == wanted.state
    if wanted.client is not None:
        held &= tags.c.label_id.in_(client_label_ids(wanted.client))
    return select(tags.c.asset_id).where(tags.c.asset_id == assets.c.id, which, held).exists()


def _of_client(client: str | None) -> list[ColumnElement[bool]]:
    return [] if client is None else [seen_by_client(client)]


def _names(connection: Connection, asset_ids: Iterable[int]) -> dict[int, str]:
    first = (
        select(func.min(places.c.id))
        .where(places.c.asset_id.in_(list(asset_ids)))
        .group_by(places.c.asset_id)
    )
    rows = connection.execute(
        select(places.c.asset_id, places.c.uri, places.c.source).where(places.c.id.in_(first))
    )
    return {row.asset_id: shown_name(row.uri, row.source) for row in rows}


def _tags(
    connection: Connection, asset_ids: Iterable[int], client: str | None, blind_to: int | None
) -> dict[int, list[TagCard]]:
    said = labels.alias("said")
    wanted = (
        select(tags, func.coalesce(said.c.name, labels.c.name).label("name"))
        .join(labels, labels.c.id == tags.c.label_id)
        .outerjoin(said, (said.c.same_as_id == labels.c.id) & (said.c.client == (client or "")))
        .where(tags.c.asset_id.in_(list(asset_ids)))
        .order_by(tags.c.score.desc(), tags.c.label_id)
    )
    if client is not None:
        wanted = wanted.where(tags.c.label_id.in_(client_label_ids(client)))
    if blind_to is not None:
        wanted = wanted.add_columns(_of_others(blind_to).label("kept_back"))
    found: dict[int, list[TagCard]] = {}
    blind = set[int]()
    for row in connection.execute(wanted):
        card = tag_card(row)
        if blind_to is not None and row.kept_back:
            blind.add(row.asset_id)
            card = _as_left(card, row.machine_state)
        if card is not None:
            found.setdefault(row.asset_id, []).append(card)
    for one in blind & found.keys():
        found[one].sort(key=lambda card: (-card.score, card.label_id))
    return found


def _of_others(user_id: int) -> ColumnElement[bool]:
    """The condition that another person's decision, which is kept from this one, holds of a tag."""
    others = select(decision_table.c.id).where(
        decision_table.c.id == tags.c.decision_id, decision_table.c.user_id != user_id
    )
    return others.exists() & kept_from(tags.c.asset_id, user_id)


def _as_left(card: TagCard, state: TagState | None) -> TagCard | None:
    """A tag as the machine left it; None where it was a person's alone."""
    if state is None:
        return None
    score = 1.0 if state == "confirmed" or card.probability is None else card.probability
    return replace(card, state=state, score=score, by_person=False)


def tag_card(row: Row[Any]) -> TagCard:
    """A row of `tags`, with the label's `name`, as a card."""
    by_person = row.decision_id is not None
    return TagCard(row.label_id, row.name, row.state, row.score, row.probability, row.rule, by_person)


def _card(row: Row[Any], names: dict[int, str], tagged: dict[int, list[TagCard]]) -> AssetCard:
    own = {
        name: getattr(row, name) for name in AssetCard.__dataclass_fields__ if name not in ("name", "tags")
    }
    return AssetCard(name=names.get(row.id, ""), tags=tuple(tagged.get(row.id, ())), **own)


def _predictions(connection: Connection, asset_id: int) -> tuple[PredictionCard, ...]:
    rows = connection.execute(
        select(predictions.c.model_id, models.c.name, predictions.c.label_id, labels.c.name.label("label"))
        .add_columns(predictions.c.probability)
        .join(models, models.c.id == predictions.c.model_id)
        .join(labels, labels.c.id == predictions.c.label_id)
        .where(predictions.c.asset_id == asset_id)
        .order_by(predictions.c.model_id.desc(), predictions.c.probability.desc())
    )
    return tuple(
        PredictionCard(row.model_id, row.name, row.label_id, row.label, row.probability) for row in rows
    )


def _history(
    connection: Connection, asset_id: int, user_id: int, blind_to: int | None
) -> tuple[DecisionCard, ...]:
    before = labels.alias("before")
    wanted = (
        select(decision_table, users.c.name.label("user"), labels.c.name.label("label"))
        .add_columns(before.c.name.label("from_label"))
        .join(users, users.c.id == decision_table.c.user_id)
        .outerjoin(labels, labels.c.id == decision_table.c.label_id)
        .outerjoin(before, before.c.id == decision_table.c.from_label_id)
        .where(decision_table.c.asset_id == asset_id)
        .where(or_(decision_table.c.act != "second_opinion", decision_table.c.user_id == user_id))
        .order_by(decision_table.c.id)
    )
    if blind_to is not None:
        own = decision_table.c.user_id == blind_to
        wanted = wanted.where(own | ~kept_from(decision_table.c.asset_id, blind_to))
    rows = connection.execute(wanted).all()
    live = {row.id for row in live_decisions(rows)}
    return tuple(
        DecisionCard(row.id, row.at, row.user, row.act, row.label, row.from_label, row.reason, row.id in live)
        for row in rows
    )
