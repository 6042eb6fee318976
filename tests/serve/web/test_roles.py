"""Everybody is led to the pages where they can do something, and no page that they open says an error."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from serve.conftest import Running
from serve.web.conftest import Visitor, logged_in

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
