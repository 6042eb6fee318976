"""Figures of the Quick, Draw! study: the drawings paper's 8 to 11, and the learning curve."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from lightfast.experiments.levels import Level, accuracy, last_loss, levels, size_curve
from lightfast.experiments.sweep import PointResult
from lightfast.pages.sweep import minority_figure
from lightfast.report.page import Figure, Section, Table, Text
from lightfast.report.statistics import learning_curve_figure, lines_figure
from lightfast.statistics.intervals import Interval
from lightfast.studies.quickdraw.networks import PAPER_GRID, Grid

Point = tuple[float, float, Interval | None]
PAPER_FIGURE_8 = {
    500: ((0.39, 0.92), (0.58, 0.82), (1.93, 0.25), (1.45, 0.63)),
    1_000: ((0.46, 0.91), (0.62, 0.83), (1.66, 0.28), (1.22, 0.63)),
    3_000: ((0.66, 0.93), (0.77, 0.87), (1.09, 0.22), (0.77, 0.87)),
    5_000: ((0.66, 0.93), (0.79, 0.89), (0.99, 0.22), (0.66, 0.41)),
    7_000: ((0.69, 0.93), (0.80, 0.89), (0.99, 0.22), (0.70, 0.38)),
    10_000: ((0.76, 0.91), (0.83, 0.89), (0.79, 0.20), (0.56, 0.35)),
}
"""Training size → training accuracy, validation accuracy, training loss, validation loss,
each (epoch 1, epoch 10), as the paper prints them.
"""
PAPER_FIGURE_9 = {
    500: (0.99, 0.99, 1.00, 0.43),
    50: (0.99, 0.99, 0.99, 0.81),
    10: (0.99, 0.98, 0.99, 0.88),
    5: (0.98, 0.98, 0.98, 0.94),
    2: (0.98, 0.97, 0.98, 0.95),
    1: (0.98, 0.97, 0.98, 0.98),
}
"""Majority over minority → training and test accuracy, recall of the majority (fork) and of the minority
(hammer).
"""
_MEASURES = ("train_accuracy", "val_accuracy", "train_loss", "val_loss")
_HELD = "held out"
_MOST_CLASSES = 4
"""Lines of Figure 11: so many numbers of classes, evenly drawn from the grid."""
_LOSS = "cross-entropy, nats"


# ---- Figure 8


def size_section(measured: Sequence[PointResult], epochs: int, seed: int) -> Section:
    """H3: the paper's table beside ours, its accuracies and losses as lines, and the learning curve."""
    shown = sorted(levels(measured, accuracy), key=lambda level: level.n_train)
    n = f"n = {shown[0].n_test:,} held-out pictures, {_repeats(shown[0].repeats)} a size, seed {seed}"
    parts = (
        _size_table(measured, epochs),
        _size_lines(measured, shown, epochs, n),
        _loss_lines(measured, epochs, n),
        *_curve_parts(measured, shown, seed, n),
    )
    return Section("H3: more pictures (the paper's Figure 8)", parts)


def _size_table(measured: Sequence[PointResult], epochs: int) -> Table:
    rows: list[tuple[str, ...]] = []
    for size in sorted({one.n_train for one in measured} | set(PAPER_FIGURE_8)):
        own = [one for one in measured if one.n_train == size]
        if size in PAPER_FIGURE_8:
            rows.append((f"{size:,}", "the paper", *(_ends(*pair) for pair in PAPER_FIGURE_8[size])))
        means = (
            [float(np.mean([one.epochs[at][key] for one in own])) for at in (1, epochs)] for key in _MEASURES
        )
        rows.append((f"{size:,}", "here", *((_ends(*pair) for pair in means) if own else ("not run",) * 4)))
    notes = (
        f"After epoch 1 → after epoch {epochs} (the paper: 10); ours are means over the repeats. The "
        "paper prints "
        "0.87 for the last validation loss of 3,000 pictures, the same figure as its accuracy beside it.",
    )
    names = ("training accuracy", "validation accuracy", "training loss", "validation loss")
    return Table(("pictures", "", *names), tuple(rows), "Figure 8: accuracy and loss by training size", notes)


def _ends(first: float, last: float) -> str:
    return f"{first:.2f} → {last:.2f}".replace(" ", "\N{NO-BREAK SPACE}")


def _repeats(count: int, what: str = "repeat") -> str:
    return f"{count} {what}{'s' * (count > 1)}"


def _size_lines(measured: Sequence[PointResult], shown: Sequence[Level], epochs: int, n: str) -> Figure:
    # The first epoch first: where it is also the last, the entry with the intervals stays.
    series: dict[str, list[Point]] = {
        f"{_HELD}, epoch 1": _over_size(measured, 1, "val_accuracy"),
        "training, epoch 1": _over_size(measured, 1, "train_accuracy"),
        f"{_HELD}, epoch {epochs}": [(level.n_train, level.value, level.interval) for level in shown],
        f"training, epoch {epochs}": _over_size(measured, epochs, "train_accuracy"),
        "paper: validation, epoch 10": _told(1),
        "paper: training, epoch 10": _told(0),
    }
    drawing = lines_figure(series, x_label="training pictures", y_label="accuracy, %", log_x=True)
    return Figure(drawing, f"{n}; 95 % intervals on the last held-out accuracy. The paper gives none.")


def _loss_lines(measured: Sequence[PointResult], epochs: int, n: str) -> Figure:
    series: dict[str, list[Point]] = {
        f"{_HELD}, epoch {epochs}": _over_size(measured, epochs, "val_loss"),
        f"training, epoch {epochs}": _over_size(measured, epochs, "train_loss"),
        "paper: validation, epoch 10": _told(3),
        "paper: training, epoch 10": _told(2),
    }
    drawing = lines_figure(series, x_label="training pictures", y_label=_LOSS, log_x=True)
    return Figure(drawing, f"The losses of the same trainings; {n}, means over the repeats.")


def _told(place: int) -> list[Point]:
    return [(size, told[place][1], None) for size, told in PAPER_FIGURE_8.items()]


def _over_size(measured: Sequence[PointResult], epoch: int, key: str) -> list[Point]:
    return _means(measured, lambda one: one.n_train, lambda one: one.epochs[epoch][key])


def _means(
    measured: Sequence[PointResult],
    place: Callable[[PointResult], int],
    value: Callable[[PointResult], float],
) -> list[Point]:
    """The mean of `value` at every `place`."""
    found: dict[int, list[float]] = {}
    for one in measured:
        found.setdefault(place(one), []).append(value(one))
    return [(at, float(np.mean(some)), None) for at, some in sorted(found.items())]


def _curve_parts(
    measured: Sequence[PointResult], shown: Sequence[Level], seed: int, n: str
) -> tuple[Figure | Text, ...]:
    """The learning curve through all sizes but the last, the last beside it,
    and the answer to how many more pictures.
    """
    smaller = size_curve([one for one in measured if one.n_train < shown[-1].n_train], seed)
    sizes = np.unique(np.geomspace(shown[0].n_train, 2 * shown[-1].n_train, 40).round().astype(int)).tolist()
    band = [
        (told.n, told.accuracy, told.low, told.high)
        for told in (smaller.predict(size, shown[0].repeats) for size in sizes)
    ]
    dots = [(level.n_train, level.value, level.interval) for level in shown]
    figure = learning_curve_figure(dots[:-1], band, 0.95, dots[-1])
    whole = size_curve(measured, seed)
    return (
        Figure(figure, f"Fitted to all sizes but the largest; the diamond was not used. {n}."),
        Text(whole.sentence()),
        Text(whole.needed(0.95).sentence()),
    )


# ---- Figure 9


def imbalance_section(
    measured: Sequence[PointResult], minority: Sequence[Level], name: str, grid: Grid
) -> Section:
    """H4: the paper's table beside ours, recall against the paper's, and the remedies."""
    plain = [level for level in minority if level.point.balance == "none" and level.point.minority]
    n = f"n = {plain[0].n_test:,} fresh test pictures of {name}, {_repeats(plain[0].repeats)}"
    ours: list[Point] = [
        (100 * level.point.minority[1] / grid.majority, level.value, level.interval)
        for level in plain
        if level.point.minority
    ]
    paper: list[Point] = [(100 / ratio, told[3], None) for ratio, told in PAPER_FIGURE_9.items()]
    drawing = lines_figure(
        {f"{name}, here": ours, "hammer, the paper": paper},
        x_label="pictures of the minority, % of the majority",
        y_label="recall of the minority, %",
        log_x=True,
    )
    differs = (
        f"the paper: hammer of 50,000 forks and 20,000 test pictures; here a majority of {grid.majority:,}"
    )
    parts = (
        _imbalance_table(measured, name, grid),
        Figure(drawing, f"Without a remedy; {n}, 95 % intervals; {differs}."),
        Figure(minority_figure(minority, name), f"Recall of {name} by remedy; {n}, 95 % intervals."),
    )
    return Section("H4: a rare class (Figure 9)", parts)


def _imbalance_table(measured: Sequence[PointResult], name: str, grid: Grid) -> Table:
    rows: list[tuple[str, ...]] = []
    for count in sorted(grid.minorities):
        own = [
            one
            for one in measured
            if one.point.balance == "none" and one.point.minority and one.point.minority[1] == count
        ]
        ratio, told = f"1:{grid.majority / count:g}", PAPER_FIGURE_9.get(round(grid.majority / count))
        if told is not None:
            rows.append((ratio, "the paper", *(f"{100 * share:.0f}" for share in told)))
        test = _mean([one.accuracy for one in own])
        rows.append((ratio, "here", _training(own), test, _others(own, name), _recall(own, name)))
    names = ("training accuracy, %", "test accuracy, %", "recall of the majority, %", "of the minority, %")
    caption = f"Figure 9: {name} is rare, no remedy (ours: means over the repeats)"
    return Table(("ratio", "", *names), tuple(rows), caption)


def _training(own: Sequence[PointResult]) -> str:
    return _mean([one.epochs[max(one.epochs)]["train_accuracy"] for one in own])


def _recall(own: Sequence[PointResult], name: str) -> str:
    return _mean([one.recalls[name] for one in own])


def _others(own: Sequence[PointResult], name: str) -> str:
    return _mean([share for one in own for key, share in one.recalls.items() if key != name])


def _mean(shares: Sequence[float]) -> str:
    return f"{100 * float(np.mean(shares)):.1f}" if shares else "not run"


# ---- Figures 10 and 11


def classes_section(measured: Sequence[PointResult], grid: Grid) -> Section:
    """H5 and H6: accuracy and loss over the classes, and over the rows a class."""
    tested = [one.n_test for one in measured]
    repeats = f"{_repeats(grid.repeats[2], 'training')} a point"
    said = f"n = {min(tested):,} to {max(tested):,} held-out pictures, {repeats}"
    places = np.unique(np.linspace(0, len(grid.classes) - 1, min(_MOST_CLASSES, len(grid.classes))).round())
    ways = (
        ("Figure 10: classes", _Way("rows", grid.rows, "classes", "rows a class")),
        (
            "Figure 11: rows a class",
            _Way("classes", [grid.classes[int(place)] for place in places], "rows", "classes"),
        ),
    )
    parts = tuple(
        figure
        for title, way in ways
        for figure in (
            Figure(way.accuracies(measured), f"Accuracy with 95 % intervals; {said}.", title=title),
            Figure(way.losses(measured), f"Loss of the same trainings, no interval; {said}."),
        )
    )
    lead = f"Over {grid.span}; the paper's figures go over {PAPER_GRID}."
    return Section("H5 and H6: more classes, more rows (Figures 10 and 11)", parts, lead)


class _Way(NamedTuple):
    """One line for each of `values` of the points' field `kept`, over their field `along`."""

    kept: str
    values: Sequence[int]
    along: str
    words: str

    def accuracies(self, measured: Sequence[PointResult]) -> str:
        counts = levels(measured, accuracy)
        series: dict[str, list[Point]] = {
            f"{value:,} {self.words}": [
                (getattr(one.point, self.along), one.value, one.interval)
                for one in counts
                if getattr(one.point, self.kept) == value
            ]
            for value in self.values
        }
        return lines_figure(series, x_label=_ALONG[self.along], y_label="accuracy, %")

    def losses(self, measured: Sequence[PointResult]) -> str:
        series = {
            f"{value:,} {self.words}": _means(
                [one for one in measured if getattr(one.point, self.kept) == value],
                lambda one: getattr(one.point, self.along),
                last_loss,
            )
            for value in self.values
        }
        return lines_figure(series, x_label=_ALONG[self.along], y_label=_LOSS)


_ALONG = {"classes": "classes", "rows": "training pictures a class"}
