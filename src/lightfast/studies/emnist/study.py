"""Forest, dense and convolutional networks compared, with cross-validation and per-class figures
(the letters study).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from lightfast.base.plain import as_json
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare_many import Comparison, compare
from lightfast.evaluate.confusions import ConfusedPair, confused_pairs
from lightfast.experiments.crossval import CrossValidation, FoldOptions, corrected_p_value, cross_validate
from lightfast.report.page import Table
from lightfast.report.tables import percent, points_cell, share_cell
from lightfast.statistics.intervals import p_text
from lightfast.studies.emnist.figures import FINAL, letters_sections
from lightfast.studies.emnist.networks import (
    CNNS,
    CROSS_VALIDATION,
    DENSE_ACTIVATIONS,
    FORESTS,
    LettersData,
    letters_data,
    ours,
    small_set,
    small_set_plans,
    take_sample,
)
from lightfast.studies.registry import STUDIES, Study, StudyOptions, StudyResult
from lightfast.studies.rows import ModelRow, Outcome, counts_text, outcome_of, splits_json
from lightfast.train.fit import ClassifierPlan

_QUICK_EPOCHS = 3
WATCHED_EPOCHS = (1, 5, 10, 15, 20)
BEST_PUBLISHED = 0.9106
# Fashion-MNIST's own list of submitted results (github.com/zalandoresearch/fashion-mnist).
_PUBLISHED = {
    "fashion-mnist": "gradient boosting 89.8, two convolutional layers 92.5, HOG + SVM 92.6, fastai 93.1, "
    "AutoML (24 hours) 93.9, "
    "ResNet-18 94.9, people 83.5"
}


Validated: TypeAlias = Mapping[str, CrossValidation]
"""Cross-validations by what their table calls them."""


def run_emnist(options: StudyOptions) -> StudyResult:
    """Train every row on one split, read the official test pictures once with each, cross-validate three
    models, compare.

    A part that was trained before, or was interrupted, is found again in `options.out`.
    Raises DataError when, at scale "paper", neither EMNIST nor Fashion-MNIST is at hand.
    """
    data = letters_data(options)
    outcomes = {row.part: outcome_of(options, row, data.splits) for row in _rows(options, data)}
    judged = ("forest-gini", "mlp-relu", "cnn-1", "cnn-2", "cnn-3", "cnn-4", "ours")
    comparison = compare([outcomes[part].predictions for part in judged], seed=options.seed)
    validated, small = _validated(options, data), _small(options)
    dense = [outcomes[row.part] for row in DENSE_ACTIVATIONS]
    best = outcomes["ours"]
    stands = ", standing in for EMNIST Balanced" if data.stand_in else ""
    caption = f"{data.name}{stands}; {counts_text(data.splits, options.seed)}"
    hardest = confused_pairs(best.evaluation.confusion, best.evaluation.class_names)[:10]
    tables = [
        _main_table(list(outcomes.values()), data, caption),
        _pairs_table(comparison, best.row.title, caption),
        _activation_table(dense, options.seed, data),
        _validation_table(validated, options.seed),
        _hardest_table(hardest, f"{best.row.title}: {caption}"),
    ]
    tables += [_validation_table(small, options.seed, "english-handwritten-62")] if small else []
    figures = {
        "data": data.name,
        "stand_in": data.stand_in,
        **splits_json(data.splits),
        "rows": list(outcomes.values()),
        "comparison": comparison,
        "cross_validation": validated,
        "small_set": small,
        "hardest_pairs": hardest,
        "activations": {one.row.config["activation"]: one.checkpoint.history for one in dense},
    }
    return options.result(
        "emnist",
        "Forest, dense and convolutional networks (EMNIST)",
        tables,
        figures,
        notes=(*data.notes, *_method_notes(data)),
        seconds={part: outcome.seconds for part, outcome in outcomes.items()},
        sections=letters_sections(comparison, dense, outcomes[FINAL], best, data),
    )


def _rows(options: StudyOptions, data: LettersData) -> tuple[ModelRow, ...]:
    return _as_scaled(options, (*FORESTS, *DENSE_ACTIVATIONS, *CNNS, ours(data)))


def _as_scaled(options: StudyOptions, rows: tuple[ModelRow, ...]) -> tuple[ModelRow, ...]:
    return rows if options.scale == "paper" else tuple(row.quick(_QUICK_EPOCHS) for row in rows)


def _validated(options: StudyOptions, data: LettersData) -> Validated:
    """Forest, dense network and the paper's three-layer CNN on the same
    folds of the same training pictures.
    """
    size, folds = CROSS_VALIDATION[options.scale]
    chosen = take_sample(data.splits.train, size, options.seed)
    rows = _as_scaled(options, (FORESTS[0], DENSE_ACTIVATIONS[0], CNNS[2]))
    return {row.title: _cross(options, chosen, row.plan, folds) for row in rows}


def _small(options: StudyOptions) -> Validated:
    images = small_set(options)
    plans = {} if images is None else small_set_plans()
    return {title: _cross(options, images, plan, 5) for title, plan in plans.items() if images is not None}


def _cross(options: StudyOptions, images: ImageSet, plan: ClassifierPlan, folds: int) -> CrossValidation:
    jobs = 1 if options.scale == "quick" else None
    return cross_validate(images, plan, FoldOptions(folds, 1, jobs), options.training("crossval"))


def _main_table(outcomes: Sequence[Outcome], data: LettersData, caption: str) -> Table:
    best = max(one.evaluation.macro_f1 for one in outcomes)
    rows = tuple(
        (
            one.row.title,
            percent(BEST_PUBLISHED if one.row.part == "ours" else one.row.paper, 1),
            percent(one.evaluation.macro_precision),
            percent(one.evaluation.macro_recall),
            one.cell("macro_f1", best),
            one.cell(),
            *one.cost_texts,
            f"stand-in data; {one.row.differs}"
            if data.stand_in and one.row.part != "ours"
            else one.row.differs,
        )
        for one in outcomes
    )
    columns = ("classifier", "paper, on EMNIST", "precision", "recall", "F1", "accuracy")
    notes = [
        f"n = {len(data.splits.test):,} test pictures, read once by each. Precision, recall and F1: means "
        "over the classes. In brackets: 95 % intervals (F1: bootstrap of the confusion matrix; accuracy: "
        "Wilson). Paper: F1; beside our network the best published small network on EMNIST Balanced. "
        "Training: processor time of one core."
    ]
    if data.name in _PUBLISHED:
        notes.append(
            f"Published accuracies on {data.name}, in %: {_PUBLISHED[data.name]} (its own list of results)."
        )
    columns += ("parameters", "epochs", "training", "differs from the paper")
    return Table(columns, rows, f"Test pictures: {caption}", tuple(notes))


def _pairs_table(comparison: Comparison, best: str, caption: str) -> Table:
    """Our network against every other, with Holm's correction over all pairs."""
    rows = []
    for pair in comparison.pairs:
        if best in pair.names:
            sign = 1 if pair.names[1] == best else -1
            other = pair.names[0 if sign > 0 else 1]
            differences = (
                (pair.test.difference, pair.test.difference_interval),
                (pair.macro_f1_difference, pair.macro_f1_interval),
            )
            cells = (
                points_cell(sign * value, sorted(sign * end for end in ends)) for value, ends in differences
            )
            rows.append((f"{best} against {other}", *cells, p_text(pair.p_holm)))
    columns = ("the same test pictures", "accuracy, points", "F1, points", "p (Holm)")
    notes = (
        f"In brackets: 95 % intervals; p by McNemar's test, Holm-corrected over all {len(comparison.pairs)} "
        "pairs.",
        comparison.sentence(),
    )
    return Table(columns, tuple(rows), f"Paired: {caption}", notes)


def _activation_table(outcomes: Sequence[Outcome], seed: int, data: LettersData) -> Table:
    rows = []
    for one in outcomes:
        by_epoch = {row["epoch"]: row["val_accuracy"] for row in one.checkpoint.history}
        watched = (percent(by_epoch.get(epoch)) for epoch in WATCHED_EPOCHS)
        rows.append((one.row.title, *watched, one.cell()))
    columns = ("activation", *(f"epoch {epoch}" for epoch in WATCHED_EPOCHS), "test")
    caption = (
        f"Validation accuracy over the epochs (n = {len(data.splits.val):,}), test after the last; seed "
        f"{seed}"
    )
    return Table(columns, tuple(rows), caption)


def _validation_table(validated: Validated, seed: int, name: str = "") -> Table:
    best = max(validated.values(), key=lambda one: float(one.scores("macro_f1").mean()))
    rows = []
    for title, one in validated.items():
        found = as_json(one)
        p_value = "" if one is best else p_text(corrected_p_value(one, best, "macro_f1"))
        rows.append(
            (
                title,
                percent(found["macro_precision"]),
                percent(found["macro_recall"]),
                share_cell(found["macro_f1"], found["macro_f1_interval"], "strong" if one is best else ""),
                f"{100 * found['macro_f1_spread']:.2f}",
                share_cell(found["accuracy"], found["accuracy_interval"]),
                p_value,
            )
        )
    columns = ("classifier", "precision", "recall", "F1", "spread, points", "accuracy", "p against the best")
    caption = (
        f"{best.k}-fold cross-validation on {len(best.predictions):,} "
        f"{'pictures of ' + name if name else 'training pictures'}, seed {seed}"
    )
    notes = (
        "In brackets: 95 % intervals of the mean over folds, corrected for shared training pictures; p by "
        "the corrected resampled t test on F1 (Nadeau and Bengio 2003). Every picture is read by a model "
        "that never saw it.",
    )
    return Table(columns, tuple(rows), caption, notes)


def _hardest_table(pairs: Sequence[ConfusedPair], what: str) -> Table:
    rows = tuple(
        (
            f"{pair.given} → {pair.read}",
            f"{pair.count:,}",
            share_cell(pair.share, pair.interval, digits=1),
            f"{pair.both_ways:,}",
        )
        for pair in pairs
    )
    columns = ("given → read", "pictures", "share of the class", "both ways")
    return Table(columns, rows, f"Hardest pairs of {what}")


def _method_notes(data: LettersData) -> tuple[str, ...]:
    return (
        "The paper's networks are trained as it tells: step size 0.001, batches of 32, 20 epochs, pictures "
        "standardised, no augmentation but the noise; they keep the weights of the last epoch. The dense "
        "network "
        "is one layer of 128, CNNs of one and two layers have no regularisation, those of three and four "
        "noise "
        "0.1, batch norm between convolution and pool, and four dropouts of 0.3. What it does not tell, or "
        "is "
        "otherwise here, stands beside each row. Ours keeps the weights of its best validation epoch.",
        f"Our network: 412,666 parameters, augmentation {data.augment!r}, averaged weights. Its predictions "
        "are averaged over the views (mirrored, moved by a pixel) that had the lowest loss on the "
        "validation pictures.",
    )


STUDIES.add("emnist", Study("emnist", run_emnist))
