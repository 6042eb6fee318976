"""The media-library paper's section 8: wrong labels where the output vector varies least (its Table 2),
neighbours in feature space, and leaving out a share of the doubtful pictures, beside the signals of `curate`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.files import json_digest
from lightfast.curate.issues import find_label_issues
from lightfast.curate.ledger import cleanup_effect
from lightfast.curate.out_of_sample import OutOfSample, linear_out_of_sample
from lightfast.curate.pruning import SHARES, choose_share, keep_mask, label_margin
from lightfast.data.folds import fold_numbers
from lightfast.experiments.crossval import FoldOptions
from lightfast.report.page import Cell, Figure, Section, Table
from lightfast.report.statistics import interval_figure
from lightfast.report.tables import percent, percent_range, points_cell, share_cell
from lightfast.statistics.intervals import wilson
from lightfast.studies.assets.figures import unpaired_interval
from lightfast.studies.assets.tasks import CLASSES, MODEL, NOISE, TASKS, Draw, TaskFeatures, TaskLibrary, draw
from lightfast.studies.registry import StudyOptions, kept
from lightfast.train.linear import LinearData, LinearSettings, fit_linear

_TASK = next(task for task in TASKS if task.noisy)
_SIZES = {"quick": (180, 60), "paper": (2_000, 1_200)}
_ENDS = {"quick": 18, "paper": 100}
"""Pictures at either end of the order."""
_SHARES = {"quick": (0.0, 0.1, 0.2), "paper": SHARES}
_FOLDS = 5
PAPER_TABLE_2 = {
    "lowest of the end": (0.2176, 0.3397),
    "highest of the end": (0.2484, 0.3521),
    "poorly labelled": (40, 10),
    "smile": (20, 21),
    "not_smile": (14, 9),
    "shoe": (3, 33),
    "bag": (1, 19),
    "boy": (22, 6),
    "girl": (40, 12),
}
"""Of the 100 lowest and the 100 highest standard deviations; "poorly labelled" have two or three labels."""
_NAMED = {
    "combined": "all of them combined (`curate`)",
    "output_spread": "low standard deviation (the paper's Table 2)",
    "neighbours": "nearest neighbours in feature space (the paper's proposal)",
    "self_confidence": "probability of the given label",
    "log_margin": "log margin",
    "confident_learning": "confident learning",
    "left_out_fit": "linear fit of the other pictures",
}


def label_noise(
    options: StudyOptions, pool: TaskLibrary, features: tuple[TaskFeatures, TaskFeatures]
) -> dict[str, Any]:
    """What the signals find of the planted wrong labels of the six-class task, and what leaving out brings;
    kept in the study's folder.
    """
    told = {"data": pool.train.version, "scale": options.scale, "seed": options.seed, "model": MODEL}
    path = options.out / "labels" / f"{json_digest(told)[:16]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    return kept(path, lambda: _measured(options, pool, features))


def _measured(
    options: StudyOptions, pool: TaskLibrary, features: tuple[TaskFeatures, TaskFeatures]
) -> dict[str, Any]:
    drawn = draw(_TASK, pool, options.seed, _SIZES[options.scale])
    rows = np.concatenate([drawn.fit_rows, drawn.val_rows])
    vectors, tests = (_pooled(one, at) for one, at in zip(features, (rows, drawn.test_rows), strict=True))
    images = dataclasses.replace(pool.train.take(rows), labels=drawn.given)
    found = linear_out_of_sample(vectors, images, FoldOptions(_FOLDS, 1), options.seed, options.report)
    wrong = drawn.given != pool.train.require_labels()[rows]
    numbers = fold_numbers(images, _FOLDS, options.seed, rare="spread")
    data = LinearData(vectors, drawn.given)
    return {
        "n": len(rows),
        "wrong": int(wrong.sum()),
        "table_2": _table_2(found.pred_probs, drawn.given, wrong, _ENDS[options.scale]),
        "signals": _signals(found, drawn.given, vectors, wrong),
        "pruning": _pruning(options, data, numbers, found, (wrong, tests, drawn)),
    }


def _pooled(features: TaskFeatures, rows: NDArray[np.intp]) -> NDArray[np.float32]:
    return features.plain[rows, : features.pooled].astype(np.float32)


def _table_2(
    probs: NDArray[np.float32], given: NDArray[np.int64], wrong: NDArray[np.bool_], count: int
) -> dict[str, Any]:
    """Both ends of the order by standard deviation, counted as the paper counts them."""
    spread = probs.std(axis=1)
    order = np.argsort(spread, kind="stable")
    ends = {"low": order[:count], "high": order[::-1][:count]}
    told = {
        name: {
            "min": float(spread[rows].min()),
            "max": float(spread[rows].max()),
            "wrong": int(wrong[rows].sum()),
            "by_class": {one: int((given[rows] == at).sum()) for at, one in enumerate(CLASSES)},
        }
        for name, rows in ends.items()
    }
    low, high = ((told[name]["wrong"], count) for name in ("low", "high"))
    return {"count": count, **told, "difference": list(unpaired_interval(low, high))}


def _signals(
    found: OutOfSample, given: NDArray[np.int64], vectors: NDArray[np.float32], wrong: NDArray[np.bool_]
) -> list[dict[str, Any]]:
    """Every score on its own and all combined: how well it ranks the wrong labels first."""
    from sklearn.metrics import average_precision_score

    judged = find_label_issues(found.pred_probs, given, features=vectors)
    scores = {"combined": judged.label_quality, **judged.scores}
    count = int(wrong.sum())
    rows = []
    for name, score in scores.items():
        first = np.argsort(score, kind="stable")[:count]
        average = float(average_precision_score(wrong, -np.asarray(score, dtype=np.float64)))
        rows.append({"signal": name, "average_precision": average, "found": int(wrong[first].sum())})
    return sorted(rows, key=lambda row: -row["average_precision"])


def _pruning(
    options: StudyOptions,
    data: LinearData,
    numbers: NDArray[np.int64],
    found: OutOfSample,
    judged: tuple[NDArray[np.bool_], NDArray[np.float32], Draw],
) -> dict[str, Any]:
    """Leaving out a share by either order: cross-validated accuracy, and that on clean test pictures."""
    wrong, tests, drawn = judged
    shares = _SHARES[options.scale]
    chosen = choose_share(data, numbers, found.strength, shares=shares, report=options.report)
    orders = {
        "margin": label_margin(found.pred_probs, data.targets),
        "spread": found.pred_probs.std(axis=1).astype(np.float64),
    }
    settings, classes = LinearSettings((found.strength,)), len(CLASSES)
    rows, right = [], {}
    for place, share in enumerate(shares):
        row: dict[str, Any] = {"share": share, "validated": float(chosen.accuracy[place].mean())}
        for name, order in orders.items():
            kept_rows = keep_mask(order, data.targets, share)
            fitted = data.take(np.flatnonzero(kept_rows))
            head = fit_linear(fitted, fitted, classes, settings)
            right[name, share] = head.probs(tests).argmax(axis=1) == drawn.truth
            hits = int(right[name, share].sum())
            row[name] = {
                "left_out": int((~kept_rows).sum()),
                "wrong": int((wrong & ~kept_rows).sum()),
                "right": hits,
            }
        rows.append(row)
    effect = cleanup_effect(right["margin", 0.0], right["margin", chosen.chosen])
    return {
        "rows": rows,
        "chosen": chosen.chosen,
        "tested": len(drawn.truth),
        "effect": dataclasses.asdict(effect) | {"verdict": effect.verdict},
    }


def noise_tables(found: Mapping[str, Any], *, judged: bool) -> list[Table]:
    """The paper's Table 2 beside ours, the signals, and what leaving out brings; whether the paper's finding
    is reproduced is said where the pictures are enough (`judged`).
    """
    return [_paper_table_2(found, judged), _signal_table(found), _pruning_table(found)]


def _paper_table_2(found: Mapping[str, Any], judged: bool) -> Table:
    ours = found["table_2"]
    low, high, count = ours["low"], ours["high"], ours["count"]
    differs = f"out-of-fold heads on {MODEL} features (paper: fine-tuned Inception-v3, its test set)"
    rows: list[tuple[Cell | str, ...]] = []
    for name, key in (("lowest of the end", "min"), ("highest of the end", "max")):
        paper = [f"{one:.4f}" for one in PAPER_TABLE_2[name]]
        rows.append((f"standard deviation, {name}", *paper, f"{low[key]:.4f}", f"{high[key]:.4f}", differs))
    shares = [
        Cell(f"{one['wrong']} of {count}", percent_range(wilson(one["wrong"], count))) for one in (low, high)
    ]
    paper = [f"{one} of 100" for one in PAPER_TABLE_2["poorly labelled"]]
    planted = f"{100 * NOISE:.0f} % planted wrong labels (paper: pictures with two or three labels)"
    rows.append(("poorly labelled", *paper, *shares, planted))
    for name in CLASSES:
        known = PAPER_TABLE_2.get(name)
        paper = [str(one) for one in known] if known else ["", ""]
        why = "stand-ins" if known else "in the place of boy (22, 6) and girl (40, 12)"
        counts = [f"{one['by_class'][name]} of {count}" for one in (low, high)]
        rows.append((name.replace("_", " "), *paper, *counts, why))
    difference, ends = (low["wrong"] - high["wrong"]) / count, ours["difference"]
    said = ("yes" if ends[0] > 0 else "no") if judged else "too few pictures"
    note = (
        f"{found['n']:,} pictures, of which {found['wrong']:,} carry a wrong label. Poorly labelled ones, "
        f"low end minus high end: paper +30 points, here {100 * difference:+.0f} points "
        f"[{100 * ends[0]:+.0f} to {100 * ends[1]:+.0f}] (Newcombe, independent shares); reproduced: {said}."
    )
    columns = ("", "paper, low", "paper, high", "here, low", "here, high", "differs from the paper")
    return Table(
        columns, tuple(rows), "Label noise by the standard deviation of the output (Table 2)", (note,)
    )


def _signal_table(found: Mapping[str, Any]) -> Table:
    wrong = found["wrong"]
    rows = tuple(
        (
            str(_NAMED.get(row["signal"], row["signal"])),
            f"{row['average_precision']:.3f}",
            share_cell(row["found"] / wrong, wilson(row["found"], wrong), digits=1),
        )
        for row in found["signals"]
    )
    note = (
        f"How well each signal puts the {wrong:,} wrong labels among {found['n']:,} first. The paper names "
        "the standard deviation and the neighbours, without such figures. The first knows nothing "
        "of the label: a picture that is surely read as another class than its label is not doubted."
    )
    columns = ("signal", "average precision", "wrong among as many as there are")
    return Table(columns, rows, "Which signal finds wrong labels", (note,))


def _pruning_table(found: Mapping[str, Any]) -> Table:
    pruned = found["pruning"]
    tested = pruned["tested"]
    rows = []
    for row in pruned["rows"]:
        cells: list[Cell | str] = [f"{row['share']:.0%}", percent(row["validated"], 1)]
        for name in ("spread", "margin"):
            one = row[name]
            caught = f"{one['wrong']} of {one['left_out']}" if one["left_out"] else ""
            cells += [caught, share_cell(one["right"] / tested, wilson(one["right"], tested), digits=1)]
        rows.append(tuple(cells))
    effect = pruned["effect"]
    low, high = effect["interval"]
    gain = points_cell(effect["points"] / 100, (low / 100, high / 100))
    note = (
        "By the standard deviation of the output, then by the margin of the label, which is cross-validated. "
        f"Chosen: {pruned['chosen']:.0%}; on {tested:,} clean test pictures "
        f"{gain.text} points [{gain.detail}] against leaving out none (paired, Newcombe): "
        f"{effect['verdict']}. The paper proposes to leave out a share of the lowest standard deviations and "
        "to find it by a genetic algorithm, and measured neither; a plain search is enough for one number."
    )
    columns = ("left out", "validated", "wrong", "clean test", "wrong, margin", "clean test, margin")
    return Table(columns, tuple(rows), "Leaving out a share of the most doubtful", (note,))


def noise_section(found: Mapping[str, Any]) -> Section:
    """Accuracy on clean test pictures by the share that is left out, by either order."""
    tested = found["pruning"]["tested"]
    rows = [
        (f"{row['share']:.0%} by {said}", row[name]["right"] / tested, wilson(row[name]["right"], tested))
        for name, said in (("spread", "low standard deviation"), ("margin", "margin of the label"))
        for row in found["pruning"]["rows"]
    ]
    caption = f"Top-1 accuracy on {tested:,} clean test pictures, 95 % intervals (Wilson)."
    return Section("Leaving out doubtful pictures", (Figure(interval_figure(rows, unit="%"), caption),))
