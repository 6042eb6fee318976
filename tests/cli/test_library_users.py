"""`lightfast library users` and the refusals of `serve`, as typed."""

from __future__ import annotations

import io
import json
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import text

from lightfast.cli.app import main
from lightfast.library.library import open_library
from lightfast.library.people.audit_log import AuditFilter, read_audit
from lightfast.serve.settings import login_name

PASSWORD = "correct horse battery"


@pytest.fixture
def library(tmp_path: Path, capsys) -> str:
    folder = str(tmp_path / "library")
    assert main(["library", "init", folder]) == 0
    capsys.readouterr()
    return folder


@pytest.fixture
def password(monkeypatch):
    """`password(line)`: what stands on stdin for the next command."""
    return lambda line: monkeypatch.setattr("sys.stdin", io.StringIO(f"{line}\n"))


def test_added_listed_and_kept_out(library, capsys, password):
    password(PASSWORD)
    assert main(["library", "users", library, "--add", "ada", "--role", "admin"]) == 0
    password(PASSWORD)
    assert main(["library", "users", library, "--add", "ben", "--json"]) == 0
    said = capsys.readouterr().out
    users = json.loads(said.splitlines()[-1])["users"]
    able = [(one["name"], one["role"]) for one in users if one["can_log_in"]]
    assert able == [("ada", "admin"), ("ben", "reviewer")]
    assert PASSWORD not in said
    assert "argon2" not in said
    assert main(["library", "users", library, "--disable", "ben"]) == 0
    assert "kept out" in capsys.readouterr().out.splitlines()[1]
    password("another good one")
    assert main(["library", "users", library, "--new-password", "ada"]) == 0
    with closing(open_library(Path(library))) as held, held.store.read() as connection:
        noted = read_audit(connection, AuditFilter())[0]
    # As `library review` does, the command line names whom this machine calls its user.
    assert [(one.act, one.person, one.detail["user"]) for one in noted[::-1]] == [
        ("user added", login_name(), "ada"),
        ("user added", login_name(), "ben"),
        ("user changed", login_name(), "ben"),
        ("user changed", login_name(), "ada"),
    ]


def test_the_first_is_an_admin_and_passwords_are_long(library, capsys, password):
    password(PASSWORD)
    assert main(["library", "users", library, "--add", "eve"]) == 2
    assert "expected the role admin" in capsys.readouterr().err
    password("short")
    assert main(["library", "users", library, "--add", "eve", "--role", "admin"]) == 2
    assert "8 to 256 signs" in capsys.readouterr().err
    assert main(["library", "users", library, "--disable", "nobody"]) == 2


def test_a_service_for_others_needs_users(library, capsys):
    assert main(["serve", library, "--host", "0.0.0.0", "--port", "0"]) == 2
    said = capsys.readouterr().err
    assert "--host 0.0.0.0" in said
    assert "lightfast library users" in said


def test_a_library_of_a_newer_version_is_not_served(library, capsys):
    with closing(open_library(Path(library))) as held, held.store.write() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    assert main(["serve", library, "--port", "0"]) == 2
    assert "newer version" in capsys.readouterr().err


def test_what_is_no_folder_is_refused(tmp_path, capsys):
    assert main(["serve", str(tmp_path / "nothing")]) == 2
    assert "is no folder" in capsys.readouterr().err
