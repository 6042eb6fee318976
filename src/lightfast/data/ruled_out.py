"""`RuledOut`: pictures without a label, and what they are known not to be, for a training to learn from."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.data.images import ImageSet


@dataclass(frozen=True, eq=False)
class RuledOut:
    """M pictures without a label, and the classes that people said they are not (complementary labels).

    Attributes:
        images: without labels.
        classes: bool (M, K): True where a class is ruled out; every row leaves one. A row that rules out none
            is a picture of which nothing is known.
    """

    images: ImageSet
    classes: NDArray[np.bool_]

    def __post_init__(self) -> None:
        classes = self.classes
        if classes.dtype != np.bool_ or classes.ndim != 2 or len(classes) != len(self.images):
            raise DataError(
                f"{self.images.name}: classes that are ruled out",
                expected=f"bool ({len(self.images)}, K), one row a picture",
                got=f"{classes.dtype} {classes.shape}",
            )
        odd = np.flatnonzero(classes.all(axis=1))
        if len(odd):
            raise DataError(
                f"{self.images.ids[odd[0]]}: classes that are ruled out",
                expected="not all of them",
                got=f"{int(classes[odd[0]].sum())} of {classes.shape[1]}",
                cure="Leave the picture out.",
            )

    def __len__(self) -> int:
        return len(self.images)

    @property
    def version(self) -> str:
        """Id of the pictures and of what is ruled out (hex, 16 characters)."""
        digest = hashlib.blake2b(self.images.version.encode(), digest_size=8)
        digest.update(np.packbits(self.classes, axis=1).tobytes())
        return digest.hexdigest()

    @property
    def says_something(self) -> NDArray[np.bool_]:
        """bool (M,): the rows that rule out a class."""
        return np.asarray(self.classes.any(axis=1), dtype=np.bool_)

    def take(self, rows: NDArray[np.integer] | Sequence[int]) -> Self:
        """The pictures at `rows`, in that order."""
        chosen = np.asarray(rows, dtype=np.int64)
        return type(self)(self.images.take(chosen), self.classes[chosen])

    def without_copies_of(self, *held: ImageSet) -> Self:
        """Those whose pixels are in none of the sets."""
        others = {one for images in held for one in images.content_hashes}
        return self.take([row for row, one in enumerate(self.images.content_hashes) if one not in others])


def not_these(
    pairs: Sequence[tuple[str, str]], class_names: Sequence[str]
) -> tuple[dict[str, NDArray[np.bool_]], tuple[str, ...]]:
    """({picture: bool (K,) the classes that it is not}, notes) of pairs (picture, class).

    A class that is not among `class_names` rules nothing out; pictures of which nothing, or no class, is left
    are left out, and a note counts them.
    """
    numbers = {name: number for number, name in enumerate(class_names)}
    found: dict[str, NDArray[np.bool_]] = {}
    for picture, name in pairs:
        row = found.setdefault(picture, np.zeros(len(class_names), dtype=np.bool_))
        if name in numbers:
            row[numbers[name]] = True
    kept = {picture: row for picture, row in found.items() if row.any() and not row.all()}
    lost = len(found) - len(kept)
    said = f"{lost:,} picture(s) are known only for what they are not, and that rules out no class, or all"
    return kept, (f"{said}: left out",) if lost else ()
