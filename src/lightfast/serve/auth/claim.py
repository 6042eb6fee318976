"""Who sends a request, looked up in the transaction of what it does: a decision is one transaction."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

from fastapi import Depends, Request
from sqlalchemy import Connection
from starlette.concurrency import run_in_threadpool

from lightfast.serve.auth.person import Person, Sender, look_up, require_role, sender_of
from lightfast.serve.problems import HttpProblem
from lightfast.serve.service import Service

_MOST = 10_000
"""Senders that are known again; past that all are looked up anew."""
Done = TypeVar("Done")


@dataclass(frozen=True)
class Claim:
    """A sender that held when it came last, or was just looked up; `act` asks again.

    Attributes:
        service: of the request.
        sender: what it says.
        role: that is needed.
    """

    service: Service
    sender: Sender
    role: str

    def act(self, work: Callable[[Connection, Person], Done]) -> Done:
        """Run `work` for the person in one transaction, in which the person is looked up first: whoever was
        logged out a moment ago is nobody. It may be tried again, as `Store.act` says.

        Raises HttpProblem 401 and 403 as `Needs` does.
        """

        def transaction(connection: Connection) -> Done:
            return work(connection, self._person(connection))

        try:
            return self.service.library.store.act(transaction)
        except HttpProblem as problem:
            if problem.status in (401, 403):
                self.service.senders.discard(self.sender.digest)
            raise

    def require(self) -> None:
        """Look the sender up now, without a write: strangers wait for no writer, and hold none up."""
        with self.service.library.store.read() as connection:
            require_role(look_up(self.service, connection, self.sender), self.role)

    def _person(self, connection: Connection) -> Person:
        person = require_role(look_up(self.service, connection, self.sender), self.role)
        return person if person.id else replace(person, id=self.service.make_owner(connection))


async def _claimed(request: Request) -> Claim:
    service: Service = request.app.state.service
    claim = Claim(service, sender_of(request), "reviewer")
    known = claim.sender.digest
    if known not in service.senders:
        await run_in_threadpool(claim.require)
        if len(service.senders) >= _MOST:
            service.senders.clear()
        service.senders.add(known)
    return claim


ReviewerClaim = Annotated[Claim, Depends(_claimed)]
