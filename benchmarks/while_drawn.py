"""Drawings predicted while they are drawn: the strokes' part of `study quickdraw` alone, and how our painted
strokes differ from Google's bitmaps.

    python benchmarks/while_drawn.py [--out runs/study-quickdraw-paper] [--seed 0]

Needs, in the data folder, strokes with the paper's ten categories (quickdraw*.ndjson.gz); for the difference
also quickdraw*.npz. Trained parts are kept in --out, where the whole study finds them again. Writes
benchmarks/results/while-drawn.json and .md.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measured import about

from lightfast.base.errors import DataError
from lightfast.base.files import write_json, write_text
from lightfast.data.stroke_pictures import draw_strokes
from lightfast.data.strokes import StrokeSet, load_strokes
from lightfast.report.tables import markdown_table
from lightfast.studies.quickdraw.strokes import (
    stroke_data,
    strokes_json,
    strokes_notes,
    strokes_tables,
    while_drawn,
)
from lightfast.studies.registry import StudyOptions

RESULTS = Path(__file__).parent / "results"
_SAME = 12.0
"""Root mean square difference, levels of 255, below which two pictures show one drawing; the next are 30
apart.
"""


def against_bitmaps(strokes: StrokeSet, folder: Path) -> dict[str, Any] | None:
    """Our pictures of the drawings that Google's bitmaps hold as well, beside those: mean differences."""
    found = sorted(folder.glob("quickdraw*.npz"))
    if not found:
        return None
    with np.load(found[0], allow_pickle=False) as archive:
        names = archive["class_names"].tolist()
        bitmaps, labels = archive["images"], archive["labels"]
    pairs = []
    for name in set(names) & set(strokes.class_names):
        known = bitmaps[labels == names.index(name)].reshape(-1, 784).astype(np.float64)
        ours = draw_strokes(strokes.keep_classes([name])).images.reshape(-1, 784).astype(np.float64)
        squares = (ours**2).sum(1)[:, None] + (known**2).sum(1)[None] - 2 * ours @ known.T
        nearest, apart = squares.argmin(1), np.sqrt(squares.min(1).clip(0) / 784)
        pairs += [
            (one, known[place])
            for one, place in zip(ours[apart < _SAME], nearest[apart < _SAME], strict=True)
        ]
    ours, theirs = (np.stack(side) for side in zip(*pairs, strict=True))
    return {
        "n": len(pairs),
        "mean_absolute": float(np.abs(ours - theirs).mean()),
        "root_mean_square": float(np.sqrt(((ours - theirs) ** 2).mean(axis=1)).mean()),
        "ink_ratio": float(ours.sum() / theirs.sum()),
        "unit": "levels of 255",
    }


def main() -> None:
    """Train what is missing, measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=Path("runs/study-quickdraw-paper"))
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    torch.set_num_threads(1)
    options = StudyOptions(given.out, "paper", given.seed, device="cpu", report=_say)
    started, load = time.perf_counter(), os.getloadavg()[0]
    data = stroke_data(options)
    if data is None:
        raise DataError(strokes_notes(None)[0])
    found = while_drawn(options, data)
    told = strokes_json(found)
    assert told is not None
    facts = about(
        data.splits.train.version,
        given.seed,
        {"total": time.perf_counter() - started},
        ["python", "benchmarks/while_drawn.py", "--seed", str(given.seed)],
    )
    compared = against_bitmaps(load_strokes(options.data_root / data.file), options.data_root)
    content = {**told, "against_bitmaps": compared, "seed": given.seed, "load_average": round(load, 1)}
    write_json(RESULTS / "while-drawn.json", {**content, "threads": 1, "provenance": facts})
    tables = "\n".join(markdown_table(table) for table in strokes_tables(found, given.seed))
    measured = f"`{facts['command']}`, measured {facts['date']} on {facts['cpu']}, one thread."
    notes = "\n".join(f"- {note}" for note in strokes_notes(found))
    write_text(RESULTS / "while-drawn.md", f"# While it is drawn\n\n{measured}\n\n{tables}\n{notes}\n")
    print((RESULTS / "while-drawn.md").read_text())


def _say(label: str, done: int, total: int, detail: str = "") -> None:
    if detail:
        print(f"{label} {done}/{total} {detail}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
