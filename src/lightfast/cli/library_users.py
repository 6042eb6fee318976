"""`lightfast library users`: who may log in to the service."""

from __future__ import annotations

import getpass
import sys
from typing import TYPE_CHECKING, Annotated

from typer import Option

from lightfast.base.errors import DataError, SettingsError
from lightfast.cli.groups import library_app
from lightfast.cli.library import LibraryArg, number_of_user, opened
from lightfast.cli.parameters import AsJson, Device, Seed
from lightfast.cli.terminal import print_result

if TYPE_CHECKING:
    from sqlalchemy import Connection


@library_app.command("users", epilog="Example: lightfast library users archive/ --add ada --role admin")
def library_users(
    library: LibraryArg,
    add: Annotated[
        str | None,
        Option("--add", metavar="NAME", help="Add a user; the password is asked for, or read from stdin."),
    ] = None,
    role: Annotated[
        str, Option("--role", metavar="viewer|reviewer|admin", help="Of the user that is added.")
    ] = "reviewer",
    client: Annotated[
        str | None, Option("--client", metavar="NAME", help="A viewer sees this client's pictures alone.")
    ] = None,
    password: Annotated[
        str | None, Option("--new-password", metavar="NAME", help="Give a user another password.")
    ] = None,
    disable: Annotated[str | None, Option("--disable", metavar="NAME", help="Log out and keep out.")] = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """List who may log in to the service; add a user, or keep one out."""
    from lightfast.base.plain import as_json as plain
    from lightfast.library.people.accounts import add_account, list_accounts
    from lightfast.library.people.noting import note_audit
    from lightfast.serve.auth.accounts import disable_user, set_password
    from lightfast.serve.auth.passwords import hash_password

    if sum(one is not None for one in (add, password, disable)) > 1:
        raise SettingsError("--add, --new-password and --disable", expected="one of them")
    kept = hash_password(_asked_password()) if add or password else ""

    def change(connection: Connection) -> None:
        by = None if add is password is disable is None else number_of_user(connection)
        if add is not None:
            made = add_account(connection, add.strip(), role, kept, client)
            note_audit(connection, by, "user added", user=made.name, role=made.role)
        elif password is not None:
            set_password(connection, password, kept, by)
        elif disable is not None:
            disable_user(connection, disable, by)

    with opened(library) as held:
        held.store.act(change)
        with held.store.read() as connection:
            accounts = list_accounts(connection)
    lines = [
        f"{one.name:<20} {one.role:<9} {_state(one.can_log_in, one.disabled_at)}"
        + (f"  sees {one.client}" if one.client else "")
        for one in accounts
    ]
    print_result({"users": [plain(one) for one in accounts]}, as_json, lines or ["nobody yet"])


def _state(can_log_in: bool, disabled_at: object) -> str:
    return "kept out" if disabled_at else "may log in" if can_log_in else "has no password"


def _asked_password() -> str:
    if not sys.stdin.isatty():
        return sys.stdin.readline().rstrip("\n")
    first = getpass.getpass("password: ")
    if getpass.getpass("again: ") != first:
        raise DataError("the two passwords differ", cure="Type the same one twice.")
    return first
