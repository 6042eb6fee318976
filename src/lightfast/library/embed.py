"""Features of every picture of a library by one network: each picture once, a stopped job goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, Select, func, select

from lightfast.base.progress import Reporter, silent
from lightfast.curate.embed import Embedder
from lightfast.data.dataset import Entry, Unreadable
from lightfast.data.decode.stream import stream_pictures
from lightfast.library.access import files_of
from lightfast.library.feature_files import (
    FeatureFormat,
    FeatureRows,
    append_features,
    forget_lost_rows,
    largest_classes,
    open_features,
)
from lightfast.library.library import Library
from lightfast.library.schema import assets, embeddings

_PAGE = 256
_Seen = list[tuple[int, NDArray[np.uint8]]]
ClassProbs = Callable[[NDArray[np.floating]], NDArray[np.float32]]


@dataclass(frozen=True)
class EmbedResult:
    """What `embed_assets` did.

    Attributes:
        source: the network.
        embedded: pictures whose features are new.
        computed: of them, those that were computed: pictures of the same pixels are computed once a call.
        lost: pictures without a file that is where it was, as it was.
        unreadable: files that can no longer be decoded, by name.
        notes: what is to be said of it, a sentence each.
    """

    source: str
    embedded: int = 0
    computed: int = 0
    lost: int = 0
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()

    def plus(self, other: EmbedResult) -> EmbedResult:
        """Both together."""
        counts = (getattr(self, name) + getattr(other, name) for name in ("embedded", "computed", "lost"))
        unreadable = (*self.unreadable, *other.unreadable)
        return EmbedResult(self.source, *counts, unreadable=unreadable)  # pyright: ignore[reportCallIssue]


def embed_assets(
    library: Library,
    embedder: Embedder,
    wanted: FeatureFormat,
    *,
    class_probs: ClassProbs | None = None,
    report: Reporter = silent,
) -> EmbedResult:
    """Compute the features of every picture that has none by this network and can be seen.

    Some hundreds of pictures are written at a time; a stopped job is gone on with by calling it again. Two
    at once do no harm, but for the work done twice.

    Args:
        library: its `features` folder and its table `embeddings` are written.
        embedder: what computes.
        wanted: how pictures are read; its `width` is taken from what the embedder gives.
        class_probs: features (N, D) → probabilities (N, K) of the backbone's own classes, kept beside.
        report: told of every page.
    """
    forget_lost_rows(library, embedder.source)
    source, work = embedder.source, _Work(library, embedder, wanted, class_probs)
    with library.store.read() as connection:
        waiting = _without(source, 0).order_by(None).subquery()
        total = connection.execute(select(func.count()).select_from(waiting)).scalar_one()
    result, after, done = EmbedResult(source), 0, 0
    while True:
        with library.store.read() as connection:
            rows = connection.execute(_without(source, after).limit(_PAGE)).all()
            files = files_of(library, connection, [row.id for row in rows])
            twins = _twins(connection, source, [row.content for row in rows])
        if not rows:
            return result
        after, done = rows[-1].id, done + len(rows)
        result = result.plus(work.look(_Page(rows, files, twins)))
        report("features", done, max(total, done), source)


@dataclass(frozen=True, eq=False)
class _Page:
    """Assets (id, content) in order, their files, and a row of features for pixels that were seen before."""

    rows: Sequence[Any]
    files: Mapping[int, Path]
    twins: Mapping[str, int]

    def groups(self) -> dict[str, list[int]]:
        """content → assets of these pixels, those with a file first."""
        groups: dict[str, list[int]] = {}
        for row in self.rows:
            groups.setdefault(row.content, []).append(row.id)
        return {
            content: sorted(ids, key=lambda one: one not in self.files) for content, ids in groups.items()
        }


@dataclass(frozen=True, eq=False)
class _Work:
    """What does not change from page to page."""

    library: Library
    embedder: Embedder
    wanted: FeatureFormat
    class_probs: ClassProbs | None

    def look(self, page: _Page) -> EmbedResult:
        """Compute and write the features of a page."""
        groups = page.groups()
        copied = {content: ids for content, ids in groups.items() if content in page.twins}
        fresh = {ids[0]: ids for content, ids in groups.items() if content not in copied}
        entries = [Entry(page.files[one], str(one), 0) for one in fresh if one in page.files]
        seen, unreadable = self._read(entries)
        added = self._compute(seen, fresh) + self._copy(copied, page.twins)
        lost = sum(len(ids) for one, ids in fresh.items() if one not in page.files)
        return EmbedResult(self.embedder.source, added, len(seen), lost, unreadable)

    def _read(self, entries: Sequence[Entry]) -> tuple[_Seen, tuple[Unreadable, ...]]:
        read = list(stream_pictures(entries, self.wanted.image_size, self.wanted.channels))
        seen = [(int(entry.id), pixels) for entry, pixels in read if not isinstance(pixels, Unreadable)]
        return seen, tuple(pixels for _, pixels in read if isinstance(pixels, Unreadable))

    def _compute(self, seen: _Seen, ids: Mapping[int, list[int]]) -> int:
        if not seen:
            return 0
        vectors = self.embedder.compute(np.stack([pixels for _, pixels in seen]))
        made = replace(self.wanted, width=vectors.shape[1], classes=self.class_probs is not None)
        at = np.repeat(np.arange(len(seen)), [len(ids[one]) for one, _ in seen])
        numbers = [number for one, _ in seen for number in ids[one]]
        rows = FeatureRows(numbers, vectors[at])
        if self.class_probs is not None:
            classes, probs = largest_classes(self.class_probs(vectors))
            rows = replace(rows, classes=classes[at], class_probs=probs[at])
        return append_features(self.library, made, rows)

    def _copy(self, copied: Mapping[str, list[int]], twins: Mapping[str, int]) -> int:
        if not copied:
            return 0
        with self.library.store.read() as connection:
            known = open_features(self.library, connection, self.embedder.source)
        at = np.repeat([twins[content] for content in copied], [len(ids) for ids in copied.values()])
        numbers = [number for ids in copied.values() for number in ids]
        rows = FeatureRows(numbers, known.vectors[at])
        if known.classes is not None and known.class_probs is not None:
            rows = replace(rows, classes=known.classes[at], class_probs=known.class_probs[at])
        return append_features(self.library, known.format, rows)


def _without(source: str, after: int) -> Select[Any, Any]:
    """Assets that can be seen and have no features by `source`."""
    has = select(embeddings.c.asset_id).where(
        embeddings.c.source == source, embeddings.c.asset_id == assets.c.id
    )
    return (
        select(assets.c.id, assets.c.content)
        .where(assets.c.id > after, assets.c.unreadable.is_(None), assets.c.deleted_at.is_(None))
        .where(assets.c.content.isnot(None), ~has.exists())
        .order_by(assets.c.id)
    )


def _twins(connection: Connection, source: str, contents: Sequence[str]) -> dict[str, int]:
    """content → the row of a picture of the same pixels that has features."""
    rows = connection.execute(
        select(assets.c.content, embeddings.c.row)
        .join(embeddings, embeddings.c.asset_id == assets.c.id)
        .where(assets.c.content.in_(list(contents)), embeddings.c.source == source)
    )
    return {row.content: row.row for row in rows}
