"""Files appear whole or not at all; hashes say what they hold."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from lightfast.base.errors import DataError, StorageError

_ROOM, _ALLOWED, _FOLDER = (
    "Make room there, or choose another place.",
    "Choose a place that you may write, or have its permissions changed.",
    "Choose another folder.",
)
_STORAGE = {
    errno.ENOSPC: ("the disk is full", _ROOM),
    errno.EDQUOT: ("the quota is used up", _ROOM),
    errno.EFBIG: ("the file is larger than is allowed there", _ROOM),
    errno.EROFS: ("the file system is read-only", "Choose another place, or mount it writable."),
    errno.EACCES: ("permission denied", _ALLOWED),
    errno.EPERM: ("not permitted", _ALLOWED),
    errno.ENOTDIR: ("a file stands where a folder is wanted", _FOLDER),
    errno.EEXIST: ("a file stands where a folder is wanted", _FOLDER),
    errno.EISDIR: ("a folder stands where a file is wanted", "Choose another name."),
    errno.ENAMETOOLONG: ("its name is too long for this file system", "Choose a shorter name."),
    # File systems that keep no folders of users, such as /proc, say so in this way.
    errno.ENOENT: ("no file or folder can be made there", _FOLDER),
}


@contextlib.contextmanager
def storage_errors(target: Path) -> Iterator[None]:
    """Turn the operating system's failures about `target` into one StorageError line with place, reason and
    cure; a failure that names a file elsewhere is told of that file.

    Failures of connections, and those that no system call reported, pass through as they are.
    """
    try:
        yield
    except ConnectionError:
        raise
    except OSError as error:
        if error.errno is None:
            raise
        reason, cure = _STORAGE.get(error.errno, (os.strerror(error.errno).lower(), "Choose another place."))
        # A copy or a move names two files.
        told = [one for one in (error.filename, error.filename2) if isinstance(one, str | bytes)]
        named = [Path(os.fsdecode(one)) for one in told] or [target]
        here = any(_belongs(one, target) for one in named)
        what = f"cannot write {target}" if here else f"cannot use {named[0]}"
        failed = StorageError(f"{what}: {reason}", cure=cure)
        failed.reason = reason
        raise failed from error


def _belongs(named: Path, target: Path) -> bool:
    """Whether a failure at `named` is one of writing `target`: there, inside, above, or at the file beside it
    that is written first.
    """
    named, target = named.absolute(), target.absolute()
    inside = target in (named, *named.parents) or named in target.parents
    return inside or (named.parent == target.parent and target.name in named.name)


def make_folder(path: Path) -> Path:
    """Create `path` and its parents; raises StorageError when that cannot be done."""
    with storage_errors(path):
        path.mkdir(parents=True, exist_ok=True)
    return path


def require_writable(path: Path, *, folder: bool = False) -> Path:
    """Refuse a place that cannot be written, before the work whose result is to stand there.

    A nameless file is made in the nearest folder that is there, and is gone at once: only this tells what a
    mount, a quota or a server allows. Nothing is left behind.

    Args:
        path: a file, or with `folder` a folder; it need not be there, nor its parents.

    Returns `path`; raises StorageError.
    """
    with storage_errors(path):
        if path.is_dir() and not folder:
            raise IsADirectoryError(errno.EISDIR, "", str(path))
        absolute = path.absolute()
        places = (absolute, *absolute.parents) if folder else absolute.parents
        try:
            with tempfile.TemporaryFile(dir=next(one for one in places if os.path.lexists(one))):
                return path
        except OSError as error:  # it names the nameless file
            raise OSError(error.errno, "", str(path)) from error


@contextlib.contextmanager
def atomic(path: Path, mode: int | None = None) -> Iterator[Path]:
    """Yield a temporary path beside `path`; moved onto it when the block ends well,
    deleted when it does not. `mode`: who may read it; None: as the user's umask says.
    """
    make_folder(path.parent)
    with storage_errors(path):
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            # mkstemp makes private files; results should follow the user's umask like any other file.
            umask = os.umask(0)
            os.umask(umask)
            temporary.chmod(0o666 & ~umask if mode is None else mode)
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes) -> Path:
    """Write `content` to `path` atomically."""
    with atomic(path) as temporary:
        temporary.write_bytes(content)
    return path


def write_text(path: Path, content: str) -> Path:
    """Write `content` to `path` as UTF-8, atomically."""
    return write_bytes(path, content.encode())


def write_json(path: Path, content: Any) -> Path:
    """Write `content` as indented JSON, atomically. Not-a-number is refused: it is not JSON."""
    return write_text(path, json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def load_json(path: Path) -> Any:
    """The content of a JSON file; raises DataError naming the file when it is missing or not JSON."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise DataError(f"no such file: {path}") from error
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise DataError(f"{path} is not valid JSON ({error})") from error


def file_hash(path: Path, kind: str = "sha256") -> str:
    """Hex digest of the bytes of a file, read in blocks: the identity of the file, as a content hash is
    that of the pixels. `kind` is "sha256", or "md5" to check what was published so.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.new(kind, usedforsecurity=False)).hexdigest()


def json_digest(content: Mapping[str, Any], size: int = 12) -> str:
    """Hex BLAKE2b of `size` bytes over the content as JSON with sorted keys:
    the name under which a result of these settings is kept.
    """
    return hashlib.blake2b(
        json.dumps(content, sort_keys=True, default=str).encode(), digest_size=size
    ).hexdigest()
