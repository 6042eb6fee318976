"""Who was looked up a moment ago, for requests that write nothing and come many times a second.

A revoked token, a closed account or a lost right is honoured at once by the process that took it back, and
within a second by others.
"""

from __future__ import annotations

from typing import Annotated

from fastapi import Depends, Request
from starlette.concurrency import run_in_threadpool

from lightfast.serve.auth.person import Person, identify, require_page, require_role, sender_of
from lightfast.serve.service import Service


async def known_viewer(request: Request) -> Person:
    """The person who sends the request, with at least the role viewer; the database is asked for each at
    least once in `service.KNOWN_SECONDS`.

    Raises HttpProblem 401 for nobody, 403 for a write of a browser without the token of its page.
    """
    service: Service = request.app.state.service
    sender = sender_of(request)
    name = sender.digest
    person = service.people.get(name)
    if person is None:
        began = service.people.begin()
        person = require_role(await run_in_threadpool(identify, request), "viewer")
        service.people.keep(name, person, began)
        return person
    if person.by == "session":
        # It stands in the headers of every request, and is no part of the name.
        require_page(sender)
    request.state.sees_places = person.sees_places
    return person


KnownViewer = Annotated[Person, Depends(known_viewer)]
