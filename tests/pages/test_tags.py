from __future__ import annotations

import numpy as np
import pytest

from lightfast.data.taxonomy.taxonomy import Label, Taxonomy
from lightfast.evaluate.tag_predictions import TagPredictions
from lightfast.evaluate.tags import score_tags
from lightfast.evaluate.thresholds import choose_thresholds
from lightfast.pages.tags import ScoredTags, tag_cards
from lightfast.report.page import Folded, Section, Table, render_page

NAMES = ("dog", "eagle", "happy", "ghost")
TREE = Taxonomy(
    (
        Label("animal"),
        Label("dog", "animal"),
        Label("bird", "animal"),
        Label("eagle", "bird"),
        Label("ghost"),
        Label("happy", abstract=True),
    )
)


@pytest.fixture(scope="module")
def tested() -> ScoredTags:
    rng = np.random.default_rng(0)
    tags = rng.random((300, 4)) < [0.4, 0.3, 0.3, 0.0]
    probs = 1 / (1 + np.exp(-rng.normal(size=(300, 4)) - 4 * tags + 2))
    thresholds = choose_thresholds(probs, tags, NAMES, 0.8)
    predictions = TagPredictions(
        probs.astype(np.float32), thresholds.values, NAMES, tuple(map(str, range(300))), tags, "test", 0
    )
    return ScoredTags(predictions, score_tags(predictions), thresholds, TREE)


def tables(section: Section) -> list[Table]:
    parts = [
        inner for part in section.parts for inner in (part.parts if isinstance(part, Folded) else (part,))
    ]
    return [part for part in parts if isinstance(part, Table)]


def page(tested: ScoredTags) -> str:
    head = Section("Result", (tag_cards(tested.evaluation),))
    return render_page("auto on library", "", [head, *tested.sections()], {"seed": 0})


def section(tested: ScoredTags, title: str) -> Section:
    return next(one for one in tested.sections() if one.title == title)


def test_the_page_names_every_label_and_what_is_never_given(tested):
    text = page(tested)
    assert all(name in text for name in NAMES)
    assert "Never given, because no threshold shows the wanted precision: ghost." in text
    assert "No picture carries ghost" in text


def test_abstract_labels_stand_apart_from_objects(tested):
    objects, abstract = tables(section(tested, "Labels"))
    assert [row[0].text for row in objects.cells] == ["dog", "eagle", "ghost"]
    assert [row[0].text for row in abstract.cells] == ["happy"]


def test_the_tree_counts_what_lies_below_a_label(tested):
    tree = tables(section(tested, "Tree"))[0]
    counted = {row[0].text.strip(): row[-1].text for row in tree.cells}
    tags = tested.predictions.tags
    assert counted["animal"] == str(int((tags[:, 0] | tags[:, 1]).sum()))
    assert counted["bird"] == counted["eagle"] == str(int(tags[:, 1].sum()))
    assert [len(row[0].text) - len(row[0].text.lstrip()) for row in tree.cells] == [0, 1, 1, 2, 0]


def test_without_taxonomy_and_thresholds_their_sections_are_left_out(tested):
    plain = ScoredTags(tested.predictions, tested.evaluation)
    assert [one.title for one in plain.sections()] == ["Labels", "ROC and precision-recall"]


def test_pictures_without_any_tag_make_a_page_too():
    nothing = TagPredictions(
        np.full((4, 2), 0.1, np.float32), [0.5, 0.5], ("a", "b"), tuple("wxyz"), np.zeros((4, 2), bool)
    )
    assert "there are no curves" in page(ScoredTags(nothing, score_tags(nothing)))
