"""The error tree of the project: every message names the input, what was expected, what came, and the cure.

LightfastError                exit 1   the work failed
├── TrainingError             exit 1   the numbers went wrong (a loss that is not finite)
├── ClusterError              exit 1   machines that work together: not there, lost too often
└── InputError                exit 2   something that the caller can mend
    ├── UnknownName                    a name that no registry knows
    ├── DataError                      pictures, labels, folders, manifests
    │   ├── NotFoundError              a row of a library that is not there
    │   └── ConflictError              somebody else's act stands in the way
    ├── SettingsError                  a setting out of range, or two that contradict each other
    ├── CheckpointError                a run folder or checkpoint that does not fit
    ├── DownloadError                  a file that did not arrive whole
    └── StorageError                   a full disk, a read-only folder
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import Any


class LightfastError(Exception):
    """Root of all errors raised on purpose. `exit_code` is what the command line returns.

    The message is one line: what it is about, what was `expected` there, what came (`got`), and the `cure`.
    """

    exit_code = 1

    def __init__(self, what: str, *, expected: object = "", got: object = "", cure: str = "") -> None:
        said = ", ".join(
            f"{word} {text}" for word, text in (("expected", expected), ("got", got)) if text != ""
        )
        message = what.rstrip(".") + f": {said}" * bool(said)
        super().__init__(f"{message}. {cure}" if cure else message)
        self.cure = cure

    @property
    def without_cure(self) -> str:
        """The message as part of another sentence, which says what to do."""
        return str(self).removesuffix(f". {self.cure}")

    def __reduce__(self) -> tuple[Any, ...]:
        # Out of another process it comes back with its message as it is; the arguments of a subclass are not
        # kept.
        return _as_it_was, (type(self), self.args, self.__dict__)


def _as_it_was(kind: type[LightfastError], said: tuple[object, ...], state: dict[str, Any]) -> LightfastError:
    error = kind.__new__(kind, *said)
    error.__dict__.update(state)
    return error


class TrainingError(LightfastError):
    """Training cannot go on: the loss is not finite."""


class ClusterError(LightfastError):
    """Machines that work together cannot: none is there, or one piece of work was lost again and again."""


class InputError(LightfastError):
    """The caller gave something that cannot be used."""

    exit_code = 2


class UnknownName(InputError):
    """A name that the registry does not hold; the message lists the closest ones."""

    def __init__(self, kind: str, name: str, known: Iterable[str]) -> None:
        known = sorted(known)
        close = difflib.get_close_matches(name.lower(), known, n=3, cutoff=0.4)
        close += [entry for entry in known if name.lower() in entry and entry not in close][:3]
        cure = f"Did you mean {' or '.join(close)}?" if close else f"Known: {', '.join(known)}."
        super().__init__(f"unknown {kind} {name!r}", cure=cure)


class DataError(InputError):
    """Pictures, labels, folders or manifests that cannot be used as they are."""


class NotFoundError(DataError):
    """A picture, label, model, user or job that a library does not hold."""


class ConflictError(DataError):
    """Somebody else's act, or an earlier one, stands in the way."""


class SettingsError(InputError):
    """A setting out of its range, or in conflict with another."""


class CheckpointError(InputError):
    """A run folder or checkpoint that is missing, damaged, or made for something else."""


class DownloadError(InputError):
    """A download that failed or did not match its checksum; nothing half-written stays behind."""


class StorageError(InputError):
    """The disk is full or the folder cannot be written; nothing half-written stays behind.

    `reason` says why in a few words, where the operating system said so.
    """

    reason = ""
