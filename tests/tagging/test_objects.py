"""Places in a picture, tags a place, one list: against slow and obvious versions of the definitions."""

from __future__ import annotations

import json
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lightfast.base.errors import DataError, SettingsError, UnknownName
from lightfast.tagging.objects import ObjectSettings, crops, find_objects, merge
from lightfast.tagging.proposals import iou, propose

NAMES = ("red", "blue", "other")


def scene(height: int = 120, width: int = 200) -> np.ndarray:
    """A grey noisy ground with a red box (20..70, 30..80) and a blue one (130..180, 50..110),
    given as x and y.
    """
    rng = np.random.default_rng(0)
    image = rng.integers(100, 140, (height, width, 3), dtype=np.uint8)
    image[30:80, 20:70] = (200, 20, 20)
    image[50:110, 130:180] = (20, 20, 200)
    return image


TRUE = np.array([[20, 30, 70, 80], [130, 50, 180, 110]])


def by_colour(images: np.ndarray) -> np.ndarray:
    """Probabilities of red, blue and other: the shares of pixels that are clearly so."""
    red = ((images[..., 0] > 160) & (images[..., 2] < 80)).mean(axis=(1, 2))
    blue = ((images[..., 2] > 160) & (images[..., 0] < 80)).mean(axis=(1, 2))
    return np.stack([red, blue, np.clip(1 - red - blue, 0, 1)], axis=1)


def slow_iou(one: np.ndarray, other: np.ndarray) -> float:
    """By counting pixels."""
    grids = []
    for x0, y0, x1, y1 in (one, other):
        grid = np.zeros((60, 60), dtype=bool)
        grid[y0:y1, x0:x1] = True
        grids.append(grid)
    return (grids[0] & grids[1]).sum() / (grids[0] | grids[1]).sum()


boxes = st.tuples(st.integers(0, 40), st.integers(0, 40), st.integers(1, 20), st.integers(1, 20)).map(
    lambda box: np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]])
)


@given(boxes, boxes)
def test_overlap_is_that_of_the_pixels(one: np.ndarray, other: np.ndarray) -> None:
    assert iou(one[None], other[None])[0, 0] == pytest.approx(slow_iou(one, other))


def test_proposals_hold_the_objects() -> None:
    assert (iou(TRUE, propose(scene())).max(axis=1) > 0.8).all()


def test_proposals_lie_inside_the_picture_and_are_few() -> None:
    found = propose(scene(), 7)
    assert len(found) == 7
    assert (found[:, :2] >= 0).all()
    assert (found[:, 2:] <= (200, 120)).all()
    assert (found[:, 2:] > found[:, :2]).all()


def test_proposals_are_the_same_again() -> None:
    assert np.array_equal(propose(scene()), propose(scene()))


def test_large_pictures_get_boxes_in_their_own_pixels() -> None:
    large = np.repeat(np.repeat(scene(), 4, axis=0), 4, axis=1)
    assert (iou(4 * TRUE, propose(large)).max(axis=1) > 0.75).all()


@pytest.mark.parametrize("shape", [(1, 1), (3, 200), (200, 2), (64, 64)])
def test_plain_and_tiny_pictures_have_no_places(shape: tuple[int, int]) -> None:
    assert propose(np.full((*shape, 3), 90, dtype=np.uint8)).shape == (0, 4)


@pytest.mark.parametrize(
    "image", [np.zeros((4, 4), np.uint8), np.zeros((4, 4, 3)), np.zeros((0, 4, 3), np.uint8), [[1]]]
)
def test_what_is_no_picture_is_refused(image: np.ndarray) -> None:
    with pytest.raises(DataError, match=r"uint8 \(H, W, 3\)"):
        propose(image)


def test_crops_are_the_places() -> None:
    image = scene()
    cut = crops(image, TRUE[:1], (50, 50), context=0.0)
    assert cut.shape == (1, 50, 50, 3)
    assert np.array_equal(cut[0], image[30:80, 20:70])


def test_crops_at_the_edge_stay_inside() -> None:
    cut = crops(scene(), np.array([[0, 0, 10, 120], [195, 0, 200, 5], [0, 0, 200, 120]]), (32, 48))
    assert cut.shape == (3, 32, 48, 3)
    assert cut.min() > 0


def test_both_objects_are_found_with_their_boxes() -> None:
    found = find_objects(scene(), by_colour, NAMES, ObjectSettings(threshold=0.6, other="other"))
    assert set(found.labels) == {"red", "blue"}
    by_label = dict(zip(found.labels, found.boxes, strict=True))
    assert iou(by_label["red"][None], TRUE[:1])[0, 0] > 0.7
    assert iou(by_label["blue"][None], TRUE[1:])[0, 0] > 0.7


def test_the_whole_picture_alone_tells_neither() -> None:
    assert find_objects(scene(), by_colour, NAMES, ObjectSettings(threshold=0.6, other="other")).whole == {}


def test_tags_of_the_picture_and_of_its_objects_are_merged() -> None:
    places, whole = np.array([[0, 0, 9, 9], [20, 0, 29, 9]]), np.array([0.7, 0.1, 0.9])
    found = merge(
        places, np.array([[0.95, 0.0, 0.0], [0.0, 0.8, 0.1]]), whole, NAMES, ObjectSettings(other="other")
    )
    assert found.whole == {"red": 0.7}
    assert list(found.tags.items()) == [("red", 0.95), ("blue", 0.8)]


def test_a_place_must_beat_the_other_class_by_the_margin() -> None:
    probs = np.array([[0.55, 0.0, 0.45], [0.0, 0.56, 0.40]])
    found = merge(
        np.array([[0, 0, 9, 9], [20, 0, 29, 9]]),
        probs,
        np.zeros(3),
        NAMES,
        ObjectSettings(other="other", margin=0.15),
    )
    assert found.labels == ("blue",)


def test_each_label_has_its_own_threshold() -> None:
    probs = np.array([[0.6, 0.0, 0.0], [0.0, 0.6, 0.0]])
    found = merge(
        np.array([[0, 0, 9, 9], [20, 0, 29, 9]]),
        probs,
        np.zeros(3),
        NAMES,
        ObjectSettings(thresholds=(0.7, 0.5, 0.5)),
    )
    assert found.labels == ("blue",)


def slow_share_inside(box: np.ndarray, other: np.ndarray) -> float:
    """What both share, of the smaller one."""
    shared = np.prod(np.clip(np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2]), 0, None))
    return shared / min(np.prod(box[2:] - box[:2]), np.prod(other[2:] - other[:2]))


Scored = tuple[np.ndarray, int, float]


def slowly_left(
    rows: list[Scored], share: Callable[[np.ndarray, np.ndarray], float], most: float
) -> list[Scored]:
    """Of (box, label, score), the most probable first, those that share at most so much with a kept one of
    their label.
    """
    kept: list[Scored] = []
    for box, label, score in sorted(rows, key=lambda row: -row[2]):
        if all(share(box, place) <= most for place, other, _ in kept if other == label):
            kept.append((box, label, score))
    return kept


@given(st.lists(st.tuples(boxes, st.sampled_from([0, 1]), st.integers(51, 99)), max_size=12))
def test_what_stays_is_what_the_slow_rule_leaves(rows: list[tuple[np.ndarray, int, int]]) -> None:
    """Greedy suppression a label, pixel by pixel;
    then nothing that lies inside a more probable box of its label.
    """
    # No two alike, so that the order is sure.
    scored = [(box, label, (score + place / 100) / 100) for place, (box, label, score) in enumerate(rows)]
    probs = np.zeros((len(rows), 3))
    for place, (_, label, score) in enumerate(scored):
        probs[place, label] = score
    places = np.array([box for box, _, _ in rows]).reshape(-1, 4)
    found = merge(places, probs, np.zeros(3), NAMES, ObjectSettings(overlap=0.3, threshold=0.5))
    left = slowly_left(slowly_left(scored, slow_iou, 0.3), slow_share_inside, 0.8)
    assert list(zip(found.boxes.tolist(), found.labels, strict=True)) == [
        (box.tolist(), NAMES[label]) for box, label, _ in left
    ]


def test_no_place_leaves_the_tags_of_the_whole() -> None:
    found = find_objects(np.full((40, 40, 3), (200, 20, 20), dtype=np.uint8), by_colour, NAMES)
    assert (found.labels, found.tags) == ((), {"red": 1.0})


def test_the_result_is_plain_json() -> None:
    found = find_objects(scene(), by_colour, NAMES, ObjectSettings(threshold=0.6, other="other")).as_json()
    assert json.loads(json.dumps(found)) == found


def test_a_tagger_of_other_classes_is_refused() -> None:
    with pytest.raises(DataError, match="the tagger's answer"):
        find_objects(scene(), by_colour, NAMES[:2])


def test_an_unknown_other_class_is_refused() -> None:
    with pytest.raises(UnknownName, match="nothing"):
        find_objects(scene(), by_colour, NAMES, ObjectSettings(other="nothing"))


@pytest.mark.parametrize("wrong", [{"limit": 0}, {"threshold": 1.5}, {"margin": -0.1}, {"overlap": 2.0}])
def test_settings_out_of_range(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError):
        ObjectSettings(**wrong)  # type: ignore[arg-type]


def test_as_many_thresholds_as_classes() -> None:
    with pytest.raises(SettingsError, match="one a class"):
        find_objects(scene(), by_colour, NAMES, ObjectSettings(thresholds=(0.5,)))
