"""Review over HTTP: leases, decisions that happen once, undo after a restart, several people at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from library.pictures import fill, states, suggest
from serve.conftest import Running, running
from sqlalchemy import func, select, update

from lightfast.library.library import Library
from lightfast.library.schema import decision_table, queue_table, tokens
from lightfast.library.store import now
from lightfast.serve.auth.tokens import issue_secret
from lightfast.serve.settings import ServeSettings

NAMES = sorted(f"label{number}" for number in range(12))
"""In the order of their numbers."""


@pytest.fixture
def filled(served: Running) -> Running:
    fill(served.library, 30, tuple(NAMES))
    return served


def lease(client: httpx.Client, count: int = 5) -> list[dict]:
    answer = client.post("/api/review/lease", json={"count": count})
    assert answer.status_code == 200, answer.text
    return answer.json()["items"]


def confirm(client: httpx.Client, asset: int, label: int, **more) -> httpx.Response:
    act = {"asset_id": asset, "act": "confirm", "label_id": label, "seconds": 0.4}
    return client.post("/api/review/decide", json={"acts": [act]}, **more)


def decisions(library: Library) -> int:
    with library.store.read() as connection:
        return connection.execute(select(func.count()).select_from(decision_table)).scalar_one()


def test_the_most_doubtful_comes_first_with_what_is_known(filled: Running):
    with filled.client() as client:
        answer = client.post("/api/review/lease", json={"count": 2}).json()
    assert [one["entry"]["asset_id"] for one in answer["items"]] == [1, 2]
    assert answer["items"][0]["entry"]["reason"] == "doubtful"
    assert answer["items"][0]["asset"]["id"] == 1
    assert answer["left"] == 30


def test_more_than_ten_labels_and_new_ones_by_name(filled: Running):
    with filled.client() as client:
        labels = client.get("/api/labels").json()["items"]
        assert len(labels) == 12
        assert confirm(client, 1, labels[11]["id"]).status_code == 200
        act = {"asset_id": 2, "act": "confirm", "label": "brand new"}
        answer = client.post("/api/review/decide", json={"acts": [act]}).json()
        assert answer["left"] == 28
        named = {one["name"]: one["confirmed"] for one in client.get("/api/labels").json()["items"]}
    assert named["brand new"] == 1


def test_the_same_decision_sent_twice_is_one(filled: Running):
    with filled.client() as client:
        first = confirm(client, 1, 1, headers={"Idempotency-Key": "k"}).json()
        again = confirm(client, 1, 1, headers={"Idempotency-Key": "k"}).json()
        assert first["decision_ids"] == again["decision_ids"]
        undone = [client.post("/api/review/undo", headers={"Idempotency-Key": "u"}).json() for _ in range(2)]
        assert undone[0]["decision_ids"] == undone[1]["decision_ids"]
    assert decisions(filled.library) == 2


def test_all_or_nothing(filled: Running):
    acts = [{"asset_id": number, "act": "confirm", "label_id": 1} for number in (1, 2, 10_000)]
    with filled.client() as client:
        answer = client.post("/api/review/decide", json={"acts": acts})
    assert answer.status_code == 404
    assert answer.json()["detail"] == "picture 10000 is not in the library"
    assert decisions(filled.library) == 0


def test_many_at_once_are_undone_at_once_and_undo_survives_a_restart(library: Library):
    fill(library, 6)
    settings = ServeSettings(port=0, local_user="owner", work=False)
    with running(library, settings) as found, found.client() as client:
        tags = {"asset_ids": [1, 2, 3], "label_id": 1}
        assert len(client.post("/api/tags", json=tags).json()["decision_ids"]) == 3
    assert len(states(library)) == 3
    with running(library, settings) as found, found.client() as client:
        assert client.post("/api/review/undo").json()["asset_ids"] == [1, 2, 3]
        assert states(library) == {}
        assert sorted(client.post("/api/review/redo").json()["asset_ids"]) == [1, 2, 3]
        assert client.post("/api/review/redo").json()["decision_ids"] == []
    assert set(states(library).values()) == {"confirmed"}


def test_skip_second_opinion_and_release(filled: Running):
    with filled.client() as client:
        assert client.post("/api/review/skip", json={"asset_ids": [1]}).status_code == 200
        opinion = {"asset_ids": [2], "label_id": 1}
        assert client.post("/api/review/second-opinion", json=opinion).status_code == 200
        assert [one["entry"]["asset_id"] for one in lease(client, 2)] == [3, 4]
        answer = client.post("/api/review/release", json={"asset_ids": [3]}).json()
        assert answer == {"released": 1, "left": 30}
        assert client.post("/api/review/release", json={}).json()["released"] == 1


def test_a_second_opinion_does_not_see_the_first(filled: Running):
    with people(filled, 2) as (first, second):
        first.post("/api/review/second-opinion", json={"asset_ids": [1], "label_id": 1})
        assert [one["act"] for one in first.get("/api/assets/1").json()["history"]] == ["second_opinion"]
        assert second.get("/api/assets/1").json()["history"] == []
        assert lease(first, 1)[0]["entry"]["asset_id"] != 1
        assert lease(second, 1)[0]["entry"]["asset_id"] == 1


def test_a_third_person_sees_neither_answer(filled: Running):
    suggest(filled.library, 1, 1, 0.7)
    suggest(filled.library, 1, 3, 0.4)
    with people(filled, 3) as (first, second, third):
        first.post("/api/review/second-opinion", json={"asset_ids": [1], "label_id": 1})
        assert lease(second, 1)[0]["entry"]["asset_id"] == 1
        acts = [
            {"asset_id": 1, "act": "reject", "label_id": 1},
            {"asset_id": 1, "act": "confirm", "label_id": 2},
        ]
        assert second.post("/api/review/decide", json={"acts": acts}).status_code == 200
        asked = lease(third, 1)[0]
        assert asked["entry"]["source"] == "disagreement"
        shown = [(one["label_id"], one["state"], one["score"]) for one in asked["asset"]["tags"]]
        assert shown == [(1, "suggested", 0.7), (3, "suggested", 0.4)]
        assert not any(one["by_person"] for one in asked["asset"]["tags"])
        taken = third.post("/api/review/take", json={"asset_ids": [1]}).json()["items"]
        assert [one["asset"] for one in taken] == [asked["asset"]]


@pytest.fixture
def disputed(filled: Running) -> Running:
    """Picture 1: reviewer0 asked for a second opinion, reviewer1 said something else; picture 2: reviewer0
    confirmed a label, then asked for a second opinion. The machine had suggested label 1 for both.
    """
    for number in (1, 2):
        suggest(filled.library, number, 1, 0.7)
    with people(filled, 3) as (first, second, _):
        first.post("/api/review/second-opinion", json={"asset_ids": [1], "label_id": 3})
        assert confirm(first, 2, 5).status_code == 200
        first.post("/api/review/second-opinion", json={"asset_ids": [2], "label_id": 5})
        lease(second, 1)
        assert confirm(second, 1, 4).status_code == 200
    return filled


def told(client: httpx.Client, path: str, **query: object) -> dict:
    answer = client.get(f"/api/{path}", params=query)
    assert answer.status_code == 200, answer.text
    return answer.json()


def cards_of(client: httpx.Client, asset: int) -> list[dict]:
    """The picture's cards, wherever one is shown."""
    listed = [*told(client, "assets")["items"], *(one["asset"] for one in told(client, "search")["items"])]
    asked_for = told(client, f"assets/{asset}")["asset"], *told(client, "assets/cards", id=asset)["items"]
    return [*asked_for, *(one for one in listed if one["id"] == asset)]


def found_by(client: httpx.Client, asset: int, names: list[str]) -> list[str]:
    """The names by which a search finds the picture."""
    by_name = {name: told(client, "search", query=f"{name} OR NOT {name}")["items"] for name in names}
    return [name for name in names if asset in [one["asset"]["id"] for one in by_name[name]]]


def known_of(client: httpx.Client, asset: int) -> dict[str, object]:
    """What the routes tell this client of who said what of a picture."""
    cards, labels = cards_of(client, asset), (1, 3, 4, 5)
    facets = {one["label"] for one in told(client, "search/facets")["items"]}
    return {
        "tags": {tuple((tag["label_id"], tag["state"]) for tag in card["tags"]) for card in cards},
        "by person": any(tag["by_person"] for card in cards for tag in card["tags"]),
        "history": [one["user"] for one in told(client, f"assets/{asset}")["history"]],
        "listed by": [one for one in labels if asset in told(client, "assets/ids", label_id=one)["ids"]],
        "tags of it": [one["label_id"] for one in told(client, "tags", asset_id=asset)["items"]],
        "found by": found_by(client, asset, [NAMES[one - 1] for one in labels]),
        "facets": facets & {NAMES[3], NAMES[4]},
    }


def test_nobody_who_may_still_be_asked_reads_anywhere_what_others_said(disputed: Running):
    nothing = {
        "tags": {((1, "suggested"),)},
        "by person": False,
        "history": [],
        "listed by": [],
        "tags of it": [],
        "found by": [],
        "facets": set(),
    }
    with people(disputed, 3) as (_, second, third):
        assert known_of(third, 1) == nothing
        assert known_of(third, 2) == nothing
        # The second one has answered about the first picture, and may be asked about the other.
        assert known_of(second, 2) == nothing | {"facets": {NAMES[3]}}
        seen = known_of(second, 1)
    assert seen["tags"] == {((4, "confirmed"), (1, "suggested"))}
    assert seen["history"] == ["reviewer1"]
    assert NAMES[3] in seen["found by"]


def test_admins_and_who_asked_see_what_was_said(disputed: Running):
    with people(disputed, 1) as (first,), disputed.client() as owner:
        for client in (first, owner):
            assert known_of(client, 1)["tags"] == {((4, "confirmed"), (1, "suggested"))}
            assert known_of(client, 2)["tags"] == {((5, "confirmed"), (1, "suggested"))}
            assert known_of(client, 2)["facets"] == {NAMES[3], NAMES[4]}
        assert "reviewer1" in known_of(owner, 1)["history"]


def test_once_it_is_settled_everybody_sees_it(disputed: Running):
    with people(disputed, 3) as (_, _, third):
        assert {one["entry"]["asset_id"] for one in lease(third, 2)} == {1, 2}
        assert confirm(third, 1, 4).status_code == 200
        assert known_of(third, 1)["tags"] == {((4, "confirmed"), (1, "suggested"))}
        assert known_of(third, 1)["history"] == ["reviewer1", "reviewer2"]


def test_a_decision_brings_the_next_pictures(filled: Running):
    with people(filled, 2) as (first, second):
        have = [one["entry"]["asset_id"] for one in lease(first, 3)]
        act = {"asset_id": 1, "act": "confirm", "label_id": 1, "key": "one"}
        body = {"acts": [act], "hand": 4, "known": have}
        answer = first.post("/api/review/decide", json=body).json()
        assert [one["entry"]["asset_id"] for one in answer["items"]] == [4, 5]
        assert answer["items"][0]["asset"]["id"] == 4
        assert answer["left"] == 29
        # The answer was lost: sent again it is done once, and nothing is in hand that is not told of.
        again = first.post("/api/review/decide", json=body).json()
        assert again["decision_ids"] == answer["decision_ids"]
        assert [one["entry"]["asset_id"] for one in again["items"]] == [4, 5]
        assert [one["entry"]["asset_id"] for one in lease(second, 1)] == [6]
    assert decisions(filled.library) == 1


def test_a_lease_tells_only_of_pictures_that_are_not_known(filled: Running):
    with people(filled, 2) as (first, second):
        assert [one["entry"]["asset_id"] for one in lease(first, 3)] == [1, 2, 3]
        asked = {"count": 5, "known": [1, 2, 3]}
        said = first.post("/api/review/lease", json=asked).json()["items"]
        assert [one["entry"]["asset_id"] for one in said] == [4, 5]
        assert [one["entry"]["asset_id"] for one in lease(second, 1)] == [6]


def test_a_reviewer_who_was_known_a_moment_ago_decides_no_more_once_logged_out(filled: Running):
    with people(filled, 1) as (client,):
        assert confirm(client, 1, 1).status_code == 200
        with filled.library.store.write() as connection:
            connection.execute(update(tokens).values(revoked_at=now()))
        for _ in range(2):
            assert confirm(client, 2, 1).status_code == 401
    assert decisions(filled.library) == 1


def people(served: Running, count: int):
    """Clients of so many reviewers, each with a token."""
    from contextlib import ExitStack, contextmanager

    from lightfast.library.people.users import user_number

    @contextmanager
    def opened():
        with served.library.store.write() as connection:
            secrets = [
                issue_secret(connection, user_number(connection, f"reviewer{number}"), "token")[1]
                for number in range(count)
            ]
        with ExitStack() as stack:
            yield [
                stack.enter_context(served.client(headers={"Authorization": f"Bearer {secret}"}))
                for secret in secrets
            ]

    return opened()


def test_nobody_decides_about_what_another_has_in_hand_or_over_another(filled: Running):
    with people(filled, 2) as (first, second):
        lease(first, 1)
        taken = confirm(second, 1, 1)
        assert taken.status_code == 409
        assert "in the hand of another reviewer" in taken.json()["detail"]
        confirm(first, 1, 1)
        answer = confirm(second, 1, 2).json()
        assert answer["kept"] == [1]
        assert answer["asset_ids"] == []


def test_people_at_once_lose_nothing_double_nothing_and_never_share_a_picture(served: Running):
    fill(served.library, 60)

    def review(client: httpx.Client) -> list[int]:
        done = []
        while items := lease(client, 2):
            for item in items:
                number = item["entry"]["asset_id"]
                answer = confirm(client, number, 1, headers={"Idempotency-Key": f"act{number}"})
                assert answer.status_code == 200, answer.text
                done.append(number)
        return done

    with people(served, 5) as clients, ThreadPoolExecutor(5) as pool:
        done = [number for found in pool.map(review, clients) for number in found]
    assert sorted(done) == list(range(1, 61))
    assert decisions(served.library) == 60
    with served.library.store.read() as connection:
        open_ones = select(func.count()).select_from(queue_table).where(queue_table.c.state == "open")
        assert connection.execute(open_ones).scalar_one() == 0


def test_what_was_taken_back_comes_in_hand_again(filled: Running):
    with filled.client() as client:
        (first,) = [one["entry"]["asset_id"] for one in lease(client, 1)]
        confirm(client, first, 1)
        back = client.post("/api/review/undo").json()["asset_ids"]
        taken = client.post("/api/review/take", json={"asset_ids": back}).json()
    assert [one["entry"]["asset_id"] for one in taken["items"]] == [first]
    assert taken["left"] == 30
