"""People and tokens by the page."""

from __future__ import annotations

from collections.abc import Callable

import httpx
import pytest
from serve.conftest import Running
from serve.web.conftest import PASSWORD, Visitor, logged_in
from sqlalchemy import insert

from lightfast.library.people.users import user_number
from lightfast.library.schema import labels


def test_a_token_is_shown_once_and_revoked(empty: Running, visit: Callable[..., Visitor]):
    visitor = visit(empty, "/people")
    page = visitor.page
    page.fill("#token input[name=note]", "nightly upload")
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


def test_a_token_is_limited_to_a_role_a_client_and_some_days(waiting: Running, visit: Callable[..., Visitor]):
    with waiting.library.store.write() as connection:
        user_number(connection, "grace", "reviewer")
        connection.execute(insert(labels).values(client="acme", name="Ton", same_as_id=1))
    visitor = visit(waiting, "/people")
    page = visitor.page
    page.wait_for_selector("#token-user option:nth-child(2)", state="attached")
    page.fill("#token input[name=note]", "the shop's import")
    page.select_option("#token-user", label="grace")
    page.select_option("#token select[name=role]", "viewer")
    page.fill("#token input[name=client]", "acme")
    page.fill("#token input[name=days]", "30")
    page.keyboard.press("Enter")
    page.wait_for_selector("#new-token kbd")
    headers = {"Authorization": f"Bearer {visitor.text('#new-token kbd')}"}
    with httpx.Client(base_url=waiting.address, headers=headers) as client:
        (own,) = client.get("/api/tokens").json()["items"]
    assert (own["user"], own["role"], own["client"]) == ("grace", "viewer", "acme")
    assert own["expires_at"] > own["created_at"]
    told = visitor.text("#tokens li")
    assert all(one in told for one in ("of grace", "at most viewer", "sees only acme", "until"))


def test_without_a_script_tokens_are_made_refused_and_revoked(
    waiting: Running, visit: Callable[..., Visitor]
):
    with waiting.library.store.write() as connection:
        user_number(connection, "grace", "viewer")
    visitor = visit(waiting, "/people", java_script_enabled=False)
    visitor.allowed = ("status of 422",)
    page = visitor.page
    page.fill("#token input[name=note]", "nightly")
    page.select_option("#token-user", label="grace")
    page.select_option("#token select[name=role]", "admin")
    page.locator("#token button").click()
    # Refused beyond what its user may; what was typed stands there still.
    assert "at most viewer" in page.locator("[role=alert]").inner_text()
    assert page.input_value("#token input[name=note]") == "nightly"
    page.select_option("#token select[name=role]", "viewer")
    page.fill("#token input[name=days]", "7")
    page.locator("#token button").click()
    headers = {"Authorization": f"Bearer {page.locator('#new-token kbd').inner_text()}"}
    with httpx.Client(base_url=waiting.address, headers=headers) as client:
        assert client.get("/api/tokens").json()["items"][0]["role"] == "viewer"
        assert "at most viewer" in page.locator("noscript li").inner_text()
        page.locator("noscript li button").click()
        assert page.locator("noscript li").count() == 0
        assert client.get("/api/tokens").status_code == 401


def test_a_form_without_the_token_of_its_page_is_refused(waiting: Running):
    with waiting.client() as client:
        account = {"name": "chief", "password": "correct horse battery", "role": "admin"}
        assert client.post("/api/users", json=account).status_code == 201
        csrf = client.post("/api/session", json=account).json()["csrf"]
        for given, status in (({}, 403), ({"csrf": "0" * 64}, 403), ({"csrf": csrf}, 200)):
            answer = client.post("/people/tokens", data={"note": "mine", **given})
            assert answer.status_code == status, answer.text
        assert len(client.get("/api/tokens").json()["items"]) == 1
        client.cookies.clear()
        assert client.post("/people/tokens", data={"note": "mine"}).status_code == 401


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
        # Beside these, the labels that the fixture brought.
        lines = len(client.get("/api/audit", params={"limit": 500}).json()["items"])
    assert 31 <= lines < 50
    visitor = visit(waiting, "/people")
    page = visitor.page
    page.wait_for_selector("#history tr")
    assert "token made" in visitor.text("#history tr:first-child")
    assert "ada" in visitor.text("#history tr:first-child")
    assert page.locator("#history tr").count() == 25
    page.get_by_role("button", name="Older").click()
    visitor.wait_until(f"document.querySelectorAll('#history tr').length === {lines}")
    page.select_option("#history-filter select[name=kind]", "decision")
    visitor.wait_until("!document.getElementById('history').textContent.includes('token made')")
    assert page.locator("#history tr").count() == 25
    page.select_option("#history-filter select[name=kind]", "login")
    page.wait_for_selector("#history-none:not([hidden])")


OTHER = "another horse, another battery"


@pytest.mark.parametrize(("name", "role"), [("grace", "reviewer"), ("buyer", "viewer")])
def test_who_is_no_admin_sees_the_own_account_and_no_error(
    peopled: Running, visit: Callable[..., Visitor], name: str, role: str
):
    visitor = logged_in(peopled, visit, name)
    page = visitor.page
    visitor.wait_until("(document.documentElement.dataset.asking ?? '0') === '0'")
    assert page.locator("#say").is_hidden()
    assert page.locator("h1").inner_text() == name
    assert role in page.locator(".head p").inner_text()
    assert page.locator("#add, #history, #everybody, #token-user").count() == 0
    assert "chief" not in page.content()
    page.fill("#token input[name=note]", "my program")
    page.keyboard.press("Enter")
    page.wait_for_selector("#new-token kbd")
    assert "my program" in visitor.text("#tokens li")
    page.get_by_role("button", name="Revoke").click()
    visitor.wait_until("!document.querySelector('#tokens button')")


def test_without_a_script_somebody_changes_the_own_password_and_logs_out(
    peopled: Running, visit: Callable[..., Visitor]
):
    visitor = logged_in(peopled, visit, "grace", java_script_enabled=False)
    visitor.allowed = ("status of 422",)
    page = visitor.page

    def change(present: str, new: str) -> None:
        page.fill("input[name=password]", present)
        page.fill("input[name=new_password]", new)
        page.get_by_role("button", name="Change it").click()

    change("wrong wrong wrong", OTHER)
    assert "the present password is wrong" in page.locator("[role=alert]").inner_text()
    change(PASSWORD, OTHER)
    assert "It is changed." in page.locator("main").inner_text()
    with peopled.client() as client:
        for password, status in ((PASSWORD, 401), (OTHER, 200)):
            said = {"name": "grace", "password": password}
            assert client.post("/api/session", json=said).status_code == status
    page.get_by_role("button", name="Log out here").click()
    assert page.url.endswith("/login")
    visitor.go("/people")
    assert "/login" in page.url


def test_a_new_password_ends_sessions_and_tokens_but_the_one_that_changed_it(peopled: Running):
    with peopled.client() as here, peopled.client() as elsewhere:
        said = {"name": "grace", "password": PASSWORD}
        csrf = [one.post("/api/session", json=said).json()["csrf"] for one in (here, elsewhere)]
        headers = {"X-CSRF-Token": csrf[0]}
        secret = here.post("/api/tokens", json={"note": "mine"}, headers=headers).json()["secret"]
        wanted = {"password": PASSWORD, "new_password": OTHER}
        assert here.put("/api/session/password", json=wanted).status_code == 403
        short = here.put("/api/session/password", json={**wanted, "new_password": "short"}, headers=headers)
        assert short.status_code == 422
        assert here.put("/api/session/password", json=wanted, headers=headers).status_code == 200
        assert here.get("/api/session").json()["user"]["name"] == "grace"
        assert elsewhere.get("/api/session").json()["user"] is None
        bearer = {"Authorization": f"Bearer {secret}"}
        with peopled.client(headers=bearer) as program:
            assert program.get("/api/assets").status_code == 401
            assert program.put("/api/session/password", json=wanted).status_code == 401
