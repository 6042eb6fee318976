"""What an enhancer is worth before classifiers that it never saw, and what it changes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import PairedTest
from lightfast.explain.difference import difference, top_change
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced import prepend_enhancer
from lightfast.models.infer import restore
from lightfast.models.load import load_classifier
from lightfast.pages.enhance import Transfer
from lightfast.pages.enhance_gallery import ShownChanges
from lightfast.restore.enhance import weights_digest
from lightfast.restore.measure import Measured, PairedPredictions, predict_both
from lightfast.runs.enhance.options import check_base
from lightfast.runs.folder import TOUCH_FILE, Scoring, record_scoring, without_seen
from lightfast.runs.options import RunOptions

_TOP = 3
_SHOWN = {
    "clean": ((False, True, 4), (True, False, 3), (False, False, 1), (True, True, 1)),
    "degraded": ((False, True, 3), (True, False, 2), (True, True, 1)),
}
"""How many pictures of (right before, right after) are shown, drawn by lot."""


@dataclass(frozen=True, eq=False)
class UnseenClassifier:
    """A classifier that the enhancer never saw,
    and the rows of the test pictures that it may be tested on.
    """

    run: str
    checkpoint: Checkpoint
    rows: NDArray[np.intp]


def load_unseen_classifiers(
    runs: Sequence[str],
    classifier: Checkpoint,
    test: ImageSet,
    options: RunOptions,
    enhancer: Checkpoint | None = None,
) -> tuple[UnseenClassifier, ...]:
    """Load the classifiers of `transfer` before anything is learnt; `enhancer`: one that was learnt before.

    Raises CheckpointError: no run there, a forest, another class list or picture shape, the very classifier
    that the enhancer learns (or has learnt) through. DataError: it has seen all of `test`.
    """
    found, teachers = [], {weights_digest(classifier.torch_network)}
    if enhancer is not None:
        teachers.add(str(enhancer.details.get("classifier_digest")))
    for run in runs:
        other = load_classifier(run, options.device)
        check_base(other, run)
        other.require_classes(classifier.class_names, f"{run}: the classifier that learns")
        if other.image_shape != classifier.image_shape:
            raise CheckpointError(
                f"`transfer` {run} reads pictures of another shape",
                expected=f"{classifier.image_shape} (H, W, C)",
                got=str(other.image_shape),
                cure="Name a run trained at the same picture size.",
            )
        if weights_digest(other.torch_network) in teachers:
            raise CheckpointError(
                f"`transfer` {run} is the classifier that the enhancer learns through",
                expected="one that never saw it",
                cure="Name another run.",
            )
        rows = np.flatnonzero(np.isin(test.ids, without_seen(Path(run), test)[0].ids))
        found.append(UnseenClassifier(run, other, rows))
    return tuple(found)


def record_transfers(
    unseen_classifiers: Sequence[UnseenClassifier], test: ImageSet, options: RunOptions
) -> list[Scoring]:
    """Record in each of their runs, or in OUT/evaluations.jsonl, that `test` is scored with it."""
    command, beside = options.command or "enhance: transfer", options.beside(TOUCH_FILE)
    return [
        record_scoring(one.run, test.take(one.rows).version, command, beside) for one in unseen_classifiers
    ]


def transfer_gains(
    unseen_classifiers: Sequence[UnseenClassifier],
    enhancer: Checkpoint,
    own: Measured,
    scorings: Sequence[Scoring],
    options: RunOptions,
) -> tuple[Transfer, ...]:
    """The gain of `enhancer` before each unseen classifier,
    and what share of the own gain on the same pictures that is; `scorings` is what `record_transfers` said.
    """
    found, total = [], len(unseen_classifiers)
    for done, (one, scoring) in enumerate(zip(unseen_classifiers, scorings, strict=True)):
        options.report("transfer", done, total, one.run)
        behind, folder, given = prepend_enhancer(enhancer, one.checkpoint), Path(one.run), own.clean.images
        clean, clean_kept = _gain(one, behind, own.clean)
        degraded, degraded_kept = _gain(one, behind, own.degraded) if own.degraded else (None, None)
        found.append(
            Transfer(
                run=one.run,
                name=folder.name if folder.is_dir() else one.run,
                model=one.checkpoint.model,
                left_out=len(given) - len(one.rows),
                clean=clean,
                clean_kept=clean_kept,
                degraded=degraded,
                degraded_kept=degraded_kept,
                touched_before=scoring.before,
            )
        )
    if total:
        options.report("transfer", total, total)
    return tuple(found)


def _gain(
    one: UnseenClassifier, behind: Checkpoint, own: PairedPredictions
) -> tuple[PairedTest, float | None]:
    mine = own.take(one.rows)
    test, gain = predict_both(one.checkpoint, behind, mine.images).paired, mine.paired.difference
    return test, test.difference / gain if gain > 0 else None  # of no gain there is no share


def shown_changes(enhancer: Checkpoint, both: PairedPredictions, key: str) -> ShownChanges:
    """Some of the pictures, drawn by lot among what was gained, lost and stayed, with what the enhancer makes
    of them.
    """
    before, after = both.before.correct, both.after.correct
    order = generator(0, "shown", key).permutation(len(before))
    drawn = [
        order[(before[order] == first) & (after[order] == second)][:count]
        for first, second, count in _SHOWN[key]
    ]
    some = both.take(np.concatenate(drawn))
    outputs, names = restore(enhancer, some.images.images), both.before.class_names
    return ShownChanges(
        inputs=some.images.images,
        outputs=outputs,
        changes=difference(some.images.images, outputs),
        tops=top_change(some.before.pred_probs, some.after.pred_probs, names, _TOP),
        labels=tuple(names[one] for one in some.before.require_labels()),
        right=tuple(zip(some.before.correct.tolist(), some.after.correct.tolist(), strict=True)),
    )
