"""Features in fewer dimensions beside the whole ones, so that every picture is compared at each search."""

from __future__ import annotations

import fcntl
import hashlib
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightfast.base.files import atomic, load_json, make_folder, storage_errors, write_json
from lightfast.base.progress import Reporter, silent
from lightfast.curate.embed import unit_rows
from lightfast.curate.neighbours import REDUCED, principal_axes
from lightfast.library.feature_files import REDUCED_FOLDER, FeatureFile

WHOLE = 1_000
"""Up to so many pictures all features are compared."""
_AXES, _ROWS, _BUILT, _LOCK = "axes.npy", "rows.f32", "built.json", "reduced.lock"
_SAMPLE, _BLOCK = 20_000, 16_384


@dataclass(frozen=True, eq=False)
class ReducedVectors:
    """The features of N pictures on their R longest axes, at length 1 there.

    Axes leave pictures unequally long (0.68 to 0.96 of 200,000): by products of those, what lies whole on the
    axes comes before what is nearer, and an index that walks from neighbour to neighbour is drawn to it. Of
    the ten nearest by whole features the best 204 of 200,000 hold .993 by cosines, .975 by such products; the
    1,250 that a graph of pgvector gives hold 1.000 and .915.

    Attributes:
        name: of these axes: others of the same network begin alike, up to the `_`.
        axes: float32 (D, R), not centred: the cosines are about the origin, as those of whole features.
        rows: float32 (N, R), mapped into memory; each of length 1, or all zeros.
    """

    name: str
    axes: NDArray[np.float32]
    rows: NDArray[np.float32]


def load_reduced(known: FeatureFile, report: Reporter = silent) -> ReducedVectors | None:
    """The reduced features of all pictures of `known`, brought up to date; None where the whole ones are as
    quick: at most 1,000 pictures, or few features.

    The axes are found anew when there are twice as many pictures as when they were found.
    """
    if len(known) <= WHOLE or known.format.width <= 2 * REDUCED:
        return None
    place = known.folder / REDUCED_FOLDER
    with _alone(known.folder):
        if not _serves(place, len(known)):
            _find_axes(known, place)
        axes = np.load(place / _AXES)
        _grow(known, place, axes, report)
        # Before others may find new axes: what is open stays.
        rows = np.memmap(place / _ROWS, dtype=np.float32, mode="r", shape=(len(known), axes.shape[1]))
        return ReducedVectors(load_json(place / _BUILT)["name"], axes, rows)


def _serves(place: Path, pictures: int) -> bool:
    """Whether what was built holds for so many pictures; older versions did not bring rows to length 1."""
    if not (place / _BUILT).is_file():
        return False
    built = load_json(place / _BUILT)
    return bool(built.get("unit")) and pictures < 2 * built["pictures"]


def _find_axes(known: FeatureFile, place: Path) -> None:
    """The axes of a sample; what was reduced on other axes goes."""
    with storage_errors(place):
        shutil.rmtree(place, ignore_errors=True)
    make_folder(place)
    step = max(1, len(known) // _SAMPLE)
    axes = principal_axes(unit_rows(known.vectors[::step]))
    with atomic(place / _AXES) as temporary, temporary.open("wb") as stream:
        np.save(stream, axes)
    owner = hashlib.blake2b(known.format.source.encode(), digest_size=4).hexdigest()
    # Never the same again: a table of rows that were lost must not be taken for these.
    name = f"{owner}_{secrets.token_hex(6)}"
    # Last: what has this file is whole.
    write_json(place / _BUILT, {"name": name, "pictures": len(known), "unit": True})


def _grow(known: FeatureFile, place: Path, axes: NDArray[np.float32], report: Reporter) -> None:
    width = axes.shape[1]
    with storage_errors(place), (place / _ROWS).open("ab") as stream:
        # A row that was half written is written again.
        start = stream.tell() // (4 * width)
        stream.truncate(start * 4 * width)
        for first in range(start, len(known), _BLOCK):
            block = unit_rows(unit_rows(known.vectors[first : first + _BLOCK]) @ axes)
            stream.write(block.astype(np.float32).tobytes())
            report("reducing", min(first + _BLOCK, len(known)), len(known), known.format.source)


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    with storage_errors(folder), (folder / _LOCK).open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
