"""What is found in the bytes of a picture file before they are decoded: what the decoder should get instead,
whether pixels are lost, and what the reader is told.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

DamageChoice = Literal["refuse", "read"]
"""What becomes of a file whose pixels are damaged: named as unreadable,
or read as far as it goes and counted.
"""

REMARKS: dict[str, str] = {
    "no-end": "files lack their end mark; all their pixels are there",
    "metadata": "files have damaged metadata (text, profile, EXIF), which was left aside",
    "damaged": "files are damaged and were read as far as they go",
    "unchecked": "JPEG files of a rare sampling could not be checked for damage",
}
"""What is said of files that were read, behind their number."""


def remark_notes(remarks: Mapping[str, int]) -> tuple[str, ...]:
    """One sentence a kind of remark, with how many files it holds for."""
    return tuple(f"{remarks[kind]:,} {said}" for kind, said in REMARKS.items() if remarks.get(kind))


def damage_note(reasons: Iterable[str]) -> tuple[str, ...]:
    """How many files were left out because their pixels are damaged, and the option that reads them."""
    count = sum(reason.startswith("damaged") for reason in reasons)
    said = "files are damaged and were left out; `damaged=read` reads what can be decoded of them"
    return (f"{count:,} {said}",) if count else ()


@dataclass(frozen=True)
class Examined:
    """The bytes of a file as the decoder should get them.

    Attributes:
        data: the content, without what keeps the decoder from its pixels.
        damage: "" or why pixels are lost or wrong, for instance "damaged (wrong checksum of IDAT)".
        remarks: keys of REMARKS.
    """

    data: bytes
    damage: str = ""
    remarks: frozenset[str] = frozenset()
