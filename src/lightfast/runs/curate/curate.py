"""`curate_run`: what is wrong with a pile of pictures: labels, copies, outliers, flaws, classes; as a table,
a queue for people, and a page. Nothing is changed or deleted.
"""

from __future__ import annotations

import dataclasses
import re
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import SettingsError
from lightfast.curate.copies import find_copies
from lightfast.curate.either_side import same_picture_groups
from lightfast.curate.embed import Features
from lightfast.curate.flaws import Flaw, file_sizes, find_flaws, picture_statistics
from lightfast.curate.issue_table import save_issues
from lightfast.curate.listed_tags import TagIssue, listed_tag_issues
from lightfast.curate.neighbours import nearest
from lightfast.curate.outliers import OUTLIER_NEIGHBOURS, Outliers, find_outliers
from lightfast.curate.overlap import ClassBalance, ClassOverlap, class_balance, class_overlaps
from lightfast.curate.tag_issues import find_tag_issues
from lightfast.data.answers import require_unanswered
from lightfast.data.dataset import ImageSpec, LoadedData
from lightfast.data.decode.decode import resize_batch
from lightfast.data.duplicates.search import why_not_searched
from lightfast.data.images import ImageSet
from lightfast.experiments.auto import AUTO_MODEL
from lightfast.models.load import load_checkpoint, load_classifier
from lightfast.models.transfer import backbone_of, identifier_of
from lightfast.pages.curate import write_curate_page
from lightfast.pages.curate_result import CURATE_QUEUE_FILE, ISSUES_FILE, SCORES_FILE, CurateResult
from lightfast.restore.detector import detect
from lightfast.runs.curate.files import Findings, issue_rows, review_queue, save_scores, write_pruned
from lightfast.runs.curate.labels import Judge, Judgement, LabelTask, choose_judge, compared_by, judge_labels
from lightfast.runs.fit import SMALL_SIDE
from lightfast.runs.folder import REPAIR_FOLDER, begin, claimed, require_free, seen_rows
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import Prepared, prepare_labelled_or_not
from lightfast.runs.record import envelope, finished


@dataclass(frozen=True)
class CurateOptions:
    """What is wanted of `curate_run`.

    Attributes:
        run: a run folder or `hf-hub:ID` whose model judges; "": linear heads on a published backbone, or the
            small network.
        folds: of the models that judge, at least 3. repeats: how often they are drawn; None: by the size.
        prune: "auto" searches the share of doubtful pictures to leave out, "off" does not, a number from 0 to
            below 1 is tried against leaving out none.
    """

    run: str = ""
    folds: int = 5
    repeats: int | None = None
    prune: str = "auto"

    def __post_init__(self) -> None:
        if self.folds < 3:
            raise SettingsError(
                f"{self.folds} `folds`",
                expected="at least 3: one is held out, one chooses, one is learned from",
            )
        if self.repeats is not None and self.repeats < 1:
            raise SettingsError(f"{self.repeats} `repeats`", expected="at least 1")
        if self.prune not in ("auto", "off") and not _is_share(self.prune):
            raise SettingsError(
                f"`prune` {self.prune}", expected="auto, off, or a share above 0 and below 1, such as 0.05"
            )


def _is_share(text: str) -> bool:
    try:
        return 0 < float(text) < 1
    except ValueError:
        return False


def default_folder(source: str, run: str) -> Path:
    """Where `curate` writes unless it is told: RUN/curated, or runs/curate-NAME."""
    if run and not run.startswith("hf-hub:"):
        return Path(run, "curated")
    name = re.sub(r"[^\w.-]+", "-", Path(source.rstrip("/")).name) or "data"
    return Path("runs", f"curate-{name}")


@dataclass(frozen=True, eq=False)
class _Pile:
    """All pictures one after the other, the part of each, what they are compared by, and who judges."""

    prepared: Prepared
    images: ImageSet
    part_of: NDArray[np.str_]
    features: Features
    judge: Judge
    notes: tuple[str, ...]


def curate_run(source: str, options: RunOptions, curate_options: CurateOptions | None = None) -> CurateResult:
    """Find what is wrong with the pictures of `source` and their labels.

    Labels are judged by models that never saw the picture: k-fold inside, near duplicates on one side; those
    of an official test part by models of the other parts. Also sought: exact and near duplicates within and
    across parts, outliers, dark, glaring, blurred, plain and odd-sized pictures, classes that overlap or are
    uneven. Without labels all but the labels is looked at.

    Args:
        source: folder, manifest, `.npz`, archive or catalogue name.
        options: `out` is the folder to write: issues.parquet, scores.parquet, queue.csv, metrics.json,
            report.html, and pruned.csv (or .npz), the next version of the data without the most doubtful
            pictures, where that is shown to be a gain or was asked for.
        curate_options: run, folds, repeats, pruning.

    Returns: what was found; its `as_json` is the content of metrics.json. Raises InputError for a source that
    cannot be read, and for a run or a folder that does not fit.
    """
    wanted, started = curate_options or CurateOptions(), time.perf_counter()
    folder = require_free(options.folder("curate"), replace="curate")
    options.require_out(folder)
    require_unanswered(
        folder / CURATE_QUEUE_FILE,
        "Take them up by `relabel`, and give another folder: `out`, or move the queue.",
    )
    pile = _read(source, wanted, options)
    settings = options.settings("curate", source, pile.images.version, **dataclasses.asdict(wanted))
    begin(folder, settings, resume=False, replace="curate")
    with claimed(folder):
        result = _found(source, pile, wanted, options, started)
    return finished(folder, result, write_curate_page)


def _read(source: str, wanted: CurateOptions, options: RunOptions) -> _Pile:
    classifier = load_classifier(wanted.run, options.device) if wanted.run else None
    # A backbone looks at no more than its own side of a photograph; a run reads at its own size.
    side = None if classifier else backbone_of(identifier_of(AUTO_MODEL)).side
    target = ImageSpec(options.image_size, largest_side=side)
    prepared = prepare_labelled_or_not(source, options, classifier=classifier, target=target)
    data = prepared.data
    images = data.part("all")
    part_of = np.concatenate([np.full(len(part), name) for name, part in data.parts.items()])
    judge = choose_judge(images, _photographs(data), classifier, wanted.run)
    part_of, notes = _parts_of_run(images, part_of, wanted.run)
    return _Pile(prepared, images, part_of, compared_by(images, judge, options), judge, notes)


def _photographs(data: LoadedData) -> bool:
    height, width, _ = data.train.image_shape
    return not (why_not_searched(data) and min(height, width) <= SMALL_SIDE)


def _parts_of_run(
    images: ImageSet, part_of: NDArray[np.str_], run: str
) -> tuple[NDArray[np.str_], tuple[str, ...]]:
    """(the parts, notes): of data without official parts, those that the run was and was not fitted on."""
    if len(set(part_of.tolist())) > 1:
        return part_of, ()
    everything = np.full(len(images), "all")
    seen = seen_rows(Path(run), images) if run else np.zeros(len(images), dtype=np.bool_)
    if not seen.any() or seen.all():
        return everything, ()
    note = (
        f"{int((~seen).sum()):,} pictures that {run} was neither fitted nor chosen on count as its test "
        "part: correcting their labels inflates its figures"
    )
    return np.where(seen, "train", "test"), (note,)


def _found(
    source: str, pile: _Pile, wanted: CurateOptions, options: RunOptions, started: float
) -> CurateResult:
    images, near, folder = pile.images, pile.prepared.near, Path(options.folder("curate"))
    judgement = judge_labels(_task(pile, wanted, options))
    flaws, not_looked = _flaws(source, images, wanted.run, options)
    found = Findings(
        images,
        pile.part_of,
        same_picture_groups(images.content_hashes, near.groups),
        pile.features.unit,
        judgement,
        _tag_issues(judgement),
        find_copies(images, near.groups, pile.part_of.tolist()),
        find_outliers(nearest(pile.features.vectors, OUTLIER_NEIGHBOURS, report=options.report).similarity),
        flaws,
    )
    issues = issue_rows(found)
    kept = write_pruned(folder, found, asked=wanted.prune not in ("auto", "off"))
    save_issues(folder / ISSUES_FILE, issues)
    save_scores(folder / SCORES_FILE, found)
    review_queue(issues, images).save(folder / CURATE_QUEUE_FILE)
    overlaps, balance = _classes(images, judgement)
    return CurateResult(
        **envelope(pile.prepared, images, options, started, (*pile.notes, *judgement.notes, *kept)),
        run=wanted.run,
        out=folder,
        n=len(images),
        parts=dict(Counter(pile.part_of.tolist())),
        method=pile.judge.method if judgement.out_of_sample else "",
        features=pile.judge.said,
        labels=judgement.parts,
        test=judgement.test,
        found=dict(Counter(one.kind for one in issues)),
        overlaps=overlaps,
        balance=balance,
        pruning=judgement.pruning,
        not_run={**judgement.not_run, **_not_searched(pile, found.outliers), **not_looked},
        tag_issues=found.tag_issues,
        copies=found.copies,
        outliers=found.outliers,
        flaws=flaws,
        issues=issues,
        images=images,
        part_of=pile.part_of,
    )


def _task(pile: _Pile, wanted: CurateOptions, options: RunOptions) -> LabelTask:
    return LabelTask(
        pile.images,
        pile.part_of,
        pile.features.vectors,
        pile.judge,
        (wanted.folds, wanted.repeats),
        wanted.prune,
        Path(options.folder("curate")),
        options,
    )


def _tag_issues(judgement: Judgement) -> tuple[TagIssue, ...]:
    learned, found = judgement.learned, judgement.out_of_sample
    if learned is None or found is None or learned.tags is None:
        return ()
    judged = find_tag_issues(found.pred_probs, learned.tags, class_names=learned.class_names)
    return listed_tag_issues(judged, found.pred_probs, judgement.rows)


def _flaws(
    source: str, images: ImageSet, run: str, options: RunOptions
) -> tuple[tuple[Flaw, ...], Mapping[str, str]]:
    """(what is wrong with single pictures, what was not looked for and why)."""
    sizes = file_sizes(Path(source).expanduser(), images.ids)
    statistics = picture_statistics(images.images, sizes, options.report)
    not_run = {} if sizes is not None else {"odd sizes": "the pictures are not files below a folder"}
    detector = Path(run, REPAIR_FOLDER, "detector")
    if not run or not detector.is_dir():
        why = f"{run} has no damage detector (`repair` trains one)" if run else "no run was named"
        return find_flaws(statistics), {**not_run, "damage detector": why}
    return (*find_flaws(statistics), *_damage(detector, images)), not_run


def _damage(folder: Path, images: ImageSet) -> list[Flaw]:
    """What the damage detector of a run names, the surest first; `unknown` is no word about a picture."""
    detector = load_checkpoint(folder)
    height, width, channels = detector.image_shape
    pixels = resize_batch(images.images, (height, width), channels)
    said = detect(detector, pixels)
    probs = said.kind_probs.max(axis=1)
    rows = np.flatnonzero(said.kind > 0)
    return [
        Flaw(
            row,
            "damage",
            float(probs[row]),
            f"the detector says {said.names[row]}, severity {said.severity[row]}",
        )
        for row in rows[np.argsort(-probs[rows], kind="stable")].tolist()
    ]


def _classes(images: ImageSet, judgement: Judgement) -> tuple[tuple[ClassOverlap, ...], ClassBalance | None]:
    """(classes that are taken for each other, how even they are)."""
    if images.labels is None and images.tags is None:
        return (), None
    counts = (
        np.bincount(images.require_labels(), minlength=images.num_classes)
        if images.tags is None
        else images.tags.sum(axis=0)
    )
    balance = class_balance(counts, images.class_names)
    learned, found = judgement.learned, judgement.out_of_sample
    if learned is None or found is None or learned.labels is None:
        return (), balance
    return class_overlaps(found.pred_probs.argmax(axis=1), learned.labels, learned.class_names), balance


def _not_searched(pile: _Pile, outliers: Outliers) -> dict[str, str]:
    said = {"near duplicates": pile.prepared.near.not_searched, "outliers": outliers.not_searched}
    return {what: why for what, why in said.items() if why}
