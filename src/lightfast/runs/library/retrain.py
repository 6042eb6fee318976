"""`library retrain`: from what people decided to the next model, compared on untouched pictures."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from sqlalchemy import Connection

from lightfast.base.errors import LightfastError, SettingsError
from lightfast.base.plain import as_json
from lightfast.base.text import nfc
from lightfast.data.dataset import Entry
from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.library.exclusive import exclusively
from lightfast.library.held_out import count_use, put_held_out
from lightfast.library.ledger import RetrainVerdict, answer_to, not_worse, verdict_of, write_ledger
from lightfast.library.library import Library
from lightfast.library.promote import LibraryModel, in_use_now, list_models, run_of, use_model
from lightfast.library.tag import ModelFacts, put_model
from lightfast.runs.folder import PILE_FILE
from lightfast.runs.library.folders import next_folder
from lightfast.runs.library.pile import RetrainOptions, TrainingPile, make_pile, write_pile
from lightfast.runs.library.tag import model_facts
from lightfast.runs.options import RunOptions
from lightfast.runs.predict.predict import tagger_for
from lightfast.runs.train import train_run
from lightfast.statistics.intervals import Interval, wilson
from lightfast.tagging.runtime import Tagger
from lightfast.tagging.stream import tag_files

_DYING_SECONDS = 10.0


@dataclass(frozen=True, eq=False)
class RetrainResult:
    """What `library retrain` made.

    Attributes:
        run, model, model_id: the new model.
        before: the name of the one that was in use; None: there was none.
        trained: pictures with a label that it was trained and chosen on.
        held_out: pictures of the untouched part that both were judged on; `held_out_new` of them joined now.
        held_out_uses: how often the part had been scored before.
        decisions, minutes: of people since the last retraining.
        accuracy, interval: of the new model there, 0..1 with Wilson's 95 % interval, on `scored` pictures.
        test: both on the same pictures; None where there was no model before, or nothing to compare on.
        verdict: "first", "better", "no gain shown" or "worse".
        promoted: whether it is in use now; `reason` says why, or why not.
        notes: what was left out, a sentence each.
    """

    run: str
    model: str
    model_id: int
    before: str | None
    trained: int
    held_out: int
    held_out_new: int
    held_out_uses: int
    decisions: int
    minutes: float
    accuracy: float | None
    interval: Interval | None
    scored: int
    test: PairedTest | None
    verdict: RetrainVerdict
    promoted: bool
    reason: str
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, eq=False)
class _Read:
    """What a model made of the untouched part: asset → whether it is right, of those that it was not trained
    on; how many it had seen; why it could not be read, if it could not.
    """

    right: Mapping[int, bool]
    seen: int = 0
    unreadable: str = ""


class OrderDone(Exception):
    """What was ordered is in the ledger already; `answer` is what came of it, as JSON."""

    def __init__(self, answer: Mapping[str, Any]) -> None:
        super().__init__("this order is done")
        self.answer = answer


def retrain_library(
    library: Library, options: RunOptions, retrain_options: RetrainOptions | None = None
) -> RetrainResult:
    """Train on what people confirmed, compare with the model in use on the untouched part, write the ledger,
    and use the new model unless it may be worse.

    Args:
        library: is written; its runs lie in `library.runs`.
        options: `seed`, `device`, `image_size`, `near_duplicates` and `report` count.
        retrain_options: model, margin, whether to promote.

    Raises DataError for too few decisions, and where another retraining runs; OrderDone where what is ordered
    has been done.
    """
    wanted = retrain_options or RetrainOptions()
    if not 0 <= wanted.margin < 1 or not 0 < wanted.share_of(0) < 1:
        raise SettingsError("`margin`, `share`", expected="margin in 0..1, share between 0 and 1")
    # The lock of a program that was killed a moment ago may still be there.
    wait = _DYING_SECONDS if wanted.order else 0.0
    wanted = replace(wanted, order=wanted.order or secrets.token_hex(8))
    with exclusively(library, "retrain", wait):
        # Somebody else may have been at this order until now: its run is not to be trained over.
        _require_undone(library, wanted.order)
        before = next((one for one in list_models(library.store) if one.in_use), None)
        pile = make_pile(library, options, wanted)
        # The model in use is read first: where its run is gone, nothing has been trained in vain.
        read = None if before is None else _read_by(run_of(library, before), pile, options)
        folder = next_folder(library, "retrain", wanted.order)
        table = write_pile(folder / PILE_FILE, pile)
        trained = train_run(
            str(table),
            replace(options, out=folder),
            model=wanted.model,
            recipe=wanted.recipe,
            config=wanted.config,
            train_options=wanted.train_options,
        )
        pile = replace(pile, notes=(*pile.notes, *trained.notes, *_honest(trained.checkpoint.details)))
        with tagger_for(str(folder), options) as tagger:
            facts = model_facts(library, str(folder), tagger)
            uses = count_use(library.store, {"run": facts.run, "n": len(pile.held)})
            after = _read(tagger, pile)
        before, read = _still_in_use(library, (before, read), pile, options)
        judged = _judged(wanted, pile, (before, read), (facts.run, after), uses)
        return library.store.act(lambda connection: _write(connection, wanted, pile, facts, (before, judged)))


def _still_in_use(
    library: Library,
    before: tuple[LibraryModel | None, _Read | None],
    pile: TrainingPile,
    options: RunOptions,
) -> tuple[LibraryModel | None, _Read | None]:
    """What the new model is compared with: `before`, or what somebody promoted while it was trained."""
    used = next((one for one in list_models(library.store) if one.in_use), None)
    if used is None or (before[0] is not None and used.id == before[0].id):
        return before if used is not None else (None, None)
    try:
        return used, _read_by(run_of(library, used), pile, options)
    except LightfastError as error:
        # The training stands, whatever became of that one.
        return used, _Read({}, unreadable=str(error))


def _honest(details: Mapping[str, Any]) -> tuple[str, ...]:
    """The accuracy out of fold, where few labels were all learned from."""
    found = details.get("out_of_fold")
    if found is None:
        return ()
    low, high = (100 * one for one in found["interval"])
    return (
        f"out of fold {100 * found['accuracy']:.1f} % of {found['n']:,} decided pictures are read rightly "
        f"({low:.1f} to {high:.1f} %); pictures that people were asked about are harder than others",
    )


def _require_undone(library: Library, order: str) -> None:
    with library.store.read() as connection:
        done = answer_to(connection, order)
    if done is not None:
        raise OrderDone(done)


def _write(
    connection: Connection,
    wanted: RetrainOptions,
    pile: TrainingPile,
    facts: ModelFacts,
    made: tuple[LibraryModel | None, RetrainResult],
) -> RetrainResult:
    """All that a retraining leaves behind, in one transaction: nobody finds a model without its entry in the
    ledger, or one half in use.
    """
    before, result = made
    done = answer_to(connection, wanted.order)
    if done is not None:
        # Written by a try whose acknowledgement was lost.
        return replace(result, model_id=done["model_id"])
    used = in_use_now(connection)
    if result.promoted and used != getattr(before, "id", None):
        why = "not promoted: another model was taken into use a moment ago, with which it was not compared"
        result = replace(result, promoted=False, reason=why)
    put_held_out(connection, pile.held_new)
    number = put_model(connection, facts, None if before is None else before.id)
    result = replace(result, model_id=number)
    figures = {"accuracy": result.accuracy, "n": result.scored, "margin": wanted.margin}
    figures |= {"uses_before": result.held_out_uses, "paired": as_json(result.test)}
    figures |= {"order": wanted.order, "answer": as_json(result)}
    write_ledger(connection, (getattr(before, "id", None), number), pile.spent, figures, result.verdict)
    if result.promoted:
        use_model(connection, number, wanted.by)
    return result


def _read_by(run: str, pile: TrainingPile, options: RunOptions) -> _Read:
    with tagger_for(run, options) as tagger:
        return _read(tagger, pile)


def _read(tagger: Tagger, pile: TrainingPile) -> _Read:
    """Which pictures of the untouched part the model reads rightly.

    One measure for every model, so that two can be compared: where each picture has one label, its most
    probable class is that label; where some have several, the classes that it gives (of a model with several
    labels those at or above their thresholds, else the most probable one) are exactly the picture's labels.
    """
    card, held = tagger.card, pile.held
    truth, several = {one.asset_id: set(one.labels) for one in held}, pile.labelled.several
    names, right, seen = [nfc(name) for name in card.class_names], dict[int, bool](), 0
    for batch in tag_files(tagger, [Entry(one.path, str(one.asset_id), 0) for one in held]):
        marks = batch.seen if batch.seen is not None else np.zeros(len(batch.entries), np.bool_)
        for entry, probs, known in zip(batch.entries, batch.probs, marks.tolist(), strict=True):
            if known:
                seen += 1
                continue
            said = {names[int(probs.argmax())]}
            if several and card.task == "multi-label":
                said = {names[at] for at in np.flatnonzero(probs >= card.cuts)}
            right[int(entry.id)] = said == truth[int(entry.id)]
    return _Read(right, seen)


def _judged(
    wanted: RetrainOptions,
    pile: TrainingPile,
    before: tuple[LibraryModel | None, _Read | None],
    after: tuple[str, _Read],
    uses: int,
) -> RetrainResult:
    """The comparison, and whether the new model is used; its number is not known yet."""
    old, old_read = before
    run, new_read = after
    test = _paired(old, old_read, new_read, Path(run).name)
    allowed, reason = _may_be_used(old, test, wanted.margin)
    if old is not None and old_read is not None and old_read.unreadable:
        reason = (
            f"it cannot be compared with {old.name}, which was promoted meanwhile: {old_read.unreadable} "
            f"To use the new one all the same: `library promote` {Path(run).name}"
        )
    if allowed and not wanted.promote:
        reason = f"not promoted, as asked: {reason}"
    right = list(new_read.right.values())
    return RetrainResult(
        run=run,
        model=Path(run).name,
        model_id=0,
        before=getattr(old, "name", None),
        trained=len(pile.rest),
        held_out=len(right) if test is None else test.n,
        held_out_new=len(pile.held_new),
        held_out_uses=uses,
        decisions=pile.spent.decisions,
        minutes=pile.spent.minutes,
        accuracy=float(np.mean(right)) if right else None,
        interval=wilson(sum(right), len(right)) if right else None,
        scored=len(right),
        test=test,
        verdict=_verdict(old, test),
        promoted=allowed and wanted.promote,
        reason=reason,
        notes=(*pile.notes, *_seen_notes(old, old_read)),
    )


def _verdict(old: LibraryModel | None, test: PairedTest | None) -> RetrainVerdict:
    if old is None:
        return "first"
    return "no gain shown" if test is None else verdict_of(test.difference_interval)


def _seen_notes(old: LibraryModel | None, old_read: _Read | None) -> tuple[str, ...]:
    if old is None or old_read is None or not old_read.seen:
        return ()
    return (f"{old_read.seen:,} untouched pictures were left out: {old.name} was trained on them",)


def _paired(
    old: LibraryModel | None, old_read: _Read | None, new_read: _Read, name: str
) -> PairedTest | None:
    if old is None or old_read is None:
        return None
    both = sorted(old_read.right.keys() & new_read.right.keys())
    if not both:
        return None
    found = mcnemar([old_read.right[one] for one in both], [new_read.right[one] for one in both])
    return replace(found, before_name=old.name, after_name=name)


def _may_be_used(old: LibraryModel | None, test: PairedTest | None, margin: float) -> tuple[bool, str]:
    """(whether the rule lets the new model be used, why or why not)."""
    if old is None:
        return True, "the library had no model in use"
    if test is None:
        return False, f"there is no picture on which it can be compared with {old.name}"
    low = 100 * test.difference_interval.low
    bound = f"at worst {low:+.1f} points, with a margin of {100 * margin:g}"
    if not_worse(test.difference_interval, margin):
        return True, f"not worse than {old.name}: {bound}"
    return False, f"it is not shown that it is no worse than {old.name}: {bound}; more decisions tell more"
