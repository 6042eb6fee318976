"""`Service`: what all requests of one server share."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Depends, Request
from sqlalchemy import Connection, bindparam, select, update

from lightfast.base.errors import SettingsError, StorageError
from lightfast.base.files import storage_errors
from lightfast.library.library import Library
from lightfast.library.people.noting import note_audit
from lightfast.library.people.users import user_number
from lightfast.library.schema import users
from lightfast.runs.library.worker import JobEngine, start_jobs
from lightfast.serve.embedding import UploadEmbedder
from lightfast.serve.explaining import MapDrawer
from lightfast.serve.following import QueueFollower
from lightfast.serve.inference import ModelHolder
from lightfast.serve.limiter import Limiter
from lightfast.serve.metrics import Metrics
from lightfast.serve.recent import Recent
from lightfast.serve.repairing import PictureRepairer
from lightfast.serve.settings import ServeSettings

_PROXIED = "a server with `https` or `hosts` stands behind a proxy and is"
KNOWN_SECONDS = 1.0
"""For which somebody who was looked up is known without asking the database, where nothing is written."""
_LOG = logging.getLogger("lightfast.serve")


class Service:
    """An open library with the settings of the server, its limits and its model."""

    def __init__(self, library: Library, settings: ServeSettings) -> None:
        self.library, self.settings = library, settings
        limits = settings.limits
        self.requests = Limiter(limits.requests_a_second, limits.burst)
        self.logins = Limiter(limits.logins_a_minute / 60, limits.logins_a_minute)
        self.metrics = Metrics()
        observe = self.metrics.batches.observe
        self.model = ModelHolder(library, settings.model, settings.device, observe, settings.workers)
        self.maps = MapDrawer(settings.device)
        self.repairs = PictureRepairer(settings.device)
        self.embeddings = UploadEmbedder(library, settings.device)
        self.follower = QueueFollower(library)
        self.closing = threading.Event()
        # Digests of secrets that held when they came last; whether one still does is asked of the database.
        self.senders: set[str] = set()
        # Senders by digest with who they are, for requests that write nothing; forgotten wherever this
        # process changes what somebody may.
        self.people: Recent[Any] = Recent(KNOWN_SECONDS)
        self._engine: JobEngine | None = None
        self._starting = threading.Lock()

    def is_local(self, connection: Connection) -> bool:
        """Whether everyone who reaches the server is its owner: on loopback without a proxy, as long as
        nobody has a password.
        """
        return self.settings.only_here and not has_users(connection)

    def owner(self, connection: Connection, *, writes: bool = False) -> int:
        """The number of the owner; 0 before the first write, which calls `make_owner`: also where the command
        line knew the owner before, as the reviewer who decided there.
        """
        name = self.settings.local_user.strip()
        found = connection.execute(_NAMED, {"name": name}).one_or_none()
        return 0 if found is None or (writes and found.role != "admin") else found.id

    def make_owner(self, connection: Connection) -> int:
        """The number of the owner, who is made where it is not there yet; as long as nobody has a password an
        admin, so that the owner's tokens may what the owner may.
        """
        number = user_number(connection, self.settings.local_user, "admin")
        if self.is_local(connection):
            lesser = update(users).where(users.c.id == number, users.c.role != "admin")
            if connection.execute(lesser.values(role="admin", client=None)).rowcount:
                said = {"user": self.settings.local_user.strip(), "changes": ["role"]}
                note_audit(connection, number, "user changed", **said)
        return number

    def start(self, pictures: Sequence[str]) -> None:
        """Begin to work on jobs; the first one adds `pictures`. A library that cannot be written is served
        for reading.
        """
        self.follower.start()
        try:
            # One that only takes orders begins with the first of them.
            engine = self.jobs if self.settings.work or pictures else None
        except StorageError as error:
            _LOG.warning("jobs cannot be worked on: %s", error)
            return
        if engine is not None and pictures:
            owner = self.library.store.act(self.make_owner)
            engine.submit("add", {"sources": tuple(pictures)}, owner)

    @property
    def jobs(self) -> JobEngine:
        """Takes orders for jobs. Raises StorageError where the library cannot be written."""
        with self._starting, storage_errors(self.library.folder):
            if self._engine is None:
                self._engine = start_jobs(self.library, work=self.settings.work)
            return self._engine

    def close(self) -> None:
        """End the streams, stop working on jobs, and give the model back; the library is the caller's."""
        self.closing.set()
        self.follower.close()
        if self._engine is not None:
            self._engine.close()
        self.model.close()

    def require_users(self) -> None:
        """Refuse to serve other machines as long as nobody has a password; raises SettingsError."""
        with self.library.store.read() as connection:
            if not self.settings.only_here and not has_users(connection):
                how = f"`host` {self.settings.host} is" if not self.settings.on_loopback else _PROXIED
                raise SettingsError(
                    f"{how} reached by other machines, and nobody has a password",
                    cure=f"Add an admin first: lightfast library users {self.library.folder}.",
                )


_NAMED = select(users.c.id, users.c.role).where(users.c.name == bindparam("name"))
_ABLE = select(users.c.id).where(users.c.password_hash.isnot(None), users.c.disabled_at.is_(None)).limit(1)


def has_users(connection: Connection) -> bool:
    """Whether anybody can log in."""
    return connection.execute(_ABLE).scalar() is not None


async def _service_of(request: Request) -> Service:
    return request.app.state.service


Served = Annotated[Service, Depends(_service_of)]
