"""`objects_run`: several objects in a picture, found by a run, listed,
and drawn as boxes on a sheet to look at.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightfast.base.errors import DataError
from lightfast.base.files import make_folder, write_json
from lightfast.data.dataset import Unreadable
from lightfast.data.decode.decode import decode_file, resize_batch
from lightfast.data.decode.unreadable import UnreadablePicture, printable
from lightfast.data.lists.listing import picture_entries
from lightfast.evaluate.predict import pred_probs, tag_probs
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.load import load_classifier
from lightfast.pages.objects_sheet import SHOWN, ShownObjects, write_objects_sheet
from lightfast.runs.options import RunOptions
from lightfast.tagging.objects import ObjectSettings, TagFunction, find_objects

OBJECTS_FILE, SHEET_FILE = "objects.json", "objects.png"


def objects_run(
    run: str, paths: Sequence[str], options: RunOptions, object_settings: ObjectSettings | None = None
) -> dict[str, Any]:
    """Look for several objects in every picture.

    Args:
        run: run folder, or `hf-hub:ID`.
        paths: picture files, folders (searched through), tables, archives, addresses.
        options: with `out`, objects.json and the sheet objects.png are written there.
        object_settings: limits and thresholds; None = the defaults, with the thresholds that a multi-label
            run has chosen.

    Returns: run, n, pictures (path, and the keys of `Objects.as_json`), unreadable, notes, sheet (path or
    None).

    Raises DataError when there is no picture, or none that can be read.
    """
    classifier = load_classifier(run, options.device)
    object_settings = object_settings or ObjectSettings(thresholds=classifier.thresholds)
    listing = picture_entries(paths, options.report)
    rows: list[dict[str, Any]] = []
    shown: list[ShownObjects] = []
    unreadable = list(listing.unreadable)
    files = listing.entries
    for done, entry in enumerate(files):
        options.report("looking", done, len(files))
        name = entry.id
        try:
            image = decode_file(entry.path, channels=3)
        except UnreadablePicture as error:
            unreadable.append(Unreadable(printable(name), error.reason))
            continue
        found = find_objects(
            image, tagger_of(classifier), classifier.class_names, object_settings, classifier.image_shape[:2]
        )
        rows.append({"path": printable(name), **found.as_json()})
        if len(shown) < SHOWN and options.out is not None:
            shown.append((printable(name), image, found))
    options.report("looking", len(files), len(files))
    if not rows and not unreadable:
        raise DataError("no picture files", cure="Give picture files, or a folder that holds some.")
    if not rows:
        raise DataError(
            f"none of the {len(files):,} pictures can be read",
            got=unreadable[0].reason,
            cure="lightfast data check names them all.",
        )
    notes = list(listing.notes)
    notes += (
        [f"the sheet shows the first {SHOWN:,} of {len(rows):,} pictures"]
        if options.out is not None and len(rows) > SHOWN
        else []
    )
    result: dict[str, Any] = {
        "run": run,
        "n": len(rows),
        "pictures": rows,
        "unreadable": [asdict(one) for one in unreadable],
        "notes": notes,
        "sheet": None,
    }
    if options.out is not None:
        folder = make_folder(Path(options.out))
        result["sheet"] = str(write_objects_sheet(folder / SHEET_FILE, shown))
        write_json(folder / OBJECTS_FILE, result)
    return result


def tagger_of(classifier: Checkpoint) -> TagFunction:
    """A classifier as a tagger of colour pictures; one of grey pictures sees them in grey."""
    channels = classifier.image_shape[2]
    read = tag_probs if classifier.task == "multi-label" else pred_probs
    return lambda images: read(classifier, resize_batch(images, None, channels))
