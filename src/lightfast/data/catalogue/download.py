"""A file over HTTP: resumed where it was interrupted, checked before it gets its name,
and nothing wrong left behind.
"""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightfast.base.errors import DownloadError
from lightfast.base.files import file_hash, make_folder, storage_errors, write_json
from lightfast.base.progress import Reporter, silent

_BLOCK = 1 << 16


@dataclass(frozen=True)
class RetryPolicy:
    """Seconds to wait for an answer, attempts to make, and seconds of the first pause between them
    (doubled each time).
    """

    timeout: float = 30.0
    attempts: int = 4
    pause: float = 1.0


class _Broken(Exception):
    """The connection ended early; another attempt can go on from the bytes that came."""


def download(
    url: str,
    target: Path,
    *,
    checksum: str | None = None,
    size: int | None = None,
    report: Reporter = silent,
    patience: RetryPolicy | None = None,
) -> Path:
    """Fetch `url` into `target` and return it; a `target` that is there and fits `checksum` and `size` is
    kept.

    Args:
        checksum: "md5:HEX" or "sha256:HEX" as published, or None where none is published.
        size: bytes, where known.
        report: gets the file name, the bytes so far and in all.

    The bytes go to `target.part` first; when the connection breaks they stay there, and the next call goes on
    from them (HTTP Range with If-Range; from the start if the server cannot). Raises DownloadError: not
    http(s), refused (404 ...), unreachable, interrupted, too short, wrong checksum; in the last two cases the
    file is deleted. Raises StorageError for a full disk or a read-only folder.
    """
    patience = patience or RetryPolicy()
    if not url.startswith(("http://", "https://")):
        raise DownloadError(f"cannot fetch {url}", expected="an http:// or https:// address")
    if target.is_file() and _fault(target, checksum, size) is None:
        return target
    make_folder(target.parent)
    part = target.with_name(f"{target.name}.part")
    for attempt in range(1, patience.attempts + 1):
        try:
            _attempt(url, part, size, report, patience.timeout)
            break
        except (_Broken, OSError, http.client.HTTPException) as error:
            if isinstance(error, urllib.error.HTTPError) and error.code < 500 and error.code != 429:
                cure = "The file may have moved: see the homepage of the data set."
                raise DownloadError(f"{url} answered {error.code} {error.reason}", cure=cure) from error
            if attempt == patience.attempts:
                raise _given_up(url, part, error, attempt) from error
            time.sleep(patience.pause * 2 ** (attempt - 1))
    return _accept(url, part, target, checksum, size)


def _attempt(url: str, part: Path, size: int | None, report: Reporter, timeout: float) -> None:
    """One request; returns when all bytes that the server announced are in `part`,
    raises _Broken when the connection ended before.
    """
    have = part.stat().st_size if part.is_file() else 0
    try:
        answer = _ask(url, part, have, timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code != 416:
            raise
        # Nothing after the bytes that are here: the file is complete, or it is another one now; the check
        # decides.
        return
    with answer:
        resumed = answer.status == 206
        if resumed and not answer.headers.get("Content-Range", "").startswith(f"bytes {have}-"):
            part.unlink()
            raise _Broken("the server sent another range than asked")
        _note_version(answer, url, part)
        start, length = have if resumed else 0, answer.headers.get("Content-Length")
        total = start + int(length) if length else size
        name = part.name.removesuffix(".part")
        with storage_errors(part), part.open("ab" if resumed else "wb") as stream:
            _copy(answer, stream, start, total, lambda done: report(name, done, total or done))


def _note_version(answer: Any, url: str, part: Path) -> None:
    stamp = answer.headers.get("ETag") or answer.headers.get("Last-Modified") or ""
    # A weak ETag must not be used with If-Range (RFC 9110, 13.1.5).
    write_json(_stamp_file(part), {"url": url, "validator": "" if stamp.startswith("W/") else stamp})


def _ask(url: str, part: Path, have: int, timeout: float) -> Any:
    """The server's answer to a request for what comes after the `have` bytes of `part`."""
    import urllib.request

    headers = {"User-Agent": "lightfast", "Accept-Encoding": "identity"}
    validator = _validator(part, url)
    if have and validator:
        headers |= {"Range": f"bytes={have}-", "If-Range": validator}
    return urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)


def _copy(answer: Any, stream: Any, done: int, total: int | None, tell: Any) -> None:
    while True:
        try:
            block = answer.read(_BLOCK)
        except http.client.IncompleteRead as error:
            stream.write(error.partial)
            raise _Broken("the connection ended early") from error
        if not block:
            break
        stream.write(block)
        done += len(block)
        tell(done)
    if total is not None and done < total and answer.headers.get("Content-Length"):
        raise _Broken(f"the connection ended at {done:,} of {total:,} bytes")


def _accept(url: str, part: Path, target: Path, checksum: str | None, size: int | None) -> Path:
    fault = _fault(part, checksum, size)
    _stamp_file(part).unlink(missing_ok=True)
    if fault is not None:
        part.unlink(missing_ok=True)
        raise DownloadError(
            f"{url}: the file that came is not the right one and was deleted",
            expected=fault[0],
            got=fault[1],
            cure="Fetch it again; if it happens twice, the file at that address has changed.",
        )
    with storage_errors(target):
        part.replace(target)
    return target


def _fault(path: Path, checksum: str | None, size: int | None) -> tuple[str, str] | None:
    """(expected, got) when the file is not the one that was published."""
    got_size = path.stat().st_size if path.is_file() else 0
    if size is not None and got_size != size:
        return f"{size:,} bytes", f"{got_size:,} bytes"
    if checksum is None:
        return None
    kind, _, wanted = checksum.partition(":")
    got = file_hash(path, kind)
    return None if got == wanted.lower() else (f"{kind} {wanted}", f"{kind} {got}")


def _given_up(url: str, part: Path, error: Exception, attempts: int) -> DownloadError:
    reason = getattr(error, "reason", None) or error
    kept = part.stat().st_size if part.is_file() else 0
    again = f"Run the same command again: it goes on from the {kept:,} bytes that came."
    cure = again if kept else "Check the network and the address, then try again."
    return DownloadError(f"{url} did not arrive in {attempts} attempts ({reason})", cure=cure)


def _stamp_file(part: Path) -> Path:
    return part.with_name(f"{part.name}.json")


def _validator(part: Path, url: str) -> str:
    """What the server called the version whose bytes are in `part` (ETag or date); empty when unknown,
    which means: start over.
    """
    try:
        stamp = json.loads(_stamp_file(part).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(stamp.get("validator", "")) if stamp.get("url") == url else ""
