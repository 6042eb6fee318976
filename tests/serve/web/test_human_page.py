"""The blind test by the page: by keyboard to the end, a reload in the middle, and results at the end only."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from argon2 import PasswordHasher
from serve.conftest import Running, running
from serve.web.conftest import Visitor

from lightfast.baselines.human import Trial
from lightfast.baselines.kept_test import KeptTest, TestFacts, save_test
from lightfast.data.images import ImageSet
from lightfast.evaluate.predictions import Predictions
from lightfast.library.library import Library, create_library
from lightfast.library.people.accounts import add_account
from lightfast.serve.settings import ServeSettings

TONES = ("dark", "dusk", "light")
PASSWORD = "correct horse battery"
_SERIOUS = ("serious", "critical")


def kept(library: Library) -> KeptTest:
    """Six pictures of three tones; the model is right on the first four."""
    labels = np.repeat(np.arange(3), 2)
    images = np.repeat((labels * 100 + 20).astype(np.uint8), 40 * 48 * 3).reshape(6, 40, 48, 3)
    images[:, 2, :6, 0] ^= np.eye(6, dtype=np.uint8) * 0x80
    sample = ImageSet(images, TONES, labels, tuple(f"secret/{number}.png" for number in range(6)), "tones")
    probs = np.eye(3, dtype=np.float32)[[0, 0, 1, 1, 0, 0]]
    predictions = Predictions(probs, TONES, sample.ids, labels, "the model (tones)")
    number = Trial(sample.version, TONES, 0, 6).id
    facts = TestFacts(number, "tones", predictions.name, TONES, 6, 0, "2026-01-02T03:04:05+00:00")
    return save_test(library.human_tests / number, facts, sample, predictions)


@pytest.fixture
def asked(tmp_path: Path) -> Iterator[tuple[Running, KeptTest]]:
    """A server of a library with one test."""
    library = create_library(tmp_path / "library")
    test = kept(library)
    with running(library, ServeSettings(port=0, local_user="ada", work=False)) as found:
        yield found, test
    library.close()


def axe(visitor: Visitor) -> list[str]:
    module = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is not installed")
    found = module.Axe().run(visitor.page).response["violations"]
    return [f"{one['id']}: {one['nodes'][0]['html'][:120]}" for one in found if one["impact"] in _SERIOUS]


def until(visitor: Visitor, place: int) -> None:
    visitor.wait_until(f"document.getElementById('place').textContent === 'Picture {place} of 6'")
    visitor.wait_until("document.querySelector('#one img')?.complete")


def test_by_keyboard_to_the_end_and_to_the_results(
    asked: tuple[Running, KeptTest], visit: Callable[..., Visitor]
):
    served, test = asked
    visitor = visit(served, "/human")
    page = visitor.page
    page.get_by_role("link", name="Begin").click()
    until(visitor, 1)
    page.keyboard.press("1")
    until(visitor, 2)
    page.keyboard.press("?")
    until(visitor, 3)
    # Typed ahead: the first that fits, by Enter.
    page.keyboard.type("lig")
    page.keyboard.press("Enter")
    until(visitor, 4)
    # There is no way back, and a reload goes on at the same place.
    page.keyboard.press("z")
    page.keyboard.press("Escape")
    page.reload()
    until(visitor, 4)
    for place in (4, 5, 6):
        until(visitor, place)
        page.keyboard.press("2")
    page.wait_for_selector("#done:not([hidden])")
    said = [one.answer for one in test.log.load().answers]
    assert said == ["dark", None, "light", "dusk", "dusk", "dusk"]
    page.get_by_role("link", name="To the results").click()
    page.wait_for_selector("#results:not([hidden])")
    right = test.results().people[0].right
    assert f"{100 * right / 6:.1f} %" in visitor.text("#people")
    assert "66.7 %" in visitor.text("#figures")


def test_no_new_class_can_be_typed_and_unknown_digits_answer_nothing(
    asked: tuple[Running, KeptTest], visit: Callable[..., Visitor]
):
    served, test = asked
    visitor = visit(served, f"/human/{test.facts.id}")
    until(visitor, 1)
    page = visitor.page
    page.keyboard.press("9")
    page.keyboard.type("zebra")
    assert page.locator("#names button").count() == 0
    page.keyboard.press("Enter")
    assert test.log.load().answers == ()
    assert "Picture 1 of 6" in visitor.text("#place")
    assert "secret" not in page.content()


def test_results_stay_closed_until_one_has_finished_or_gives_up_taking_it(
    asked: tuple[Running, KeptTest], visit: Callable[..., Visitor]
):
    served, test = asked
    test.answer("bea", 1, "dark", 1.0)
    visitor = visit(served, "/human")
    page = visitor.page
    page.wait_for_selector(".test")
    assert page.get_by_role("button", name="Results", exact=True).count() == 0
    page.get_by_role("button", name="See the results instead").click()
    page.wait_for_selector("#results:not([hidden])")
    assert "bea" not in visitor.text("#people")
    page.check("#unfinished")
    visitor.wait_until("document.getElementById('people').textContent.includes('bea')")
    assert page.get_by_role("link", name="Begin").count() == 0
    visitor.rest(f"/human/{test.facts.id}")
    assert "seen the results" in visitor.text("#done-title")


@pytest.mark.parametrize(
    "options", [{}, {"color_scheme": "dark"}, {"viewport": {"width": 390, "height": 844}}]
)
def test_both_pages_are_accessible_and_fit(
    asked: tuple[Running, KeptTest], visit: Callable[..., Visitor], options: dict
):
    served, test = asked
    for place in range(1, 7):
        test.answer("bea", place, "dark", 1.0)
    visitor = visit(served, "/human", bypass_csp=True, **options)
    page = visitor.page
    wide = "document.documentElement.scrollWidth > innerWidth"
    visitor.rest(f"/human/{test.facts.id}")
    until(visitor, 1)
    assert not page.evaluate(wide)
    assert axe(visitor) == []
    visitor.rest("/human")
    page.get_by_role("button", name="See the results instead").click()
    page.wait_for_selector("#results:not([hidden])")
    assert not page.evaluate(wide)
    assert axe(visitor) == []


def test_an_admin_starts_a_test_and_sees_its_job(
    asked: tuple[Running, KeptTest], visit: Callable[..., Visitor]
):
    visitor = visit(asked[0], "/human")
    page = visitor.page
    page.fill("input[name=n]", "12")
    page.get_by_role("button", name="Start").click()
    page.wait_for_selector("#running .job")
    assert "human test" in visitor.text("#running")


def test_a_reviewer_takes_tests_and_starts_none(
    asked: tuple[Running, KeptTest], visit: Callable[..., Visitor]
):
    served, test = asked
    hashed = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with served.library.store.write() as connection:
        add_account(connection, "ada", "admin", hashed)
        add_account(connection, "bea", "reviewer", hashed)
    visitor = visit(served, "/human")
    page = visitor.page
    page.fill("input[name=name]", "bea")
    page.fill("input[name=password]", PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("link", name="Begin").click()
    until(visitor, 1)
    page.keyboard.press("3")
    until(visitor, 2)
    assert [one.person for one in test.log.load().answers] == ["bea"]
    visitor.rest("/human")
    assert page.locator("#start").count() == 0
    assert page.get_by_role("button", name="See the results instead").count() == 0


def test_a_picture_that_does_not_come_is_asked_for_again_and_then_that_is_said(
    asked: tuple[Running, KeptTest], visit: Callable[..., Visitor]
):
    served, test = asked
    visitor = visit(served, "/human")
    visitor.allowed = ("ERR_FAILED",)
    page, failures = visitor.page, {1: 1, 2: 99}

    def broken(route: Any) -> None:
        place = int(route.request.url.rpartition("/")[2])
        failures[place] = failures.get(place, 0) - 1
        if failures[place] >= 0:
            route.abort()
        else:
            route.continue_()

    page.route("**/pictures/*", broken)
    visitor.go(f"/human/{test.facts.id}")
    until(visitor, 1)
    page.wait_for_selector("#one img")
    page.keyboard.press("1")
    page.wait_for_selector("#say.failed button")
    assert "Picture 2 did not come." in visitor.text("#say")
    # Picture 1 is still to be seen: no key answers what nobody has seen.
    page.keyboard.press("1")
    assert [one.position for one in test.log.load().answers] == [1]
    failures[2] = 0
    page.locator("#say button").click()
    page.wait_for_selector("#one img[alt='Picture 2']")
    page.keyboard.press("3")
    until(visitor, 3)
    assert [one.answer for one in test.log.load().answers] == ["dark", "light"]
