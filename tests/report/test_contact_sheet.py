"""Contact sheets as files."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from lightfast.base.errors import DataError
from lightfast.report.contact_sheet import MARGIN, SIDE, SheetCell, write_contact_sheet, write_feature_sheet

RED = np.full((SIDE, SIDE, 3), (200, 10, 10), dtype=np.uint8)


def test_every_picture_stands_on_the_sheet(tmp_path) -> None:
    cells = [SheetCell((RED, 255 - RED), (("dog 90 %", "bad"), ("true: cat", ""))) for _ in range(5)]
    sheet = np.asarray(Image.open(write_contact_sheet(tmp_path / "sheet.png", cells, "grad-cam", columns=2)))
    assert int((sheet == RED[0, 0]).all(axis=-1).sum()) == 5 * SIDE * SIDE
    assert int((sheet == 255 - RED[0, 0]).all(axis=-1).sum()) == 5 * SIDE * SIDE


def test_a_line_longer_than_its_cell_is_cut(tmp_path) -> None:
    long = write_contact_sheet(tmp_path / "a.png", [SheetCell((RED,), (("W" * 500, "strong"),))], "")
    sheet = np.asarray(Image.open(long))
    assert (sheet[:, -MARGIN + 2 :] == sheet[0, 0]).all()


def test_a_sheet_without_cells_is_refused(tmp_path) -> None:
    with pytest.raises(DataError, match="at least one picture"):
        write_contact_sheet(tmp_path / "sheet.png", [], "x")


def test_the_layers_stand_below_each_other_under_the_picture(tmp_path) -> None:
    tiles = np.zeros((40, 300, 4), dtype=np.uint8)
    tiles[..., 1], tiles[..., 3] = 250, 255
    sheet = np.asarray(
        Image.open(
            write_feature_sheet(tmp_path / "one.png", RED, ["a.png"], [("conv1", tiles), ("conv2", tiles)])
        )
    )
    rows = np.flatnonzero((sheet[:, MARGIN + 5] == (0, 250, 0)).all(axis=-1))
    assert len(rows) == 80
    assert rows.min() > MARGIN + SIDE
