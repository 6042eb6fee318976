"""The human row of a study: what people answered, or "not run"; never an invented figure."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from lightfast.base.plain import as_json
from lightfast.baselines.human import AnswerLog, Trial, draw_sample, load_answers
from lightfast.baselines.human_score import NOT_RUN, HumanBaseline, score_people
from lightfast.evaluate.predictions import Predictions
from lightfast.report.provenance import shown_command
from lightfast.runs.human import ANSWERS_FILE, held_out
from lightfast.runs.options import RunOptions
from lightfast.studies.registry import StudyOptions


@dataclass(frozen=True, eq=False)
class People:
    """What people answered about the study's test pictures; `baseline` is None when nobody has answered."""

    result: Mapping[str, Any]
    baseline: HumanBaseline | None = None


def people_on(pictures: Path, folder: Path, options: StudyOptions, predictions: Predictions) -> People:
    """Score the answers in `folder` about the test part of `pictures`,
    beside the model's predictions of the same pictures.
    """
    how = shown_command(["lightfast", "human", str(pictures), "--person", "NAME", "--out", str(folder)])
    answers = load_answers(folder / ANSWERS_FILE).answers
    if not answers:
        return People({"status": NOT_RUN, "how": how})
    first = answers[0]
    images = held_out(str(pictures), RunOptions(seed=options.seed, report=options.report), None).images
    log = AnswerLog(
        folder / ANSWERS_FILE, Trial(images.version, images.class_names, first.seed, first.sample)
    )
    sample = draw_sample(images, first.sample, first.seed)
    # The file keeps the order of the pictures, not their ids.
    read = dataclasses.replace(predictions, ids=images.ids)
    baseline = score_people(log, images, sample, read.take(sample))
    return People(as_json(baseline), baseline)
