"""Bodies that are no JSON object: the refusal says what to send."""

from __future__ import annotations

import pytest
from serve.conftest import Running


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("text/plain", b'{"count": 1}'),
        ("application/x-www-form-urlencoded", b"count=1"),
        ("application/json", b'{"count": '),
        ("application/json", b"[1, 2]"),
    ],
)
def test_a_body_that_is_no_object_is_refused_with_what_to_send(plain_served: Running, kind: str, body: bytes):
    with plain_served.client() as client:
        answer = client.post("/api/review/lease", content=body, headers={"Content-Type": kind})
    assert answer.status_code == 422
    assert answer.json()["detail"] == "the body is no JSON object, or is not sent as one"
    assert answer.json()["cure"] == "Send a JSON object, with Content-Type: application/json."


def test_json_that_is_nested_too_deep_is_refused_with_a_cure(plain_served: Running):
    headers = {"Content-Type": "application/json"}
    with plain_served.client() as client:
        answer = client.post("/api/review/lease", content=b"[" * 100_000, headers=headers)
    assert answer.status_code == 400
    assert answer.json()["cure"]
