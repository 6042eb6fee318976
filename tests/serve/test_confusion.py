"""The pictures behind a cell of a model's matrix."""

from __future__ import annotations

import pytest
from library.pictures import fill
from serve.conftest import Running
from sqlalchemy import insert

from lightfast.library.people.users import user_number
from lightfast.library.schema import predictions
from lightfast.library.tag import ModelFacts, register_model
from lightfast.serve.auth.tokens import issue_secret


@pytest.fixture
def database() -> None:
    """SQLite; nothing here differs on PostgreSQL."""


def test_a_cell_does_not_tell_what_others_said_of_a_picture_that_waits(served: Running):
    fill(served.library, 2)
    model = register_model(served.library.store, ModelFacts("m", "runs/gone", "d", ("cat", "dog"), {}))
    said = [{"asset_id": one, "model_id": model, "label_id": 2, "probability": 0.9} for one in (1, 2)]
    with served.library.store.write() as connection:
        connection.execute(insert(predictions), said)
    acts = [{"asset_id": one, "act": "confirm", "label": "cat"} for one in (1, 2)]
    with served.client() as owner:
        assert owner.post("/api/review/decide", json={"acts": acts}).status_code == 200
    found = {}
    with served.library.store.write() as connection:
        people = {"u1": user_number(connection, "u1"), "u2": user_number(connection, "u2")}
        people["chief"] = user_number(connection, "chief", "admin")
        secrets = {name: issue_secret(connection, one, "token")[1] for name, one in people.items()}
    for name in ("u2", "u1", "chief"):
        with served.client(headers={"Authorization": f"Bearer {secrets[name]}"}) as client:
            if name == "u2":
                client.post("/api/review/second-opinion", json={"asset_ids": [1]})
            cell = {"pictures": "library", "given": "cat", "predicted": "dog", "limit": 1}
            answer = client.get(f"/api/models/{model}/confusion/pictures", params=cell).json()
            found[name] = ([one["id"] for one in answer["items"]], answer["reachable"], answer["count"])
    assert found == {"u2": ([1], 2, 2), "u1": ([2], 1, 2), "chief": ([1], 2, 2)}
