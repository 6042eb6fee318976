"""Learning from parts of drawings through the one loop."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from fixtures.strokes import made_drawings

from lightfast.base.errors import CheckpointError, DataError
from lightfast.data.strokes import StrokeSet
from lightfast.evaluate.strokes import accuracy_while_drawn, predict_strokes, stroke_probs
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.stroke_net import POINTS, StrokeClassifier, load_stroke_classifier, point_rows
from lightfast.train.recipe import Recipe, Training
from lightfast.train.strokes import PartialDrawings, StrokePlan, fit_strokes, stroke_points

NAMES = ("triangle", "square", "pentagon")
QUICK = Recipe.of(epochs=6, batch_size=32, learning_rate=5e-3)


@pytest.fixture(scope="module")
def fitted() -> tuple[StrokeClassifier | Checkpoint, StrokeSet]:
    plan = StrokePlan(recipe=QUICK, config={"width": 16})
    classifier = fit_strokes(made_drawings(NAMES, 100), made_drawings(NAMES, 10, 1), plan, Training(seed=0))
    return classifier, made_drawings(NAMES, 30, 2)


def test_a_point_row_tells_place_step_and_pen():
    drawing = (np.array([[0, 0], [0, 255]], np.float32), np.array([[255, 255]], np.float32))
    (row,) = point_rows(StrokeSet((drawing,)))
    assert row.shape == (6, POINTS)
    assert row[:2, :3].T.tolist() == [[-1, -1], [-1, 1], [1, 1]]
    assert row[2:4, :3].T.tolist() == [[0, 0], [0, 2], [2, 0]]
    assert row[4, :4].tolist() == [0, 1, 0, 0]
    assert row[5].sum() == 3


def test_of_a_long_drawing_the_last_points_are_seen():
    long = (np.stack([np.arange(300), np.zeros(300)], 1).astype(np.float32),)
    (row,) = point_rows(StrokeSet((long,)))
    assert row[5].all()
    assert row[0, -1] == 1


def test_every_epoch_shows_other_parts_and_the_same_ones_again():
    drawings = made_drawings(NAMES, 4)
    source = PartialDrawings(drawings, drawings, stroke_points, seed=3)
    first, again, other = source.epoch(0)[0], source.epoch(0)[0], source.epoch(1)[0]
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert torch.equal(source.validation()[0], source.validation()[0])
    seen = first[:, 5].sum(1) / stroke_points(drawings)[:, 5].sum(1)
    assert 0.05 < float(seen.min()) < float(seen.max()) <= 1


def test_it_learns_and_reads_more_rightly_the_more_it_sees(fitted):
    rows, right = accuracy_while_drawn(fitted[0], fitted[1], (0.1, 1.0))
    assert rows[1].accuracy > 0.8 > rows[0].accuracy
    assert rows[1].interval.low < rows[1].accuracy <= rows[1].interval.high
    assert right.shape == (2, 90)


def test_the_same_seed_gives_the_same_weights():
    few, held = made_drawings(NAMES, 8), made_drawings(NAMES, 2, 1)
    plan = StrokePlan(recipe=Recipe.of(epochs=1, batch_size=8), config={"width": 8})
    one, two = (fit_strokes(few, held, plan, Training(seed=4)) for _ in range(2))
    assert np.array_equal(stroke_probs(one, held), stroke_probs(two, held))


def test_a_row_after_every_stroke_knows_nothing_of_the_next(fitted):
    drawing = fitted[1].drawings[1]
    whole = predict_strokes(fitted[0], drawing)
    assert whole.shape == (4, 3)
    assert np.allclose(whole.sum(1), 1, atol=1e-5)
    assert np.allclose(whole[:2], predict_strokes(fitted[0], drawing[:2]), atol=1e-6)


def test_it_is_kept_as_tensors_and_json(fitted, tmp_path):
    kept = load_stroke_classifier(fitted[0].save(tmp_path / "strokes"))
    assert np.array_equal(kept.logits(fitted[1]), fitted[0].logits(fitted[1]))
    assert kept.class_names == NAMES
    assert {path.name for path in (tmp_path / "strokes").iterdir()} == {"weights.safetensors", "strokes.json"}
    with pytest.raises(CheckpointError, match="no classifier of strokes"):
        load_stroke_classifier(tmp_path)


@pytest.mark.parametrize("partial", [True, False])
def test_a_classifier_of_pictures_learns_from_the_same_drawings(partial):
    plan = StrokePlan("cnn", QUICK.updated(["epochs=2"]), partial=partial)
    fitted = fit_strokes(made_drawings(NAMES, 30), made_drawings(NAMES, 5, 1), plan, Training())
    assert isinstance(fitted, Checkpoint)
    assert fitted.details["parts_of_drawings"] is partial
    assert predict_strokes(fitted, made_drawings(NAMES, 1).drawings[2]).shape == (5, 3)


def test_other_classes_are_refused(fitted):
    with pytest.raises(DataError, match="classes"):
        accuracy_while_drawn(fitted[0], made_drawings(("a", "b", "c"), 2))
    with pytest.raises(DataError, match="two or more"):
        fit_strokes(made_drawings(("a",), 4), made_drawings(("a",), 2), StrokePlan(), Training())
