"""More kinds of jobs of a library: what computes for minutes (features, clusters, maps, what to label next,
what is wrong, retraining, what a model is measured by, exports, tests of people).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from lightfast.base.files import make_folder
from lightfast.base.progress import Reporter
from lightfast.base.settings import Settings
from lightfast.library.job_progress import JobProgress
from lightfast.library.jobs import kept_answer
from lightfast.library.labelled import require_two_labels
from lightfast.library.ledger import answer_to
from lightfast.library.library import Library
from lightfast.runs.library.jobs import JOB_KINDS, JobKind


class EmbedArguments(Settings):
    """What `library embed` takes."""

    run: str | None = Field(None, description="run whose network makes the features; none: a published one")
    device: str = Field("auto", description="auto, cpu or cuda")


class ClustersArguments(Settings):
    """What clusters are made with."""

    count: int | None = Field(None, ge=1, le=10_000, description="how many; none: by the number of pictures")
    lay_out: bool = Field(False, description="then make a map of them, too, with a draft first")
    seed: int = Field(0, ge=0, description="of all draws")
    device: str = Field("auto", description="auto, cpu or cuda")


class MapArguments(Settings):
    """What a map is made with."""

    method: Literal["tsne", "pca"] = Field("tsne", description="tsne, or pca: quick, and straight lines stay")
    draft: bool = Field(False, description="keep one by pca first, to look at meanwhile")
    seed: int = Field(0, ge=0, description="of all draws")
    device: str = Field("auto", description="auto, cpu or cuda")


class SelectArguments(Settings):
    """What is chosen for people to look at."""

    count: int = Field(50, ge=1, le=1_000, description="pictures to label next")
    seed: int = Field(0, ge=0, description="of all draws")
    device: str = Field("auto", description="auto, cpu or cuda")


class CurateArguments(Settings):
    """What `library curate` takes."""

    folds: int = Field(5, ge=3, le=20, description="of the models that judge labels")
    seed: int = Field(0, ge=0, description="of the folds")
    device: str = Field("auto", description="auto, cpu or cuda")


class RetrainArguments(Settings):
    """What `library retrain` takes."""

    model: str = Field("auto", description="a model's name, or auto")
    margin: float = Field(0.02, ge=0, lt=1, description="used unless it may be worse by more than this, 0..1")
    promote: bool = Field(True, description="use the new model where it is not worse")
    seed: int = Field(0, ge=0, description="of splits and weights")
    device: str = Field("auto", description="auto, cpu or cuda")


class RobustnessArguments(Settings):
    """What accuracy under damage is measured with."""

    model_id: int = Field(ge=1, description="of a model of the library")
    suite: str = Field("mnist-c", description="a suite of corruptions")
    limit: int | None = Field(500, ge=1, description="pictures that it is measured on; none: all")
    seed: int = Field(0, ge=0, description="of the damage and of the choice of pictures")
    device: str = Field("auto", description="auto, cpu or cuda")


class CurveArguments(Settings):
    """What the learning curve of a model is measured with."""

    model_id: int = Field(ge=1, description="of a model of the library")
    repeats: int = Field(3, ge=1, le=20, description="draws of pictures and weights at every size")
    seed: int = Field(0, ge=0, description="of the draws and of splits")
    device: str = Field("auto", description="auto, cpu or cuda")


class ExportArguments(Settings):
    """What `library export` takes, but decision logs."""

    what: Literal["tags", "manifest", "xmp"] = Field(
        "tags", description="a table, a pile to train on, sidecars"
    )
    name: str = Field(
        "tags.csv",
        pattern=r"^[\w.-]{1,100}\.(csv|jsonl|parquet)$",
        description="of the file, which is written into the library's folder exports, behind the job's id",
    )
    states: tuple[Literal["confirmed", "suggested", "rejected"], ...] = Field((), description="none: all")
    style: Literal["darktable", "lightroom"] = Field("darktable", description="with xmp")


class HumanTestArguments(Settings):
    """What a blinded test of people is made of."""

    data: str | None = Field(None, description="folder, manifest or name; none: the library's untouched part")
    run: str | None = Field(None, description="run folder of the model on the same pictures")
    n: int = Field(100, ge=2, le=2_000, description="pictures in the sample")
    seed: int = Field(0, ge=0, description="of the sample and of everybody's order")
    device: str = Field("auto", description="auto, cpu or cuda")


def _embed(library: Library, given: EmbedArguments, report: Reporter, _by: int | None) -> Any:
    from lightfast.runs.library.features import embed_library
    from lightfast.runs.options import RunOptions

    return embed_library(library, RunOptions(device=given.device, report=report), given.run)


def _clusters(library: Library, given: ClustersArguments, report: Reporter, _by: int | None) -> Any:
    from lightfast.runs.library.layout import cluster_library, map_library
    from lightfast.runs.options import RunOptions

    options = RunOptions(device=given.device, seed=given.seed, report=report)
    found = cluster_library(library, options, given.count)
    if given.lay_out:
        map_library(library, options, draft=True)
    return found


def _map(library: Library, given: MapArguments, report: Reporter, _by: int | None) -> Any:
    from lightfast.runs.library.layout import map_library
    from lightfast.runs.options import RunOptions

    options = RunOptions(device=given.device, seed=given.seed, report=report)
    return map_library(library, options, given.method, draft=given.draft)


def _select(library: Library, given: SelectArguments, report: Reporter, _by: int | None) -> Any:
    from lightfast.runs.library.select import choose_for_review
    from lightfast.runs.options import RunOptions

    # Begun again after a kill, a job that has chosen is not to choose others as well.
    number = report.job if isinstance(report, JobProgress) else ""
    with library.store.read() as connection:
        done = kept_answer(connection, number)
    if done is not None:
        return done
    options = RunOptions(device=given.device, seed=given.seed, report=report)
    return choose_for_review(library, options, given.count, number)


def _curate(library: Library, given: CurateArguments, report: Reporter, by: int | None) -> Any:
    require_two_labels(library)
    from lightfast.runs.library.curate import curate_library
    from lightfast.runs.options import RunOptions

    options = RunOptions(device=given.device, seed=given.seed, report=report)
    order = report.job if isinstance(report, JobProgress) else ""
    return curate_library(library, options, folds=given.folds, by=by, order=order)


def _retrain(library: Library, given: RetrainArguments, report: Reporter, by: int | None) -> Any:
    # Loading what trains takes many seconds: who has decided too little is told before.
    require_two_labels(library)
    from lightfast.runs.library.pile import RetrainOptions
    from lightfast.runs.library.retrain import OrderDone, retrain_library
    from lightfast.runs.options import RunOptions

    # Begun again after a kill, a job whose model is in the ledger has been done.
    order = report.job if isinstance(report, JobProgress) else ""
    with library.store.read() as connection:
        done = answer_to(connection, order)
    if done is not None:
        return done
    wanted = RetrainOptions(model=given.model, margin=given.margin, promote=given.promote, by=by, order=order)
    options = RunOptions(device=given.device, seed=given.seed, report=report)
    try:
        return retrain_library(library, options, wanted)
    except OrderDone as done_meanwhile:
        return done_meanwhile.answer


def _robustness(library: Library, given: RobustnessArguments, report: Reporter, _by: int | None) -> Any:
    from lightfast.runs.library.measure import measure_robustness
    from lightfast.runs.options import RunOptions

    options = RunOptions(device=given.device, seed=given.seed, report=report)
    return measure_robustness(library, given.model_id, options, given.suite, given.limit)


def _curve(library: Library, given: CurveArguments, report: Reporter, _by: int | None) -> Any:
    from lightfast.runs.library.measure import measure_curve
    from lightfast.runs.options import RunOptions

    options = RunOptions(device=given.device, seed=given.seed, report=report)
    return measure_curve(library, given.model_id, options, given.repeats)


def _export(library: Library, given: ExportArguments, report: Reporter, _by: int | None) -> Any:
    from lightfast.library.export_tags import TAG_STATES, export_labels, export_tags
    from lightfast.library.sidecars import write_library_sidecars

    if given.what == "xmp":
        return write_library_sidecars(library, given.style, report=report)
    order = report.job if isinstance(report, JobProgress) else "export"
    out = make_folder(library.exports) / f"{order}-{given.name}"
    # Only a try at this job that was killed can have left it.
    out.unlink(missing_ok=True)
    if given.what == "manifest":
        return export_labels(library, out)
    return export_tags(library, out, given.states or TAG_STATES)


def _human_test(library: Library, given: HumanTestArguments, report: Reporter, _by: int | None) -> Any:
    from lightfast.runs.library.human import HumanTestPlan, make_human_test
    from lightfast.runs.options import RunOptions

    plan = HumanTestPlan(given.data, given.run, given.n, given.seed)
    return make_human_test(library, RunOptions(device=given.device, report=report), plan)


JOB_KINDS.add("embed", JobKind(EmbedArguments, _embed))
JOB_KINDS.add("clusters", JobKind(ClustersArguments, _clusters, alone=True))
JOB_KINDS.add("map", JobKind(MapArguments, _map, alone=True))
JOB_KINDS.add("select", JobKind(SelectArguments, _select, alone=True))
JOB_KINDS.add("curate", JobKind(CurateArguments, _curate, alone=True))
JOB_KINDS.add("retrain", JobKind(RetrainArguments, _retrain, alone=True))
JOB_KINDS.add("robustness", JobKind(RobustnessArguments, _robustness, alone=True))
JOB_KINDS.add("learning_curve", JobKind(CurveArguments, _curve, alone=True))
JOB_KINDS.add("export", JobKind(ExportArguments, _export))
JOB_KINDS.add("human_test", JobKind(HumanTestArguments, _human_test, alone=True))
