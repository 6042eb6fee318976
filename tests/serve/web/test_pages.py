"""Every page: opens without a word on the console, for everybody, at every width, by keyboard."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest
from serve.conftest import Running
from serve.web.conftest import Visitor

from lightfast.serve.web.pages import STATIC_FOLDER

PATHS = (
    "/",
    "/review",
    "/review#many",
    "/library",
    "/assets/1",
    "/map",
    "/labels",
    "/models",
    "/jobs",
    "/draw",
    "/human",
    "/people",
)
_TEMPLATES = STATIC_FOLDER.parent / "templates"
_SERIOUS = ("serious", "critical")


def _violations(visitor: Visitor, rules: dict | None) -> list[str]:
    """Serious ones that axe-core finds, in words."""
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(visitor.page, options=rules).response["violations"]
    return [
        f"{one['id']}: {one['help']}: {one['nodes'][0]['html'][:120]}"
        for one in found
        if one["impact"] in _SERIOUS
    ]


@pytest.mark.parametrize("scheme, rules", [("light", None), ("dark", {"runOnly": ["color-contrast"]})])
def test_no_page_has_a_serious_accessibility_violation(
    waiting: Running, visit: Callable[..., Visitor], scheme: str, rules: dict | None
):
    pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
    visitor = visit(waiting, "/", color_scheme=scheme, bypass_csp=True)
    found = {}
    for path in PATHS:
        visitor.rest(path)
        if wrong := _violations(visitor, rules):
            found[path] = wrong
    assert found == {}


@pytest.mark.parametrize("width", [1280, 390])
def test_every_page_opens_without_a_word_on_the_console_and_never_scrolls_sideways(
    waiting: Running, visit: Callable[..., Visitor], width: int
):
    visitor = visit(waiting, "/", viewport={"width": width, "height": 800})
    wide = []
    for path in PATHS:
        visitor.rest(path)
        if visitor.page.evaluate("document.documentElement.scrollWidth > innerWidth"):
            wide.append(path)
    assert wide == []


def test_empty_pages_say_what_to_do(empty: Running, visit: Callable[..., Visitor]):
    visitor = visit(empty)
    for path in ("/review", "/library", "/map", "/labels", "/models", "/jobs", "/human"):
        visitor.rest(path)
        assert visitor.page.locator("#nothing").is_visible(), path


def test_nothing_in_a_page_needs_a_weaker_policy_than_its_own():
    inline = re.compile(r"<script(?![^>]*\ssrc=)|\sstyle=|\son\w+=|javascript:", re.IGNORECASE)
    written = {path.name: inline.findall(path.read_text(encoding="utf-8")) for path in _TEMPLATES.iterdir()}
    assert {name: found for name, found in written.items() if found} == {}
    scripts = [path.read_text(encoding="utf-8") for path in STATIC_FOLDER.glob("*.js")]
    assert scripts
    assert not [
        text for text in scripts if re.search(r"\beval\(|new Function|innerHTML|insertAdjacentHTML", text)
    ]


def test_a_script_of_another_kind_is_not_run(waiting: Running, visit: Callable[..., Visitor]):
    visitor = visit(waiting, "/")
    visitor.allowed = ("Content Security Policy", "Refused to")
    visitor.page.evaluate(
        "() => { const made = document.createElement('script'); made.textContent = 'window.ran = 1'; "
        "document.body.append(made); }"
    )
    assert visitor.page.evaluate("window.ran") is None
    assert visitor.heard


def test_every_module_says_what_it_owns():
    for path in STATIC_FOLDER.glob("*.js"):
        assert path.read_text(encoding="utf-8").startswith("// Owns "), path.name


def test_files_of_the_pages_are_asked_for_again_and_mostly_unchanged(waiting: Running):
    with waiting.client() as client:
        answer = client.get("/static/review.js")
        assert answer.headers["cache-control"] == "no-cache"
        again = client.get("/static/review.js", headers={"If-None-Match": answer.headers["etag"]})
        assert again.status_code == 304
        for name in ("tokens.css", "picture_map.css", "picture_map.js", "icon.svg"):
            assert client.get(f"/static/{name}").status_code == 200, name


def test_the_tokens_of_the_pages_are_those_of_the_reports(waiting: Running):
    report = Path(STATIC_FOLDER).parents[2] / "report" / "tokens.css"
    with waiting.client() as client:
        assert client.get("/static/tokens.css").text.strip() == report.read_text(encoding="utf-8").strip()


def test_by_keyboard_alone_from_the_first_page_to_a_decision(waiting: Running, visit: Callable[..., Visitor]):
    visitor = visit(waiting, "/")
    page = visitor.page
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip-link"
    for _ in range(20):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.textContent.trim()") == "Review":
            break
    page.keyboard.press("Enter")
    page.wait_for_selector("#one img")
    page.keyboard.press("Space")
    visitor.wait_until("document.getElementById('left').textContent === '29'")


def test_who_is_not_logged_in_is_asked_to(waiting: Running, visit: Callable[..., Visitor]):
    with waiting.client() as client:
        made = {"name": "ada", "password": "correct horse battery", "role": "admin"}
        assert client.post("/api/users", json=made).is_success
        assert httpx.get(f"{waiting.address}/review").status_code == 303
    visitor = visit(waiting, "/review")
    visitor.allowed = ("status of 401",)
    page = visitor.page
    page.fill("input[name=name]", "ada")
    page.fill("input[name=password]", "wrong horse battery")
    page.keyboard.press("Enter")
    page.wait_for_selector("#refused:not([hidden])")
    assert page.input_value("input[name=name]") == "ada"
    page.fill("input[name=password]", "correct horse battery")
    page.keyboard.press("Enter")
    page.wait_for_selector("#one img")
    page.keyboard.press("Space")
    visitor.wait_until("document.getElementById('left').textContent === '29'")
    page.get_by_role("button", name="Log out").click()
    page.wait_for_url("**/login")
