"""Wrong labels on a page: cards with evidence, and a filter that needs no more than the page."""

from __future__ import annotations

import base64
import hashlib
import re

from lightfast.report.page import LabelIssueCard, LabelIssueGrid, Picture, Section, Text, render_page

DOT = Picture("data:image/png;base64,AA==", 8, 8, alt="a dot")


def card(given: str, suggested: str, **more: object) -> LabelIssueCard:
    return LabelIssueCard(DOT, f"{given}.png", given, suggested, "Looks like it.", (DOT,), (DOT,), **more)


def rendered(*cards: LabelIssueCard, total: int = 0) -> str:
    grid = LabelIssueGrid(cards, total or len(cards))
    return render_page("Labels", "", [Section("Wrong", (grid,))], {})


def test_a_card_says_from_what_to_what_and_why():
    page = rendered(card("cat", "dog"))
    assert re.search(r"<s>cat</s>.*→.*<b>dog</b>", page)
    assert "Looks like it." in page
    assert "Nearest cat" in page
    assert "Nearest dog" in page


def test_the_filter_offers_each_label_with_its_count():
    page = rendered(card("cat", "dog"), card("cat", "cow"), card("cow", "dog"))
    assert '<option value="cat">cat (2)</option>' in page
    assert '<option value="dog">dog (2)</option>' in page


def test_the_policy_of_the_page_names_the_script_that_filters():
    page = rendered(card("cat", "dog"))
    script = re.search(r"<script>(.*)</script>", page, re.DOTALL).group(1)
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page


def test_a_page_without_cards_carries_no_script():
    assert "<script>" not in render_page("Labels", "", [Section("None", (Text("nothing"),))], {})


def test_labels_are_escaped():
    page = rendered(card('<b>"x"</b>', "dog"))
    assert "<b>&#34;" not in page
    assert "<b>&" not in page.replace("<b>dog", "")
    assert "&lt;b&gt;" in page


def test_what_is_not_shown_is_counted():
    assert "1 of 1,200 shown, worst first" in rendered(card("a", "b"), total=1200)


def test_a_mark_stands_beside_the_reason():
    assert '<span class="mark">test part</span>' in rendered(card("a", "b", mark="test part"))


def test_a_card_without_neighbours_says_none():
    grid = LabelIssueGrid((LabelIssueCard(DOT, "a.png", "a", "b", "Why."),), 1)
    assert (
        render_page("Labels", "", [Section("Wrong", (grid,))], {}).count('<span class="none">none</span>')
        == 2
    )
