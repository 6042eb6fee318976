"""Rows of pictures with headings and lines: nothing unescaped, nothing outside, the whole text kept."""

from __future__ import annotations

from xml.etree import ElementTree

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.report.strips import colour_key, strip, strip_panel

PICTURE = np.random.default_rng(0).integers(0, 255, (30, 40, 3), dtype=np.uint8)


def test_each_stage_has_its_picture_heading_and_lines_inside_the_drawing() -> None:
    drawing = strip(
        [
            strip_panel(PICTURE, "picture", ["true: cat"]),
            strip_panel(PICTURE, "map", ["dog 90 %", "cat 5 %"]),
        ],
        "a cat read as a dog",
    )
    root = ElementTree.fromstring(drawing)
    _, _, width, height = map(float, root.attrib["viewBox"].split())
    images = [one for one in root if one.tag == "image"]
    assert len(images) == 2
    assert all(float(one.attrib["x"]) + float(one.attrib["width"]) <= width for one in images)
    texts = [one for one in root if one.tag == "text"]
    assert ["".join(one.itertext()) for one in texts] == [
        "picture",
        "true: cat",
        "map",
        "dog 90 %",
        "cat 5 %",
    ]
    assert all(float(one.attrib["y"]) <= height for one in texts)


def test_the_sides_of_a_picture_keep_their_ratio() -> None:
    image = next(
        one for one in ElementTree.fromstring(strip([strip_panel(PICTURE, "x")], "x")) if one.tag == "image"
    )
    assert float(image.attrib["width"]) / float(image.attrib["height"]) == pytest.approx(4 / 3, rel=1e-3)


def test_names_with_marks_of_html_stay_text() -> None:
    drawing = strip([strip_panel(PICTURE, "<b>", ["a & b"])], 'says "x" <y>')
    root = ElementTree.fromstring(drawing)
    assert root.attrib["aria-label"] == 'says "x" <y>'
    assert "<b>" not in drawing


def test_a_long_line_is_cut_and_kept_whole_as_its_title() -> None:
    name = "x" * 200
    drawing = strip([strip_panel(PICTURE, "map", [name])], "x", width=100)
    assert f"<title>{name}</title>" in drawing
    assert f">{name}</text>" not in drawing


def test_right_and_wrong_are_framed_in_the_colours_of_the_page() -> None:
    drawing = strip(
        [
            strip_panel(PICTURE, "a", right=True),
            strip_panel(PICTURE, "b", right=False),
            strip_panel(PICTURE, "c"),
        ],
        "x",
    )
    assert drawing.count("<rect") == 2
    assert "var(--right)" in drawing
    assert "var(--wrong)" in drawing


def test_without_pictures_there_is_no_strip() -> None:
    with pytest.raises(DataError, match="at least one picture"):
        strip([], "x")


@pytest.mark.parametrize("words", [("little", "much"), ("against", "nothing", "for")])
def test_the_key_of_colours_names_its_ends(words) -> None:
    root = ElementTree.fromstring(colour_key(words, signed=len(words) == 3))
    assert ["".join(one.itertext()) for one in root if one.tag == "text"] == list(words)
