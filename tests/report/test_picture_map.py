"""The map in a page: places and tiles come back as they went in; its scripts run under the page's policy."""

from __future__ import annotations

import base64
import hashlib
import io
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.base.errors import DataError
from lightfast.report import page as pages
from lightfast.report.page import Section, render_page
from lightfast.report.picture_map import PictureMap, packed, packed_places, tile_sheets

SCRIPTS = [Path(pages.__file__).parent / f"{name}.js.jinja" for name in ("map", "map_paint")]


def one_map(**more: object) -> PictureMap:
    images = np.zeros((3, 8, 8, 3), np.uint8)
    data = {
        "n": 3,
        "xy": packed_places(np.eye(3)[:, :2]),
        "cluster": packed(np.zeros(3)),
        "core": packed(np.ones(3), "u1"),
    }
    data |= {
        "label": None,
        "labels": [],
        "clusters": [],
        "ids": list("abc"),
        "contents": "",
        "tiles": tile_sheets(images),
    }
    return PictureMap(data | more, "caption")


def test_places_keep_their_proportions_and_the_second_axis_grows_upwards():
    shorts = np.frombuffer(
        base64.b64decode(packed_places(np.array([[0.0, 0], [4, 0], [4, 2]]))), "<u2"
    ).reshape(3, 2)
    assert shorts[:, 0].tolist() == [0, 65_535, 65_535]
    assert shorts[0, 1] - shorts[2, 1] == pytest.approx(65_535 / 2, abs=1)


@pytest.mark.parametrize("places", [np.zeros((3, 2)), np.zeros((1, 2)), np.zeros((0, 2))])
def test_pictures_at_one_place_have_a_map(places):
    assert len(base64.b64decode(packed_places(places))) == 4 * len(places)


@pytest.mark.parametrize("places", [np.full((2, 2), np.nan), np.zeros((2, 3))])
def test_places_that_are_none_are_refused(places):
    with pytest.raises(DataError, match="coordinates"):
        packed_places(places)


def test_a_picture_is_found_in_its_tile():
    images = np.zeros((40, 16, 16, 1), np.uint8)
    images[35] = 255
    found = tile_sheets(images)
    sheet = np.asarray(Image.open(io.BytesIO(base64.b64decode(found["sheets"][0].partition(",")[2]))))
    top, left = 35 // 32 * 16, 35 % 32 * 16
    assert sheet[top + 2 : top + 14, left + 2 : left + 14].min() > 240
    assert found["of"] is None


def test_within_a_small_budget_an_even_spread_of_pictures_is_kept():
    images = np.random.default_rng(0).integers(0, 256, (300, 16, 16, 3), dtype=np.uint8)
    found = tile_sheets(images, 20_000)
    of = np.frombuffer(base64.b64decode(found["of"]), "<u4")
    assert 0 < found["held"] < 300
    assert (of < 2**32 - 1).sum() == found["held"]
    assert np.diff(np.flatnonzero(of < 2**32 - 1)).max() <= 300 / found["held"] + 1


def test_scripts_are_named_by_their_hashes_and_nothing_else_may_run():
    text = render_page("t", "s", [Section("Map", (one_map(),))], {})
    scripts = re.findall(r"<script>(.*?)</script>", text, re.DOTALL)
    named = re.findall(r"'sha256-([^']+)'", text)
    assert named == [base64.b64encode(hashlib.sha256(one.encode()).digest()).decode() for one in scripts]
    assert len(scripts) == 2


def test_a_page_without_a_map_has_neither_its_scripts_nor_its_style():
    text = render_page("t", "s", [Section("Nothing")], {})
    assert "picture-map" not in text
    assert "<script" not in text


def test_names_cannot_leave_the_data():
    text = render_page(
        "t", "s", [Section("Map", (one_map(ids=["</script><script>alert(1)</script>", "b", "c"]),))], {}
    )
    assert "alert(1)</script>" not in text


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda path: path.name)
def test_scripts_run_no_text_as_code_and_write_no_markup(script):
    text = script.read_text("utf-8")
    code, markup = r"\beval\b|new Function|import\(", r"innerHTML|outerHTML|insertAdjacent|document\.write"
    assert re.search(f"{code}|{markup}|setAttribute\\(.(style|on)", text) is None


def test_the_markup_of_the_map_holds_no_handler_and_no_style():
    markup = (SCRIPTS[0].parent / "map.html.jinja").read_text("utf-8")
    assert re.search(r"\son\w+=|\sstyle=", markup) is None
