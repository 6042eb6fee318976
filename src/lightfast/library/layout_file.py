"""Clusters and maps of a library's pictures, as they were found last: one file each, whole or not there."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import DataError, NotFoundError
from lightfast.base.files import atomic
from lightfast.library.library import Library

LayoutKind = Literal["clusters", "map"]


@dataclass(frozen=True, eq=False)
class SavedLayout:
    """What was found last.

    Attributes:
        facts: plain JSON: when, by which network, and what else is known.
        arrays: a row a picture each; `asset_ids` int64 (N,) says which.
    """

    facts: Mapping[str, Any]
    arrays: Mapping[str, NDArray]

    @property
    def asset_ids(self) -> NDArray[np.int64]:
        """int64 (N,): the picture of each row."""
        return self.arrays["asset_ids"]


def save_layout(library: Library, kind: LayoutKind, layout: SavedLayout) -> None:
    """Keep it in place of the one before."""
    facts = np.frombuffer(json.dumps(layout.facts, allow_nan=False).encode(), np.uint8)
    with atomic(library.folder / "layouts" / f"{kind}.npz") as temporary, temporary.open("wb") as stream:
        np.savez(stream, **{"facts": facts, **layout.arrays})  # pyright: ignore[reportArgumentType]


def load_layout(library: Library, kind: LayoutKind) -> SavedLayout:
    """What was found last; raises NotFoundError where nobody has looked yet."""
    path = library.folder / "layouts" / f"{kind}.npz"
    if not path.is_file():
        raise NotFoundError(f"no {kind} made yet", cure=f"Order the job `{kind}`.")
    try:
        with np.load(path, allow_pickle=False) as held:
            arrays = {name: held[name] for name in held.files if name != "facts"}
            return SavedLayout(json.loads(held["facts"].tobytes()), arrays)
    except (ValueError, KeyError, OSError) as error:
        raise DataError(f"{path} is damaged ({error})", cure=f"Order the job `{kind}` again.") from error
