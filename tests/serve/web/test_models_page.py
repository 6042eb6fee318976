"""Models and jobs by the page: promote, back to the one before, a job that tells why it failed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from serve.conftest import Running, running
from serve.web.conftest import Visitor

from lightfast.library.library import Library, create_library
from lightfast.library.promote import list_models
from lightfast.library.tag import ModelFacts, register_model
from lightfast.serve.settings import ServeSettings


def two_models(library: Library) -> None:
    metrics = {"accuracy": 0.91, "accuracy_interval": [0.85, 0.95], "n": 120}
    for name in ("first", "second"):
        register_model(library.store, ModelFacts(name, f"runs/{name}", name, ("cat", "dog"), metrics))


def in_use(library: Library) -> list[str]:
    return [one.name for one in list_models(library.store) if one.in_use]


@pytest.fixture
def working(tmp_path: Path) -> Iterator[Running]:
    """A server that works on jobs."""
    library = create_library(tmp_path / "library")
    with running(library, ServeSettings(port=0, local_user="ada", work=True)) as found:
        yield found
    library.close()


def test_models_are_taken_into_use_and_the_one_before_comes_back(
    empty: Running, visit: Callable[..., Visitor]
):
    two_models(empty.library)
    visitor = visit(empty, "/models")
    page = visitor.page
    assert "not yet" in page.locator("#models tr").first.text_content()
    assert "91.0 %" in page.locator("#models tr").first.text_content()
    for name in ("first", "second"):
        page.locator("#models tr", has_text=name).get_by_role("button", name="Use it").click()
        visitor.wait_until(f"document.getElementById('say').textContent === '{name} is in use.'")
        assert in_use(empty.library) == [name]
        page.locator("#models tr", has_text=re.compile(rf"{name}.*in use.*\d{{4}}, .* by ada")).wait_for()
    page.get_by_role("button", name="Back to the one before").click()
    visitor.wait_until("document.getElementById('say').textContent.includes('before is in use')")
    assert in_use(empty.library) == ["first"]


def test_a_training_that_cannot_be_says_why_where_it_was_ordered_and_among_the_jobs(
    working: Running, visit: Callable[..., Visitor]
):
    visitor = visit(working, "/models")
    visitor.page.get_by_role("button", name="Train with the new decisions").click()
    visitor.page.wait_for_selector(".job .badge.failed")
    reason = visitor.text(".job .wrong-text")
    assert "label" in reason
    visitor.go("/jobs").wait_for_selector(".job")
    assert visitor.text(".job .wrong-text") == reason
