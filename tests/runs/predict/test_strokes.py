"""Drawings as strokes through `predict`: one row a drawing, or one after every stroke."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from fixtures.strokes import made_drawings, write_strokes

from lightfast.base.errors import SettingsError
from lightfast.data.strokes import load_strokes
from lightfast.evaluate.strokes import predict_strokes
from lightfast.models.load import load_checkpoint
from lightfast.runs.options import RunOptions
from lightfast.runs.predict.predict import tag_run
from lightfast.runs.train import train_run
from lightfast.tagging.rows import RowOptions
from lightfast.train.recipe import Recipe

NAMES = ("triangle", "square", "pentagon")


@pytest.fixture(scope="module")
def drawings(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, str]:
    """(a run that learnt from a file of strokes, two drawings that it has not seen)."""
    folder = tmp_path_factory.mktemp("drawings")
    source = write_strokes(folder / "made.ndjson.gz", made_drawings(NAMES, 30))
    recipe = Recipe.of(epochs=2, batch_size=16)
    options = RunOptions(out=folder / "run", near_duplicates="ignore")
    train_run(str(source), options, model="mlp", recipe=recipe)
    return str(folder / "run"), str(
        write_strokes(folder / "new.ndjson", made_drawings(NAMES, 1, 1).take([0, 1]))
    )


def test_a_drawing_is_one_row(drawings):
    found = tag_run(drawings[0], [drawings[1]], RunOptions())
    assert found.n == 2
    assert [row["id"] for row in found.predictions or ()] == ["key-1-0", "key-1-1"]


def test_every_stroke_is_a_row_and_says_what_the_python_verb_says(drawings):
    said = RowOptions(top=3, every_stroke=True)
    rows = tag_run(drawings[0], [drawings[1]], RunOptions(), row_options=said).predictions or ()
    assert [row["id"] for row in rows] == [
        *(f"key-1-0#{count}" for count in (1, 2, 3)),
        *(f"key-1-1#{count}" for count in (1, 2, 3, 4)),
    ]
    strokes = load_strokes(drawings[1])
    probs = predict_strokes(load_checkpoint(Path(drawings[0])), strokes.drawings[1])
    assert np.allclose([row["confidence"] for row in rows[3:]], probs.max(axis=1), atol=1e-3)


def test_every_stroke_of_pictures_is_refused(drawings, blob_file):
    with pytest.raises(SettingsError, match="`every_stroke` needs drawings as strokes"):
        tag_run(drawings[0], [blob_file], RunOptions(), row_options=RowOptions(every_stroke=True))
