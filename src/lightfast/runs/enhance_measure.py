"""What an enhancer is worth on test pictures: clean, degraded, by kind of damage,
and before classifiers that it never saw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError
from lightfast.base.plain import as_json
from lightfast.data.images import ImageSet
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced import prepend_enhancer
from lightfast.models.load import load_classifier
from lightfast.restore.enhance import weights_digest
from lightfast.restore.measure import EnhancerScores, predict_both
from lightfast.runs.enhance_options import check_base
from lightfast.runs.folder import record_evaluation, without_seen
from lightfast.runs.options import RunOptions


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
    """Load the classifiers of `--transfer` before anything is learnt; `enhancer`: one that was learnt before.

    Raises CheckpointError: no run there, a forest, another class list or picture shape, the very classifier
    that the enhancer learns (or has learnt) through. DataError: it has seen all of `test`.
    """
    found = []
    teachers = {
        weights_digest(classifier.torch_network),
        enhancer and enhancer.details.get("classifier_digest"),
    }
    for run in runs:
        other = load_classifier(run, options.device)
        check_base(other, run)
        other.require_classes(classifier.class_names, f"{run}: the classifier that learns")
        if other.image_shape != classifier.image_shape:
            raise CheckpointError(
                f"--transfer {run} reads pictures of another shape",
                expected=f"{classifier.image_shape} (H, W, C)",
                got=str(other.image_shape),
                cure="Name a run trained at the same picture size.",
            )
        if weights_digest(other.torch_network) in teachers:
            raise CheckpointError(
                f"--transfer {run} is the classifier that the enhancer learns through",
                expected="one that never saw it",
                cure="Name another run.",
            )
        kept = set(without_seen(Path(run), test)[0].ids)
        found.append(UnseenClassifier(run, other, np.flatnonzero([name in kept for name in test.ids])))
    return tuple(found)


def transfer_gains(
    unseen_classifiers: Sequence[UnseenClassifier],
    enhancer: Checkpoint,
    own: EnhancerScores,
    options: RunOptions,
) -> list[dict[str, Any]]:
    """The gain of `enhancer` before each stranger,
    and what share of the own gain on the same pictures that is.
    """
    found = []
    for done, one in enumerate(unseen_classifiers):
        options.report("transfer", done, len(unseen_classifiers), one.run)
        behind = prepend_enhancer(enhancer, one.checkpoint)
        row: dict[str, Any] = {
            "run": one.run,
            "name": Path(one.run).name if Path(one.run).is_dir() else one.run,
            "model": one.checkpoint.model,
            "left_out": len(own.clean.images) - len(one.rows),
        }
        for key, predictions in (("clean", own.clean), ("degraded", own.degraded)):
            if predictions is None:
                row |= {key: None, f"{key}_kept": None}
                continue
            test, gain = (
                predict_both(one.checkpoint, behind, predictions.images.take(one.rows)).paired,
                predictions.rows(one.rows).difference,
            )
            # Of no gain there is no share.
            row |= {key: as_json(test), f"{key}_kept": test.difference / gain if gain > 0 else None}
        folder, version = Path(one.run), own.clean.images.take(one.rows).version
        row["touched_before"] = (
            record_evaluation(folder, version, options.command or "enhance --transfer")
            if folder.is_dir()
            else None
        )
        found.append(row)
    if unseen_classifiers:
        options.report("transfer", len(unseen_classifiers), len(unseen_classifiers))
    return found
