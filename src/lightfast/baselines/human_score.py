"""From the answers of people to figures: each person's accuracy, how far they agree,
and the model on exactly the same pictures.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError
from lightfast.base.plain import fields_json
from lightfast.baselines.human import DONT_KNOW, Answer, AnswerLog
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.evaluate.predictions import Predictions
from lightfast.statistics.agreement import Kappa, cohen_kappa, fleiss_kappa
from lightfast.statistics.intervals import Interval, wilson, wilson_bounds

NOT_RUN, RUN = "not run", "run"
FEWEST_VOTERS = 3
_UNANSWERED = -1


@dataclass(frozen=True)
class PersonScore:
    """One person on the pictures of the sample that this person answered.

    Attributes:
        person: the name given.
        n, right: pictures answered, and of these named rightly.
        accuracy, accuracy_interval: right / n and its 95 % Wilson interval; "don't know" counts as wrong.
        dont_know: answers that named no class.
        left: pictures of the sample that the person has not answered.
        repeated: answers to a picture already answered; the first one counts.
        median_seconds: a picture.
        versus_model: model (before) and person (after) on these n pictures, or None without a model.
        kappa_with_model: Cohen's kappa of the two raters; "don't know" is a category of its own.
    """

    person: str
    n: int
    right: int
    accuracy: float
    accuracy_interval: Interval
    dont_know: int
    left: int
    repeated: int
    median_seconds: float
    versus_model: PairedTest | None = None
    kappa_with_model: Kappa | None = None


@dataclass(frozen=True)
class PersonPair:
    """Two people on the pictures that both answered: Cohen's kappa with its interval
    ("don't know" is a category of its own).
    """

    first: str
    second: str
    kappa: Kappa


@dataclass(frozen=True)
class Majority:
    """The class that most people named, on the n pictures that all of them answered; a tie,
    or nobody naming one, counts as wrong.
    """

    n: int
    right: int
    accuracy: float
    accuracy_interval: Interval
    undecided: int
    versus_model: PairedTest | None = None


@dataclass(frozen=True)
class PictureScore:
    """One picture of the sample: its row in the test part, its label, and who said what (`answers`:
    text → people).
    """

    row: int
    picture: str
    label: str
    n: int
    right: int
    answers: Mapping[str, int]
    model: str | None = None


@dataclass(frozen=True)
class ModelScore:
    """The model on all `n` pictures of the sample, whoever answered them; with its 95 % Wilson interval."""

    name: str
    n: int
    accuracy: float
    accuracy_interval: Interval


@dataclass(frozen=True)
class HumanBaseline:
    """What people read on a sample of the test pictures.

    Attributes:
        seed, sample: of the sample: its seed and how many pictures it has.
        data_version: of the test part that it was drawn from.
        n: pictures answered by at least one person; answers: counted answers.
        accuracy: mean over these pictures of the share of people who were right; None when nobody answered.
        accuracy_interval: Wilson's for n pictures. People who look at one picture count once, so it is never
            too narrow by them.
        people, pairs, majority, fleiss: see their classes; the last two need `FEWEST_VOTERS` people and
            pictures that all answered.
        model: the model on the whole sample; None without one.
        pictures: every picture with an answer, in the order of the test part.
        notes: what was left out, one sentence each.
    """

    JSON_PROPERTIES = ("status",)

    seed: int
    sample: int
    data_version: str
    n: int = 0
    answers: int = 0
    accuracy: float | None = None
    accuracy_interval: Interval | None = None
    people: tuple[PersonScore, ...] = ()
    pairs: tuple[PersonPair, ...] = ()
    majority: Majority | None = None
    fleiss: Kappa | None = None
    model: ModelScore | None = None
    pictures: tuple[PictureScore, ...] = ()
    notes: tuple[str, ...] = field(default=())

    @property
    def status(self) -> str:
        """ "run", or "not run" when nobody has answered."""
        return RUN if self.people else NOT_RUN

    def as_json(self) -> dict[str, Any]:
        """Plain JSON values; without a model there is no key `model`, without answers no `accuracy`."""
        absent = () if self.model else ("model",)
        if self.accuracy is None:
            absent += ("accuracy", "accuracy_interval", "pairs", "majority", "fleiss", "pictures")
        return {name: value for name, value in fields_json(self).items() if name not in absent}


@dataclass(frozen=True, eq=False)
class _Sheet:
    """Answers as numbers: codes (people, pictures) are class numbers, `unsure` for "don't know",
    -1 for no answer.
    """

    people: tuple[str, ...]
    codes: NDArray[np.int64]
    seconds: NDArray[np.float64]
    repeated: NDArray[np.int64]
    truth: NDArray[np.int64]
    unsure: int
    model: NDArray[np.int64] | None
    model_name: str

    @property
    def answered(self) -> NDArray[np.bool_]:
        return self.codes != _UNANSWERED

    @property
    def right(self) -> NDArray[np.bool_]:
        return self.codes == self.truth

    def versus_model(
        self, correct: NDArray[np.bool_], pictures: NDArray[np.intp], name: str
    ) -> PairedTest | None:
        """Model, then reader, on these pictures; `correct` is the reader's, one a picture of `pictures`."""
        if self.model is None or not len(pictures):
            return None
        test = mcnemar((self.model == self.truth)[pictures], correct)
        return dataclasses.replace(test, before_name=self.model_name, after_name=name)


def score_people(
    log: AnswerLog,
    images: ImageSet,
    sample: NDArray[np.int64],
    model_predictions: Predictions | None = None,
    people: Collection[str] | None = None,
) -> HumanBaseline:
    """Score the answers in a log.

    Args:
        log: of the trial on this sample.
        images: the labelled test part that the sample was drawn from.
        sample: rows of `images` (`draw_sample`).
        model_predictions: of `images.take(sample)`, in that order; its `name` is what the model is called.
        people: whose answers count; None: everybody's.

    Raises DataError when the log belongs to another trial, or the predictions to other pictures or classes.
    """
    loaded = log.load()
    trial = log.trial
    if trial.data_version != images.version or trial.n != len(sample):
        raise DataError(
            f"{images.name}: pictures of another test",
            expected=f"version {trial.data_version}, {trial.n} in the sample",
            got=f"{images.version}, {len(sample)}",
        )
    counted = tuple(one for one in loaded.answers if people is None or one.person in people)
    sheet, foreign = _sheet(counted, images, sample, model_predictions)
    notes = [*loaded.notes(log.path), *_sheet_notes(sheet, foreign)]
    base = HumanBaseline(trial.seed, trial.n, trial.data_version, notes=tuple(notes))
    if sheet.model is not None:
        right = int((sheet.model == sheet.truth).sum())
        model = ModelScore(sheet.model_name, trial.n, right / trial.n, wilson(right, trial.n))
        base = dataclasses.replace(base, model=model)
    if not sheet.people:
        return base
    answered = sheet.answered.sum(axis=0)
    asked = answered > 0
    shares = sheet.right.sum(axis=0)[asked] / answered[asked]
    low, high = wilson_bounds(shares.sum(), len(shares))
    names = (*images.class_names, DONT_KNOW)
    return dataclasses.replace(
        base,
        n=len(shares),
        answers=int(answered.sum()),
        accuracy=float(shares.mean()),
        accuracy_interval=Interval(float(low), float(high)),
        people=tuple(_person(sheet, place) for place in range(len(sheet.people))),
        pairs=_pairs(sheet),
        majority=_majority(sheet),
        fleiss=_fleiss(sheet),
        pictures=tuple(
            _picture(sheet, place, images, sample, names) for place in np.flatnonzero(asked).tolist()
        ),
    )


def _sheet(
    answers: tuple[Answer, ...], images: ImageSet, sample: NDArray[np.int64], predictions: Predictions | None
) -> tuple[_Sheet, int]:
    """The sheet of a log, and how many of its answers are about pictures outside the sample."""
    people = tuple(dict.fromkeys(answer.person for answer in answers))
    columns = {images.content_hashes[row]: place for place, row in enumerate(sample)}
    numbers = {name: number for number, name in enumerate(images.class_names)}
    unsure = len(numbers)
    shape = (len(people), len(sample))
    codes, seconds = np.full(shape, _UNANSWERED, dtype=np.int64), np.full(shape, np.nan)
    repeated, foreign = np.zeros(len(people), dtype=np.int64), 0
    for answer in answers:
        person, place = people.index(answer.person), columns.get(answer.content)
        if place is None:
            foreign += 1
        elif codes[person, place] != _UNANSWERED:
            repeated[person] += 1
        else:
            codes[person, place] = unsure if answer.answer is None else numbers[answer.answer]
            seconds[person, place] = answer.seconds
    there = (codes != _UNANSWERED).any(axis=1)
    truth = images.require_labels()[sample]
    model = None if predictions is None else _model_codes(predictions, images, sample)
    name = "" if predictions is None else predictions.name
    kept = tuple(person for person, present in zip(people, there, strict=True) if present)
    return _Sheet(kept, codes[there], seconds[there], repeated[there], truth, unsure, model, name), foreign


def _model_codes(predictions: Predictions, images: ImageSet, sample: NDArray[np.int64]) -> NDArray[np.int64]:
    """The model's predictions in the class numbers of `images`;
    a class that people cannot name gets a number beyond theirs.
    """
    if predictions.ids != tuple(images.ids[row] for row in sample):
        raise DataError(
            f"{predictions.name}: not the pictures of the sample in its order",
            expected=f"{len(sample)} pictures",
            got=f"{len(predictions)} predictions",
            cure="Predict images.take(sample).",
        )
    missing = [name for name in images.class_names if name not in predictions.class_names]
    if missing:
        raise DataError(
            f"{predictions.name} does not know the class {missing[0]!r}",
            cure="Give a run that was trained on these classes.",
        )
    beyond = len(images.class_names) + 1
    known = {name: number for number, name in enumerate(images.class_names)}
    numbers = np.array(
        [known.get(name, beyond + place) for place, name in enumerate(predictions.class_names)],
        dtype=np.int64,
    )
    return numbers[predictions.predicted_labels]


def _sheet_notes(sheet: _Sheet, foreign: int) -> list[str]:
    notes = [
        f"{person} answered {count} picture(s) again: the first answer counts, the later one is kept in the "
        "log"
        for person, count in zip(sheet.people, sheet.repeated, strict=True)
        if count
    ]
    return notes + [f"{foreign} answer(s) are about pictures outside the sample and were not counted"] * (
        foreign > 0
    )


def _person(sheet: _Sheet, place: int) -> PersonScore:
    name, codes = sheet.people[place], sheet.codes[place]
    pictures = np.flatnonzero(sheet.answered[place])
    correct = sheet.right[place, pictures]
    n, right = len(pictures), int(correct.sum())
    kappa = None if sheet.model is None else cohen_kappa(codes[pictures], sheet.model[pictures])
    return PersonScore(
        name,
        n,
        right,
        right / n,
        wilson(right, n),
        int((codes == sheet.unsure).sum()),
        len(codes) - n,
        int(sheet.repeated[place]),
        round(float(np.median(sheet.seconds[place, pictures])), 3),
        sheet.versus_model(correct, pictures, name),
        kappa,
    )


def _pairs(sheet: _Sheet) -> tuple[PersonPair, ...]:
    pairs = []
    for first, second in combinations(range(len(sheet.people)), 2):
        both = sheet.answered[first] & sheet.answered[second]
        if both.any():
            pairs.append(
                PersonPair(
                    sheet.people[first],
                    sheet.people[second],
                    cohen_kappa(sheet.codes[first, both], sheet.codes[second, both]),
                )
            )
    return tuple(pairs)


def _by_all(sheet: _Sheet) -> NDArray[np.intp]:
    """Pictures that everybody answered; none with fewer people than a vote needs."""
    return (
        np.flatnonzero(sheet.answered.all(axis=0))
        if len(sheet.people) >= FEWEST_VOTERS
        else np.array([], dtype=np.intp)
    )


def _fleiss(sheet: _Sheet) -> Kappa | None:
    pictures = _by_all(sheet)
    return fleiss_kappa(sheet.codes[:, pictures].T) if len(pictures) > 1 else None


def _majority(sheet: _Sheet) -> Majority | None:
    pictures = _by_all(sheet)
    if not len(pictures):
        return None
    votes = np.stack([(sheet.codes[:, pictures] == number).sum(axis=0) for number in range(sheet.unsure)])
    most = votes.max(axis=0)
    undecided = (most == 0) | ((votes == most).sum(axis=0) > 1)
    correct = (votes.argmax(axis=0) == sheet.truth[pictures]) & ~undecided
    right, n = int(correct.sum()), len(pictures)
    return Majority(
        n,
        right,
        right / n,
        wilson(right, n),
        int(undecided.sum()),
        sheet.versus_model(correct, pictures, "the majority"),
    )


def _picture(
    sheet: _Sheet, place: int, images: ImageSet, sample: NDArray[np.int64], names: tuple[str, ...]
) -> PictureScore:
    row, codes = int(sample[place]), sheet.codes[:, place]
    said = Counter(names[code] for code in codes[codes != _UNANSWERED])
    code = None if sheet.model is None else int(sheet.model[place])
    model = None if code is None else names[code] if code < sheet.unsure else "another class"
    return PictureScore(
        row,
        images.ids[row],
        names[sheet.truth[place]],
        int(said.total()),
        int(sheet.right[:, place].sum()),
        dict(said.most_common()),
        model,
    )
