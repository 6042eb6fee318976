"""How `curate` judges labels: by models that never saw the picture, made on the spot."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightfast.base.randomness import derive_seed
from lightfast.curate.embed import Embedder, Features, backbone_embedder, checkpoint_embedder, embed_pictures
from lightfast.curate.issues import find_label_issues
from lightfast.curate.out_of_sample import (
    OutOfSample,
    judged_rows,
    linear_out_of_sample,
    linear_probs,
    network_out_of_sample,
    only_classes,
    possible_folds,
)
from lightfast.curate.pruning import Pruning, choose_share, pruned_at
from lightfast.data.folds import fold_numbers
from lightfast.data.images import ImageSet
from lightfast.data.splits import split_off, without_overlap
from lightfast.evaluate.predict import calibrate, predict
from lightfast.experiments.crossval import FoldOptions
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.transfer import TransferSettings
from lightfast.pages.curate_result import BothFigures, JudgedPart
from lightfast.runs.folder import FOLDS_FOLDER, load_seen
from lightfast.runs.margins import load_margins
from lightfast.runs.options import RunOptions
from lightfast.statistics.intervals import wilson
from lightfast.train.fit import ClassifierPlan, recipe_of
from lightfast.train.linear import LinearData
from lightfast.train.recipe import Recipe

MOST_PRUNED = 20_000
"""Pictures up to which the share to leave out is searched by itself."""
_FEW = 5_000
"""Up to so many pictures the folds are drawn three times by default."""
_FEWEST_FOLDS = 3


@dataclass(frozen=True)
class Judge:
    """What judges labels.

    Attributes:
        plan: a network that is trained once a fold; None: linear heads on the features.
        embedder: what turns pictures into features; None: the pixels are the features.
        classifier: of the run that was named, and `run`, its folder.
        method, said: in words: how labels are judged, and by what pictures are compared.
    """

    plan: ClassifierPlan | None
    embedder: Embedder | None
    classifier: Checkpoint | None
    run: str
    method: str
    said: str


def choose_judge(images: ImageSet, photographs: bool, classifier: Checkpoint | None, run: str) -> Judge:
    """Linear heads on frozen features of photographs and of pictures with several labels, the small network
    for the rest; with a run its network, as features where these know nothing of the labels, else trained
    anew once a fold.
    """
    grey = images.image_shape[2] == 1
    if classifier is not None and _knows_nothing(classifier):
        said = f"features of {run} ({classifier.model}), which knows nothing of these labels"
        return Judge(None, checkpoint_embedder(classifier), classifier, run, f"linear heads on {said}", said)
    embedder = None if grey and not photographs else backbone_embedder()
    said = "pixels" if embedder is None else f"features of the published backbone {embedder.source}"
    if classifier is not None and images.tags is None:
        recipe = Recipe.of(**classifier.details.get("recipe", {})) if classifier.details else Recipe()
        plan = ClassifierPlan(classifier.model, recipe, dict(classifier.config))
        method = f"the model of {run} ({classifier.model}), trained anew without the pictures that it judges"
        return Judge(plan, embedder, classifier, run, method, said)
    if photographs or images.tags is not None:
        return Judge(None, embedder, None, "", f"linear heads on {said}", said)
    plan = ClassifierPlan("cnn", recipe_of("cnn", {}))
    return Judge(
        plan, embedder, None, "", "the small network, trained without the pictures that it judges", said
    )


def _knows_nothing(classifier: Checkpoint) -> bool:
    """Whether the features of a run were not fitted to labels: a frozen backbone, or one of others."""
    if classifier.from_hub:
        return True
    transfer = "transfer" in classifier.details
    return transfer and TransferSettings.of(**dict(classifier.config)).mode == "head"


def compared_by(images: ImageSet, judge: Judge, options: RunOptions) -> Features:
    """What the pictures are compared by: kept features of a network, or their pixels (centred, so that a
    cosine compares shapes and not brightness).
    """
    if judge.embedder is not None:
        return embed_pictures(images, judge.embedder, report=options.report)
    pixels = images.images.reshape(len(images), -1).astype(np.float32)
    return Features(pixels - pixels.mean(axis=1, keepdims=True), "pixels")


@dataclass(frozen=True, eq=False)
class Judgement:
    """What was found about labels, and what was not looked for and why."""

    parts: tuple[JudgedPart, ...] = ()
    test: BothFigures | None = None
    out_of_sample: OutOfSample | None = None
    pruning: Pruning | None = None
    learned: ImageSet | None = None
    rows: NDArray[np.int64] = dataclasses.field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    not_run: Mapping[str, str] = dataclasses.field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class LabelTask:
    """Whose labels are judged: all pictures, the part of each, their features, and how.

    Attributes:
        drawn: folds, and how often they are drawn; None: three times where pictures are few and heads linear.
        prune: "auto", "off", or a share.
    """

    images: ImageSet
    part_of: NDArray[np.str_]
    features: NDArray[np.float32]
    judge: Judge
    drawn: tuple[int, int | None]
    prune: str
    folder: Path | None
    options: RunOptions


def judge_labels(task: LabelTask) -> Judgement:
    """Judge every label: those of the test part by models fitted on the other parts, the others by folds."""
    images = task.images
    if images.labels is None and images.tags is None:
        return Judgement(not_run={"label issues": "the pictures have no labels"})
    own = np.flatnonzero(task.part_of != "test")
    judged, small = judged_rows(images.take(own))
    rows, notes = own[judged], (_small_note(small),) if small else ()
    learned = only_classes(images, rows)
    folds = possible_folds(learned, task.drawn[0], spread=task.judge.plan is None) if len(rows) else 0
    if why := _cannot(learned, task.features[rows], folds):
        return Judgement(not_run={"label issues": why}, notes=notes)
    if folds < task.drawn[0]:
        notes += (
            f"{folds} folds instead of {task.drawn[0]}: a class, or all, has no more distinct pictures",
        )
    few = task.judge.plan is None and len(rows) <= _FEW
    found = _out_of_sample(task, learned, rows, FoldOptions(folds, task.drawn[1] or (3 if few else 1)))
    if learned.tags is not None:
        not_run = {"pruning": "the pictures have several labels", "test part": "they have several labels"}
        return Judgement((), None, found, None, learned, rows, not_run, notes)
    return _one_label(task, learned, rows, found, (folds, notes))


def _one_label(
    task: LabelTask,
    learned: ImageSet,
    rows: NDArray[np.int64],
    found: OutOfSample,
    said: tuple[int, tuple[str, ...]],
) -> Judgement:
    """What the probabilities of pictures with one label each say; `said`: (folds, notes so far)."""
    folds, notes = said
    whole = "train" if (task.part_of == "test").any() else str(task.part_of[0])
    parts = [_judged(whole, learned, rows, found.pred_probs, task, found.repeats)]
    tested, test_notes = _test_part(task, learned, rows, found, folds)
    pruning, why = _pruning(task, learned, rows, found, folds)
    parts += [tested] if tested else []
    notes = (*notes, *test_notes, *(note for part in parts for note in part.found.notes))
    test = _both(tested) if tested else None
    not_run = {"pruning": why} if why else {}
    return Judgement(tuple(parts), test, found, pruning, learned, rows, not_run, notes)


def _small_note(small: tuple[str, ...]) -> str:
    return (
        f"labels of {len(small)} class{'es' * (len(small) > 1)} with fewer than 3 distinct pictures were not "
        f"judged: {', '.join(small)}"
    )


def _cannot(learned: ImageSet, features: NDArray[np.float32], folds: int) -> str:
    """Why labels cannot be judged at all, or ""."""
    if learned.tags is None and learned.num_classes < 2:
        return "fewer than 2 classes have at least 3 distinct pictures"
    if folds < _FEWEST_FOLDS:
        return f"{folds} distinct pictures make too few folds"
    if float(np.ptp(features, axis=0).max()) < 1e-6:
        return "all pictures have the same features: they look alike"
    return ""


def _out_of_sample(
    task: LabelTask, learned: ImageSet, rows: NDArray[np.int64], fold_options: FoldOptions
) -> OutOfSample:
    options, plan = task.options, task.judge.plan
    if plan is None or learned.tags is not None:
        return linear_out_of_sample(task.features[rows], learned, fold_options, options.seed, options.report)
    kept = None if task.folder is None else task.folder / FOLDS_FOLDER
    training = dataclasses.replace(options.training(kept or Path()), folder=kept)
    return network_out_of_sample(learned, plan, fold_options, training)


def _judged(
    part: str,
    images: ImageSet,
    rows: NDArray[np.int64],
    probs: NDArray[np.float32],
    task: LabelTask,
    repeats: NDArray[np.float32] | None = None,
) -> JudgedPart:
    labels = images.require_labels()
    several = repeats if repeats is not None and len(repeats) > 1 else None
    found = find_label_issues(
        probs,
        labels,
        features=task.features[rows],
        repeats=several,
        margins=load_margins(Path(task.judge.run), images.ids) if task.judge.run else None,
        class_names=images.class_names,
    )
    right = int((probs.argmax(axis=1) == labels).sum())
    share = right / len(labels)
    return JudgedPart(
        part,
        len(labels),
        int(found.is_issue.sum()),
        found.wrong,
        found.wrong_by_class,
        share,
        wilson(right, len(labels)),
        rows,
        found,
        probs,
    )


def _test_part(
    task: LabelTask, learned: ImageSet, rows: NDArray[np.int64], found: OutOfSample, folds: int
) -> tuple[JudgedPart | None, tuple[str, ...]]:
    """The labels of the test part, by a model of the other parts; pictures of classes that were not learned
    are left out and counted.
    """
    tested = np.flatnonzero(task.part_of == "test")
    if not len(tested):
        return None, ()
    number = {name: place for place, name in enumerate(learned.class_names)}
    all_names = task.images.class_names
    labels = task.images.require_labels()
    known = np.array([all_names[label] in number for label in labels[tested]], dtype=bool)
    kept = tested[known]
    notes = (f"{int((~known).sum()):,} test pictures of classes that were not judged",) * bool((~known).any())
    if not len(kept):
        return None, notes
    given = np.array([number[all_names[label]] for label in labels[kept]])
    images = dataclasses.replace(
        task.images.take(kept), labels=given, class_names=learned.class_names
    ).with_hashes([task.images.content_hashes[row] for row in kept])
    probs, how = _test_probs(task, learned, rows, images, kept, folds)
    if probs is None:
        return None, (*notes, how)
    return _judged("test", images, kept, probs, task), (*notes, how)


def _test_probs(
    task: LabelTask,
    learned: ImageSet,
    rows: NDArray[np.int64],
    images: ImageSet,
    kept: NDArray[np.int64],
    folds: int,
) -> tuple[NDArray[np.float32] | None, str]:
    judge, seed = task.judge, task.options.seed
    run = judge.classifier
    if run is not None and run.task == "multi-class" and run.class_names == images.class_names:
        seen = load_seen(Path(judge.run))
        if seen is not None and not np.isin(_prints(images), seen).any():
            return predict(
                run, images
            ).pred_probs, f"the test part was judged by {judge.run}, which never saw it"
    left, dropped = without_overlap(learned, images)
    if only_classes(left, judged_rows(left)[0]).num_classes < learned.num_classes:
        said = "hardly any picture of the others is no copy of a test picture"
        return None, f"labels of the test part were not judged: {said}"
    copies = f" without {dropped} pictures that are copies of test pictures" * bool(dropped)
    if judge.plan is not None:
        fitted, val = split_off(left, 0.1, seed)
        checkpoint = calibrate(judge.plan.fit(fitted, val, task.options.training(Path())), val)
        return predict(
            checkpoint, images
        ).pred_probs, f"the test part was judged by a network of the others{copies}"
    numbers = fold_numbers(left, folds, derive_seed(seed, "curate", "test"), rare="spread")
    # `left` holds rows of `learned` in their order.
    place = {name: row for row, name in zip(rows, learned.ids, strict=True)}
    own = np.array([place[name] for name in left.ids])
    data = LinearData(task.features[own], left.require_labels())
    everything = np.arange(len(own))
    sides = (np.flatnonzero(numbers != 0), np.flatnonzero(numbers == 0), everything)
    probs, _ = linear_probs(data, sides, task.features[kept], learned.num_classes)
    return probs, f"the test part was judged by a head fitted on the other parts{copies}"


def _prints(images: ImageSet) -> NDArray[np.uint64]:
    from lightfast.data.images import fingerprints

    return fingerprints(images.content_hashes)


def _both(tested: JudgedPart) -> BothFigures:
    """Accuracy by the labels as given, and by the cleaned ones."""
    found, read = tested.found, tested.pred_probs.argmax(axis=1)
    cleaned = np.where(found.is_issue, found.suggested_label, found.given_label)
    right = int((read == cleaned).sum())
    return BothFigures(
        tested.n,
        tested.issues,
        tested.accuracy,
        tested.accuracy_interval,
        right / tested.n,
        wilson(right, tested.n),
    )


def _pruning(
    task: LabelTask, learned: ImageSet, rows: NDArray[np.int64], found: OutOfSample, folds: int
) -> tuple[Pruning | None, str]:
    """(what leaving out doubtful pictures gains, why that was not looked for or "")."""
    if task.prune == "off":
        return None, "it was not asked for"
    if task.judge.plan is not None:
        return (
            None,
            "networks would have to be trained dozens of times; linear heads on features are not used here",
        )
    if task.prune == "auto" and len(rows) > MOST_PRUNED:
        return None, f"above {MOST_PRUNED:,} pictures it is searched only where a share is given"
    numbers = fold_numbers(learned, folds, derive_seed(task.options.seed, "curate", 0), rare="spread")
    data = LinearData(task.features[rows], learned.require_labels())
    if task.prune == "auto":
        return choose_share(data, numbers, found.strength, report=task.options.report), ""
    shares = (0.0, float(task.prune))
    tried = choose_share(data, numbers, found.strength, shares=shares, report=task.options.report)
    return pruned_at(shares, tried.accuracy, 1), ""
