"""`export_run`: a run taken elsewhere: one ONNX file, a model for PhotoPrism,
or XMP sidecars beside the pictures.
"""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

import numpy as np
import torch

from lightfast.base.errors import DataError, InputError, SettingsError, StorageError
from lightfast.base.files import atomic, require_writable
from lightfast.base.randomness import generator
from lightfast.data.dataset import Entry, Unreadable
from lightfast.data.decode.unreadable import printable
from lightfast.data.images import ImageSet
from lightfast.data.lists.listing import Listing, picture_entries
from lightfast.data.sources.resolve import SourceResolver
from lightfast.data.taxonomy.taxonomy import Taxonomy
from lightfast.evaluate.predict import pred_probs
from lightfast.export.check import GraphCheck, compare_graph
from lightfast.export.graph import export_graph
from lightfast.export.int8 import CALIBRATION, QuantizationCost, quantization_cost, quantize_graph
from lightfast.export.photoprism import require_name, write_photoprism
from lightfast.export.xmp import Refused, Style, refusal, sidecar_path, write_sidecars
from lightfast.export.xmp_keywords import Keyword
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.load import load_checkpoint
from lightfast.runs.folder import TOUCH_FILE, record_scoring, without_seen
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import load_labelled_or_not
from lightfast.runs.predict.predict import checkpoint_digest, tagger_for
from lightfast.runs.repair.kit import splits_of_run
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
        confirm_above: xmp: a suggestion of at least this (calibrated) probability is written as a confirmed
            keyword, into dc:subject too, 0 < P <= 1; None: all stay suggestions.
    """

    to: ExportFormat = "onnx"
    check: str | None = None
    int8: bool = False
    name: str = "lightfast"
    style: Style = "darktable"
    at_least: float = 0.5
    confirm_above: float | None = None


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
    """Sidecars beside pictures: `n` were read, `sidecars` of them have theirs, with at least one suggestion
    in `suggested` and a keyword that the model confirmed in `confirmed`; `refused`: those that got none.
    """

    to: ExportFormat = "xmp"
    out: None = None
    n: int = 0
    suggested: int = 0
    confirmed: int = 0
    sidecars: int = 0
    unreadable: Sequence[Unreadable] = ()
    refused: Sequence[Refused] = ()
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
    options.require_out(folder=export_options.to == "photoprism")
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
    _require_probabilities(export_options)
    if export_options.to == "photoprism":
        require_name(export_options.name)


def _require_probabilities(export_options: ExportOptions) -> None:
    if not 0 <= export_options.at_least <= 1:
        raise SettingsError("`at_least`", expected="a probability, 0..1", got=str(export_options.at_least))
    if (sure := export_options.confirm_above) is not None:
        if export_options.to != "xmp":
            raise SettingsError(
                "`confirm_above` is for `to` xmp", got=export_options.to, cure="Leave it out."
            )
        if not 0 < sure <= 1:
            raise SettingsError("`confirm_above`", expected="a probability above 0, at most 1", got=str(sure))


def _onnx(run: str, export_options: ExportOptions, options: RunOptions) -> OnnxExport:
    out = Path(options.folder("export"))
    classifier = load_checkpoint(run, torch.device("cpu"))
    digest = "" if run.startswith("hf-hub:") else checkpoint_digest(Path(run))
    with tempfile.TemporaryDirectory() as folder:
        graph = export_graph(classifier, Path(folder, "exact.onnx"), digest)
        exact = load_tagger(graph)
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
            graph = quantize_graph(graph, Path(folder, "int8.onnx"), calibration.images)
            cost = quantization_cost(
                exact, load_tagger(graph), images.images, images.labels, len(calibration)
            )
            if cost.paired:
                command, beside = options.command or "export: int8", out.with_name(f"{out.name}.{TOUCH_FILE}")
                notes = record_scoring(run, images.version, command, beside).notes
        with atomic(out) as temporary:
            shutil.copyfile(graph, temporary)
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
        return PhotoprismExport(
            out=out, vision=write_photoprism(out, model, names, export_options.name, source=run)
        )


def _xmp(run: str, export_options: ExportOptions, options: RunOptions, pictures: Sequence[str]) -> XmpExport:
    listing = picture_entries(pictures, options.report, SourceResolver(options.report, options.tables))
    told = XmpExport(unreadable=[*listing.unreadable])
    distinct = tuple({entry.path.absolute(): entry for entry in listing.entries}.values())
    twice = len(listing.entries) - len(distinct)
    entries, refused = _with_room(replace(listing, entries=distinct), export_options.style)
    with tagger_for(run, options) as tagger:
        listing = replace(listing, entries=entries)
        sidecars = write_sidecars(
            _labelled(tagger, listing, export_options, told, options), export_options.style
        )
    told.sidecars, told.refused = len(sidecars.paths), (*refused, *sidecars.refused)
    told.suggested, told.confirmed = sidecars.suggested, sidecars.confirmed
    told.notes = (*tagger.notes, *listing.notes)
    if twice:
        told.notes += (f"{twice:,} picture(s) were named twice, and read once",)
    if told.confirmed:
        told.notes += (
            f"{told.confirmed:,} sidecar(s) hold keywords that no person has confirmed, of a confidence of "
            f"{export_options.confirm_above} or more; the same without `confirm_above` takes them back",
        )
    return told


def _with_room(listing: Listing, style: Style) -> tuple[tuple[Entry, ...], tuple[Refused, ...]]:
    """(pictures beside which a sidecar can stand, the others): known before any of them is read."""
    entries: list[Entry] = []
    refused: list[Refused] = []
    folders: dict[Path, StorageError | None] = {}
    for entry in listing.entries:
        name, folder = listing.resolver.display_text(str(entry.path)), entry.path.parent
        if name != str(entry.path):
            why = "it lies in an archive or elsewhere: no sidecar can stand beside it"
            cure = "Copy the pictures into a folder, then write again."
            refused.append(Refused(printable(name), why, cure))
            continue
        if folder not in folders:
            folders[folder] = _fault(sidecar_path(entry.path, style))
        fault = folders[folder]
        if fault is None:
            entries.append(entry)
        else:
            refused.append(refusal(entry.path, fault))
    return tuple(entries), tuple(refused)


def _fault(path: Path) -> StorageError | None:
    """What keeps a file from being written, if anything does."""
    try:
        require_writable(path.parent, folder=True)
    except StorageError as error:
        return error
    return None


def _labelled(
    tagger: Tagger, listing: Listing, export_options: ExportOptions, told: XmpExport, options: RunOptions
) -> Iterator[tuple[Path, list[Keyword]]]:
    """(picture, its keywords) of every picture that can be read; counts into `told`."""
    card, resolver = tagger.card, listing.resolver
    taxonomy = None if card.taxonomy is None else Taxonomy.from_json(card.taxonomy)
    cuts = card.cuts if card.task == "multi-label" else None
    done, total = 0, len(listing.entries)
    for batch in tag_files(tagger, listing.entries, options.damaged):
        told.unreadable = [*told.unreadable, *map(resolver.display_unreadable, batch.unreadable)]
        told.n += len(batch.entries)
        done += len(batch.entries) + len(batch.unreadable)
        for entry, row in zip(batch.entries, batch.probs, strict=True):
            sure = [int(row.argmax())] if row.max() >= export_options.at_least else []
            labels = sure if cuts is None else np.flatnonzero(row >= cuts).tolist()
            # Also without a label: what we wrote earlier must not stay.
            yield (
                entry.path,
                [
                    _keyword(
                        card.class_names[label], float(row[label]), taxonomy, export_options.confirm_above
                    )
                    for label in labels
                ],
            )
        options.report("tagging", done, total, f"{done:,} of {total:,}")


def _keyword(name: str, share: float, taxonomy: Taxonomy | None, confirm_above: float | None) -> Keyword:
    path = (name,)
    if taxonomy is not None:
        node = taxonomy.resolve(name)
        path = (*reversed(taxonomy.ancestors(node)), node)
    sure = confirm_above is not None and share >= confirm_above
    return Keyword(path, "confirmed" if sure else "suggested", min(1.0, share))
