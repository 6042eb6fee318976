"""Files elsewhere (S3, HTTP, memory, whatever fsspec knows) as files here: fetched once, in parallel,
and again when they change there.
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
from lightfast.data.sources.archives import TAKEN_ENDINGS, Unpacked, safe_steps

_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]*(://|::)")
_EXTRAS = {
    "s3": "pip install 'lightfast[s3]'",
    "s3a": "pip install 'lightfast[s3]'",
    "gs": "pip install gcsfs",
    "gcs": "pip install gcsfs",
    "http": "pip install aiohttp",
    "https": "pip install aiohttp",
    "abfs": "pip install adlfs",
    "az": "pip install adlfs",
    "sftp": "pip install paramiko",
    "ssh": "pip install paramiko",
    "hf": "pip install huggingface_hub",
}
_STATE_KEYS = (
    "mtime",
    "LastModified",
    "last_modified",
    "updated",
    "created",
    "ETag",
    "etag",
    "e_tag",
    "md5",
    "md5Hash",
    "content_md5",
    "checksum",
    "generation",
    "version_id",
    "blob_id",
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
        with describe_remote_error(self.url):
            self.system.invalidate_cache()
            return self.system.info(self.path)


@dataclass(frozen=True)
class FetchRequest:
    """One file to have here: where it is, where it goes, and what a listing said of it
    (asked for when None).
    """

    source: RemoteLocation
    local: Path
    info: Mapping[str, Any] | None = None


class TransientFetchError(Exception):
    """A file that could not be fetched for another reason than that it is not there or not allowed."""


def is_address(text: str) -> bool:
    """Whether a source is an address (`s3://…`, `zip://…::…`) and not a path."""
    return _ADDRESS.match(text) is not None


def remote_location(url: str) -> RemoteLocation:
    """The file system of an address.

    Raises DataError for a protocol that nobody knows, or whose package is missing, with the cure.
    """
    from fsspec.core import url_to_fs

    protocol = re.split("://|::", url)[0]
    try:
        system, path = url_to_fs(url)
    except ImportError as error:
        cure = _EXTRAS.get(protocol) or str(error)
        raise DataError(
            f"{url}: reading {protocol}:// needs a package that is not installed", cure=f"{cure.rstrip('.')}."
        ) from error
    except ValueError as error:
        if "protocol not known" not in str(error).lower():
            raise DataError(
                f"{url} is no address ({_line(error)})", cure="Write protocol://place/path."
            ) from error
        known = "file, memory, zip, tar, s3, gs, https or another that fsspec knows"
        raise DataError(
            f"{url}: unknown protocol {protocol!r}", expected=known, got=protocol, cure="Correct the address."
        ) from error
    except Exception as error:
        raise DataError(
            f"cannot open {url} ({_line(error)})", cure="Check the address and your credentials."
        ) from error
    return RemoteLocation(system, path, url)


@contextlib.contextmanager
def describe_remote_error(url: str) -> Iterator[None]:
    """Turn whatever a file system raises about `url` into one line."""
    try:
        yield
    except LightfastError:
        raise
    except FileNotFoundError as error:
        # HTTP says so of hosts that do not answer too.
        why = f" ({_line(error.__cause__)})" if error.__cause__ is not None else ""
        raise DataError(f"no such file or folder: {url}{why}", cure="Check the address.") from error
    except PermissionError as error:
        raise DataError(
            f"cannot open {url}: permission denied", cure="Check your credentials for it."
        ) from error
    except Exception as error:
        raise DataError(
            f"cannot read {url} ({_line(error)})", cure="Check the address, the network and your credentials."
        ) from error


def local_name(url: str) -> str:
    """The name that a file or folder of this address gets here."""
    plain = re.split(r"[?#]", url)[0] if url.startswith(("http://", "https://")) else url
    head = re.split("://|::", plain)[0]
    name = posixpath.basename(plain.rstrip("/").removesuffix(":"))
    return (name if name not in ("", ".", "..") else head)[-120:]


def parent_url(url: str) -> str:
    """The address of the folder of a file."""
    plain = re.split(r"[?#]", url)[0] if url.startswith(("http://", "https://")) else url
    head = plain.rpartition("/")[0]
    return f"{head}/" if head.endswith(":/") else head


def join_url(url: str, name: str) -> str | None:
    """The address of `name`, written relative to the folder `url`;
    None where it leads out of the bucket or host.
    """
    head, mark, tail = url.partition("://")
    path = posixpath.normpath(f"{tail}/{name}")
    if (
        name.startswith("/")
        or path.startswith("..")
        or (tail.strip("/") and path.split("/")[0] != tail.split("/")[0])
    ):
        return None
    return f"{head}{mark}{path.lstrip('/') if not tail else path}"


def fetch_folder(folder: RemoteLocation, local: Path, report: Reporter = silent) -> Unpacked:
    """Bring what pictures and tables lie below `folder` to `local`, and make that an image of it: what is
    gone there goes here.

    Files whose size, time and tag are as they were are kept. A file that cannot be had leaves an empty one in
    its place and its reason in the result. Raises DataError when the folder cannot be listed, or the network
    fails for good: what was fetched by then is kept.
    """
    files, folders, unsafe, others = _listed(folder)
    wanted = [
        FetchRequest(
            RemoteLocation(folder.system, info["name"], f"{folder.url.rstrip('/')}/{relative}"),
            local / relative,
            info,
        )
        for relative, info in files.items()
    ]
    _forget(local, set(files), folders)
    with describe_storage_error(local):
        for relative in ("", *folders):
            make_folder(local / relative)
    reasons = fetch_files(wanted, report, min(_CHUNK, len(wanted)))
    note = (
        f"{len(others)} file(s) are neither pictures nor tables and were left out (first: {others[0]})"
        if others
        else ""
    )
    return Unpacked(
        {str(one.local.relative_to(local)): why for one, why in zip(wanted, reasons, strict=True) if why},
        unsafe,
        (note,) if note else (),
    )


def fetch_files(wanted: Sequence[FetchRequest], report: Reporter = silent, most: int = _CHUNK) -> list[str]:
    """Bring files here, several at once; gives for each why it could not be had, "" where it is here.

    Raises DataError when `most` files in a row fail for no reason of their own, StorageError when this disk
    is full.
    """
    reasons: list[str] = []
    in_a_row = 0
    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            for one, (why, is_trouble) in zip(chunk, pool.map(_fetched, chunk), strict=True):
                in_a_row = in_a_row + 1 if is_trouble else 0
                reasons.append(why)
                if in_a_row >= most:
                    cure = (
                        "Check the network and your credentials, and run it again: what has arrived is kept."
                    )
                    raise DataError(f"cannot read {one.source.url}: {why}", cure=cure)
            report("fetching", start + len(chunk), len(wanted), "")
    return reasons


@contextlib.contextmanager
def describe_storage_error(place: Path) -> Iterator[None]:
    """Say what ails the disk of the cache, with the cure that helps there."""
    try:
        with storage_errors(place):
            yield
    except StorageError as error:
        why = str(error).removesuffix(f". {error.cure}")
        raise StorageError(why, cure="Make room, or set LIGHTFAST_CACHE to another folder.") from error


def file_state(info: Mapping[str, Any]) -> str | None:
    """Size, time and tag of a file as one text; None when the file system tells no more than the size:
    then nobody sees it change.
    """
    said = [f"{key}={info[key]}" for key in _STATE_KEYS if info.get(key) is not None]
    return "|".join([str(info.get("size")), *said]) if said else None


def text_digest(text: str) -> str:
    """24 hex characters for a text (names may hold bytes that are not UTF-8)."""
    return hashlib.blake2b(os.fsencode(text), digest_size=12).hexdigest()


def _listed(
    folder: RemoteLocation,
) -> tuple[dict[str, Mapping[str, Any]], set[str], dict[str, str], list[str]]:
    """(pictures and tables by their path in the folder, folders, names that cannot be written,
    other files).
    """
    with describe_remote_error(folder.url):
        folder.system.invalidate_cache()
        found = folder.system.find(folder.path, withdirs=True, detail=True)
    files: dict[str, Mapping[str, Any]] = {}
    folders: set[str] = set()
    unsafe: dict[str, str] = {}
    others: list[str] = []
    for name, info in sorted(found.items()):
        written = name.removeprefix(folder.path).removeprefix("/")
        if not written.strip("/"):
            continue
        steps = safe_steps(written)
        is_folder = info["type"] == "directory" or name.endswith("/")
        if steps is None or max(len(os.fsencode(step)) for step in steps) > _LONGEST_NAME:
            if not is_folder:
                unsafe[written] = "its name leads out of the folder, or no file can have it"
            continue
        if any(step.startswith(".") for step in steps):
            continue
        folders.update("/".join(steps[:depth]) for depth in range(1, len(steps) + is_folder))
        relative = "/".join(steps)
        if is_folder:
            continue
        if posixpath.splitext(relative)[1].lower() in TAKEN_ENDINGS:
            files[relative] = {**info, "name": name}
        else:
            others.append(relative)
    for both in folders & files.keys():
        del files[both]
        unsafe[both] = "a folder stands in its place"
    return files, folders, unsafe, others


def _forget(local: Path, files: set[str], folders: set[str]) -> None:
    """Remove what is no longer there where it came from, and what changed from a file into a folder."""
    for place, inner, names in os.walk(local, topdown=False):
        here = Path(place)
        for name in names:
            if (relative := (here / name).relative_to(local).as_posix()) not in files and not name.startswith(
                "."
            ):
                (local / relative).unlink(missing_ok=True)
        for name in inner:
            if (here / name).relative_to(local).as_posix() not in folders:
                with contextlib.suppress(OSError):
                    (here / name).rmdir()


def _fetched(one: FetchRequest) -> tuple[str, bool]:
    """("" or why the file cannot be had, whether that was trouble on the
    way and not the file's own fault).
    """
    try:
        _bring(one)
    except FileNotFoundError:
        why, is_trouble = "no such file", False
    except IsADirectoryError:
        why, is_trouble = "it is a folder", False
    except PermissionError:
        why, is_trouble = "permission denied", False
    except TransientFetchError as error:
        why, is_trouble = f"cannot be fetched ({error})", True
    else:
        return "", False
    with describe_storage_error(one.local.parent):
        make_folder(one.local.parent)
        one.local.write_bytes(b"")
        os.utime(one.local, (0, 0))
    return why, is_trouble


def _bring(one: FetchRequest) -> None:
    try:
        info = one.info or one.source.system.info(one.source.path)
    except (FileNotFoundError, PermissionError):
        raise
    except Exception as error:
        raise TransientFetchError(_line(error)) from error
    if info.get("type") == "directory":
        raise IsADirectoryError(one.source.path)
    stamp = _stamp(file_state(info))
    if stamp is not None and _is_kept(one.local, stamp):
        return
    with describe_storage_error(one.local.parent):
        make_folder(one.local.parent)
        handle, name = tempfile.mkstemp(prefix=".", suffix=".part", dir=one.local.parent)
        os.close(handle)
    temporary = Path(name)
    try:
        _copy(one.source, temporary)
        with describe_storage_error(one.local):
            # The time of the copy says of which state it is: no list beside it that could contradict it.
            if stamp is not None:
                os.utime(temporary, (stamp, stamp))
            temporary.replace(one.local)
    finally:
        temporary.unlink(missing_ok=True)


def _copy(source: RemoteLocation, target: Path) -> None:
    try:
        source.system.get_file(source.path, str(target))
    except (FileNotFoundError, PermissionError):
        raise
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS):
            with describe_storage_error(target.parent):
                raise
        raise TransientFetchError(_line(error)) from error
    except Exception as error:
        raise TransientFetchError(_line(error)) from error


def _stamp(state: str | None) -> int | None:
    # Whole even seconds, which every disk can keep; 0 is for what could not be fetched.
    return None if state is None else 2 * (int(text_digest(state)[:7], 16) + 1)


def _is_kept(local: Path, stamp: int) -> bool:
    try:
        return int(local.stat().st_mtime) == stamp
    except OSError:
        return False


def _line(error: BaseException) -> str:
    text = str(error).strip()
    return text.splitlines()[0][:200] if text else type(error).__name__
