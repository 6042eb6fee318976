"""`export_run`: a run taken elsewhere: one ONNX file, a model for PhotoPrism,
or XMP sidecars beside the pictures.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

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
from lightfast.export.check import GraphCheck, compare_graph
from lightfast.export.graph import export_graph
from lightfast.export.int8 import CALIBRATION, QuantizationCost, quantization_cost, quantize_graph
from lightfast.export.photoprism import write_photoprism
from lightfast.export.xmp import Keyword, Style, write_sidecars
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.load import load_checkpoint
from lightfast.runs.folder import TOUCH_FILE, record_scoring, without_seen
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
    at_least: float = 0.5


@dataclass(frozen=True, kw_only=True)
class OnnxExport:
    """An ONNX file of `bytes`, its check against torch, and what 8 bits cost where they were asked for."""

    to: ExportFormat = "onnx"
    out: Path
    bytes: int
    check: GraphCheck
    int8: QuantizationCost | None
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class PhotoprismExport:
    """A folder for PhotoPrism; `vision`: its configuration."""

    to: ExportFormat = "photoprism"
    out: Path
    vision: Path
    notes: tuple[str, ...] = ()


@dataclass(kw_only=True)
class XmpExport:
    """Sidecars beside pictures: `n` were read, `suggested` of them got at least one label; `refused`: those
    that cannot have a sidecar.
    """

    to: ExportFormat = "xmp"
    out: None = None
    n: int = 0
    suggested: int = 0
    sidecars: int = 0
    unreadable: Sequence[Unreadable] = ()
    refused: Sequence[Unreadable] = ()
    notes: tuple[str, ...] = ()


ExportResult = OnnxExport | PhotoprismExport | XmpExport


@dataclass(frozen=True, eq=False)
class _Material:
    """Pictures to check an export on, pictures to calibrate 8 bits on, and what to say about them."""

    images: ImageSet
    calibration: ImageSet | None
    said: str
    notes: tuple[str, ...] = ()


def export_run(
    run: str, export_options: ExportOptions, options: RunOptions, pictures: Sequence[str] = ()
) -> ExportResult:
    """Take a run elsewhere.

    Args:
        run: run folder, `hf-hub:ID`; for xmp and photoprism also an `.onnx`.
        export_options: what to make.
        options: `out` is the file (onnx) or folder (photoprism) to write; xmp writes beside the pictures.
        pictures: xmp only: files, folders, tables of pictures.

    Raises SettingsError for options that do not fit the target, LightfastError when the export decides
    otherwise than the run.
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
    target, what, cure = f"`to` {export_options.to}", "", ""
    if export_options.to == "xmp":
        if options.out is not None:
            what, cure = "writes beside the pictures", "Leave `out` away."
        elif not pictures:
            what, cure = "needs pictures", "Name them."
    elif pictures:
        what, cure = f"takes no pictures, as {pictures[0]}", "Pictures to check on go into `check`."
    elif options.out is None:
        what, cure = "needs a place to write", "Give one as `out`."
    if not what and export_options.to != "onnx" and (export_options.int8 or export_options.check is not None):
        what, cure = "takes neither `int8` nor `check`", "They go with onnx."
    if what:
        raise SettingsError(f"{target} {what}", cure=cure)
    if not 0 <= export_options.at_least <= 1:
        raise SettingsError("`at_least`", expected="a probability, 0..1", got=str(export_options.at_least))


def _onnx(run: str, export_options: ExportOptions, options: RunOptions) -> OnnxExport:
    out = Path(options.folder("export"))
    classifier = load_checkpoint(run, torch.device("cpu"))
    digest = "" if run.startswith("hf-hub:") else checkpoint_digest(Path(run))
    with atomic(out) as temporary, tempfile.TemporaryDirectory() as folder:
        exact = load_tagger(export_graph(classifier, temporary, digest))
        material = _material(run, classifier, export_options, options)
        images, calibration = material.images, material.calibration
        probs = pred_probs(classifier, images.images), exact.probs(images.images)
        check = compare_graph(*probs, exact.card, material.said).require_identical(run)
        cost, notes = None, ()
        if export_options.int8:
            if calibration is None:
                raise DataError(
                    "`int8` needs real pictures to calibrate on, and those of the run are not there any more",
                    cure="Give some as `check`.",
                )
            small = quantize_graph(temporary, Path(folder, "int8.onnx"), calibration.images)
            cost = quantization_cost(
                exact, load_tagger(small), images.images, images.labels, len(calibration)
            )
            if cost.paired:
                command, beside = options.command or "export: int8", out.with_name(f"{out.name}.{TOUCH_FILE}")
                notes = record_scoring(run, images.version, command, beside).notes
            shutil.copyfile(small, temporary)
    return OnnxExport(
        out=out, bytes=out.stat().st_size, check=check, int8=cost, notes=(*material.notes, *notes)
    )


def _material(
    run: str, classifier: Checkpoint, export_options: ExportOptions, options: RunOptions
) -> _Material:
    if export_options.check is not None:
        given = load_labelled_or_not(export_options.check, classifier, options)
        images, notes = given.images, given.notes
        if images.labels is not None:
            images, more = without_seen(Path(run), images)
            notes += more
        return _drawn(images, None, export_options.int8, options.seed, notes)
    try:
        splits = splits_of_run(Path(run), options)
    except InputError as error:
        height, width, channels = classifier.image_shape
        noise = generator(options.seed).integers(0, 256, (_NOISE, height, width, channels), dtype=np.uint8)
        why = f"checked on noise: the run's own pictures cannot be read ({error}); give real ones as `check`"
        return _Material(ImageSet(noise), None, "pictures of noise", (why,))
    return _drawn(splits.test, splits.val, export_options.int8, options.seed, ())


def _drawn(
    images: ImageSet, val: ImageSet | None, int8: bool, seed: int, notes: tuple[str, ...]
) -> _Material:
    """At most `_CHECKED` pictures, drawn by the seed;
    without validation pictures those for calibration are set aside first.
    """
    order, aside = generator(seed).permutation(len(images)), 0
    if int8 and not val:
        aside = min(CALIBRATION, len(images) // 2)
        val = images.take(np.sort(order[:aside]))
    chosen = images.take(np.sort(order[aside : aside + _CHECKED]))
    if val:
        val = val.take(np.sort(generator(seed).permutation(len(val))[:CALIBRATION]))
    return _Material(chosen, val or None, f"pictures of {images.name}", notes)


def _photoprism(run: str, export_options: ExportOptions, options: RunOptions) -> PhotoprismExport:
    out = options.folder("export")
    with tempfile.TemporaryDirectory() as folder:
        model = Path(run)
        if not run.lower().endswith(".onnx"):
            model = export_graph(load_checkpoint(run, torch.device("cpu")), Path(folder, "model.onnx"))
        names = load_tagger(model).card.class_names
        return PhotoprismExport(out=out, vision=write_photoprism(out, model, names, export_options.name))


def _xmp(run: str, export_options: ExportOptions, options: RunOptions, pictures: Sequence[str]) -> XmpExport:
    listing = picture_entries(pictures, options.report)
    told = XmpExport(unreadable=[*listing.unreadable], refused=[], notes=listing.notes)
    with tagger_for(run, options) as tagger:
        rows = _suggestions(tagger, listing, export_options, told, options)
        sidecars = write_sidecars(rows, export_options.style)
    told.sidecars, told.refused = len(sidecars.paths), [*told.refused, *sidecars.refused]
    return told


def _suggestions(
    tagger: Tagger, listing: Listing, export_options: ExportOptions, told: XmpExport, options: RunOptions
) -> Iterator[tuple[Path, list[Keyword]]]:
    """(picture, its keywords) of every picture beside which a sidecar can stand; counts into `told`."""
    card, resolver = tagger.card, listing.resolver
    taxonomy = None if card.taxonomy is None else Taxonomy.from_json(card.taxonomy)
    cuts = card.cuts if card.task == "multi-label" else None
    done, total = 0, len(listing.entries)
    for batch in tag_files(tagger, listing.entries):
        told.unreadable = [*told.unreadable, *map(resolver.display_unreadable, batch.unreadable)]
        told.n += len(batch.entries)
        done += len(batch.entries) + len(batch.unreadable)
        for entry, row in zip(batch.entries, batch.probs, strict=True):
            sure = [int(row.argmax())] if row.max() >= export_options.at_least else []
            labels = sure if cuts is None else np.flatnonzero(row >= cuts).tolist()
            name = resolver.display_text(str(entry.path))
            if name != str(entry.path):
                why = "it lies in an archive or elsewhere: no sidecar can stand beside it"
                told.refused = [*told.refused, Unreadable(printable(name), why)]
                continue
            told.suggested += bool(labels)
            # Also without a label: earlier suggestions of ours must not stay.
            yield entry.path, [_keyword(card, label, float(row[label]), taxonomy) for label in labels]
        options.report("tagging", done, total, f"{done:,} of {total:,}")


def _keyword(card: ModelCard, label: int, share: float, taxonomy: Taxonomy | None) -> Keyword:
    path = (card.class_names[label],)
    if taxonomy is not None:
        node = taxonomy.resolve(*path)
        path = (*reversed(taxonomy.ancestors(node)), node)
    return Keyword(path, "suggested", min(1.0, share))
