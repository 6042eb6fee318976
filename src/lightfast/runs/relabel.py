"""`relabel_data`: data and decisions in, the next version on disk out; the data stays as it is."""

from __future__ import annotations

import csv
import dataclasses
import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np

from lightfast.base.errors import DataError
from lightfast.base.files import make_folder, write_json, write_text
from lightfast.base.plain import as_json
from lightfast.curate.ledger import LedgerEntry, LedgerTotal, ledger_total
from lightfast.data.answers import AskedPicture, queue_shape, read_answers
from lightfast.data.dataset import ImageSpec, LoadedData, concatenate
from lightfast.data.decisions import Decision, DecisionLog
from lightfast.data.export import require_new_folder, save_npz
from lightfast.data.images import ImageSet
from lightfast.data.lists.not_labels import NOT_LABEL, UNLABELLED_PART
from lightfast.data.replay import DecisionConflict, Replayed, misplaced, replay
from lightfast.data.ruled_out import RuledOut
from lightfast.experiments.auto import AUTO_MODEL
from lightfast.models.transfer import backbone_of, identifier_of
from lightfast.report.envelope import Envelope
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import prepare
from lightfast.runs.record import envelope
from lightfast.runs.relabel_proof import ProofOptions, ProofTask, prepare_proof, prove_cleanup

NOT_THIS = "not this"
"""What a cell says of a picture that does not belong to its class, whatever else it is."""
VERSION_FILE, NEGATIVES_FILE, LOG_FILE = "version.json", "not-this.csv", "decisions.jsonl"


@dataclass(frozen=True, eq=False, kw_only=True)
class RelabelResult(Envelope):
    """What `relabel` made of a data set.

    Attributes:
        source: what was relabelled. out: the folder of the next version. path: its data.
        parent: `ImageSet.version` of each part before, and `versions` after, by part.
        n: pictures of the next version.
        decisions: how many were read, of which `used` concern these pictures.
        changed: labels that are others now, by part; agreed: labels that people left.
        left_out: pictures known not to be what they were called, without another label, by part.
        misplaced: (picture, why) of decisions that fit no picture.
        conflicts: pictures on which people disagreed; the last one holds.
        undone: numbers of decisions that were left out as asked.
        proof: whether the clean-up paid, where that was asked for; `total`: of its ledger, and `ledger`, the
            file.
    """

    source: str
    out: Path
    path: Path
    parent: Mapping[str, str]
    versions: Mapping[str, str]
    n: int
    decisions: int
    changed: Mapping[str, int]
    agreed: int
    left_out: Mapping[str, int]
    misplaced: Sequence[tuple[str, str]]
    conflicts: Sequence[DecisionConflict]
    undone: Sequence[int]
    proof: LedgerEntry | None = None
    total: LedgerTotal | None = None
    ledger: Path | None = None


def relabel_data(
    source: str,
    decisions: Path,
    options: RunOptions,
    *,
    without: Collection[int] = (),
    reviewer: str | None = None,
    proof: ProofOptions | None = None,
) -> RelabelResult:
    """Write the next version of `source` into the folder `options.out`.

    `data.csv` names the files of `source` where they lie, with their labels and parts; arrays become
    `data.npz`. `version.json` says what was done, `decisions.jsonl` holds the decisions that were used, and
    `not-this.csv` the pictures that are known not to be what they were called. Those of the train part stand
    in the version without a label, beside what they are not: a training learns that much.

    Args:
        source: folder, manifest, `.npz` or catalogue name.
        decisions: a `.jsonl` of decisions, or a queue (.csv, .parquet) with a filled column `decided_label`
            ("not this": none of its class).
        options: `out` is a new or empty folder.
        without: numbers (from 1) of decisions that do not count: an undo.
        reviewer: who filled the queue, where it does not say so.
        proof: also train on the labels before and after, and note in the ledger whether the clean-up paid.

    Raises:
        DataError: no decisions, none that fits a picture, a number in `without` that is none.
        UnknownName: a label that is no class.
    """
    started, out = time.perf_counter(), options.folder("relabel")
    require_new_folder(out)
    options.require_out()
    prepared = prepare(source, options, near="none")
    parts = prepared.data.parts
    read, notes = _decisions(decisions, parts, reviewer, (source, options))
    used = [one for number, one in enumerate(read, start=1) if number not in _numbers(without, len(read))]
    found = {name: replay(images, used) for name, images in parts.items()}
    lost = misplaced(list(parts.values()), used, prepared.data.ruled_out)
    if used and len(lost) == len({(one.picture, one.content) for one in used}):
        raise DataError(
            f"no decision of {decisions} fits a picture of {source}",
            got=f"{lost[0][0]}: {lost[0][1]}",
            cure="Give the data that was reviewed, at the same size.",
        )
    task = prepare_proof(source, found, proof, options) if proof else None
    path = _write(out, source, options, prepared.data, found)
    _write_beside(out, used, found)
    proved, more = _proved(task, used, parts, found) if task else ({}, ())
    facts = envelope(prepared, prepared.data.train, options, started)
    facts["notes"] = (*facts["notes"], *notes, *_notes(found), *more)
    result = _result(facts, found, source, (out, path), parts=parts, used=used, lost=lost, without=without)
    result = dataclasses.replace(result, **proved)
    write_json(out / VERSION_FILE, as_json(result))
    return result


def _proved(
    task: ProofTask, used: Sequence[Decision], parts: Mapping[str, ImageSet], found: Mapping[str, Replayed]
) -> tuple[dict[str, Any], tuple[str, ...]]:
    """(fields of the result, notes); nothing is trained where the models would be the same."""
    if not task.trains_anew:
        said = "no label that is learned from or chosen on has changed: there is nothing to prove"
        return {}, (f"{said}, and nothing was noted in {task.ledger.path.name}",)
    versions = tuple(
        {name: one.version for name, one in each.items()}
        for each in (parts, {name: one.images for name, one in found.items()})
    )
    entry, notes = prove_cleanup(task, used, (versions[0], versions[1]))
    total = ledger_total(task.ledger.read().records)
    return {"proof": entry, "total": total, "ledger": task.ledger.path}, notes


def _result(
    facts: Mapping[str, Any],
    found: Mapping[str, Replayed],
    source: str,
    written: tuple[Path, Path],
    **read: Any,
) -> RelabelResult:
    ones = found.values()
    return RelabelResult(
        **facts,
        source=source,
        out=written[0],
        path=written[1],
        parent={name: images.version for name, images in read["parts"].items()},
        versions={name: one.images.version for name, one in found.items()},
        n=sum(len(one.images) for one in ones),
        decisions=len(read["used"]),
        changed={name: len(one.changed) for name, one in found.items()},
        agreed=sum(one.agreed for one in ones),
        left_out={name: one.left_out for name, one in found.items()},
        misplaced=read["lost"],
        conflicts=tuple(conflict for one in ones for conflict in one.conflicts),
        undone=tuple(sorted(read["without"])),
    )


def _decisions(
    path: Path, parts: Mapping[str, ImageSet], reviewer: str | None, given: tuple[str, RunOptions]
) -> tuple[tuple[Decision, ...], tuple[str, ...]]:
    if not path.is_file():
        raise DataError(
            f"no such file of decisions: {path}", cure="Give a .jsonl, or a queue that was filled."
        )
    if path.suffix == ".jsonl":
        log = DecisionLog(path)
        entries = log.read()
        if not entries.records:
            raise DataError(f"{path} holds no decision")
        return _at_this_size(entries.records, parts, given), entries.notes(path)
    seen = _as_asked(path, parts, given)
    asked = [
        AskedPicture(name, content, images.class_names[label])
        for images in seen
        for name, content, label in zip(
            images.ids, images.content_hashes, images.require_labels(), strict=True
        )
    ]
    here = _tied(seen, parts.values())
    names = next(iter(parts.values())).class_names
    said = read_answers(path, asked, (*names, NOT_THIS), reviewer)
    negative = {NOT_THIS: None} if NOT_THIS not in names else {}
    decided = tuple(
        dataclasses.replace(
            one,
            decided_label=negative.get(str(one.decided_label), one.decided_label),
            content=here[one.picture, one.content],
        )
        for one in said.decisions
    )
    notes = [
        f"{one.id}: the answer {one.decided_label!r} was set aside, {one.reason}" for one in said.set_aside
    ]
    return decided, tuple(notes)


def _at_this_size(
    records: tuple[Decision, ...], parts: Mapping[str, ImageSet], given: tuple[str, RunOptions]
) -> tuple[Decision, ...]:
    """The decisions, tied to the pictures as they are read here: where they are about other pixels, those of
    a backbone's size are tried, at which `map`, `select` and `curate` read photographs.
    """
    here = {key for images in parts.values() for key in zip(images.ids, images.content_hashes, strict=True)}
    names = {name for name, _ in here}
    others = [one for one in records if one.picture in names and (one.picture, one.content) not in here]
    source, options = given
    if not others or options.image_size is not None:
        return records
    side = backbone_of(identifier_of(AUTO_MODEL)).side
    seen = prepare(source, options, near="none", target=ImageSpec(largest_side=side)).data.parts
    tied = _tied(seen.values(), parts.values())
    return tuple(
        dataclasses.replace(one, content=tied.get((one.picture, one.content), one.content)) for one in records
    )


def _tied(seen: Iterable[ImageSet], here: Iterable[ImageSet]) -> dict[tuple[str, str], str]:
    """(id, content hash as it was seen) → the content hash here, of the parts of one source read twice."""
    tied: dict[tuple[str, str], str] = {}
    for there, images in zip(seen, here, strict=True):
        native = dict(zip(images.ids, images.content_hashes, strict=True))
        for key in zip(there.ids, there.content_hashes, strict=True):
            tied[key] = native.get(*key)
    return tied


def _as_asked(
    path: Path, parts: Mapping[str, ImageSet], given: tuple[str, RunOptions]
) -> Collection[ImageSet]:
    """The pictures at the size at which the queue was written: content hashes depend on it. Nothing but the
    hashes is taken from there.
    """
    (source, options), shape = given, queue_shape(path)
    if shape is None or all(images.image_shape == shape for images in parts.values()):
        return parts.values()
    height, width, channels = shape
    spec = ImageSpec((height, width), channels)
    return prepare(source, options, near="none", target=spec).data.parts.values()


def _numbers(without: Collection[int], count: int) -> set[int]:
    wrong = [number for number in without if not 1 <= number <= count]
    if wrong:
        raise DataError(f"`without` {wrong[0]}", expected=f"a number of a decision, 1 to {count}")
    return set(without)


def _write(
    out: Path, source: str, options: RunOptions, data: LoadedData, found: Mapping[str, Replayed]
) -> Path:
    make_folder(out)
    sets: dict[str, Any] = {name: one.images for name, one in found.items()}
    beside = _beside(data.ruled_out, found)
    bases = [Path(options.root)] if options.root else [Path(source), Path(source).parent]
    others = {} if beside is None else {"beside": beside.images}
    base = next((one for one in bases if _all_there(one, sets | others)), None)
    if base is None:
        loaded = dataclasses.replace(data, **sets, ruled_out=beside)
        return save_npz(out / "data.npz", loaded if len(sets) > 1 or beside is not None else loaded.train)
    rows, columns = _table_rows(sets, beside), _columns(sets, beside)
    text = StringIO()
    table = csv.writer(text)
    table.writerow([("path", "label", "split", NOT_LABEL)[one] for one in columns])
    table.writerows([[str((base / row[0]).absolute()), *row[1:]][one] for one in columns] for row in rows)
    return write_text(out / "data.csv", text.getvalue())


def _columns(sets: Mapping[str, ImageSet], beside: RuledOut | None) -> list[int]:
    """The columns of data.csv; those that would say nothing are left out."""
    said = [] if beside is None else beside.says_something.tolist()
    return [0, 1, *[2] * (len(sets) > 1 or not all(said)), *[3] * any(said)]


def _table_rows(sets: Mapping[str, ImageSet], beside: RuledOut | None) -> list[tuple[str, str, str, str]]:
    """(id, label, part, what it is not) of every row of data.csv."""
    names = next(iter(sets.values())).class_names
    rows = [
        (name, names[label], part, "")
        for part, images in sets.items()
        for name, label in zip(images.ids, images.require_labels(), strict=True)
    ]
    if beside is not None:
        ids = beside.images.ids
        rows += [(ids[row], "", "train", names[one]) for row, one in np.argwhere(beside.classes)]
        rows += [(ids[row], "", UNLABELLED_PART, "") for row in np.flatnonzero(~beside.says_something)]
    return rows


def _beside(before: RuledOut | None, found: Mapping[str, Replayed]) -> RuledOut | None:
    """What is known of training pictures only for what they are not, that of `before` included."""
    sets = [one for one in (before, found["train"].ruled_out) if one is not None]
    if len(sets) < 2:
        return sets[0] if sets else None
    images = concatenate([one.images for one in sets])
    return RuledOut(images, np.concatenate([one.classes for one in sets]))


def _all_there(base: Path, sets: Mapping[str, ImageSet]) -> bool:
    return all((base / name).is_file() for images in sets.values() for name in images.ids)


def _write_beside(out: Path, used: Sequence[Decision], found: Mapping[str, Replayed]) -> None:
    log = DecisionLog(out / LOG_FILE)
    for one in used:
        log.append(one)
    negatives = [(part, *row) for part, one in found.items() for row in one.negatives]
    if negatives:
        text = StringIO()
        csv.writer(text).writerows([("split", "path", "not_label"), *negatives])
        write_text(out / NEGATIVES_FILE, text.getvalue())


def _notes(found: Mapping[str, Replayed]) -> list[str]:
    left = sum(one.left_out for one in found.values())
    said = f"{left:,} picture(s) are known not to be what they were called, and nobody said what they are"
    notes = [f"{said}: they are left out, and listed in {NEGATIVES_FILE}"] if left else []
    taught = found["train"].ruled_out if "train" in found else None
    if taught is not None:
        notes.append(f"{len(taught):,} of them stay without a label: a training learns what they are not")
    return notes + [
        f"labels of the {part} part were changed: figures on it are not comparable with those before, and "
        "a model that helped to find the labels is flattered by them"
        for part in ("val", "test")
        if part in found and (found[part].changed or found[part].negatives)
    ]
