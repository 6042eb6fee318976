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
from lightfast.data.images import ImageSet
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced import put_before
from lightfast.models.load import load_classifier
from lightfast.restore.enhance import weights_digest
from lightfast.restore.measure import Measured, read_both
from lightfast.runs.enhance_options import check_base
from lightfast.runs.folder import touch, without_seen
from lightfast.runs.options import RunOptions


@dataclass(frozen=True, eq=False)
class Stranger:
    """A classifier that the enhancer never saw,
    and the rows of the test pictures that it may be tested on.
    """

    run: str
    checkpoint: Checkpoint
    rows: NDArray[np.intp]


def open_strangers(
    runs: Sequence[str],
    classifier: Checkpoint,
    test: ImageSet,
    options: RunOptions,
    enhancer: Checkpoint | None = None,
) -> tuple[Stranger, ...]:
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
        found.append(Stranger(run, other, np.flatnonzero([name in kept for name in test.ids])))
    return tuple(found)


def transferred(
    strangers: Sequence[Stranger], enhancer: Checkpoint, own: Measured, options: RunOptions
) -> list[dict[str, Any]]:
    """The gain of `enhancer` before each stranger,
    and what share of the own gain on the same pictures that is.
    """
    found = []
    for done, one in enumerate(strangers):
        options.report("transfer", done, len(strangers), one.run)
        behind = put_before(enhancer, one.checkpoint)
        row: dict[str, Any] = {
            "run": one.run,
            "name": Path(one.run).name if Path(one.run).is_dir() else one.run,
            "model": one.checkpoint.model,
            "left_out": len(own.clean.images) - len(one.rows),
        }
        for key, reading in (("clean", own.clean), ("degraded", own.degraded)):
            if reading is None:
                row |= {key: None, f"{key}_kept": None}
                continue
            test, gain = (
                read_both(one.checkpoint, behind, reading.images.take(one.rows)).paired,
                reading.rows(one.rows).difference,
            )
            # Of no gain there is no share.
            row |= {key: test.as_json(), f"{key}_kept": test.difference / gain if gain > 0 else None}
        folder, version = Path(one.run), own.clean.images.take(one.rows).version
        row["touched_before"] = (
            touch(folder, version, options.command or "enhance --transfer") if folder.is_dir() else None
        )
        found.append(row)
    if strangers:
        options.report("transfer", len(strangers), len(strangers))
    return found
