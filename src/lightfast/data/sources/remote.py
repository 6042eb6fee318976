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
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from lightfast.base.errors import DataError, LightfastError, StorageError
from lightfast.base.files import make_folder, storage_errors
from lightfast.base.progress import Reporter, silent
from lightfast.data.sources.archives import first_line

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
MOST_IN_A_ROW = 64
"""Files that fail one after the other before it is the network."""
NOT_FETCHED = "cannot be fetched"
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


def is_trouble(why: str) -> bool:
    """Whether a file could not be had for what happened on the way: it may be there the next time."""
    return why.startswith(NOT_FETCHED)


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


def fetch_files(
    requests: Sequence[FileRequest],
    report: Reporter = silent,
    most: int = MOST_IN_A_ROW,
    waits: Sequence[float] = (),
) -> list[str]:
    """Bring files here, several at once; gives for each why it could not be had, "" where it is here. What
    is trouble on the way (a server that answers 503) is asked for again after each of `waits` seconds.

    Raises DataError when `most` files in a row fail for no reason of their own, StorageError when this disk
    is full.
    """
    reasons: list[str] = []
    in_a_row = 0
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        for start in range(0, len(requests), MOST_IN_A_ROW):
            chunk = requests[start : start + MOST_IN_A_ROW]
            brought = pool.map(partial(_fetched, waits=waits), chunk)
            for one, (why, is_trouble) in zip(chunk, brought, strict=True):
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


def _fetched(one: FileRequest, waits: Sequence[float]) -> tuple[str, bool]:
    """("" or why the file cannot be had, whether that was trouble on the
    way and not the file's own fault).
    """
    try:
        _bring_at_last(one, waits)
        return "", False
    except FileNotFoundError:
        why = "no such file"
    except IsADirectoryError:
        why = "it is a folder"
    except PermissionError:
        why = "permission denied"
    except FetchError as error:
        why = f"{NOT_FETCHED} ({error})"
    with cache_errors(one.local.parent):
        make_folder(one.local.parent)
        one.local.write_bytes(b"")
        os.utime(one.local, (0, 0))
    return why, is_trouble(why)


def _bring_at_last(one: FileRequest, waits: Sequence[float]) -> None:
    for seconds in waits:
        try:
            return _bring(one)
        except FetchError:
            time.sleep(seconds)
    return _bring(one)


def _bring(one: FileRequest) -> None:
    system, path, folder = one.location.system, one.location.path, one.local.parent
    with _fetch_errors(folder):
        info = one.info or system.info(path)
    if info.get("type") == "directory":
        raise IsADirectoryError(path)
    stamp = state_stamp(info)
    if is_here(one.local, stamp):
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


def is_here(local: Path, stamp: int | None) -> bool:
    """Whether a copy here is of the state with this stamp."""
    with contextlib.suppress(OSError):
        return int(local.stat().st_mtime) == stamp
    return False


def state_stamp(info: Mapping[str, Any]) -> int | None:
    """Size, time and tag of a file as the time that its copy gets; None when the file system tells no more
    than the size: then nobody sees it change.
    """
    said = [f"{key}={info[key]}" for key in _STATE_KEYS if info.get(key) is not None]
    # Whole even seconds, which every disk can keep; 0 is for what could not be fetched.
    return 2 * (int(text_digest("|".join([str(info.get("size")), *said]))[:7], 16) + 1) if said else None


def _without_query(url: str) -> str:
    return re.split(r"[?#]", url)[0] if url.startswith(("http://", "https://")) else url
