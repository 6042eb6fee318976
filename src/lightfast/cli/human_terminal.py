"""The blinded test on a terminal: shows a picture, waits for an entry, shows the next."""

from __future__ import annotations

import hashlib
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from lightfast.base.files import write_bytes
from lightfast.base.png import png
from lightfast.baselines.human import TrialQuestion
from lightfast.baselines.human_entries import Keys
from lightfast.cli.terminal_picture import COLUMNS, LINES, terminal_picture
from lightfast.runs.human import human_folder, human_test
from lightfast.runs.options import RunOptions

if TYPE_CHECKING:
    from lightfast.pages.human import HumanSession

# Small pictures are enlarged in the file, so that a viewer shows more than a stamp.
_VIEWER_SIDE = 280


@dataclass(frozen=True)
class Screen:
    """What a terminal can show: characters across, lines, and 24-bit colour."""

    columns: int = COLUMNS
    lines: int = LINES
    colour: bool = True

    @classmethod
    def of(cls, stream: TextIO) -> Screen:
        """As the stream and the environment say: no colour where NO_COLOR is set
        or the stream is no terminal.
        """
        size = shutil.get_terminal_size((80, 40))
        colour = stream.isatty() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
        # Some lines are left for the question and the entry.
        return cls(min(COLUMNS, size.columns), max(8, min(LINES, size.lines - 5)), colour)


class TerminalAsker:
    """Shows questions and reads entries; call `close` at the end.

    Where the characters cannot show the whole picture (no colour, or fewer dots than pixels), it is also
    written as a PNG whose name is a number only; the file disappears with the next picture.
    """

    def __init__(
        self,
        read: Callable[[], str],
        write: Callable[[str], Any],
        folder: Path,
        screen: Screen,
        mark: str = "",
    ) -> None:
        """`read` gives a line ("" at the end of the input), `write` shows text;
        `mark` keeps the files of two people apart.
        """
        self._read, self._write, self._folder, self._screen, self._mark = read, write, folder, screen, mark
        self._introduced = False
        self._file: Path | None = None

    def __call__(self, question: TrialQuestion) -> str | None:
        """Show the picture, or after a bad entry only why it was bad; returns what was typed,
        None at the end of the input.
        """
        keys = Keys(question.class_names)
        if not self._introduced:
            self._write(introduction(question, keys, self._screen.columns))
            self._introduced = True
        if question.message:
            self._write(f"{question.message}\n")
        else:
            self._show(question)
        self._write(f"Which class? ({keys.help}) ")
        line = self._read()
        if line:
            return line
        self._write("\n")
        return None

    def close(self) -> None:
        """Remove the picture file that is left."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)
            self._file = None

    def _show(self, question: TrialQuestion) -> None:
        self.close()
        height, width = question.image.shape[:2]
        screen = self._screen
        text = terminal_picture(
            question.image, columns=screen.columns, lines=screen.lines, colour=screen.colour
        )
        self._write(f"\npicture {question.position} of {question.total}\n{text}\n")
        if not screen.colour or width > screen.columns or height > 2 * screen.lines:
            self._file = self._folder / f"question-{self._mark}{question.position:04d}.png"
            factor = max(1, _VIEWER_SIDE // max(height, width))
            enlarged = question.image.repeat(factor, axis=0).repeat(factor, axis=1)
            write_bytes(self._file, png(enlarged))
            self._write(f"in full: {self._file}\n")


def introduction(question: TrialQuestion, keys: Keys, width: int) -> str:
    """What is asked, and the classes in columns, with their numbers where these can be typed."""
    names = question.class_names
    digits = len(str(len(names)))
    entries = [
        f"{number:>{digits}}  {name}" if keys.numbered else name for number, name in enumerate(names, start=1)
    ]
    wide = max(map(len, entries)) + 3
    columns = max(1, min(len(entries), width // wide))
    rows = -(-len(entries) // columns)
    table = ["".join(entry.ljust(wide) for entry in entries[row::rows]).rstrip() for row in range(rows)]
    return "\n".join(
        [
            f"{question.total} pictures; name the class of each. Nobody tells you how you do.",
            "Every answer is kept at once, and the first one counts: you can stop at any picture and go on "
            "later.",
            "",
            *table,
            "",
        ]
    )


def human_terminal(
    source: str,
    options: RunOptions,
    *,
    person: str,
    n: int = 100,
    run: str | None = None,
    terminal: tuple[TextIO, TextIO] | None = None,
) -> HumanSession:
    """`human_test` on a terminal; `terminal` is (keyboard, screen), by default stdin and stderr,
    so that stdout stays free.
    """
    typed, shown = terminal or (sys.stdin, sys.stderr)

    def write(text: str) -> None:
        shown.write(text)
        shown.flush()

    mark = hashlib.blake2b(person.casefold().encode(), digest_size=3).hexdigest() + "-"
    asker = TerminalAsker(typed.readline, write, human_folder(source, options, run), Screen.of(shown), mark)
    try:
        return human_test(source, options, person=person, n=n, ask=asker, run=run)
    finally:
        asker.close()
