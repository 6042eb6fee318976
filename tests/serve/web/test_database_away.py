"""The database goes away for ten seconds: the page says so, keeps what was typed and decided, and goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fixtures.databases import away
from serve.conftest import Running, running
from serve.web.conftest import Visitor, suggest_tones, toned
from sqlalchemy import func, select

from lightfast.library.add import add_pictures
from lightfast.library.label_list import list_labels
from lightfast.library.library import Library
from lightfast.library.schema import decision_table
from lightfast.serve.settings import ServeSettings

_AWAY = 10_000
"""Milliseconds: the server waits for a database longer than that."""


@pytest.fixture
def reviewed(library: Library, tmp_path: Path) -> Iterator[Running]:
    """A server on each database in turn, with 12 pictures that wait for a person."""
    add_pictures(library, [str(toned(tmp_path / "tones", 12))])
    suggest_tones(library)
    with running(library, ServeSettings(port=0, local_user="ada", work=False)) as found:
        yield found


def test_decisions_are_kept_while_the_database_is_away(reviewed: Running, visit: Callable[..., Visitor]):
    visitor = visit(reviewed, "/review")
    page = visitor.page
    page.wait_for_selector("#one img")
    page.keyboard.press("Space")
    visitor.wait_until("document.getElementById('left').textContent === '11'")
    with away(reviewed.library) as back:
        for _ in range(3):
            page.keyboard.press("Space")
        page.wait_for_selector("#say.away")
        page.wait_for_timeout(_AWAY)
        assert page.locator("#decided").inner_text() == "4"
        back()
        visitor.wait_until("document.getElementById('left').textContent === '8'")
    with reviewed.library.store.read() as connection:
        assert connection.execute(select(func.count()).select_from(decision_table)).scalar_one() == 4
    visitor.wait_until("!document.getElementById('say').classList.contains('away')")


def test_what_was_typed_stays_while_the_database_is_away(reviewed: Running, visit: Callable[..., Visitor]):
    visitor = visit(reviewed, "/labels")
    page = visitor.page
    page.wait_for_selector("#labels tr")
    with away(reviewed.library) as back:
        page.fill("#name", "grey")
        page.keyboard.press("Enter")
        page.wait_for_selector("#say.away")
        page.wait_for_timeout(_AWAY)
        assert page.input_value("#name") == "grey"
        back()
        visitor.wait_until("document.getElementById('say').textContent.includes('grey is added.')")
    assert page.input_value("#name") == ""
    with reviewed.library.store.read() as connection:
        assert [one.name for one in list_labels(connection)].count("grey") == 1
