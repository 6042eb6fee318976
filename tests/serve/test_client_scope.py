"""A viewer of a client sees the client's pictures, in the client's words, and nothing of anybody else."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from serve.conftest import Running, as_files, noise_picture, upload
from sqlalchemy import insert, select

from lightfast.library.ledger import Spent, write_ledger
from lightfast.library.people.accounts import add_account
from lightfast.library.people.users import user_number
from lightfast.library.promote import promote_model
from lightfast.library.remove import delete_assets
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.schema import labels
from lightfast.library.tag import ModelFacts, register_model
from lightfast.serve.auth.tokens import issue_secret


@pytest.fixture
def database() -> None:
    """SQLite."""


@pytest.fixture
def shop(served: Running) -> Iterator[tuple[httpx.Client, list[int]]]:
    """A viewer of the client "shop", whose label is on the first of three pictures."""
    with served.client() as owner:
        ids = upload(owner, 3)
        own = owner.post("/api/labels", json={"name": "b"}).json()["id"]
        other = owner.post("/api/labels", json={"name": "c"}).json()["id"]
        owner.post("/api/labels", json={"name": "d"})
        owner.post("/api/labels", json={"name": "Banane", "client": "shop", "same_as_id": own})
        owner.post("/api/tags", json={"asset_ids": ids[:1], "label_id": own})
        owner.post("/api/tags", json={"asset_ids": ids[1:], "label_id": other})
    with served.library.store.write() as connection:
        add_account(connection, "admin", "admin", "none")
        viewer = add_account(connection, "buyer", "viewer", "none", "shop")
        secret = issue_secret(connection, viewer.id, "token")[1]
    with served.client(headers={"Authorization": f"Bearer {secret}"}) as client:
        yield client, ids


def test_lists_and_searches_hold_the_own_pictures_alone(shop: tuple[httpx.Client, list[int]]):
    client, ids = shop
    assert client.get("/api/assets/ids").json()["ids"] == ids[:1]
    assert [one["id"] for one in client.get("/api/assets").json()["items"]] == ids[:1]
    assert [one["asset"]["id"] for one in client.get("/api/search").json()["items"]] == ids[:1]
    assert {one["asset_id"] for one in client.get("/api/tags").json()["items"]} == set(ids[:1])


def test_lists_by_label_or_state_speak_of_the_own_labels_alone(
    served: Running, shop: tuple[httpx.Client, list[int]]
):
    client, ids = shop
    with served.library.store.write() as connection:
        named = {row.name: row.id for row in connection.execute(select(labels))}
        ada = user_number(connection, "ada")
    acts = [ReviewAct(ids[0], "confirm", named["c"]), ReviewAct(ids[0], "reject", named["d"])]
    assert not decide(served.library.store, ada, acts, over=True).kept
    for wanted in ({"label_id": named["c"]}, {"state": "rejected"}):
        assert client.get("/api/assets/ids", params=wanted).json()["ids"] == []
        assert client.get("/api/assets", params=wanted).json()["items"] == []
    for wanted in ({"label_id": named["b"]}, {"state": "confirmed"}):
        assert client.get("/api/assets/ids", params=wanted).json()["ids"] == ids[:1]


def test_the_first_page_counts_the_own_pictures_alone(shop: tuple[httpx.Client, list[int]]):
    client, _ = shop
    page = client.get("/").text
    assert re.findall(r"<dt>(.*?)</dt><dd[^>]*>(.*?)</dd>", page) == [("pictures", "1")]


def test_other_pictures_are_not_there(shop: tuple[httpx.Client, list[int]]):
    client, ids = shop
    for path in ("", "/view/256", "/original"):
        assert client.get(f"/api/assets/{ids[0]}{path}").status_code == 200
        assert client.get(f"/api/assets/{ids[1]}{path}").status_code == 404
    assert client.get("/api/assets/cards", params={"id": ids}).status_code == 404
    assert client.get(f"/api/explain/{ids[1]}").status_code == 404
    assert client.get("/api/search", params={"like": str(ids[1])}).status_code == 404
    assert client.post("/api/predict/assets", json={"asset_ids": ids}).status_code == 404


def test_folders_people_and_other_labels_are_not_shown(shop: tuple[httpx.Client, list[int]]):
    client, ids = shop
    found = client.get(f"/api/assets/{ids[0]}").json()
    assert [one["label"] for one in found["asset"]["tags"]] == ["Banane"]
    assert found["places"] == [{"uri": "picture0.png", "source": "", "lost_at": None}]
    assert (found["predictions"], found["history"]) == ([], [])


def test_labels_and_predictions_are_in_the_clients_words(shop: tuple[httpx.Client, list[int]]):
    client, _ = shop
    assert [one["name"] for one in client.get("/api/labels").json()["items"]] == ["Banane"]
    item = client.post("/api/predict", files=as_files(noise_picture(9))).json()["items"][0]
    assert [one["label"] for one in item["labels"]] == ["Banane"]


def test_another_clients_words_are_not_given(served: Running, shop: tuple[httpx.Client, list[int]]):
    client, _ = shop
    with served.library.store.write() as connection:
        own = connection.execute(select(labels.c.id).where(labels.c.name == "c")).scalar_one()
        row = {"name": "Geheim", "client": "rival", "same_as_id": own}
        connection.execute(insert(labels).values(row))
    answer = client.post("/api/predict", files=as_files(noise_picture(9)), params={"client": "rival"})
    assert [one["label"] for one in answer.json()["items"][0]["labels"]] == ["Banane"]


def test_tags_are_those_of_the_own_pictures_in_the_own_words(
    served: Running, shop: tuple[httpx.Client, list[int]]
):
    client, ids = shop
    with served.library.store.write() as connection:
        named = {row.name: row.id for row in connection.execute(select(labels))}
        ada = user_number(connection, "ada")
        # A second name for one label does not give its tags twice.
        connection.execute(insert(labels).values(name="Xenia", client="shop", same_as_id=named["b"]))
    # The second picture is none of the client's: its only tag of the client's is rejected.
    decide(served.library.store, ada, [ReviewAct(ids[1], "reject", named["b"])])
    assert client.get(f"/api/assets/{ids[1]}").status_code == 404
    items = client.get("/api/tags").json()["items"]
    assert [(one["asset_id"], one["label"]) for one in items] == [(ids[0], "Banane")]
    delete_assets(served.library.store, ids[:1])
    assert client.get("/api/assets/ids").json()["ids"] == []
    assert client.get("/api/tags").json()["items"] == []


def test_models_show_no_folders_and_the_own_words_alone(
    served: Running, shop: tuple[httpx.Client, list[int]]
):
    client, _ = shop
    facts = ModelFacts("first", "/srv/secret/first", "d", ("a", "b"), {"accuracy": 0.5, "classes": {"a": 1}})
    register_model(served.library.store, facts)
    with served.library.store.write() as connection:
        inner = add_account(connection, "inner", "viewer", "none")
        boss = user_number(connection, "boss", "admin")
        secrets = [issue_secret(connection, one, "token")[1] for one in (inner.id, boss)]
    found = [client.get("/api/models").json()["items"][0]]
    for secret in secrets:
        with served.client(headers={"Authorization": f"Bearer {secret}"}) as other:
            found.append(other.get("/api/models").json()["items"][0])
    assert [one["run"] for one in found] == ["first", "first", "/srv/secret/first"]
    assert [one["class_names"] for one in found] == [["Banane"], ["a", "b"], ["a", "b"]]
    assert [one["metrics"].get("accuracy") for one in found] == [None, 0.5, 0.5]


def test_nothing_is_told_that_counts_everybodys_pictures(
    served: Running, shop: tuple[httpx.Client, list[int]]
):
    client, _ = shop
    library = served.library
    facts = ModelFacts("first", "runs/first", "d", ("a", "b"), {"accuracy": 0.5, "n": 4321})
    number = register_model(library.store, facts)
    with library.store.write() as connection:
        boss = user_number(connection, "boss", "admin")
        write_ledger(connection, (None, number), Spent(987, 65.4, 1), {"n": 4321}, "first")
        secret = issue_secret(connection, boss, "token")[1]
    promote_model(library.store, number, boss)
    found = client.get("/api/models").json()
    assert found["ledger"] == []
    (model,) = found["items"]
    assert (model["in_use"], model["metrics"], model["promoted_by"]) == (True, {}, None)
    refused = client.get("/metrics")
    assert refused.status_code == 403
    assert "one client" in refused.json()["detail"]
    with served.client(headers={"Authorization": f"Bearer {secret}"}) as admin:
        assert "lightfast_predictions_total" in admin.get("/metrics").text
        told = admin.get("/api/models").json()
        assert [one["decisions"] for one in told["ledger"]] == [987]
        assert told["items"][0]["promoted_by"] == "boss"


def test_labels_count_the_own_pictures_alone(served: Running, shop: tuple[httpx.Client, list[int]]):
    client, ids = shop
    with served.library.store.write() as connection:
        named = {row.name: row.id for row in connection.execute(select(labels))}
        ada = user_number(connection, "ada")
    # Rejected on a picture that is none of the client's, and confirmed on one that is deleted.
    decide(served.library.store, ada, [ReviewAct(ids[1], "reject", named["b"])])
    decide(served.library.store, ada, [ReviewAct(ids[2], "confirm", named["b"])], over=True)
    delete_assets(served.library.store, ids[2:])
    (label,) = client.get("/api/labels").json()["items"]
    assert (label["name"], label["confirmed"], label["rejected"]) == ("Banane", 1, 0)


def test_an_explanation_knows_the_own_words_alone(shop: tuple[httpx.Client, list[int]]):
    client, ids = shop
    answer = client.get(f"/api/explain/{ids[0]}", params={"label": "c"})
    assert answer.status_code == 404
    assert answer.json()["cure"] == "Known: Banane."


def test_an_explanation_names_no_class_of_the_model_that_is_not_the_clients(
    served: Running, shop: tuple[httpx.Client, list[int]]
):
    client, ids = shop
    with served.library.store.write() as connection:
        own = connection.execute(insert(labels).values(name="e").returning(labels.c.id)).scalar_one()
        connection.execute(insert(labels).values(name="Durian", client="shop", same_as_id=own))
    answer = client.get(f"/api/explain/{ids[0]}", params={"label": "Durian"})
    assert answer.status_code == 404
    assert answer.json()["cure"] == "Known: Banane."


def test_a_client_has_viewers_alone(served: Running):
    account = {"name": "eve", "password": "correct horse battery", "role": "admin", "client": "shop"}
    with served.client() as owner:
        assert owner.post("/api/users", json=account).status_code == 422


@pytest.mark.parametrize(
    ("field", "values"),
    [("by:", ("admin", "admni", "*")), ("source:", ("uploads", "nothing")), ("is:waiting", ("",))],
)
def test_a_search_tells_nothing_of_people_folders_and_the_queue(
    shop: tuple[httpx.Client, list[int]], field: str, values: tuple[str, ...]
):
    client, ids = shop
    found = [client.get("/api/search", params={"query": f"NOT {field}{value}"}) for value in values]
    assert {one.status_code for one in found} == {422}
    (text,) = {one.text.replace(one.json().get("instance") or "\0", "") for one in found}
    assert f"{field} at character 5 is not for viewers of a client" in text
    answer = client.get("/api/search", params={"query": "Banane NOT is:untagged"}).json()
    assert [one["asset"]["id"] for one in answer["items"]] == ids[:1]
    sent = client.post(
        "/api/search", params={"query": f"{field}{values[0]}"}, files=as_files(noise_picture(1))
    )
    assert sent.status_code == 422
