"""Blinded tests of people over HTTP: who sees what when, what an answer is worth, and the figures."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from argon2 import PasswordHasher
from PIL import Image
from serve.conftest import Running, running

from lightfast.base.errors import ConflictError
from lightfast.baselines.human_score import score_people
from lightfast.baselines.kept_test import KeptTest, TestFacts, load_test
from lightfast.data.images import content_hash
from lightfast.evaluate.compare import mcnemar
from lightfast.evaluate.predictions import Predictions
from lightfast.library.library import Library, open_library
from lightfast.library.people.accounts import add_account
from lightfast.runs.library.human import HumanTestPlan, make_human_test
from lightfast.runs.options import RunOptions
from lightfast.serve.api import human
from lightfast.serve.settings import ServeSettings
from lightfast.statistics.agreement import cohen_kappa
from lightfast.statistics.intervals import wilson

PASSWORD = "correct horse battery"
NAMES = ("left", "middle", "right")
SETTINGS = ServeSettings(port=0, local_user="owner", work=False)
Enter = Callable[..., httpx.Client]


@pytest.fixture
def database() -> None:
    """SQLite: tests are files of the library; who has seen results is a row, as on PostgreSQL."""


@pytest.fixture
def facts(library: Library, blob_file: str, run: Path) -> TestFacts:
    """A test of twelve pictures beside the model of the run."""
    return make_human_test(library, RunOptions(), HumanTestPlan(blob_file, str(run), 12))


@pytest.fixture
def enter(library: Library, facts: TestFacts) -> Iterator[Enter]:
    """`enter(name)`: a browser of this person; ada is the admin, bea, cleo and dora are reviewers."""
    kept = PasswordHasher(time_cost=1, memory_cost=8, parallelism=1).hash(PASSWORD)
    with library.store.write() as connection:
        for name in ("ada", "bea", "cleo", "dora"):
            add_account(connection, name, "admin" if name == "ada" else "reviewer", kept)
        add_account(connection, "vera", "viewer", kept)
    opened: list[httpx.Client] = []
    with running(library, SETTINGS) as served:

        def log_in(name: str, server: Running = served) -> httpx.Client:
            client = server.client()
            opened.append(client)
            answer = client.post("/api/session", json={"name": name, "password": PASSWORD})
            client.headers["X-CSRF-Token"] = answer.json()["csrf"]
            return client

        yield log_in
        for client in opened:
            client.close()


def place_of_bar(content: bytes) -> str:
    """What somebody who looks sees in a blob."""
    pixels = np.asarray(Image.open(io.BytesIO(content)).convert("L"))
    bars = [pixels[2:10, 1 + 4 * place : 3 + 4 * place].mean() for place in range(3)]
    return NAMES[int(np.argmax(bars))]


def take(client: httpx.Client, test: str, wrong: int = 0, most: int = 100) -> list[str]:
    """Answer up to `most` pictures, every `wrong`-th one wrongly; what was answered."""
    said = []
    while len(said) < most:
        place = client.get(f"/api/human/{test}").json()["mine"]["next"]
        if place is None:
            break
        seen = place_of_bar(client.get(f"/api/human/{test}/pictures/{place}").content)
        if wrong and place % wrong == 0:
            seen = NAMES[(NAMES.index(seen) + 1) % 3]
        answer = {"position": place, "answer": seen, "seconds": 1.5}
        assert client.post(f"/api/human/{test}/answers", json=answer).status_code == 200
        said.append(seen)
    return said


def kept_test(library: Library, facts: TestFacts) -> KeptTest:
    return load_test(library.human_tests / facts.id)


def test_the_figures_are_those_of_the_statistics(library: Library, facts: TestFacts, enter: Enter):
    bea, cleo = enter("bea"), enter("cleo")
    take(bea, facts.id)
    take(cleo, facts.id, wrong=3)
    found = cleo.get(f"/api/human/{facts.id}/results").json()["baseline"]
    test = kept_test(library, facts)
    by_person = {one["person"]: one for one in found["people"]}
    assert by_person["bea"]["accuracy"] == 1
    assert by_person["cleo"]["right"] == 8
    assert tuple(by_person["cleo"]["accuracy_interval"]) == pytest.approx(wilson(8, 12))
    # The slow way: every picture's label, the model's word and both people's, one after the other.
    labels = dict(zip(test.images.content_hashes, test.images.labels, strict=True))
    answers: dict[str, dict[str, int]] = {"bea": {}, "cleo": {}}
    for one in test.log.load().answers:
        answers[one.person][one.content] = NAMES.index(one.answer)
    contents = list(test.images.content_hashes)
    model = np.array([NAMES[one] for one in test.predictions.predicted_labels])
    truth = np.array([labels[one] for one in contents])
    cleos = np.array([answers["cleo"][one] for one in contents])
    paired = mcnemar(model == np.array(NAMES)[truth], cleos == truth)
    assert by_person["cleo"]["versus_model"]["difference"] == pytest.approx(paired.difference)
    assert by_person["cleo"]["versus_model"]["p_value"] == pytest.approx(paired.p_value)
    beas = np.array([answers["bea"][one] for one in contents])
    assert found["pairs"][0]["kappa"]["value"] == pytest.approx(cohen_kappa(beas, cleos).value)
    assert found["model"]["n"] == 12


def test_three_people_have_fleiss_kappa_and_a_majority(facts: TestFacts, enter: Enter):
    for name, wrong in (("bea", 0), ("cleo", 4), ("dora", 6)):
        take(enter(name), facts.id, wrong)
    found = enter("bea").get(f"/api/human/{facts.id}/results").json()["baseline"]
    assert found["majority"]["n"] == 12
    assert found["fleiss"]["n"] == 12
    assert 0 < found["fleiss"]["value"] < 1


def test_everybody_has_an_order_of_their_own(facts: TestFacts, enter: Enter):
    seen = []
    for name in ("bea", "cleo"):
        client, own = enter(name), []
        for place in range(1, 13):
            own.append(client.get(f"/api/human/{facts.id}/pictures/{place}").content)
            answer = {"position": place, "answer": None}
            client.post(f"/api/human/{facts.id}/answers", json=answer)
        seen.append(own)
    assert seen[0] != seen[1]
    assert sorted(seen[0]) == sorted(seen[1])


def test_nothing_that_a_person_is_sent_tells_the_label(library: Library, facts: TestFacts, enter: Enter):
    test, bea = kept_test(library, facts), enter("bea")
    answer = bea.get(f"/api/human/{facts.id}/pictures/1")
    sent = [bea.get("/api/human").text, bea.get(f"/api/human/{facts.id}").text, str(answer.headers)]
    sent.append(bea.post(f"/api/human/{facts.id}/answers", json={"position": 1, "answer": "left"}).text)
    for text in sent:
        assert not [name for name in (*test.images.ids, *test.images.content_hashes) if name in text]
    # The class names stand in the list of choices, once each and in one order.
    assert [sent[1].count(f'"{name}"') for name in NAMES] == [1, 1, 1]
    assert Image.open(io.BytesIO(answer.content)).info == {}
    assert json.loads(sent[3]).keys() == {"person", "answered", "total", "next", "finished"}
    # Nobody looks ahead, so that the timing and the order are everybody's.
    assert bea.get(f"/api/human/{facts.id}/pictures/3").status_code == 200
    assert bea.get(f"/api/human/{facts.id}/pictures/4").status_code == 409
    assert bea.get(f"/api/human/{facts.id}/pictures/13").status_code == 404


def test_the_first_answer_counts_and_sent_again_is_kept_once(
    library: Library, facts: TestFacts, enter: Enter
):
    bea, path = enter("bea"), f"/api/human/{facts.id}/answers"
    first = {"position": 1, "answer": "left", "seconds": 2}
    assert bea.post(path, json={**first, "position": 2}).status_code == 409
    assert bea.post(path, json={**first, "answer": "nowhere"}).status_code == 422
    answers = [bea.post(path, json=first).json() for _ in range(3)]
    assert answers[0] == answers[1] == answers[2]
    assert answers[0]["next"] == 2
    assert bea.post(path, json={**first, "answer": "right"}).status_code == 409
    kept = kept_test(library, facts).log.load().answers
    assert [(one.person, one.answer, one.position) for one in kept] == [("bea", "left", 1)]


def test_answers_are_not_shown_to_others_before_they_have_finished(facts: TestFacts, enter: Enter):
    ada, bea, cleo = enter("ada"), enter("bea"), enter("cleo")
    path = f"/api/human/{facts.id}/results"
    take(bea, facts.id)
    take(cleo, facts.id, most=5)
    # Neither who has not finished, nor an admin who may still take the test.
    assert cleo.get(path).status_code == 409
    assert ada.get(path).status_code == 409
    assert cleo.get(f"/api/human/{facts.id}").json()["people"] is None
    # Who has finished sees those who have, too.
    found = bea.get(path).json()
    assert [one["person"] for one in found["baseline"]["people"]] == ["bea"]
    assert found["unfinished"] == ["cleo"]
    assert [one["answered"] for one in ada.get(f"/api/human/{facts.id}").json()["people"]] == [12, 5]


def test_an_admin_who_observes_sees_all_and_can_no_longer_take_the_test(facts: TestFacts, enter: Enter):
    ada, bea, cleo = enter("ada"), enter("bea"), enter("cleo")
    take(bea, facts.id, most=4)
    take(cleo, facts.id)
    assert cleo.post(f"/api/human/{facts.id}/observe").status_code == 403
    assert ada.post(f"/api/human/{facts.id}/observe").json()["observed"] is True
    path = f"/api/human/{facts.id}/results"
    assert [one["person"] for one in ada.get(path).json()["baseline"]["people"]] == ["cleo"]
    found = ada.get(path, params={"unfinished": True}).json()["baseline"]
    assert {one["person"]: one["n"] for one in found["people"]} == {"bea": 4, "cleo": 12}
    # For reviewers that says nothing more.
    found = cleo.get(path, params={"unfinished": True}).json()["baseline"]
    assert [one["person"] for one in found["people"]] == ["cleo"]
    refused = ada.post(f"/api/human/{facts.id}/answers", json={"position": 1, "answer": "left"})
    assert refused.status_code == 409
    assert "seen the results" in refused.json()["detail"]


def test_roles_hold(facts: TestFacts, enter: Enter):
    bea, vera = enter("bea"), enter("vera")
    assert vera.get("/api/human").status_code == 403
    assert bea.post("/api/human", json={}).status_code == 403
    assert bea.post("/api/jobs", json={"kind": "human_test"}).status_code == 403
    assert bea.get("/api/human/0000000000000000").status_code == 404


def test_answers_survive_a_restart(library: Library, facts: TestFacts, enter: Enter):
    take(enter("bea"), facts.id, most=7)
    again = open_library(library.folder)
    with running(again, SETTINGS) as served:
        bea = enter("bea", served)
        mine = bea.get("/api/human").json()["items"][0]["mine"]
        assert (mine["answered"], mine["next"], mine["finished"]) == (7, 8, False)
        take(bea, facts.id)
        assert bea.get(f"/api/human/{facts.id}").json()["mine"]["finished"] is True
    again.close()


def test_the_same_plan_is_the_same_test(library: Library, facts: TestFacts, blob_file: str, run: Path):
    kept_test(library, facts).answer("bea", 1, "left", 1.0)
    again = make_human_test(library, RunOptions(), HumanTestPlan(blob_file, str(run), 12))
    assert again == facts
    assert kept_test(library, facts).place("bea").answered == 1


def test_two_answers_at_once_of_one_person_are_one(library: Library, facts: TestFacts):
    test, other = kept_test(library, facts), kept_test(library, facts)
    test.answer("bea", 1, "left", 1.0)
    with pytest.raises(ConflictError, match="first answer counts"):
        other.answer("bea", 1, "right", 1.0)
    assert score_people(test.log, test.images, np.arange(12)).answers == 1


def test_where_people_stand_is_told_without_reading_a_picture(
    library: Library, facts: TestFacts, enter: Enter, monkeypatch: pytest.MonkeyPatch
):
    bea = enter("bea")
    take(bea, facts.id, most=3)
    known = kept_test(library, facts).images
    assert known.known_hashes == tuple(map(content_hash, known.images))
    # Neither pixels, nor what the model says of them: a list of many tests is as quick as one of few.
    monkeypatch.setattr("lightfast.data.images.content_hash", refuse)
    monkeypatch.setattr(Predictions, "load", refuse)
    with running(open_library(library.folder), SETTINGS) as served:
        again = enter("bea", served)
        human._kept.cache_clear()
        (item,) = again.get("/api/human").json()["items"]
    assert item["mine"]["answered"] == 3


def refuse(*_: object) -> None:
    raise AssertionError("it was read")


def test_a_second_test_is_not_ordered_while_one_waits(facts: TestFacts, enter: Enter):
    ada = enter("ada")
    assert ada.post("/api/human", json={}).status_code == 202
    refused = ada.post("/api/human", json={})
    assert refused.status_code == 409
    assert "waits already" in refused.json()["detail"]
