"""A blinded reading test for people: which pictures, in which order, and the answers, kept append-only.

The same test pictures that models are scored on are sampled class by class. Everybody with the same seed gets
the same sample, each in an order of their own, so that fatigue and learning do not fall on the same pictures
for all. What is shown is a `TrialQuestion`: it has no room for a label, a file name or an id.
Scoring: `baselines.human_score`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.journal import Entries, Journal
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet

DONT_KNOW = "don't know"
_ELSEWHERE = "Give the same data, `seed`, `n` and `run` as before, or begin another test in another `out`."


@dataclass(frozen=True)
class Trial:
    """What all people of one test have in common.

    Attributes:
        data_version: `ImageSet.version` of the test pictures that the sample is drawn from (their labels and
            classes included).
        class_names: the answers that can be given.
        seed: of the sample and of the orders.
        n: pictures in the sample.
    """

    data_version: str
    class_names: tuple[str, ...]
    seed: int
    n: int

    @property
    def id(self) -> str:
        """Hex, 16 characters: the same pictures, classes, seed and n give the same id."""
        text = json.dumps([self.data_version, list(self.class_names), self.seed, self.n])
        return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


@dataclass(frozen=True, eq=False)
class TrialQuestion:
    """All that a person gets to see of one picture.

    Attributes:
        image: uint8 (H, W, C).
        class_names: what can be answered.
        position, total: the place in the person's own order, from 1, and the number of pictures.
        message: why the entry before was not understood; empty at the first showing.
    """

    image: NDArray[np.uint8]
    class_names: tuple[str, ...]
    position: int
    total: int
    message: str = ""


@dataclass(frozen=True)
class Answer:
    """One line of the log.

    Attributes:
        trial, data_version, seed, sample: of the `Trial` (`sample` is its n).
        person: who answered.
        picture: id of the picture in its `ImageSet`; the person never saw it.
        content: content hash of the picture, which identifies it.
        answer: the name of a class, or None for "don't know".
        seconds: from showing the picture to the answer that was understood.
        when: UTC, ISO 8601.
        position: place in the person's order, from 1.
    """

    trial: str
    data_version: str
    seed: int
    sample: int
    person: str
    picture: str
    content: str
    answer: str | None
    seconds: Annotated[float, Field(ge=0)]
    when: str
    position: int

    @classmethod
    def of(
        cls,
        trial: Trial,
        picture: tuple[str, str],
        *,
        person: str,
        answer: str | None,
        seconds: float,
        position: int,
    ) -> Self:
        """The answer of `person` to the picture with this (id, content hash), given now."""
        when = datetime.now(UTC).isoformat(timespec="seconds")
        return cls(
            trial.id,
            trial.data_version,
            trial.seed,
            trial.n,
            person,
            *picture,
            answer,
            round(float(seconds), 3),
            when,
            position,
        )


@dataclass(frozen=True)
class LoadedAnswers(Entries[Answer]):
    """What a log holds: the whole answers in the order in which they were given, and the torn lines."""

    noun = "answer"

    @property
    def answers(self) -> tuple[Answer, ...]:
        """The whole answers."""
        return self.records


def draw_sample(images: ImageSet, n: int, seed: int) -> NDArray[np.int64]:
    """int64 rows, ascending, of at most `n` pictures of labelled `images`, drawn class by class.

    Each class has its share of the pictures, to within one picture, so that an accuracy on the sample
    estimates the one on all. Of exact duplicates the first row stands for all. A larger `n` with the same
    seed holds the smaller sample. With fewer distinct pictures than `n`, all of them. Raises SettingsError
    for n < 1, DataError without pictures or labels.
    """
    if n < 1:
        raise SettingsError(
            "n", expected="at least 1 picture", got=str(n), cure="`n` 100 asks for 100 pictures."
        )
    labels = images.require_labels()
    if not len(images):
        raise DataError(f"{images.name} holds no pictures", cure="Give a set with a test part.")
    _, first = np.unique(np.array(images.content_hashes), return_index=True)
    distinct = np.sort(first)
    rng = generator(seed, "human", "sample")
    places = np.empty(len(distinct))
    for label in range(images.num_classes):
        rows = np.flatnonzero(labels[distinct] == label)
        # Evenly spaced places with a random start: the pictures below any cut are this class's share of all
        # below it.
        places[rng.permutation(rows)] = (np.arange(len(rows)) + rng.random()) / max(1, len(rows))
    return np.sort(distinct[np.argsort(places, kind="stable")[:n]]).astype(np.int64)


def person_order(sample: NDArray[np.int64], seed: int, person: str) -> NDArray[np.int64]:
    """The rows of the sample in the order of one person: a function of
    (seed, person's name without regard to case).
    """
    return generator(seed, "human", "order", person.casefold()).permutation(sample)


class AnswerLog(Journal[Answer]):
    """An append-only JSONL file of answers to one trial. Nothing in it is ever changed or removed."""

    def __init__(self, path: Path | str, trial: Trial) -> None:
        super().__init__(path, Answer)
        self.trial = trial

    def append(self, record: Answer) -> None:
        """Add one answer and bring it to the disk.

        Raises DataError for an answer to another trial or of no known class, StorageError when the disk does
        not take it.
        """
        self._require_same(record)
        super().append(record)

    def append_once(self, record: Answer, same: Callable[[Answer], bool] | None = None) -> Answer:
        """`append`, unless the person has answered the picture (or `same` finds another record); the answer
        that stands then: the first one.
        """
        self._require_same(record)
        who = record.person, record.content
        return super().append_once(record, same or (lambda one: (one.person, one.content) == who))

    def load(self) -> LoadedAnswers:
        """The answers; DataError, with the cure, when the file belongs to another trial."""
        loaded = load_answers(self.path)
        for answer in loaded.answers:
            self._require_same(answer)
        return loaded

    def _require_same(self, answer: Answer) -> None:
        trial = self.trial
        pairs = (
            ("data version", answer.data_version, trial.data_version),
            ("seed", answer.seed, trial.seed),
            ("n", answer.sample, trial.n),
            ("class list", answer.trial, trial.id),
        )
        for what, there, here in pairs:
            if there != here:
                raise DataError(
                    f"{self.path} holds answers to another test, with another {what}",
                    expected=str(there),
                    got=str(here),
                    cure=_ELSEWHERE,
                )
        if answer.answer is not None and answer.answer not in trial.class_names:
            raise DataError(
                f"{self.path}: answer {answer.answer!r} is no class of this test", cure=_ELSEWHERE
            )


def load_answers(path: Path) -> LoadedAnswers:
    """All whole answers of a log of whatever trial; empty when there is no file."""
    there = Journal(path, Answer).read()
    return LoadedAnswers(there.records, there.torn)
