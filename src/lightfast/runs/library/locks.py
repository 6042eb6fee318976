"""Which workers of a library are alive: each holds a lock on a file, which the system takes from it when it
dies, by whatever death.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

from lightfast.base.files import make_folder, require_writable

_SUFFIX = ".lock"


class WorkerLock:
    """The lock of this process on a file of its own in `folder`, from here until `release` or its death.

    A POSIX lock: unlike flock's it is not handed on to forked children, which may live longer. Workers on
    several machines have to see the same folder.
    """

    def __init__(self, folder: Path) -> None:
        require_writable(make_folder(folder), folder=True)
        self.name = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"
        fresh = folder / f"{self.name}.new"
        self._file = fresh.open("w", encoding="utf-8")
        fcntl.lockf(self._file, fcntl.LOCK_EX)
        # Under its name only now: nobody finds it there without its lock.
        fresh.rename(folder / f"{self.name}{_SUFFIX}")

    def release(self) -> None:
        """Let the lock go. The file stays: it says to the next worker that this one is gone."""
        self._file.close()


@contextmanager
def dead_worker(path: Path) -> Iterator[str | None]:
    """The name of the worker of this file if it is dead, else None.

    While it is given nobody else is given it; at the end, unless something was raised, the file goes.
    """
    try:
        file = path.open("r+", encoding="utf-8")
    except FileNotFoundError:
        yield None
        return
    with file:
        if not _locked(file):
            yield None
            return
        yield path.name.removesuffix(_SUFFIX)
        path.unlink(missing_ok=True)


def _locked(file: IO[str]) -> bool:
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


def lock_files(folder: Path, own: str) -> list[Path]:
    """The files of the other workers, dead or alive."""
    return sorted(path for path in folder.glob(f"*{_SUFFIX}") if path.name != f"{own}{_SUFFIX}")


def is_lost(worker: str, folder: Path) -> bool:
    """Whether the worker has no file any more (a backup was restored, the folder was cleaned) and was a
    process of this machine that is gone.
    """
    host, pid, _ = worker.rsplit("-", 2)
    if (folder / f"{worker}{_SUFFIX}").exists() or host != socket.gethostname():
        return False
    try:
        os.kill(int(pid), 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False
