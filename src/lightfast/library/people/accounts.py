"""Accounts: who may log in, in which role, for which client."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, func, insert, select, update

from lightfast.base.errors import ConflictError, NotFoundError, SettingsError
from lightfast.library.people.users import ROLES
from lightfast.library.schema import users
from lightfast.library.store import now


@dataclass(frozen=True)
class Account:
    """A person as the table of users knows them.

    Attributes:
        id, name: of the person.
        role: viewer, reviewer or admin.
        client: whose labels and pictures a viewer may see; None: all.
        can_log_in: whether there is a password.
        created_at, disabled_at: when the account was made, when it was closed.
    """

    id: int
    name: str
    role: str
    client: str | None
    can_log_in: bool
    created_at: datetime
    disabled_at: datetime | None

    def as_json(self) -> dict[str, Any]:
        """Its fields, with moments as ISO texts."""
        closed = None if self.disabled_at is None else self.disabled_at.isoformat()
        moments = {"created_at": self.created_at.isoformat(), "disabled_at": closed}
        return {name: getattr(self, name) for name in self.__dataclass_fields__} | moments


def list_accounts(connection: Connection) -> tuple[Account, ...]:
    """All, by name."""
    return tuple(map(_account, connection.execute(select(users).order_by(users.c.name))))


def add_account(
    connection: Connection, name: str, role: str, password_hash: str, client: str | None = None
) -> Account:
    """A new account, or a password for a person who decided things here before anybody had one.

    The first who can log in has to be an admin: from then on nobody works here without a password.

    Raises SettingsError for an unknown role, a client for others than viewers, and a first one who is no
    admin; ConflictError where the name can log in already.
    """
    _require_role(role, client)
    if role != "admin" and not _admins(connection):
        raise SettingsError("the first account", expected="the role admin", got=role)
    row = connection.execute(select(users).where(users.c.name == name)).one_or_none()
    if row is not None and row.password_hash is not None:
        raise ConflictError(
            f"user {name!r} is there already", cure="Change that account, or take another name."
        )
    values = {"role": role, "client": client, "password_hash": password_hash, "disabled_at": None}
    if row is None:
        connection.execute(insert(users).values(name=name, created_at=now(), **values))
    else:
        connection.execute(update(users).where(users.c.id == row.id).values(**values))
    return _account(connection.execute(select(users).where(users.c.name == name)).one())


def change_account(connection: Connection, user_id: int, changes: Mapping[str, Any]) -> Account:
    """Bring `role`, `client`, `password_hash` or `disabled_at` to new values.

    Raises NotFoundError, SettingsError as `add_account` does, and ConflictError for a change that would leave
    no admin.
    """
    row = connection.execute(select(users).where(users.c.id == user_id)).one_or_none()
    if row is None:
        raise NotFoundError(f"user {user_id} is not there", cure="Load the list anew.")
    _require_role(changes.get("role", row.role), changes.get("client", row.client))
    if changes:
        connection.execute(update(users).where(users.c.id == user_id).values(**changes))
    if row.role == "admin" and row.password_hash is not None and not _admins(connection):
        raise ConflictError("nobody would be admin any more", cure="Make somebody else admin first.")
    return _account(connection.execute(select(users).where(users.c.id == user_id)).one())


def _require_role(role: str, client: str | None) -> None:
    if role not in ROLES:
        raise SettingsError(f"`role` {role!r}", expected=" or ".join(ROLES))
    if client is not None and role != "viewer":
        raise SettingsError(f"`client` of a {role}", expected="none", cure="Only viewers belong to a client.")


def _admins(connection: Connection) -> int:
    able = users.c.password_hash.isnot(None) & users.c.disabled_at.is_(None)
    found = select(func.count()).select_from(users).where(users.c.role == "admin", able)
    return connection.execute(found).scalar_one()


def _account(row: Row[Any]) -> Account:
    able = row.password_hash is not None
    return Account(row.id, row.name, row.role, row.client, able, row.created_at, row.disabled_at)
