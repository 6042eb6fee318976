"""What a study is: a runnable script over the public verbs that prints its paper's table beside ours."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lightfast.base.errors import UnknownName
from lightfast.base.files import load_json, write_json
from lightfast.base.parallel import Executor, in_parallel
from lightfast.base.progress import Reporter, silent
from lightfast.base.registry import Registry
from lightfast.data.dataset import ImageSpec
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.load import load_checkpoint
from lightfast.report.page import Section, Table
from lightfast.runs.options import RunOptions
from lightfast.runs.pictures import Prepared, prepare
from lightfast.train.recipe import Training

Scale = Literal["quick", "cpu", "paper"]
SCALES: tuple[Scale, ...] = ("quick", "cpu", "paper")


@dataclass(frozen=True)
class StudyOptions:
    """How a study runs.

    Attributes:
        out: folder that keeps every trained part, so that a study that was stopped goes on where it was.
        scale: "quick" (minutes at most, small data: shows that it works), "cpu" (the figures to quote of a
            machine without a GPU, in the studies whose paper needs one) or "paper" (the figures to quote).
        seed, device, report, executor: as everywhere.
        data_folder: where data sets lie; None = LIGHTFAST_DATA or the cache folder.
    """

    out: Path
    scale: Scale = "quick"
    seed: int = 0
    device: str = "auto"
    report: Reporter = silent
    data_folder: Path | None = None
    executor: Executor = in_parallel

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise UnknownName("scale", self.scale, SCALES)

    def pictures(self, name: str, target: ImageSpec | None = None) -> Prepared:
        """The data set called `name`, through the door of all verbs."""
        options = RunOptions(data_folder=self.data_folder, report=self.report)
        return prepare(name, options, target=target, near="hashes", named=True)

    def training(self, part: str) -> Training:
        """Settings of one training of the study; its resumable state lies under `out`/.training/`part`."""
        return Training(
            seed=self.seed,
            device=self.device,
            folder=self.out / "parts" / part,
            resume=True,
            report=self.report,
            executor=self.executor,
        )


@dataclass(frozen=True, eq=False)
class StudyResult:
    """What a study found.

    Attributes:
        title: one line.
        tables: the paper's figures beside ours.
        figures: JSON-ready numbers behind the tables.
        notes: what the reader has to know (stand-in data, what was not run).
        seconds: of the trainings.
        sections: figures for the page, after the tables.
    """

    title: str
    tables: tuple[Table, ...]
    figures: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()


@dataclass(frozen=True)
class Study:
    """One registered study: `run(options)` does it; `needs` names the data sets at scale "paper",
    `scales` those that it has.
    """

    name: str
    title: str
    run: Callable[[StudyOptions], StudyResult]
    source: str
    needs: tuple[str, ...] = ()
    scales: tuple[Scale, ...] = ("quick", "paper")


STUDIES: Registry[Study] = Registry("study")


def trained(
    options: StudyOptions, part: str, key: Mapping[str, Any], make: Callable[[Training], Checkpoint]
) -> Checkpoint:
    """The checkpoint of one part of a study: read from `out`/parts/`part` when it was made with the same
    `key`, else made and kept.

    `key` holds whatever decides the result (data version, settings); seed and scale are added here.
    """
    folder = options.out / "parts" / part
    wanted = {**key, "seed": options.seed, "scale": options.scale}
    note = folder / "checkpoint" / "checkpoint.json"
    if note.is_file() and load_json(note).get("details", {}).get("key") == _plain(wanted):
        return load_checkpoint(folder)
    # The state of a training that was stopped is worth going on with only when it was started for the same
    # key.
    started = folder / "key.json"
    if not (started.is_file() and load_json(started) == _plain(wanted)):
        shutil.rmtree(folder / ".training", ignore_errors=True)
        write_json(started, _plain(wanted))
    checkpoint = make(options.training(part))
    checkpoint = checkpoint.replace(details={**checkpoint.details, "key": _plain(wanted)})
    checkpoint.save(folder / "checkpoint")
    return checkpoint


def _plain(value: Any) -> Any:
    """As JSON would give it back: tuples become lists."""
    if isinstance(value, Mapping):
        return {str(key): _plain(entry) for key, entry in value.items()}
    return [_plain(entry) for entry in value] if isinstance(value, tuple | list) else value
