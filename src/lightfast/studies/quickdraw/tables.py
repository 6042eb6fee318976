"""Tables of the Quick, Draw! study."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from lightfast.base.plain import as_json
from lightfast.evaluate.compare_many import Comparison
from lightfast.experiments.levels import INTERVAL_METHOD, Level, accuracy, levels
from lightfast.experiments.sweep import PointResult
from lightfast.pages.sweep import REMEDY
from lightfast.report.page import Cell, Table
from lightfast.report.tables import MINUS, MISSING, duration, percent, points_cell, share_cell, share_text
from lightfast.statistics.intervals import p_text
from lightfast.statistics.learning_curve import Forecast
from lightfast.statistics.regression import Regression
from lightfast.studies.people import People
from lightfast.studies.quickdraw.figures import PAPER_FIGURE_8, PAPER_FIGURE_9
from lightfast.studies.quickdraw.networks import PAPER_GRID, SHARED_CATEGORIES, DrawingsData, Grid
from lightfast.studies.rows import Outcome, gain_cell

PAPER_HUMAN = 0.87
_NEAR = 0.005
CONVERGED = (
    "Converged: the first epoch whose validation accuracy is within half a point of the row's own best (the "
    "paper does not define it); its time is epochs × training pictures / speed."
)


def converged(outcome: Outcome, speed: float, pictures: int) -> dict[str, float]:
    """Epoch by which a row has converged and the seconds of processor time to it; `speed` in pictures a
    second, `pictures` an epoch.
    """
    shown = [(int(row["epoch"]), float(row["val_accuracy"])) for row in outcome.checkpoint.history]
    best = max(reached for _, reached in shown)
    epoch = next(epoch for epoch, reached in shown if reached >= best - _NEAR)
    return {"converged_epoch": epoch, "converged_seconds": epoch * pictures / speed}


def model_table(
    outcomes: Sequence[Outcome], speeds: Sequence[float], people: People, data: DrawingsData, seed: int
) -> Table:
    """H1 and H2: accuracy, parameters, what is not the paper's, time to converge beside that of the dense
    network, and the time to the accuracy of the dense network; people at the end.
    """
    reference = max(float(row["val_accuracy"]) for row in outcomes[0].checkpoint.history)
    pictures = len(data.splits.train)
    slowest = converged(outcomes[0], speeds[0], pictures)["converged_seconds"]
    rows = []
    for outcome, speed in zip(outcomes, speeds, strict=True):
        epochs, own = _epochs_to(outcome, reference), converged(outcome, speed, pictures)
        rows.append(
            (
                outcome.row.title,
                outcome.cell(),
                outcome.cell("macro_f1"),
                f"{outcome.parameters:,}",
                f"{speed:,.0f}",
                str(own["converged_epoch"]),
                duration(own["converged_seconds"]),
                f"{slowest / own['converged_seconds']:.2g}",
                MISSING if epochs is None else duration(epochs * pictures / speed),
                f"stand-in data; {outcome.row.differs}" if data.stand_in else outcome.row.differs,
            )
        )
    columns = (
        "reader",
        "accuracy",
        "macro F1",
        "parameters",
        "pictures/s",
        "epochs to converge",
        "time to converge",
    )
    columns += ("times as fast as FC", "time to FC's best", "differs from the paper")
    notes = (
        f"In brackets: 95 % intervals. Seed {seed}. Speed: training pictures a second of processor time, one "
        f"core. {CONVERGED} FC's best is its highest validation accuracy, {percent(reference)} (n = "
        f"{len(data.splits.val):,}). The paper: FC about 5 points under the CNN, people "
        f"{percent(PAPER_HUMAN, 0)}, the CNN 13 times faster.",
    )
    caption = (
        f"H1 and H2: dense or convolutional, large or small; {len(data.splits.test):,} test pictures, read "
        "once"
    )
    return Table(columns, (*rows, _people_row(people)), caption, notes)


def _people_row(people: People) -> tuple[Cell | str, ...]:
    base, blank = people.baseline, (MISSING,) * 7
    if base is None or base.accuracy is None:
        return ("people", "not run", *blank, "")
    name = f"people ({len(base.people)}; n = {base.n:,})"
    differs = f"{len(base.people)} of ours on our drawings (paper: two of its authors)"
    return (name, share_cell(base.accuracy, base.accuracy_interval), *blank, differs)


def _epochs_to(outcome: Outcome, wanted: float) -> int | None:
    return next(
        (int(row["epoch"]) for row in outcome.checkpoint.history if float(row["val_accuracy"]) >= wanted),
        None,
    )


def pairs_table(comparison: Comparison) -> Table:
    """All pairs on the same test pictures."""
    rows = tuple(
        (
            f"{pair.names[1]} against {pair.names[0]}",
            gain_cell(pair.test),
            points_cell(pair.macro_f1_difference, pair.macro_f1_interval),
            f"{pair.test.gained:,}",
            f"{pair.test.lost:,}",
            p_text(pair.p_holm),
        )
        for pair in comparison.pairs
    )
    notes = (
        "In brackets: 95 % intervals; p by McNemar's test with Holm's correction.",
        comparison.sentence(),
    )
    return Table(
        ("the same test pictures", "accuracy, points", "F1, points", "gained", "lost", "p (Holm)"),
        rows,
        f"Paired, n = {comparison.n:,}",
        notes,
    )


def size_table(measured: Sequence[PointResult], forecast: tuple[Forecast, float], epochs: int) -> Table:
    """H3: accuracy and loss, training and held-out, after the first and the last epoch;
    the last point foretold from the others.
    """
    shown = levels(measured, accuracy)
    watched = [(1, "train"), (1, "val"), (epochs, "train")] if epochs > 1 else [(1, "train")]
    rows = []
    for level in shown:
        of_level = _of_level(measured, level)
        told = PAPER_FIGURE_8.get(level.n_train)
        paper = MISSING if told is None else f"{100 * told[0][1]:.0f} / {100 * told[1][1]:.0f}"
        cells = (_watched_cell(of_level, epoch, side) for epoch, side in watched)
        held = share_cell(level.value, level.interval)
        loss = f"{_mean(of_level, epochs, 'val_loss'):.3f}"
        rows.append((f"{level.n_train:,}", str(level.repeats), paper, *cells, held, loss))
    first = ("training, epoch 1", "held out, epoch 1") if epochs > 1 else ()
    last = (f"training, epoch {epochs}", f"held out, epoch {epochs}", "its loss")
    foretold, found = forecast
    inside = "inside" if foretold.low <= found <= foretold.high else "outside"
    named = ("training pictures", "repeats", "paper: training / held out, epoch 10")
    notes = (
        f"Intervals, {INTERVAL_METHOD}; n = {shown[0].n_test:,} held-out pictures. The paper: .58–.83 held "
        f"out "
        "after one epoch; it does not say whether its sizes are in all (as here) or a class.",
        f"A power law through all smaller sizes foretells "
        f"{share_text(foretold.accuracy, (foretold.low, foretold.high))} at {foretold.n:,} pictures; "
        f"measured: {percent(found)}, {inside} the 95 % prediction interval.",
    )
    return Table((*named, *first, *last), tuple(rows), "H3: more pictures", notes)


def _of_level(measured: Sequence[PointResult], level: Level) -> list[PointResult]:
    return [one for one in measured if replace(one.point, repeat=0) == level.point]


def _repeats(count: int) -> str:
    return f"{count} repeat{'s' * (count > 1)}"


def _watched_cell(measured: Sequence[PointResult], epoch: int, side: str) -> Cell:
    return Cell(
        percent(_mean(measured, epoch, f"{side}_accuracy"), 1),
        f"loss {_mean(measured, epoch, f'{side}_loss'):.3f}",
    )


def _mean(measured: Sequence[PointResult], epoch: int, key: str) -> float:
    return float(np.mean([one.epochs[epoch][key] for one in measured]))


def imbalance_table(
    measured: Sequence[PointResult], minority: Sequence[Level], name: str, grid: Grid
) -> Table:
    """H4 without a remedy: recall of both classes and accuracy, the paper's recall beside ours."""
    plain = [level for level in minority if level.point.balance == "none"]
    rows = []
    for level in sorted(plain, key=lambda one: one.n_train):
        of_level, count = _of_level(measured, level), _rare(level)
        told = PAPER_FIGURE_9.get(round(grid.majority / count))
        other = [value for one in of_level for key, value in one.recalls.items() if key != name]
        rows.append(
            (
                f"1:{grid.majority / count:g}",
                f"{count:,}",
                MISSING if told is None else percent(told[3], 0),
                share_cell(level.value, level.interval, digits=1),
                percent(float(np.mean(other)), 1),
                percent(float(np.mean([one.accuracy for one in of_level])), 1),
            )
        )
    notes = (
        f"Majority {grid.majority:,} pictures, {_repeats(grid.repeats[1])}. Intervals, {INTERVAL_METHOD}; n "
        f"= {plain[0].n_test:,} fresh test pictures of each class. The paper: hammer among 50,000 forks, "
        "20,000 fresh test pictures, network and epochs not told.",
    )
    shown = ("paper: its recall", "recall here", "recall of the majority", "accuracy")
    columns = ("ratio", f"pictures of {name}", *shown)
    return Table(columns, tuple(rows), f"H4: {name} is rare", notes)


def _rare(level: Level) -> int:
    """Training pictures of the minority."""
    return level.point.minority[1] if level.point.minority else 0


def remedy_table(minority: Sequence[Level], name: str) -> Table:
    """H4 with each remedy: recall of the minority and the gain over none."""
    found = {(_rare(level), level.point.balance): level for level in minority if level.point.minority}
    rows = []
    for count in sorted({count for count, balance in found if balance != "none"}):
        base, *remedied = (found[count, balance] for balance in REMEDY)
        best = max(level.value for level in remedied)
        highest = max(best, base.value)
        cells = (
            share_cell(level.value, level.interval, "strong" if level.value == highest else "", 1)
            for level in remedied
        )
        plain = share_cell(base.value, base.interval, digits=1)
        rows.append((f"{count:,}", plain, *cells, f"{100 * (best - base.value):+.1f}"))
    return Table(
        (f"pictures of {name}", *REMEDY.values(), "best gain, points"),
        tuple(rows),
        f"H4: remedies, recall of {name}",
        (f"Intervals, {INTERVAL_METHOD}. Every remedy trains on as many rows an epoch as no remedy.",),
    )


_PAPER_STEPS = {
    ("accuracy", "classes"): f"{MINUS}1.88 points a class",
    ("accuracy", "rows"): "+0.0016 points a row",
    ("loss", "classes"): "+6.4 % a class",
    ("loss", "rows"): f"{MINUS}0.0056 % a row",
}


def steps_differ(grid: Grid) -> str:
    """What is not the paper's in the steps of H5 and H6."""
    return (
        f"{grid.span} (paper: {PAPER_GRID}); network and epochs not told (CNN 1, {grid.epochs[2]} here); "
        f"{len(SHARED_CATEGORIES)} of its ten categories"
    )


def regression_json(found: Regression, grid: Grid) -> dict[str, Any]:
    """The regression as plain JSON values, with the paper's steps and what differs."""
    paper = {name: text for (response, name), text in _PAPER_STEPS.items() if response == found.response}
    return {**as_json(found), "paper": paper, "differs": steps_differ(grid)}


def regression_table(regressions: Sequence[Regression], n_test: int, grid: Grid) -> Table:
    """H5 and H6: what a class and a row change, in accuracy and in loss."""
    rows = tuple(
        (
            found.response,
            one.name,
            _PAPER_STEPS.get((found.response, one.name), MISSING),
            f"{100 * one.value:+.4f}",
            f"{100 * one.interval[0]:.4f} to {100 * one.interval[1]:.4f}",
            p_text(one.p_value),
            "" if one.name not in ("classes", "rows") else steps_differ(grid),
        )
        for found in regressions
        for one in found.coefficients
    )
    fits = ", ".join(f"{found.r_squared:.3f} for {found.response}" for found in regressions)
    notes = (
        f"Ordinary least squares on {regressions[0].n} trainings ({len(grid.classes)} numbers of classes × "
        f"{len(grid.rows)} of rows × {_repeats(grid.repeats[2])}), errors robust against uneven scatter "
        f"({regressions[0].covariance}); R² = {fits}. Accuracy in points, loss (cross-entropy in nats) × "
        f"100, "
        f"on the held-out pictures of the point's classes (at most {n_test:,}). The step of a row depends "
        f"on the "
        "grid: it shrinks where there are many.",
    )
    return Table(
        ("response", "coefficient", "paper", "here, × 100", "95 % interval", "p", "differs from the paper"),
        rows,
        "H5 and H6: classes and rows a class",
        notes,
    )
