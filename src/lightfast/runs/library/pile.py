"""The pile that a library trains on: what people confirmed, with the untouched part marked as such."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.files import write_text
from lightfast.data.dataset import ImageSpec
from lightfast.data.images import ImageSet
from lightfast.data.lists.not_labels import NOT_LABEL, UNLABELLED_PART
from lightfast.data.splits import split_loaded
from lightfast.experiments.few_choice import MOST_UNLABELLED
from lightfast.experiments.few_labels import FEW_LABELS
from lightfast.library.held_out import held_out_assets, learned_from
from lightfast.library.labelled import (
    LabelledAsset,
    LabelledAssets,
    labelled_assets,
    too_few_labels,
    undecided_assets,
)
from lightfast.library.ledger import LEDGER_MARGIN, Spent, spent_since_last
from lightfast.library.library import Library
from lightfast.runs.fit import TrainOptions
from lightfast.runs.folder import PILE_FILE
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.train.recipe import Recipe

_SHARE, _FEW_SHARE = 0.2, 0.1
_SHOWN = 3


@dataclass(frozen=True)
class RetrainOptions:
    """How a library trains its next model.

    Attributes:
        model, recipe, config, train_options: as `train` takes them.
        share: of the pictures decided since the last retraining that join the untouched part, 0..1; None: a
            fifth; for model "auto" a tenth while so few are decided that each teaches much (`FEW_LABELS`).
        margin: a new model is used where it is not worse by more than this, 0..1 (`ledger.not_worse`).
        promote: use the new model where it is not worse; otherwise it is only kept.
        by: number of the user who wants it, for the audit; None: nobody who is known.
        order: names what was ordered, where it may be begun again after a kill: it is done once.
    """

    model: str = "auto"
    recipe: Recipe | None = None
    config: Mapping[str, Any] | None = None
    train_options: TrainOptions = field(default_factory=TrainOptions)
    share: float | None = None
    margin: float = LEDGER_MARGIN
    promote: bool = True
    by: int | None = None
    order: str = ""

    def share_of(self, pictures: int) -> float:
        """The share, of so many decided pictures."""
        if self.share is not None:
            return self.share
        return _FEW_SHARE if self.model == "auto" and pictures < FEW_LABELS else _SHARE


@dataclass(frozen=True, eq=False)
class TrainingPile:
    """What is trained on and judged on.

    Attributes:
        labelled: what people have decided.
        spent: decisions and minutes since the last training.
        held: the untouched part, the newly drawn ones among it.
        held_new: assets that are newly drawn. They are kept as such (`hold_out`) only once a model was
            trained without them, so that a training which failed draws the same ones again.
        notes: a sentence each.
        unlabelled: files of undecided pictures, where labels are so few that these help.
    """

    labelled: LabelledAssets
    spent: Spent
    held: Sequence[LabelledAsset]
    held_new: tuple[int, ...]
    notes: tuple[str, ...]
    unlabelled: Sequence[Path] = ()

    @property
    def ruled_out(self) -> list[tuple[LabelledAsset, str]]:
        """Pictures without a label beside a label that they are said not to have, a pair each; none where
        some picture has several labels, and none of the untouched part.
        """
        if self.labelled.several:
            return []
        held = {one.asset_id for one in self.held}
        known = [one for one in self.labelled.negatives if one.asset_id not in held]
        return [(one, name) for one in known for name in one.rejected]

    @property
    def rest(self) -> list[LabelledAsset]:
        """The pictures to learn from."""
        held = {one.asset_id for one in self.held}
        return [one for one in self.labelled.pictures if one.asset_id not in held]

    @property
    def untaught(self) -> frozenset[str]:
        """Labels of the untouched part of which there is no picture to learn from."""
        taught = {name for one in self.rest for name in one.labels}
        return frozenset(name for one in self.held for name in one.labels) - taught

    @property
    def written(self) -> list[LabelledAsset]:
        """The labelled pictures that `train` reads: it refuses a class that its test part alone has. The
        comparison reads those all the same.
        """
        held, untaught = {one.asset_id for one in self.held}, self.untaught
        pictures = self.labelled.pictures
        return [one for one in pictures if one.asset_id not in held or untaught.isdisjoint(one.labels)]


def make_pile(library: Library, options: RunOptions, wanted: RetrainOptions) -> TrainingPile:
    """The labelled pictures, divided: the untouched part grows by a share of what nobody learned from."""
    labelled = labelled_assets(library)
    with library.store.read() as connection:
        held, old, spent = held_out_assets(connection), learned_from(connection), spent_since_last(connection)
    if len({name for one in labelled.pictures for name in one.labels}) < 2:
        raise too_few_labels(len(labelled.pictures))
    fresh = _chosen(library, labelled, options, wanted, held | old)
    judged = [one for one in labelled.pictures if one.asset_id in held | set(fresh)]
    pile = TrainingPile(labelled, spent, judged, tuple(fresh), labelled.notes)
    if pile.untaught:
        pile = replace(pile, notes=(*pile.notes, _untaught_note(sorted(pile.untaught))))
    if wanted.model != "auto" or labelled.several or len(pile.rest) >= FEW_LABELS:
        return pile
    return replace(pile, unlabelled=undecided_assets(library, MOST_UNLABELLED, options.seed))


def _untaught_note(names: Sequence[str]) -> str:
    shown = ", ".join(repr(one) for one in names[:_SHOWN]) + ", …" * (len(names) > _SHOWN)
    return (
        f"of {shown} only untouched pictures are left: the model does not learn it, and reads them wrong; "
        "label more pictures so"
    )


def _chosen(
    library: Library,
    labelled: LabelledAssets,
    options: RunOptions,
    wanted: RetrainOptions,
    known: Collection[int],
) -> list[int]:
    """Which pictures join the untouched part: a share of those that are new, label by label, near duplicates
    on one side. Near duplicates of what was learned from do not; those of the part leave the training by
    themselves (`split_loaded`).
    """
    if all(one.asset_id in known for one in labelled.pictures):
        return []
    bare = replace(labelled, negatives=())
    pile = write_pile(library.runs / f".{PILE_FILE}", TrainingPile(bare, Spent(0, 0, 0), (), (), ()))
    try:
        prepared = prepare(str(pile), options, target=ImageSpec(options.image_size))
    finally:
        pile.unlink(missing_ok=True)
    images = prepared.data.part("all")
    numbers = {str(one.path): one.asset_id for one in labelled.pictures}
    assets = np.array([numbers[name] for name in images.ids])
    free = _far_from(images, np.isin(assets, sorted(known)))
    if not len(free):
        return []
    share = wanted.share_of(len(labelled.pictures))
    data = replace(prepared.data, train=_own_classes(images.take(free)), val=None, test=None)
    try:
        part = split_loaded(data, val=0.0, test=share, seed=options.seed).test
    except DataError:
        # Too few new ones to divide: they wait for the next time in the training part, unless nothing was
        # ever held out.
        if known:
            return []
        raise
    return sorted(numbers[name] for name in part.ids)


def _own_classes(images: ImageSet) -> ImageSet:
    """The set with the classes that its pictures have."""
    if images.tags is not None:
        held = np.flatnonzero(images.tags.any(axis=0))
        names = tuple(images.class_names[one] for one in held)
        return replace(images, tags=images.tags[:, held], class_names=names)
    held, labels = np.unique(images.require_labels(), return_inverse=True)
    names = tuple(images.class_names[one] for one in held)
    return replace(images, labels=labels.astype(np.int64), class_names=names)


def _far_from(images: ImageSet, known: NDArray[Any]) -> NDArray[Any]:
    """Rows without a copy or near duplicate among the `known` ones (bool (N,))."""
    hashes = np.array(images.content_hashes)
    near = np.isin(hashes, hashes[known])
    if images.groups is not None:
        near |= np.isin(images.groups, images.groups[known])
    return np.flatnonzero(~near)


def write_pile(path: Path, plan: TrainingPile) -> Path:
    """The table that `train` reads: path, label (or a JSON list of labels), part; where people only said what
    a picture is not, an empty label and that in `not_label`, a row each; unlabelled ones last.
    """
    held, ruled_out = {one.asset_id for one in plan.held}, plan.ruled_out
    label = "labels" if plan.labelled.several else "label"
    columns = ["path", label]
    if held or plan.unlabelled:
        columns.append("split")
    if ruled_out:
        columns.append(NOT_LABEL)
    text = io.StringIO()
    rows = csv.DictWriter(text, columns, extrasaction="ignore")
    rows.writeheader()
    for one in plan.written:
        cell = json.dumps(one.labels, ensure_ascii=False) if plan.labelled.several else one.labels[0]
        part = "test" if one.asset_id in held else "train"
        rows.writerow({"path": str(one.path), label: cell, "split": part})
    for one, name in ruled_out:
        rows.writerow({"path": str(one.path), "split": "train", NOT_LABEL: name})
    for file in plan.unlabelled:
        rows.writerow({"path": str(file), "split": UNLABELLED_PART})
    return write_text(path, text.getvalue())
