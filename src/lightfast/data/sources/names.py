"""What the names of files and folders say: those of systems, those of official parts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from fnmatch import translate
from pathlib import Path

from lightfast.base.text import nfc

SYSTEM_NAMES = (
    "@eadir",
    "@tmp",
    "@recycle",
    "@recently-snapshot",
    "@sharebin",
    ".@__thumb",
    "#recycle",
    "#snapshot",
    "trashbox",
    "$recycle.bin",
    "recycler",
    "recycled",
    "system volume information",
    "found.[0-9][0-9][0-9]",
    "thumbs.db*",
    "ehthumbs*.db",
    "desktop.ini",
    "__macosx",
    ".appledouble",
    ".trashes",
    "._*",
    "lost+found",
    ".trash",
    ".trash-*",
    ".thumbnails",
    ".thumb",
    ".thumbs",
    ".dtrash",
    ".picasaoriginals",
    ".bridgecache*",
    "*.lrdata",
    "*.cocatalogdb",
    "__pycache__",
)
"""Files and folders that systems and programs leave among pictures, in lower case, as patterns of fnmatch:
waste baskets and thumbnails of network drives (Synology, QNAP, Buffalo), Windows, macOS and Linux, previews
of Lightroom, Bridge, Picasa, digiKam and Capture One.
"""
_SYSTEM = re.compile("|".join(map(translate, SYSTEM_NAMES)))

_WORDS = {
    "train": "train",
    "training": "train",
    "trn": "train",
    "val": "val",
    "valid": "val",
    "validation": "val",
    "validate": "val",
    "test": "test",
    "testing": "test",
    "tst": "test",
}
_FILLERS = r"(?:sets?|data|datasets?|images?|imgs?|pics?|pictures?|photos?|seg|splits?|parts?|folders?|\d+)"
_PART = re.compile(
    rf"(?:{_FILLERS}[\W_]*)*({'|'.join(sorted(_WORDS, key=len, reverse=True))})(?:[\W_]*{_FILLERS})*"
)
_UNLABELLED = re.compile(
    r".*(unlabel|no_?label|pred|extra|submission|sample|unknown|unsorted|todo|holdout|query|gallery).*"
)
_HOLDERS = re.compile(rf"(?:{_FILLERS}|all|raw|jpe?gs?|pngs?|files?)(?:[\W_]*{_FILLERS})*")


def is_system(name: str) -> bool:
    """Whether a file or folder of this name is a system's or a program's own (`SYSTEM_NAMES`)."""
    return _SYSTEM.match(name.lower()) is not None


def is_passed_over(name: str) -> bool:
    """Whether whatever has this name is no picture of the user's: hidden, or a system's own."""
    return name.startswith(".") or is_system(name)


def part_of(name: str) -> str | None:
    """The official part that a folder or table is called after: "train", "val", "test", or None.

    `train`, `Training`, `train_images`, `seg_train`, `test-set`, `train2017` are parts; `train_old`, `trains`
    are not.
    """
    found = _PART.fullmatch(nfc(name).casefold().strip())
    return found and _WORDS[found[1]]


def named_parts(folders: Iterable[Path]) -> dict[Path, str]:
    """{folder: part} of those that are called after official parts, by `part_of`, or, where two or more share
    the rest of their names (`dogs_train`, `dogs_test`), by the word in it.
    """
    given = list(folders)
    parts = {folder: part for folder in given if (part := part_of(folder.name))}
    alike: dict[str, dict[Path, str]] = defaultdict(dict)
    for folder in set(given) - set(parts):
        words = re.split(r"[\W_]+", nfc(folder.name).casefold())
        said = [word for word in words if word in _WORDS]
        if len(said) == 1:
            alike[" ".join(word for word in words if word not in _WORDS)][folder] = _WORDS[said[0]]
    for group in alike.values():
        if "train" in group.values() and len(set(group.values())) > 1:
            parts |= group
    return {folder: parts[folder] for folder in given if folder in parts}


def is_unlabelled(name: str) -> bool:
    """Whether a folder is called after pictures that have no labels: `unlabelled`, `seg_pred`, `extra`."""
    return _UNLABELLED.fullmatch(nfc(name).casefold()) is not None


def is_holder(name: str) -> bool:
    """Whether a folder is called after what lies in it (`images`, `photos`, `data`) or a part, not after a
    class.
    """
    return _HOLDERS.fullmatch(nfc(name).casefold()) is not None or part_of(name) is not None
