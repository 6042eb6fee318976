import numpy as np

from lightfast.data.taxonomy.taxonomy import Taxonomy
from lightfast.data.taxonomy.yaml_file import Label
from lightfast.evaluate.hierarchy import score_hierarchy
from lightfast.evaluate.predictions import Predictions
from lightfast.pages.learned import Learned, hierarchy_sections, learned_sections, near_parts
from lightfast.report.page import render_page


def test_other_networks_have_no_section():
    assert learned_sections(None) == []
    assert hierarchy_sections(None) == []
    assert near_parts([]) == ()


def test_the_page_says_what_auto_tried_what_it_left_out_and_why():
    tried = [
        {"name": "linear head", "config": {}, "seconds": 3.0, "accuracy": 0.9, "loss": 0.25, "note": ""},
        {
            "name": "fine-tune",
            "config": {},
            "seconds": 0.0,
            "accuracy": None,
            "loss": None,
            "note": "left out: no time",
        },
    ]
    auto = {
        "tried": tried,
        "why": "linear head: lowest",
        "n_val": 40,
        "budget_seconds": 60.0,
        "seconds": 12.0,
    }
    page = render_page("t", "s", learned_sections(Learned({}, "frozen", auto)), {})
    for said in (
        "Chosen: Linear head: lowest.",
        "left out: no time",
        "90.00 %",
        "0.250",
        "On 40 validation pictures",
    ):
        assert said in page


def test_the_page_says_what_few_labels_were_compared_on():
    row = {"name": "linear head", "seconds": 3.0, "accuracy": 0.9, "loss": 0.25, "note": ""}
    auto = {
        "tried": [row],
        "why": "",
        "n_val": 4,
        "n": 40,
        "folds": 5,
        "budget_seconds": 60.0,
        "seconds": 9.0,
    }
    page = render_page("t", "s", learned_sections(Learned({}, "frozen", auto)), {})
    assert "On 40 labelled pictures in 5 parts" in page
    assert "validation pictures" not in page


def test_groups_of_near_duplicates_are_named():
    page = render_page("t", "s", [], {})
    assert "near duplicates" not in page
    (folded,) = near_parts([["a.jpg", "b.jpg"]])
    assert folded.title == "1 group of near duplicates"
    assert folded.parts[0].rows == (("1", "a.jpg, b.jpg"),)


def test_mistakes_within_a_branch_count_less_on_the_level_above():
    taxonomy = Taxonomy((Label("animal"), Label("cat", "animal"), Label("dog", "animal"), Label("car")))
    probs = np.array([[0.2, 0.7, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8], [0.9, 0.05, 0.05]], dtype=np.float32)
    predictions = Predictions(probs, ("cat", "dog", "car"), tuple("abcd"), np.array([0, 1, 2, 2]))
    (section,) = hierarchy_sections(score_hierarchy(taxonomy, predictions))
    levels = [row[2].text for row in section.parts[0].rows]
    # cat as dog is right as an animal; car as cat is wrong on both levels.
    assert levels == ["75.00 %", "50.00 %"]
    assert "1.50 steps from the truth on average" in section.lead
