"""The files that a table means when it writes their paths as another system or an earlier place had them."""

from __future__ import annotations

import dataclasses
import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import unquote

from lightfast.base.errors import DataError
from lightfast.base.text import nfc
from lightfast.data.decode.unreadable import printable
from lightfast.data.sources.folder import PICTURE_ENDINGS, file_kind, find_files
from lightfast.data.sources.remote import is_address

_Steps = tuple[str, ...]
_LOOKED_AT = 200
"""Names by which a beginning that all share is found."""


@dataclass(frozen=True)
class ManifestRow:
    """A picture that a table names: the name as written, the folder that it is relative to, its part,
    and its id.
    """

    name: str
    base: Path
    part: str
    id: str


def located(
    rows: Sequence[ManifestRow], where: str, root: Path | None = None
) -> tuple[list[ManifestRow], tuple[str, ...]]:
    """(rows whose names lead to files, notes); with `root` names are relative to it.

    A name that is no file as written is read with the separators of Windows, `%20` for a space, other case,
    another or no ending, or Unicode's other spelling, where one file below the table's folder fits. Where no
    name is a file as written, a beginning that they share (`C:\\Users\\me`, a place that was moved) is
    dropped, or the folder that they lack (`images`) put before them. What fits no file, or several, stays as
    it is.
    """
    if root is not None:
        if file_kind(root := root.expanduser()) != "folder":
            raise DataError(
                f"`root` {printable(root)}", expected="a folder", got="none", cure="Check its path."
            )
        rows = [dataclasses.replace(row, base=root) for row in rows]
    missing = [number for number, row in enumerate(rows) if not may_be_there(row)]
    found: dict[int, str] = {}
    for base in {rows[number].base for number in missing}:
        names = {number: rows[number].name for number in missing if rows[number].base == base}
        found |= _Files(base).fitting(names, as_written=len(missing) < len(rows))
    if not found:
        return list(rows), ()
    first = min(found)
    note = f"{len(found)} path(s) in {where} are no files as written and were read as those that fit"
    changed = [dataclasses.replace(row, name=found.get(number, row.name)) for number, row in enumerate(rows)]
    return changed, (f"{note} (first: {printable(rows[first].name)} as {printable(found[first])})",)


def may_be_there(row: ManifestRow) -> bool:
    """Whether the name leads to something on this disk, or to an address, which only fetching can tell."""
    is_elsewhere = is_address(row.name) and not row.name.startswith("file://")
    return is_elsewhere or file_kind(row.base / row.name) != ""


def _parts(name: str) -> _Steps:
    """The folders and the file of a path, in any system's way of writing."""
    plain = unquote(name) if name.startswith("file://") or "%" in name else name
    plain = re.sub(r"^(file://|[A-Za-z]:)", "", plain.strip().replace("\\", "/"))
    return tuple(part for part in plain.split("/") if part not in ("", "."))


def _key(parts: Sequence[str]) -> _Steps:
    return tuple(nfc(part).casefold() for part in parts)


def _without_ending(key: _Steps) -> _Steps:
    stem, dot, ending = key[-1].rpartition(".")
    return (*key[:-1], stem) if dot and f".{ending}" in PICTURE_ENDINGS else key


@dataclass
class _Files:
    """The pictures below a folder by their paths, and by these without endings, case and spelling aside."""

    base: Path
    keys: Mapping[_Steps, list[str]] = field(init=False)
    folders: set[_Steps] = field(init=False)

    def __post_init__(self) -> None:
        keys: dict[_Steps, list[str]] = defaultdict(list)
        self.folders = {()}
        for path in find_files(self.base).pictures:
            relative = path.relative_to(self.base)
            key = _key(relative.parts)
            self.folders |= {key[:depth] for depth in range(1, len(key))}
            for one in {key, _without_ending(key)}:
                keys[one].append(relative.as_posix())
        self.keys = dict(keys)

    def fitting(self, names: Mapping[int, str], *, as_written: bool) -> dict[int, str]:
        """{row: the path that fits}; unless names are taken `as_written`, behind the beginning that fits
        most.
        """
        parts = {number: _parts(name) for number, name in names.items()}
        dropped, put = ((), ()) if as_written else self._beginning(list(parts.values())[:_LOOKED_AT])
        count = len(dropped)
        rest = {
            number: one[count:] for number, one in parts.items() if one[:count] == dropped and one[count:]
        }
        found = {number: self._one((*put, *_key(one))) for number, one in rest.items()}
        return {number: path for number, path in found.items() if path}

    def _beginning(self, names: Sequence[_Steps]) -> tuple[_Steps, _Steps]:
        """(what to drop from the names, what to put before them) so that most of them are files."""
        ways: Counter[tuple[_Steps, _Steps]] = Counter()
        for one in names:
            key = _key(one)
            ways.update((one[:depth], ()) for depth in range(len(one)) if self._one(key[depth:]))
            ways.update(((), folder) for folder in self.folders if folder and self._one((*folder, *key)))
        return max(ways, key=lambda way: (ways[way], -len(way[0]) - len(way[1])), default=((), ()))

    def _one(self, key: _Steps) -> str:
        """The one file of this key, or of it without its ending; "" where there is none, or several."""
        exact = self.keys.get(key, [])
        fits = exact or self.keys.get(_without_ending(key), [])
        return fits[0] if len(fits) == 1 else ""
