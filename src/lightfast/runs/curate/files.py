"""What `curate` writes beside its page: the table of issues, every picture's scores, the queue for people,
and the next version of the data without the most doubtful pictures.
"""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.files import atomic, write_json, write_text
from lightfast.curate.copies import CopyGroup
from lightfast.curate.either_side import LabelledVectors, nearest_of_label
from lightfast.curate.flaws import Flaw
from lightfast.curate.issue_table import Issue
from lightfast.curate.listed_tags import TagIssue
from lightfast.curate.outliers import Outliers
from lightfast.curate.pruning import keep_mask, label_margin
from lightfast.data.answers import CONTENT, DECIDED, READ_AS, REVIEWER, shape_text
from lightfast.data.decisions import ReviewItem, ReviewQueue
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.pages.curate_result import JudgedPart
from lightfast.report.tables import points_text
from lightfast.runs.curate.labels import Judgement

PRUNED = "pruned"
_TO_PEOPLE = (
    "label",
    "missing label",
    "superfluous label",
    "identical, two labels",
    "near duplicate, two labels",
)
"""Kinds of issues that a person decides, in the order of the queue."""
_SHOWN = 3


@dataclass(frozen=True, eq=False)
class Findings:
    """Everything that was found about N pictures: `part_of` and `groups` (one number for copies of one) of
    each, `unit` features float32 (N, D).
    """

    images: ImageSet
    part_of: NDArray[np.str_]
    groups: NDArray[np.int64]
    unit: NDArray[np.float32]
    judgement: Judgement
    tag_issues: tuple[TagIssue, ...]
    copies: tuple[CopyGroup, ...]
    outliers: Outliers
    flaws: tuple[Flaw, ...]

    def label(self, row: int) -> str:
        """The given label of a picture, several joined by " + ", "" without."""
        images = self.images
        if images.tags is not None:
            return " + ".join(images.class_names[number] for number in np.flatnonzero(images.tags[row]))
        return "" if images.labels is None else images.class_names[images.labels[row]]

    def ids(self, rows: tuple[int, ...]) -> tuple[str, ...]:
        """The ids of some pictures."""
        return tuple(self.images.ids[row] for row in rows)


def issue_rows(found: Findings) -> tuple[Issue, ...]:
    """Every issue as one row, by kind, the worst of each kind first."""
    labels = [issue for part in found.judgement.parts for issue in _label_issues(found, part)]
    return (
        *sorted(labels, key=lambda one: one.score),
        *_tag_rows(found),
        *_copy_rows(found),
        *(
            _about(found, row, "outlier", float(found.outliers.similarity[row]), found.outliers.reason(row))
            for row in found.outliers.rows.tolist()
        ),
        *(_about(found, one.row, one.kind, 1 / (2 + one.strength), one.reason) for one in found.flaws),
    )


def _about(found: Findings, row: int, kind: str, score: float, reason: str) -> Issue:
    score = min(1.0, max(0.0, score))
    return Issue(
        kind, found.images.ids[row], str(found.part_of[row]), found.label(row), "", score, 0.0, reason
    )


def _label_issues(found: Findings, part: JudgedPart) -> Iterator[Issue]:
    """The doubted labels of a part with the nearest pictures on either side."""
    judged, names = part.found, found.images.class_names
    places = judged.worst_first()
    places = places[judged.is_issue[places]]
    rows = part.rows[places]
    number = {name: place for place, name in enumerate(names)}
    here = np.array([number[name] for name in judged.class_names])
    given, other = here[judged.given_label[places]], here[judged.suggested_label[places]]
    base = _vectors(found)
    # What is in question itself is no evidence.
    base.carries[part.rows[judged.is_issue]] = False
    agreeing, disagreeing = (nearest_of_label(base, rows, one, _SHOWN) for one in (given, other))
    for at, (place, row) in enumerate(zip(places.tolist(), rows.tolist(), strict=True)):
        yield Issue(
            "label",
            found.images.ids[row],
            str(found.part_of[row]),
            names[given[at]],
            names[other[at]],
            float(judged.label_quality[place]),
            float(part.pred_probs[place, judged.suggested_label[place]]),
            judged.reason_of(place),
            found.ids(agreeing[at]),
            found.ids(disagreeing[at]),
        )


def _vectors(found: Findings) -> LabelledVectors:
    images = found.images
    carries = images.tags
    if carries is None:
        carries = np.zeros((len(images), images.num_classes), dtype=np.bool_)
        carries[np.arange(len(images)), images.require_labels()] = True
    return LabelledVectors(found.unit, carries, found.groups)


def _tag_rows(found: Findings) -> Iterator[Issue]:
    if not found.tag_issues:
        return
    base, rows = _vectors(found), np.array([one.row for one in found.tag_issues])
    labels = np.array([one.label for one in found.tag_issues])
    carrying = nearest_of_label(base, rows, labels, _SHOWN)
    without = nearest_of_label(dataclasses.replace(base, carries=~base.carries), rows, labels, _SHOWN)
    for one, with_it, no_such in zip(found.tag_issues, carrying, without, strict=True):
        name = found.images.class_names[one.label]
        same, opposite = (no_such, with_it) if one.missing else (with_it, no_such)
        yield Issue(
            "missing label" if one.missing else "superfluous label",
            found.images.ids[one.row],
            str(found.part_of[one.row]),
            found.label(one.row),
            f"+ {name}" if one.missing else f"− {name}",
            one.label_quality,
            one.probability if one.missing else 1 - one.probability,
            one.reason,
            found.ids(same),
            found.ids(opposite),
        )


def _copy_rows(found: Findings) -> Iterator[Issue]:
    for group in found.copies:
        for row in group.rows:
            others = tuple(other for other in group.rows if other != row)
            one = _about(found, row, group.kind, 0.0 if group.conflict else 0.5, group.reason)
            yield dataclasses.replace(one, agreeing=found.ids(others[:_SHOWN]))


def review_queue(issues: tuple[Issue, ...], images: ImageSet) -> ReviewQueue:
    """What a person has to decide, in the order in which to look, with empty cells for the answers; `relabel`
    takes the filled queue.
    """
    ordered = [one for kind in _TO_PEOPLE for one in issues if one.kind == kind]
    items = tuple(
        ReviewItem(
            one.id, one.suggested_label or one.given_label, one.confidence, one.reason, one.given_label
        )
        for one in ordered
    )
    return ReviewQueue(items, _answer_columns(ordered, images))


def _answer_columns(ordered: Sequence[Issue], images: ImageSet) -> dict[str, NDArray[Any]]:
    content = dict(zip(images.ids, images.content_hashes, strict=True))
    nothing, shape = [""] * len(ordered), [shape_text(images.image_shape)] * len(ordered)
    columns = {
        DECIDED: nothing,
        REVIEWER: nothing,
        "kind": [one.kind for one in ordered],
        "part": [one.part for one in ordered],
        CONTENT: [content[one.id] for one in ordered],
        READ_AS: shape,
    }
    texts = {name: np.array(values, dtype=object) for name, values in columns.items()}
    return texts | {"label_quality": np.array([one.score for one in ordered], dtype=np.float64)}


def save_scores(path: Path, found: Findings) -> Path:
    """Every picture with its label, its scores side by side, and how alone it is; NaN where not judged."""
    import pandas as pd

    images, count = found.images, len(found.images)
    columns: dict[str, object] = {
        "id": images.ids,
        "part": found.part_of,
        "given_label": [found.label(row) for row in range(count)],
        "similarity": found.outliers.similarity,
    }
    for part in found.judgement.parts:
        judged = part.found
        scores = {"label_quality": judged.label_quality, **judged.scores}
        for name, values in scores.items():
            column = columns.setdefault(name, np.full(count, np.nan))
            column[part.rows] = values  # pyright: ignore[reportIndexIssue]
        suggested = columns.setdefault("suggested_label", np.full(count, "", dtype=object))
        suggested[part.rows] = np.array(judged.class_names, dtype=object)[judged.suggested_label]  # pyright: ignore[reportIndexIssue]
        issue = columns.setdefault("is_issue", np.zeros(count, dtype=np.bool_))
        issue[part.rows] = judged.is_issue  # pyright: ignore[reportIndexIssue]
    with atomic(path) as temporary:
        pd.DataFrame(columns).to_parquet(temporary, index=False)
    return path


def write_pruned(folder: Path, found: Findings, *, asked: bool) -> tuple[str, ...]:
    """The next version of the data without the chosen share of the most doubtful pictures, where that is
    shown to be a gain, or where the share was `asked` for; notes about it. The test part stays whole, and
    nothing is deleted.

    Of files `pruned.csv` (path, label, split) to be read with `root`, of arrays `pruned.npz`; `pruned.json`
    says which version it was made from and what was left out.
    """
    judgement, images = found.judgement, found.images
    pruning = judgement.pruning
    if pruning is None or not pruning.chosen or judgement.learned is None or judgement.out_of_sample is None:
        return ()
    share, gain = pruning.chosen, points_text(pruning.gain, pruning.interval)
    if not (pruning.shown or asked):
        said = f"leaving out {share:.0%} of the most doubtful pictures is no gain shown ({gain} points)"
        return (f"{said}: no pruned version was written; `prune={share:g}` writes it all the same",)
    labels = judgement.learned.require_labels()
    kept = keep_mask(label_margin(judgement.out_of_sample.pred_probs, labels), labels, share)
    left_out = judgement.rows[~kept]
    rows = np.setdiff1d(np.arange(len(images)), left_out)
    step = {"verb": "curate", "pruned": share, "left_out": len(left_out)}
    pruned = dataclasses.replace(images.take(rows), parent=images.version, history=(*images.history, step))
    target = _write_rows(folder, pruned, found.part_of[rows])
    facts = {"version": pruned.version, "parent": pruned.parent, "history": list(pruned.history)}
    write_json(folder / f"{PRUNED}.json", {**facts, "left_out": found.ids(tuple(left_out.tolist()))})
    said = f"the next version is {target.name}: without {len(left_out):,} pictures whose labels are doubtful"
    shown = "" if pruning.shown else f"; as asked, though no gain is shown ({gain} points)"
    return (f"{said}{shown}; nothing was deleted",)


def _write_rows(folder: Path, images: ImageSet, part_of: NDArray[np.str_]) -> Path:
    if (
        images.ids[:1]
        and images.ids[0].startswith(f"{images.name}/")
        and images.ids[0].rpartition("/")[2].isdigit()
    ):
        return save_npz(folder / f"{PRUNED}.npz", images)
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    parts = set(part_of.tolist())
    table.writerow(["path", "label", *["split"] * (len(parts) > 1)])
    for name, label, part in zip(images.ids, images.require_labels().tolist(), part_of.tolist(), strict=True):
        table.writerow([name, images.class_names[label], *[part] * (len(parts) > 1)])
    return write_text(folder / f"{PRUNED}.csv", stream.getvalue())
