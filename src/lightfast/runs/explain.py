"""`explain_run`: what in a picture speaks for its reading, as files and as a page,
with the check whether that can be believed.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError, SettingsError, UnknownName
from lightfast.base.files import load_json, make_folder, write_bytes, write_json
from lightfast.base.png import png
from lightfast.base.randomness import generator
from lightfast.data.images import sample
from lightfast.data.ingest import Ingest
from lightfast.explain.attribution import explain, explainers
from lightfast.explain.enhancer_change import change_by_enhancer
from lightfast.explain.faithfulness import deletion_insertion
from lightfast.explain.features import feature_maps
from lightfast.explain.methods import Explainer, ExplainSettings
from lightfast.explain.pictures import (
    MAPS,
    OVERLAYS,
    ExplainedImages,
    PredictedImages,
    predict_images,
    save_array,
    save_explanations,
    stems_of,
)
from lightfast.explain.randomisation import randomisation_check
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced_network import MODEL as ENHANCED
from lightfast.models.load import load_classifier
from lightfast.pages.explain import (
    SHOWN_WRONG,
    ExplainReport,
    ExplanationChecks,
    write_explain_page,
    write_explain_sheet,
)
from lightfast.pages.features import FEATURES
from lightfast.report.provenance import provenance
from lightfast.runs.explain_features import explain_features
from lightfast.runs.folder import METRICS_FILE, REPORT_FILE, RUN_FILE, seen_rows
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import load_labelled_or_not, load_pictures

TABLE, RESULT, SHEET = "explanations.parquet", "explanations.json", "contact-sheet.png"
BEGUN = ".explaining.json"
"""The files that an explanation is about to write: after an interruption the next one takes them away."""
_CHECKED, CHECKED_SLOW = 12, 6
"""Pictures that an explanation is checked on: with gradients, and by many predictions a picture."""
_BLOCK, _SLOW_BLOCK = 32, 4
_BLUR_SHARE = 1 / 80
_NOT_SCORED = (
    "the pictures were read, not scored: no accuracy is counted here, and this reading is not recorded as "
    "one of test pictures"
)


@dataclass(frozen=True)
class ExplainOptions:
    """What is wanted of `explain_run`.

    Attributes:
        method: a name of `EXPLAINERS`, or "features".
        layer: whose maps are taken; None: the last one. With "features" the only one shown.
        target: the class that the maps are about; None: of each picture the one it was read as.
        limit: at most so many pictures, drawn by the seed.
        check: pictures that the explanation is checked on; 0: none, None: CHECKED or CHECKED_SLOW.
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
) -> dict[str, Any]:
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

    Returns: run, model, method, target_layer, signed, n, wrong, seen_in_training, class_names, labelled,
    check, enhancer, explanations, out, unreadable, notes, seed, seconds, seconds_per_picture. Raises
    InputError for what the method, the run or the pictures do not allow.
    """
    wanted, started = explain_options or ExplainOptions(), time.perf_counter()
    out = _folder(run, wanted, options)
    settings = _settings(wanted)
    classifier = load_classifier(run, options.device)
    target = _target(classifier, wanted.target)
    _require_possible(classifier, wanted, settings)
    given = _read(paths, classifier, options)
    images = sample(given.images, wanted.limit, options.seed)
    drawn = (
        (f"{len(images):,} of {len(given.images):,} pictures, drawn by the seed",)
        if len(images) < len(given.images)
        else ()
    )
    predicted = predict_images(classifier, images, seen_rows(Path(run), images), target)
    scored = (_NOT_SCORED,) if predicted.labelled else ()
    given = dataclasses.replace(given, images=images, notes=(*given.notes, *drawn, *scored))
    _clear(make_folder(out))
    write_json(out / BEGUN, {"explanations": _files_of(predicted, wanted.method)})
    if wanted.method == FEATURES:
        return _finished(
            run, explain_features(predicted, out, given, options, wanted.layer), out, options, started
        )
    found = explained(predicted, wanted.method, settings, out, options)
    return _finished(run, _reported(found, given, wanted, settings, options), out, options, started)


def explained(
    predicted: PredictedImages, method: str, settings: ExplainSettings, out: Path, options: RunOptions
) -> ExplainedImages:
    """Compute the maps in blocks and write map and overlay of every picture at once."""
    stems, entry = stems_of(predicted.images.ids), explainers().get(method)
    block = _SLOW_BLOCK if _slow(entry) else _BLOCK
    # Gradients down to the pixels differ from one to the next; blurred by little they can be seen.
    blur = (
        max(predicted.images.image_shape[:2]) * _BLUR_SHARE
        if entry.needs_gradients and not entry.needs_maps
        else 0.0
    )
    flat, seconds, done = np.zeros(len(predicted), dtype=np.bool_), 0.0, 0
    found = ExplainedImages(predicted, out, method, None, False, blur, stems, flat, 0.0)
    for start in range(0, len(predicted), block):
        rows = slice(start, start + block)
        pictures = np.ascontiguousarray(predicted.images.images[rows])
        maps = explain(
            predicted.classifier,
            pictures,
            method=method,
            targets=predicted.targets[rows],
            settings=settings,
            seed=options.seed,
        )
        seconds, found = (
            seconds + maps.seconds,
            dataclasses.replace(found, target_layer=maps.target_layer, signed=maps.signed),
        )
        for row, values in enumerate(maps.maps, start=start):
            save_array(out / MAPS / f"{stems[row]}.npy", values.astype(np.float32))
            write_bytes(out / OVERLAYS / f"{stems[row]}.png", png(found.drawn(row, values)))
            flat[row] = np.ptp(values) == 0
        done += len(pictures)
        options.report("explaining", done, len(predicted), f"{done:,} of {len(predicted):,}")
    return dataclasses.replace(found, seconds=seconds)


def _reported(
    found: ExplainedImages,
    given: Ingest,
    wanted: ExplainOptions,
    settings: ExplainSettings,
    options: RunOptions,
) -> dict[str, Any]:
    """The checks, the page, the sheet; returns what they found, JSON-ready."""
    predicted = found.predicted
    checked = _checked(found, wanted, settings, options)
    other = _other_maps(found, settings, options) if wanted.target is None else {}
    change = (
        change_by_enhancer(found, settings, options.seed) if predicted.classifier.model == ENHANCED else None
    )
    flat = int(found.flat.sum())
    notes = [*given.notes, *_seen_note(predicted)]
    if flat:
        notes.append(
            f"{flat:,} of {len(predicted):,} maps are the same everywhere: nothing there speaks for the "
            "class, by this method"
        )
    unreadable = [asdict(one) for one in given.unreadable]
    seconds = found.seconds
    facts = provenance(predicted.images.version, options.seed, {"maps": seconds}, options.words)
    write_explain_page(
        found.folder / REPORT_FILE, ExplainReport(found, checked, other, change), facts, notes, unreadable
    )
    write_explain_sheet(found.folder / SHEET, found)
    return {
        "method": found.method,
        "target_layer": found.target_layer,
        "signed": found.signed,
        "settings": settings.model_dump(mode="json"),
        "n": len(predicted),
        "model": predicted.classifier.model,
        "class_names": list(predicted.classifier.class_names),
        "labelled": predicted.labelled,
        "wrong": len(predicted.wrong) if predicted.labelled else None,
        "seen_in_training": int(predicted.seen.sum()),
        "check": checked.as_json() if checked else None,
        "enhancer": change.as_json() if change else None,
        "explanations": found.rows(),
        "unreadable": unreadable,
        "notes": notes,
        "seconds_per_picture": round(seconds / len(predicted), 4),
    }


def _finished(
    run: str, result: Mapping[str, Any], out: Path, options: RunOptions, started: float
) -> dict[str, Any]:
    whole = {
        "run": run,
        **result,
        "seed": options.seed,
        "out": str(out),
        "seconds": round(time.perf_counter() - started, 3),
    }
    save_explanations(out / TABLE, whole["explanations"])
    write_json(out / RESULT, whole)
    (out / BEGUN).unlink()
    return whole


def _folder(run: str, wanted: ExplainOptions, options: RunOptions) -> Path:
    """The folder to write; the method is known from here on."""
    names = (*explainers().names(), FEATURES)
    if wanted.method not in names:
        raise UnknownName("method", wanted.method, names)
    if options.out is None and run.startswith("hf-hub:"):
        return options.folder("explain")
    out = Path(options.out) if options.out is not None else Path(run, "explained", wanted.method)
    if out.resolve() == Path(run).resolve():
        raise CheckpointError(f"{out} is the run itself", cure="Give another folder with --out.")
    _require_own(out)
    return out


def _require_own(out: Path) -> None:
    """Refuse a folder whose report was written by another verb: it would be lost."""
    if any((out / name).exists() for name in (RUN_FILE, METRICS_FILE, "checkpoint")):
        raise CheckpointError(
            f"{out} holds a run",
            expected="a new folder, or one that `explain` wrote",
            cure="Give another with --out.",
        )
    if (out / REPORT_FILE).exists() and not any((out / name).exists() for name in (RESULT, BEGUN)):
        raise CheckpointError(
            f"{out} holds the report of something else",
            expected="a new folder, or one that `explain` wrote",
            cure="Give another with --out.",
        )


def _settings(wanted: ExplainOptions) -> ExplainSettings:
    if wanted.check is not None and wanted.check < 0:
        raise SettingsError(f"check {wanted.check}", expected="a number of pictures, 0 for none")
    if wanted.method == FEATURES:
        given = {"--check": wanted.check, "--target": wanted.target, "--set": wanted.settings}
        for option, value in given.items():
            if value:
                raise SettingsError(f"{option} says nothing to the method {FEATURES}", cure="Leave it out.")
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
        raise CheckpointError(
            "explain",
            expected="a classifier",
            got=f"a {classifier.role}",
            cure="Give a run that `train` wrote.",
        )
    # Methods of many predictions are asked about no picture; the others about an empty one, which takes a
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
    return dataclasses.replace(
        given, notes=(*given.notes, "several sources are read without labels; one alone may have them")
    )


def _files_of(predicted: PredictedImages, method: str) -> list[dict[str, str]]:
    """What will be written of every picture, by the keys of `explanations`."""
    drawn, ending = (("figure", FEATURES), "npz") if method == FEATURES else (("overlay", OVERLAYS), "npy")
    return [
        {drawn[0]: f"{drawn[1]}/{stem}.png", "map": f"{MAPS}/{stem}.{ending}"}
        for stem in stems_of(predicted.images.ids)
    ]


def _clear(out: Path) -> None:
    """Take away the files of an earlier explanation there, by its own list:
    pictures that are no longer explained must not stay.
    """
    lists = [out / name for name in (RESULT, BEGUN) if (out / name).is_file()]
    for told in map(load_json, lists):
        rows = told.get("explanations", []) if isinstance(told, dict) else []
        for name in (
            value for row in rows for key, value in row.items() if key in ("overlay", "map", "figure")
        ):
            path = out / str(name)
            if path.parent.parent.resolve() == out.resolve():
                path.unlink(missing_ok=True)
    for name in (RESULT, TABLE, SHEET, REPORT_FILE, BEGUN) if lists else ():
        (out / name).unlink(missing_ok=True)


def _checked(
    found: ExplainedImages, wanted: ExplainOptions, settings: ExplainSettings, options: RunOptions
) -> ExplanationChecks | None:
    """Curves and weight check on some of the pictures, drawn by the seed."""
    predicted = found.predicted
    count = (
        wanted.check
        if wanted.check is not None
        else CHECKED_SLOW
        if _slow(explainers().get(found.method))
        else _CHECKED
    )
    if count == 0:
        return None
    order = generator(options.seed, "explain", "check").permutation(len(predicted))[:count]
    rows: NDArray[np.intp] = np.sort(order)
    pictures = np.ascontiguousarray(predicted.images.images[rows])
    options.report("checking", 0, 2, "deletion and insertion")
    curves = deletion_insertion(
        predicted.classifier, pictures, found.maps(rows), predicted.targets[rows], seed=options.seed
    )
    options.report("checking", 1, 2, "weights drawn anew")
    weights = randomisation_check(predicted.classifier, pictures, found.method, settings, options.seed)
    options.report("checking", 2, 2, f"{len(rows)} pictures")
    return ExplanationChecks(curves, weights)


def _other_maps(
    found: ExplainedImages, settings: ExplainSettings, options: RunOptions
) -> dict[int, NDArray[np.float32]]:
    """Of the wrong predictions that the page shows: the map for the true class."""
    predicted = found.predicted
    labels = {
        int(row): label
        for row in predicted.wrong[:SHOWN_WRONG]
        if (label := predicted.true_label(int(row))) is not None
    }
    if not labels:
        return {}
    rows = np.array(list(labels))
    maps: list[NDArray[np.float32]] = []
    for start in range(0, len(rows), _SLOW_BLOCK):
        block = rows[start : start + _SLOW_BLOCK]
        pictures, targets = (
            np.ascontiguousarray(predicted.images.images[block]),
            np.array([labels[int(row)] for row in block]),
        )
        true = explain(
            predicted.classifier,
            pictures,
            method=found.method,
            targets=targets,
            settings=settings,
            seed=options.seed,
        )
        maps += list(true.maps)
        options.report("true class", len(maps), len(rows), f"{len(maps)} of {len(rows)}")
    return dict(zip(labels, maps, strict=True))


def _seen_note(predicted: PredictedImages) -> list[str]:
    seen = int(predicted.seen.sum())
    return [
        f"{seen:,} of {len(predicted):,} pictures were seen by the run in training or when it was chosen; "
        "they are marked"
    ] * bool(seen)
