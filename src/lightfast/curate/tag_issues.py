"""Several labels a picture: tags that are probably missing and tags that are probably too many, apart."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from lightfast.base.errors import DataError
from lightfast.curate.cut import WrongLabels, automatic_cut, count_wrong
from lightfast.curate.noise_model import fit_noise_model, log_sources


@dataclass(frozen=True, eq=False)
class TagIssues:
    """N pictures with any of K tags, judged tag by tag.

    Attributes:
        class_names: K names.
        tags: bool (N, K), as given.
        tag_quality: float64 (N, K) in 0..1: how probable it is that the given yes or no is right.
        is_missing: bool (N, K): not given, and probably there.
        is_superfluous: bool (N, K): given, and probably not there.
        missing, superfluous: how many of each are estimated, one a tag, with intervals.
    """

    class_names: tuple[str, ...]
    tags: NDArray[np.bool_]
    tag_quality: NDArray[np.float64]
    is_missing: NDArray[np.bool_]
    is_superfluous: NDArray[np.bool_]
    missing: tuple[WrongLabels, ...]
    superfluous: tuple[WrongLabels, ...]

    def __len__(self) -> int:
        return len(self.tags)

    @property
    def label_quality(self) -> NDArray[np.float64]:
        """float64 (N,): the quality of the worst tag of each picture."""
        return self.tag_quality.min(axis=1)

    def reason_of(self, row: int) -> str:
        """What is probably wrong with the tags of one picture, in words."""
        said = [
            f"{what}: {', '.join(repr(self.class_names[one]) for one in np.flatnonzero(mask[row]))}"
            for what, mask in (
                ("probably missing", self.is_missing),
                ("probably too many", self.is_superfluous),
            )
            if mask[row].any()
        ]
        return "; ".join(said) or "nothing speaks against its tags"


def find_tag_issues(
    pred_probs: ArrayLike, tags: ArrayLike, *, class_names: Sequence[str] | None = None
) -> TagIssues:
    """Judge every tag of every picture as a yes or no of its own, by a noise model a tag, which lets a tag be
    forgotten more often than invented.

    Args:
        pred_probs: float (N, K) in 0..1, out of sample, each tag on its own.
        tags: bool (N, K), as given.
        class_names: K names; the numbers where there are none.

    Raises DataError for shapes that do not fit and for numbers outside 0..1.
    """
    probs, given = _checked(pred_probs, tags)
    names = tuple(str(one) for one in (range(probs.shape[1]) if class_names is None else class_names))
    if len(names) != probs.shape[1]:
        raise DataError("`class_names`", expected=f"{probs.shape[1]}, one a column", got=str(len(names)))
    quality = np.ones(probs.shape)
    for one in range(probs.shape[1]):
        sources = log_sources(np.stack([1 - probs[:, one], probs[:, one]], axis=1))
        labels = given[:, one].astype(np.int64)
        # A tag that all or no pictures carry has nothing to compare with.
        if 0 < labels.sum() < len(labels):
            quality[:, one] = fit_noise_model(sources, labels).judged(sources, labels, 0.0)[0]
    missing, superfluous = (_issues(quality, rows) for rows in (~given, given))
    return TagIssues(
        names,
        given,
        quality,
        missing,
        superfluous,
        _counted(quality, ~given, names),
        _counted(quality, given, names),
    )


def _checked(pred_probs: ArrayLike, tags: ArrayLike) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    probs, given = np.asarray(pred_probs), np.asarray(tags)
    if probs.ndim != 2 or probs.dtype.kind != "f" or not probs.size:
        raise DataError("`pred_probs`", expected="floats (N, K)", got=f"{probs.dtype} {probs.shape}")
    # A comparison with NaN is false, so NaN is caught as well.
    wrong = np.flatnonzero(~((probs >= 0) & (probs <= 1)).all(axis=1))
    if len(wrong):
        raise DataError(
            f"`pred_probs` of row {wrong[0]}", expected="numbers in 0..1", got=str(probs[wrong[0]])[:80]
        )
    if given.shape != probs.shape or given.dtype != np.bool_:
        raise DataError("`tags`", expected=f"bool {probs.shape}", got=f"{given.dtype} {given.shape}")
    return probs.astype(np.float32), given


def _issues(quality: NDArray[np.float64], rows: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """One cut over all tags, of those that are given or of those that are not."""
    if not rows.any():
        return np.zeros_like(rows)
    return rows & (quality <= automatic_cut(quality[rows]).quality)


def _counted(
    quality: NDArray[np.float64], rows: NDArray[np.bool_], names: tuple[str, ...]
) -> tuple[WrongLabels, ...]:
    places = np.nonzero(rows)
    return count_wrong(quality[places], places[1], names)[0]
