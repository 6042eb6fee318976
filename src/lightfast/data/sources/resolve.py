"""Where pictures are: local copies of sources that stand elsewhere or in archives, and the names by which the
user knows them.

Copies are kept in `base.folders.sources_folder()`, one folder an address: the second reading fetches what has
changed, and nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

from lightfast.base.errors import DataError, LightfastError
from lightfast.base.files import make_folder
from lightfast.base.folders import sources_folder
from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import Address, LoadedData, TableOptions, Unreadable
from lightfast.data.decode.unreadable import printable
from lightfast.data.sources.archives import (
    ARCHIVE_ENDINGS,
    Unpacked,
    is_archive,
    is_taken,
    safe_parts,
    unpack,
)
from lightfast.data.sources.embedded import picture_column, picture_shards, take_out
from lightfast.data.sources.folder import file_kind
from lightfast.data.sources.names import is_passed_over, part_named
from lightfast.data.sources.remote import (
    FileRequest,
    RemoteLocation,
    cache_errors,
    fetch_files,
    is_address,
    join_url,
    local_name,
    open_location,
    parent_url,
    text_digest,
)
from lightfast.data.sources.remote_folder import fetch_folder

# With a number: what is taken out of an archive has changed, and copies of an earlier version are made anew.
_UNPACKED = "unpacked-2.json"
_OUTSIDE = "it leads out of the place of its table"
_IN_ARCHIVE = re.compile("(zip|tar)(://|::)")
_ON_THIS_DISK = ("file://", "local://")


class SourceResolver:
    """Sources as local paths. It remembers what it fetched or unpacked, so that all that is said afterwards
    names the user's own address.

    Attributes:
        notes: what was left out on the way, one sentence each.
        unreadable: names that no local file stands for, and why.
        reasons: local files (empty ones) that stand for what could not be fetched or unpacked, and why.
        report: told how far fetching and unpacking are.
        tables: how tables are read.
        later: with `fetch` "later" the pictures in folders elsewhere and those that tables name by address,
            by the paths that they would have here: who reads them fetches them.
    """

    def __init__(
        self,
        report: Reporter = silent,
        tables: TableOptions | None = None,
        fetch: Literal["now", "later"] = "now",
    ) -> None:
        self.report = report
        self.later: dict[Path, Address] | None = {} if fetch == "later" else None
        self.tables = tables or TableOptions()
        self.notes: list[str] = []
        self.unreadable: list[Unreadable] = []
        self.reasons: dict[str, str] = {}
        self._cache = sources_folder()
        self._known: dict[str, Path] = {}
        # By the digest in a path of the cache: (path, the user's name for it), first come first.
        self._shown: dict[str, dict[tuple[str, str], None]] = {}
        self._addressed: list[tuple[str, str]] = []
        self._parents: dict[Path, str] = {}
        self._taken: set[Path] = set()

    def resolve(self, source: str | Path) -> Path:
        """The local file or folder of a source: an address is fetched, an archive unpacked, any other path is
        itself (there or not).

        Raises DataError, in one line that names the source, when it cannot be had.
        """
        text = str(source)
        if text not in self._known:
            path = self._here(text) if isinstance(source, str) else source
            if is_archive(path.name) and file_kind(path) == "file":
                path = _inner(self._unpacked(path, text, is_zip=path.suffix.lower() == ".zip"))
            held = _holding_pictures(path)
            self._known[text] = self._taken_out(held, text) if held else path
        return self._known[text]

    def is_fetched(self, folder: Path) -> bool:
        """Whether a folder holds a table that was fetched alone: its pictures are fetched by address."""
        return folder in self._parents

    def resolve_rows(self, rows: Sequence[tuple[Path, str]]) -> list[Path]:
        """The local files that tables name: for each (folder of the table, name as written) one path, which
        need not exist.

        Names may be addresses; names in a table that was fetched are relative to its address. A name that
        leads out of an archive or of an address is not followed: its path has a reason.
        """
        paths: list[Path] = []
        urls: dict[int, str] = {}
        roots = [Path(local) for pairs in self._shown.values() for local, _ in pairs]
        inside = {
            base: next((root for root in roots if base.is_relative_to(root)), None)
            for base in {base for base, _ in rows}
        }
        for index, (base, name) in enumerate(rows):
            local, url = self._placed(base, name, inside[base])
            paths.append(local)
            if url:
                urls[index] = url
        for index, path in zip(urls, self._files(list(urls.values())), strict=True):
            paths[index] = path
        return paths

    def display_text(self, text: str) -> str:
        """A message with the user's own names in the place of those of the cache."""
        pattern = f"{re.escape(printable(self._cache))}/([0-9a-f]{{24}})/"
        for key in set(re.findall(pattern, printable(text))):
            for local, shown in sorted(self._shown.get(key, ()), key=lambda pair: -len(pair[0])):
                text = text.replace(local, shown).replace(printable(local), printable(shown))
        for local, shown in self._addressed:
            # file:///data/x holds /data/x: what is renamed already is named back first.
            text = text.replace(shown, local).replace(local, shown)
        return text

    def display_unreadable(self, one: Unreadable) -> Unreadable:
        """A file that could not be read, under the user's own name,
        and with the reason why it could not be fetched if that is one.
        """
        return Unreadable(self.display_text(one.path), self.reasons.get(one.path, one.reason))

    def display_dataset(self, loaded: LoadedData) -> LoadedData:
        """What was read, with the user's own names in it, and with the notes and losses on the way here."""
        return dataclasses.replace(
            loaded, unreadable=self.display_all(loaded.unreadable), notes=self.display_notes(loaded.notes)
        )

    def display_all(self, unreadable: Iterable[Unreadable]) -> tuple[Unreadable, ...]:
        """Files that could not be read and the losses on the way here,
        each once under the user's own name, sorted.
        """
        shown = map(self.display_unreadable, (*unreadable, *self.unreadable))
        return tuple(sorted({one.path: one for one in shown}.values()))

    def display_notes(self, notes: Iterable[str]) -> tuple[str, ...]:
        """The notes on the way here, then these, with the user's own names in them."""
        return tuple(printable(self.display_text(note)) for note in (*self.notes, *notes))

    @contextlib.contextmanager
    def display_errors(self) -> Iterator[None]:
        """Errors raised inside say the user's own names."""
        try:
            yield
        except LightfastError as error:
            text = str(error)
            for path, why in self.reasons.items():
                if path in text:
                    text = re.sub(
                        f"{re.escape(path)}: [^.]*", lambda _, path=path, why=why: f"{path}: {why}", text
                    )
            error.args = (self.display_text(text),)
            error.cure = self.display_text(error.cure)
            raise

    def _here(self, text: str, *, folders: bool = True) -> Path:
        """The local file or folder of a path or an address; archives are not unpacked. Without `folders` none
        is fetched.
        """
        if not is_address(text) or file_kind(Path(text)):
            return Path(text).expanduser()
        if _IN_ARCHIVE.match(text):
            return self._member(text)
        location = open_location(text)
        if text.startswith(_ON_THIS_DISK):
            path = Path(location.path)
            if not file_kind(path):
                raise DataError(f"no such file or folder: {text}", cure="Check the address.")
            self._addressed.append((str(path), text.rstrip("/")))
            return path
        info = location.info()
        if info["type"] != "directory":
            return self._file(location, info)
        if not folders:
            raise DataError(
                f"{text} is a folder", expected="an archive", got="a folder", cure="Give the folder itself."
            )
        local = self._root(text)
        self._take(fetch_folder(location, local, self.report, self.later), local, text)
        return local

    def _file(self, location: RemoteLocation, info: Mapping[str, Any]) -> Path:
        parent = parent_url(location.url)
        local = self._root(parent) / local_name(location.url)
        why = fetch_files([FileRequest(location, local, info)], self.report)[0]
        if why:
            raise DataError(
                f"cannot read {location.url}: {why}", cure="Check the address and your credentials."
            )
        self._parents[local.parent] = parent
        return local

    def _files(self, urls: Sequence[str]) -> list[Path]:
        """Local files of addresses of single files; those that cannot be had have a reason."""
        paths: list[Path] = []
        requests: list[FileRequest] = []
        for url in urls:
            try:
                if _IN_ARCHIVE.match(url) or url.startswith(_ON_THIS_DISK):
                    paths.append(self.resolve(url))
                    continue
                location = open_location(url)
            except DataError as error:
                paths.append(self._nothing(url, str(error).removeprefix(f"{url}: ")))
                continue
            paths.append(self._root(parent_url(url)) / local_name(url))
            if self.later is None:
                requests.append(FileRequest(location, paths[-1]))
            else:
                self.later[paths[-1]] = Address(url)
        if requests:
            for one, why in zip(requests, fetch_files(requests, self.report), strict=True):
                if why:
                    self.reasons[printable(one.local)] = why
        return paths

    def _nothing(self, name: str, why: str) -> Path:
        """A path where no file is, that stands for a name which is not followed."""
        path = self._cache / text_digest(f"outside {name}") / "nothing"
        self.reasons[printable(path)] = why
        self._name(path, printable(name))
        return path

    def _placed(self, base: Path, name: str, root: Path | None) -> tuple[Path, str]:
        """(path, "") of a name relative to `base`, or (path, address) where it has to be fetched first."""
        if is_address(name) and not file_kind(base / name):
            last = name.rpartition("::")[2]
            is_here = not is_address(last) or last.startswith(_ON_THIS_DISK)
            if is_here and (root is not None or base in self._parents):
                return self._nothing(name, _OUTSIDE), ""
            # An archive here is relative to the table, as every other path in it.
            return base, name if is_address(last) else f"{name.removesuffix(last)}{base / last}"
        if base in self._parents:
            url = join_url(self._parents[base], name)
            return (base, url) if url else (self._nothing(name, _OUTSIDE), "")
        return (base / name if root is None else self._inside(root, base, name)), ""

    def _inside(self, root: Path, base: Path, name: str) -> Path:
        plain = Path(os.path.normpath(base / name))
        if not plain.is_relative_to(root):
            return self._nothing(name, _OUTSIDE)
        if not file_kind(plain) and not is_taken(plain.name):
            self.reasons[printable(plain)] = "not fetched: its name has no ending of a picture"
        return plain

    def _member(self, text: str) -> Path:
        """The folder or file in an archive that `zip://INSIDE::ARCHIVE` names."""
        head, _, rest = text.partition("::")
        protocol, _, inside = head.partition("://")
        if not rest:
            raise DataError(
                f"{text} names no archive",
                expected=f"{protocol}://FOLDER::ARCHIVE",
                got=text,
                cure=f"For the whole of an archive give its path or {protocol}://::ARCHIVE.",
            )
        archive = self._here(rest, folders=False)
        if file_kind(archive) != "file":
            raise DataError(f"no such file: {rest}", cure="Check the path of the archive.")
        root = self._unpacked(archive, rest, is_zip=protocol == "zip")
        if not inside.strip("/"):
            return root
        parts = safe_parts(inside.strip("/"))
        path = root.joinpath(*parts) if parts else root
        if parts is None or not path.exists():
            raise DataError(
                f"no {inside!r} in {rest}",
                expected="a folder, a picture or a table in the archive",
                got=inside,
                cure="Names are as the archive lists them.",
            )
        self._name(path, text.rstrip("/"))
        return path

    def _unpacked(self, archive: Path, shown: str, *, is_zip: bool) -> Path:
        """The folder with the members of an archive, unpacked when it is not there in the archive's state."""
        status = archive.stat()
        return self._kept(
            str(archive.resolve()),
            f"{status.st_size}|{status.st_mtime_ns}",
            (_without_ending(archive.name) or "archive", shown),
            lambda folder: unpack(archive, folder, shown, is_zip=is_zip, report=self.report),
        )

    def _taken_out(self, files: Sequence[Path], shown: str) -> Path:
        """The folder with the pictures that Parquet files hold."""
        states = [(path.resolve(), path.stat()) for path in files]
        return self._kept(
            "|".join(str(path) for path, _ in states),
            "|".join(f"{status.st_size}|{status.st_mtime_ns}" for _, status in states),
            (Path(shown).stem or "pictures", shown),
            lambda folder: take_out(files, folder, shown, self.report),
        )

    def _kept(self, key: str, state: str, names: tuple[str, str], fill: Callable[[Path], Unpacked]) -> Path:
        """The folder of the cache that `fill` makes of `key` in this state, called by the first of `names`
        there and by the second in messages.
        """
        name, shown = names
        kept = self._cache / text_digest(key) / text_digest(state)
        root = kept / name
        if not (kept / _UNPACKED).is_file() or not root.is_dir():
            self._fill(kept, name, fill)
        self._name(root, shown)
        if root not in self._taken:
            self._taken.add(root)
            self._take(Unpacked.load(kept / _UNPACKED), root, shown)
        return root

    def _fill(self, kept: Path, name: str, fill: Callable[[Path], Unpacked]) -> None:
        with cache_errors(kept):
            make_folder(kept.parent)
            building = Path(tempfile.mkdtemp(prefix=".", suffix=".part", dir=kept.parent))
            try:
                fill(building / name).save(building / _UNPACKED)
                # Older states of the source go; the same one may have been unpacked by another process
                # meanwhile.
                ready = (kept / name).is_dir() and (kept / _UNPACKED).is_file()
                for old in kept.parent.iterdir():
                    if not old.name.startswith(".") and not (ready and old == kept):
                        shutil.rmtree(old, ignore_errors=True)
                if not ready:
                    building.rename(kept)
            finally:
                shutil.rmtree(building, ignore_errors=True)

    def _take(self, brought: Unpacked, root: Path, shown: str) -> None:
        self.notes.extend(f"{shown}: {note}" for note in brought.notes)
        self.reasons.update({printable(root / relative): why for relative, why in brought.reasons.items()})
        self.unreadable.extend(
            Unreadable(printable(f"{root}/{name}"), why) for name, why in brought.unsafe.items()
        )

    def _root(self, url: str) -> Path:
        """Where the files of a folder elsewhere are kept."""
        plain = url.rstrip("/")
        local = self._cache / text_digest(plain) / local_name(url)
        self._name(local, f"{plain}/" if plain.endswith(":") else plain)
        return local

    def _name(self, local: Path, shown: str) -> None:
        key = local.relative_to(self._cache).parts[0]
        self._shown.setdefault(key, {})[str(local), shown] = None


def _holding_pictures(path: Path) -> list[Path]:
    """The Parquet files with pictures inside that a source is, or holds."""
    if path.suffix.lower() == ".parquet":
        return [path] if file_kind(path) == "file" and picture_column(path) else []
    return picture_shards(path) if file_kind(path) == "folder" else []


def _without_ending(name: str) -> str:
    ending = next((ending for ending in ARCHIVE_ENDINGS if name.lower().endswith(ending)), "")
    return name[: len(name) - len(ending)]


def _inner(root: Path) -> Path:
    """The only folder in `root` when it holds folders in its turn:
    many archives hold everything in one folder of their own name.
    """
    while True:
        below = [path for path in root.iterdir() if not is_passed_over(path.name, root.name)]
        if len(below) != 1 or not below[0].is_dir() or part_named(below[0].name):
            return root
        if not any(path.is_dir() for path in below[0].iterdir()) and not any(below[0].glob("metadata.*")):
            return root
        root = below[0]
