"""`Journal`: an append-only JSON-lines file of records; what was appended stays, whatever happens later."""

from __future__ import annotations

import contextlib
import json
import os
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any, ClassVar, Generic, TypeVar

from lightfast.base.files import make_folder, storage_errors

Record = TypeVar("Record")


@dataclass(frozen=True)
class Entries(Generic[Record]):
    """What a journal holds: the whole records in the order in which they were appended, and the numbers
    (from 1) of the lines that are none.
    """

    noun: ClassVar[str] = "record"
    records: tuple[Record, ...] = ()
    torn: tuple[int, ...] = ()

    def notes(self, path: Path) -> tuple[str, ...]:
        """One sentence about the lines that are no whole records, where there are any."""
        if not self.torn:
            return ()
        lines = ", ".join(map(str, self.torn[:5])) + (" …" if len(self.torn) > 5 else "")
        return (
            f"{path.name}, line {lines}: not a whole {self.noun}, as a crash leaves it; it stays in the "
            "file and is not counted",
        )


class Journal(Generic[Record]):
    """Records of one frozen dataclass, a line each. Nothing in the file is ever changed or removed.

    A line counts when it is a JSON object with exactly the fields of the record, each of its type; a record
    class says more with pydantic's `Field`. Several programs may append to one file at a time.
    """

    def __init__(self, path: Path | str, kind: type[Record]) -> None:
        self.path, self.kind = Path(path), kind

    def prepare(self) -> None:
        """Make the file where there is none; raises StorageError before anybody has worked in vain."""
        make_folder(self.path.parent)
        with storage_errors(self.path), self.path.open("ab"):
            pass

    def append(self, record: Record) -> None:
        """Add one line, to a new file where there is none, and bring it to the disk.

        Two writers wait for each other; a torn last line gets an end, and stays. Raises StorageError when the
        disk does not take it.
        """
        make_folder(self.path.parent)
        with storage_errors(self.path), self.path.open("a+b", buffering=0) as stream, _locked(stream):
            _add_line(stream, record)

    def append_once(self, record: Record, same: Callable[[Record], bool]) -> Record:
        """`append`, unless a record that is there is the `same`; the record that stands then.

        Nobody appends between the look and the line. Raises StorageError as `append` does.
        """
        make_folder(self.path.parent)
        with storage_errors(self.path), self.path.open("a+b", buffering=0) as stream, _locked(stream):
            stream.seek(0)
            there = self._entries(stream.read())
            found = next((one for one in there.records if same(one)), None)
            if found is not None:
                return found
            _add_line(stream, record)
        return record

    def read(self) -> Entries[Record]:
        """Everything that was appended; empty when there is no file."""
        if not self.path.is_file():
            return Entries()
        with self.path.open("rb") as stream, _locked(stream, shared=True):
            content = stream.read()
        return self._entries(content)

    def _entries(self, content: bytes) -> Entries[Record]:
        from pydantic import TypeAdapter, ValidationError

        lines = content.split(b"\n")
        reader = TypeAdapter(self.kind)
        records: list[Record] = []
        torn: list[int] = []
        for number, line in enumerate(lines, start=1):
            if line.strip():
                try:
                    records.append(reader.validate_json(line, strict=True, extra="forbid"))
                except ValidationError:
                    torn.append(number)
        return Entries(tuple(records), tuple(torn))


def _add_line(stream: IO[bytes], record: object) -> None:
    """A line at the end of an open, locked file, brought to the disk."""
    values: Any = record
    line = json.dumps(asdict(values), ensure_ascii=False, allow_nan=False).encode() + b"\n"
    end = stream.seek(0, os.SEEK_END)
    if end:
        stream.seek(end - 1)
        line = line if stream.read(1) == b"\n" else b"\n" + line
    while line:
        line = line[stream.write(line) :]
    os.fsync(stream.fileno())


@contextlib.contextmanager
def _locked(stream: IO[bytes], *, shared: bool = False) -> Iterator[None]:
    """Hold the system's lock of an open file: alone, or with other readers."""
    if sys.platform == "win32":
        import msvcrt

        # Windows locks bytes and knows no shared lock here: one byte far behind any log, so that it is in
        # nobody's way.
        place = stream.seek(0, os.SEEK_CUR)
        stream.seek(1 << 40)
        msvcrt.locking(stream.fileno(), msvcrt.LK_LOCK, 1)
        stream.seek(place)
        try:
            yield
        finally:
            stream.seek(1 << 40)
            msvcrt.locking(stream.fileno(), msvcrt.LK_UNLCK, 1)
        return
    import fcntl

    fcntl.flock(stream.fileno(), fcntl.LOCK_SH if shared else fcntl.LOCK_EX)
    try:
        yield
    finally:
        fcntl.flock(stream.fileno(), fcntl.LOCK_UN)
