"""Where pictures are: local copies of sources that stand elsewhere or in archives, and the names by which the
user knows them.

Copies are kept in `sources/` of the cache folder (`LIGHTFAST_CACHE`, else the user's cache folder for
lightfast), one folder an address: the second reading fetches what has changed, and nothing else.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from lightfast.base.errors import DataError, LightfastError
from lightfast.base.files import make_folder
from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import LoadedData, Unreadable
from lightfast.data.decode.unreadable import printable
from lightfast.data.sources.archives import (
    ARCHIVE_ENDINGS,
    TAKEN_ENDINGS,
    Unpacked,
    is_archive,
    safe_steps,
    unpack,
)
from lightfast.data.sources.folder import PART_NAMES, path_kind
from lightfast.data.sources.remote import (
    FetchRequest,
    RemoteLocation,
    describe_storage_error,
    fetch_files,
    fetch_folder,
    file_state,
    is_address,
    join_url,
    local_name,
    parent_url,
    remote_location,
    text_digest,
)

_UNPACKED = "unpacked.json"
_OUTSIDE = "it leads out of the place of its table"


def source_cache_folder() -> Path:
    """Where copies of sources are kept: `LIGHTFAST_CACHE`/sources,
    else lightfast/sources in the user's cache folder.
    """
    import platformdirs

    said = os.environ.get("LIGHTFAST_CACHE")
    return (
        Path(said).expanduser().absolute() if said else Path(platformdirs.user_cache_dir("lightfast"))
    ) / "sources"


class SourceResolver:
    """Sources as local paths. It remembers what it fetched or unpacked, so that all that is said afterwards
    names the user's own address.

    Attributes:
        notes: what was left out on the way, one sentence each.
        unreadable: names that no local file stands for, and why.
        reasons: local files (empty ones) that stand for what could not be fetched or unpacked, and why.
        report: told how far fetching and unpacking are.
    """

    def __init__(self, report: Reporter = silent) -> None:
        self.report = report
        self.notes: list[str] = []
        self.unreadable: list[Unreadable] = []
        self.reasons: dict[str, str] = {}
        self._cache = source_cache_folder()
        self._known: dict[str, Path] = {}
        # Folders of the cache by the digest in their path, and how the user calls each; other renamed places.
        self._shown: dict[str, list[tuple[str, str]]] = {}
        self._renamed: list[tuple[str, str]] = []
        self._parents: dict[Path, str] = {}
        self._taken: set[Path] = set()

    def local_path(self, source: str | Path) -> Path:
        """The local file or folder of a source: an address is fetched, an archive unpacked, any other path is
        itself (there or not).

        Raises DataError, in one line that names the source, when it cannot be had.
        """
        text = str(source)
        if text not in self._known:
            self._known[text] = self._found(text) if isinstance(source, str) else self._path(source, text)
        return self._known[text]

    def named_files(self, named: Sequence[tuple[Path, str]]) -> list[Path]:
        """The local files that tables name: for each (folder of the table, name as written) one path, which
        need not exist.

        Names may be addresses; names in a table that was fetched are relative to its address. A name that
        leads out of an archive or of an address is not followed: its path has a reason.
        """
        paths: list[Path] = []
        wanted: dict[int, str] = {}
        roots = [Path(local) for pairs in self._shown.values() for local, _ in pairs]
        inside = {
            base: next((root for root in roots if base.is_relative_to(root)), None)
            for base in {base for base, _ in named}
        }
        for index, (base, name) in enumerate(named):
            local, url = self._placed(base, name, inside[base])
            paths.append(local)
            if url:
                wanted[index] = url
        for index, path in zip(wanted, self._files(list(wanted.values())), strict=True):
            paths[index] = path
        return paths

    def shown_text(self, text: str) -> str:
        """A message with the user's own names in the place of those of the cache."""
        pattern = f"{re.escape(printable(self._cache))}/([0-9a-f]{{24}})/"
        for said in {match[1] for match in re.finditer(pattern, printable(text))}:
            for local, shown in sorted(self._shown.get(said, ()), key=lambda pair: -len(pair[0])):
                text = text.replace(local, shown).replace(printable(local), printable(shown))
        for local, shown in self._renamed:
            # file:///data/x holds /data/x: what is renamed already is named back first.
            text = (text.replace(shown, local) if shown.endswith(local) else text).replace(local, shown)
        return text

    def shown_unreadable(self, one: Unreadable) -> Unreadable:
        """A file that could not be read, under the user's own name,
        and with the reason why it could not be fetched if that is one.
        """
        return Unreadable(self.shown_text(one.path), self.reasons.get(one.path, one.reason))

    def with_shown_names(self, loaded: LoadedData) -> LoadedData:
        """What was read, with the user's own names in it, and with the notes and losses on the way here."""
        found = {
            one.path: one
            for one in (
                *map(self.shown_unreadable, loaded.unreadable),
                *map(self.shown_unreadable, self.unreadable),
            )
        }
        unreadable = tuple(sorted(found.values(), key=lambda one: one.path))
        notes = tuple(printable(self.shown_text(note)) for note in (*self.notes, *loaded.notes))
        return dataclasses.replace(loaded, unreadable=unreadable, notes=notes)

    @contextlib.contextmanager
    def errors(self) -> Iterator[None]:
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
            error.args = (self.shown_text(text),)
            error.cure = self.shown_text(error.cure)
            raise

    def _found(self, text: str) -> Path:
        if not is_address(text) or path_kind(Path(text)):
            return self._path(Path(text).expanduser(), text)
        if re.match("(zip|tar)(://|::)", text):
            return self._member(text)
        if text.startswith(("file://", "local://")):
            path = Path(remote_location(text).path)
            if not path_kind(path):
                raise DataError(f"no such file or folder: {text}", cure="Check the address.")
            self._renamed.append((str(path), text.rstrip("/")))
            return self._path(path, text)
        return self._fetched(remote_location(text))

    def _path(self, path: Path, text: str) -> Path:
        if not is_archive(path.name) or path_kind(path) != "file":
            return path
        return self._unpacked(path, text, is_zip=path.suffix.lower() == ".zip", descend=True)

    def _fetched(self, source: RemoteLocation) -> Path:
        info = source.info()
        if info["type"] != "directory":
            file = self._file(source, info)
            return self._path(file, source.url)
        local = self._root(source.url)
        self._take(fetch_folder(source, local, self.report), local, source.url)
        return local

    def _file(self, source: RemoteLocation, info: Mapping[str, Any]) -> Path:
        parent = parent_url(source.url)
        local = self._root(parent) / local_name(source.url)
        why = fetch_files([FetchRequest(source, local, info)], self.report)[0]
        if why:
            raise DataError(
                f"cannot read {source.url}: {why}", cure="Check the address and your credentials."
            )
        self._parents[local.parent] = parent
        return local

    def _files(self, urls: Sequence[str]) -> list[Path]:
        """Local files of addresses of single files; those that cannot be had have a reason."""
        paths: list[Path] = []
        wanted: list[FetchRequest] = []
        for url in urls:
            if re.match("(zip|tar|file|local)(://|::)", url):
                paths.append(self._or_reason(url))
                continue
            try:
                source = remote_location(url)
            except DataError as error:
                paths.append(self._nothing(url, str(error).removeprefix(f"{url}: ")))
                continue
            wanted.append(FetchRequest(source, self._root(parent_url(url)) / local_name(url)))
            paths.append(wanted[-1].local)
        for one, why in zip(wanted, fetch_files(wanted, self.report) if wanted else (), strict=True):
            if why:
                self.reasons[printable(one.local)] = why
        return paths

    def _or_reason(self, url: str) -> Path:
        try:
            return self.local_path(url)
        except DataError as error:
            return self._nothing(url, str(error))

    def _nothing(self, name: str, why: str) -> Path:
        """A path where no file is, that stands for a name which is not followed."""
        path = self._cache / ".outside" / f"{len(self._renamed)}."
        self.reasons[printable(path)] = why
        self._renamed.append((printable(path), printable(name)))
        return path

    def _placed(self, base: Path, name: str, root: Path | None) -> tuple[Path, str]:
        """(path, "") of a name relative to `base`, or (path, address) where it has to be fetched first."""
        if is_address(name) and not path_kind(base / name):
            last = name.rpartition("::")[2]
            is_here = not is_address(last) or last.startswith(("file://", "local://"))
            if is_here and (root is not None or base in self._parents):
                return self._nothing(name, _OUTSIDE), ""
            # An archive here is relative to the table, as every other path in it.
            return base, name if is_address(last) else f"{name.removesuffix(last)}{base / last}"
        if base in self._parents:
            url = join_url(self._parents[base], name)
            return (base, url) if url else (self._nothing(name, _OUTSIDE), "")
        path = base / name
        if root is None:
            return path, ""
        plain = Path(os.path.normpath(path))
        if not plain.is_relative_to(root):
            return self._nothing(name, _OUTSIDE), ""
        if not path_kind(plain) and plain.suffix.lower() not in TAKEN_ENDINGS:
            self.reasons[printable(plain)] = "not fetched: its name has no ending of a picture"
        return plain, ""

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
        root = self._unpacked(self._archive_file(rest), rest, is_zip=protocol == "zip", descend=False)
        if not inside.strip("/"):
            return root
        steps = safe_steps(inside.strip("/"))
        path = root.joinpath(*steps) if steps else root
        if steps is None or not path.exists():
            raise DataError(
                f"no {inside!r} in {rest}",
                expected="a folder, a picture or a table in the archive",
                got=inside,
                cure="Names are as the archive lists them.",
            )
        self._name(path, f"{text.rstrip('/')}")
        return path

    def _archive_file(self, text: str) -> Path:
        if not is_address(text) or path_kind(Path(text)):
            path = Path(text).expanduser()
            if path_kind(path) != "file":
                raise DataError(f"no such file: {text}", cure="Check the path of the archive.")
            return path
        if re.match("(zip|tar)(://|::)", text):
            return self._member(text)
        source = remote_location(text)
        if source.url.startswith(("file://", "local://")):
            return self._archive_file(source.path)
        info = source.info()
        if info["type"] == "directory":
            raise DataError(
                f"{text} is a folder", expected="an archive", got="a folder", cure="Give the folder itself."
            )
        return self._file(source, info)

    def _unpacked(self, archive: Path, shown: str, *, is_zip: bool, descend: bool) -> Path:
        """The folder with the members of an archive;
        the one folder in it that holds everything when `descend`.
        """
        status = archive.stat()
        said = text_digest(str(archive.resolve()))
        kept = (
            self._cache
            / said
            / text_digest(str(file_state({"size": status.st_size, "mtime": status.st_mtime_ns})))
        )
        root = kept / (_without_ending(local_name(shown)) or "archive")
        if not (kept / _UNPACKED).is_file() or not root.is_dir():
            self._unpack_to(kept, root.name, archive, shown, is_zip=is_zip)
        self._name(root, shown)
        if root not in self._taken:
            self._taken.add(root)
            self._take(Unpacked.load(kept / _UNPACKED), root, shown)
        return _inner(root) if descend else root

    def _unpack_to(self, kept: Path, name: str, archive: Path, shown: str, *, is_zip: bool) -> None:
        with describe_storage_error(kept):
            make_folder(kept.parent)
            building = Path(tempfile.mkdtemp(prefix=".", suffix=".part", dir=kept.parent))
            try:
                unpack(archive, building / name, shown, is_zip=is_zip, report=self.report).save(
                    building / _UNPACKED
                )
                # Older states of the archive go; the same one may have been unpacked by another process
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
        said = local.relative_to(self._cache).parts[0]
        pairs = self._shown.setdefault(said, [])
        if (str(local), shown) not in pairs:
            pairs.append((str(local), shown))


def _without_ending(name: str) -> str:
    ending = next(
        (
            ending
            for ending in sorted(ARCHIVE_ENDINGS, key=len, reverse=True)
            if name.lower().endswith(ending)
        ),
        "",
    )
    return name[: len(name) - len(ending)]


def _inner(root: Path) -> Path:
    """The only folder in `root` when it holds folders in its turn:
    many archives hold everything in one folder of their own name.
    """
    while True:
        below = [path for path in root.iterdir() if not path.name.startswith(".")]
        if len(below) != 1 or not below[0].is_dir() or below[0].name.lower() in PART_NAMES:
            return root
        if not any(path.is_dir() for path in below[0].iterdir()) and not any(below[0].glob("metadata.*")):
            return root
        root = below[0]
