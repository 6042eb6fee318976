"""What the perturbations study trains and reads: frozen classifiers, enhancers that learn through them, plain
denoisers, and classifiers that no enhancer has seen. Every trained part is kept in the study's folder.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from lightfast.base.files import json_digest
from lightfast.base.parallel import in_parallel
from lightfast.base.plain import as_json
from lightfast.base.progress import silent
from lightfast.base.randomness import generator
from lightfast.data.dataset import concatenate
from lightfast.data.images import ImageSet
from lightfast.data.splits import Splits
from lightfast.evaluate.compare import mcnemar
from lightfast.evaluate.predict import calibrate, predict
from lightfast.evaluate.predictions import Predictions
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced import prepend_enhancer
from lightfast.restore.denoise import RestorerPlan, fit_restorer
from lightfast.restore.enhance import CAMERA, EnhancerPlan, learn_enhancer, weights_digest
from lightfast.restore.gate import Gate, verdict
from lightfast.restore.measure import degraded_images
from lightfast.restore.pairs import DamageMix
from lightfast.restore.refit import refit_classifier
from lightfast.studies.registry import StudyOptions, kept, trained
from lightfast.studies.rows import ModelRow, drawn, trained_row
from lightfast.train.recipe import Training

CLEAN_STATE, DEGRADED = "clean", "degraded"
TRAIN_SAMPLE = 2_000
NONE, DENOISER, OUR_WAY, PAPER_WAY = "none", "denoiser", "ours", "paper"
OURS_CLEAN, OURS_EQUAL, PAPER_MSE, _LEAK = "ours-clean", "ours-equal", "paper-mse", "leak"
OWN_SMALL, OWN_LARGE = "own-1-1", "own-4-4"
REFIT, REFIT_DAMAGED = "refit", "refit-damaged"
REFITS = (REFIT, REFIT_DAMAGED)
TITLES = {
    NONE: "the classifier alone",
    DENOISER: "plain denoiser",
    OUR_WAY: "ours",
    PAPER_WAY: "the paper's U-Net",
    PAPER_MSE: "the paper's U-Net, MSE first",
    OWN_SMALL: "the paper's own(1-1)",
    OWN_LARGE: "the paper's own(4-4)",
    OURS_CLEAN: "ours, clean only",
    OURS_EQUAL: "ours, on the classifier's own pictures",
    REFIT: "no enhancer: the head refitted",
    REFIT_DAMAGED: "no enhancer: the head refitted, damaged copies too",
}
MIX = DamageMix.of_suite(CAMERA, clean_share=0.5)


@dataclass(frozen=True)
class Subject:
    """A frozen classifier on a data set, and what is put before it.

    Attributes:
        name, title: of its parts' folders, and in tables.
        data: "cifar" or "intel".
        row: how the classifier is trained.
        published: accuracy (0..1) in the paper without and with its U-Net; None where it has none.
        plans: way → how its enhancer learns.
        on_more: ways that learn on all training pictures of the data set, also those which the classifier was
            not fitted on; the others, the paper's among them, learn on the classifier's own. The controls
            `REFITS` are fitted on all of them: the classifier's last layer anew, no enhancer.
        denoiser: how the plain denoiser learns, which knows no classifier.
        from_denoiser: ways whose enhancer begins as that denoiser.
        others: (name of the data, row) of classifiers that no enhancer ever sees; ours is put before them
            afterwards.
        leak: train the paper's U-Net with the test pictures as well, as its "(full)" rows do.
    """

    name: str
    title: str
    data: str
    row: ModelRow
    published: tuple[float, float] | None
    plans: Mapping[str, EnhancerPlan]
    denoiser: RestorerPlan
    on_more: tuple[str, ...] = ()
    from_denoiser: tuple[str, ...] = ()
    others: tuple[tuple[str, ModelRow], ...] = ()
    leak: bool = False


@dataclass(frozen=True, eq=False)
class StudyImages:
    """The pictures of a data set: what classifiers are fitted, chosen and tested on,
    and training pictures that they do not see.
    """

    splits: Splits
    new: ImageSet | None = None

    @property
    def all_training(self) -> ImageSet:
        """The training pictures with those that classifiers do not see."""
        return self.splits.train if self.new is None else concatenate([self.splits.train, self.new])


@dataclass(frozen=True, eq=False)
class SubjectResult:
    """Test pictures read by one subject's classifier.

    Attributes:
        subject: what was read; `pictures` its pictures, and `splits` of them.
        train_accuracy: way → accuracy on (at most 2,000 of) the classifier's training pictures, 0..1; way
            "none" is the classifier alone.
        classifier, enhancers: the checkpoints; an enhancer has role "restorer".
        predictions: (way, "clean" or "degraded") → predictions of the same test pictures; way "none" is the
            classifier alone.
        kinds: the damage of every degraded picture.
        gates: way → verdict on validation pictures.
        transfer: title of another classifier → "clean" or "degraded" → its predictions (without, with our
            enhancer for such pictures).
        leak: predictions of clean test pictures by the paper's U-Net that has learnt them; None where it was
            not made.
    """

    subject: Subject
    pictures: StudyImages
    train_accuracy: Mapping[str, float]
    classifier: Checkpoint
    enhancers: Mapping[str, Checkpoint]
    predictions: Mapping[tuple[str, str], Predictions]
    kinds: tuple[str, ...]
    gates: Mapping[str, Gate]
    transfer: Mapping[str, Mapping[str, tuple[Predictions, Predictions]]]
    leak: Predictions | None

    @property
    def splits(self) -> Splits:
        """The classifier's training, validation and test pictures."""
        return self.pictures.splits

    def ours(self, state: str) -> str:
        """The way of ours that is shown for clean, or for degraded pictures."""
        return _ours(state, self.gates)

    def learnt_on(self, way: str) -> tuple[int, int]:
        """(training pictures that a way learnt on, how many of them the classifier was not fitted on)."""
        if way in REFITS:
            count = len(self.pictures.all_training)
        else:
            count = int(self.enhancers[way].details["n_train"])
        return count, count - len(self.splits.train)

    @property
    def taught_more(self) -> str | None:
        """Of our ways that had labels new to the classifier the better one on clean validation pictures."""
        there = [way for way in (OUR_WAY, OURS_CLEAN) if way in self.subject.plans and self.learnt_on(way)[1]]
        return max(there, key=lambda way: _clean_accuracy(self.gates[way])) if there else None

    @property
    def honest(self) -> str:
        """The way of ours that has learnt on the classifier's own pictures alone, where there is one."""
        ours = [way for way in (OURS_EQUAL, OUR_WAY, OURS_CLEAN) if way in self.subject.plans]
        return next((way for way in ours if not self.learnt_on(way)[1]), OUR_WAY)


def _clean_accuracy(gate: Gate) -> float:
    return 0.0 if gate.clean is None else gate.clean.after_accuracy


def train_parts(
    options: StudyOptions, subjects: Sequence[Subject], pictures: Mapping[str, StudyImages]
) -> None:
    """Train whatever is not in the study's folder yet: first classifiers and denoisers, then what learns
    through the one and begins as the other, then the predictions of the test pictures; at scale "cpu" one
    process a core.

    `pictures` are those of each data set by name.
    """
    jobs = None if options.scale == "cpu" else 1
    quiet = dataclasses.replace(options, report=silent, executor=in_parallel) if jobs is None else options

    def learners(ways: Callable[[Subject], Sequence[str]]) -> list[tuple[Any, ...]]:
        found = {part_of(one, way): (one, way) for one in subjects for way in ways(one)}
        return [(quiet, learner_of, one, way, pictures[one.data]) for one, way in found.values()]

    wanted = [(data, row) for one in subjects for data, row in ((one.data, one.row), *one.others)]
    rows = {row.part: (quiet, classifier_of, row, pictures[data].splits) for data, row in wanted}
    readers = [(quiet, score_subject, one, pictures) for one in subjects]
    for tasks, label in (
        ([*rows.values(), *learners(lambda _: (DENOISER,))], "classifiers and denoisers"),
        (learners(_ways), "enhancers"),
        (readers, "readings"),
    ):
        options.executor(_in_one_thread, tasks, jobs=jobs, report=options.report, label=label)


def _ways(subject: Subject) -> tuple[str, ...]:
    return (*subject.plans, *REFITS, *([_LEAK] if subject.leak else []))


def _in_one_thread(options: StudyOptions, make: Callable[..., object], *arguments: Any) -> None:
    """`make(options, *arguments)`, which keeps what it makes in the study's folder;
    at scale "cpu" on one thread.
    """
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if options.scale == "cpu" else threads)
    try:
        make(options, *arguments)
    finally:
        torch.set_num_threads(threads)


def classifier_of(options: StudyOptions, row: ModelRow, splits: Splits) -> Checkpoint:
    """The classifier of a row, calibrated on the validation pictures; its temperature is kept,
    as every part asks for it.
    """
    plain = trained_row(options, row, splits)
    note = _reading(options, plain, ".json", {"calibrated on": splits.val.version})
    found = kept(note, lambda: {"temperature": calibrate(plain, splits.val).temperature})
    return plain.replace(
        temperature=float(found["temperature"]), details={**plain.details, "calibrated_on": len(splits.val)}
    )


def learner_of(options: StudyOptions, subject: Subject, way: str, pictures: StudyImages) -> Checkpoint:
    """The enhancer (or denoiser) of a way, role "restorer";
    way `_LEAK` is the paper's plan on training and test pictures together, `REFITS` are classifiers.
    """
    splits = pictures.splits
    if way == DENOISER:
        return _denoiser(options, subject, pictures)
    if way in REFITS:
        return _refitted(options, subject, way, pictures)
    classifier = classifier_of(options, subject.row, splits)
    images = pictures.all_training if way in subject.on_more else splits.train
    if way == _LEAK:
        images = concatenate([splits.train, splits.test])
    plan = subject.plans[PAPER_WAY if way == _LEAK else way]
    begin = _denoiser(options, subject, pictures) if way in subject.from_denoiser else None
    key = {"data": images.version, "classifier": classifier.details["key"], "plan": plan}
    key |= {} if begin is None else {"begin": begin.details["key"]}

    def make(training: Training) -> Checkpoint:
        return learn_enhancer(classifier, images, splits.val, plan=plan, training=training, begin=begin)

    return trained(options, part_of(subject, way), key, make)


def part_of(subject: Subject, way: str) -> str:
    """The folder of what stands before a classifier; the denoiser knows none,
    so that all subjects on one data set share it.
    """
    return f"{subject.data.partition('-')[0] if way == DENOISER else subject.name}-{way}"


def _denoiser(options: StudyOptions, subject: Subject, pictures: StudyImages) -> Checkpoint:
    """Learnt on all training pictures, as our enhancers, whichever of them the classifier had:
    in the order of their ids.
    """
    images, val, plan = pictures.all_training, pictures.splits.val, subject.denoiser
    images = images.take(sorted(range(len(images)), key=lambda row: images.ids[row]))
    key = {"data": images.version} | as_json(plan)
    # It knows no classifier, so that this weight decides nothing.
    del key["recognition"]

    def make(training: Training) -> Checkpoint:
        return fit_restorer(images, val, MIX, plan=plan, training=training)

    return trained(options, part_of(subject, DENOISER), key, make)


def _refitted(options: StudyOptions, subject: Subject, way: str, pictures: StudyImages) -> Checkpoint:
    """The control: the classifier's last layer fitted anew on all training pictures; no enhancer."""
    classifier = classifier_of(options, subject.row, pictures.splits)
    sides, mix = (pictures.all_training, pictures.splits.val), MIX if way == REFIT_DAMAGED else None
    key = {"data": sides[0].version, "classifier": classifier.details["key"], "damaged": mix}

    def make(training: Training) -> Checkpoint:
        return refit_classifier(classifier, sides, mix, seed=training.seed, report=training.report)

    return trained(options, part_of(subject, way), key, make)


def score_subject(options: StudyOptions, subject: Subject, known: Mapping[str, StudyImages]) -> SubjectResult:
    """Everything that is measured of a subject whose parts are trained;
    each test picture is read once by every way.
    """
    given = known[subject.data]
    splits, seed = given.splits, options.seed
    classifier = classifier_of(options, subject.row, splits)
    enhancers = {way: learner_of(options, subject, way, given) for way in (*subject.plans, DENOISER)}
    pictures = {CLEAN_STATE: splits.test, DEGRADED: degraded_images(splits.test, MIX, seed)}
    behind = {NONE: classifier} | {way: prepend_enhancer(one, classifier) for way, one in enhancers.items()}
    behind |= {way: learner_of(options, subject, way, given) for way in REFITS}
    predictions = {
        (way, state): _read(options, one, pictures[state], TITLES[way])
        for way, one in behind.items()
        for state in pictures
    }
    gates = {way: _gate(options, classifier, behind[way], splits.val) for way in subject.plans}
    transfer: dict[str, dict[str, tuple[Predictions, Predictions]]] = {}
    for data, row in subject.others:
        other = classifier_of(options, row, known[data].splits)
        fronts = {state: prepend_enhancer(enhancers[_ours(state, gates)], other) for state in pictures}
        transfer[row.title] = {
            state: (
                _read(options, other, images, row.title),
                _read(options, fronts[state], images, row.title),
            )
            for state, images in pictures.items()
        }
    leak = None
    if subject.leak:
        leaked = prepend_enhancer(learner_of(options, subject, _LEAK, given), classifier)
        title = "LEAK: the paper's U-Net, trained on the test pictures as well"
        leak = _read(options, leaked, splits.test, title)
    sample = drawn(splits.train, TRAIN_SAMPLE, seed, "train-accuracy")
    return SubjectResult(
        subject=subject,
        pictures=given,
        train_accuracy={
            way: float(_read(options, one, sample, TITLES[way]).correct.mean()) for way, one in behind.items()
        },
        classifier=classifier,
        enhancers=enhancers,
        predictions=predictions,
        kinds=damage_of(splits.test, seed),
        gates=gates,
        transfer=transfer,
        leak=leak,
    )


def _ours(state: str, gates: Mapping[str, Gate]) -> str:
    """For degraded pictures the enhancer that has learnt from them; for clean ones that with the highest
    accuracy on clean validation pictures, so that no test picture chooses.
    """
    clean = {
        way: gate.clean.after_accuracy
        for way, gate in gates.items()
        if way in (OUR_WAY, OURS_CLEAN) and gate.clean is not None
    }
    return max(clean, key=lambda way: clean[way]) if state == CLEAN_STATE and clean else OUR_WAY


def _gate(options: StudyOptions, classifier: Checkpoint, enhanced: Checkpoint, val_images: ImageSet) -> Gate:
    """The verdict on validation pictures, as `restore.measure.judge` gives it,
    from predictions that are kept.
    """
    if not len(val_images):
        return verdict(None)
    tests = [
        mcnemar(_read(options, classifier, images, "without"), _read(options, enhanced, images, "with"))
        for images in (val_images, degraded_images(val_images, MIX, options.seed))
    ]
    return verdict(*tests)


def damage_of(images: ImageSet, seed: int) -> tuple[str, ...]:
    """The name of the damage that `degraded_images` gave every picture of the set."""
    rng = generator(seed, "degraded", images.name)
    chosen = dataclasses.replace(MIX, clean_share=0.0).draw(len(images), rng)
    return tuple(MIX.choices[one][0] for one in chosen)


def _read(options: StudyOptions, checkpoint: Checkpoint, images: ImageSet, name: str) -> Predictions:
    """Predictions, kept by a digest of weights and pictures:
    reading is what takes time once all is trained.
    """
    key = {
        "pictures": images.version,
        "temperature": checkpoint.temperature,
        "preprocess": as_json(checkpoint.preprocess),
    }
    path = _reading(options, checkpoint, ".parquet", key)
    if not path.is_file():
        predict(checkpoint, images).save(path)
    return dataclasses.replace(Predictions.load(path), name=name)


def _reading(options: StudyOptions, checkpoint: Checkpoint, suffix: str, key: Mapping[str, Any]) -> Path:
    """The file of what a network's weights and `key` decide."""
    digest = json_digest({"weights": weights_digest(checkpoint.torch_network), **key})
    return options.out / "readings" / f"{digest}{suffix}"
