"""A run on other backgrounds: its record, its page, what is left out, and as typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lightfast.base.errors import CheckpointError
from lightfast.cli.text.background import background_lines
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.runs.background import background_run
from lightfast.runs.folder import TOUCH_FILE, write_seen
from lightfast.runs.options import RunOptions


@pytest.fixture(scope="module")
def bright(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ImageSet]:
    """A bright block on the left, in the middle or on the right of a dark ground, as the blobs' classes."""
    rng = np.random.default_rng(5)
    labels = np.arange(60) % 3
    images = rng.integers(0, 40, (60, 12, 12, 1))
    for image, label in zip(images, labels, strict=True):
        image[3:9, (2, 4, 7)[label] : (5, 8, 10)[label]] += 200
    made = ImageSet(images.astype(np.uint8), ("left", "middle", "right"), labels, name="bright")
    return str(save_npz(tmp_path_factory.mktemp("bright") / "bright.npz", made)), made


def test_the_page_and_the_figures_are_written_and_the_scoring_is_recorded(run, bright, tmp_path):
    options = RunOptions(out=tmp_path / "out")
    result = background_run(str(run), bright[0], options)
    kept = json.loads((tmp_path / "out" / "metrics.json").read_text(encoding="utf-8"))
    assert kept["n"] + kept["without_foreground"] == 60
    assert kept["gap"]["n"] == kept["n"]
    assert kept["sentence"] == result.check.sentence()
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert "Is it looking at the background?" in page
    assert page.count("background alone</text>") >= len(result.check.examples.ids) > 0
    assert (Path(run) / TOUCH_FILE).read_text(encoding="utf-8").count("background") == 1
    assert background_run(str(run), bright[0], options).touched_before == 1


def test_the_terminal_says_every_share_with_its_interval(run, bright):
    lines = background_lines(background_run(str(run), bright[0], RunOptions(), limit=30))
    assert sum("[" in line and "%" in line for line in lines) == 5
    assert any(line.startswith(("It leans", "That it", "This cannot")) for line in lines)
    assert lines[-1] == "brackets: 95 % intervals"


def test_pictures_that_the_run_has_seen_are_left_out(run, bright):
    write_seen(Path(run), bright[1].take(range(20)))
    result = background_run(str(run), bright[0], RunOptions())
    assert result.check.n + result.check.without_foreground == 40
    assert any("20 of 60 pictures were left out" in note for note in result.notes)


def test_the_run_itself_is_no_place_to_write(run, bright):
    with pytest.raises(CheckpointError, match="the run itself"):
        background_run(str(run), bright[0], RunOptions(out=Path(run)))
