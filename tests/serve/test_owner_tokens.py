"""The owner of this machine, whom the command line knew first, makes tokens that may what the owner may."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from library.pictures import fill
from serve.conftest import Running, as_files, noise_picture, running
from typer.testing import CliRunner

from lightfast.base.errors import StorageError
from lightfast.cli.app import app
from lightfast.cli.library import number_of_user
from lightfast.library.library import Library
from lightfast.library.people.accounts import list_accounts
from lightfast.serve.settings import ServeSettings, login_name

PASSWORD = "correct horse battery"


@pytest.fixture
def database() -> None:
    """SQLite."""


@pytest.fixture
def known(library: Library) -> Iterator[Running]:
    """A server whose owner has used the command line before."""
    fill(library, 1)
    library.store.act(number_of_user)
    with running(library, ServeSettings(port=0, work=False)) as found:
        yield found


def role_of(library: Library, name: str) -> str:
    with library.store.read() as connection:
        return next(one.role for one in list_accounts(connection) if one.name == name)


@pytest.mark.parametrize("wanted", [{}, {"role": "admin"}])
def test_the_owners_token_may_what_the_owner_may(known: Running, wanted: dict[str, str]):
    with known.client() as owner:
        made = owner.post("/api/tokens", json={"note": "backup", **wanted})
        assert made.status_code == 201, made.text
        (line,) = owner.get("/api/audit", params={"kind": "user"}).json()["items"]
    assert (line["act"], line["person"]) == ("user changed", login_name())
    with known.client(headers={"Authorization": f"Bearer {made.json()['secret']}"}) as program:
        assert program.get("/api/session").json()["user"]["role"] == "admin"
        assert program.get("/api/users").status_code == 200


def test_a_decision_of_the_owner_is_an_admins(known: Running):
    with known.client() as owner:
        acts = [{"asset_id": 1, "act": "confirm", "label_id": 1}]
        assert owner.post("/api/review/decide", json={"acts": acts}).status_code == 200
        assert owner.post("/api/tokens", json={"note": "backup", "role": "admin"}).status_code == 201


def test_looking_makes_nobody_an_admin(known: Running):
    with known.client() as owner:
        assert owner.get("/api/assets").status_code == 200
    assert role_of(known.library, login_name()) == "reviewer"


def test_an_owner_whom_the_command_line_knew_predicts_in_a_library_that_cannot_be_written(
    known: Running, small: Path, monkeypatch: pytest.MonkeyPatch
):
    def refuse(_work: object) -> None:
        raise StorageError("library.db cannot be written", cure="Make it writable; reading works.")

    monkeypatch.setattr(known.library.store, "act", refuse)
    settings = ServeSettings(port=0, work=False, model=str(small))
    with running(known.library, settings) as served, served.client() as client:
        answer = client.post("/api/predict", files=as_files(noise_picture(1)))
        assert answer.status_code == 200, answer.text


def test_once_somebody_has_a_password_the_server_makes_nobody_an_admin(library: Library):
    library.store.act(number_of_user)
    added = CliRunner().invoke(
        app, ["library", "users", str(library.folder), "--add", "ada", "--role", "admin"], input=PASSWORD
    )
    assert added.exit_code == 0, added.output
    with running(library, ServeSettings(port=0, work=False), pictures=[str(library.folder / "views")]):
        assert role_of(library, login_name()) == "reviewer"


def test_an_admin_added_on_the_command_line_under_that_name_makes_admins_tokens(library: Library):
    library.store.act(number_of_user)
    name = login_name()
    added = CliRunner().invoke(
        app, ["library", "users", str(library.folder), "--add", name, "--role", "admin"], input=PASSWORD
    )
    assert added.exit_code == 0, added.output
    with running(library, ServeSettings(port=0, work=False)) as served, served.client() as client:
        csrf = client.post("/api/session", json={"name": name, "password": PASSWORD}).json()["csrf"]
        headers = {"X-CSRF-Token": csrf}
        made = client.post("/api/tokens", json={"note": "all", "role": "admin"}, headers=headers)
        assert made.status_code == 201, made.text
        bearer = {"Authorization": f"Bearer {made.json()['secret']}"}
        assert httpx.get(f"{served.address}/api/users", headers=bearer).status_code == 200
