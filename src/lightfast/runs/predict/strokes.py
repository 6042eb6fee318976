"""Drawings as strokes for `predict`: painted whole, or as they were after every stroke."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from lightfast.base.errors import DataError, SettingsError
from lightfast.data.dataset import ImageSpec
from lightfast.data.ingest import Ingest
from lightfast.data.sources.resolve import SourceResolver
from lightfast.data.stroke_pictures import load_drawn
from lightfast.data.strokes import StrokeSet, after_every_stroke, holds_strokes, load_strokes
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import Shaped, load_pictures


def require_strokes(paths: Sequence[str], resolver: SourceResolver) -> None:
    """Refuse `every_stroke` where no source has strokes; raises SettingsError."""
    if not any(holds_strokes(Path(resolver.resolve(text))) for text in paths):
        raise SettingsError(
            "`every_stroke` needs drawings as strokes",
            expected='an .ndjson whose lines have a "drawing"',
            got=", ".join(paths[:3]),
            cure="Leave it out for pictures.",
        )


def require_strokes_alone(paths: Sequence[str], resolver: SourceResolver) -> None:
    """Refuse what is no file of strokes; raises DataError with the first one."""
    for text in paths:
        if not holds_strokes(Path(resolver.resolve(text))):
            raise DataError(
                f"{text} has no strokes, and this run reads nothing else",
                expected='an .ndjson whose lines have a "drawing"',
                cure="For pictures give a run that has learnt from pictures.",
            )


def each_stroke(strokes: StrokeSet) -> StrokeSet:
    """What there was after each stroke; ids DRAWING#1, DRAWING#2, …"""
    parts = [after_every_stroke(drawing) for drawing in strokes.drawings]
    ids = [
        f"{name}#{count}"
        for name, some in zip(strokes.ids, parts, strict=True)
        for count in range(1, len(some) + 1)
    ]
    return StrokeSet(tuple(one for some in parts for one in some), ids=tuple(ids), name=strokes.name)


def load_array(text: str, shaped: Shaped, options: RunOptions, *, every_stroke: bool) -> Ingest:
    """The pictures of one array, catalogue name or file of strokes; of strokes with `every_stroke` one after
    each stroke, the ids then DRAWING#1, DRAWING#2, …
    """
    path = Path(SourceResolver(options.report, options.tables).resolve(text))
    if not (every_stroke and holds_strokes(path)):
        return load_pictures([text], shaped, options)
    strokes = load_strokes(path)
    shown = each_stroke(strokes)
    height, width, channels = shaped.image_shape
    loaded = load_drawn(shown, ImageSpec((height, width), channels))
    said = f"{len(strokes):,} drawings were read after every stroke, {len(shown):,} in all"
    return Ingest(replace(loaded.train, labels=None), notes=(said,))
