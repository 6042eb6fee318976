"""Pictures at addresses, fetched by who reads them, into a folder that lasts as long as the reading."""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightfast.base.errors import DataError
from lightfast.data.dataset import Address, Entry
from lightfast.data.sources.remote import NOT_FETCHED, FileRequest, fetch_files, local_name, open_location

_WAITS = (0.5, 1.0, 2.0)
"""Seconds before a file is asked for again that a server could not give."""


@dataclass(frozen=True)
class Brought:
    """Entries whose files are here.

    Attributes:
        entries: as they were given, with other paths.
        known: path here → the entry as it was given.
        reasons: path here → why there is no file.
    """

    entries: tuple[Entry, ...]
    known: dict[Path, Entry]
    reasons: dict[Path, str]


@contextlib.contextmanager
def bring(entries: Sequence[Entry]) -> Iterator[Brought]:
    """Fetch those of `entries` that have an address, several at once; they are gone at the end of the block.

    What a server cannot give at the moment is asked for four times in some seconds. A file that cannot be
    had is an empty one with a reason. Raises DataError when file after file fails: then it is the network.
    """
    with tempfile.TemporaryDirectory(prefix="lightfast-") as folder:
        here, requests, known = list(entries), list[FileRequest](), dict[Path, Entry]()
        reasons: dict[Path, str] = {}
        for number, one in enumerate(entries):
            if one.address is None:
                continue
            path = Path(folder, str(number), local_name(one.address.url))
            here[number], known[path] = dataclasses.replace(one, path=path, address=None), one
            try:
                # Of its kind it is known already: that spares a question.
                requests.append(FileRequest(open_location(one.address.url), path, {"type": "file"}))
            except DataError as error:
                reasons[path] = f"{NOT_FETCHED} ({error})"
        said = fetch_files(requests, waits=_WAITS)
        reasons |= {one.local: why for one, why in zip(requests, said, strict=True) if why}
        reasons |= {
            path: _OTHER for path, one in known.items() if path not in reasons and _is_other(path, one)
        }
        yield Brought(tuple(here), known, reasons)


_OTHER = "it is no longer the file that was added"


def _is_other(path: Path, one: Entry) -> bool:
    wanted = (one.address or Address("")).sha256
    return bool(wanted) and hashlib.sha256(path.read_bytes()).hexdigest() != wanted
