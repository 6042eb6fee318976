"""Drawings as strokes: their files, parts of them, and the pictures that they are painted as."""

from __future__ import annotations

import json
from itertools import pairwise

import numpy as np
import pytest
from fixtures.strokes import made_drawings, write_strokes

from lightfast.base.errors import DataError
from lightfast.data.ingest import load_images
from lightfast.data.stroke_pictures import draw_strokes, framed, stroke_picture
from lightfast.data.strokes import StrokeSet, after_every_stroke, first_points, holds_strokes, load_strokes

NAMES = ("square", "triangle", "pentagon")
CORNER = (np.array([[0, 0], [0, 100]], np.float32), np.array([[0, 100], [50, 100]], np.float32))


@pytest.mark.parametrize("name", ["some.ndjson", "some.ndjson.gz"])
def test_a_file_is_read_as_it_was_written(tmp_path, name):
    made = made_drawings(NAMES, 2)
    found = load_strokes(write_strokes(tmp_path / name, made))
    assert found.class_names == tuple(sorted(NAMES))
    assert [found.class_names[label] for label in found.require_labels()] == [
        made.class_names[label] for label in made.require_labels()
    ]
    assert found.ids == made.ids
    for ours, theirs in zip(found.drawings[3], made.drawings[3], strict=True):
        assert np.abs(ours - theirs).max() <= 0.5
    assert holds_strokes(tmp_path / name)


def test_a_folder_of_files_is_one_set_and_most_counts_a_class(tmp_path):
    for name in NAMES:
        write_strokes(tmp_path / f"{name}.ndjson", made_drawings(NAMES, 4).keep_classes([name]))
    found = load_strokes(tmp_path, most=3)
    assert np.bincount(found.require_labels()).tolist() == [3, 3, 3]


def test_times_of_raw_drawings_are_left_aside(tmp_path):
    path = tmp_path / "raw.ndjson"
    path.write_text(json.dumps({"word": "dot", "drawing": [[[1.5, 2], [3, 4], [0, 17]]]}), encoding="utf-8")
    found = load_strokes(path)
    assert found.drawings[0][0].tolist() == [[1.5, 3.0], [2.0, 4.0]]
    assert found.ids == ("raw.ndjson:1",)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2 is no JSON"),
        ('{"word": "a"}', "line 2 is no drawing"),
        ('{"word": "a", "drawing": []}', "at least one stroke"),
        ('{"word": "a", "drawing": [[[1, 2], [3]]]}', "cannot be read"),
        ('{"word": "a", "drawing": [[[], []]]}', "finite points"),
        ('{"drawing": [[[1], [2]]]}', "others none"),
        ('{"word": ["x"], "drawing": [[[1], [2]]]}', "line 2: `word`"),
        ('{"word": {}, "drawing": [[[1], [2]]]}', "line 2: `word`"),
        ('{"word": 7, "drawing": [[[1], [2]]]}', "line 2: `word`"),
        ('{"word": "a", "drawing": [[[1%s], [2]]]}' % ("0" * 400), "cannot be read"),
    ],
)
def test_a_line_that_is_no_drawing_is_named(tmp_path, line, said):
    path = tmp_path / "bad.ndjson"
    path.write_text('{"word": "a", "drawing": [[[1, 2], [3, 4]]]}\n' + line + "\n", encoding="utf-8")
    with pytest.raises(DataError, match=said) as refused:
        load_strokes(path)
    assert "\n" not in str(refused.value)


def test_an_id_that_stands_there_again_is_the_line(tmp_path):
    path = write_strokes(tmp_path / "joined.ndjson", made_drawings(NAMES, 1))
    path.write_text(path.read_text(encoding="utf-8") * 2, encoding="utf-8")
    own = made_drawings(NAMES, 1).ids
    assert load_strokes(path).ids == (*own, *(f"joined.ndjson:{line}" for line in (4, 5, 6)))


def test_an_id_that_is_the_place_of_another_line_is_refused(tmp_path):
    line = '{"word": "a", "key_id": "%s", "drawing": [[[1, 2], [3, 4]]]}\n'
    path = tmp_path / "odd.ndjson"
    path.write_text(line % "odd.ndjson:3" + (line % "one") * 2, encoding="utf-8")
    with pytest.raises(DataError, match=r"odd\.ndjson:3: its id stands there twice"):
        load_strokes(path)


def test_a_table_of_pictures_is_no_file_of_strokes(tmp_path):
    path = tmp_path / "table.ndjson"
    path.write_text('{"path": "a.png", "label": "a"}\n', encoding="utf-8")
    assert not holds_strokes(path)


@pytest.mark.parametrize(
    ("share", "lengths"), [(0, [1]), (0.25, [1]), (0.3, [2]), (0.5, [2]), (0.51, [2, 1]), (1, [2, 2])]
)
def test_a_share_is_the_first_points_in_the_order_of_drawing(share, lengths):
    assert [len(stroke) for stroke in first_points(CORNER, share)] == lengths


def test_after_every_stroke_there_is_one_more():
    assert [len(part) for part in after_every_stroke(CORNER)] == [1, 2]


def test_the_frame_of_a_part_knows_nothing_of_what_comes():
    far = (*CORNER, np.array([[900, 900]], np.float32))
    alone, part = framed(CORNER), framed(after_every_stroke(far)[1])
    assert all(np.array_equal(one, other) for one, other in zip(alone, part, strict=True))
    assert np.concatenate(alone)[:, 1].tolist() == [0, 255, 255, 255]
    # The shorter side lies in the middle.
    assert np.concatenate(alone)[:, 0].tolist() == [63.75, 63.75, 63.75, 191.25]


def test_a_picture_is_ink_where_a_pixel_is_within_half_a_pen_of_a_line():
    rng = np.random.default_rng(1)
    drawing = tuple(rng.uniform(0, 200, (3, 2)).astype(np.float32) for _ in range(2))
    # The slow reference: 10 × 10 places a pixel, in the units of the strokes.
    place = (np.arange(280) + 0.5) / 280 * 304 - 24
    down, across = np.meshgrid(place, place, indexing="ij")
    ink = np.zeros((280, 280), dtype=bool)
    for stroke in framed(drawing):
        for start, end in pairwise(stroke):
            along = ((across - start[0]) * (end - start)[0] + (down - start[1]) * (end - start)[1]) / (
                (end - start) ** 2
            ).sum()
            nearest = start + along.clip(0, 1)[..., None] * (end - start)
            ink |= np.hypot(across - nearest[..., 0], down - nearest[..., 1]) <= 8
    wanted = ink.reshape(28, 10, 28, 10).mean(axis=(1, 3)) * 255
    painted = stroke_picture(drawing).astype(float)
    assert np.abs(painted - wanted).mean() < 2
    assert painted.sum() == pytest.approx(wanted.sum(), rel=0.05)


def test_a_point_is_a_dot_in_the_middle():
    picture = stroke_picture((np.array([[7, 7]], np.float32),))
    assert picture[13:15, 13:15].min() > 60
    assert picture[:12].max() == 0


def test_drawings_enter_every_verb_as_pictures(tmp_path):
    made = made_drawings(NAMES, 2)
    path = write_strokes(tmp_path / "some.ndjson.gz", made)
    found = load_images(path)
    assert np.array_equal(found.images.images, draw_strokes(load_strokes(path)).images)
    assert found.images.ids == made.ids
    assert load_images(path, image_size=(40, 40), channels=3).images.image_shape == (40, 40, 3)
    with pytest.raises(DataError, match="square"):
        load_images(path, image_size=(28, 40))


def test_ids_and_labels_are_one_a_drawing():
    with pytest.raises(DataError, match="one a drawing"):
        StrokeSet((CORNER,), ids=("a", "b"))


def test_our_pictures_are_googles_but_for_a_few_levels(data_folder):
    strokes = sorted(data_folder.glob("quickdraw*.ndjson*"))
    if not strokes or not (data_folder / "quickdraw-34.npz").is_file():
        pytest.skip("quickdraw-34.npz and strokes of Quick, Draw! are not both in LIGHTFAST_DATA")
    fish = draw_strokes(load_strokes(strokes[0]).keep_classes(["fish"])).images.reshape(-1, 784).astype(float)
    with np.load(data_folder / "quickdraw-34.npz", allow_pickle=False) as archive:
        label = archive["class_names"].tolist().index("fish")
        known = archive["images"][archive["labels"] == label].reshape(-1, 784).astype(float)
    apart = np.sqrt(((fish**2).sum(1)[:, None] + (known**2).sum(1) - 2 * fish @ known.T).clip(0).min(1) / 784)
    same = apart[apart < 12]
    assert len(same) >= 10
    assert same.mean() < 5
