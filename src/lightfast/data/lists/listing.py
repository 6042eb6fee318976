"""The picture files that somebody names to have them read without labels, listed and not opened."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from lightfast.base.errors import DataError
from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import Entry, ImageSpec, LoadedData, Unreadable
from lightfast.data.decode.files import no_readable_file
from lightfast.data.decode.unreadable import printable
from lightfast.data.lists.assemble import assemble
from lightfast.data.lists.manifest import named_pictures
from lightfast.data.sources.folder import MANIFEST_ENDINGS, FoundFiles, file_kind, find_files
from lightfast.data.sources.resolve import SourceResolver

_CURE = "Give picture files, folders or tables of pictures."


@dataclass(frozen=True)
class Listing:
    """Picture files in the order in which they were named.

    Attributes:
        entries: one a file, label 0. They need not be readable: reading them says so. `path` may be a copy in
            the cache, or with an `address` the place of a copy that is not there.
        unreadable: what is known not to be readable without looking, under the user's own names.
        notes: what was left out, one sentence each.
        resolver: gives the user's own names: pass every Unreadable through `resolver.display_unreadable`,
            and errors through `resolver.display_errors()`.
    """

    entries: tuple[Entry, ...]
    unreadable: tuple[Unreadable, ...] = ()
    notes: tuple[str, ...] = ()
    resolver: SourceResolver = field(default_factory=SourceResolver)


def picture_entries(
    paths: Sequence[str], report: Reporter = silent, resolver: SourceResolver | None = None
) -> Listing:
    """Every picture file that `paths` name: files, folders (all below them), tables with a column `path`,
    archives, addresses of these.

    Ids are the paths of files as given, those below a folder relative to it, and those in tables as written
    there. Nothing is opened but tables and archives; addresses are fetched. Raises DataError for a path that
    does not exist, for an `.npz` (it holds no files), and for a folder without picture files.
    """
    if not paths:
        raise DataError("no pictures named", cure=_CURE)
    resolver = resolver or SourceResolver(report)
    entries: list[Entry] = []
    found = FoundFiles()
    with resolver.display_errors():
        for text in paths:
            entries += _entries(text, resolver.resolve(text), resolver, found)
    kept, lost = list[Entry](), list[Unreadable]()
    for one in entries:
        why = resolver.reasons.get(path := printable(one.path))
        if why:
            lost.append(Unreadable(path, why))
        else:
            kept.append(dataclasses.replace(one, address=(resolver.later or {}).get(one.path)))
    unreadable = resolver.display_all((*lost, *found.closed))
    return Listing(tuple(kept), unreadable, resolver.display_notes(found.notes()), resolver)


def load_unlabelled(
    paths: Sequence[str], target: ImageSpec, report: Reporter = silent, resolver: SourceResolver | None = None
) -> LoadedData:
    """The pictures that `paths` name, as in `picture_entries`, read without labels; those that cannot be read
    are listed under the user's own names.

    Raises DataError as `picture_entries` does, and when none of the pictures can be read.
    """
    listing = picture_entries(paths, report, resolver)
    if not listing.entries:
        raise no_readable_file(listing.unreadable)
    name = Path(paths[0]).expanduser().resolve().name
    with listing.resolver.display_errors():
        loaded = assemble(name, listing.entries, ("unlabelled",), target, report)
    lost = map(listing.resolver.display_unreadable, loaded.unreadable)
    return dataclasses.replace(
        loaded,
        train=dataclasses.replace(loaded.train, labels=None, class_names=()),
        unreadable=tuple(sorted((*lost, *listing.unreadable), key=lambda one: one.path)),
        notes=(*loaded.notes, *listing.notes),
    )


def _entries(text: str, path: Path, resolver: SourceResolver, found: FoundFiles) -> list[Entry]:
    kind = file_kind(path)
    if kind == "folder":
        return _below(path, found)
    ending = path.suffix.lower()
    if not kind:
        raise DataError(f"no such file or folder: {printable(text)}", cure=_CURE)
    if ending == ".npz":
        raise DataError(
            f"{printable(text)} holds an array and no picture files",
            expected="picture files, folders or tables of pictures",
            got="an .npz",
            cure="Give the files that it was made from.",
        )
    if ending in MANIFEST_ENDINGS:
        return named_pictures(path, resolver)
    return [Entry(path, text, 0)]


def _below(folder: Path, found: FoundFiles) -> list[Entry]:
    here = find_files(folder)
    found.extend(here)
    if not here.pictures:
        closed = next(iter(here.closed), None)
        why = f": {closed.path} cannot be read ({closed.reason})" if closed else ""
        raise DataError(
            f"{printable(folder)} holds no picture files{why}",
            cure="Give another folder, or the files themselves.",
        )
    return [Entry(path, path.relative_to(folder).as_posix(), 0) for path in here.pictures]
