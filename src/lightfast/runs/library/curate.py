"""`library curate`: what is wrong with the pictures that people labelled, and with their labels; what a
person can decide of it waits in the queue.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, select

from lightfast.base.errors import SettingsError
from lightfast.base.files import load_json, write_json
from lightfast.curate.issue_table import Issue
from lightfast.library.exclusive import exclusively
from lightfast.library.held_out import held_out_assets
from lightfast.library.label_numbers import label_numbers
from lightfast.library.labelled import LabelledAssets, labelled_assets, too_few_labels
from lightfast.library.ledger import Spent
from lightfast.library.library import Library
from lightfast.library.review.lease import enqueue
from lightfast.library.schema import assets, queue_table
from lightfast.library.store import in_pages
from lightfast.pages.curate_result import CurateResult
from lightfast.runs.curate.curate import CurateOptions, curate_run
from lightfast.runs.folder import PILE_FILE
from lightfast.runs.library.folders import folder_of_order, next_folder
from lightfast.runs.library.pile import TrainingPile, write_pile
from lightfast.runs.options import RunOptions

_FOUND_FILE, _REPORT_FOLDER = "found.json", "curated"
_DYING_SECONDS = 10.0
_LABELS = ("label", "missing label", "superfluous label")
_TWO_LABELS = ("identical, two labels", "near duplicate, two labels")
_COPIES = ("leak", "exact copy", "near duplicate")
_ORDER = (*_LABELS, *_TWO_LABELS, *_COPIES, "outlier")
"""Kinds of issues that people are asked about, those first that cost a model most."""
_SIGNS = ("+ ", "− ")
"""Before the label that is missing, or too many, of a picture with several."""


@dataclass(frozen=True)
class LibraryCurated:
    """What was found.

    Attributes:
        run: the folder of the report, relative to that of the library.
        n: labelled pictures that were looked at.
        found: kind of issue → how many, the kinds that nobody is asked about (dark, blurred …) too.
        queued: pictures that wait for a person now.
        waiting: pictures whose question waited already.
        answered: pictures whose question people have answered before, and that are not asked about again.
        not_run: what was not looked for → why.
        notes: a sentence each.
    """

    run: str
    n: int
    found: Mapping[str, int]
    queued: int
    waiting: int
    answered: int
    not_run: Mapping[str, str]
    notes: tuple[str, ...] = ()


def curate_library(
    library: Library, options: RunOptions, *, folds: int = 5, by: int | None = None, order: str = ""
) -> LibraryCurated:
    """Look with `curate_run` for wrong labels, copies and outliers among the pictures that people labelled,
    and queue them with the reasons, one question a picture; labels of the untouched part are judged by models
    of the others. No tag is changed.

    Args:
        library: is written: its queue, a folder below `library.runs` with the report and every issue.
        options: `seed`, `device`, `near_duplicates` and `report` count.
        folds: of the models that judge, at least 3.
        by: number of the user who wants it, for the audit; None: nobody who is known.
        order: names what was ordered, where it may be begun again after a kill: what was found is not sought
            again, and nothing is queued twice.

    Raises DataError for fewer than two labels, and where another one runs.
    """
    if folds < 3:
        raise SettingsError(f"{folds} `folds`", expected="at least 3")
    wait = _DYING_SECONDS if order else 0.0
    order = order or secrets.token_hex(8)
    with exclusively(library, "curate", wait):
        folder = folder_of_order(library, "curate", order)
        if folder is None or not (folder / _FOUND_FILE).is_file():
            folder = next_folder(library, "curate", order)
            _look(library, folder, options, folds)
        found = load_json(folder / _FOUND_FILE)
        counts = library.store.act(lambda connection: _queue(connection, found["questions"], by))
    run = str(folder.relative_to(library.folder))
    return LibraryCurated(run, found["n"], found["found"], *counts, found["not_run"], tuple(found["notes"]))


def _look(library: Library, folder: Path, options: RunOptions, folds: int) -> None:
    """Write into `folder` what is wrong, and as its last file what people are to be asked."""
    labelled = labelled_assets(library)
    if len({name for one in labelled.pictures for name in one.labels}) < 2:
        raise too_few_labels(len(labelled.pictures))
    table = write_pile(folder / PILE_FILE, _divided(library, labelled))
    wanted = replace(options, out=folder / _REPORT_FOLDER)
    result = curate_run(str(table), wanted, CurateOptions(folds=folds, prune="off"))
    numbers = {str(one.path): one.asset_id for one in labelled.pictures}
    content = {
        "n": result.n,
        "found": dict(result.found),
        "not_run": dict(result.not_run),
        "notes": [*_notes(labelled), *result.notes],
        "questions": list(_questions(result, numbers)),
    }
    write_json(folder / _FOUND_FILE, content)


def _divided(library: Library, labelled: LabelledAssets) -> TrainingPile:
    """The pictures, the untouched ones as a test part where the others have two labels; those of which the
    others lack a label are with the others.
    """
    with library.store.read() as connection:
        held = held_out_assets(connection)
    rest = {name for one in labelled.pictures if one.asset_id not in held for name in one.labels}
    known = [one for one in labelled.pictures if one.asset_id in held and rest.issuperset(one.labels)]
    apart = known if len(rest) > 1 else []
    return TrainingPile(replace(labelled, negatives=()), Spent(0, 0, 0), apart, (), ())


def _notes(labelled: LabelledAssets) -> tuple[str, ...]:
    lost = f"{labelled.lost:,} decided pictures have no file where it was, as it was: left out"
    return (lost,) if labelled.lost else ()


def _questions(result: CurateResult, numbers: Mapping[str, int]) -> Iterator[dict[str, Any]]:
    """One question a picture, the gravest issue first; what else is wrong with it stands in its reason."""
    several = result.images.tags is not None
    by_asset: dict[int, list[Issue]] = {}
    for issue in sorted(result.issues, key=lambda one: _rank(one.kind)):
        others = [numbers[name] for name in issue.agreeing if name in numbers]
        # Of copies with one label the first one in the library is no question.
        first = issue.kind in _COPIES and numbers[issue.id] < min(others, default=0)
        if _rank(issue.kind) < len(_ORDER) and not first:
            by_asset.setdefault(numbers[issue.id], []).append(issue)
    for asset, issues in by_asset.items():
        reason = "; ".join(dict.fromkeys(one.reason for one in issues))
        yield {"asset": asset, "label": _label(issues[0], several), "reason": reason}


def _rank(kind: str) -> int:
    return _ORDER.index(kind) if kind in _ORDER else len(_ORDER)


def _label(issue: Issue, several: bool) -> str | None:
    """What is asked: whether the picture is this; None: any label may be given."""
    name = issue.suggested_label
    if name.startswith(_SIGNS) and several:
        return name[len(_SIGNS[0]) :]
    # The labels of a picture with several are one text.
    return name or (None if several else issue.given_label or None)


def _queue(
    connection: Connection, questions: Sequence[Mapping[str, Any]], by: int | None
) -> tuple[int, int, int]:
    """Pictures that are queued now, those that waited already, those whose question people have answered
    before; those that were deleted meanwhile are none of them.
    """
    names = sorted({one["label"] for one in questions if one["label"]})
    labels = label_numbers(connection, names, by=by)
    closed = select(queue_table.c.asset_id, queue_table.c.label_id).where(
        queue_table.c.source == "curate", queue_table.c.state == "done"
    )
    answered = {tuple(row) for row in connection.execute(closed).all()}
    there = set[int]()
    for page in in_pages(one["asset"] for one in questions):
        kept = select(assets.c.id).where(assets.c.id.in_(page), assets.c.deleted_at.is_(None))
        there |= set(connection.execute(kept).scalars())
    entries = [
        {
            "asset_id": one["asset"],
            "label_id": labels.get(one["label"]),
            "source": "curate",
            "reason": one["reason"],
            "uncertainty": 1 - place / len(questions),
        }
        for place, one in enumerate(questions)
        if one["asset"] in there
    ]
    fresh = [one for one in entries if (one["asset_id"], one["label_id"]) not in answered]
    queued = sum(enqueue(connection, page) for page in in_pages(fresh))
    return queued, len(fresh) - queued, len(entries) - len(fresh)
