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

_STORAGE = {
    errno.ENOSPC: "the disk is full",
    errno.EROFS: "the file system is read-only",
    errno.EDQUOT: "the quota is used up",
    errno.EACCES: "permission denied",
    errno.EPERM: "not permitted",
    errno.ENOTDIR: "a file stands where a folder is wanted",
    errno.EISDIR: "a folder stands where a file is wanted",
    errno.EEXIST: "a file stands where a folder is wanted",
}


@contextlib.contextmanager
def storage_errors(target: Path) -> Iterator[None]:
    """Turn the operating system's storage failures about `target` into one StorageError line."""
    try:
        yield
    except OSError as error:
        if error.errno not in _STORAGE:
            raise
        cure = "Choose another folder, or make room."
        raise StorageError(f"cannot write {target}: {_STORAGE[error.errno]}", cure=cure) from error


def make_folder(path: Path) -> Path:
    """Create `path` and its parents; raises StorageError when that cannot be done."""
    try:
        with storage_errors(path):
            path.mkdir(parents=True, exist_ok=True)
    except FileNotFoundError as error:
        # File systems that keep no folders of users, such as /proc, say so in this way.
        raise StorageError(
            f"cannot write {path}: no folder can be made there", cure="Choose another folder."
        ) from error
    return path


@contextlib.contextmanager
def atomic(path: Path) -> Iterator[Path]:
    """Yield a temporary path beside `path`; moved onto it when the block ends well,
    deleted when it does not.
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
            temporary.chmod(0o666 & ~umask)
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
