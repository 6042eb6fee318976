"""The kinds of jobs of a library: a name, its arguments, and the verb that does the work.

Adding a kind is a class of arguments and one `JOB_KINDS.add` here. The work has to be one that can be begun
again after a kill at any moment, and that then loses nothing and does nothing twice.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pydantic import Field

from lightfast.base.progress import Reporter
from lightfast.base.registry import Registry
from lightfast.base.settings import Settings
from lightfast.library.library import Library


@dataclass(frozen=True)
class JobKind:
    """What a job of one kind is given and does.

    Attributes:
        arguments: class of what it is given.
        work: (library, arguments, report, by) → its result, a record or plain values. It reports at every
            step: there it is cancelled. `by` is the number of the user who ordered it, None: nobody who is
            known.
        alone: whether a second job of the kind is refused while one waits or runs.
    """

    arguments: type[Settings]
    work: Callable[[Library, Any, Reporter, int | None], Any]
    alone: bool = False


JOB_KINDS: Registry[JobKind] = Registry("kind of job")
_OTHER_NAMES = {"train": "retrain"}
"""A first training is a retraining without a model in use to compare with: one kind, which goes alone."""


def named_kind(name: str) -> str:
    """The kind that is ordered by this name: `train` is `retrain`, others are their own."""
    return _OTHER_NAMES.get(name, name)


class AddArguments(Settings):
    """What `library add` takes."""

    sources: tuple[str, ...] = Field(min_length=1, description="files, folders, tables, archives, addresses")
    keep: bool = Field(False, description="copy the files into the library")


class TagArguments(Settings):
    """What `library tag` takes."""

    run: str | None = Field(None, description="run folder, .onnx or hf-hub:ID; none: the promoted model")
    accept: str | None = Field(None, description="precision=P or gap=X: which tags need no person")
    device: str = Field("auto", description="auto, cpu or cuda")


def _add(library: Library, given: AddArguments, report: Reporter, _by: int | None) -> Any:
    from lightfast.library.add import add_pictures

    return add_pictures(library, given.sources, keep=given.keep, report=report)


def _tag(library: Library, given: TagArguments, report: Reporter, by: int | None) -> Any:
    from lightfast.evaluate.review import ReviewRule
    from lightfast.runs.library.tag import promoted_run, tag_library
    from lightfast.runs.options import RunOptions

    rule = None if given.accept is None else ReviewRule.from_text(given.accept)
    options = RunOptions(device=given.device, report=report)
    return tag_library(library, given.run or promoted_run(library), options, rule, by=by)


JOB_KINDS.add("add", JobKind(AddArguments, _add))
JOB_KINDS.add("tag", JobKind(TagArguments, _tag))
