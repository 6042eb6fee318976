"""What an enhancer is compared with where the classifier may be trained: the same pictures taught to its last
layer.
"""

from __future__ import annotations

import dataclasses

from lightfast.base.errors import CheckpointError, DataError
from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import concatenate
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import mcnemar
from lightfast.evaluate.predict import calibrate, predict
from lightfast.models.checkpoint import Checkpoint
from lightfast.restore.gate import Refit
from lightfast.restore.measure import Measured, PairedPredictions, degraded_images
from lightfast.restore.pairs import DamageMix
from lightfast.train.refit import refit_head

REFITTED = "the classifier refitted"


def refit_classifier(
    classifier: Checkpoint,
    sides: tuple[ImageSet, ImageSet],
    mix: DamageMix | None,
    *,
    seed: int = 0,
    report: Reporter = silent,
) -> Checkpoint:
    """The classifier with its last layer fitted anew on (training, validation) pictures, calibrated; with
    `mix` each picture counts twice, as it is and damaged in one way.

    Raises as `train.refit.refit_head`.
    """
    train, val = (
        one if mix is None else concatenate([one, degraded_images(one, mix, seed)]) for one in sides
    )
    return calibrate(refit_head(classifier, train, val, report=report), val)


def measure_refit(
    classifier: Checkpoint,
    sides: tuple[ImageSet, ImageSet],
    mix: DamageMix | None,
    own: Measured,
    *,
    seed: int = 0,
    report: Reporter = silent,
) -> Refit:
    """`refit_classifier` on the pictures that an enhancer learnt on, against that enhancer on the test
    pictures of `own`; where it cannot be made, the reason.
    """
    made = Refit(len(sides[0]), mix is not None)
    if not len(sides[1]):
        return dataclasses.replace(made, reason="there are no validation pictures to choose it by")
    try:
        refitted = refit_classifier(classifier, sides, mix, seed=seed, report=report)
    except (CheckpointError, DataError) as error:
        return dataclasses.replace(made, reason=str(error).rstrip("."))
    tests = {
        name: mcnemar(
            dataclasses.replace(both.after, name="behind the enhancer"),
            dataclasses.replace(predict(refitted, both.images), name=REFITTED),
        )
        for name, both in _both(own).items()
    }
    return dataclasses.replace(made, clean=tests["clean"], degraded=tests.get("degraded"))


def _both(own: Measured) -> dict[str, PairedPredictions]:
    return {"clean": own.clean} | ({"degraded": own.degraded} if own.degraded else {})
