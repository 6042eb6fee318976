"""Keys that are quicker than the server: what is on its way when the next key comes is neither lost nor
counted twice.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from library.pictures import states
from serve.conftest import Running
from serve.web.conftest import Visitor

_DECIDED = "document.getElementById('decided').textContent === '{}'"
_LEFT = "document.getElementById('left').textContent === '{}'"


def held_back(visitor: Visitor, address: str) -> list[Any]:
    """Requests for `address` that wait until the test lets them go."""
    waiting: list[Any] = []

    def held(route: Any) -> None:
        waiting.append(route)

    visitor.page.route(address, held)
    return waiting


def until(visitor: Visitor, routes: list[Any], count: int) -> None:
    for _ in range(500):
        if len(routes) >= count:
            return
        visitor.page.wait_for_timeout(10)
    raise AssertionError(f"{len(routes)} requests of {count}")


@pytest.fixture
def reviewer(waiting: Running, visit: Callable[..., Visitor]) -> Visitor:
    visitor = visit(waiting, "/review")
    visitor.page.wait_for_selector("#one img")
    return visitor


def picture(visitor: Visitor) -> int:
    return int(visitor.page.locator("#one img").get_attribute("src").split("/")[3])


def test_a_decision_refused_after_the_page_began_anew_is_not_counted(reviewer: Visitor):
    reviewer.allowed = ("status of 409",)
    page, before = reviewer.page, picture(reviewer)
    decisions = held_back(reviewer, "**/api/review/decide")
    page.keyboard.press("Space")
    until(reviewer, decisions, 1)
    page.select_option("#order", "newest")
    said = json.dumps({"status": 409, "detail": "another reviewer has it", "cure": "Go on."})
    decisions[0].fulfill(status=409, content_type="application/problem+json", body=said)
    page.wait_for_selector("#say.failed")
    page.wait_for_selector("#one img")
    reviewer.wait_until(_DECIDED.format(0))
    page.unroute("**/api/review/decide")
    page.click("#show-many")
    page.wait_for_selector(".cell img")
    sources = page.locator(".cell img").evaluate_all("found => found.map(one => one.src.split('/')[5])")
    assert sources.count(str(before)) == 1
    assert len(sources) == len(set(sources))


def test_an_undo_and_an_act_behind_it_keep_their_pictures(waiting: Running, reviewer: Visitor):
    page, first = reviewer.page, picture(reviewer)
    page.keyboard.press("Space")
    reviewer.wait_until(_LEFT.format(29))
    second = picture(reviewer)
    undos = held_back(reviewer, "**/api/review/undo")
    page.keyboard.press("z")
    until(reviewer, undos, 1)
    page.keyboard.press("x")
    undos[0].continue_()
    reviewer.wait_until(f"{_LEFT.format(29)} && {_DECIDED.format(1)}")
    assert {key[0]: state for key, state in states(waiting.library).items()}[second] == "rejected"
    page.unroute("**/api/review/undo")
    page.keyboard.press("z")
    reviewer.wait_until(_LEFT.format(30))
    page.click("#show-many")
    page.wait_for_selector(".cell img")
    sources = page.locator(".cell img").evaluate_all("found => found.map(one => one.src.split('/')[5])")
    assert {str(first), str(second)} <= set(sources)
    assert len(sources) == len(set(sources))


def test_an_undo_under_way_when_the_page_begins_anew_is_counted(reviewer: Visitor):
    page, first = reviewer.page, picture(reviewer)
    page.keyboard.press("Space")
    reviewer.wait_until(_LEFT.format(29))
    undos = held_back(reviewer, "**/api/review/undo")
    page.keyboard.press("z")
    until(reviewer, undos, 1)
    page.click("#show-many")
    undos[0].continue_()
    reviewer.wait_until(f"{_LEFT.format(30)} && {_DECIDED.format(0)}")
    page.wait_for_selector(".cell img")
    sources = page.locator(".cell img").evaluate_all("found => found.map(one => one.src.split('/')[5])")
    assert sources.count(str(first)) == 1
