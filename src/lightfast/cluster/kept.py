"""Blocks of pictures that were read: one file each, named by all that decides it."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Self
from zipfile import BadZipFile

import numpy as np

from lightfast.base.files import json_digest, write_bytes
from lightfast.base.plain import as_json
from lightfast.data.dataset import Entry, Unreadable
from lightfast.data.decode.examined import DamageChoice
from lightfast.tagging.runtime import Tagger
from lightfast.tagging.stream import Tagged


@dataclass(frozen=True)
class KeptBlocks:
    """What was read of blocks of files, in `folder` (None: nothing is kept); `decides` is what else than the
    files decides it.
    """

    folder: Path | None
    decides: str

    @classmethod
    def of(cls, folder: Path | None, tagger: Tagger, damaged: DamageChoice, *, hashed: bool) -> Self:
        """The blocks that this model reads in this way."""
        card, seen = as_json(tagger.card), "" if tagger.seen is None else tagger.seen.tobytes().hex()
        said = {"card": card, "source": "" if tagger.card.source_digest else tagger.source}
        return cls(folder, json_digest({**said, "seen": seen, "damaged": damaged, "hashed": hashed}))

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
        """Keep what was read of the block: a file that is there whole or not at all."""
        if self.folder is None:
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
        """Forget all blocks: what they said stands elsewhere."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _path(self, block: Sequence[Entry]) -> Path:
        files = [(entry.id, str(entry.path), *_state(entry.path)) for entry in block]
        return Path(self.folder or "", f"{json_digest({'by': self.decides, 'files': files}, 16)}.npz")


def _state(path: Path) -> tuple[int, ...]:
    """Size and time of a file, which tell whether it is still the one that was read."""
    with contextlib.suppress(OSError):
        status = path.stat()
        return status.st_size, status.st_mtime_ns
    return ()
