"""Find wrong labels in your own data. Some seconds on one core.

Some labels of real digits are changed on purpose; models that never saw a picture then judge its label.
`lightfast curate FOLDER` does the same for a folder of photographs, with copies, outliers, a report and a
queue; docs/curate.md tells the whole of it.
"""

from __future__ import annotations

import numpy as np

import lightfast as lf

WRONG = 60
"""Labels that are changed on purpose."""


def with_wrong_labels(digits: lf.ImageSet) -> tuple[lf.ImageSet, np.ndarray]:
    """(the next version of the digits, the rows whose label is now wrong)."""
    rng = np.random.default_rng(0)
    rows = rng.permutation(len(digits))[:WRONG]
    labels = digits.require_labels()
    names = {int(row): digits.class_names[(labels[row] + rng.integers(1, 10)) % 10] for row in rows}
    return digits.relabel(names, step={"verb": "plant", "count": WRONG}), rows


def main() -> None:
    digits = lf.load_images("mnist-5k").images.take(range(0, 5_000, 4))
    messy, planted = with_wrong_labels(digits)

    # Every picture is judged by a model that was not trained on it.
    plan = lf.ClassifierPlan("mlp", lf.Recipe.of(epochs=6, batch_size=32), {"hidden": [64]})
    validated = lf.cross_validate(messy, plan, lf.FoldOptions(folds=4, jobs=1), lf.Training(seed=0))
    probs = validated.predictions.pred_probs
    issues = lf.find_label_issues(probs, messy.require_labels(), class_names=messy.class_names)

    low, high = issues.wrong.interval
    print(f"estimated wrong labels: {issues.wrong.wrong:.0f} (95 % interval {low:.0f} to {high:.0f})")
    found = np.isin(planted, np.flatnonzero(issues.is_issue))
    print(f"{found.sum()} of the {WRONG} planted ones are among the {issues.is_issue.sum()} doubted labels")
    right = issues.suggested_label[planted] == digits.require_labels()[planted]
    print(f"the suggestion is right for {right.sum()} of them")
    for row in issues.worst_first()[:5]:
        print(f"{messy.ids[row]}: {issues.reason_of(row)}")

    # What is the same picture twice, what is unlike all others, what can hardly be seen.
    flaws = lf.find_flaws(lf.picture_statistics(messy.images))
    print(f"{len(flaws)} pictures are hard to see anything on")


if __name__ == "__main__":
    main()
