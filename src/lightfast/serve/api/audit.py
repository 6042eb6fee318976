"""`/api/audit`: who did what, and when: logins, decisions, tokens, users, models."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from lightfast.library.people.audit_log import AuditFilter, AuditKind, AuditLine, read_audit
from lightfast.serve.api.fields import Cursor, PageSize, ShownName, as_cursor, cursor_pair
from lightfast.serve.auth.person import Admin
from lightfast.serve.service import Served

audit_routes = APIRouter(prefix="/api/audit", tags=["users"])


class AuditQuery(BaseModel):
    """Which lines are wanted, and where the page begins."""

    person: ShownName | None = None
    kind: AuditKind | None = None
    cursor: Cursor = None
    limit: PageSize = 50


class AuditPage(BaseModel):
    """A page of what happened, newest first; `next` leads to the one after, null on the last."""

    items: list[AuditLine]
    next: str | None


@audit_routes.get("")
def get_audit(query: Annotated[AuditQuery, Query()], served: Served, person: Admin) -> AuditPage:
    """A page of what happened, newest first: every login, refused ones too, every decision, and every change
    that people make of users, tokens, labels and models.
    """
    before = cursor_pair(query.cursor)
    with served.library.store.read() as connection:
        wanted = AuditFilter(query.person, query.kind)
        items, ahead = read_audit(connection, wanted, before=before, limit=query.limit)
    return AuditPage(items=list(items), next=None if ahead is None else as_cursor(list(ahead)))
