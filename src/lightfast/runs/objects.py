"""`objects_run`: several objects in a picture, found by a run, listed,
and drawn as boxes on a sheet to look at.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from lightfast.base.errors import DataError
from lightfast.base.files import atomic, make_folder, write_json
from lightfast.data.dataset import Unreadable
from lightfast.data.decode.decode import decode_file, fit
from lightfast.data.decode.unreadable import UnreadablePicture, printable
from lightfast.data.lists.listing import picture_entries
from lightfast.evaluate.predict import pred_probs, tag_probs
from lightfast.models.checkpoint import Checkpoint
from lightfast.report.tables import percent
from lightfast.runs.evaluate import load_classifier
from lightfast.runs.folder import RunOptions
from lightfast.tagging.objects import Objects, Search, Tagger, find_objects

OBJECTS_FILE, SHEET_FILE = "objects.json", "objects.png"
SHOWN = 48
"""So many pictures stand on the sheet, the rest only in the file."""
CELL = 380
_MARGIN, _CAPTION, _FONT = 14, 44, 15
_PAPER, _INK, _MUTED = (250, 249, 246), (28, 34, 38), (92, 102, 108)
# Told apart by lightness as well as by hue.
_COLOURS = (
    (11, 99, 117),
    (197, 84, 24),
    (96, 52, 145),
    (24, 128, 72),
    (178, 24, 72),
    (132, 104, 0),
    (40, 76, 190),
    (90, 90, 90),
)

Shown = tuple[str, NDArray[np.uint8], Objects]
"""(name, picture uint8 (H, W, 3), what was found in it)."""


def objects_run(
    run: str, paths: Sequence[str], options: RunOptions, search: Search | None = None
) -> dict[str, Any]:
    """Look for several objects in every picture.

    Args:
        run: run folder, or `hf-hub:ID`.
        paths: picture files, folders (searched through), tables, archives, addresses.
        options: with `out`, objects.json and the sheet objects.png are written there.
        search: limits and thresholds; None = the defaults, with the thresholds that a multi-label run has
            chosen.

    Returns: run, n, pictures (path, and the keys of `Objects.as_json`), unreadable, notes, sheet (path or
    None).

    Raises DataError when there is no picture, or none that can be read.
    """
    classifier = load_classifier(run, options)
    search = search or Search(thresholds=classifier.thresholds)
    listing = picture_entries(paths, options.report)
    rows: list[dict[str, Any]] = []
    shown: list[Shown] = []
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
            image, tagger_of(classifier), classifier.class_names, search, classifier.image_shape[:2]
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
        result["sheet"] = str(write_sheet(folder / SHEET_FILE, shown))
        write_json(folder / OBJECTS_FILE, result)
    return result


def tagger_of(classifier: Checkpoint) -> Tagger:
    """A classifier as a tagger of colour pictures; one of grey pictures sees them in grey."""
    channels = classifier.image_shape[2]
    read = tag_probs if classifier.task == "multi-label" else pred_probs
    return lambda images: read(classifier, fit(images, None, channels))


def objects_lines(result: Mapping[str, Any]) -> list[str]:
    """One line a picture: its tags, and how many boxes they have."""
    lines = []
    for row in result["pictures"]:
        boxes = [one["label"] for one in row["objects"]]
        tags = ", ".join(
            f"{label} {percent(share, 0)}{f' ({count} boxes)' if (count := boxes.count(label)) > 1 else ''}"
            for label, share in row["tags"].items()
        )
        lines.append(f"{row['path']}: {tags or 'nothing above the threshold'}")
    return [*lines, *([f"sheet      {result['sheet']}"] if result["sheet"] else [])]


def write_sheet(path: Path, shown: Sequence[Shown]) -> Path:
    """A PNG with the pictures in rows of up to three, boxes and labels drawn on them,
    the tags of the whole picture beneath.
    """
    columns = min(3, max(1, len(shown)))
    step = (CELL + _MARGIN, CELL + _CAPTION + _MARGIN)
    rows = max(1, math.ceil(len(shown) / columns))
    sheet = Image.new("RGB", (columns * step[0] + _MARGIN, rows * step[1] + _MARGIN), _PAPER)
    for place, (name, image, found) in enumerate(shown):
        corner = (_MARGIN + place % columns * step[0], _MARGIN + place // columns * step[1])
        drawn = drawn_objects(image, found)
        sheet.paste(drawn, (corner[0] + (CELL - drawn.width) // 2, corner[1] + (CELL - drawn.height) // 2))
        pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(_FONT)
        tags = ", ".join(f"{label} {percent(share, 0)}" for label, share in found.tags.items()) or "no tag"
        for line, (text, colour) in enumerate(((name, _MUTED), (tags, _INK))):
            pen.text(
                (corner[0], corner[1] + CELL + 4 + 18 * line), _cut(text, font, CELL), fill=colour, font=font
            )
    with atomic(path) as temporary:
        sheet.save(temporary, format="PNG")
    return path


def drawn_objects(image: NDArray[np.uint8], found: Objects, side: int = CELL) -> Image.Image:
    """A picture, its longer side `side` pixels, with a box and a label an object;
    the most probable on top.
    """
    scale = side / max(image.shape[:2])
    size = (max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale)))
    drawn = Image.fromarray(image).resize(size, Image.Resampling.LANCZOS)
    pen, font = ImageDraw.Draw(drawn), ImageFont.load_default(_FONT)
    names = list(dict.fromkeys(found.labels))
    rows = list(zip(found.labels, found.probabilities, found.boxes * scale, strict=True))
    for label, probability, (left, top, right, bottom) in reversed(rows):
        colour = _COLOURS[names.index(label) % len(_COLOURS)]
        pen.rectangle(
            (left, top, max(left, min(right, size[0]) - 1), max(top, min(bottom, size[1]) - 1)),
            outline=colour,
            width=3,
        )
        text = _cut(f"{label} {percent(probability, 0)}", font, side)
        wide = pen.textlength(text, font=font) + 8
        at = (
            min(left, max(0, size[0] - wide)),
            max(0, top - 20) if top >= 20 else min(top, max(0, size[1] - 20)),
        )
        pen.rectangle((at[0], at[1], at[0] + wide, at[1] + 19), fill=colour)
        pen.text((at[0] + 4, at[1] + 1), text, fill=(255, 255, 255), font=font)
    return drawn


def _cut(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    """The text, shortened until it fits."""
    if font.getlength(text) <= width:
        return text
    while text and font.getlength(f"{text}…") > width:
        text = text[:-1]
    return f"{text}…"
