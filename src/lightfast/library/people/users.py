"""Who uses a library."""

from __future__ import annotations

from sqlalchemy import Connection, insert, select

from lightfast.base.errors import SettingsError
from lightfast.library.schema import users
from lightfast.library.store import now

ROLES = ("viewer", "reviewer", "admin")


def user_number(connection: Connection, name: str, role: str = "reviewer") -> int:
    """The number of the user called `name`, who is made with this role where nobody is called so.

    Raises SettingsError for an empty name and an unknown role.
    """
    name = name.strip()
    if not name:
        raise SettingsError("`user`", expected="a name", got="nothing")
    if role not in ROLES:
        raise SettingsError(f"`role` {role!r}", expected=" or ".join(ROLES))
    found = connection.execute(select(users.c.id).where(users.c.name == name)).scalar()
    if found is not None:
        return found
    made = connection.execute(insert(users).values(name=name, role=role, created_at=now()))
    return int(made.inserted_primary_key[0])  # pyright: ignore[reportOptionalSubscript]
