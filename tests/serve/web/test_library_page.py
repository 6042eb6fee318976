"""The library's grid: few nodes for many pictures, narrowing, choosing, labelling many, undo."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from library.pictures import states
from serve.conftest import Running
from serve.web.conftest import NAMES, Visitor
from sqlalchemy import insert, select

from lightfast.library.library import Library
from lightfast.library.schema import assets
from lightfast.library.store import now


def copies(library: Library, count: int) -> None:
    """`count` more assets with the pixels of those that are there."""
    with library.store.write() as connection:
        contents = connection.execute(select(assets.c.content)).scalars().all()
        row = {"bytes": 1, "width": 48, "height": 40, "format": "PNG", "added_at": now()}
        rows = [
            {"sha256": f"{at:064}", "content": contents[at % len(contents)], **row} for at in range(count)
        ]
        connection.execute(insert(assets), rows)


@pytest.fixture
def shelf(waiting: Running, visit: Callable[..., Visitor]) -> Visitor:
    visitor = visit(waiting, "/library")
    visitor.page.wait_for_selector(".tile[style*='/view/256']")
    visitor.wait_until("document.getElementById('count').textContent === '30 pictures'")
    return visitor


def test_thousands_of_pictures_take_few_nodes_and_the_last_is_reached_by_a_key(
    waiting: Running, visit: Callable[..., Visitor]
):
    copies(waiting.library, 20_000)
    visitor = visit(waiting, "/library")
    visitor.page.wait_for_selector(".tile[style*='/view/256']")
    assert visitor.text("#count") == "20,030 pictures"
    assert 0 < visitor.page.locator("*").count() <= 200
    visitor.page.locator("#grid").focus()
    visitor.page.keyboard.press("End")
    # The oldest stands last.
    visitor.page.wait_for_selector(".tile[data-id='1'].at")
    assert visitor.page.locator("*").count() <= 200
    assert visitor.page.locator(".tile *").count() == 0


def test_who_hears_the_grid_is_told_which_picture_it_is_and_whether_it_is_chosen(shelf: Visitor):
    page = shelf.page
    page.locator("#grid").focus()
    for _ in range(3):
        page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    at = page.locator(f"#{page.locator('#grid').get_attribute('aria-activedescendant')}")
    shelf.wait_until("document.querySelector('.tile.at')?.dataset.caption.includes('tone')")
    said = [at.get_attribute(f"aria-{name}") for name in ("posinset", "setsize", "selected")]
    assert said == ["3", "30", "true"]
    assert at.get_attribute("aria-label") == at.get_attribute("data-caption")
    assert page.get_by_role("listbox").get_by_role("option", selected=True).count() == 1


def test_a_label_narrows_the_grid_and_the_address_keeps_it(shelf: Visitor):
    shelf.page.get_by_role("button", name=NAMES[0]).click()
    shelf.wait_until("document.getElementById('count').textContent !== '30 pictures'")
    narrowed = shelf.text("#count")
    shelf.page.reload()
    shelf.page.wait_for_selector(".tile[style*='/view/256']")
    shelf.wait_until(f"document.getElementById('count').textContent === '{narrowed}'")


def test_a_search_goes_on_where_its_page_ends(waiting: Running, visit: Callable[..., Visitor]):
    copies(waiting.library, 300)
    visitor = visit(waiting, "/library")
    page = visitor.page
    page.fill("#query", "added:2020..")
    page.keyboard.press("Enter")
    visitor.wait_until("document.getElementById('count').textContent === 'the first 200 pictures'")
    page.locator("#grid").focus()
    page.keyboard.press("End")
    visitor.wait_until("document.getElementById('count').textContent === '330 pictures'")


def test_a_search_finds_by_label_and_state(shelf: Visitor):
    shelf.page.fill("#query", '"tone a" AND state:suggested')
    shelf.page.keyboard.press("Enter")
    shelf.page.wait_for_url("**/library?q=*")
    shelf.wait_until("!['', '30 pictures'].includes(document.getElementById('count').textContent)")
    assert 0 < int(shelf.text("#count").split()[0]) < 30


def test_a_search_that_cannot_be_read_says_where_and_keeps_what_was_typed(shelf: Visitor):
    shelf.allowed = ("status of 422",)
    shelf.page.fill("#query", "tone AND (")
    shelf.page.keyboard.press("Enter")
    shelf.page.wait_for_selector("#say.failed")
    assert shelf.page.input_value("#query") == "tone AND ("


def test_pictures_chosen_by_keyboard_are_labelled_at_once_and_taken_back(waiting: Running, shelf: Visitor):
    page = shelf.page
    page.locator("#grid").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert shelf.text("#chosen") == "3 pictures"
    page.fill("#label", "kept")
    page.keyboard.press("Enter")
    shelf.wait_until("document.getElementById('say').textContent.includes('3 pictures labelled kept')")
    assert sum(state == "confirmed" for state in states(waiting.library).values()) == 3
    page.get_by_role("button", name="Undo").click()
    shelf.wait_until("document.getElementById('say').textContent.includes('3 decisions taken back')")
    assert "confirmed" not in states(waiting.library).values()


def test_a_picture_has_a_page_with_its_labels_and_history(waiting: Running, shelf: Visitor):
    page = shelf.page
    page.locator("#grid").focus()
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector("#tags li")
    page.get_by_role("button", name="Yes").click()
    shelf.wait_until("document.getElementById('history').textContent.includes('ada said tone')")
    assert "confirmed" in states(waiting.library).values()
    page.fill("#label", "another")
    page.keyboard.press("Enter")
    shelf.wait_until("document.getElementById('tags').textContent.includes('another')")


def test_nothing_found_says_what_to_do(shelf: Visitor):
    shelf.page.get_by_role("button", name="is not").click()
    shelf.page.wait_for_selector("#nothing:not([hidden])")
    assert "Nothing is found" in shelf.text("#nothing")


def test_without_a_script_the_form_searches_and_the_pictures_are_a_list(
    waiting: Running, visit: Callable[..., Visitor]
):
    visitor = visit(waiting, "/library", java_script_enabled=False)
    page = visitor.page
    assert page.locator("noscript a").count() == 30
    page.fill("#query", "id:7")
    page.get_by_role("button", name="Search").click()
    assert page.locator("noscript a").count() == 1
    page.locator("noscript a").click()
    page.wait_for_url("**/assets/7")
