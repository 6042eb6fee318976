"""The labels by the page: added, renamed, moved, named by clients, taken back; what people gave is kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from serve.conftest import Running
from serve.web.conftest import NAMES, Visitor

from lightfast.library.label_list import LabelRow, list_labels
from lightfast.library.people.users import user_number
from lightfast.library.review.decide import ReviewAct, decide


def rows(served: Running) -> dict[str, LabelRow]:
    with served.library.store.read() as connection:
        return {one.name: one for one in list_labels(connection)}


def said(visitor: Visitor, text: str) -> None:
    visitor.wait_until(f"document.getElementById('say').textContent.includes({text!r})")


@pytest.fixture
def editor(waiting: Running, visit: Callable[..., Visitor]) -> Visitor:
    visitor = visit(waiting, "/labels")
    visitor.page.wait_for_selector("#labels tr")
    return visitor


def test_a_label_is_added_renamed_moved_and_each_step_is_taken_back(waiting: Running, editor: Visitor):
    page = editor.page
    page.fill("#name", "grey")
    page.keyboard.press("Enter")
    said(editor, "grey is added.")
    assert page.input_value("#name") == ""
    page.get_by_label("tone a stands under").select_option("grey")
    said(editor, "tone a stands under grey now.")
    assert rows(waiting)["tone a"].parent_id == rows(waiting)["grey"].id
    # Below its parent, which stands among the others by its name.
    shown = page.locator("#labels th input").evaluate_all("all => all.map((one) => one.value)")
    assert shown[:2] == ["grey", "tone a"]
    page.locator("#say button").click()
    said(editor, "Taken back.")
    assert rows(waiting)["tone a"].parent_id is None
    page.get_by_label("Name of tone b").fill("dusk")
    page.keyboard.press("Enter")
    said(editor, "tone b is called dusk now.")
    assert "dusk" in rows(waiting)
    page.locator("#say button").click()
    said(editor, "Taken back.")
    assert set(rows(waiting)) == {*NAMES, "grey"}


def test_a_client_has_its_own_names(waiting: Running, editor: Visitor):
    page = editor.page
    page.fill("#client", "shop")
    page.keyboard.press("Enter")
    page.get_by_label("shop calls tone a").fill("Nacht")
    page.keyboard.press("Enter")
    said(editor, "shop says Nacht for tone a.")
    made = rows(waiting)["Nacht"]
    assert (made.client, made.same_as_id) == ("shop", rows(waiting)["tone a"].id)
    page.get_by_label("shop calls tone a").fill("Dunkel")
    page.keyboard.press("Enter")
    said(editor, "shop says Dunkel for tone a.")
    page.get_by_label("shop calls tone a").fill("")
    page.keyboard.press("Enter")
    said(editor, "Dunkel is removed.")
    assert set(rows(waiting)) == set(NAMES)
    page.locator("#say button").click()
    said(editor, "Taken back.")
    assert rows(waiting)["Dunkel"].same_as_id == rows(waiting)["tone a"].id


def test_a_label_that_people_gave_is_not_removed_but_retired(waiting: Running, editor: Visitor):
    number = rows(waiting)["tone c"].id
    with waiting.library.store.write() as connection:
        ada = user_number(connection, "ada", "admin")
    decide(waiting.library.store, ada, [ReviewAct(one, "confirm", number) for one in (1, 2)])
    editor.allowed = ("status of 409",)
    row = editor.page.locator("#labels tr", has=editor.page.get_by_label("Name of tone c"))
    row.get_by_role("button", name="Remove").click()
    said(editor, "People decided about 'tone c' on 2 pictures: what they said is never dropped. Retire it")
    assert "tone c" in rows(waiting)
    row.get_by_role("button", name="Retire").click()
    said(editor, "tone c is retired")
    assert rows(waiting)["tone c"].retired_at is not None
    assert rows(waiting)["tone c"].confirmed == 2
    row.get_by_role("button", name="Take up again").click()
    said(editor, "tone c is in use again.")
    assert rows(waiting)["tone c"].retired_at is None


def test_a_name_that_is_taken_stays_typed(waiting: Running, editor: Visitor):
    editor.allowed = ("status of 409",)
    page = editor.page
    page.get_by_label("Name of tone a").fill("tone b")
    page.keyboard.press("Enter")
    said(editor, "is there already")
    assert page.get_by_label("Name of tone a").input_value() == "tone b"
    page.fill("#name", "tone c")
    page.locator("#add button").click()
    page.wait_for_selector("#say.failed")
    assert page.input_value("#name") == "tone c"
    assert set(rows(waiting)) == set(NAMES)


def test_a_retired_label_that_was_removed_comes_back_retired(waiting: Running, editor: Visitor):
    page = editor.page
    page.fill("#name", "grey")
    page.keyboard.press("Enter")
    said(editor, "grey is added.")
    row = page.locator("#labels tr", has=page.get_by_label("Name of grey"))
    row.get_by_role("button", name="Retire").click()
    said(editor, "grey is retired")
    row.get_by_role("button", name="Remove").click()
    said(editor, "grey is removed.")
    page.locator("#say button").click()
    said(editor, "Taken back.")
    assert rows(waiting)["grey"].retired_at is not None
