"""The OpenAPI description: the file in docs/ is the code's own, and whatever fits it never fails the
server.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from serve.conftest import Running, running, upload

from lightfast.library.library import create_library
from lightfast.library.people.accounts import add_account
from lightfast.serve.auth.tokens import issue_secret
from lightfast.serve.settings import ServeSettings

FILE = Path(__file__).parents[2] / "docs" / "openapi.json"
_EXAMPLES = 6


def test_the_file_in_docs_is_fresh(plain_served: Running):
    described = plain_served.app.openapi()
    assert json.loads(FILE.read_text(encoding="utf-8")) == described, "run: python docs/openapi.py"


def test_every_route_is_described(plain_served: Running):
    for path, methods in plain_served.app.openapi()["paths"].items():
        for method, found in methods.items():
            assert found["summary"], (method, path)
            assert found["description"], (method, path)
            assert "4XX" in found["responses"]


@pytest.fixture(scope="module")
def fuzzed(small: Path, tmp_path_factory: pytest.TempPathFactory):
    """A server with a few pictures, and the token of an admin."""
    made = create_library(tmp_path_factory.mktemp("fuzzed") / "library")
    with running(made, ServeSettings(port=0, model=str(small), work=False)) as found:
        with found.client() as client:
            upload(client, 3)
        with made.store.write() as connection:
            admin = add_account(connection, "admin", "admin", "none", None)
            secret = issue_secret(connection, admin.id, "token")[1]
        yield found, secret
    made.close()


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_whatever_fits_the_description_never_fails_the_server(fuzzed: tuple[Running, str]):
    found, secret = fuzzed
    schema = schemathesis.openapi.from_dict(found.app.openapi())
    answers = Counter[tuple[str, int]]()
    for result in schema.get_all_operations():
        operation = result.ok()
        kinds = {"suppress_health_check": list(HealthCheck), "database": None}

        @settings(max_examples=_EXAMPLES, deadline=None, derandomize=True, **kinds)
        @given(case=operation.as_strategy())
        def ask(case: schemathesis.Case) -> None:
            answer = case.call(found.address, headers={"Authorization": f"Bearer {secret}"}, timeout=60)
            assert answer.status_code < 500, (case.method, case.formatted_path, answer.text)
            answers[case.path, answer.status_code // 100] += 1

        ask()
    assert {path for path, _ in answers} == set(found.app.openapi()["paths"])
    assert sum(count for (_, kind), count in answers.items() if kind == 2) > len(answers)
