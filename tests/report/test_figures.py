from __future__ import annotations

import re
import xml.etree.ElementTree as ET

import numpy as np
import pytest

from lightfast.base.errors import DataError
from lightfast.evaluate.calibration import reliability
from lightfast.report import figures

HISTORY = [
    {"epoch": 1, "train_loss": 0.9, "val_loss": 0.8, "val_accuracy": 0.7, "lr": 1e-3},
    {"epoch": 2, "train_loss": 0.5, "val_loss": None},
]
CURVES = {
    "fog": {"before": [0.9, 0.5], "after": [0.99, 0.97], "before_interval": [(0.8, 0.95), (0.4, 0.6)]},
    "snow_storm": {"before": [0.4, 0.2]},
}
PROBS = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.55, 0.45]])
DRAWN = {
    "training": lambda: figures.training_curves(HISTORY),
    "confusion": lambda: figures.confusion_figure([[8, 2], [0, 1234]], ["cat", "<dog>"]),
    "severity": lambda: figures.severity_curves(CURVES, severities=(1, 2)),
    "before_after": lambda: figures.before_after(
        [("clean", 0.99, 0.99, None, None), ("fog & rain", 0.5, 0.97, (0.4, 0.6), (0.95, 0.98))]
    ),
    "reliability": lambda: figures.reliability_diagram(reliability(PROBS, np.array([0, 0, 1, 1]), 5)),
}


@pytest.fixture(scope="module", params=DRAWN)
def drawn(request):
    return DRAWN[request.param]()


def texts(svg):
    return ["".join(element.itertext()).strip() for element in ET.fromstring(svg).iter("text")]


def test_every_figure_is_well_formed_and_named(drawn):
    root = ET.fromstring(drawn)
    assert root.tag == "svg"
    assert root.get("role") == "img"
    assert len(root.get("aria-label", "")) > 20


def test_every_colour_and_letter_comes_from_the_page(drawn):
    assert "var(--" in drawn
    assert re.findall(r"#[0-9a-fA-F]{6}\b", drawn) == []
    assert "font-family" not in drawn


def test_no_figure_names_another_file(drawn):
    assert "http" not in drawn
    assert all(target.startswith("#") for target in re.findall(r'href="([^"]*)"', drawn))


def test_ids_are_used_once_and_every_reference_is_met(drawn):
    ids = re.findall(r'\bid="([^"]+)"', drawn)
    assert len(ids) == len(set(ids))
    assert set(re.findall(r"url\(#([^)]+)\)", drawn) + re.findall(r'href="#([^"]+)"', drawn)) <= set(ids)


def test_two_figures_share_no_id():
    ids = [set(re.findall(r'\bid="([^"]+)"', DRAWN[name]())) for name in ("severity", "training")]
    assert ids[0].isdisjoint(ids[1])


def test_the_same_numbers_give_the_same_bytes():
    assert DRAWN["before_after"]() == DRAWN["before_after"]()


def test_confusion_shows_the_counts_and_the_names():
    assert {"8", "2", "1,234", "cat", "<dog>"} <= set(texts(DRAWN["confusion"]()))


def test_cells_of_the_confusion_lead_to_the_page_and_say_where():
    svg = figures.confusion_figure([[8, 2], [1, 9]], ["cat", "<dog>"], anchors={(0, 1): "cell-0-1"})
    links = list(ET.fromstring(svg).iter("a"))
    assert [(link.get("href"), link.get("aria-label")) for link in links] == [
        ("#cell-0-1", "cat read as <dog>: 2")
    ]
    assert links[0].findtext("title") == "cat read as <dog>: 2"
    assert links[0].find("path") is not None


def test_a_figure_with_links_is_no_mere_picture_to_a_screen_reader():
    linked = figures.confusion_figure([[8, 2], [1, 9]], ["cat", "dog"], anchors={(0, 1): "cell-0-1"})
    assert ET.fromstring(linked).get("role") == "group"
    assert ET.fromstring(DRAWN["confusion"]()).get("role") == "img"


def test_many_classes_are_drawn_without_counts():
    confusion = np.eye(20, dtype=int) * 77
    assert "77" not in texts(figures.confusion_figure(confusion, [f"class {k}" for k in range(20)]))


def test_the_words_for_the_severity_curves_give_the_means():
    assert (
        'aria-label="Accuracy by severity for 2 corruptions; mean before 50.0 %, after 98.0 %"'
        in DRAWN["severity"]()
    )


def test_a_higher_accuracy_is_drawn_further_right():
    svg = figures.before_after([("one", 0.2, 0.8, None, None)])
    before, after = (
        re.search(rf'<use[^>]*?x="([\d.]+)"[^>]*var\(--{name}\)', svg) for name in ("before", "after")
    )
    assert before
    assert after
    assert float(before[1]) < float(after[1])


@pytest.mark.parametrize(
    "draw",
    [
        lambda: figures.training_curves([]),
        lambda: figures.confusion_figure([[1]], ["a", "b"]),
        lambda: figures.severity_curves({}),
        lambda: figures.before_after([]),
    ],
)
def test_nothing_to_draw_is_refused(draw):
    with pytest.raises(DataError, match="expected"):
        draw()
