"""The pictures of which people have said what they are, for a training: only what a person decided counts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, func, select

from lightfast.base.errors import DataError
from lightfast.base.randomness import generator
from lightfast.library.access import files_of
from lightfast.library.held_out import held_out_assets
from lightfast.library.library import Library
from lightfast.library.schema import assets, labels, tags
from lightfast.library.store import in_pages

"""Numbers in one question to the database."""


@dataclass(frozen=True)
class LabelledAsset:
    """A picture with what people decided about it.

    Attributes:
        asset_id: the picture.
        path: a file that holds it.
        labels: what it is, by name; none where people only said what it is not.
        rejected: what it is not, by name.
    """

    asset_id: int
    path: Path
    labels: tuple[str, ...]
    rejected: tuple[str, ...] = ()


@dataclass(frozen=True)
class LabelledAssets:
    """What people have decided.

    Attributes:
        pictures: with at least one label, in the order of their numbers.
        negatives: of which is only known what they are not.
        lost: how many decided pictures have no file where it was, as it was.
        retired: labels that are no longer in the taxonomy → how many pictures people gave them: the tags
            stay, and are not trained on.
    """

    pictures: tuple[LabelledAsset, ...]
    negatives: tuple[LabelledAsset, ...]
    lost: int
    retired: dict[str, int]

    @property
    def several(self) -> bool:
        """Whether some picture has more than one label."""
        return any(len(one.labels) > 1 for one in self.pictures)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is left out of a training, a sentence each."""
        said: list[str] = []
        if self.several:
            count = sum(len(one.labels) > 1 for one in self.pictures)
            said.append(
                f"{count:,} of {len(self.pictures):,} pictures have several labels: the model is trained to "
                "give several labels a picture"
            )
        if self.negatives:
            taught = ", which a model of several labels does not learn" if self.several else ""
            said.append(f"{len(self.negatives):,} pictures are known only for what they are not{taught}")
        if self.lost:
            said.append(f"{self.lost:,} decided pictures have no file where it was, as it was: left out")
        said += [
            f"{name!r} is no longer in the taxonomy; {count:,} tags of people stay, untrained"
            for name, count in sorted(self.retired.items())
        ]
        return tuple(said)


def labelled_assets(library: Library) -> LabelledAssets:
    """The pictures that people have decided on, with their files.

    Labels that a machine's rule accepted are left out: a model does not learn from its own word. A client's
    word for one of the library's labels counts as that label.
    """
    with library.store.read() as connection:
        names = _names(connection)
        given = _decided(connection)
        files = _files(library, connection, given)
    retired: Counter[str] = Counter()
    found = [
        _labelled(number, files[number], rows, names, retired)
        for number, rows in given.items()
        if number in files
    ]
    return LabelledAssets(
        tuple(one for one in found if one.labels),
        tuple(one for one in found if one.rejected and not one.labels),
        sum(number not in files for number in given),
        dict(retired),
    )


def undecided_assets(library: Library, count: int, seed: int) -> list[Path]:
    """Files of at most `count` pictures on which no person has decided anything, drawn by lot; none of the
    untouched part.
    """
    mine = select(tags.c.asset_id).where(tags.c.asset_id == assets.c.id, tags.c.decision_id.isnot(None))
    with library.store.read() as connection:
        free = connection.execute(
            select(assets.c.id)
            .where(~mine.exists(), assets.c.deleted_at.is_(None), assets.c.unreadable.is_(None))
            .order_by(assets.c.id)
        )
        held = held_out_assets(connection)
        numbers = [number for number in free.scalars() if number not in held]
        drawn = generator(seed, "undecided").permutation(len(numbers))[:count]
        files = _files(library, connection, sorted(numbers[one] for one in drawn))
    return [files[number] for number in sorted(files)]


def require_two_labels(library: Library) -> None:
    """Refuse a training before anything is loaded for it, where people have confirmed fewer than two labels:
    raises DataError.
    """
    own = labels.alias("own")
    given = (
        select(own.c.id)
        .select_from(tags)
        .join(assets, assets.c.id == tags.c.asset_id)
        .join(labels, labels.c.id == tags.c.label_id)
        .join(own, own.c.id == func.coalesce(labels.c.same_as_id, labels.c.id))
        .where(tags.c.decision_id.isnot(None), tags.c.state == "confirmed")
        .where(labels.c.retired_at.is_(None), own.c.retired_at.is_(None))
        .where(assets.c.deleted_at.is_(None), assets.c.unreadable.is_(None))
    )
    with library.store.read() as connection:
        if connection.execute(select(func.count(given.distinct().subquery().c.id))).scalar_one() < 2:
            count = select(func.count(tags.c.asset_id.distinct())).where(
                tags.c.decision_id.isnot(None), tags.c.state == "confirmed"
            )
            raise too_few_labels(connection.execute(count).scalar_one())


def too_few_labels(pictures: int) -> DataError:
    """The error of so few decisions that nothing can be trained."""
    return DataError(
        "too little is decided to train on",
        expected="pictures of at least two labels that people confirmed",
        got=f"{pictures:,} pictures",
        cure="Decide more: lightfast library review LIBRARY.",
    )


def _labelled(
    number: int, path: Path, rows: Sequence[Any], names: Mapping[int, tuple[str, bool]], retired: Counter[str]
) -> LabelledAsset:
    """A picture with its labels in the library's own words; those that left the taxonomy are counted."""
    yes, no = set[str](), set[str]()
    for row in rows:
        name, gone = names[row.label_id]
        confirmed = row.state == "confirmed"
        if not gone:
            (yes if confirmed else no).add(name)
        elif confirmed:
            retired[name] += 1
    # Confirmed in one client's words and rejected in another's: the label is open, and not taught.
    return LabelledAsset(number, path, tuple(sorted(yes - no)), tuple(sorted(no)))


def _names(connection: Connection) -> dict[int, tuple[str, bool]]:
    """Label → (its name in the library's own words, whether it has left the taxonomy)."""
    rows = {row.id: row for row in connection.execute(select(labels))}
    found = {}
    for number, row in rows.items():
        own = rows.get(row.same_as_id, row)
        found[number] = (own.name, row.retired_at is not None or own.retired_at is not None)
    return found


def _decided(connection: Connection) -> dict[int, list[Any]]:
    """asset → its tags that a person decided."""
    rows = connection.execute(
        select(tags.c.asset_id, tags.c.label_id, tags.c.state)
        .join(assets, assets.c.id == tags.c.asset_id)
        .where(tags.c.decision_id.isnot(None), assets.c.deleted_at.is_(None), assets.c.unreadable.is_(None))
        .order_by(tags.c.asset_id, tags.c.label_id)
    )
    found: dict[int, list[Any]] = {}
    for row in rows:
        found.setdefault(row.asset_id, []).append(row)
    return found


def _files(library: Library, connection: Connection, numbers: Iterable[int]) -> dict[int, Path]:
    found: dict[int, Path] = {}
    for page in in_pages(numbers):
        found |= files_of(library, connection, page)
    return found
