"""`objects_run`: several objects in a picture, found by a run, listed,
and drawn as boxes on a sheet to look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from lightfast.base.errors import DataError
from lightfast.base.files import make_folder, write_json
from lightfast.base.plain import as_json
from lightfast.data.dataset import Unreadable
from lightfast.data.decode.decode import resize_batch
from lightfast.data.decode.stream import stream_pictures
from lightfast.data.decode.unreadable import printable
from lightfast.data.lists.listing import picture_entries
from lightfast.data.sources.resolve import SourceResolver
from lightfast.evaluate.predict import probs_of
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.load import load_classifier
from lightfast.pages.objects_sheet import SHOWN, ObjectsResult, PictureObjects, write_objects_sheet
from lightfast.runs.options import RunOptions
from lightfast.tagging.objects import ObjectSettings, TagFunction, find_objects

OBJECTS_FILE, SHEET_FILE = "objects.json", "objects.png"
_AHEAD = 4
"""Pictures that wait at most: each of its own size, however large."""


def objects_run(
    run: str, paths: Sequence[str], options: RunOptions, object_settings: ObjectSettings | None = None
) -> ObjectsResult:
    """Look for several objects in every picture.

    Args:
        run: run folder, or `hf-hub:ID`.
        paths: picture files, folders (searched through), tables, archives, addresses.
        options: with `out`, objects.json and the sheet objects.png are written there.
        object_settings: limits and thresholds; None = the defaults, with the thresholds that a multi-label
            run has chosen.

    Returns: what was found; its `as_json` is the content of objects.json. Raises DataError when there is no
    picture, or none that can be read.
    """
    options.require_out()
    classifier, report = load_classifier(run, options.device), options.report
    object_settings = object_settings or ObjectSettings(thresholds=classifier.thresholds)
    listing = picture_entries(paths, report, SourceResolver(report, options.tables))
    found: list[PictureObjects] = []
    unreadable = list(listing.unreadable)
    pictures = stream_pictures(listing.entries, None, 3, ahead=_AHEAD, damaged=options.damaged)
    tagger, total = _tagger(classifier), len(listing.entries)
    for done, (entry, image) in enumerate(pictures):
        report("looking", done, total)
        name = printable(entry.id)
        if isinstance(image, Unreadable):
            unreadable.append(Unreadable(name, image.reason))
            continue
        objects = find_objects(
            image, tagger, classifier.class_names, object_settings, classifier.image_shape[:2]
        )
        drawn = options.out is not None and len(found) < SHOWN
        found.append(PictureObjects(name, objects, image if drawn else None))
    report("looking", total, total)
    if not found:
        raise _nothing(unreadable)
    notes, sheet = listing.notes, None
    if options.out is not None:
        sheet = write_objects_sheet(make_folder(Path(options.out)) / SHEET_FILE, found[:SHOWN])
        if len(found) > SHOWN:
            notes = (*notes, f"the sheet shows the first {SHOWN:,} of {len(found):,} pictures")
    result = ObjectsResult(run, tuple(found), tuple(unreadable), notes, sheet)
    if options.out is not None:
        write_json(Path(options.out, OBJECTS_FILE), as_json(result))
    return result


def _nothing(unreadable: Sequence[Unreadable]) -> DataError:
    if not unreadable:
        return DataError("no picture files", cure="Give picture files, or a folder that holds some.")
    return DataError(
        f"none of the {len(unreadable):,} pictures can be read",
        got=unreadable[0].reason,
        cure="lightfast data check names them all.",
    )


def _tagger(classifier: Checkpoint) -> TagFunction:
    """A classifier as a tagger of colour pictures; one of grey pictures sees them in grey."""
    channels = classifier.image_shape[2]
    return lambda images: probs_of(classifier, resize_batch(images, None, channels))
