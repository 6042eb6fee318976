"""A blinded test that is kept in a folder of its own, so that several people can take it over days: the
sampled pictures, what the model says of them, and the answers.

FOLDER/pictures.npy           the sample, uint8 (N, H, W, C)
       labels.npz             its labels, class names, ids and content hashes
       predictions.parquet    of a model, where there is one
       answers.jsonl          every answer ever given, append-only (`baselines.human.AnswerLog`)
       test.json              what the test is; written last: a folder without it is none
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import ConflictError, DataError, NotFoundError
from lightfast.base.files import atomic, load_json, write_json
from lightfast.base.plain import as_json
from lightfast.baselines.human import Answer, AnswerLog, Trial, person_order
from lightfast.baselines.human_score import HumanBaseline, score_people
from lightfast.data.images import ImageSet
from lightfast.evaluate.predictions import Predictions

TEST_FILE = "test.json"
_PICTURES, _LABELS, _PREDICTIONS = "pictures.npy", "labels.npz", "predictions.parquet"
_ANSWERS = "answers.jsonl"


@dataclass(frozen=True)
class TestFacts:
    """What a kept test is.

    Attributes:
        id: of its `Trial`: the same pictures, classes, seed and number are the same test.
        source: where its pictures come from, as it was named.
        model: what the model on the same pictures is called; None: there is none.
        class_names: what can be answered.
        n: pictures in the sample.
        seed: of the sample and of everybody's order.
        made_at: UTC, ISO 8601.
        labelled_by: person → how many of the pictures that person labelled: no blind reader of these.
        notes: what was left out, one sentence each.
    """

    __test__ = False

    id: str
    source: str
    model: str | None
    class_names: tuple[str, ...]
    n: int
    seed: int
    made_at: str
    labelled_by: Mapping[str, int] = field(default_factory=dict)
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class TestPlace:
    """Where a person stands in a test: `next` is the place of the next picture in the own order, from 1;
    None: all `total` are answered.
    """

    __test__ = False

    person: str
    answered: int
    total: int
    next: int | None

    @property
    def finished(self) -> bool:
        """Whether every picture is answered."""
        return self.next is None


@dataclass(frozen=True, eq=False)
class KeptTest:
    """A kept test; `images` are its sample alone, labelled. Where people stand is told without reading a
    picture.
    """

    folder: Path
    facts: TestFacts
    images: ImageSet

    @cached_property
    def predictions(self) -> Predictions | None:
        """The model's, of exactly these pictures; None: there is no model."""
        path = self.folder / _PREDICTIONS
        return Predictions.load(path) if path.is_file() else None

    @cached_property
    def trial(self) -> Trial:
        """What all people of this test have in common."""
        return Trial(self.images.version, self.images.class_names, self.facts.seed, len(self.images))

    @cached_property
    def log(self) -> AnswerLog:
        """The answers."""
        return AnswerLog(self.folder / _ANSWERS, self.trial)

    def place(self, person: str) -> TestPlace:
        """Where this person stands."""
        return self._place(person, self.log.load().answers)

    def places(self) -> tuple[TestPlace, ...]:
        """Where everybody stands who has answered anything, in the order of their first answers."""
        answers = self.log.load().answers
        return tuple(self._place(name, answers) for name in dict.fromkeys(one.person for one in answers))

    def picture(self, person: str, position: int) -> NDArray[np.uint8]:
        """uint8 (H, W, C): the picture at this place of the person's own order, from 1.

        Raises NotFoundError for a place beyond the sample, ConflictError for one that comes later than the
        one after the next: nobody looks ahead.
        """
        row, place = self._row(person, position), self.place(person)
        if position > (place.next or place.total) + 1:
            raise ConflictError(f"picture {position} comes later", cure="Answer those before it.")
        return self.images.images[row]

    def answer(self, person: str, position: int, answer: str | None, seconds: float) -> TestPlace:
        """Keep an answer (None: "don't know") to the picture at this place of the person's own order, and
        bring it to the disk. The same answer sent again changes nothing.

        Raises NotFoundError for a place beyond the sample, DataError for an answer that is no class of the
        test, ConflictError for another answer to a picture that was answered, and for one before its turn.
        """
        row, place = self._row(person, position), self.place(person)
        if answer is not None and answer not in self.images.class_names:
            raise DataError(f"{answer!r} is no class of this test", cure="Answer with one of `class_names`.")
        if place.next is not None and position > place.next:
            raise ConflictError(f"picture {position} comes later", cure=f"Answer picture {place.next} first.")
        picture = self.images.ids[row], self.images.content_hashes[row]
        given = Answer.of(
            self.trial, picture, person=person, answer=answer, seconds=seconds, position=position
        )
        if self.log.append_once(given).answer != answer:
            raise ConflictError(
                f"picture {position} was answered: the first answer counts", cure="Go on with the next one."
            )
        return self.place(person)

    def results(self, people: Collection[str] | None = None) -> HumanBaseline:
        """The answers of these people (None: everybody's), scored, beside the model on the same pictures."""
        return score_people(self.log, self.images, np.arange(len(self.images)), self.predictions, people)

    def _row(self, person: str, position: int) -> int:
        if not 1 <= position <= len(self.images):
            raise NotFoundError(
                f"this test has no picture {position}", cure=f"It has pictures 1 to {len(self.images)}."
            )
        return int(self._order(person)[position - 1])

    def _order(self, person: str) -> NDArray[np.int64]:
        return person_order(np.arange(len(self.images)), self.facts.seed, person)

    def _place(self, person: str, answers: tuple[Answer, ...]) -> TestPlace:
        known = {one.content for one in answers if one.person == person}
        hashes = self.images.content_hashes
        open_ = [at for at, row in enumerate(self._order(person), start=1) if hashes[row] not in known]
        total = len(self.images)
        return TestPlace(person, total - len(open_), total, open_[0] if open_ else None)


def save_test(folder: Path, facts: TestFacts, images: ImageSet, predictions: Predictions | None) -> KeptTest:
    """Keep a test in `folder`; one that stands there already is left as it is, with its answers.

    Args:
        folder: of this test alone.
        facts: what it is.
        images: the sample, labelled, without exact duplicates.
        predictions: of exactly these pictures in this order, or None.
    """
    if not (folder / TEST_FILE).is_file():
        with atomic(folder / _PICTURES) as temporary, temporary.open("wb") as stream:
            np.save(stream, images.images, allow_pickle=False)
        with atomic(folder / _LABELS) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(
                stream,
                allow_pickle=False,
                labels=images.require_labels(),
                class_names=np.array(images.class_names),
                ids=np.array(images.ids),
                name=np.array(images.name),
                hashes=np.array(images.content_hashes),
            )
        if predictions is not None:
            predictions.save(folder / _PREDICTIONS)
        write_json(folder / TEST_FILE, as_json(facts))
    return load_test(folder)


def load_test(folder: Path) -> KeptTest:
    """The test that is kept in `folder`; raises NotFoundError where there is none."""
    facts = load_facts(folder)
    with np.load(folder / _LABELS, allow_pickle=False) as kept:
        images = ImageSet(
            np.load(folder / _PICTURES, mmap_mode="r", allow_pickle=False),
            tuple(kept["class_names"].tolist()),
            kept["labels"],
            tuple(kept["ids"].tolist()),
            str(kept["name"]),
        ).with_hashes(kept["hashes"].tolist() if "hashes" in kept else None)
    return KeptTest(folder, facts, images)


def load_facts(folder: Path) -> TestFacts:
    """What the test in `folder` is, without its pictures; raises NotFoundError where there is none."""
    if not (folder / TEST_FILE).is_file():
        raise NotFoundError(f"there is no test {folder.name}", cure="Load the list anew.")
    said = load_json(folder / TEST_FILE)
    named = {name: tuple(said[name]) for name in ("class_names", "notes")}
    return TestFacts(**{**said, **named})
