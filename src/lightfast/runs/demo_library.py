"""`demo_library`: a library of real digits with a quick model, so that somebody may try the pages at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np

from lightfast.base.files import make_folder
from lightfast.base.png import png
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.data.ingest import load_images
from lightfast.evaluate.review import ReviewRule
from lightfast.library.add import add_pictures
from lightfast.library.library import LIBRARY_FILE, Library, create_library, open_library
from lightfast.library.schema import models
from lightfast.library.store import now
from lightfast.runs.library.tag import tag_library
from lightfast.runs.options import RunOptions
from lightfast.runs.train import train_run

_DATA = "mnist-5k"
_LEARNED, _SHOWN = 800, 2_000
_RULE = ReviewRule("gap", 0.4)


def demo_library(
    folder: Path, options: RunOptions, *, learned: int = _LEARNED, shown: int = _SHOWN
) -> Library:
    """The library in `folder`; where none is there, it is made first.

    Digits of MNIST that come with the package: a forest learns `learned` of them and tags `shown`
    others, so that some hundred wait for a person. Nothing is fetched.

    Args:
        folder: new, empty, or what this function made before.
        options: `seed`, `device`, `report`.
        learned, shown: pictures of the model, and of the library.
    """
    if (folder / LIBRARY_FILE).is_file():
        return open_library(folder)
    library = create_library(folder)
    try:
        digits = load_images(_DATA, report=options.report).images
        order = np.random.default_rng(options.seed).permutation(len(digits))
        run = _quick_model(library, digits.take(order[:learned]), options)
        pictures = _as_files(folder / "digits", digits.take(order[learned : learned + shown]))
        add_pictures(library, [str(pictures)], report=options.report)
        tagged = tag_library(library, str(run), options, _RULE)
        _use(library, tagged.model_id)
    except BaseException:
        library.close()
        raise
    return library


def _quick_model(library: Library, digits: ImageSet, options: RunOptions) -> Path:
    data = save_npz(make_folder(library.runs) / "digits.npz", digits)
    out = library.runs / "first"
    train_run(str(data), replace(options, out=out, near_duplicates="ignore"), model="random-forest")
    return out


def _as_files(folder: Path, digits: ImageSet) -> Path:
    """Every digit as a PNG without a word of what it is."""
    make_folder(folder)
    for row, picture in enumerate(digits.images):
        (folder / f"digit-{row:04d}.png").write_bytes(png(picture))
    return folder


def _use(library: Library, model_id: int) -> None:
    with library.store.write() as connection:
        connection.execute(models.update().where(models.c.id == model_id).values(promoted_at=now()))
