"""Tasks that the machines of a cluster find by name, and what becomes of some of them."""

from __future__ import annotations

import json
import os
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from fsspec import AbstractFileSystem

from lightfast.base.errors import DataError


class Loopback(AbstractFileSystem):
    """Files of a web server here, by plain requests that say which process asks."""

    protocol = "loopback"
    cachable = False

    def _answer(self, path: str) -> bytes:
        asked = urllib.request.Request(f"http://{path}", headers={"Process": str(os.getpid())})
        with urllib.request.urlopen(asked, timeout=60) as answer:
            return answer.read()

    def info(self, path: str, **_: object) -> dict[str, object]:
        path = self._strip_protocol(path)
        kind = "file" if "." in path.rpartition("/")[2] and "/" in path else "directory"
        return {"name": path, "type": kind, "size": None}

    def find(self, path: str, *_: object, **__: object) -> dict[str, dict[str, object]]:
        """All pictures of the site, by its index: name → time of change."""
        known = json.loads(self._answer(f"{path}/index.json"))
        return {
            f"{path}/{name}": {"name": f"{path}/{name}", "type": "file", "size": 1, "mtime": when}
            for name, when in known.items()
        }

    def get_file(self, rpath: str, lpath: str, **_: object) -> None:
        Path(lpath).write_bytes(self._answer(self._strip_protocol(rpath)))


def weighted(number: int, pixels: np.ndarray) -> tuple[int, float, bool, int]:
    from joblib import cpu_count

    return number, float(pixels.sum()) * number, pixels.flags.writeable, cpu_count()


def marked(folder: Path, number: int) -> int:
    if number == 2:
        raise DataError("picture 2 is torn", cure="Mend it.")
    (folder / str(number)).touch()
    return number


def killed_first(folder: Path, number: int, times: int) -> int:
    """Ends its process so many times before it answers, as a kill for want of memory does."""
    if number == 1 and len(list(folder.iterdir())) < times:
        (folder / f"{time.time_ns()}").touch()
        os._exit(1)
    return number * 10


def slow_when_first(number: int) -> int:
    time.sleep(1.0 if number == 0 else 0.0)
    return number


def torn_while_the_first_is_slow(number: int) -> int:
    if number == 1:
        raise DataError("picture 1 is torn", cure="Mend it.")
    return slow_when_first(number)


def out_of_memory(number: int) -> int:
    if number == 1:
        raise MemoryError("cannot allocate 9 TiB")
    return number


def store_full(number: int) -> int:
    from ray.exceptions import ObjectStoreFullError

    if number == 1:
        raise ObjectStoreFullError("no room for\n60 MB")
    return number


@dataclass(frozen=True)
class Starved:
    """Infers nothing of five pictures so many times, for want of memory; else that all are of one class."""

    folder: Path
    times: int
    classes: int

    def __call__(self, images: np.ndarray) -> np.ndarray:
        if len(images) == 5 and len(list(self.folder.iterdir())) < self.times:
            (self.folder / f"{time.time_ns()}").touch()
            raise MemoryError("cannot allocate 9 TiB")
        return np.eye(self.classes, dtype=np.float32)[np.zeros(len(images), dtype=int)]


def absolute(number: int) -> int:
    return abs(number)


def seen_from(number: int, megabytes: int) -> tuple[int, Any]:
    return number, np.full(megabytes << 20, number, np.uint8)


def join_as(rank: int, meeting: Path, sides: Any, how: dict[str, Any], seed: int) -> Any:
    """What one of two processes of a training fits; they meet at a file."""
    from datetime import timedelta

    from torch import distributed

    from lightfast.train.fit import fit
    from lightfast.train.recipe import Training

    wait = timedelta(seconds=200)
    distributed.init_process_group("gloo", f"file://{meeting}", timeout=wait, rank=rank, world_size=2)
    try:
        return fit(*sides, **how, training=Training(seed, "cpu"))
    finally:
        distributed.destroy_process_group()


def fail_as(
    rank: int, meeting: Path, sides: Any, how: dict[str, Any], folders: list[list[Path]]
) -> list[Any]:
    """What one of two processes meets in one training after the other, each with folders of its own: the line
    of its error, or the processor seconds of every epoch.
    """
    from datetime import timedelta

    from torch import distributed

    from lightfast.base.errors import LightfastError
    from lightfast.train.fit import fit
    from lightfast.train.recipe import Training

    wait, met = timedelta(seconds=200), []
    distributed.init_process_group("gloo", f"file://{meeting}", timeout=wait, rank=rank, world_size=2)
    try:
        for folder in folders:
            try:
                found = fit(*sides, **how, training=Training(3, "cpu", folder[rank], resume=True))
                met.append([row["processor_seconds"] for row in found.history])
            except LightfastError as error:
                met.append(f"{type(error).__name__}: {error}")
    finally:
        distributed.destroy_process_group()
    meeting.with_name(f"met-{rank}.json").write_text(json.dumps(met))
    return met


def join_second(*arguments: Any) -> None:
    join_as(1, *arguments)
