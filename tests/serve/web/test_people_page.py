"""People and tokens by the page."""

from __future__ import annotations

from collections.abc import Callable

import httpx
from serve.conftest import Running
from serve.web.conftest import Visitor


def test_a_token_is_shown_once_and_revoked(empty: Running, visit: Callable[..., Visitor]):
    visitor = visit(empty, "/people")
    page = visitor.page
    page.fill("#token input", "nightly upload")
    page.keyboard.press("Enter")
    page.wait_for_selector("#new-token kbd")
    secret = visitor.text("#new-token kbd")
    with httpx.Client(base_url=empty.address, headers={"Authorization": f"Bearer {secret}"}) as client:
        assert client.get("/api/assets").status_code == 200
        page.reload()
        page.wait_for_selector("#tokens button")
        assert secret not in page.content()
        page.get_by_role("button", name="Revoke").click()
        visitor.wait_until("!document.querySelector('#tokens button')")
        assert client.get("/api/assets").status_code == 401


def test_a_refused_account_keeps_what_was_typed(empty: Running, visit: Callable[..., Visitor]):
    visitor = visit(empty, "/people")
    visitor.allowed = ("status of 422",)
    page = visitor.page
    page.wait_for_selector("#nobody:not([hidden])")
    page.fill("#add input[name=name]", "grace")
    page.fill("#add input[name=password]", "correct horse battery")
    # The first who can log in has to be an admin.
    page.locator("#add button").click()
    page.wait_for_selector("#say.failed")
    assert "admin" in visitor.text("#say")
    assert page.input_value("#add input[name=name]") == "grace"


def test_what_happened_is_told_newest_first_by_kind_and_in_pages(
    waiting: Running, visit: Callable[..., Visitor]
):
    with waiting.client() as client:
        for asset in range(1, 31):
            acts = [{"asset_id": asset, "act": "reject", "label_id": 1}]
            assert client.post("/api/review/decide", json={"acts": acts}).is_success
        client.post("/api/tokens", json={"note": "nightly"})
    visitor = visit(waiting, "/people")
    page = visitor.page
    page.wait_for_selector("#history tr")
    assert "token made" in visitor.text("#history tr:first-child")
    assert "ada" in visitor.text("#history tr:first-child")
    assert page.locator("#history tr").count() == 25
    page.get_by_role("button", name="Older").click()
    visitor.wait_until("document.querySelectorAll('#history tr').length === 31")
    page.select_option("#history-filter select[name=kind]", "decision")
    visitor.wait_until("!document.getElementById('history').textContent.includes('token made')")
    assert page.locator("#history tr").count() == 25
    page.select_option("#history-filter select[name=kind]", "login")
    page.wait_for_selector("#history-none:not([hidden])")
