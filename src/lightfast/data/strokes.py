"""Drawings as strokes, in the order of drawing: the record, and files of Quick, Draw!'s form."""

from __future__ import annotations

import gzip
import json
import zlib
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError

Stroke = NDArray[np.float32]
"""Points of one stroke, (P, 2): x to the right, y down, P at least 1."""
Drawing = tuple[Stroke, ...]
"""The strokes of one drawing, in order; at least one."""
STROKE_ENDINGS = (".ndjson", ".ndjson.gz", ".jsonl", ".jsonl.gz")
_CURE = (
    'A line is {"word": CLASS, "drawing": [[[x, …], [y, …]], …]}, as in the .ndjson files of Quick, Draw!.'
)


@dataclass(frozen=True, eq=False)
class StrokeSet:
    """N drawings.

    Attributes:
        drawings: as `Drawing`; one unit for all coordinates of a drawing.
        class_names: one name a class, in the order of the label numbers; empty when unlabelled.
        labels: int64 (N,) in 0..len(class_names)-1, or None.
        ids: one text a drawing.
        name: what the set is called in tables.
    """

    drawings: tuple[Drawing, ...]
    class_names: tuple[str, ...] = ()
    labels: NDArray[np.int64] | None = None
    ids: tuple[str, ...] = ()
    name: str = "drawings"

    def __post_init__(self) -> None:
        if not self.ids:
            object.__setattr__(self, "ids", tuple(f"{self.name}/{row}" for row in range(len(self))))
        if len(self.ids) != len(self) or (self.labels is not None and len(self.labels) != len(self)):
            raise DataError(f"{self.name}: ids and labels", expected=f"{len(self)}, one a drawing")

    def __len__(self) -> int:
        return len(self.drawings)

    def require_labels(self) -> NDArray[np.int64]:
        """The labels, or a DataError that says they are missing."""
        if self.labels is None:
            raise DataError(f"{self.name} has no labels", cure=_CURE)
        return self.labels

    def take(self, rows: Sequence[int] | NDArray[np.integer], name: str | None = None) -> Self:
        """The drawings at `rows`, in that order."""
        chosen = np.asarray(rows, dtype=np.int64)
        return replace(
            self,
            drawings=tuple(self.drawings[row] for row in chosen),
            labels=None if self.labels is None else self.labels[chosen],
            ids=tuple(self.ids[row] for row in chosen),
            name=name or self.name,
        )

    def keep_classes(self, names: Sequence[str]) -> Self:
        """The drawings of these classes alone, labels renumbered in the order of `names`."""
        if missing := [name for name in names if name not in self.class_names]:
            raise DataError(f"{self.name} has no class {missing[0]!r}", expected=", ".join(self.class_names))
        number = np.full(len(self.class_names), -1)
        number[[self.class_names.index(name) for name in names]] = np.arange(len(names))
        labels = number[self.require_labels()]
        kept = self.take(np.flatnonzero(labels >= 0))
        return replace(kept, class_names=tuple(names), labels=labels[labels >= 0])

    def first_share(self, shares: float | NDArray[np.floating]) -> Self:
        """What had been drawn with this share (0..1, one for all or one a drawing) of its points."""
        each = np.broadcast_to(np.asarray(shares, dtype=np.float64), (len(self),))
        cut = (first_points(one, share) for one, share in zip(self.drawings, each.tolist(), strict=True))
        return replace(self, drawings=tuple(cut))


def first_points(drawing: Drawing, share: float) -> Drawing:
    """The drawing up to that share of its points, rounded up, at least one."""
    if not 0 <= share <= 1:
        raise DataError("share of a drawing", expected="0 to 1", got=share)
    left = max(1, int(np.ceil(round(share * sum(map(len, drawing)), 9))))
    kept: list[Stroke] = []
    for stroke in drawing:
        kept.append(stroke[:left])
        left -= len(stroke)
        if left <= 0:
            break
    return tuple(kept)


def after_every_stroke(drawing: Drawing) -> tuple[Drawing, ...]:
    """What there was after the first stroke, after the second, …"""
    return tuple(drawing[:count] for count in range(1, len(drawing) + 1))


def holds_strokes(path: Path) -> bool:
    """Whether a file is one of drawings: its first line is a JSON object with a `drawing`."""
    if not (path.name.lower().endswith(STROKE_ENDINGS) and path.is_file()):
        return False
    try:
        with _opened(path) as lines:
            first = json.loads(next((line for line in lines if line.strip()), "null"))
    except (OSError, ValueError, EOFError, zlib.error):
        return False
    return isinstance(first, dict) and isinstance(first.get("drawing"), list)


def load_strokes(path: Path | str, *, most: int | None = None) -> StrokeSet:
    """Read drawings of Quick, Draw!'s `.ndjson`, simplified or raw, gzipped or not.

    Args:
        path: the file, or a folder of them (one a category, as Google offers them). A line is one drawing;
            `word` is its class, `key_id` its id; without one, and where an id stands there again, it is
            FILE:LINE. Times of raw drawings are not read.
        most: at most so many of a class, the first ones; None = all.

    Raises DataError for a line that is no drawing, with its number.
    """
    source = Path(path)
    files = _files(source)
    found: list[tuple[str, str | None, Drawing]] = []
    counts: Counter[str | None] = Counter()
    known: set[str] = set()
    for file in files:
        for place, content in _lines(file):
            word = content.get("word")
            counts[word] += 1
            if most is None or counts[word] <= most:
                found.append((_new_id(content, place, known), word, _drawing(content, place)))
                known.add(found[-1][0])
    if not found:
        raise DataError(f"{source} holds no drawings", cure=_CURE)
    ids, words, drawings = zip(*found, strict=True)
    if None in words and len(set(words)) > 1:
        raise DataError(f"{source}: some drawings have a word, others none", cure=_CURE)
    name = source.name.split(".")[0]
    if None in words:
        return StrokeSet(drawings, ids=ids, name=name)
    class_names = tuple(sorted(set(map(str, words))))
    labels = np.array([class_names.index(str(word)) for word in words], dtype=np.int64)
    return StrokeSet(drawings, class_names, labels, ids, name)


def _new_id(content: dict[str, Any], place: str, known: set[str]) -> str:
    """The drawing's own id, or its place where another drawing has that: rows are found by their ids."""
    own = str(content.get("key_id", place))
    if own in known and place in known:
        raise DataError(
            f"{place}: its id stands there twice", expected="another `key_id`", got=own, cure=_CURE
        )
    return place if own in known else own


def _files(source: Path) -> list[Path]:
    """The file itself, or those of a folder."""
    files = [source]
    if source.is_dir():
        files = sorted(one for one in source.iterdir() if one.name.lower().endswith(STROKE_ENDINGS))
    if not files or not all(one.is_file() for one in files):
        raise DataError(f"no file of drawings: {source}", cure=_CURE)
    return files


def _opened(path: Path) -> Any:
    opened = gzip.open if path.name.lower().endswith(".gz") else open
    return opened(path, "rt", encoding="utf-8")


def _lines(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    """(FILE:LINE, its object) of every line that is not empty."""
    try:
        with _opened(path) as lines:
            for number, line in enumerate(lines, start=1):
                if line.strip():
                    yield f"{path.name}:{number}", _object(line, f"{path}, line {number}")
    except (OSError, EOFError, UnicodeDecodeError, zlib.error) as error:
        raise DataError(f"cannot read {path} ({error})", cure="Fetch it again.") from error


def _object(line: str, place: str) -> dict[str, Any]:
    try:
        content = json.loads(line)
    except ValueError as error:
        raise DataError(f"{place} is no JSON ({error})", cure=_CURE) from error
    if not isinstance(content, dict) or not isinstance(content.get("drawing"), list):
        raise DataError(f"{place} is no drawing", expected="an object with `drawing`", cure=_CURE)
    if not isinstance(content.get("word"), str | None):
        got = json.dumps(content["word"])[:60]
        raise DataError(f"{place}: `word`", expected="a text, the class", got=got, cure=_CURE)
    return content


def _drawing(content: dict[str, Any], place: str) -> Drawing:
    try:
        strokes = checked_drawing(np.array(stroke[:2], dtype=np.float32).T for stroke in content["drawing"])
    except (TypeError, ValueError, KeyError, OverflowError) as error:
        raise DataError(f"{place}: strokes cannot be read ({error})", cure=_CURE) from error
    except DataError as error:
        raise DataError(f"{place}: {error}", cure=_CURE) from error
    return strokes


def checked_drawing(strokes: Iterable[Any]) -> Drawing:
    """Arrays (P, 2) as a `Drawing`; raises DataError where there is no stroke, or one of another shape."""
    drawing = tuple(np.asarray(one, dtype=np.float32) for one in strokes)
    if not drawing:
        raise DataError("a drawing", expected="at least one stroke", got="none")
    for stroke in drawing:
        if stroke.ndim != 2 or stroke.shape[1] != 2 or not len(stroke) or not np.isfinite(stroke).all():
            raise DataError("a stroke", expected="finite points (P, 2), P at least 1", got=str(stroke.shape))
    return drawing
