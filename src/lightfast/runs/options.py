"""What every verb on run folders may be told."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lightfast.base.errors import SettingsError, StorageError
from lightfast.base.files import require_writable
from lightfast.base.parallel import Executor, in_parallel
from lightfast.base.progress import Reporter, silent
from lightfast.data.dataset import TableOptions
from lightfast.data.decode.examined import DamageChoice
from lightfast.tagging.stream import TagFiles, tag_files
from lightfast.train.recipe import Training

if TYPE_CHECKING:
    from lightfast.models.checkpoint import Checkpoint

NearChoice = Literal["group", "ignore", "report"]


@dataclass(frozen=True)
class RunOptions:
    """What every verb on run folders takes.

    Attributes:
        out: folder to write; None = the verb's own default.
        seed: of splits, weights, damage.
        device: auto, cpu or cuda.
        resume: go on with an interrupted run in `out`.
        image_size: (H, W) that training pictures get; None keeps theirs. Other verbs read at the run's own
            size.
        damaged: picture files with damaged pixels: refuse (listed as unreadable), or read as far as they go.
        near_duplicates: "group" keeps near duplicates on one side of every split; "report" only says which
            there are; "ignore" does not search them. Exact copies stay on one side whatever is chosen.
        root, label_separator: how tables of pictures are read, see `data.dataset.TableOptions`.
        data_folder: where named data sets lie; None = LIGHTFAST_DATA or the cache folder.
        report: told about progress.
        executor: runs the trainings of a verb that needs several.
        tag_files: reads the picture files of a verb that only predicts; where it says that it `fetches`, also
            those at addresses.
        fit: fits one classifier, called as `train.fit.fit` is; None = that, in this process.
        command: the command line, for the records.
    """

    out: Path | None = None
    seed: int = 0
    device: str = "auto"
    resume: bool = False
    image_size: tuple[int, int] | None = None
    damaged: DamageChoice = "refuse"
    near_duplicates: NearChoice = "group"
    root: Path | None = None
    label_separator: str | None = None
    data_folder: Path | None = None
    report: Reporter = silent
    command: str = ""
    executor: Executor = in_parallel
    tag_files: TagFiles = tag_files
    fit: Callable[..., Checkpoint] | None = None

    @property
    def tables(self) -> TableOptions:
        """How tables of pictures are read."""
        return TableOptions(self.root, self.label_separator)

    @property
    def fetch(self) -> Literal["now", "later"]:
        """Whether pictures at addresses are fetched before they are read, or by who reads them."""
        return "later" if getattr(self.tag_files, "fetches", False) else "now"

    @property
    def words(self) -> list[str]:
        """The command line cut into words."""
        try:
            return shlex.split(self.command)
        except ValueError:
            return self.command.split()

    def reporting(self, report: Reporter) -> RunOptions:
        """The same, with progress told to `report`."""
        return replace(self, report=report)

    def training(self, folder: Path) -> Training:
        """The settings of a training that keeps its resumable state in `folder`."""
        return Training(
            seed=self.seed,
            device=self.device,
            folder=folder,
            resume=self.resume,
            report=self.report,
            executor=self.executor,
        )

    def settings(self, made_by: str, source: str, data_version: str, **more: Any) -> dict[str, Any]:
        """The content of run.json: what decides a run, and who made it."""
        size = list(self.image_size) if self.image_size else None
        given = {"made_by": made_by, "source": source, "data_version": data_version}
        return given | {"seed": self.seed, "image_size": size} | more

    def require_out(self, place: Path | None = None, *, folder: bool = True) -> None:
        """Refuse an `out` that cannot be written (a file, unless `folder`), or `place` where a verb has its
        own in place of it; raises StorageError. Verbs ask this before they compute.
        """
        place = place or self.out
        if place is None:
            return
        try:
            require_writable(Path(place), folder=folder)
        except StorageError as error:
            if self.out is not None:
                raise
            why = error.without_cure
            raise StorageError(why, cure="Give another place as `out`.") from error

    def beside(self, name: str) -> Path | None:
        """A file among the results in `out`; None where none are written."""
        return None if self.out is None else Path(self.out, name)

    def folder(self, verb: str) -> Path:
        """`out`, or a SettingsError that asks for it."""
        if self.out is None:
            raise SettingsError(f"{verb} needs a folder to write", cure="Give one: `out=RUN`.")
        return Path(self.out)
