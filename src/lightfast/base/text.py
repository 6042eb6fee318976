"""Text that people wrote, made comparable."""

from __future__ import annotations

import unicodedata


def nfc(text: str) -> str:
    """`text` in Unicode's composed normal form (NFC): an "ä" that one system writes as one character and
    another as "a" with two dots behind it is one text.

    For comparing and showing only: a file is opened by the name that it has on its disk.
    """
    return unicodedata.normalize("NFC", text)
