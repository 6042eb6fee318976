"""Blocks of pictures that were read: one file each, named by all that decides it."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np

from lightfast.base.files import json_digest, write_bytes
from lightfast.base.plain import as_json
from lightfast.data.dataset import Entry, Unreadable
from lightfast.data.decode.examined import DamageChoice
from lightfast.data.sources.remote import is_trouble
from lightfast.tagging.runtime import Tagger
from lightfast.tagging.stream import Tagged

_NAME_BYTES = 16
_NAME = re.compile(rf"\.?[0-9a-f]{{{2 * _NAME_BYTES}}}\.npz(\.\w+\.part)?")
"""Also what a writing that was killed left beside (`base.files.atomic`)."""


@dataclass(frozen=True)
class KeptBlocks:
    """What was read of blocks of files, in `folder` (None: nothing is kept); `decides` is what else than the
    files decides it.
    """

    folder: Path | None
    decides: str

    @classmethod
    def of(cls, folder: Path | None, tagger: Tagger, damaged: DamageChoice, *, hashed: bool) -> Self:
        """The blocks that this model reads in this way; nothing is kept of one whose content has no digest,
        since another one may lie under its name next time.
        """
        digest = "" if folder is None else tagger.digest
        if not digest:
            return cls(None, "")
        said = {"digest": digest, "card": as_json(tagger.card), "damaged": damaged, "hashed": hashed}
        seen = "" if tagger.seen is None else tagger.seen.tobytes().hex()
        return cls(folder, json_digest({**said, "seen": seen}))

    def load(self, block: Sequence[Entry]) -> Tagged | None:
        """What was read of the block; None where it is not kept, or its file is damaged."""
        if self.folder is None:
            return None
        try:
            content = BytesIO(self._path(block).read_bytes())
            with np.load(content, allow_pickle=False) as held:
                said = json.loads(held["said"].tobytes())
                return Tagged(
                    tuple(block[place] for place in said["read"]),
                    held["probs"],
                    tuple(Unreadable(**one) for one in said["unreadable"]),
                    said["remarks"],
                    held.get("seen"),
                    tuple(said["hashes"]),
                )
        except (OSError, ValueError, EOFError, KeyError, BadZipFile):
            return None

    def save(self, block: Sequence[Entry], found: Tagged) -> None:
        """Keep what was read of the block: a file that is there whole or not at all; nothing where a file
        could not be fetched, which may come the next time.
        """
        if self.folder is None or any(is_trouble(one.reason) for one in found.unreadable):
            return
        places = {entry: place for place, entry in enumerate(block)}
        said = {
            "read": [places[entry] for entry in found.entries],
            "unreadable": [asdict(one) for one in found.unreadable],
            "remarks": dict(found.remarks),
            "hashes": found.hashes,
        }
        arrays: dict[str, Any] = {} if found.seen is None else {"seen": found.seen}
        buffer = BytesIO()
        text = np.frombuffer(json.dumps(said).encode(), dtype=np.uint8)
        np.savez(buffer, probs=found.probs, said=text, **arrays)
        write_bytes(self._path(block), buffer.getvalue())

    def clear(self) -> None:
        """Forget all blocks, of other models too: what they said stands elsewhere. Other files stay, and
        then the folder.
        """
        if self.folder is None or not self.folder.is_dir():
            return
        # What cannot be removed costs its place alone.
        with contextlib.suppress(OSError):
            for path in self.folder.iterdir():
                if _NAME.fullmatch(path.name):
                    path.unlink(missing_ok=True)
            self.folder.rmdir()

    def _path(self, block: Sequence[Entry]) -> Path:
        files = [(entry.id, *_file(entry)) for entry in block]
        name = json_digest({"by": self.decides, "files": files}, _NAME_BYTES)
        return Path(self.folder or "", f"{name}.npz")


def _file(entry: Entry) -> tuple[str | int, ...]:
    """What names a file in its state; one at an address by what its listing said, where there is one."""
    path, address = str(entry.path), entry.address
    return (path, *_state(entry.path)) if address is None else (path, *astuple(address))


def _state(path: Path) -> tuple[int, ...]:
    """Size and time of a file, which tell whether it is still the one that was read."""
    with contextlib.suppress(OSError):
        status = path.stat()
        return status.st_size, status.st_mtime_ns
    return ()
