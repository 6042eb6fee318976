"""The run of a client, out of a file that says which reads for whom."""

from __future__ import annotations

from pathlib import Path

import pytest

from lightfast.base.errors import DataError, UnknownName
from lightfast.runs.client_runs import run_of_client


@pytest.fixture
def clients(tmp_path: Path) -> Path:
    path = tmp_path / "clients.yaml"
    path.write_text("acme: runs/shops\nzoo: hf-hub:some/animals\nold: /far/model.onnx\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("client", "run"), [("acme", "runs/shops"), ("zoo", "hf-hub:some/animals"), ("old", "/far/model.onnx")]
)
def test_places_start_at_the_file(clients, client, run):
    found = run_of_client(clients, client)
    assert found == (str(clients.parent / run) if client == "acme" else run)


def test_an_unknown_client_is_refused_with_those_there_are(clients):
    with pytest.raises(UnknownName, match="acme") as refused:
        run_of_client(clients, "acne")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("acme: a\nacme: b\n", "line 2: client 'acme' stands twice"),
        ("acme: [a, b]\n", "line 1"),
        ("- acme\n", "which run reads for which client"),
        ("", "which run reads for which client"),
        ("acme: 'a\n", "is no YAML"),
    ],
)
def test_a_file_of_another_form_is_one_line(tmp_path, text, said):
    path = tmp_path / "clients.yaml"
    path.write_text(text, encoding="utf-8")
    with pytest.raises(DataError, match=said) as refused:
        run_of_client(path, "acme")
    assert "\n" not in str(refused.value)


def test_a_run_in_the_place_of_the_file_is_told_apart(tmp_path):
    with pytest.raises(DataError, match="got a folder"):
        run_of_client(tmp_path, "acme")
