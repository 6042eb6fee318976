"""`/api/users`: who may log in, and as what."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, Field

from lightfast.library.people.accounts import Account, add_account, list_accounts
from lightfast.library.people.noting import note_audit
from lightfast.library.store import now
from lightfast.serve.api.fields import PathId, RoleChoice, ShownName
from lightfast.serve.auth.accounts import alter_account
from lightfast.serve.auth.passwords import NewPassword, hash_password
from lightfast.serve.auth.person import Admin, require_unlimited
from lightfast.serve.once import OnceRoute
from lightfast.serve.service import Served

user_routes = APIRouter(prefix="/api/users", tags=["users"], route_class=OnceRoute)


class AccountList(BaseModel):
    """Accounts by name."""

    items: list[Account]


class NewAccount(BaseModel):
    """An account to add; the first one has to be an admin's."""

    name: Annotated[ShownName, Field(examples=["ada"])]
    password: Annotated[NewPassword, Field(examples=["correct horse battery"])]
    role: RoleChoice = "reviewer"
    client: ShownName | None = Field(None, description="Of a viewer: whose labels and pictures it sees.")


class AccountChange(BaseModel):
    """What is to change of an account; what is left out stays."""

    role: RoleChoice | None = None
    client: ShownName | None = None
    password: NewPassword | None = None
    disabled: bool | None = None


@user_routes.get("")
def get_users(served: Served, person: Admin) -> AccountList:
    """All accounts."""
    with served.library.store.read() as connection:
        return AccountList(items=list(list_accounts(connection)))


@user_routes.post("", status_code=201)
def post_user(account: NewAccount, served: Served, person: Admin) -> Account:
    """Add an account; not by a token that ends, or may less than its user."""
    require_unlimited(person)
    kept = hash_password(account.password.get_secret_value())
    with served.library.store.write() as connection:
        made = add_account(connection, account.name, account.role, kept, account.client)
        note_audit(connection, person.id, "user added", user=made.name, role=made.role)
    # With the first of them nobody is the owner just by being here.
    served.people.forget()
    return made


@user_routes.patch("/{user_id}")
def patch_user(user_id: PathId, change: AccountChange, served: Served, person: Admin) -> Account:
    """Change role, client or password, close an account or open it again. Whoever is closed out, or gets
    another password, is logged out at once. Not by a token that ends, or may less than its user.
    """
    require_unlimited(person)
    changes = _changes(change)
    with served.library.store.write() as connection:
        changed = alter_account(connection, person.id, user_id, changes)
    served.people.forget()
    return changed


def _changes(change: AccountChange) -> dict[str, Any]:
    said = change.model_dump(exclude_unset=True)
    found: dict[str, Any] = {name: said[name] for name in ("client",) if name in said}
    if change.role is not None:
        found["role"] = change.role
    if change.password is not None:
        found["password_hash"] = hash_password(change.password.get_secret_value())
    if change.disabled is not None:
        found["disabled_at"] = now() if change.disabled else None
    return found
