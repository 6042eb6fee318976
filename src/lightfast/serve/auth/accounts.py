"""Accounts closed and opened: what follows for their sessions and tokens."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import Connection, select, update

from lightfast.base.errors import UnknownName
from lightfast.library.people.accounts import Account, change_account
from lightfast.library.people.noting import note_audit
from lightfast.library.schema import tokens, users
from lightfast.library.store import now


def alter_account(
    connection: Connection, by: int | None, user_id: int, changes: Mapping[str, Any]
) -> Account:
    """Change an account as `change_account` does. Whoever is closed out or gets another password is logged
    out everywhere at once.
    """
    changed = change_account(connection, user_id, changes)
    if changes.get("disabled_at") is not None or "password_hash" in changes:
        held = (tokens.c.user_id == user_id) & tokens.c.revoked_at.is_(None)
        connection.execute(update(tokens).where(held).values(revoked_at=now()))
    note_audit(connection, by, "user changed", user=changed.name, changes=sorted(changes))
    return changed


def set_password(connection: Connection, name: str, password_hash: str, by: int | None = None) -> Account:
    """Give the user of this name another password, as the user `by` wants; raises UnknownName."""
    return alter_account(connection, by, named_user(connection, name), {"password_hash": password_hash})


def disable_user(connection: Connection, name: str, by: int | None = None) -> Account:
    """Log the user of this name out and keep it out, as the user `by` wants; raises UnknownName."""
    return alter_account(connection, by, named_user(connection, name), {"disabled_at": now()})


def named_user(connection: Connection, name: str) -> int:
    """The number of the user of this name; raises UnknownName."""
    found = {row.name: row.id for row in connection.execute(select(users.c.name, users.c.id))}
    if name not in found:
        raise UnknownName("user", name, found)
    return found[name]
