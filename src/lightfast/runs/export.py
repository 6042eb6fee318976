"""`export_run`: a run taken elsewhere: one ONNX file, a model for PhotoPrism,
or XMP sidecars beside the pictures.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from lightfast.base.errors import DataError, InputError, SettingsError
from lightfast.base.files import atomic
from lightfast.base.randomness import generator
from lightfast.data.dataset import Unreadable
from lightfast.data.decode.unreadable import printable
from lightfast.data.images import ImageSet
from lightfast.data.lists.listing import Listing, picture_entries
from lightfast.data.taxonomy.taxonomy import Taxonomy
from lightfast.evaluate.predict import pred_probs
from lightfast.export.check import compare_graph
from lightfast.export.graph import export_graph
from lightfast.export.int8 import CALIBRATION, quantization_cost, quantize_graph
from lightfast.export.photoprism import write_photoprism
from lightfast.export.xmp import Keyword, Style, write_sidecars
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.load import load_checkpoint
from lightfast.runs.folder import record_evaluation, without_seen
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import load_labelled_or_not
from lightfast.runs.predict import checkpoint_digest, tagger_for
from lightfast.runs.repair_kit import splits_of_run
from lightfast.tagging.card import ModelCard
from lightfast.tagging.runtime import Tagger, load_tagger
from lightfast.tagging.stream import tag_files

ExportFormat = Literal["onnx", "photoprism", "xmp"]
_CHECKED = 1000
"""So many pictures, drawn by the seed, are read twice to check an export."""
_NOISE = 64
_SPEAKS_UP = 0.5


@dataclass(frozen=True)
class ExportOptions:
    """What to export.

    Attributes:
        to: onnx, photoprism or xmp.
        check: pictures to check on; None = the run's own test part.
        int8: with 8-bit integers, calibrated on the run's validation pictures, or on a part of `check`.
        name: of the model in PhotoPrism.
        style: which name the sidecars get: darktable (photo.jpg.xmp) or lightroom (photo.xmp).
        at_least: xmp, one label a picture: the probability from which on it is suggested, 0..1.
    """

    to: ExportFormat = "onnx"
    check: str | None = None
    int8: bool = False
    name: str = "lightfast"
    style: Style = "darktable"
    at_least: float = _SPEAKS_UP


@dataclass(frozen=True, eq=False)
class _Material:
    """Pictures to check an export on, pictures to calibrate 8 bits on, and what to say about them."""

    images: ImageSet
    calibration: ImageSet | None
    said: str
    notes: tuple[str, ...] = ()


def export_run(
    run: str, export_options: ExportOptions, options: RunOptions, pictures: Sequence[str] = ()
) -> dict[str, Any]:
    """Take a run elsewhere.

    Args:
        run: run folder, `hf-hub:ID`; for xmp and photoprism also an `.onnx`.
        export_options: what to make.
        options: `out` is the file (onnx) or folder (photoprism) to write; xmp writes beside the pictures.
        pictures: xmp only: files, folders, tables of pictures.

    Returns: to, out, notes; onnx: check, int8, bytes; photoprism: vision; xmp: n, suggested, unreadable,
    refused. Raises SettingsError for options that do not fit the target, LightfastError when the export
    decides otherwise than the run.
    """
    _require_fitting(export_options, options, pictures)
    match export_options.to:
        case "onnx":
            return _onnx(run, export_options, options)
        case "photoprism":
            return _photoprism(run, export_options, options)
        case "xmp":
            return _xmp(run, export_options, options, pictures)


def _require_fitting(export_options: ExportOptions, options: RunOptions, pictures: Sequence[str]) -> None:
    if export_options.to == "xmp":
        if options.out is not None:
            raise SettingsError(
                "--to xmp writes beside the pictures",
                expected="no --out",
                got=str(options.out),
                cure="Leave --out away.",
            )
        if not pictures:
            raise SettingsError(
                "--to xmp needs pictures", cure="Name them: lightfast export RUN PATH... --to xmp."
            )
    elif pictures:
        raise SettingsError(
            f"--to {export_options.to} takes no pictures",
            got=pictures[0],
            cure="Pictures to check on: --check DATA.",
        )
    elif options.out is None:
        what = "FILE.onnx" if export_options.to == "onnx" else "FOLDER"
        raise SettingsError(
            f"--to {export_options.to} needs a place to write", cure=f"Give one: --out {what}."
        )
    if export_options.to != "onnx" and (export_options.int8 or export_options.check is not None):
        raise SettingsError(
            f"--to {export_options.to}", expected="neither --int8 nor --check", cure="They go with --to onnx."
        )
    if not 0 <= export_options.at_least <= 1:
        raise SettingsError("--at-least", expected="a probability, 0..1", got=str(export_options.at_least))


def _onnx(run: str, export_options: ExportOptions, options: RunOptions) -> dict[str, Any]:
    out = Path(options.folder("export"))
    classifier = load_checkpoint(run, torch.device("cpu"))
    digest = "" if run.startswith("hf-hub:") else checkpoint_digest(Path(run))
    with atomic(out) as temporary, tempfile.TemporaryDirectory() as folder:
        exact = load_tagger(export_graph(classifier, temporary, digest))
        material = _material(run, classifier, export_options, options)
        images = material.images.images
        check = compare_graph(
            pred_probs(classifier, images), exact.probs(images), exact.card, material.said
        ).require_identical(run)
        cost = None
        if export_options.int8:
            if material.calibration is None:
                raise DataError(
                    "--int8 needs real pictures to calibrate on, and those of the run are not there any more",
                    cure="Give some: --check DATA.",
                )
            small = quantize_graph(temporary, Path(folder, "int8.onnx"), material.calibration.images)
            cost = quantization_cost(exact, load_tagger(small), images, material.images.labels)
            cost["calibrated_on"] = len(material.calibration)
            if cost["paired"] and Path(run).is_dir():
                record_evaluation(Path(run), material.images.version, options.command or "export --int8")
            shutil.copyfile(small, temporary)
    return {
        "to": "onnx",
        "out": str(out),
        "bytes": out.stat().st_size,
        "check": check.as_json(),
        "int8": cost,
        "notes": list(material.notes),
    }


def _material(
    run: str, classifier: Checkpoint, export_options: ExportOptions, options: RunOptions
) -> _Material:
    if export_options.check is not None:
        given = load_labelled_or_not(export_options.check, classifier, options)
        images, notes = (
            without_seen(Path(run), given.images) if given.images.labels is not None else (given.images, ())
        )
        return _drawn(images, None, export_options, options.seed, (*given.notes, *notes))
    try:
        splits = splits_of_run(Path(run), options)
    except InputError as error:
        height, width, channels = classifier.image_shape
        noise = generator(options.seed).integers(0, 256, (_NOISE, height, width, channels), dtype=np.uint8)
        why = (
            f"checked on noise: the run's own pictures cannot be read ({error}); give real ones with --check "
            "DATA"
        )
        return _Material(ImageSet(noise), None, "pictures of noise", (why,))
    return _drawn(splits.test, splits.val, export_options, options.seed, ())


def _drawn(
    images: ImageSet, val: ImageSet | None, export_options: ExportOptions, seed: int, notes: tuple[str, ...]
) -> _Material:
    """At most CHECKED pictures, drawn by the seed;
    without validation pictures those for calibration are set aside first.
    """
    order = generator(seed).permutation(len(images))
    aside = 0
    if export_options.int8 and not (val is not None and len(val)):
        aside = min(CALIBRATION, len(images) // 2)
        val = images.take(np.sort(order[:aside])) if aside else None
    chosen = images.take(np.sort(order[aside : aside + _CHECKED]))
    calibration = (
        val.take(np.sort(generator(seed).permutation(len(val))[:CALIBRATION]))
        if val is not None and len(val)
        else None
    )
    return _Material(chosen, calibration, f"pictures of {images.name}", notes)


def _photoprism(run: str, export_options: ExportOptions, options: RunOptions) -> dict[str, Any]:
    out = options.folder("export")
    with tempfile.TemporaryDirectory() as folder:
        if run.lower().endswith(".onnx"):
            model, card = Path(run), load_tagger(run).card
        else:
            model = export_graph(load_checkpoint(run, torch.device("cpu")), Path(folder, "model.onnx"))
            card = load_tagger(model).card
        vision = write_photoprism(out, model, card.class_names, export_options.name)
    return {"to": "photoprism", "out": str(out), "vision": str(vision), "notes": []}


def _xmp(
    run: str, export_options: ExportOptions, options: RunOptions, pictures: Sequence[str]
) -> dict[str, Any]:
    listing = picture_entries(pictures, options.report)
    told = _Told()
    with tagger_for(run, options) as tagger:
        sidecars = write_sidecars(
            _suggestions(tagger, listing, export_options, told, options), export_options.style
        )
    unreadable = [*listing.unreadable, *told.unreadable]
    return {
        "to": "xmp",
        "out": None,
        "n": told.n,
        "suggested": told.suggested,
        "sidecars": len(sidecars.paths),
        "unreadable": [asdict(one) for one in unreadable],
        "refused": [asdict(one) for one in (*told.elsewhere, *sidecars.refused)],
        "notes": list(listing.notes),
    }


class _Told:
    """What happened while suggestions were made."""

    def __init__(self) -> None:
        self.n = self.suggested = 0
        self.unreadable: list[Unreadable] = []
        self.elsewhere: list[Unreadable] = []


def _suggestions(
    tagger: Tagger, listing: Listing, export_options: ExportOptions, told: _Told, options: RunOptions
) -> Iterator[tuple[Path, list[Keyword]]]:
    taxonomy = None if tagger.card.taxonomy is None else Taxonomy.from_json(tagger.card.taxonomy)
    cuts = tagger.card.cuts if tagger.card.task == "multi-label" else None
    done, total = 0, len(listing.entries)
    for batch in tag_files(tagger, listing.entries):
        told.unreadable += map(listing.resolver.display_unreadable, batch.unreadable)
        told.n += len(batch.entries)
        done += len(batch.entries) + len(batch.unreadable)
        for entry, row in zip(batch.entries, batch.probs, strict=True):
            sure = [int(row.argmax())] if row.max() >= export_options.at_least else []
            labels = sure if cuts is None else np.flatnonzero(row >= cuts).tolist()
            name = listing.resolver.display_text(str(entry.path))
            if name != str(entry.path):
                told.elsewhere.append(
                    Unreadable(
                        printable(name), "it lies in an archive or elsewhere: no sidecar can stand beside it"
                    )
                )
                continue
            told.suggested += bool(labels)
            # Also without a label: earlier suggestions of ours must not stay.
            yield entry.path, [_keyword(tagger.card, label, float(row[label]), taxonomy) for label in labels]
        options.report("tagging", done, total, f"{done:,} of {total:,}")


def _keyword(card: ModelCard, label: int, share: float, taxonomy: Taxonomy | None) -> Keyword:
    name = card.class_names[label]
    if taxonomy is None:
        return Keyword((name,), "suggested", min(1.0, share))
    node = taxonomy.resolve(name)
    return Keyword((*reversed(taxonomy.ancestors(node)), node), "suggested", min(1.0, share))
