"""`lightfast library tokens`: secrets by which programs use the service."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated

from typer import Option

from lightfast.base.errors import SettingsError
from lightfast.cli.groups import library_app
from lightfast.cli.library import LibraryArg, number_of_user, opened
from lightfast.cli.parameters import AsJson, Device, Seed
from lightfast.cli.terminal import print_result

if TYPE_CHECKING:
    from sqlalchemy import Connection

    from lightfast.serve.auth.tokens import KeptToken, TokenLimits


@library_app.command(
    "tokens", epilog='Example: lightfast library tokens archive/ --make "the shop" --user ada --role viewer'
)
def library_tokens(
    library: LibraryArg,
    make: Annotated[
        str | None,
        Option("--make", metavar="NOTE", help="Make a token for what NOTE says. It is shown once."),
    ] = None,
    user: Annotated[
        str | None, Option("--user", metavar="NAME", help="Whose token it is; alone: list this user's.")
    ] = None,
    role: Annotated[
        str | None,
        Option("--role", metavar="viewer|reviewer|admin", help="The most that it may. Default: as its user."),
    ] = None,
    client: Annotated[
        str | None, Option("--client", metavar="NAME", help="A viewer of this client's pictures alone.")
    ] = None,
    days: Annotated[
        int | None,
        Option("--days", min=1, max=3_650, metavar="N", help="It ends by itself after so many days."),
    ] = None,
    revoke: Annotated[
        int | None, Option("--revoke", metavar="ID", help="End the token of this number, for good.")
    ] = None,
    as_json: AsJson = False,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """List the tokens of programs, without their secrets; make or revoke one."""
    from lightfast.library.store import now
    from lightfast.serve.auth.accounts import named_user
    from lightfast.serve.auth.tokens import TokenLimits, list_tokens, revoke_token

    _require_fitting(make, revoke, user, limited=not (role is client is days is None))
    ends = None if days is None else now() + timedelta(days=days)

    def change(connection: Connection) -> str | None:
        if revoke is not None:
            revoke_token(connection, number_of_user(connection), revoke)
        if make is None or user is None:
            return None
        return _made(connection, user, make, TokenLimits(role, client, ends))

    with opened(library) as held:
        secret = None
        if make is not None or revoke is not None:
            # Not `act`, which may try again: a token whose acknowledgement was lost would be two.
            with held.store.write() as connection:
                secret = change(connection)
        with held.store.read() as connection:
            found = list_tokens(connection, None if user is None else named_user(connection, user))
    result = {"tokens": [one.as_json() for one in found]} | ({} if secret is None else {"secret": secret})
    shown = [] if secret is None else [f"secret     {secret}", "           It is not shown again."]
    print_result(result, as_json, [*shown, *(map(_line, found))] or ["nobody has a token"])


def _require_fitting(make: str | None, revoke: int | None, user: str | None, *, limited: bool) -> None:
    if make is not None and revoke is not None:
        raise SettingsError("--make and --revoke", expected="one of them")
    if make is None and limited:
        raise SettingsError("--role, --client and --days", expected="--make with them")
    if make is not None and user is None:
        raise SettingsError("--make", expected="--user: whose token it is")


def _made(connection: Connection, user: str, note: str, limits: TokenLimits) -> str:
    from lightfast.serve.auth.accounts import named_user
    from lightfast.serve.auth.tokens import make_token

    if not 1 <= len(note.strip()) <= 200:
        raise SettingsError("--make", expected="1 to 200 signs that say what it is for")
    owner = named_user(connection, user)
    return make_token(connection, number_of_user(connection), owner, note.strip(), limits)[1]


def _line(token: KeptToken) -> str:
    from lightfast.library.store import now

    state = f"until {token.expires_at:%Y-%m-%d}" if token.expires_at is not None else "holds"
    if token.expires_at is not None and token.expires_at <= now():
        state = f"ended {token.expires_at:%Y-%m-%d}"
    if token.revoked_at is not None:
        state = f"revoked {token.revoked_at:%Y-%m-%d}"
    most = "viewer" if token.client is not None else token.role or "as its user"
    sees = "" if token.client is None else f"  sees {token.client}"
    return f"{token.id:<5} {token.user:<20} {most:<12} {state:<18} {token.note}{sees}"
