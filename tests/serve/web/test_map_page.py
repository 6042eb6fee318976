"""Groups on the map: take one, label all of it, take that back."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
from library.pictures import states
from serve.conftest import Running
from serve.web.conftest import Visitor

from lightfast.library.layout_file import SavedLayout, save_layout


@pytest.fixture
def mapped(waiting: Running) -> Running:
    """Thirty pictures in two groups of fifteen, of which ten each are the core."""
    _laid_out(waiting)
    return waiting


def _laid_out(waiting: Running) -> None:
    ids = np.arange(1, 31)
    group, core = (ids - 1) // 15, (ids - 1) % 15 < 10
    facts = {"made_at": "2026-01-01T00:00:00+00:00", "source": "test", "notes": []}
    card = {
        "size": 15,
        "core": 10,
        "purity": 0.9,
        "names": ["dark"],
        "says": "",
        "medoids": [1],
        "edges": [2],
    }
    arrays = {"asset_ids": ids, "assignment": group, "core": core, "firmness": np.ones(30, np.float32)}
    clusters = {**facts, "clusters": [{**card, "number": 0}, {**card, "number": 1, "names": []}]}
    save_layout(waiting.library, "clusters", SavedLayout(clusters, arrays))
    places = {"asset_ids": ids, "coordinates": np.stack([group * 4.0, ids % 15], 1).astype(np.float32)}
    laid = {**facts, "method": "pca", "verdict": "", "trust": {}}
    save_layout(waiting.library, "map", SavedLayout(laid, places))


@pytest.fixture
def cartographer(mapped: Running, visit: Callable[..., Visitor]) -> Visitor:
    visitor = visit(mapped, "/map")
    visitor.page.wait_for_selector(".map-list button")
    return visitor


def confirmed(served: Running) -> set[int]:
    return {asset for (asset, _), state in states(served.library).items() if state == "confirmed"}


def test_the_core_of_a_group_is_labelled_by_its_name_and_taken_back(mapped: Running, cartographer: Visitor):
    page = cartographer.page
    page.locator(".map-list button").first.click()
    assert "10 pictures chosen" in cartographer.text(".map-says")
    page.get_by_role("button", name="Label all “dark”").click()
    cartographer.wait_until(
        "document.getElementById('say').textContent.includes('10 pictures labelled dark')"
    )
    assert confirmed(mapped) == set(range(1, 11))
    page.locator("#say button").click()
    cartographer.wait_until("document.getElementById('say').textContent.includes('10 decisions taken back')")
    assert confirmed(mapped) == set()


def test_what_is_in_view_is_labelled_by_keyboard(mapped: Running, cartographer: Visitor):
    page = cartographer.page
    page.locator(".map-over").focus()
    page.keyboard.press("v")
    assert "30 pictures chosen" in cartographer.text(".map-says")
    page.fill(".map-label", "everything")
    page.keyboard.press("Enter")
    cartographer.wait_until("document.getElementById('say').textContent.includes('30 pictures labelled')")
    assert len(confirmed(mapped)) == 30


@dataclass
class Orders:
    """What the page orders, and how far the job says it is; a job that says "map" has left its draft."""

    wanted: list[Any] = field(default_factory=list)
    said: str = "clusters"
    state: str = "running"

    @property
    def job(self) -> str:
        facts = {"done": 0, "total": 2, "seconds_left": None, "error": None, "result": None}
        return json.dumps(
            {"id": "0123456789", "kind": "clusters", "state": self.state, "said": self.said, **facts}
        )

    def ordered(self, route: Any) -> None:
        if route.request.method == "POST":
            self.wanted.append(json.loads(route.request.post_data))
            route.fulfill(status=202, content_type="application/json", body=self.job)
        else:
            route.continue_()

    def listed(self, route: Any) -> None:
        live = f"[{self.job}]" if self.wanted and "kind=clusters" in route.request.url else "[]"
        route.fulfill(status=200, content_type="application/json", body=f'{{"items": {live}, "next": null}}')

    def followed(self, route: Any) -> None:
        said = f"retry: 100\nevent: job\ndata: {self.job}\n\n"
        route.fulfill(status=200, content_type="text/event-stream", body=said)


@pytest.fixture
def orders(waiting: Running, visit: Callable[..., Visitor]) -> tuple[Orders, Visitor]:
    """A page without groups, whose orders nobody works on."""
    visitor, found = visit(waiting, "/review"), Orders()
    visitor.allowed = ("status of 404",)
    visitor.page.route("**/api/map", found.ordered)
    visitor.page.route("**/api/clusters", found.ordered)
    visitor.page.route("**/api/jobs?*", found.listed)
    visitor.page.route("**/api/jobs/*/events", found.followed)
    visitor.rest("/map")
    return found, visitor


def test_groups_and_both_maps_are_one_order(waiting: Running, orders: tuple[Orders, Visitor]):
    """The server goes on without the page, which shows the draft while the finer map is made."""
    found, visitor = orders
    visitor.page.get_by_role("button", name="Group the pictures").click()
    visitor.page.wait_for_selector("#running .job")
    assert found.wanted == [{"lay_out": True}]
    _laid_out(waiting)
    found.said = "map t-SNE"
    visitor.page.wait_for_selector(".map-list button")
    assert visitor.page.locator("#running .job").count() == 1
    assert len(found.wanted) == 1


def test_who_comes_back_sees_what_was_ordered(orders: tuple[Orders, Visitor]):
    found, visitor = orders
    visitor.page.get_by_role("button", name="Group the pictures").click()
    visitor.page.wait_for_selector("#running .job")
    visitor.rest("/library")
    visitor.rest("/map")
    visitor.page.wait_for_selector("#running .job")
    assert not visitor.page.get_by_role("button", name="Group the pictures").is_visible()
    assert len(found.wanted) == 1


def test_groups_without_a_map_are_laid_out(waiting: Running, orders: tuple[Orders, Visitor]):
    found, visitor = orders
    _laid_out(waiting)
    (waiting.library.folder / "layouts" / "map.npz").unlink()
    visitor.go("/map")
    visitor.page.wait_for_selector("#running .job")
    assert found.wanted == [{"draft": True}]
