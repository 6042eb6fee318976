"""Files elsewhere (S3, HTTP, memory, whatever fsspec knows) as files here: fetched once, in parallel,
and again when they change there.

fsspec opens, lists and copies; what is kept is decided here: its caching file systems keep files under hashes
(not as the folder tree that gives the classes), stop at the first file that is missing, and never see a file
change over HTTP.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import posixpath
import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightfast.base.errors import DataError, LightfastError, StorageError
from lightfast.base.files import make_folder, storage_errors
from lightfast.base.progress import Reporter, silent
from lightfast.data.sources.archives import Unpacked, first_line, is_taken, safe_parts
from lightfast.data.sources.names import SYSTEM_NOTE, passed_over_part

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*(://|::)")
_PACKAGES = {
    **dict.fromkeys(("s3", "s3a"), "'lightfast[s3]'"),
    **dict.fromkeys(("gs", "gcs"), "gcsfs"),
    **dict.fromkeys(("http", "https"), "aiohttp"),
    **dict.fromkeys(("abfs", "az"), "adlfs"),
    **dict.fromkeys(("sftp", "ssh"), "paramiko"),
    "hf": "huggingface_hub",
}
"""What pip installs for a protocol."""
_STATE_KEYS = (
    "mtime LastModified last_modified updated created ETag etag e_tag md5 md5Hash content_md5 checksum "
    "generation version_id blob_id".split()
)
_LONGEST_NAME = 255
_CHUNK = 64
_AT_ONCE = 16
"""Files on the way at the same time; waiting for the network takes no core."""


@dataclass(frozen=True)
class RemoteLocation:
    """A file or folder of a file system: `path` as that names it, `url` as the user does."""

    system: Any
    path: str
    url: str

    def info(self) -> dict[str, Any]:
        """What the file system says of it (size, type, times);
        raises DataError in one line when it says nothing.
        """
        with describe_remote_errors(self.url):
            self.system.invalidate_cache()
            return self.system.info(self.path)


@dataclass(frozen=True)
class FileRequest:
    """One file to have here: where it is, where it goes, and what a listing said of it
    (asked for when None).
    """

    location: RemoteLocation
    local: Path
    info: Mapping[str, Any] | None = None


class FetchError(Exception):
    """A file that could not be fetched for another reason than that it is not there or not allowed."""


def is_address(text: str) -> bool:
    """Whether a source is an address (`s3://…`, `zip://…::…`) and not a path."""
    return _ADDRESS.match(text) is not None


def open_location(url: str) -> RemoteLocation:
    """The file system of an address.

    Raises DataError for a protocol that nobody knows, or whose package is missing, with the cure.
    """
    from fsspec.core import url_to_fs

    protocol = re.split("://|::", url)[0]
    try:
        system, path = url_to_fs(url)
    except ImportError as error:
        package = _PACKAGES.get(protocol)
        cure = f"pip install {package}" if package else str(error)
        raise DataError(
            f"{url}: reading {protocol}:// needs a package that is not installed", cure=f"{cure.rstrip('.')}."
        ) from error
    except ValueError as error:
        if "protocol not known" not in str(error).lower():
            raise DataError(
                f"{url} is no address ({first_line(error)})", cure="Write protocol://place/path."
            ) from error
        known = "file, memory, zip, tar, s3, gs, https or another that fsspec knows"
        raise DataError(
            f"{url}: unknown protocol {protocol!r}", expected=known, got=protocol, cure="Correct the address."
        ) from error
    except Exception as error:
        raise DataError(
            f"cannot open {url} ({first_line(error)})", cure="Check the address and your credentials."
        ) from error
    return RemoteLocation(system, path, url)


@contextlib.contextmanager
def describe_remote_errors(url: str) -> Iterator[None]:
    """Turn whatever a file system raises about `url` into one line."""
    try:
        yield
    except LightfastError:
        raise
    except FileNotFoundError as error:
        # HTTP says so of hosts that do not answer too.
        why = f" ({first_line(error.__cause__)})" if error.__cause__ is not None else ""
        raise DataError(f"no such file or folder: {url}{why}", cure="Check the address.") from error
    except PermissionError as error:
        raise DataError(
            f"cannot open {url}: permission denied", cure="Check your credentials for it."
        ) from error
    except Exception as error:
        raise DataError(
            f"cannot read {url} ({first_line(error)})",
            cure="Check the address, the network and your credentials.",
        ) from error


def local_name(url: str) -> str:
    """The name that a file or folder of this address gets here."""
    plain = _without_query(url)
    name = posixpath.basename(plain.rstrip("/").removesuffix(":"))
    return (name if name not in ("", ".", "..") else re.split("://|::", plain)[0])[-120:]


def parent_url(url: str) -> str:
    """The address of the folder of a file."""
    head = _without_query(url).rpartition("/")[0]
    return f"{head}/" if head.endswith(":/") else head


def join_url(url: str, name: str) -> str | None:
    """The address of `name`, written relative to the folder `url`;
    None where it leads out of the bucket or host.
    """
    head, mark, tail = url.partition("://")
    path = posixpath.normpath(f"{tail}/{name}")
    leaves = tail.strip("/") and path.split("/")[0] != tail.split("/")[0]
    if name.startswith("/") or path.startswith("..") or leaves:
        return None
    return f"{head}{mark}{path if tail else path.lstrip('/')}"


def fetch_folder(folder: RemoteLocation, local: Path, report: Reporter = silent) -> Unpacked:
    """Bring what pictures and tables lie below `folder` to `local`, and make that an image of it: what is
    gone there goes here.

    Files whose size, time and tag are as they were are kept. A file that cannot be had leaves an empty one in
    its place and its reason in the result. Raises DataError when the folder cannot be listed, or the network
    fails for good: what was fetched by then is kept.
    """
    files, folders, unsafe, others, system = _listed(folder)
    top = folder.url.rstrip("/")
    requests = [
        FileRequest(RemoteLocation(folder.system, info["name"], f"{top}/{path}"), local / path, info)
        for path, info in files.items()
    ]
    _forget(local, set(files), folders)
    with cache_errors(local):
        for relative in ("", *folders):
            make_folder(local / relative)
    reasons = fetch_files(requests, report, min(_CHUNK, len(requests)))
    said = [(others, "file(s) are neither pictures nor tables and were left out"), (system, SYSTEM_NOTE)]
    return Unpacked(
        {path: why for path, why in zip(files, reasons, strict=True) if why},
        unsafe,
        tuple(f"{len(some)} {text} (first: {some[0]})" for some, text in said if some),
    )


def fetch_files(requests: Sequence[FileRequest], report: Reporter = silent, most: int = _CHUNK) -> list[str]:
    """Bring files here, several at once; gives for each why it could not be had, "" where it is here.

    Raises DataError when `most` files in a row fail for no reason of their own, StorageError when this disk
    is full.
    """
    reasons: list[str] = []
    in_a_row = 0
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        for start in range(0, len(requests), _CHUNK):
            chunk = requests[start : start + _CHUNK]
            for one, (why, is_trouble) in zip(chunk, pool.map(_fetched, chunk), strict=True):
                in_a_row = in_a_row + 1 if is_trouble else 0
                reasons.append(why)
                if in_a_row >= most:
                    cure = (
                        "Check the network and your credentials, and run it again: what has arrived is kept."
                    )
                    raise DataError(f"cannot read {one.location.url}: {why}", cure=cure)
            report("fetching", start + len(chunk), len(requests), "")
    return reasons


@contextlib.contextmanager
def cache_errors(place: Path) -> Iterator[None]:
    """Say what ails the disk of the cache, with the cure that helps there."""
    try:
        with storage_errors(place):
            yield
    except StorageError as error:
        why = error.without_cure
        raise StorageError(why, cure="Make room, or set LIGHTFAST_CACHE to another folder.") from error


def text_digest(text: str) -> str:
    """24 hex characters for a text (names may hold bytes that are not UTF-8)."""
    return hashlib.blake2b(os.fsencode(text), digest_size=12).hexdigest()


def _listed(
    folder: RemoteLocation,
) -> tuple[dict[str, Mapping[str, Any]], set[str], dict[str, str], list[str], list[str]]:
    """(pictures and tables by their path in the folder, folders, names that cannot be written,
    other files, what is the system's own).
    """
    with describe_remote_errors(folder.url):
        folder.system.invalidate_cache()
        found = folder.system.find(folder.path, withdirs=True, detail=True)
    files: dict[str, Mapping[str, Any]] = {}
    folders: set[str] = set()
    unsafe: dict[str, str] = {}
    others: list[str] = []
    system: dict[str, None] = {}
    for name, info in sorted(found.items()):
        written = name.removeprefix(folder.path).removeprefix("/")
        if not written.strip("/"):
            continue
        parts = _parts_here(written)
        is_folder = info["type"] == "directory" or name.endswith("/")
        if parts is None:
            if not is_folder:
                unsafe[written] = "its name leads out of the folder, or no file can have it"
            continue
        passed, own = passed_over_part(parts)
        if passed:
            system |= dict.fromkeys([own] * bool(own))
            continue
        folders.update("/".join(parts[:depth]) for depth in range(1, len(parts) + is_folder))
        relative = "/".join(parts)
        if is_folder:
            continue
        if is_taken(relative):
            files[relative] = {**info, "name": name}
        else:
            others.append(relative)
    for both in folders & files.keys():
        del files[both]
        unsafe[both] = "a folder stands in its place"
    return files, folders, unsafe, others, list(system)


def _parts_here(name: str) -> tuple[str, ...] | None:
    parts = safe_parts(name)
    return parts if parts and max(len(os.fsencode(part)) for part in parts) <= _LONGEST_NAME else None


def _forget(local: Path, files: set[str], folders: set[str]) -> None:
    """Remove what is no longer there where it came from, and what changed from a file into a folder."""
    for place, inner, names in os.walk(local, topdown=False):
        here = Path(place).relative_to(local)
        for name in names:
            if (here / name).as_posix() not in files and not name.startswith("."):
                (local / here / name).unlink(missing_ok=True)
        for name in inner:
            if (here / name).as_posix() not in folders:
                with contextlib.suppress(OSError):
                    (local / here / name).rmdir()


def _fetched(one: FileRequest) -> tuple[str, bool]:
    """("" or why the file cannot be had, whether that was trouble on the
    way and not the file's own fault).
    """
    try:
        _bring(one)
        return "", False
    except FileNotFoundError:
        why = "no such file"
    except IsADirectoryError:
        why = "it is a folder"
    except PermissionError:
        why = "permission denied"
    except FetchError as error:
        why = f"cannot be fetched ({error})"
    with cache_errors(one.local.parent):
        make_folder(one.local.parent)
        one.local.write_bytes(b"")
        os.utime(one.local, (0, 0))
    return why, why.startswith("cannot")


def _bring(one: FileRequest) -> None:
    system, path, folder = one.location.system, one.location.path, one.local.parent
    with _fetch_errors(folder):
        info = one.info or system.info(path)
    if info.get("type") == "directory":
        raise IsADirectoryError(path)
    stamp = _stamp(info)
    with contextlib.suppress(OSError):
        if int(one.local.stat().st_mtime) == stamp:
            return
    with cache_errors(folder):
        make_folder(folder)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=folder)
        os.close(handle)
    temporary = Path(name)
    try:
        with _fetch_errors(folder):
            system.get_file(path, name)
        with cache_errors(one.local):
            # The time of the copy says of which state it is: no list beside it that could contradict it.
            if stamp is not None:
                os.utime(temporary, (stamp, stamp))
            temporary.replace(one.local)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def _fetch_errors(folder: Path) -> Iterator[None]:
    """Tell a full disk here from a file's own fault, and both from whatever else a file system raises."""
    try:
        yield
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:
        if getattr(error, "errno", None) in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            with cache_errors(folder):
                raise
        raise FetchError(first_line(error)) from error


def _stamp(info: Mapping[str, Any]) -> int | None:
    """Size, time and tag of a file as the time that its copy gets; None when the file system tells no more
    than the size: then nobody sees it change.
    """
    said = [f"{key}={info[key]}" for key in _STATE_KEYS if info.get(key) is not None]
    # Whole even seconds, which every disk can keep; 0 is for what could not be fetched.
    return 2 * (int(text_digest("|".join([str(info.get("size")), *said]))[:7], 16) + 1) if said else None


def _without_query(url: str) -> str:
    return re.split(r"[?#]", url)[0] if url.startswith(("http://", "https://")) else url
