"""Is it looking at the background? Foregrounds on the backgrounds of other pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.plain import HIDDEN
from lightfast.base.progress import Reporter, silent
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.evaluate.predict import pred_probs
from lightfast.explain.foreground import Foreground, background_plates, cut_foreground
from lightfast.models.checkpoint import Checkpoint
from lightfast.statistics.intervals import Interval, wilson

LEAST_GAP = 0.02
"""The gap that its interval has to exceed, a convention: how much a cut makes that leaves a part of the thing
in the background was not measured, and it can be all of the gap.
"""
LEANS = "it leans on the background"
LEANS_IF_WHOLE = "it leans on the background if the cuts are whole"
NOT_SHOWN = "that it leans on the background is not shown"
UNCLEAR = "this cannot be told"
ORIGINAL, OWN_CLASS, OTHER_CLASS, ALONE = (
    "the picture itself",
    "on a background of its own class",
    "on a background of another class",
    "the background alone",
)
MIN_PULLED = 10
"""Composites that a background's pull is told from at least."""
_EXAMPLES = 12
# Cuts a progress report.
_BLOCK = 32


@dataclass(frozen=True)
class ReadShare:
    """Of `n` pictures the share that was read as asked, 0..1, with its 95 % Wilson interval."""

    value: float
    interval: Interval
    n: int


@dataclass(frozen=True)
class BackgroundPull:
    """What the backgrounds of one class draw to it.

    Attributes:
        name: the class.
        on_it: of things of other classes on its backgrounds, the share read as it.
        elsewhere: of things of other classes on backgrounds of other classes, the share read as it.
    """

    name: str
    on_it: ReadShare
    elsewhere: ReadShare


@dataclass(frozen=True, eq=False)
class CompositeImages:
    """Composites to look at, each uint8 (R, H, W, C), and what each was read as (R,), class numbers.

    `pictures`, `own_class`, `other_class` and `alone` are the four readings of the same R pictures.
    """

    ids: tuple[str, ...]
    labels: NDArray[np.int64]
    background_labels: NDArray[np.int64]
    masks: NDArray[np.bool_]
    shown: tuple[NDArray[np.uint8], ...]
    predicted: tuple[NDArray[np.int64], ...]


@dataclass(frozen=True, eq=False)
class BackgroundCheck:
    """How a classifier reads things on other backgrounds (Xiao et al. 2020, "Noise or signal").

    Attributes:
        n: pictures whose foreground was found, with a background of both kinds to put it on.
        without_foreground: the pictures left out: none was found, or their class has no other background.
        at_frame: of these, those that were not cut since the thing reaches the frame.
        original, own_class, other_class: right on the picture itself; with its foreground on the background
            of another picture of its class; of another class.
        alone: the background alone is read as the class of the picture.
        as_background: of foregrounds on another class's background the share read as that class.
        gap: the paired test of the last two, after = own class: their BG-gap. Both are pasted, so that seams
            do not count.
        foreground_gain: what the foreground adds: the paired test of the background alone (before) and of the
            foreground on a background of its own class (after).
        pulls: what each class's backgrounds draw to it, the strongest first; classes with at least
            `MIN_PULLED` composites.
        verdict: `LEANS`, `LEANS_IF_WHOLE`, `NOT_SHOWN` or `UNCLEAR`. The second where masks were cut and no
            foreground gain above `LEAST_GAP` is shown: so reads a network that looks at the background, and
            one that looks at a part of the thing that the cut left there.
        seed: of the backgrounds drawn.
        examples: some of the composites; not in the JSON.
    """

    n: int
    without_foreground: int
    at_frame: int
    original: ReadShare
    own_class: ReadShare
    other_class: ReadShare
    alone: ReadShare
    as_background: ReadShare
    gap: PairedTest
    foreground_gain: PairedTest
    pulls: tuple[BackgroundPull, ...]
    verdict: str
    seed: int
    examples: CompositeImages = field(metadata=HIDDEN, repr=False)
    JSON_PROPERTIES: ClassVar = ("leans", "leans_if_whole")

    @property
    def leans(self) -> bool:
        """Whether the verdict is that it does, without a condition."""
        return self.verdict == LEANS

    @property
    def leans_if_whole(self) -> bool:
        """Whether the verdict is that it does, with or without the condition that the cuts are whole."""
        return self.verdict in (LEANS, LEANS_IF_WHOLE)

    def sentence(self) -> str:
        """The verdict with its figures."""
        low, high = (100 * end for end in self.gap.difference_interval)
        figures = (
            f"{100 * self.own_class.value:.1f} % right on backgrounds of their own class, "
            f"{100 * self.other_class.value:.1f} % on those of another: a gap of "
            f"{100 * self.gap.difference:.1f} points, 95 % interval {low:.1f} to {high:.1f}, n = {self.n:,}"
        )
        why = {
            LEANS: f"The interval lies above {100 * LEAST_GAP:g} points.",
            LEANS_IF_WHOLE: (
                "That the foreground adds as much is not shown, for the background alone is read as its "
                f"picture's class in {100 * self.alone.value:.1f} %: look whether the cuts left a part of "
                "the thing in it."
            ),
            NOT_SHOWN: f"A gap up to {high:.1f} points would not have been seen.",
            UNCLEAR: "What was cut out is hardly read on any other background.",
        }[self.verdict]
        return f"{self.verdict[0].upper()}{self.verdict[1:]} ({figures}). {why}".replace(
            " -", " \N{MINUS SIGN}"
        )


def check_background(
    classifier: Checkpoint,
    images: ImageSet,
    *,
    foreground: Foreground | None = None,
    seed: int = 0,
    report: Reporter = silent,
) -> BackgroundCheck:
    """Put every foreground on the background of another picture of its class, and of one of another class.

    A network that looks at the thing reads both alike; one that looks at the background reads the second
    worse, and as the class of the background.

    Args:
        classifier: one label a picture.
        images: labelled pictures that it has not seen, of at least two classes.
        foreground: masks that are known (`checked_foreground`), taken for whole; None: cut out by
            `cut_foreground`.
        report: told about progress.

    Raises DataError where no picture has a foreground and two backgrounds to put it on, CheckpointError for
    other classes than the classifier's.
    """
    classifier.require_classes(images.class_names, images.name)
    labels = images.require_labels()
    cut = foreground or _cut_in_blocks(images.images, report)
    if cut.masks.shape != images.images.shape[:3]:
        raise DataError("foreground masks", expected=str(images.images.shape[:3]), got=str(cut.masks.shape))
    rng = generator(seed, "explain", "background")
    own, other = _donors(labels, cut.found, rng)
    rows = np.flatnonzero(cut.found & (own >= 0) & (other >= 0))
    if not len(rows):
        raise DataError(
            f"{images.name}: no picture has a foreground that could be told from its border and other "
            f"backgrounds to put it on ({int(cut.at_frame.sum()):,} of {len(images):,} reach the frame)",
            cure="Give pictures of things before a background, at least two of each of two classes.",
        )
    plates = _plates(images.images, cut.masks, np.unique(np.concatenate([rows, own[rows], other[rows]])))
    masks = cut.masks[rows, ..., None]
    things = images.images[rows]
    shown = (
        things,
        np.where(masks, things, np.stack([plates[row] for row in own[rows].tolist()])),
        np.where(masks, things, np.stack([plates[row] for row in other[rows].tolist()])),
        np.stack([plates[row] for row in rows.tolist()]),
    )
    predicted = []
    for step, pictures in enumerate(shown):
        report("reading", step, len(shown), "composites")
        predicted.append(pred_probs(classifier, pictures).argmax(axis=1).astype(np.int64))
    report("reading", len(shown), len(shown), f"{len(rows):,} pictures")
    read = _Readings(labels[rows], labels[other[rows]], tuple(predicted))
    examples = read.examples(images, rows, cut.masks, shown)
    return read.check(images.class_names, cut, seed, examples)


def _cut_in_blocks(images: NDArray[np.uint8], report: Reporter) -> Foreground:
    cuts = []
    for start in range(0, len(images), _BLOCK):
        report("cutting out", start, len(images), f"{start:,} of {len(images):,}")
        cuts.append(cut_foreground(np.ascontiguousarray(images[start : start + _BLOCK])))
    report("cutting out", len(images), len(images), f"{len(images):,}")
    masks, found, at_frame = (
        np.concatenate([getattr(one, name) for one in cuts]) for name in ("masks", "found", "at_frame")
    )
    return Foreground(masks, found, at_frame, known=False)


def _donors(
    labels: NDArray[np.int64], found: NDArray[np.bool_], rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """For every picture a row of its own class and one of another (the class drawn first), −1 without."""
    own, other = (np.full(len(labels), -1, dtype=np.int64) for _ in range(2))
    rows_of = {int(label): np.flatnonzero(found & (labels == label)) for label in np.unique(labels[found])}
    for row in np.flatnonzero(found):
        label = int(labels[row])
        alike = rows_of[label][rows_of[label] != row]
        classes = [one for one in rows_of if one != label]
        if len(alike):
            own[row] = rng.choice(alike)
        if classes:
            other[row] = rng.choice(rows_of[int(rng.choice(classes))])
    return own, other


def _plates(
    images: NDArray[np.uint8], masks: NDArray[np.bool_], rows: NDArray[np.int64]
) -> dict[int, NDArray[np.uint8]]:
    """Row → the picture without its foreground."""
    filled = background_plates(np.ascontiguousarray(images[rows]), masks[rows])
    return dict(zip(rows.tolist(), filled, strict=True))


def _share(right: NDArray[np.bool_]) -> ReadShare:
    n, hits = len(right), int(right.sum())
    return ReadShare(hits / n if n else 0.0, wilson(hits, n), n)


@dataclass(frozen=True, eq=False)
class _Readings:
    """Class numbers (n,): true, of the other background, and read of the four kinds of picture."""

    labels: NDArray[np.int64]
    backgrounds: NDArray[np.int64]
    predicted: Sequence[NDArray[np.int64]]

    def check(
        self, class_names: Sequence[str], cut: Foreground, seed: int, examples: CompositeImages
    ) -> BackgroundCheck:
        right = [one == self.labels for one in self.predicted]
        gap, gain = mcnemar(right[2], right[1]), mcnemar(right[3], right[1])
        own = _share(right[1])
        # The commonest class, always named, would be right so often.
        blind = float(np.bincount(self.labels).max() / len(self.labels))
        if gap.difference_interval.low > LEAST_GAP:
            whole = cut.known or gain.difference_interval.low > LEAST_GAP
            verdict = LEANS if whole else LEANS_IF_WHOLE
        else:
            verdict = NOT_SHOWN if own.interval.low > blind else UNCLEAR
        return BackgroundCheck(
            n=len(self.labels),
            without_foreground=len(cut.found) - len(self.labels),
            at_frame=int(cut.at_frame.sum()),
            original=_share(right[0]),
            own_class=own,
            other_class=_share(right[2]),
            alone=_share(right[3]),
            as_background=_share(self.predicted[2] == self.backgrounds),
            gap=gap,
            foreground_gain=gain,
            pulls=self._pulls(class_names),
            verdict=verdict,
            seed=seed,
            examples=examples,
        )

    def _pulls(self, class_names: Sequence[str]) -> tuple[BackgroundPull, ...]:
        found = []
        for label, name in enumerate(class_names):
            others, on_it = self.labels != label, self.backgrounds == label
            read = self.predicted[2] == label
            if (others & on_it).sum() >= MIN_PULLED:
                pull = BackgroundPull(name, _share(read[others & on_it]), _share(read[others & ~on_it]))
                found.append(pull)
        return tuple(sorted(found, key=lambda one: one.elsewhere.value - one.on_it.value))

    def examples(
        self,
        images: ImageSet,
        rows: NDArray[np.intp],
        masks: NDArray[np.bool_],
        shown: Sequence[NDArray[np.uint8]],
    ) -> CompositeImages:
        """Half of them read as the background where there are such, the rest in their order."""
        drawn_away = np.flatnonzero(
            (self.predicted[2] == self.backgrounds) & (self.predicted[1] == self.labels)
        )
        others = np.setdiff1d(np.arange(len(rows)), drawn_away)
        first = drawn_away[
            np.linspace(0, len(drawn_away) - 1, min(_EXAMPLES // 2, len(drawn_away))).astype(int)
        ]
        count = min(_EXAMPLES - len(first), len(others))
        chosen = np.concatenate([first, others[np.linspace(0, len(others) - 1, count).astype(int)]])
        chosen = chosen.astype(np.int64)
        return CompositeImages(
            tuple(images.ids[int(row)] for row in rows[chosen]),
            self.labels[chosen],
            self.backgrounds[chosen],
            masks[rows[chosen]],
            tuple(one[chosen] for one in shown),
            tuple(one[chosen] for one in self.predicted),
        )
