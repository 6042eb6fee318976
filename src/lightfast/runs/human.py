"""`human_test` and `human_results`: people read a sample of the test pictures without seeing labels; their
answers are scored.

FOLDER/answers.jsonl    every answer ever given, append-only
       metrics.json, report.html    written by `human_results`
"""

from __future__ import annotations

import contextlib
import dataclasses
import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError, SettingsError, StorageError
from lightfast.base.files import require_writable
from lightfast.baselines.human import (
    Answer,
    AnswerLog,
    Trial,
    TrialQuestion,
    draw_sample,
    load_answers,
    person_order,
)
from lightfast.baselines.human_entries import Keys, TypedEntry
from lightfast.baselines.human_score import HumanBaseline, score_people
from lightfast.data.dataset import ImageSpec
from lightfast.data.images import ImageSet
from lightfast.data.ingest import Ingest
from lightfast.evaluate.predictions import Predictions
from lightfast.pages.human import HumanResult, HumanSession, write_human_page
from lightfast.runs.folder import (
    REPORT_FILE,
    RUN_FILE,
    SEEN_FILE,
    TOUCH_FILE,
    Scoring,
    load_run,
    record_scoring,
    without_seen,
)
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.runs.record import envelope, written

ANSWERS_FILE = "answers.jsonl"
Ask = Callable[[TrialQuestion], str | None]
"""Shows a question and returns what was typed; None when there is nothing more to come."""


@dataclass(frozen=True, eq=False)
class HeldOut(Ingest):
    """The labelled test part that a sample is drawn from, and the seed that decides both."""

    seed: int = 0


def human_test(
    source: str, options: RunOptions, *, person: str, n: int = 100, ask: Ask, run: str | None = None
) -> HumanSession:
    """Ask one person about the pictures of the sample that this person has not answered yet.

    Every answer is on the disk before the next picture is shown. The session ends at the last picture, at the
    entry that stops, at the end of the input or at Ctrl-C; the same call goes on from there. Nothing is said
    about right or wrong.

    Args:
        source: folder, manifest, `.npz` or catalogue name; its official test part, or the one that `train`
            would split off.
        options: `out` holds the answers, default RUN/human or runs/human-DATA; `seed` of split, sample and
            order (a run has its own).
        person: the name under which the answers are kept.
        n: pictures in the sample, the same for everybody; all distinct test pictures where there are fewer.
        ask: shows a `TrialQuestion`, returns what was typed, or None at the end of the input. A bad entry is
            asked again, with a message.
        run: run folder: its split, its picture size, and no picture that it was fitted or chosen on.

    Returns: how many pictures were asked, and how many are left.

    Raises:
        DataError: the folder holds answers to another test. SettingsError: no name, n below 1.
            CheckpointError: `run` is no run folder.
        StorageError: an answer could not be kept.
    """
    started, name = time.perf_counter(), " ".join(person.split())
    if not name:
        raise SettingsError(
            "human test", expected="the name of a person", got="nothing", cure="Give one as `person`."
        )
    folder = human_folder(source, options, run)
    options.require_out(folder)
    held = held_out(source, options, run)
    sample = draw_sample(held.images, n, held.seed)
    log = AnswerLog(
        folder / ANSWERS_FILE, Trial(held.images.version, held.images.class_names, held.seed, len(sample))
    )
    before = log.load()
    log.prepare()
    # One person stays one person, however the name is capitalised.
    name = next(
        (answer.person for answer in before.answers if answer.person.casefold() == name.casefold()), name
    )
    had = _answered(log, name)
    # Ctrl-C is one of the ways to stop; what was answered is on the disk.
    with contextlib.suppress(KeyboardInterrupt):
        _session(log, held, sample, name, ask)
    answered = len(_answered(log, name))
    few = [f"the test part has {len(sample)} distinct pictures, fewer than {n}: all of them are asked"] * (
        len(sample) < n
    )
    return HumanSession(
        **envelope(held, held.images, _seeded(options, held.seed), started, (*few, *before.notes(log.path))),
        person=name,
        n=len(sample),
        answered=answered,
        asked=answered - len(had),
        log=log.path,
    )


def human_results(source: str, options: RunOptions, *, run: str | None = None) -> HumanResult:
    """Score all answers that people gave about `source`, and write metrics.json and report.html beside them.

    Args:
        source, options: as for `human_test`; the sample is the one that people were asked.
        run: run folder to pair with the people on exactly the same pictures; the scoring is recorded in
            RUN/evaluations.jsonl, or beside the answers where RUN cannot be written.

    Returns: the scores, with a note also where their folder cannot be written. Where nobody has answered
    their status is "not run", there is no accuracy, and nothing is written.

    Raises DataError when the answers are about other pictures, other classes or another split.
    """
    started = time.perf_counter()
    folder = human_folder(source, options, run)
    held = held_out(source, options, run)
    path = folder / ANSWERS_FILE
    there = load_answers(path)
    if not there.answers:
        notes = ("nobody has answered yet: give a `person` to ask", *there.notes(path))
        shared = envelope(held, held.images, _seeded(options, held.seed), started, notes)
        baseline = HumanBaseline(held.seed, 0, held.images.version, notes=shared["notes"])
        return HumanResult(**shared, baseline=baseline, log=path, model_run=run, images=held.images)
    first = there.answers[0]
    images = held.images
    log = AnswerLog(path, Trial(images.version, images.class_names, first.seed, first.sample))
    log.load()
    sample = draw_sample(images, first.sample, first.seed)
    predictions, scoring, page, unwritten = None, Scoring(), *_place_of_page(folder)
    if run is not None:
        predictions = predictions_on_sample(run, images.take(sample), options)
        command = options.command or f"human {images.name}"
        scoring = record_scoring(run, images.version, command, page and page / TOUCH_FILE)
    baseline = score_people(log, images, sample, predictions)
    notes = (*baseline.notes, *scoring.notes, *unwritten)
    shared = envelope(held, images, _seeded(options, first.seed), started, notes)
    result = HumanResult(
        **shared,
        touched_before=scoring.before,
        baseline=dataclasses.replace(baseline, notes=shared["notes"]),
        log=path,
        model_run=run,
        report=page and page / REPORT_FILE,
        images=images,
    )
    return written(page, result, write_human_page)


def _place_of_page(folder: Path) -> tuple[Path | None, tuple[str, ...]]:
    """(where the results go, what to say): answers can also be scored where nothing can be written."""
    try:
        return require_writable(folder, folder=True), ()
    except StorageError as error:
        return None, (
            f"no report was written ({error.without_cure}): copy the answers to a folder that can be written "
            "and give that as `out`",
        )


def _seeded(options: RunOptions, seed: int) -> RunOptions:
    """The options with the seed that decided the sample: a run has its own, and so has a log."""
    return dataclasses.replace(options, seed=seed)


def human_folder(source: str, options: RunOptions, run: str | None) -> Path:
    """Where answers and results stand: `out`, else RUN/human, else runs/human-DATA.

    A run folder itself is refused.
    """
    name = re.sub(
        r"[^\w.-]+",
        "-",
        Path(source).expanduser().resolve().stem if Path(source).expanduser().exists() else source,
    ).strip("-")
    folder = (
        Path(options.out)
        if options.out is not None
        else Path(run) / "human"
        if run is not None
        else Path("runs") / f"human-{name}"
    )
    if (folder / RUN_FILE).is_file():
        raise CheckpointError(
            f"{folder} is a run folder", cure=f"Keep the answers elsewhere: `out` {folder / 'human'}."
        )
    return folder


def held_out(source: str, options: RunOptions, run: str | None) -> HeldOut:
    """The pictures that a model may be scored on: the official test part of `source`, or the one that `train`
    splits off.

    With a run they are read at its size, and what it has seen is left out; of data without official parts
    that is what it was not fitted or chosen on, the same pictures that `evaluate` scores.
    """
    seed, size, channels, notes = options.seed, options.image_size, None, ()
    if run is not None:
        record = load_run(Path(run))
        height, width, channels = record["image_shape"]
        seed, size = int(record["split_seed"]), (height, width)
        if options.seed not in (0, seed):
            notes = (f"seed {seed} of the run was used, not {options.seed}",)
    prepared = prepare(source, options, target=ImageSpec(size, channels))
    if prepared.data.test is not None:
        images = prepared.data.test
    elif run is not None and (Path(run) / SEEN_FILE).is_file():
        images = prepared.data.part("all")
    else:
        images = prepared.splits(seed).test
    images, left_out = (images, ()) if run is None else without_seen(Path(run), images)
    return HeldOut(images, prepared.unreadable, (*prepared.notes, *left_out, *notes), seed)


def _answered(log: AnswerLog, person: str) -> set[str]:
    """Content hashes of the pictures that a person has answered."""
    return {answer.content for answer in log.load().answers if answer.person == person}


def _session(log: AnswerLog, held: HeldOut, sample: NDArray[Any], person: str, ask: Ask) -> None:
    had, images = _answered(log, person), held.images
    for position, row in enumerate(person_order(sample, held.seed, person), start=1):
        if images.content_hashes[row] in had:
            continue
        # A copy: what shows the picture must not be able to change it for others.
        question = TrialQuestion(images.images[row].copy(), images.class_names, position, len(sample))
        started = time.perf_counter()
        entry = _entry(question, ask)
        if entry.meaning == "stop":
            return
        seconds = time.perf_counter() - started
        picture = images.ids[row], images.content_hashes[row]
        log.append(
            Answer.of(
                log.trial, picture, person=person, answer=entry.name, seconds=seconds, position=position
            )
        )


def _entry(question: TrialQuestion, ask: Ask) -> TypedEntry:
    """Ask until the entry is understood."""
    keys = Keys(question.class_names)
    while True:
        try:
            text = ask(question)
        except EOFError:
            text = None
        entry = TypedEntry("stop") if text is None else keys.understood(text)
        if entry.meaning != "again":
            return entry
        question = dataclasses.replace(question, message=entry.message)


def predictions_on_sample(run: str, images: ImageSet, options: RunOptions) -> Predictions:
    """What the run says of the pictures of a sample, under the name of its model."""
    # torch is loaded only where a model is read.
    from lightfast.evaluate.predict import predict
    from lightfast.models.load import load_classifier
    from lightfast.runs.pictures import aligned

    classifier = load_classifier(run, options.device)
    turned, _ = aligned(images, classifier)
    return dataclasses.replace(predict(classifier, turned), name=f"the model ({classifier.model})")
