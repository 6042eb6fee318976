"""Everybody is led to the pages where they can do something, and no page that they open says an error."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from serve.conftest import Running
from serve.web.conftest import PASSWORD, Visitor, logged_in

from lightfast.library.people.accounts import add_account
from lightfast.serve.auth.passwords import hash_password

FOR_VIEWERS = ["/library", "/labels", "/models", "/draw"]
FOR_REVIEWERS = ["/review", "/library", "/map", "/labels", "/models", "/jobs", "/draw", "/human"]


@pytest.mark.parametrize(
    ("name", "pages"),
    [("buyer", FOR_VIEWERS), ("grace", FOR_REVIEWERS), ("chief", [*FOR_REVIEWERS, "/people"])],
)
def test_pages_that_somebody_is_led_to_say_no_error(
    peopled: Running, visit: Callable[..., Visitor], name: str, pages: list[str]
):
    visitor = logged_in(peopled, visit, name)
    # No map has been made yet, which the page asks for.
    visitor.allowed = ("status of 404",)
    links = visitor.page.locator("nav a").evaluate_all("found => found.map(one => one.pathname)")
    assert links == pages
    for page in ("/", "/people", *pages):
        visitor.rest(page)
        assert not visitor.page.locator("#say.failed").is_visible(), (page, visitor.text("#say"))


@pytest.mark.parametrize("page", ["/review", "/map", "/jobs", "/human"])
def test_a_page_for_others_says_so_without_an_error(peopled: Running, page: str):
    with peopled.client() as client:
        client.post("/api/session", json={"name": "buyer", "password": "correct horse battery"})
        answer = client.get(page)
    assert answer.status_code == 403
    assert "This page is for reviewers; buyer is a viewer." in answer.text
    # The one that logs out.
    assert answer.text.count("<script") == 1


def test_a_viewer_is_offered_nothing_on_the_models_page(peopled: Running, visit: Callable[..., Visitor]):
    visitor = logged_in(peopled, visit, "buyer")
    visitor.rest("/models")
    assert "tones" in visitor.text("#models")
    assert visitor.page.locator("main button:visible, main form:visible").count() == 0


@pytest.fixture
def viewer(peopled: Running, visit: Callable[..., Visitor]) -> Visitor:
    """A viewer of all pictures."""
    with peopled.library.store.write() as connection:
        add_account(connection, "vera", "viewer", hash_password(PASSWORD), None)
    return logged_in(peopled, visit, "vera")


def test_a_viewer_is_offered_likeness_and_no_label_for_chosen_pictures(viewer: Visitor):
    viewer.rest("/library")
    viewer.page.locator("#grid").focus()
    for key in ("ArrowRight", "Space"):
        viewer.page.keyboard.press(key)
    offered = viewer.page.locator("#bulk button:visible, #bulk input:visible")
    assert offered.all_text_contents() == ["Find alike", "None"]
    viewer.page.keyboard.press("z")
    viewer.page.wait_for_timeout(200)
    assert not viewer.page.locator("#say").is_visible()


def test_a_viewer_is_offered_no_label_and_no_repair_of_a_picture(viewer: Visitor):
    viewer.rest("/assets/1")
    assert viewer.page.locator("#tags li").count() > 0
    assert viewer.page.locator("#tags button, #add, #repair").count() == 0
    assert viewer.page.locator("#alike").is_visible()
