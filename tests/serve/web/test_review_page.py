"""Reviewing by keyboard: one picture, many, undo after a reload, two people, a server that dies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from library.pictures import states
from serve.conftest import Running, running
from serve.web.conftest import NAMES, Visitor
from sqlalchemy import select

from lightfast.library.feature_files import FeatureFormat, FeatureRows, append_features
from lightfast.library.library import Library
from lightfast.library.people.users import user_number
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.review.lease import lease_next
from lightfast.library.schema import decision_table, labels
from lightfast.serve.settings import ServeSettings

_DECIDED = "document.getElementById('decided').textContent === '{}'"


def acts(library: Library) -> list[tuple[str, str | None]]:
    """(act, label) of every decision, in order."""
    found = select(decision_table.c.act, labels.c.name).outerjoin(
        labels, labels.c.id == decision_table.c.label_id
    )
    with library.store.read() as connection:
        return [tuple(row) for row in connection.execute(found.order_by(decision_table.c.id))]


def shown(visitor: Visitor) -> int:
    """The picture in front of the person."""
    return int(visitor.page.locator("#one img").get_attribute("src").split("/")[3])


def settled(visitor: Visitor, left: int) -> None:
    """Wait until the server has said that so many wait."""
    visitor.wait_until(f"document.getElementById('left').textContent === '{left}'")


@pytest.fixture
def reviewer(waiting: Running, visit: Callable[..., Visitor]) -> Visitor:
    visitor = visit(waiting, "/review")
    visitor.page.wait_for_selector("#one img")
    return visitor


def test_keys_accept_reject_skip_label_and_ask_for_a_second_opinion(waiting: Running, reviewer: Visitor):
    asked = reviewer.text("#asked-label").removesuffix("?")
    for key in (" ", "x", "s", "o", "3"):
        reviewer.page.keyboard.press(key if key != " " else "Space")
    settled(reviewer, 27)
    assert [act for act, _ in acts(waiting.library)] == [
        "confirm",
        "reject",
        "skip",
        "second_opinion",
        "confirm",
    ]
    assert acts(waiting.library)[0][1] == asked
    assert acts(waiting.library)[4][1] == NAMES[2]


def test_labels_beyond_ten_are_found_by_typing_and_new_ones_are_made(waiting: Running, reviewer: Visitor):
    page = reviewer.page
    page.keyboard.type("tone l")
    page.keyboard.press("Enter")
    settled(reviewer, 29)
    page.keyboard.press("/")
    page.keyboard.type("zebra")
    assert "New label" in reviewer.text("#names")
    page.keyboard.press("Enter")
    settled(reviewer, 28)
    assert acts(waiting.library) == [("confirm", "tone l"), ("confirm", "zebra")]


def test_undo_brings_the_picture_back_and_survives_a_reload(waiting: Running, reviewer: Visitor):
    page, before = reviewer.page, shown(reviewer)
    page.keyboard.press("Space")
    settled(reviewer, 29)
    second = shown(reviewer)
    page.keyboard.press("x")
    settled(reviewer, 28)
    page.keyboard.press("z")
    settled(reviewer, 29)
    assert shown(reviewer) == second
    page.reload()
    page.wait_for_selector("#one img")
    page.keyboard.press("z")
    settled(reviewer, 30)
    assert shown(reviewer) == before
    page.keyboard.press("Shift+Z")
    settled(reviewer, 29)
    assert "confirmed" in states(waiting.library).values()


def test_many_are_chosen_by_shift_and_one_key_labels_all(waiting: Running, visit: Callable[..., Visitor]):
    visitor = visit(waiting, "/review#many")
    page = visitor.page
    page.wait_for_selector(".cell img")
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("Shift+ArrowRight")
    assert visitor.text("#asked-label").startswith("3 ×")
    page.keyboard.press("4")
    settled(visitor, 27)
    assert acts(waiting.library) == [("confirm", NAMES[3])] * 3
    page.keyboard.press("z")
    settled(visitor, 30)
    page.keyboard.press("a")
    page.keyboard.press("Space")
    visitor.wait_until("Number(document.getElementById('decided').textContent) > 10")


def test_cells_that_were_not_decided_stay_where_they_are(waiting: Running, visit: Callable[..., Visitor]):
    visitor = visit(waiting, "/review#many")
    page = visitor.page
    page.wait_for_selector(".cell img")
    pictures = "[...document.querySelectorAll('.cell img')].map((one) => one.src)"
    before = page.evaluate(pictures)
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Space")
    settled(visitor, 29)
    after = page.evaluate(pictures)
    assert [at for at, (one, other) in enumerate(zip(before, after, strict=False)) if one != other] == [1]


def test_two_people_never_see_the_same_picture(waiting: Running, visit: Callable[..., Visitor]):
    other = ServeSettings(port=0, local_user="grace", work=False)
    with running(waiting.library, other) as second:
        ada, grace = visit(waiting, "/review"), visit(second, "/review")
        seen: dict[str, set[int]] = {"ada": set(), "grace": set()}
        for name, visitor in (("ada", ada), ("grace", grace)) * 6:
            visitor.page.wait_for_selector("#one img")
            seen[name].add(shown(visitor))
            visitor.page.keyboard.press("Space")
        assert len(seen["ada"]) == len(seen["grace"]) == 6
        assert not seen["ada"] & seen["grace"]
        # Before its server goes.
        grace.page.context.close()


def test_a_decision_that_is_refused_brings_its_picture_back_with_the_reason(
    waiting: Running, reviewer: Visitor
):
    reviewer.allowed = ("status of 409",)
    library, picture = waiting.library, shown(reviewer)
    reviewer.page.context.set_offline(True)
    # Its lease ends while the line is down, and somebody else takes it.
    reviewer.allowed += ("ERR_INTERNET_DISCONNECTED",)
    reviewer.page.keyboard.press("Space")
    reviewer.page.wait_for_selector("#say.away")
    with library.store.write() as connection:
        grace = user_number(connection, "grace")
        connection.exec_driver_sql("DELETE FROM leases")
    assert picture in [one.asset_id for one in lease_next(library.store, grace, 30)]
    reviewer.page.context.set_offline(False)
    reviewer.page.wait_for_selector("#say.failed")
    assert "another reviewer" in reviewer.text("#say")
    assert shown(reviewer) == picture


def test_the_decision_of_somebody_else_is_kept_and_said(waiting: Running, reviewer: Visitor):
    library, picture = waiting.library, shown(reviewer)
    with library.store.write() as connection:
        grace = user_number(connection, "grace")
        connection.exec_driver_sql("DELETE FROM leases")
    decide(library.store, grace, [ReviewAct(picture, "confirm", 5)])
    reviewer.page.keyboard.press("Space")
    reviewer.wait_until("document.getElementById('say').textContent.includes('somebody else')")
    assert [act for act, _ in acts(library)] == ["confirm"]


def test_an_empty_queue_says_what_to_do(empty: Running, visit: Callable[..., Visitor]):
    visitor = visit(empty, "/review")
    visitor.page.wait_for_selector("#nothing:not([hidden])")
    assert "Nothing waits for you" in visitor.text("#nothing")
    for other in (".question", "#near-part", ".names", "[data-act=confirm]", "[data-act=skip]"):
        assert not visitor.page.locator(other).is_visible(), other
    assert visitor.page.locator("[data-act=undo]").is_visible()


@pytest.fixture
def featured(waiting: Running) -> Running:
    """Pictures whose features say how bright they are; 10, 20 and 30 are decided."""
    angles = np.linspace(0, 1, 30)
    vectors = np.stack([np.cos(angles), np.sin(angles)], 1).astype(np.float16)
    rows = FeatureRows(list(range(1, 31)), vectors)
    append_features(waiting.library, FeatureFormat("net", 2, (8, 8)), rows)
    with waiting.library.store.write() as connection:
        grace = user_number(connection, "grace")
    decide(waiting.library.store, grace, [ReviewAct(one, "confirm", one // 10) for one in (10, 20, 30)])
    return waiting


def near_shown(visitor: Visitor) -> list[tuple[int, str]]:
    links = visitor.page.locator("#near a")
    return links.evaluate_all(
        "all => all.map((one) => [Number(one.href.split('/').pop()), one.querySelector('small').textContent])"
    )


def test_the_nearest_decided_pictures_stand_beside_the_one_in_hand(
    featured: Running, visit: Callable[..., Visitor]
):
    visitor = visit(featured, "/review")
    page = visitor.page
    for _ in range(3):
        page.wait_for_selector("#near a")
        picture = shown(visitor)
        expected = sorted((10, 20, 30), key=lambda one: abs(one - picture))
        first = f"/assets/{expected[0]}"
        visitor.wait_until(f"document.querySelector('#near a')?.href.endsWith('{first}') ?? false")
        assert near_shown(visitor) == [[one, NAMES[one // 10 - 1]] for one in expected]
        page.keyboard.press("s")
        visitor.wait_until(f"!document.querySelector('#one img').src.includes('/assets/{picture}/')")


def test_the_next_picture_does_not_wait_for_its_neighbours(featured: Running, visit: Callable[..., Visitor]):
    visitor = visit(featured, "/review")
    held = []

    def hold(route: Any) -> None:
        held.append(route)

    visitor.page.route("**/api/review/near/**", hold)
    visitor.go("/review")
    visitor.page.wait_for_selector("#one img")
    for left in (26, 25, 24):
        visitor.page.keyboard.press("Space")
        settled(visitor, left)
    assert held
    assert near_shown(visitor) == []
    assert len([one for one in acts(featured.library) if one[0] == "confirm"]) == 6


def test_the_views_of_the_pictures_ahead_wait_for_the_decision(
    waiting: Running, visit: Callable[..., Visitor]
):
    visitor, asked, held = visit(waiting, "/login"), [], []

    def hold(route: Any) -> None:
        held.append(route)

    visitor.page.on("request", lambda one: asked.append(one.url) if "/view/" in one.url else None)
    visitor.page.route("**/api/review/decide", hold)
    visitor.go("/review")
    visitor.page.wait_for_selector("#one img")
    visitor.wait_until(
        "performance.getEntriesByType('resource').filter((one) => one.name.includes('/view/')).length === 5"
    )
    visitor.page.keyboard.press("Space")
    visitor.page.wait_for_timeout(300)
    assert (len(held), len(asked)) == (1, 5)
    held[0].continue_()
    settled(visitor, 29)
    visitor.page.wait_for_timeout(100)
    assert len(asked) == 6


def test_without_features_nothing_is_shown_and_nobody_goes_on_asking(
    waiting: Running, visit: Callable[..., Visitor]
):
    visitor = visit(waiting, "/login")
    asked = []
    visitor.page.on("request", lambda request: asked.append(request.url) if "/near/" in request.url else None)
    visitor.go("/review")
    visitor.page.wait_for_selector("#one img")
    for left in range(29, 19, -1):
        visitor.page.keyboard.press("Space")
        settled(visitor, left)
    assert visitor.page.locator("#near-part").is_hidden()
    assert len(asked) < 10
