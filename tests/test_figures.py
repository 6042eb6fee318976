"""README and docs hold exactly the figures that `make figures` makes from benchmarks/results/."""

from __future__ import annotations

import importlib.util
import json
import re
import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.statistics.intervals import wilson

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def figures():
    spec = importlib.util.spec_from_file_location("readme_figures", ROOT / "benchmarks" / "readme.py")
    module = importlib.util.module_from_spec(spec)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "benchmarks")
        patch.setitem(sys.modules, spec.name, module)
        spec.loader.exec_module(module)
        yield module


def test_the_pages_hold_what_the_command_makes(figures: ModuleType):
    stale = [
        page.name
        for page in figures.pages()
        if figures.filled(page.read_text("utf-8")) != page.read_text("utf-8")
    ]
    assert stale == [], "run: make figures"


def test_every_template_stands_on_a_page_and_every_block_has_one(figures: ModuleType):
    blocks = [
        name for page in figures.pages() for _, name, _ in figures.BLOCK.findall(page.read_text("utf-8"))
    ]
    assert sorted(blocks) == sorted(
        path.name.removesuffix(".md.jinja") for path in figures.TEMPLATES.iterdir()
    )


@pytest.mark.parametrize("text", ["{0}old\n", "{0}old\n{0}old\n<!-- end -->\n", "{0}old\n <!-- end -->"])
def test_a_block_without_an_end_of_its_own_is_refused(figures: ModuleType, text: str):
    with pytest.raises(DataError, match="without its end"):
        figures.filled(text.format("<!-- figures: svhn -->\n"))


def test_what_stands_around_a_block_stays(figures: ModuleType):
    made = figures.filled("before\n<!-- figures: svhn -->\nold\n<!-- end -->\nafter\n")
    assert made == f"before\n<!-- figures: svhn -->\n{figures.rendered('svhn')}<!-- end -->\nafter\n"


def test_accuracies_of_the_readme_stand_with_an_interval(figures: ModuleType):
    # Shares with two decimals are measured ones; each is followed by its interval.
    for name in ("mnist-c", "svhn", "emnist", "quickdraw", "perturbations"):
        bare = re.findall(r"\d+\.\d\d %(?! \[)", figures.rendered(name))
        assert bare == [], name


def test_another_result_changes_the_page(figures: ModuleType, monkeypatch, tmp_path: Path):
    told = json.loads((figures.RESULTS / "svhn-paper.json").read_text("utf-8"))
    told["figures"]["rows"][0] |= {"accuracy": 0.125, "accuracy_interval": [0.1, 0.15]}
    (tmp_path / "svhn-paper.json").write_text(json.dumps(told))
    monkeypatch.setattr(figures, "RESULTS", tmp_path)
    assert "| 12.50 % [10.0–15.0] |" in figures.rendered("svhn")


def test_a_missing_result_or_path_stops_the_command_by_name(figures: ModuleType, monkeypatch, tmp_path: Path):
    monkeypatch.setattr(figures, "RESULTS", tmp_path)
    with pytest.raises(DataError, match=r"svhn\.md\.jinja.*no svhn-paper\.json"):
        figures.rendered("svhn")
    (tmp_path / "svhn-paper.json").write_text(json.dumps({"provenance": {"command": "x"}}))
    with pytest.raises(DataError, match=r"svhn\.md\.jinja.*figures"):
        figures.rendered("svhn")


def test_a_share_without_interval_and_n_is_refused(figures: ModuleType):
    assert figures.share(0.5, n=100).startswith("50.00 % [")
    with pytest.raises(DataError, match="without interval"):
        figures.share(0.5)


def test_an_interval_is_taken_from_the_row_else_from_its_n(figures: ModuleType):
    assert (
        figures.accuracy({"accuracy": 0.5, "accuracy_interval": [0.25, 0.75], "n": 9})
        == "50.00 % [25.0–75.0]"
    )
    low, high = (100 * end for end in wilson(30, 60))
    assert figures.accuracy({"after_accuracy": 0.5, "n": 60}, "after") == f"50.00 % [{low:.1f}–{high:.1f}]"


def test_one_row_is_wanted(figures: ModuleType):
    rows = [{"name": "a", "way": "x"}, {"name": "a", "way": "y"}]
    assert figures.row(rows, name="a", way="y") is rows[1]
    with pytest.raises(DataError, match="2 of 2"):
        figures.row(rows, name="a")


def test_the_mean_of_interval_ends_is_no_narrower_than_the_means_own(figures: ModuleType):
    rng = np.random.default_rng(0)
    same = rng.random(400) < 0.7
    rows = [
        {"after_accuracy": float(same.mean()), "after_interval": list(wilson(int(same.sum()), 400))}
        for _ in range(3)
    ]
    assert figures.widest_mean(rows, "after") == figures.accuracy({"accuracy": same.mean(), "n": 400})
