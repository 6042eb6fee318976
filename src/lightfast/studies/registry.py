"""What a study is: a runnable script over the public verbs that prints its paper's table beside ours."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from lightfast.base.errors import UnknownName
from lightfast.base.files import load_json, write_json
from lightfast.base.parallel import Executor, in_parallel
from lightfast.base.plain import HIDDEN, as_json
from lightfast.base.progress import Reporter, silent
from lightfast.base.registry import Registry
from lightfast.data.catalogue.catalogue import availability, data_folder, is_dataset_name
from lightfast.data.dataset import ImageSpec
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.load import load_checkpoint
from lightfast.report.page import Section, Table
from lightfast.report.provenance import provenance
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
        reader: a classifier in the place of the study's own where its paper used a published one (mnist-c:
            the breakouts): run folder, `hf-hub:ID` or `hf-hub:FOLDER`; None = the study's own.
        fetch_weights: also run what needs published weights that have to be fetched (in the studies that have
            such rows; without it the rows say "not run").
    """

    out: Path
    scale: Scale = "quick"
    seed: int = 0
    device: str = "auto"
    report: Reporter = silent
    data_folder: Path | None = None
    executor: Executor = in_parallel
    reader: str | None = None
    fetch_weights: bool = False

    def __post_init__(self) -> None:
        if self.scale not in SCALES:
            raise UnknownName("scale", self.scale, SCALES)

    def pictures(self, name: str, target: ImageSpec | None = None) -> Prepared:
        """The data set called `name`, through the door of all verbs."""
        options = RunOptions(data_folder=self.data_folder, report=self.report)
        return prepare(name, options, target=target, near="hashes", named=True)

    @property
    def data_root(self) -> Path:
        """Where data sets lie."""
        return self.data_folder or data_folder()

    def has(self, name: str) -> bool:
        """Whether the data set can be read without the network;
        also for sets that only the data folder knows.
        """
        return is_dataset_name(name, self.data_root) and availability(name, self.data_root) == "here"

    def training(self, *folder: str) -> Training:
        """Settings of one training of the study, whose resumable state lies in `folder` below `out`."""
        place = self.out.joinpath(*folder)
        return Training(
            seed=self.seed,
            device=self.device,
            folder=place,
            resume=True,
            report=self.report,
            executor=self.executor,
        )

    def result(
        self, study: str, title: str, tables: Sequence[Table], figures: Mapping[str, Any], **more: Any
    ) -> StudyResult:
        """What the study of that name found: `figures` as plain JSON values with seed and scale; `more` are
        the other fields.
        """
        told = as_json(figures) | {"seed": self.seed, "scale": self.scale}
        command = ["lightfast", "study", study, "--scale", self.scale, "--seed", str(self.seed)]
        command += ["--reader", self.reader] if self.reader else []
        command += ["--fetch-weights"] if self.fetch_weights else []
        facts = provenance(told["data_version"], self.seed, more.get("seconds"), command)
        own: dict[str, Any] = {"seed": self.seed, "scale": self.scale, "provenance": facts}
        return StudyResult(title, tuple(tables), told, **more, **own)


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
        seed, scale: of the options.
        provenance: see `report.provenance.provenance`.
    """

    title: str
    tables: tuple[Table, ...] = field(metadata=HIDDEN)
    figures: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    sections: tuple[Section, ...] = field(default=(), metadata=HIDDEN)
    seed: int = 0
    scale: Scale = "quick"
    provenance: Mapping[str, Any] = field(default_factory=dict, metadata=HIDDEN)


@dataclass(frozen=True)
class Study:
    """One registered study: `run(options)` does it, at one of its `scales`; `takes_reader`: it knows what to
    do with another `reader`; `fetches`: some of its rows need published weights.
    """

    name: str
    run: Callable[[StudyOptions], StudyResult]
    scales: tuple[Scale, ...] = ("quick", "paper")
    takes_reader: bool = False
    fetches: bool = False


def kept(path: Path, make: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """What stands in the JSON file, made and written where it is not there yet."""
    if not path.is_file():
        write_json(path, make())
    return load_json(path)


STUDIES: Registry[Study] = Registry("study")


def trained(
    options: StudyOptions, part: str, key: Mapping[str, Any], make: Callable[[Training], Checkpoint]
) -> Checkpoint:
    """The checkpoint of one part of a study: read from `out`/parts/`part` when it was made with the same
    `key`, else made and kept.

    `key` holds whatever decides the result (data version, settings); seed and scale are added here.
    """
    folder = options.out / "parts" / part
    wanted = as_json({**key, "seed": options.seed, "scale": options.scale})
    note = folder / "checkpoint" / "checkpoint.json"
    if note.is_file() and load_json(note).get("details", {}).get("key") == wanted:
        return load_checkpoint(folder)
    # The state of a training that was stopped is worth going on with only when it was started for the same
    # key.
    started = folder / "key.json"
    if not (started.is_file() and load_json(started) == wanted):
        shutil.rmtree(folder / ".training", ignore_errors=True)
        write_json(started, wanted)
    checkpoint = make(options.training("parts", part))
    checkpoint = checkpoint.replace(details={**checkpoint.details, "key": wanted})
    checkpoint.save(folder / "checkpoint")
    return checkpoint
