"""More kinds of jobs of a library: what computes for minutes (features, clusters, maps, what to
label next, retraining, tests of people).
"""

from __future__ import annotations

from typing import Any, Literal

from pydantic import Field

from lightfast.base.progress import Reporter
from lightfast.base.settings import Settings
from lightfast.library.labelled import require_two_labels
from lightfast.library.library import Library
from lightfast.runs.library_jobs import JOB_KINDS, JobKind


class EmbedArguments(Settings):
    """What `library embed` takes."""

    run: str | None = Field(None, description="run whose network makes the features; none: a published one")
    device: str = Field("auto", description="auto, cpu or cuda")


class ClustersArguments(Settings):
    """What clusters are made with."""

    count: int | None = Field(None, ge=1, le=10_000, description="how many; none: by the number of pictures")
    seed: int = Field(0, ge=0, description="of all draws")
    device: str = Field("auto", description="auto, cpu or cuda")


class MapArguments(Settings):
    """What a map is made with."""

    method: Literal["tsne", "pca"] = Field("tsne", description="tsne, or pca: quick, and straight lines stay")
    seed: int = Field(0, ge=0, description="of all draws")
    device: str = Field("auto", description="auto, cpu or cuda")


class SelectArguments(Settings):
    """What is chosen for people to look at."""

    count: int = Field(50, ge=1, le=1_000, description="pictures to label next")
    seed: int = Field(0, ge=0, description="of all draws")
    device: str = Field("auto", description="auto, cpu or cuda")


class RetrainArguments(Settings):
    """What `library retrain` takes."""

    model: str = Field("auto", description="a model's name, or auto")
    margin: float = Field(0.02, ge=0, lt=1, description="used unless it may be worse by more than this, 0..1")
    promote: bool = Field(True, description="use the new model where it is not worse")
    seed: int = Field(0, ge=0, description="of splits and weights")
    device: str = Field("auto", description="auto, cpu or cuda")


class HumanTestArguments(Settings):
    """What a blinded test of people is made of."""

    data: str | None = Field(None, description="folder, manifest or name; none: the library's untouched part")
    run: str | None = Field(None, description="run folder of the model on the same pictures")
    n: int = Field(100, ge=2, le=2_000, description="pictures in the sample")
    seed: int = Field(0, ge=0, description="of the sample and of everybody's order")
    device: str = Field("auto", description="auto, cpu or cuda")


def _embed(library: Library, given: EmbedArguments, report: Reporter) -> Any:
    from lightfast.runs.library_features import embed_library
    from lightfast.runs.options import RunOptions

    return embed_library(library, RunOptions(device=given.device, report=report), given.run)


def _clusters(library: Library, given: ClustersArguments, report: Reporter) -> Any:
    from lightfast.runs.library_layout import cluster_library
    from lightfast.runs.options import RunOptions

    options = RunOptions(device=given.device, seed=given.seed, report=report)
    return cluster_library(library, options, given.count)


def _map(library: Library, given: MapArguments, report: Reporter) -> Any:
    from lightfast.runs.library_layout import map_library
    from lightfast.runs.options import RunOptions

    options = RunOptions(device=given.device, seed=given.seed, report=report)
    return map_library(library, options, given.method)


def _select(library: Library, given: SelectArguments, report: Reporter) -> Any:
    from lightfast.runs.library_select import choose_for_review
    from lightfast.runs.options import RunOptions

    options = RunOptions(device=given.device, seed=given.seed, report=report)
    return choose_for_review(library, options, given.count)


def _retrain(library: Library, given: RetrainArguments, report: Reporter) -> Any:
    # Loading what trains takes many seconds: who has decided too little is told before.
    require_two_labels(library)
    from lightfast.runs.library_pile import RetrainOptions
    from lightfast.runs.library_retrain import retrain_library
    from lightfast.runs.options import RunOptions

    wanted = RetrainOptions(model=given.model, margin=given.margin, promote=given.promote)
    options = RunOptions(device=given.device, seed=given.seed, report=report)
    return retrain_library(library, options, wanted)


def _human_test(library: Library, given: HumanTestArguments, report: Reporter) -> Any:
    from lightfast.runs.library_human import HumanTestPlan, make_human_test
    from lightfast.runs.options import RunOptions

    plan = HumanTestPlan(given.data, given.run, given.n, given.seed)
    return make_human_test(library, RunOptions(device=given.device, report=report), plan)


JOB_KINDS.add("embed", JobKind(EmbedArguments, _embed))
JOB_KINDS.add("clusters", JobKind(ClustersArguments, _clusters, alone=True))
JOB_KINDS.add("map", JobKind(MapArguments, _map, alone=True))
JOB_KINDS.add("select", JobKind(SelectArguments, _select, alone=True))
JOB_KINDS.add("retrain", JobKind(RetrainArguments, _retrain, alone=True))
JOB_KINDS.add("human_test", JobKind(HumanTestArguments, _human_test, alone=True))
