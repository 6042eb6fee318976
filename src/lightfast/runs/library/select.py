"""What a library asks people next: pictures chosen from their features and from what is decided so far."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, select

from lightfast.base.errors import DataError
from lightfast.base.plain import as_json
from lightfast.curate.live_head import LiveHead
from lightfast.curate.select import Known, Selection, select_next
from lightfast.curate.selection.pool import NO_LABEL
from lightfast.library.jobs import keep_answer, kept_answer
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library
from lightfast.library.review.lease import enqueue
from lightfast.library.schema import queue_table, tags
from lightfast.runs.library.layout import confirmed_classes, pictures_with_features
from lightfast.runs.options import RunOptions

_FIRST = 0.01
"""Wished for just now, they come before what waits already: between 1 and 1 − this in the order of doubt."""


@dataclass(frozen=True)
class ChosenForReview:
    """What was chosen.

    Attributes:
        queued: pictures that wait for a person now.
        decided, undecided: pictures that somebody had decided on, and the others.
        strategy: what chose, a name of `curate.select.strategies`.
        notes: a sentence each.
    """

    queued: int
    decided: int
    undecided: int
    strategy: str
    notes: tuple[str, ...] = ()


def choose_for_review(library: Library, options: RunOptions, count: int, job_id: str = "") -> ChosenForReview:
    """Queue the pictures whose labels would teach most, ahead of what waits: while nobody has named two
    labels, those that stand for most others; then those that stand for most of which a head on the decided
    ones is unsure, with its guess as what is asked. Pictures without features get them first.

    Args:
        library: is written: its features, the queue.
        options: `device`, `seed`, `report`.
        count: at most so many; fewer where fewer are undecided.
        job_id: of the job that wants it: begun again after a kill, it has chosen once (`jobs.kept_answer`).

    Raises DataError for fewer than four pictures, and where all of them are decided or wait already.
    """
    _, ids, vectors = pictures_with_features(library, options)
    said, names = confirmed_classes(library, ids)
    with library.store.read() as connection:
        taken = _taken(connection)
    # Several labels, a rejected one, a question that waits already: no class is learned, none is asked.
    known = np.where((said == NO_LABEL) & np.isin(ids, sorted(taken)), 0, said)
    free = int((known == NO_LABEL).sum())
    if not free:
        raise DataError(
            f"nothing left to choose: all {len(ids):,} pictures are decided or wait already",
            cure="Review what waits, or add pictures.",
        )
    probs = _guessed(vectors, said, names)
    found = select_next(vectors, min(count, free), Known(known, None, probs, tuple(names)), seed=options.seed)
    made = ChosenForReview(0, len(ids) - free, free, found.strategy, found.notes)

    def queue(connection: Connection) -> ChosenForReview:
        done = kept_answer(connection, job_id)
        if done is not None:
            # By a try whose acknowledgement was lost.
            return replace(made, queued=done["queued"])
        result = replace(made, queued=_queue(connection, ids, found, probs, names))
        keep_answer(connection, job_id, as_json(result))
        return result

    return library.store.act(queue)


def _guessed(
    vectors: NDArray[np.float32], said: NDArray[np.int64], names: list[str]
) -> NDArray[np.float32] | None:
    """float32 (N, K), what a head on the decided pictures says of all; None below two labels."""
    if len(np.unique(said[said != NO_LABEL])) < 2:
        return None
    return LiveHead.start(vectors, names, said).refit().probs()


def _taken(connection: Connection) -> set[int]:
    """Pictures that somebody decided on, and those that wait."""
    decided = connection.execute(select(tags.c.asset_id).where(tags.c.decision_id.isnot(None)).distinct())
    waiting = connection.execute(
        select(queue_table.c.asset_id).where(queue_table.c.state == "open", queue_table.c.source == "select")
    )
    return {*decided.scalars(), *waiting.scalars()}


def _queue(
    connection: Connection,
    ids: NDArray[np.int64],
    found: Selection,
    probs: NDArray[np.float32] | None,
    names: list[str],
) -> int:
    """How many wait now: of what was decided while it was chosen nothing is asked any more."""
    guesses = [None] * len(found.rows) if probs is None else probs[found.rows].argmax(axis=1).tolist()
    numbers = label_numbers(connection, [names[one] for one in set(guesses) if one is not None])
    entries = [
        {
            "asset_id": int(ids[row]),
            "label_id": None if guess is None else numbers[names[guess]],
            "source": "select",
            "reason": reason,
            "uncertainty": 1 - _FIRST * place / len(found.rows),
        }
        for place, (row, guess, reason) in enumerate(
            zip(found.rows.tolist(), guesses, found.reasons, strict=True)
        )
    ]
    taken = _taken(connection)
    return enqueue(connection, [one for one in entries if one["asset_id"] not in taken])
