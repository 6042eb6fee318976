"""`lightfast library tokens`, as typed; what it makes opens the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from lightfast.library.library import Library, open_library
from lightfast.library.people.accounts import add_account
from lightfast.library.people.audit_log import AuditFilter, AuditLine, read_audit
from lightfast.serve.auth.tokens import secret_holder
from lightfast.serve.settings import login_name


@pytest.fixture
def archive(type_in) -> Iterator[Library]:
    """The library "archive" of the admin ada, the reviewer ben and the viewer cleo, who sees the shop's."""
    type_in("library init archive")
    with closing(open_library(Path("archive"))) as library:
        with library.store.write() as connection:
            add_account(connection, "ada", "admin", "x")
            add_account(connection, "ben", "reviewer", "x")
            add_account(connection, "cleo", "viewer", "x", "shop")
        yield library


def noted(library: Library) -> list[AuditLine]:
    with library.store.read() as connection:
        return list(read_audit(connection, AuditFilter(kind="token"))[0])


def test_made_shown_once_listed_and_revoked(type_in, archive):
    made = type_in("library tokens archive --make 'the shop' --user ada --role viewer --json")
    assert made.code == 0, made.err
    secret = made.json["secret"]
    (token,) = made.json["tokens"]
    assert (token["user"], token["note"], token["role"]) == ("ada", "the shop", "viewer")
    with archive.store.read() as connection:
        held = secret_holder(connection, secret, "token")
    assert held is not None
    assert (held.name, held.role, held.limited) == ("ada", "viewer", True)
    listed = type_in("library tokens archive")
    assert "the shop" in listed.out
    assert secret not in listed.out
    revoked = type_in(f"library tokens archive --revoke {token['id']}")
    assert "revoked" in revoked.out
    with archive.store.read() as connection:
        assert secret_holder(connection, secret, "token") is None
    lines = [(one.act, one.person) for one in noted(archive)]
    assert lines == [("token revoked", login_name()), ("token made", login_name())]
    assert secret not in str(noted(archive))


def test_its_secret_stands_on_the_terminal(type_in, archive):
    made = type_in("library tokens archive --make shop --user ben --days 30")
    secret = made.out.split()[1]
    with archive.store.read() as connection:
        held = secret_holder(connection, secret, "token")
    assert held is not None
    assert (held.name, held.role, held.limited) == ("ben", "reviewer", True)
    assert "until " in made.out


def test_of_one_client_and_one_user(type_in, archive):
    made = type_in("library tokens archive --make shop --user ben --client shop --json")
    with archive.store.read() as connection:
        held = secret_holder(connection, made.json["secret"], "token")
    assert held is not None
    assert (held.role, held.client) == ("viewer", "shop")
    type_in("library tokens archive --make other --user ada")
    listed = type_in("library tokens archive --user ben --json")
    assert [one["user"] for one in listed.json["tokens"]] == ["ben"]


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("--make x", "whose token it is"),
        ("--make x --user nobody", "nobody"),
        ("--make x --user ben --role admin", "at most reviewer"),
        ("--make x --user ben --role boss", "viewer or reviewer or admin"),
        ("--make x --user ben --role reviewer --client shop", "who belongs to a client is a viewer"),
        ("--make x --user cleo --client other", "as its user"),
        ("--make x --user ben --revoke 1", "one of them"),
        ("--revoke 77", "token 77 is not there"),
        ("--role viewer", "--make with them"),
    ],
)
def test_what_cannot_be_made(type_in, archive, words: str, said: str):
    refused = type_in(f"library tokens archive {words}")
    assert refused.code == 2
    assert said in refused.line()
    assert noted(archive) == []


def test_nobody_has_one(type_in, archive):
    assert type_in("library tokens archive").out.strip() == "nobody has a token"
