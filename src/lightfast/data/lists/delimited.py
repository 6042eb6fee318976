"""Tables as text: their encoding, their separator, their lines."""

from __future__ import annotations

import codecs
import csv
import io
import re
from collections.abc import Callable, Sequence

SEPARATORS = {",": "commas", ";": "semicolons", "\t": "tabs", "|": "vertical bars"}
_SAID = re.compile(r'"?sep=(.)"?\r?\n?', re.IGNORECASE)


def table_text(content: bytes) -> str:
    """The text of a table: UTF-8 with its mark (BOM) or without, or UTF-16 with its mark.

    Raises UnicodeDecodeError for any other encoding: which one it is cannot be seen in the bytes.
    """
    marked = content.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    return content.decode("utf-16" if marked else "utf-8-sig")


def split_lines(
    text: str, usual: str, names_pictures: Callable[[Sequence[str]], bool]
) -> tuple[list[list[str]], str]:
    """(lines of cells, empty lines left out; the separator).

    A first line `sep=;` says the separator. Otherwise it is `usual`, unless only another one gives a heading
    that `names_pictures`. Lines may end in LF, CR LF or CR alone. Raises csv.Error.
    """
    said = _SAID.match(text)
    if said:
        mark, text = said.group(1), text[said.end() :]
    else:
        heading = next(iter(text.splitlines()), "")
        fitting = [mark for mark in (usual, *SEPARATORS) if names_pictures(_cells(heading, mark)[0])]
        mark = fitting[0] if fitting else usual
    return [line for line in _cells(text, mark) if line], mark


def _cells(text: str, mark: str) -> list[list[str]]:
    # `"a", "b"`: a quote behind a space opens a quoted cell, which csv takes literally unless told.
    spaced = re.search(re.escape(mark) + ' +"', text) is not None
    # Only where CR alone ends the lines is it translated: elsewhere it may stand in a quoted cell.
    ends = None if "\r" in text and "\n" not in text else ""
    lines = csv.reader(io.StringIO(text, newline=ends), delimiter=mark, skipinitialspace=spaced)
    try:
        return list(lines) or [[]]
    except csv.Error as error:
        raise csv.Error(f"line {lines.line_num} cannot be read ({error})") from error
