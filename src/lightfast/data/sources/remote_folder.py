"""A folder elsewhere as a folder here: what lies in it, what of it is fetched now and what later."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightfast.base.files import make_folder
from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import Address
from lightfast.data.sources.archives import Unpacked, is_taken, safe_parts
from lightfast.data.sources.folder import is_picture
from lightfast.data.sources.names import SYSTEM_NOTE, passed_over_part
from lightfast.data.sources.remote import (
    MOST_IN_A_ROW,
    FileRequest,
    RemoteLocation,
    cache_errors,
    describe_remote_errors,
    fetch_files,
    is_here,
    state_stamp,
)

_LONGEST_NAME = 255


def fetch_folder(
    folder: RemoteLocation, local: Path, report: Reporter = silent, later: dict[Path, Address] | None = None
) -> Unpacked:
    """Bring what pictures and tables lie below `folder` to `local`, and make that an image of it: what is
    gone there goes here. With `later` pictures that are not here as they are there are noted in it by their
    places, where empty files stand for them.

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
        if later is not None:
            requests = [one for one in requests if not _is_left(one, later)]
    reasons = fetch_files(requests, report, min(MOST_IN_A_ROW, len(requests)))
    said = [(others, "file(s) are neither pictures nor tables and were left out"), (system, SYSTEM_NOTE)]
    return Unpacked(
        {
            one.local.relative_to(local).as_posix(): why
            for one, why in zip(requests, reasons, strict=True)
            if why
        },
        unsafe,
        tuple(f"{len(some)} {text} (first: {some[0]})" for some, text in said if some),
    )


def _is_left(one: FileRequest, later: dict[Path, Address]) -> bool:
    """Note a picture that is not here in its state, an empty file in its place; whether it is one."""
    info = one.info or {}
    stamp = state_stamp(info)
    if not is_picture(one.local) or is_here(one.local, stamp):
        return False
    one.local.write_bytes(b"")
    os.utime(one.local, (0, 0))
    later[one.local] = Address(one.location.url, f"{info.get('size')} {stamp}")
    return True


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
