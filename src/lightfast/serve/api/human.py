"""`/api/human`: blinded tests: people name pictures without seeing labels, each in an order of their own, and
are scored beside the model on exactly the same ones.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from pydantic import BaseModel, Field

from lightfast.base.png import png
from lightfast.baselines.human_score import HumanBaseline
from lightfast.baselines.kept_test import KeptTest, TestFacts, TestPlace, load_test
from lightfast.library.jobs import Job
from lightfast.library.people.noting import has_noted, note_audit
from lightfast.runs.library.human import kept_tests
from lightfast.serve.api.fields import FreeText, IdempotencyKey
from lightfast.serve.api.jobs import order_job
from lightfast.serve.auth.person import Admin, Person, Reviewer
from lightfast.serve.once import OnceRoute
from lightfast.serve.places import shown
from lightfast.serve.problems import HttpProblem
from lightfast.serve.service import Served, Service

human_routes = APIRouter(prefix="/api/human", tags=["human"], route_class=OnceRoute)
TestId = Annotated[str, Path(pattern="^[0-9a-f]{16}$", examples=["00112233445566aa"])]
Position = Annotated[int, Path(ge=1, le=1_000_000)]
ORDERED, OBSERVED = "human test ordered", "human test observed"
_OPEN_TESTS = 4


class NewHumanTest(BaseModel):
    """A test to make: `data` and `run` name files of the server; without them it is about pictures of the
    library that people confirmed and no training sees, beside the model in use.
    """

    data: Annotated[FreeText, Field(min_length=1)] | None = None
    run: Annotated[FreeText, Field(min_length=1)] | None = None
    n: Annotated[int, Field(ge=2, le=2_000, description="Pictures in the sample, at most.")] = 100
    seed: Annotated[int, Field(ge=0, le=2**31)] = 0


class HumanProgress(BaseModel):
    """Where somebody stands in a test; `next` is the place of the next picture in the own order."""

    person: str
    answered: int
    total: int
    next: int | None
    finished: bool


class HumanTest(BaseModel):
    """A test, and where oneself stands in it. `observed`: one has seen the results, and cannot take it any
    more. `labelled`: so many of its pictures one labelled oneself. Admins see where everybody stands.
    """

    id: str
    source: str
    model: str | None = Field(description="The model on the same pictures; null: there is none.")
    class_names: list[str]
    n: int
    seed: int
    made_at: datetime
    mine: HumanProgress
    observed: bool
    labelled: int
    people: list[HumanProgress] | None


class HumanTestList(BaseModel):
    """Tests, newest first."""

    items: list[HumanTest]


class NewAnswer(BaseModel):
    """What a person says of one picture: the name of a class, or null for "don't know"."""

    position: Annotated[int, Field(ge=1, le=1_000_000)]
    answer: FreeText | None
    seconds: Annotated[float, Field(ge=0, le=1e9, allow_inf_nan=False)] = 0.0


class HumanResults(BaseModel):
    """Answers, scored: of those who answered all pictures, or also of the `unfinished`. `notes`: what is to
    be known of these figures.
    """

    id: str
    baseline: HumanBaseline
    unfinished: list[str]
    notes: list[str]


@human_routes.get("")
def get_human_tests(served: Served, person: Reviewer) -> HumanTestList:
    """All tests, with the own progress."""
    found = [_opened(served, facts.id) for facts in kept_tests(served.library)]
    return HumanTestList(items=[_shown(served, person, one) for one in found])


@human_routes.post("", status_code=202)
def post_human_test(
    wanted: NewHumanTest, served: Served, person: Admin, idempotency_key: IdempotencyKey = None
) -> Job:
    """Order a test: a job draws the sample and lets the model predict it; its result is the test's facts."""
    job = order_job(served, person, "human_test", wanted.model_dump(), idempotency_key)
    _note_once(served, person, ORDERED, job=job.id)
    return job


@human_routes.get("/{test_id}")
def get_human_test(test_id: TestId, served: Served, person: Reviewer) -> HumanTest:
    """One test, with the own progress: `mine.next` is the picture to answer now."""
    return _shown(served, person, _opened(served, test_id))


@human_routes.get(
    "/{test_id}/pictures/{position}",
    response_class=Response,
    responses={200: {"content": {"image/png": {"schema": {"type": "string", "format": "binary"}}}}},
)
def get_human_picture(test_id: TestId, position: Position, served: Served, person: Reviewer) -> Response:
    """The picture at this place of the own order, as a PNG of its pixels alone; the next one, the one after
    it, and those before.
    """
    pixels = _opened(served, test_id).picture(person.name, position)
    return Response(png(pixels), media_type="image/png")


@human_routes.post("/{test_id}/answers")
def post_human_answer(test_id: TestId, given: NewAnswer, served: Served, person: Reviewer) -> HumanProgress:
    """Answer the next picture. The first answer counts: the same one sent again changes nothing, another one
    is refused. Nobody is told what was right.
    """
    test = _opened(served, test_id)
    if _observed(served, person, test_id):
        raise HttpProblem(409, "you have seen the results of this test", cure="Ask somebody else to take it.")
    return _progress(test.answer(person.name, given.position, given.answer, given.seconds))


@human_routes.post("/{test_id}/observe")
def observe_human_test(test_id: TestId, served: Served, person: Admin) -> HumanTest:
    """See the results without taking the test, or before its end: one can then answer no more."""
    test = _opened(served, test_id)
    _note_once(served, person, OBSERVED, test=test_id)
    return _shown(served, person, test)


@human_routes.get("/{test_id}/results")
def get_human_results(
    test_id: TestId,
    served: Served,
    person: Reviewer,
    unfinished: Annotated[
        bool, Query(description="For admins: count who has not answered all pictures, too.")
    ] = False,
) -> HumanResults:
    """The scores of those who have answered all pictures, for each of them, and for admins who observe."""
    test = _opened(served, test_id)
    observed = person.role == "admin" and _observed(served, person, test_id)
    if not observed and not test.place(person.name).finished:
        raise HttpProblem(
            409,
            "answers of others are not shown before you have answered all pictures",
            cure="Finish the test; admins may observe it without taking it.",
        )
    places = test.places()
    everybody = unfinished and person.role == "admin"
    counted = [one.person for one in places if everybody or one.finished]
    baseline = test.results(counted)
    notes, scored = (shown(one, places=person.sees_places) for one in (test.facts.notes, baseline.notes))
    return HumanResults(
        id=test_id,
        baseline=replace(baseline, notes=scored),
        unfinished=[one.person for one in places if not one.finished],
        notes=[*notes, *scored, *_labelled_notes(test.facts, counted)],
    )


_kept = lru_cache(maxsize=_OPEN_TESTS)(load_test)
"""A test never changes once it is made; its answers are read anew each time."""


def _opened(served: Service, test_id: str) -> KeptTest:
    return _kept(served.library.human_tests / test_id)


def _note_once(served: Service, person: Person, act: str, **detail: str) -> None:
    with served.library.store.write() as connection:
        if not has_noted(connection, person.id, act, **detail):
            note_audit(connection, person.id, act, **detail)


def _observed(served: Service, person: Person, test_id: str) -> bool:
    with served.library.store.read() as connection:
        return has_noted(connection, person.id, OBSERVED, test=test_id)


def _shown(served: Service, person: Person, test: KeptTest) -> HumanTest:
    facts, mine = test.facts, test.place(person.name)
    everybody = [_progress(one) for one in test.places()] if person.role == "admin" else None
    return HumanTest(
        id=facts.id,
        source=facts.source if person.role == "admin" else facts.source.replace("\\", "/").rpartition("/")[2],
        model=facts.model,
        class_names=list(facts.class_names),
        n=facts.n,
        seed=facts.seed,
        made_at=datetime.fromisoformat(facts.made_at),
        mine=_progress(mine),
        observed=_observed(served, person, facts.id),
        labelled=facts.labelled_by.get(person.name, 0),
        people=everybody,
    )


def _progress(place: TestPlace) -> HumanProgress:
    return HumanProgress(
        person=place.person,
        answered=place.answered,
        total=place.total,
        next=place.next,
        finished=place.finished,
    )


def _labelled_notes(facts: TestFacts, people: list[str]) -> list[str]:
    return [
        f"{name} labelled {count:,} of these pictures before: no blind answers"
        for name, count in facts.labelled_by.items()
        if name in people
    ]
