"""What `curate` found: its result record."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightfast.base.plain import HIDDEN
from lightfast.report.envelope import Envelope
from lightfast.statistics.intervals import Interval

if TYPE_CHECKING:
    from lightfast.curate.copies import CopyGroup
    from lightfast.curate.cut import WrongLabels
    from lightfast.curate.flaws import Flaw
    from lightfast.curate.issue_table import Issue
    from lightfast.curate.issues import LabelIssues
    from lightfast.curate.listed_tags import TagIssue
    from lightfast.curate.outliers import Outliers
    from lightfast.curate.overlap import ClassBalance, ClassOverlap
    from lightfast.curate.pruning import Pruning
    from lightfast.data.images import ImageSet

ISSUES_FILE, SCORES_FILE, CURATE_QUEUE_FILE = "issues.parquet", "scores.parquet", "queue.csv"


@dataclass(frozen=True, eq=False)
class JudgedPart:
    """The labels of one part, judged.

    Attributes:
        part: its name; "test" is marked.
        n: labels judged.
        issues: labels below the automatic cut.
        wrong, wrong_by_class: how many are probably wrong, with intervals.
        accuracy: share of the pictures that models which never saw them read as labelled, with its interval.
        rows: int64 (n,): their rows among all pictures. found, pred_probs: every single one.
    """

    part: str
    n: int
    issues: int
    wrong: WrongLabels
    wrong_by_class: tuple[WrongLabels, ...]
    accuracy: float
    accuracy_interval: Interval
    rows: NDArray[np.int64] = field(metadata=HIDDEN)
    found: LabelIssues = field(metadata=HIDDEN)
    pred_probs: NDArray[np.float32] = field(metadata=HIDDEN)


@dataclass(frozen=True)
class BothFigures:
    """The accuracy on a test part before and after its labels are cleaned. Cleaning inflates it: the model
    that is scored has a say in which labels count as wrong.

    Attributes:
        n: test pictures judged. cleaned: labels that would change.
        given, given_interval: accuracy by the labels as they are: the figure to report.
        after, after_interval: by the suggested labels where one is probably wrong: inflated.
    """

    n: int
    cleaned: int
    given: float
    given_interval: Interval
    after: float
    after_interval: Interval


@dataclass(frozen=True, eq=False, kw_only=True)
class CurateResult(Envelope):
    """What `curate` found.

    Attributes:
        run: the run whose model was used, or "". out: the folder that was written.
        n, parts: pictures, and how many a part.
        method, features: how labels were judged and what pictures were compared by, in words.
        labels: the judged parts: "train" (or "all"), and "test" where there is one. Empty without labels.
        tag_issues: of pictures with any number of labels.
        test: the two figures of a test part.
        found: kind of issue → how many pictures.
        copies, outliers, flaws, overlaps, balance, pruning: see `curate`; None where not looked for.
        not_run: what was not looked for → why.
        issues: every issue, the gravest first. images, part_of, groups: the pictures, the part of each, and
            one number for copies of one.
    """

    run: str
    out: Path
    n: int
    parts: Mapping[str, int]
    method: str
    features: str
    labels: tuple[JudgedPart, ...]
    test: BothFigures | None
    found: Mapping[str, int]
    overlaps: tuple[ClassOverlap, ...]
    balance: ClassBalance | None
    pruning: Pruning | None
    not_run: Mapping[str, str]
    tag_issues: tuple[TagIssue, ...] = field(default=(), metadata=HIDDEN)
    copies: tuple[CopyGroup, ...] = field(default=(), metadata=HIDDEN)
    outliers: Outliers = field(metadata=HIDDEN)
    flaws: tuple[Flaw, ...] = field(default=(), metadata=HIDDEN)
    issues: tuple[Issue, ...] = field(metadata=HIDDEN)
    images: ImageSet = field(metadata=HIDDEN)
    part_of: NDArray[np.str_] = field(metadata=HIDDEN)
