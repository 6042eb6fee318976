"""RUN/label_issues.csv: the training pictures whose labels a robust fit holds for wrong, by name."""

from __future__ import annotations

import csv
from dataclasses import astuple, fields
from io import StringIO
from pathlib import Path

from lightfast.base.files import write_text
from lightfast.models.checkpoint import Checkpoint
from lightfast.pages.learned import FoundLabelIssues
from lightfast.train.label_quality import LabelIssueRow
from lightfast.train.transfer import LABEL_ISSUE_ROWS

LABEL_ISSUES_FILE = "label_issues.csv"
_COLUMNS = tuple(one.name for one in fields(LabelIssueRow))


def write_label_issues(folder: Path, fitted: Checkpoint) -> Checkpoint:
    """Write what a robust fit found; nothing for another fit.

    Returns the checkpoint without the list: a checkpoint that is passed on names no pictures.
    """
    facts = dict(fitted.details.get("transfer", {}))
    rows = facts.pop(LABEL_ISSUE_ROWS, None)
    if rows is None:
        return fitted
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow(_COLUMNS)
    for row in (LabelIssueRow(**one) for one in rows):
        writer.writerow([*astuple(row)[:-1], f"{row.label_quality:.6g}"])
    write_text(folder / LABEL_ISSUES_FILE, text.getvalue())
    return fitted.replace(details={**fitted.details, "transfer": facts})


def load_label_issues(folder: Path, fitted: Checkpoint) -> FoundLabelIssues | None:
    """What `write_label_issues` has written for this checkpoint; None where its fit looked for none."""
    facts, path = fitted.details.get("transfer", {}), folder / LABEL_ISSUES_FILE
    if "remedy" not in facts or not path.is_file():
        return None
    with path.open(encoding="utf-8", newline="") as stream:
        rows = tuple(
            LabelIssueRow(**{**row, "label_quality": float(row["label_quality"])})
            for row in csv.DictReader(stream)
        )
    return FoundLabelIssues(rows, facts["remedy"], facts["mode"], path)
