"""Which labels a model of a library takes for which, with the pictures behind each count."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, func, select

from lightfast.base.errors import DataError
from lightfast.base.text import nfc
from lightfast.evaluate.metrics import confusion_matrix
from lightfast.evaluate.predictions import Predictions
from lightfast.library.add import KEPT
from lightfast.library.library import Library
from lightfast.library.promote import LibraryModel, run_of
from lightfast.library.schema import assets, labels, places, predictions, tags
from lightfast.library.store import in_pages
from lightfast.runs.folder import PILE_FILE, PREDICTIONS_FILE
from lightfast.runs.library.model_card import library_model_card

ConfusionPictures = Literal["test", "library"]


@dataclass(frozen=True, eq=False)
class LibraryConfusion:
    """N pictures with the label that they have and the one that the model gave.

    Attributes:
        pictures: "test": the test part of the model's own run; "library": pictures of the library that people
            labelled and the model has seen.
        class_names: K names.
        given, predicted: int64 (N,), label numbers in 0..K-1.
        asset_ids: int64 (N,), the library's number of the picture; 0 where the library has no such file.
        note: what has to be known of the counts, or "".
    """

    pictures: ConfusionPictures
    class_names: tuple[str, ...]
    given: NDArray[np.int64]
    predicted: NDArray[np.int64]
    asset_ids: NDArray[np.int64]
    note: str = ""

    def __len__(self) -> int:
        return len(self.given)

    @cached_property
    def counts(self) -> NDArray[np.int64]:
        """int64 (K, K), rows = given label, columns = predicted label."""
        return confusion_matrix(self.given, self.predicted, len(self.class_names))

    @property
    def reachable(self) -> int:
        """How many of the pictures are in the library."""
        return int((self.asset_ids > 0).sum())

    def cell(self, given: str, predicted: str) -> tuple[list[int], int]:
        """(the library's pictures in one cell, how many the cell counts). Raises DataError for a name that is
        no class.
        """
        row, column = (self._place(name) for name in (given, predicted))
        found = self.asset_ids[(self.given == row) & (self.predicted == column)]
        return found[found > 0].tolist(), len(found)

    def _place(self, name: str) -> int:
        if nfc(name) not in self.class_names:
            raise DataError(f"{name!r} is no class of the model", cure="Take one of its class names.")
        return self.class_names.index(nfc(name))


def library_confusion(library: Library, model: LibraryModel, pictures: ConfusionPictures) -> LibraryConfusion:
    """What a model takes for what, on pictures that it was not trained on.

    Raises DataError where the run keeps no predictions of its test pictures, and for a model that gives any
    number of labels a picture.
    """
    if library_model_card(library, model).one_label is False:
        raise DataError(
            f"{model.name} gives a picture any number of labels",
            expected="a model that gives one",
            cure="Look at its figures by label.",
        )
    folder = Path(run_of(library, model))
    return _of_test(library, folder) if pictures == "test" else _of_library(library, folder, model)


def _of_test(library: Library, folder: Path) -> LibraryConfusion:
    path = folder / PREDICTIONS_FILE
    if not path.is_file():
        raise DataError(
            f"{folder} keeps no predictions of its test pictures", cure="Ask for those of the library."
        )
    said = Predictions.load(path)
    with library.store.read() as connection:
        known = _assets_of(library, connection, said.ids)
    numbers = np.array([known.get(name, 0) for name in said.ids], np.int64)
    names = tuple(map(nfc, said.class_names))
    return LibraryConfusion("test", names, said.require_labels(), said.predicted_labels, numbers)


def _of_library(library: Library, folder: Path, model: LibraryModel) -> LibraryConfusion:
    names = tuple(map(nfc, model.class_names))
    place = {name: at for at, name in enumerate(names)}
    learned, note = _learned(folder)
    with library.store.read() as connection:
        left_out = set(_assets_of(library, connection, learned).values())
        given, predicted = _confirmed(connection), _predicted(connection, model.id)
    both = sorted(one for one in given.keys() & predicted.keys() if one not in left_out)
    kept = [one for one in both if given[one] in place and predicted[one] in place]
    if len(kept) < len(both):
        note += f" {len(both) - len(kept):,} pictures have a label that the model does not know."

    def column(values: Iterable[int]) -> NDArray[np.int64]:
        return np.fromiter(values, np.int64, len(kept))

    labels_of = column(place[given[one]] for one in kept), column(place[predicted[one]] for one in kept)
    return LibraryConfusion("library", names, *labels_of, column(kept), note)


def _learned(folder: Path) -> tuple[list[str], str]:
    """(files that the run was, or may have been, fitted or chosen on; how that is known)."""
    pile, tested = folder / PILE_FILE, folder / PREDICTIONS_FILE
    if not pile.is_file():
        return [], "It was trained elsewhere: whether it knows some of these pictures is not known."
    with pile.open(encoding="utf-8", newline="") as stream:
        files = [row["path"] for row in csv.DictReader(stream)]
    if not tested.is_file():
        return files, (
            "All pictures of its pile are left out: its run no longer says which of them it was tested on."
        )
    held = set(Predictions.load(tested).ids)
    return [one for one in files if one not in held], "Pictures that it was trained on are left out."


def _assets_of(library: Library, connection: Connection, names: Iterable[str]) -> dict[str, int]:
    """File → the picture of the library that lies there, of those that it has."""

    def address(name: str) -> str:
        path = Path(name)
        return KEPT + path.name if path.parent == library.kept else name

    named = {address(name): name for name in names}
    found = dict[str, int]()
    for page in in_pages(named):
        rows = connection.execute(select(places.c.uri, places.c.asset_id).where(places.c.uri.in_(page)))
        found |= {named[row.uri]: row.asset_id for row in rows}
    return found


def _confirmed(connection: Connection) -> dict[int, str]:
    """Picture → its label in the library's own words, of those that people gave exactly one."""
    own = labels.alias("own")
    rows = connection.execute(
        select(tags.c.asset_id, own.c.name)
        .join(labels, labels.c.id == tags.c.label_id)
        .join(own, own.c.id == func.coalesce(labels.c.same_as_id, labels.c.id))
        .join(assets, assets.c.id == tags.c.asset_id)
        .where(tags.c.decision_id.isnot(None), tags.c.state == "confirmed", assets.c.deleted_at.is_(None))
    )
    found: dict[int, set[str]] = {}
    for row in rows:
        found.setdefault(row.asset_id, set()).add(row.name)
    return {number: next(iter(names)) for number, names in found.items() if len(names) == 1}


def _predicted(connection: Connection, model_id: int) -> Mapping[int, str]:
    """Picture → the label that the model holds for the most probable."""
    rank = func.row_number().over(
        partition_by=predictions.c.asset_id,
        order_by=(predictions.c.probability.desc(), predictions.c.label_id),
    )
    ranked = (
        select(predictions.c.asset_id, predictions.c.label_id, rank.label("rank"))
        .where(predictions.c.model_id == model_id)
        .subquery()
    )
    first: Any = (
        select(ranked.c.asset_id, labels.c.name)
        .join(labels, labels.c.id == ranked.c.label_id)
        .where(ranked.c.rank == 1)
    )
    return {row.asset_id: row.name for row in connection.execute(first)}
