"""What the names of files and folders say: those of systems and programs, and those of official parts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Sequence
from fnmatch import translate
from pathlib import Path

from lightfast.base.text import nfc

SYSTEM_NAMES = (
    "@eadir",
    "@tmp",
    "@sharebin",
    "@recycle",
    "@recently-snapshot",
    "*@synoeastream",
    "*@synoresource",
    ".@__thumb",
    "@__thumb",
    "#recycle",
    "#snapshot",
    "~snapshot",
    ".snapshot",
    "$recycle.bin",
    "recycler",
    "system volume information",
    "found.[0-9][0-9][0-9]",
    "thumbs.db*",
    "ehthumbs*.db",
    "desktop.ini",
    "__macosx",
    "._*",
    "icon\r",
    ".appledouble",
    ".trashes",
    "network trash folder",
    "temporary items",
    "lost+found",
    ".trash",
    ".trash-*",
    ".thumbnails",
    ".thumb",
    ".thumbs",
    ".dtrash",
    ".picasaoriginals",
    ".bridgecache*",
    "picasa.ini",
    "zbthumbnail.info",
    "*.lrdata",
    "*.lrlibrary",
    "*.cocatalogdb",
    "__pycache__",
)
"""Files and folders that systems and programs leave among pictures, in lower case, as patterns of fnmatch:
waste baskets, snapshots and thumbnails of network drives (Synology, QNAP, NetApp), Windows, macOS and Linux,
previews of Lightroom, Bridge, Picasa, digiKam and Capture One.
"""
SYSTEM_NOTE = "file(s) and folder(s) of the system (thumbnails, waste baskets) were passed over"
_SYSTEM = re.compile("|".join(map(translate, SYSTEM_NAMES)))
# A library of Apple's Photos, iPhoto or Aperture: all but these folders of it are previews and databases.
_LIBRARY_ENDINGS = (".photoslibrary", ".photolibrary", ".aplibrary")
_LIBRARY_PICTURES = ("originals", "masters")

_WORDS = {
    **dict.fromkeys(("train", "training", "trn"), "train"),
    **dict.fromkeys(("val", "valid", "validation", "validate", "dev", "development"), "val"),
    **dict.fromkeys(("test", "testing", "tst"), "test"),
}
_FILLERS = (
    r"(?:sets?|data|datasets?|images?|imgs?|pics?|pictures?|photos?|jpe?gs?|pngs?|seg|splits?|parts?"
    r"|folders?|\d++)"
)
_PART = re.compile(
    rf"[\W_]*(?:{_FILLERS}[\W_]*)*({'|'.join(sorted(_WORDS, key=len, reverse=True))})"
    rf"(?:[\W_]*{_FILLERS})*[\W_]*"
)
_UNLABELLED = re.compile(
    r".*(unlabel|no_?label|unsup|pred|extra|submission|sample|unknown|unsorted|todo|query|gallery).*"
)
_EITHER_PART = re.compile(r".*(eval|hold[-_ ]?out).*")


def is_system(name: str, parent: str = "") -> bool:
    """Whether a file or folder of this name, in the folder `parent`, is a system's or a program's own:
    `SYSTEM_NAMES`, and what is no original in a library of Apple's Photos.
    """
    if parent.lower().endswith(_LIBRARY_ENDINGS):
        return name.lower() not in _LIBRARY_PICTURES
    return _SYSTEM.match(name.lower()) is not None


def is_passed_over(name: str, parent: str = "") -> bool:
    """Whether whatever has this name is no picture of the user's: hidden, or a system's own."""
    return name.startswith(".") or is_system(name, parent)


def passed_over_part(parts: Sequence[str]) -> tuple[bool, str]:
    """(whether a path through these folders is passed over, the path up to the first that is a system's own
    or "").
    """
    pairs = list(zip(parts, ("", *parts), strict=False))
    passed = any(is_passed_over(*pair) for pair in pairs)
    end = next((depth for depth, pair in enumerate(pairs, start=1) if is_system(*pair)), 0)
    return passed, "/".join(parts[:end])


def part_named(name: str) -> str | None:
    """The official part that a folder or table is called after: "train", "val", "test", or None.

    `train`, `Training`, `train_images`, `seg_train`, `test-set`, `train2017` are parts; `train_old`, `trains`
    are not.
    """
    found = _PART.fullmatch(nfc(name).casefold().strip())
    return found and _WORDS[found[1]]


def is_plain_part(name: str) -> bool:
    """Whether a name is nothing but the word for a part: nobody needs to be told how it was read."""
    return name.casefold() in _WORDS


def may_be_val_or_test(name: str) -> bool:
    """Whether a folder is called by a word that some use for the validation part and some for the test
    part.
    """
    return _EITHER_PART.fullmatch(nfc(name).casefold()) is not None


def named_parts(folders: Iterable[Path]) -> dict[Path, str]:
    """{folder: part} of those that are called after official parts: by `part_named`, or, where two or more
    share the rest of their names (`dogs_train`, `dogs_test`), by the word in it.
    """
    given = list(folders)
    parts = {folder: part for folder in given if (part := part_named(folder.name))}
    alike: dict[str, dict[Path, str]] = defaultdict(dict)
    for folder in set(given) - set(parts):
        rest, said = _word_in(folder.name)
        if said:
            alike[rest][folder] = said
    for group in alike.values():
        if {"train"} < set(group.values()):
            parts |= group
    return {folder: parts[folder] for folder in given if folder in parts}


def _word_in(name: str) -> tuple[str, str]:
    """(the rest of a name, the part that one word in it names or "")."""
    words = re.split(r"[\W_]+", nfc(name).casefold())
    said = [word for word in words if word in _WORDS]
    return " ".join(word for word in words if word not in _WORDS), _WORDS[said[0]] if len(said) == 1 else ""


def is_unlabelled(name: str) -> bool:
    """Whether a folder is called after pictures that have no labels: `unlabelled`, `seg_pred`, `extra`."""
    return _UNLABELLED.fullmatch(nfc(name).casefold()) is not None
