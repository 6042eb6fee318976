"""Sweeps: how points are cut, that nothing is chosen on the held-out pictures,
and that finished points are kept.
"""

from __future__ import annotations

import dataclasses
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightfast.base.errors import DataError, SettingsError
from lightfast.base.files import load_json
from lightfast.data.images import ImageSet
from lightfast.evaluate.predict import predict
from lightfast.experiments.sweep import SweepPoint, check_point, cut, keep_classes, load_point, run_points
from lightfast.train.fit import ClassifierPlan
from lightfast.train.recipe import Recipe, Training

FOREST = ClassifierPlan("random-forest", config={"trees": 5})
SMALL = ClassifierPlan("mlp", Recipe.of(epochs=3, batch_size=16, learning_rate=1e-2), {"hidden": [8]})


def numbered(sizes: list[int], start: int = 0) -> ImageSet:
    """Classes c0, c1 … of these sizes in mixed order; every picture is another."""
    labels = np.random.default_rng(3).permutation(np.repeat(np.arange(len(sizes)), sizes))
    images = np.zeros((len(labels), 2, 2, 1), dtype=np.uint8)
    images[:, 0, :, 0] = np.stack(np.divmod(np.arange(start, start + len(labels)), 256), axis=1)
    return ImageSet(images, tuple(f"c{label}" for label in range(len(sizes))), labels, name="numbered")


TRAIN, TEST = numbered([60, 60, 60, 60]), numbered([10, 10, 10, 10], start=1000)


def counts(images: ImageSet) -> list[int]:
    return np.bincount(images.require_labels(), minlength=images.num_classes).tolist()


def test_a_larger_cut_of_a_repeat_holds_the_smaller_one():
    for points in (
        [SweepPoint(train_size=size, repeat=1) for size in (8, 20, 100, 240)],
        [SweepPoint(rows=rows, repeat=1) for rows in (1, 7, 60)],
        [SweepPoint(classes=3, rows=rows, repeat=1) for rows in (1, 7, 60)],
        [SweepPoint(minority=("c2", count), repeat=1) for count in (1, 5, 60)],
    ):
        ids = [set(cut(TRAIN, TEST, point, 0)[0].ids) for point in points]
        assert all(smaller < larger for smaller, larger in pairwise(ids))


def test_repeats_and_seeds_draw_other_pictures_and_the_same_ones_again():
    drawn = [
        cut(TRAIN, TEST, SweepPoint(train_size=40, repeat=repeat), seed)[0].ids
        for seed, repeat in ((0, 0), (0, 0), (0, 1), (1, 0))
    ]
    assert drawn[0] == drawn[1]
    assert drawn[0] != drawn[2]
    assert drawn[0] != drawn[3]


@given(sizes=st.lists(st.integers(2, 40), min_size=2, max_size=5), share=st.floats(0, 1))
def test_train_size_is_exact_and_keeps_the_shares_of_the_classes(sizes: list[int], share: float):
    images = numbered(sizes)
    size = round(2 * len(sizes) + share * (len(images) - 2 * len(sizes)))
    got = counts(cut(images, images, SweepPoint(train_size=size), 0)[0])
    exact = [count * size / len(images) for count in sizes]
    assert sum(got) == size
    assert all(1 <= one <= count for one, count in zip(got, sizes, strict=True))
    raised = sum(1 - one for one in exact if one < 1)
    assert all(abs(one - wanted) < 1 + raised for one, wanted in zip(got, exact, strict=True))


def test_rows_and_minority_are_exact():
    assert counts(cut(TRAIN, TEST, SweepPoint(rows=7), 0)[0]) == [7, 7, 7, 7]
    assert counts(cut(TRAIN, TEST, SweepPoint(minority=("c1", 4)), 0)[0]) == [60, 4, 60, 60]
    assert counts(cut(TRAIN, TEST, SweepPoint(rows=20, minority=("c1", 4)), 0)[0]) == [20, 4, 20, 20]


def test_drawn_classes_are_the_same_on_both_sides_and_differ_between_repeats():
    named = []
    for repeat in range(6):
        train, test = cut(TRAIN, TEST, SweepPoint(classes=2, rows=5, repeat=repeat), 0)
        assert train.class_names == test.class_names
        assert (counts(train), counts(test)) == ([5, 5], [10, 10])
        named.append(train.class_names)
    assert len(set(named)) > 1


@given(kept=st.sets(st.integers(0, 3), min_size=2))
def test_only_classes_renumbers_as_a_slow_loop_does(kept: set[int]):
    ascending = sorted(kept)
    slow = [
        (one, ascending.index(label), TRAIN.class_names[label], picture.tobytes())
        for one, label, picture in zip(TRAIN.ids, TRAIN.require_labels().tolist(), TRAIN.images, strict=True)
        if label in kept
    ]
    found = keep_classes(TRAIN, ascending)
    assert [
        (one, label, found.class_names[label], picture.tobytes())
        for one, label, picture in zip(found.ids, found.require_labels().tolist(), found.images, strict=True)
    ] == slow


@pytest.mark.parametrize(
    ("point", "message"),
    [
        (
            SweepPoint(classes=1),
            r"classes=1 repeat=0: expected 2 to 4 classes, got 1\. Give other numbers of classes",
        ),
        (SweepPoint(classes=5), r"expected 2 to 4 classes, got 5\. Give"),
        (
            SweepPoint(train_size=7),
            r"train_size=7 repeat=0: expected 8 to 240 training pictures, got 7\. Give other sizes",
        ),
        (
            SweepPoint(train_size=241),
            r"expected 8 to 240 training pictures, got 241\. Give other sizes, or more pictures",
        ),
        (SweepPoint(rows=0), r"expected 1 to 60 pictures a class .*got 0\. Give other numbers of rows"),
        (
            SweepPoint(classes=2, rows=61),
            r"expected 1 to 60 pictures a class \(class 'c0' has no more\), got 61\. Give",
        ),
        (SweepPoint(minority=("c9", 3)), r"minority=c9-3 repeat=0: no class 'c9'\. Classes: c0, c1"),
        (SweepPoint(minority=("c1", 61)), r"expected 1 to 60 pictures of 'c1', got 61\. Give other ratios"),
        (SweepPoint(minority=("c1", 0)), r"expected 1 to 60 pictures of 'c1', got 0\. Give other ratios"),
    ],
    ids=lambda value: value.name if isinstance(value, SweepPoint) else "",
)
def test_a_point_outside_the_data_is_refused_with_a_cure(point: SweepPoint, message: str):
    with pytest.raises(DataError, match=message):
        check_point(TRAIN, point)


@pytest.mark.parametrize(
    "point",
    [
        SweepPoint(classes=2, minority=("c1", 3)),
        SweepPoint(train_size=20, rows=3),
        SweepPoint(train_size=20, classes=2),
    ],
    ids=lambda point: point.name,
)
def test_cuts_that_contradict_each_other_are_refused(point: SweepPoint):
    with pytest.raises(SettingsError, match="Sweep over one of them"):
        check_point(TRAIN, point)


def test_the_measured_point_is_the_score_on_the_held_out_pictures_of_its_classes(
    blobs: ImageSet, monkeypatch: pytest.MonkeyPatch
):
    train, test = blobs.take(range(60)), blobs.take(range(60, 120))
    made: list[Any] = []
    fit = ClassifierPlan.fit

    def watched(self: ClassifierPlan, pictures: ImageSet, held: ImageSet, training: Training) -> Any:
        made.append((fit(self, pictures, held, training), pictures, held))
        return made[-1][0]

    monkeypatch.setattr(ClassifierPlan, "fit", watched)
    points = [SweepPoint(train_size=20), SweepPoint(train_size=60), SweepPoint(classes=2, rows=4, repeat=1)]
    for measured, (fitted, pictures, held) in zip(
        run_points(points, (train, test), FOREST, Training(), jobs=1), made, strict=True
    ):
        assert set(held.ids) == {
            one
            for one, label in zip(test.ids, test.require_labels(), strict=True)
            if test.class_names[label] in pictures.class_names
        }
        found = predict(fitted, held)
        assert measured.accuracy == pytest.approx(found.correct.mean())
        assert (measured.n_train, measured.n_test) == (len(pictures), len(held))
        for label, name in enumerate(held.class_names):
            assert measured.recalls[name] == pytest.approx(
                found.correct[held.require_labels() == label].mean()
            )


def test_all_epochs_are_run_the_last_weights_kept_and_the_points_remedy_taken(
    blobs: ImageSet, monkeypatch: pytest.MonkeyPatch
):
    recipes: list[Recipe] = []
    fit = ClassifierPlan.fit
    monkeypatch.setattr(
        ClassifierPlan, "fit", lambda self, *given: recipes.append(self.recipe) or fit(self, *given)
    )
    eager = dataclasses.replace(SMALL, recipe=SMALL.recipe.updated(["patience=1", "balance=sampling"]))
    measured = run_points(
        [SweepPoint(minority=("left", 5), balance="weights")], (blobs, blobs), eager, Training(), jobs=1
    )[0]
    assert [(one.keep, one.patience, one.balance) for one in recipes] == [("last", None, "weights")]
    assert list(measured.epochs) == [1, 2, 3]
    assert measured.accuracy == pytest.approx(measured.epochs[3]["val_accuracy"])


def test_a_schedule_that_stops_by_the_held_out_pictures_is_refused_before_anything_is_fitted(blobs: ImageSet):
    plan = dataclasses.replace(SMALL, recipe=SMALL.recipe.updated(["schedule=plateau"]))
    with pytest.raises(
        SettingsError,
        match=r"schedule=plateau stops by the held-out pictures\. Use `recipe` schedule=one-cycle",
    ):
        run_points([SweepPoint()], (blobs, blobs), plan, Training(), jobs=1)


def test_a_killed_sweep_goes_on_where_it_stopped(blobs: ImageSet, tmp_path, killed_fits: Any):
    points = [SweepPoint(train_size=size, repeat=repeat) for repeat in range(2) for size in (12, 30)]
    through = run_points(points, (blobs, blobs), FOREST, Training(seed=2), jobs=1)
    fits = killed_fits(3)
    with pytest.raises(KeyboardInterrupt):
        run_points(points, (blobs, blobs), FOREST, Training(seed=2, folder=tmp_path), jobs=1)
    resumed = run_points(points, (blobs, blobs), FOREST, Training(seed=2, folder=tmp_path), jobs=1)
    assert fits.count == 5
    assert [dataclasses.replace(one, seconds=0) for one in resumed] == [
        dataclasses.replace(one, seconds=0) for one in through
    ]
    # A wider sweep fits.count what is new; another seed, other pictures or another plan fit anew.
    run_points(
        [*points, SweepPoint(train_size=60)],
        (blobs, blobs),
        FOREST,
        Training(seed=2, folder=tmp_path),
        jobs=1,
    )
    assert fits.count == 6
    run_points(points[:1], (blobs, blobs), FOREST, Training(seed=3, folder=tmp_path), jobs=1)
    run_points(points[:1], (blobs, blobs.take(range(60))), FOREST, Training(seed=2, folder=tmp_path), jobs=1)
    run_points(
        points[:1],
        (blobs, blobs),
        ClassifierPlan("random-forest", config={"trees": 4}),
        Training(seed=2, folder=tmp_path),
        jobs=1,
    )
    assert fits.count == 9


def test_a_measured_point_comes_back_from_its_file(blobs: ImageSet, tmp_path):
    measured = run_points(
        [SweepPoint(minority=("left", 5))], (blobs, blobs), SMALL, Training(folder=tmp_path), jobs=1
    )[0]
    kept = load_json(next(tmp_path.glob("*.json")))
    assert load_point(kept["measured"]) == measured
    assert kept["key"]["point"] == "minority=left-5 repeat=0"
