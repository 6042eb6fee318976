"""`explain_run`: what in a picture speaks for its prediction, as files and as a page,
with the check whether that can be believed.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError, SettingsError, UnknownName
from lightfast.base.files import atomic, load_json, make_folder, write_bytes, write_json
from lightfast.base.plain import as_json
from lightfast.base.png import png
from lightfast.base.progress import Reporter
from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet, sample
from lightfast.data.ingest import Ingest
from lightfast.evaluate.predict import probs_of
from lightfast.explain.attribution import Attribution, explain, explainers
from lightfast.explain.enhancer_change import change_by_enhancer
from lightfast.explain.faithfulness import deletion_insertion
from lightfast.explain.features import feature_maps
from lightfast.explain.flat import LEAST_LOGIT, LEAST_PROBABILITY, flat_maps
from lightfast.explain.methods import Explainer, ExplainSettings
from lightfast.explain.pictures import (
    FEATURES,
    ExplainedImages,
    Explanation,
    MapExplanation,
    PredictedImages,
    save_explanations,
)
from lightfast.explain.randomisation import randomisation_check
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced import split_enhanced
from lightfast.models.enhanced_network import ENHANCED_MODEL as ENHANCED
from lightfast.models.load import load_classifier
from lightfast.pages.explain import SHOWN_WRONG, ExplainResult, write_explain_page, write_explain_sheet
from lightfast.pages.explain_checks import ExplanationChecks
from lightfast.pages.features import FeaturesResult, write_features_page
from lightfast.runs.explain_features import explain_features
from lightfast.runs.folder import METRICS_FILE, REPORT_FILE, RUN_FILE, seen_rows
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import load_labelled_or_not, load_pictures
from lightfast.runs.record import envelope

TABLE, RESULT, SHEET = "explanations.parquet", "explanations.json", "contact-sheet.png"
BEGUN = ".explaining.json"
"""The files that an explanation is about to write: after an interruption the next one takes them away."""
_CHECKED, CHECKED_SLOW = 12, 6
"""Pictures that an explanation is checked on: with gradients, and by reading it many times."""
_BLOCK, _SLOW_BLOCK = 32, 4
_BLUR_SHARE = 1 / 80
_Ask = Callable[..., Attribution]
"""`explain` with all but pictures and targets."""


@dataclass(frozen=True)
class ExplainOptions:
    """What is wanted of `explain_run`.

    Attributes:
        method: a name of `EXPLAINERS`, or "features".
        layer: whose maps are taken; None: the last one. With "features" the only one shown.
        target: the class that the maps are about; None: of each picture the one it was read as.
        limit: at most so many pictures, drawn by the seed.
        check: pictures that the explanation is checked on; 0: none, None: `_CHECKED` or `CHECKED_SLOW`.
        settings: KEY=VALUE texts for `ExplainSettings`.
    """

    method: str = "grad-cam"
    layer: str | None = None
    target: str | None = None
    limit: int | None = None
    check: int | None = None
    settings: Sequence[str] = ()


def explain_run(
    run: str, paths: Sequence[str], options: RunOptions, explain_options: ExplainOptions | None = None
) -> ExplainResult | FeaturesResult:
    """Explain a run's predictions of pictures; labelled ones also show where it looked when it was wrong.
    Nothing is scored.

    Args:
        run: run folder, or `hf-hub:ID`.
        paths: one source, with labels or without (class folders, `.npz`, name), or several without.
        options: `out` is the folder to write, default RUN/explained/METHOD; what an earlier `explain` wrote
            there is replaced.
        explain_options: method and its settings.

    Writes overlays/NNNN-NAME.png and maps/NNNN-NAME.npy (raw float32 (H, W)) of every picture,
    contact-sheet.png, explanations.json and .parquet, report.html; with the method "features"
    features/NNNN-NAME.png and maps/NNNN-NAME.npz (the maps of every layer shown).

    Returns: what was found; its `as_json` is the content of explanations.json. Raises InputError for what the
    method, the run or the pictures do not allow.
    """
    wanted, started = explain_options or ExplainOptions(), time.perf_counter()
    out = _folder(run, wanted, options)
    options.require_out(out)
    settings = _settings(wanted)
    classifier = load_classifier(run, options.device)
    target = _target(classifier, wanted.target)
    _require_possible(classifier, wanted, settings)
    given = _read(paths, classifier, options)
    images = sample(given.images, wanted.limit, options.seed)
    predicted = _predicted(classifier, images, seen_rows(Path(run), images), target)
    _clear(make_folder(out))
    found = ExplainedImages(
        predicted, out, wanted.method, wanted.layer, True, predicted.explanations(wanted.method)
    )
    write_json(out / BEGUN, {"explanations": as_json(found.explanations)})
    notes = _notes(predicted, len(given.images))
    if wanted.method == FEATURES:
        drawn = explain_features(found, options)
        facts = envelope(given, images, options, started, notes)
        result = FeaturesResult(**facts, run=run, found=found, **drawn)
        write_features_page(out / REPORT_FILE, result)
    else:
        ask = partial(explain, classifier, method=wanted.method, settings=settings, seed=options.seed)
        found = _with_maps(found, ask, options.report)
        judged = {
            "check": _checks(found, wanted.check, settings, options),
            "other": _other_maps(found, ask, options.report) if target is None else {},
            "enhancer": change_by_enhancer(found, settings, options.seed)
            if classifier.model == ENHANCED
            else None,
            "explainer": explainers().get(wanted.method),
        }
        facts = envelope(given, images, options, started, [*notes, *_map_notes(found)])
        result = ExplainResult(**facts, run=run, found=found, settings=settings, **judged)
        write_explain_page(out / REPORT_FILE, result)
        write_explain_sheet(out / SHEET, found)
    save_explanations(out / TABLE, found.explanations)
    write_json(out / RESULT, as_json(result))
    (out / BEGUN).unlink()
    return result


def _predicted(
    classifier: Checkpoint, images: ImageSet, seen: NDArray[np.bool_], target: int | None
) -> PredictedImages:
    """Read the pictures, of which the run has `seen` some; `target` is the class that all maps are about,
    None: the most probable of each.
    """
    network, probs = classifier.model, probs_of(classifier, images.images)
    if network == ENHANCED:
        network = f"{split_enhanced(classifier)[1].model} behind an enhancer"
    targets = probs.argmax(axis=1) if target is None else np.full(len(probs), target)
    return PredictedImages(classifier, images, network, probs, targets.astype(np.int64), seen, target)


def _with_maps(found: ExplainedImages, ask: _Ask, report: Reporter) -> ExplainedImages:
    """Compute the maps in blocks and write map and overlay of every picture at once."""
    predicted, entry = found.predicted, explainers().get(found.method)
    n, images = len(predicted), predicted.images
    block = _SLOW_BLOCK if _slow(entry) else _BLOCK
    if entry.needs_gradients and not entry.needs_maps:
        # Gradients down to the pixels differ from one to the next; blurred by little they can be seen.
        found = dataclasses.replace(found, blur=max(images.image_shape[:2]) * _BLUR_SHARE)
    done: list[Explanation] = []
    for start in range(0, n, block):
        rows = slice(start, start + block)
        pictures = np.ascontiguousarray(images.images[rows])
        maps = ask(pictures, targets=predicted.targets[rows])
        flat = flat_maps(predicted.classifier, pictures, maps.maps, entry)
        found = dataclasses.replace(
            found, seconds=found.seconds + maps.seconds, target_layer=maps.target_layer, signed=maps.signed
        )
        for row, values in enumerate(maps.maps, start=start):
            nothing = bool(flat[row - start])
            one = found.explanations[row]
            assert isinstance(one, MapExplanation)
            with atomic(found.out / one.map) as temporary, temporary.open("wb") as stream:
                np.save(stream, values, allow_pickle=False)
            write_bytes(
                found.out / one.overlay, png(found.drawn(row, np.zeros_like(values) if nothing else values))
            )
            done.append(dataclasses.replace(one, flat=nothing))
        report("explaining", len(done), n, f"{len(done):,} of {n:,}")
    return dataclasses.replace(found, explanations=done)


def _checks(
    found: ExplainedImages, count: int | None, settings: ExplainSettings, options: RunOptions
) -> ExplanationChecks | None:
    """Curves and weight check on some of the pictures, drawn by the seed."""
    predicted, seed = found.predicted, options.seed
    if count is None:
        count = CHECKED_SLOW if _slow(explainers().get(found.method)) else _CHECKED
    if count == 0:
        return None
    rows = np.sort(generator(seed, "explain", "check").permutation(len(predicted))[:count])
    classifier, pictures = predicted.classifier, predicted.images.images[rows]
    options.report("checking", 0, 2, "deletion and insertion")
    curves = deletion_insertion(classifier, pictures, found.maps(rows), predicted.targets[rows], seed=seed)
    options.report("checking", 1, 2, "weights drawn anew")
    weights = randomisation_check(classifier, pictures, found.method, settings, seed)
    options.report("checking", 2, 2, f"{len(rows)} pictures")
    return ExplanationChecks(curves, weights)


def _other_maps(found: ExplainedImages, ask: _Ask, report: Reporter) -> dict[int, NDArray[np.float32]]:
    """Of the wrong predictions that the page shows: the map for the true class."""
    predicted, maps, entry = found.predicted, {}, explainers().get(found.method)
    labels = {row: predicted.true_label(row) for row in predicted.wrong[:SHOWN_WRONG].tolist()}
    rows = [row for row, label in labels.items() if label is not None]
    for start in range(0, len(rows), _SLOW_BLOCK):
        block = rows[start : start + _SLOW_BLOCK]
        true = ask(predicted.images.images[block], targets=np.array([labels[row] for row in block]))
        flat = flat_maps(predicted.classifier, predicted.images.images[block], true.maps, entry)
        maps |= dict(zip(block, np.where(flat[:, None, None], np.float32(0), true.maps), strict=True))
        report("true class", len(maps), len(rows), f"{len(maps)} of {len(rows)}")
    return maps


def _notes(predicted: PredictedImages, given: int) -> list[str]:
    n = len(predicted)
    notes = [f"{n:,} of {given:,} pictures, drawn by the seed"] if n < given else []
    if predicted.right is not None:
        notes.append(
            "the pictures were read, not scored: no accuracy is counted here, and this reading is not "
            "recorded as one of test pictures"
        )
    return notes


def _map_notes(found: ExplainedImages) -> list[str]:
    n, seen = len(found.predicted), int(found.predicted.seen.sum())
    marked = "were seen by the run in training or when it was chosen; they are marked"
    nothing = (
        f"are flat and not coloured: no place moves the probability by {LEAST_PROBABILITY:g}, or nothing "
        f"in the picture moves a logit by {LEAST_LOGIT:g}"
    )
    return [f"{seen:,} of {n:,} pictures {marked}"] * bool(seen) + [
        f"{found.flat_maps:,} of {n:,} maps {nothing}"
    ] * bool(found.flat_maps)


def _folder(run: str, wanted: ExplainOptions, options: RunOptions) -> Path:
    """The folder to write; the method is known from here on."""
    names = (*explainers().names(), FEATURES)
    if wanted.method not in names:
        raise UnknownName("method", wanted.method, names)
    if options.out is None and run.startswith("hf-hub:"):
        return options.folder("explain")
    out = Path(options.out) if options.out is not None else Path(run, "explained", wanted.method)
    if out.resolve() == Path(run).resolve():
        raise CheckpointError(f"{out} is the run itself", cure="Give another folder as `out`.")
    _require_own(out)
    return out


def _require_own(out: Path) -> None:
    """Refuse a folder whose report was written by another verb: it would be lost."""
    there = {path.name for path in out.iterdir()} if out.is_dir() else set()
    holds = "the report of something else" if REPORT_FILE in there and not there & {RESULT, BEGUN} else ""
    if there & {RUN_FILE, METRICS_FILE, "checkpoint"}:
        holds = "a run"
    if holds:
        expected = "a new folder, or one that `explain` wrote"
        raise CheckpointError(f"{out} holds {holds}", expected=expected, cure="Give another as `out`.")


def _settings(wanted: ExplainOptions) -> ExplainSettings:
    if wanted.check is not None and wanted.check < 0:
        raise SettingsError(f"check {wanted.check}", expected="a number of pictures, 0 for none")
    if wanted.method == FEATURES:
        for name in ("check", "target", "settings"):
            if getattr(wanted, name):
                raise SettingsError(f"`{name}` says nothing to the method {FEATURES}", cure="Leave it out.")
        return ExplainSettings()
    settings = ExplainSettings().updated(wanted.settings)
    return settings if wanted.layer is None else settings.updated([f"layer={wanted.layer}"])


def _target(classifier: Checkpoint, name: str | None) -> int | None:
    if name is None:
        return None
    if name not in classifier.class_names:
        raise UnknownName("class", name, classifier.class_names)
    return classifier.class_names.index(name)


def _require_possible(classifier: Checkpoint, wanted: ExplainOptions, settings: ExplainSettings) -> None:
    """Refuse an unknown layer, gradients of a forest or a setting without use before any picture is read."""
    if classifier.role != "classifier":
        got, cure = f"a {classifier.role}", "Give a run that `train` wrote."
        raise CheckpointError("explain", expected="a classifier", got=got, cure=cure)
    # Methods that read many times are asked about no picture; the others about an empty one, which takes a
    # moment.
    rows = 0 if wanted.method != FEATURES and _slow(explainers().get(wanted.method)) else 1
    empty, targets = np.zeros((rows, *classifier.image_shape), dtype=np.uint8), np.zeros(rows, dtype=np.int64)
    if wanted.method == FEATURES:
        feature_maps(classifier, empty, None if wanted.layer is None else [wanted.layer])
    else:
        explain(classifier, empty, method=wanted.method, targets=targets, settings=settings)


def _slow(explainer: Explainer) -> bool:
    """Whether a method reads every picture many times."""
    return not (explainer.needs_gradients or explainer.needs_maps)


def _read(paths: Sequence[str], classifier: Checkpoint, options: RunOptions) -> Ingest:
    if len(paths) == 1:
        return load_labelled_or_not(paths[0], classifier, options)
    given = load_pictures(paths, classifier, options)
    note = "several sources are read without labels; one alone may have them"
    return dataclasses.replace(given, notes=(*given.notes, note))


def _clear(out: Path) -> None:
    """Take away the files of an earlier explanation there, by its own list:
    pictures that are no longer explained must not stay.
    """
    lists = [out / name for name in (RESULT, BEGUN) if (out / name).is_file()]
    for told in map(load_json, lists):
        for row in told.get("explanations", []) if isinstance(told, dict) else []:
            for path in (out / str(row[key]) for key in ("overlay", "map", "figure") if key in row):
                if path.parent.parent.resolve() == out.resolve():
                    path.unlink(missing_ok=True)
    for name in (RESULT, TABLE, SHEET, REPORT_FILE, BEGUN) if lists else ():
        (out / name).unlink(missing_ok=True)
