"""Tags by a model, which sees every picture once: accepted where a rule proves them, else for a person."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, Table, bindparam, delete, func, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite

from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import Entry, Unreadable
from lightfast.data.sources.remote import is_trouble
from lightfast.evaluate.review import ReviewThreshold
from lightfast.library.access import addresses_of, files_of
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library
from lightfast.library.review.lease import enqueue
from lightfast.library.schema import assets, models, places, predictions, queue_table, tagged, tags
from lightfast.library.store import Store, now
from lightfast.tagging.runtime import Tagger
from lightfast.tagging.stream import TagFiles, tag_files

_PAGE = 512
_MOST_KEPT = 5
_LEAST_KEPT = 0.01
"""Probabilities that are kept: the five largest, and of them those from here on."""
LOST = "no file of this picture is where it was, as it was"
_NAMED = 10
"""Pictures that are named of those that a model could not see."""


@dataclass(frozen=True)
class ModelFacts:
    """A model as the library knows it: see the columns of `models`."""

    name: str
    run: str
    digest: str
    class_names: tuple[str, ...]
    metrics: Mapping[str, Any]


@dataclass(frozen=True)
class TagResult:
    """What `tag_assets` did: how many pictures the model saw, of how many the tag was accepted by the rule,
    how many were queued for a person, how many kept what a person had decided, how many had no file that can
    be read, of which the first are `named` with the reason. `unreached` ones could not be fetched from where
    they are (a server that answers 503). The model is shown both the next time again.
    """

    seen: int = 0
    accepted: int = 0
    queued: int = 0
    decided: int = 0
    lost: int = 0
    unreached: int = 0
    named: tuple[Unreadable, ...] = ()

    def plus(self, other: TagResult) -> TagResult:
        """Both together."""
        both = TagResult(*(getattr(self, name) + getattr(other, name) for name in self.__dataclass_fields__))
        return replace(both, named=both.named[:_NAMED])


def register_model(store: Store, facts: ModelFacts, parent_id: int | None = None) -> int:
    """The number of the model with this digest; a new row where there is none."""
    return store.act(lambda connection: put_model(connection, facts, parent_id))


def put_model(connection: Connection, facts: ModelFacts, parent_id: int | None = None) -> int:
    """`register_model` inside a transaction."""
    known = connection.execute(select(models.c.id).where(models.c.digest == facts.digest)).scalar()
    if known is not None:
        return known
    row = {"name": facts.name, "run": facts.run, "digest": facts.digest, "metrics": dict(facts.metrics)}
    row |= {"class_names": list(facts.class_names), "acceptance": {}, "parent_id": parent_id}
    made = connection.execute(insert(models).values(added_at=now(), **row))
    return int(made.inserted_primary_key[0])  # pyright: ignore[reportOptionalSubscript]


def tag_assets(
    library: Library,
    tagger: Tagger,
    model_id: int,
    rule: ReviewThreshold | None = None,
    *,
    report: Reporter = silent,
    tag: TagFiles = tag_files,
) -> TagResult:
    """Let a model see every picture that it has not seen; one that it could not see before is tried again.

    The most probable label becomes a tag: accepted where `rule` lets the prediction pass, else suggested and
    queued with the reason. Of a model with several labels a picture those at or above their thresholds do,
    accepted where the thresholds prove a precision (`card.thresholds`). What a person decided about a label
    of a picture stays, and such a picture is not queued again. Some hundreds of pictures are one transaction;
    a stopped job is gone on with by calling it again.

    Args:
        library: is written.
        tagger: of the model.
        model_id: what `register_model` gave.
        rule: None: every prediction is a suggestion, and goes to a person.
        report: told of every page.
        tag: reads the files; while it does, pages before are written.
    """
    names = tagger.card.class_names
    numbers = library.store.act(lambda connection: label_numbers(connection, names))
    seer = _Seer(tagger, model_id, np.array([numbers[name] for name in names], np.int64), rule)
    total, through = TagResult(), 0
    # A disk that was not mounted, a file that is back at its address: whatever failed may be there now.
    failed = tagged.c.failed.isnot(None) & (tagged.c.model_id == model_id)
    library.store.act(lambda connection: connection.execute(delete(tagged).where(failed)))
    with library.store.read() as connection:
        wanted = connection.execute(_unseen(model_id).with_only_columns(func.count())).scalar_one()
    for page, said in seer.through(_pages(library, model_id), tag):
        total = total.plus(
            library.store.act(
                lambda connection, said=said, lost=page.lost: _write(connection, seer, said, lost)
            )
        )
        through += len(page.numbers)
        report("tagging", through, max(through, wanted))
    return total


@dataclass(frozen=True)
class _Page:
    """Pictures that are written together, and the files of those that have one, here or at an address."""

    numbers: Sequence[int]
    files: Mapping[int, Entry]

    @property
    def lost(self) -> dict[int, str]:
        return {number: LOST for number in self.numbers if number not in self.files}


@dataclass(frozen=True, eq=False)
class _Said:
    """What the model said of one picture: probabilities (K,), or why it could not be read."""

    asset_id: int
    probs: NDArray[np.float32] | None
    failed: str | None = None

    @property
    def unreached(self) -> bool:
        """Whether the way to it failed, and not the file."""
        return self.failed is not None and is_trouble(self.failed)


@dataclass(frozen=True, eq=False)
class _Seer:
    """A model with its number here, the numbers (K,) of its labels, and the rule by which it is believed."""

    tagger: Tagger
    model_id: int
    labels: NDArray[np.int64]
    rule: ReviewThreshold | None

    def through(self, pages: Iterable[_Page], tag: TagFiles) -> Iterator[tuple[_Page, list[_Said]]]:
        """Every page with what is said of its pictures, in order; later pages are read meanwhile."""
        waiting, probs, through = deque[_Page](), dict[int, NDArray[np.float32]](), 0
        why = dict[str, str]()

        def entries() -> Iterator[Entry]:
            for page in pages:
                waiting.append(page)
                yield from page.files.values()

        for batch in tag(self.tagger, entries()):
            probs.update(zip((int(one.id) for one in batch.entries), batch.probs, strict=True))
            why.update((one.path, one.reason) for one in batch.unreadable)
            through += len(batch.entries) + len(batch.unreadable)
            while waiting and through >= len(waiting[0].files):
                through -= len(waiting[0].files)
                yield waiting[0], _said(waiting.popleft(), probs, why)
        yield from ((page, _said(page, probs, why)) for page in waiting)

    def tags(self, probs: NDArray[np.float32]) -> list[tuple[int, bool, str]]:
        """(column, whether it is accepted, why a person should look) of every tag of one picture."""
        card = self.tagger.card
        if card.task == "multi-label":
            sure = bool(card.thresholds)
            given = np.flatnonzero(probs >= card.cuts)
            return [(int(at), sure, f"probability {probs[at]:.3f}, with no threshold proven") for at in given]
        top = int(probs.argmax())
        if self.rule is None:
            return [(top, False, f"no rule accepts it; probability {probs[top]:.3f}")]
        score = float(self.rule.scores(probs[None])[0])
        return [(top, not bool(self.rule.needs_review(probs[None])[0]), self.rule.reason(score))]

    @property
    def rule_text(self) -> str:
        """What set the machine's state, as `tags.rule` keeps it."""
        if self.tagger.card.task == "multi-label":
            return "thresholds"
        return "none" if self.rule is None else f"{self.rule.rule.kind} {self.rule.rule.value:g}"


def _said(page: _Page, probs: dict[int, NDArray[np.float32]], why: Mapping[str, str]) -> list[_Said]:
    """What is said of the pictures of a page that have a file, or why nothing is; taken out of `probs`."""
    found = [(number, probs.pop(number, None), str(one.path)) for number, one in page.files.items()]
    return [
        _Said(number, one) if one is not None else _Said(number, None, why[path])
        for number, one, path in found
    ]


def _unseen(model_id: int) -> Select[Any]:
    seen = select(tagged.c.asset_id).where(tagged.c.model_id == model_id, tagged.c.asset_id == assets.c.id)
    return select(assets.c.id).where(
        assets.c.unreadable.is_(None), assets.c.deleted_at.is_(None), ~seen.exists()
    )


def _pages(library: Library, model_id: int) -> Iterator[_Page]:
    """The pictures that the model has not seen, some hundreds at a time."""
    after = 0
    while True:
        wanted = _unseen(model_id).where(assets.c.id > after).order_by(assets.c.id).limit(_PAGE)
        with library.store.read() as connection:
            numbers = connection.execute(wanted).scalars().all()
            here = files_of(library, connection, numbers)
            elsewhere = addresses_of(connection, [one for one in numbers if one not in here])
        if not numbers:
            return
        after = numbers[-1]
        files = {number: Entry(path, str(number), 0) for number, path in here.items()}
        for number, address in elsewhere.items():
            files[number] = Entry(Path(address.url), str(number), 0, address=address)
        yield _Page(numbers, files)


_Read = list[tuple[int, NDArray[np.float32]]]
_Given = list[tuple[int, NDArray[np.float32], tuple[int, bool, str]]]


def _write(connection: Connection, seer: _Seer, said: Sequence[_Said], lost: Mapping[int, str]) -> TagResult:
    read: _Read = [(one.asset_id, one.probs) for one in said if one.probs is not None]
    failed = {**lost, **_unreadable(said)}
    mine = _put_tagged(connection, seer.model_id, {**dict.fromkeys(number for number, _ in read), **failed})
    read = [one for one in read if one[0] in mine]
    kept = [row for number, probs in read for row in _predictions(seer, number, probs)]
    _put(connection, predictions, ("asset_id", "model_id", "label_id"), kept, ("probability",))
    accepted, asked, decided = _judge(connection, seer, read)
    unreached = sum(one.unreached for one in said)
    lost_here = {number: failed[number] for number in sorted(mine & failed.keys())}
    named = _named(connection, lost_here)
    return TagResult(len(read), accepted, asked, decided, len(lost_here), unreached, named)


def _unreadable(said: Sequence[_Said]) -> dict[int, str | None]:
    """Why those pictures could not be read that will not be there by themselves the next time."""
    return {one.asset_id: one.failed for one in said if one.probs is None and not one.unreached}


def _named(connection: Connection, lost: Mapping[int, str | None]) -> tuple[Unreadable, ...]:
    """The first of the pictures that could not be seen, by where they lay."""
    first = list(lost)[:_NAMED]
    rows = select(places.c.asset_id, func.min(places.c.uri).label("uri")).group_by(places.c.asset_id)
    found = connection.execute(rows.where(places.c.asset_id.in_(first)))
    where = {row.asset_id: row.uri for row in found}
    return tuple(Unreadable(where.get(number, f"picture {number}"), lost[number] or LOST) for number in first)


def _judge(connection: Connection, seer: _Seer, read: _Read) -> tuple[int, int, int]:
    """Write tags and questions; (pictures with an accepted tag, asked about, decided by people before)."""
    given: _Given = [(number, probs, one) for number, probs in read for one in seer.tags(probs)]
    decided = _decided(connection, [number for number, _ in read])
    _put_tags(connection, seer, given)
    ask = [_question(seer, *one) for one in given if not one[2][1] and one[0] not in decided]
    _renew(connection, [number for number, _ in read], ask)
    enqueue(connection, ask)
    return len({one[0] for one in given if one[2][1]}), len({row["asset_id"] for row in ask}), len(decided)


def _renew(connection: Connection, numbers: Sequence[int], ask: Sequence[Mapping[str, Any]]) -> None:
    """A picture waits for the questions of the model that saw it last, for that one's reason: what an earlier
    model asked about these pictures and this one does not is taken back.
    """
    still = {(row["asset_id"], row["label_id"]): row for row in ask}
    theirs = queue_table.c.asset_id.in_(numbers) & (queue_table.c.source == "tag")
    theirs &= queue_table.c.state == "open"
    rows = connection.execute(
        select(queue_table.c.id, queue_table.c.asset_id, queue_table.c.label_id).where(theirs)
    ).all()
    same = [
        (row.id, still[row.asset_id, row.label_id]) for row in rows if (row.asset_id, row.label_id) in still
    ]
    if same:
        own = queue_table.c.id == bindparam("entry")
        values = [{"entry": one, "why": row["reason"], "doubt": row["uncertainty"]} for one, row in same]
        new = {"reason": bindparam("why"), "uncertainty": bindparam("doubt")}
        connection.execute(update(queue_table).where(own).values(**new), values)
    gone = [row.id for row in rows if (row.asset_id, row.label_id) not in still]
    if gone:
        values = {"state": "withdrawn", "done_at": now()}
        connection.execute(update(queue_table).where(queue_table.c.id.in_(gone)).values(**values))


def _put_tagged(connection: Connection, model_id: int, failed: Mapping[int, str | None]) -> set[int]:
    """Note that the model has seen the pictures; gives those that nobody who tags at the same time has noted
    before.
    """
    row = {"model_id": model_id, "at": now()}
    rows = [{**row, "asset_id": number, "failed": why} for number, why in sorted(failed.items())]
    if not rows:
        return set()
    put = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(tagged)
    fresh = put.on_conflict_do_nothing(index_elements=["model_id", "asset_id"])
    return set(connection.execute(fresh.returning(tagged.c.asset_id), rows).scalars())


def _question(
    seer: _Seer, number: int, probs: NDArray[np.float32], tag: tuple[int, bool, str]
) -> dict[str, Any]:
    column, _, why = tag
    row = {"asset_id": number, "label_id": int(seer.labels[column]), "source": "tag", "reason": why}
    return {**row, "uncertainty": 1 - float(probs[column])}


def _predictions(seer: _Seer, number: int, probs: NDArray[np.float32]) -> list[dict[str, Any]]:
    top = [at for at in np.argsort(-probs, kind="stable")[:_MOST_KEPT] if probs[at] >= _LEAST_KEPT]
    row = {"asset_id": number, "model_id": seer.model_id}
    return [{**row, "label_id": int(seer.labels[at]), "probability": float(probs[at])} for at in top]


def _decided(connection: Connection, numbers: Sequence[int]) -> set[int]:
    """Pictures about whose labels a person's decision stands."""
    found = select(tags.c.asset_id).where(tags.c.asset_id.in_(numbers), tags.c.decision_id.isnot(None))
    return set(connection.execute(found).scalars())


def _put_tags(
    connection: Connection,
    seer: _Seer,
    given: Sequence[tuple[int, NDArray[np.float32], tuple[int, bool, str]]],
) -> None:
    """Write the machine's tags; older suggestions of machines for these pictures go, what people decided
    stays.
    """
    numbers = {number for number, _, _ in given}
    machine = tags.c.decision_id.is_(None) & tags.c.machine_state.isnot(None)
    connection.execute(delete(tags).where(tags.c.asset_id.in_(numbers), machine))
    moment, rows = now(), list[dict[str, Any]]()
    for number, probs, (column, accepted, _) in given:
        state = "confirmed" if accepted else "suggested"
        rows.append(
            {
                "asset_id": number,
                "label_id": int(seer.labels[column]),
                "state": state,
                "machine_state": state,
                "score": 1.0 if accepted else float(probs[column]),
                "probability": float(probs[column]),
                "model_id": seer.model_id,
                "rule": seer.rule_text,
                "updated_at": moment,
            }
        )
    _put(
        connection, tags, ("asset_id", "label_id"), rows, ("machine_state", "probability", "model_id", "rule")
    )


def _put(
    connection: Connection,
    table: Table,
    key: Sequence[str],
    rows: Sequence[Mapping[str, Any]],
    changed: Sequence[str],
) -> None:
    """Insert rows; of those whose key is there, the `changed` columns are brought up to date."""
    if not rows:
        return
    put = (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
    new = {name: put.excluded[name] for name in changed}
    connection.execute(put.on_conflict_do_update(index_elements=list(key), set_=new), list(rows))
