"""`Service`: what all requests of one server share."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from functools import partial
from typing import Annotated

from fastapi import Depends, Request
from sqlalchemy import Connection, select

from lightfast.base.errors import SettingsError
from lightfast.library.add import add_pictures
from lightfast.library.library import Library
from lightfast.library.schema import users
from lightfast.library.users import user_number
from lightfast.serve.explaining import MapDrawer
from lightfast.serve.inference import ModelHolder
from lightfast.serve.limiter import Limiter
from lightfast.serve.metrics import Metrics
from lightfast.serve.settings import ServeSettings


class Service:
    """An open library with the settings of the server, its limits and its model."""

    def __init__(self, library: Library, settings: ServeSettings) -> None:
        self.library, self.settings = library, settings
        limits = settings.limits
        self.requests = Limiter(limits.requests_a_second, limits.burst)
        self.logins = Limiter(limits.logins_a_minute / 60, limits.logins_a_minute)
        self.metrics = Metrics()
        self.model = ModelHolder(library, settings.model, settings.device, self.metrics.batches.observe)
        self.maps = MapDrawer(settings.device)
        self._local: int | None = None
        self._lock = threading.Lock()

    def is_local(self, connection: Connection) -> bool:
        """Whether everyone who reaches the server is its owner: on loopback, as long as nobody has a
        password.
        """
        return self.settings.on_loopback and not has_users(connection)

    def local_user_id(self) -> int:
        """The number of the owner, who is made when first asked for."""
        with self._lock:
            if self._local is None:
                name = self.settings.local_user
                self._local = self.library.store.act(
                    lambda connection: user_number(connection, name, "admin")
                )
            return self._local

    def start(self, pictures: Sequence[str]) -> None:
        """Begin what runs beside the requests: `pictures` are added."""
        if pictures:
            work = partial(add_pictures, self.library, list(pictures))
            self._adding = threading.Thread(target=work, name="adding", daemon=True)
            self._adding.start()

    def close(self) -> None:
        """Give the model back; the library is the caller's."""
        self.model.close()

    def require_users(self) -> None:
        """Refuse to serve other machines as long as nobody has a password; raises SettingsError."""
        with self.library.store.read() as connection:
            if not self.settings.on_loopback and not has_users(connection):
                raise SettingsError(
                    f"`host` {self.settings.host} is reached by other machines, and nobody has a password",
                    cure=f"First: lightfast library users {self.library.folder} --add NAME --role admin.",
                )


def has_users(connection: Connection) -> bool:
    """Whether anybody can log in."""
    found = select(users.c.id).where(users.c.password_hash.isnot(None), users.c.disabled_at.is_(None))
    return connection.execute(found.limit(1)).scalar() is not None


async def _service_of(request: Request) -> Service:
    return request.app.state.service


Served = Annotated[Service, Depends(_service_of)]
