"""The drawing board: the model's guesses follow every stroke."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from serve.conftest import running
from serve.web.conftest import Visitor

from lightfast.library.library import create_library
from lightfast.serve.settings import ServeSettings


def test_guesses_follow_a_stroke_and_go_with_it(small: Path, tmp_path: Path, visit: Callable[..., Visitor]):
    library = create_library(tmp_path / "library")
    with running(library, ServeSettings(port=0, model=str(small), work=False)) as served:
        visitor = visit(served, "/draw")
        page = visitor.page
        box = page.locator("#board").bounding_box()
        page.mouse.move(box["x"] + 60, box["y"] + 60)
        page.mouse.down()
        page.mouse.move(box["x"] + 200, box["y"] + 300, steps=5)
        page.mouse.up()
        page.wait_for_selector("#guesses li")
        assert page.locator("#guesses li").count() == 4
        page.get_by_role("button", name="New drawing").click()
        visitor.wait_until("!document.querySelector('#guesses li')")
        page.context.close()
    library.close()


def test_without_a_model_the_page_says_what_to_do(tmp_path: Path, visit: Callable[..., Visitor]):
    library = create_library(tmp_path / "library")
    with running(library, ServeSettings(port=0, work=False)) as served:
        page = visit(served, "/draw").page
        assert page.get_by_role("heading", name="No model yet").is_visible()
        assert page.locator("#board").count() == 0
        page.get_by_role("link", name="Models").last.click()
        page.wait_for_selector("#nothing:not([hidden])")
        assert not page.locator("#lead").is_visible()
        page.context.close()
    library.close()
