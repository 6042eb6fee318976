"""A table beside a folder of pictures (`images/` + `train.csv`, `train/` + `labels.csv`), as competitions
publish them.
"""

from __future__ import annotations

import dataclasses
import os
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightfast.base.errors import DataError
from lightfast.data.dataset import ImageSpec, LoadedData
from lightfast.data.decode.unreadable import printable
from lightfast.data.lists.label_columns import has_labels
from lightfast.data.lists.layout import Layout, NoClassFolders
from lightfast.data.lists.manifest import ManifestRow, load_rows, table_rows
from lightfast.data.lists.metadata import join_tables, left_out_notes
from lightfast.data.lists.table import PATH_COLUMNS, PictureTable, cell_text, load_table
from lightfast.data.sources.folder import MANIFEST_ENDINGS
from lightfast.data.sources.names import part_named
from lightfast.data.sources.resolve import SourceResolver


@dataclass(frozen=True)
class _Usable:
    """A table of labels whose paths name pictures here; `rows` say which."""

    file: Path
    table: PictureTable
    rows: Sequence[ManifestRow]


def load_table_beside(
    given: Path, layout: Layout, target: ImageSpec, resolver: SourceResolver
) -> LoadedData | None:
    """The pictures that a table beside them labels, where the folders say nothing of classes; None where
    they do, or no table is there.

    Paths are relative to the table or to a folder of pictures, with the endings of the files or without. Of
    several tables each is a part that it is called after (`train.csv`, `test.csv`); of one, the column
    `split` or the folders of the files say the parts.

    Raises NoClassFolders, naming the tables and what each lacks, when none can be used; DataError for several
    that are no parts, and as `load_manifest` does.
    """
    tables = _tables(given, layout) if _says_nothing(layout) else []
    if not tables:
        return None
    names = _Names(given, layout)
    looked = {file: _usable(file, names) for file in tables}
    usable = [found for found in looked.values() if isinstance(found, _Usable)]
    useless = {file: found for file, found in looked.items() if isinstance(found, str)}
    if not usable:
        file, why = next(iter(useless.items()))
        raise NoClassFolders(
            f"{printable(layout.root)} has {len(layout.found.pictures)} pictures but no class folders, and "
            f"{file.name} beside them cannot be used: {why}",
            cure="Call its columns path and label, with paths relative to it, or make class folders.",
        )
    rows = _parted(usable, layout)
    table = join_tables([one.table for one in usable], printable(usable[0].file))
    used = ", ".join(one.file.name for one in usable)
    notes = [
        f"labels are those of {used} beside the pictures",
        *(f"{file.name} was not used: {why}" for file, why in useless.items()),
        *left_out_notes(layout.found, rows, tables),
    ]
    loaded = load_rows(given.resolve().name, table, rows, target, resolver, notes)
    unreadable = tuple(sorted((*loaded.unreadable, *layout.found.closed)))
    return dataclasses.replace(loaded, unreadable=unreadable)


def _says_nothing(layout: Layout) -> bool:
    """Whether the folders name no classes: some part has none, or there is one folder only."""
    if not all(layout.classes.values()):
        return True
    return len(layout.class_names) == 1 and len(layout.classes) == 1


def _tables(given: Path, layout: Layout) -> list[Path]:
    """The tables in the folder, or further in where all of it is read from there, or beside the pictures."""
    places = {given, layout.root, *layout.parts.values()}
    places |= {above for above in layout.root.parents if above.is_relative_to(given)}
    inner = {folder for classes in layout.classes.values() for folder in classes}
    return [
        path
        for path in layout.found.others
        if path.suffix.lower() in MANIFEST_ENDINGS and path.parent in places | inner
    ]


class _Names:
    """The pictures by what a table may call them: relative to a folder, with their ending or without."""

    def __init__(self, given: Path, layout: Layout) -> None:
        self.given, self.folders = given, [given, *layout.found.folders]
        self.paths = set(map(os.path.normpath, layout.found.pictures))
        self.stems: dict[Path, list[Path]] = defaultdict(list)
        for path in layout.found.pictures:
            self.stems[path.with_suffix("")].append(path)

    def placed(self, names: Sequence[str], part: str | None, near: Path) -> tuple[Path, Mapping[str, str]]:
        """(the folder that most of the names are relative to, {name: the path there}): first the table's own,
        then those called after the part.
        """

        def rank(folder: Path) -> tuple[bool, bool, int]:
            return (folder != near, part is None or part_named(folder.name) != part, len(folder.parts))

        best, most = near, dict[str, str]()
        for folder in sorted(self.folders, key=rank):
            here = dict(self._found(folder, names))
            if len(here) > len(most):
                best, most = folder, here
            if len(most) == len(names):
                break
        return best, most

    def _found(self, folder: Path, names: Sequence[str]) -> Iterator[tuple[str, str]]:
        for name in names:
            path = folder / name
            if os.path.normpath(path) in self.paths:
                yield name, name
            elif len(fits := self.stems.get(path, ())) == 1:
                yield name, fits[0].relative_to(folder).as_posix()


def _part(table: Path) -> str | None:
    """The part that a table is called after: `train.csv`, `test_labels.csv`."""
    return part_named(re.sub(r"[\W_]*(labels?|annotations?|list)[\W_]*", " ", table.stem.casefold()))


def _usable(file: Path, names: _Names) -> _Usable | str:
    """The table with its rows, or why it cannot be used."""
    try:
        table = load_table(file)
    except DataError as error:
        return str(error).removesuffix(f" {error.cure}")
    columns = [name for name in PATH_COLUMNS if name in table.columns]
    lacks = "path" if not columns else "" if has_labels(table) else "label"
    if lacks:
        return f"it has no column {lacks!r} (its columns: {','.join(table.columns) or 'none'})"
    return _placed(file, table, columns[0], names)


def _placed(file: Path, table: PictureTable, column: str, names: _Names) -> _Usable | str:
    """The table with its rows, or that it names no file here."""
    part = _part(file)
    written = [cell_text(row[column]).strip() for row in table.rows]
    base, placed = names.placed([name for name in written if name], part, file.parent)
    if not placed:
        shown = f", the first is {printable(written[0])!r}" if written else ""
        return f"none of the {len(written)} files that it names is here{shown}"
    said = part if "split" not in table.columns and part != "train" else None
    given = names.given
    prefix = "" if base == given else f"{base.relative_to(given).as_posix()}/"
    rows = [
        dataclasses.replace(row, name=(path := placed.get(row.name.strip(), row.name)), id=prefix + path)
        for row in table_rows(table, column, base, said)
    ]
    return _Usable(file, table, rows)


def _parted(usable: Sequence[_Usable], layout: Layout) -> list[ManifestRow]:
    """The rows of all tables with their parts."""
    rows = [row for one in usable for row in one.rows]
    if len(usable) > 1:
        _require_named_parts(usable)
        return rows
    if "split" in usable[0].table.columns:
        return rows
    folders = {folder: part for part, folder in layout.parts.items()}
    said = [_part_above(row.base / row.name, folders) for row in rows]
    parts = [part for part in said if part is not None]
    if len(parts) < len(rows) or len({*parts}) < 2:
        parts = ["train"] * len(rows)
    return [dataclasses.replace(row, part=part) for row, part in zip(rows, parts, strict=True)]


def _part_above(path: Path, folders: Mapping[Path, str]) -> str | None:
    return next((folders[up] for up in path.parents if up in folders), None)


def _require_named_parts(usable: Sequence[_Usable]) -> None:
    """Refuse several tables unless each is called after another part, one of them after train."""
    parts = [_part(one.file) for one in usable]
    if None in parts or len({*parts}) < len(parts) or "train" not in parts:
        both = " and ".join(one.file.name for one in usable[:2])
        cure = f"Give the one to be used, e.g. {printable(usable[0].file)}, or call them train and test."
        raise DataError(f"{printable(usable[0].file.parent)}: {both} both label the pictures", cure=cure)
