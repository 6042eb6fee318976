"""Figures 7 to 9 of the damaged-digits paper, on house numbers: how each classifier learnt, how probable the
right label is for every test picture, and how the classifiers compare.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import PairedTest
from lightfast.pages.run import curves_figure
from lightfast.report.grouped import GroupedShare, grouped_intervals_figure
from lightfast.report.overlay import enlarged
from lightfast.report.page import Figure, Folded, Gallery, Picture, Section, Text
from lightfast.report.sorted_shares import sorted_shares_figure
from lightfast.report.tables import confidence_text, percent, percent_range, points_text
from lightfast.report.thumbnails import thumbnail
from lightfast.statistics.intervals import Interval, p_text, wilson
from lightfast.studies.rows import Outcome, wilson_of

WORST = 24
"""Pictures of a classifier that are shown."""
PAPER_TESTED = 2_000
"""Test pictures of the paper."""
_HALF = 0.5


def svhn_sections(
    outcomes: Sequence[Outcome], pairs: Sequence[PairedTest], test: ImageSet, what: str
) -> tuple[Section, ...]:
    """The three figures; `what` names data, sizes and seed in a caption."""
    return (
        _learnt_section(outcomes, what),
        probability_section(outcomes, test, what),
        _compared_section(outcomes, pairs, what),
    )


def _learnt_section(outcomes: Sequence[Outcome], what: str) -> Section:
    """Figure 7, of every row; the paper's autoencoder, which its figure shows, comes first."""
    shown = sorted(outcomes, key=lambda one: one.row.part != "paper-autoencoder-cnn")
    figures = tuple(
        curves_figure(
            one.checkpoint.history,
            f"{_kept_text(one)} Data: {what}.",
            one.row.title[:1].upper() + one.row.title[1:],
        )
        for one in shown
    )
    lead = "Loss and accuracy over the epochs; the paper shows them of the CNN behind its autoencoder."
    return Section("How they learnt (the paper's Figure 7)", figures, lead)


def _kept_text(outcome: Outcome) -> str:
    """Which epoch's weights were kept."""
    losses = [float(row["val_loss"]) for row in outcome.checkpoint.history]
    return f"{len(losses)} epochs; lowest validation loss after epoch {int(np.argmin(losses)) + 1}."


def label_probability(outcome: Outcome) -> NDArray[np.float64]:
    """float64 (N,): the probability that the classifier gives to the right label of each test picture."""
    predictions = outcome.predictions
    labels = predictions.require_labels()
    return predictions.pred_probs[np.arange(len(labels)), labels].astype(np.float64)


def probability_section(outcomes: Sequence[Outcome], test: ImageSet, what: str) -> Section:
    """Figure 8: the sorted probabilities, and the pictures with the lowest ones."""
    series = {one.row.title: label_probability(one) for one in outcomes}
    said = "; ".join(f"{name} {_share_text(shares >= _HALF)}" for name, shares in series.items())
    caption = (
        f"Calibrated probability of the right label, n = {len(test):,} test pictures each; bands: 95 % of "
        f"the whole curve (Dvoretzky–Kiefer–Wolfowitz). At least one half: "
        f"{said} (95 % Wilson). Data: {what}."
    )
    worst = [
        Folded(f"{one.row.title}: the {WORST} least probable", (_worst_gallery(one, test),))
        for one in outcomes
    ]
    lead = "Every test picture, from the one whose right label is least probable to the surest."
    parts = (Figure(sorted_shares_figure(series), caption), *worst)
    return Section("Probability of the right label (Figure 8)", parts, lead)


def _share_text(hits: NDArray[np.bool_]) -> str:
    return f"{percent(float(hits.mean()), 1)} [{percent_range(wilson_of(hits))}]"


def _worst_gallery(outcome: Outcome, test: ImageSet) -> Gallery:
    """The pictures whose right label has the lowest probability, the lowest first."""
    shares = label_probability(outcome)
    rows = np.argsort(shares, kind="stable")[:WORST]
    pictures = tuple(_worst_picture(outcome, test, int(row), float(shares[row])) for row in rows)
    caption = f"Under each: its label with the probability, and what was read; {len(test):,} test pictures."
    return Gallery(pictures, caption)


def _worst_picture(outcome: Outcome, test: ImageSet, row: int, share: float) -> Picture:
    found, names = outcome.predictions, outcome.predictions.class_names
    label, read = names[found.require_labels()[row]], names[found.predicted_labels[row]]
    caption = (
        f"{label}: {confidence_text(share)}; read {read}: {confidence_text(float(found.confidence[row]))}"
    )
    return thumbnail(enlarged(test.images[row]), caption, f"label {label}, read as {read}")


def _compared_section(outcomes: Sequence[Outcome], pairs: Sequence[PairedTest], what: str) -> Section:
    """Figure 9: accuracies with intervals, and the paired differences in words."""
    rows = [
        GroupedShare(one.row.title, one.evaluation.accuracy, one.evaluation.accuracy_interval, True)
        for one in outcomes
    ]
    published = [
        GroupedShare(one.row.title, one.row.paper, _published_interval(one.row.paper), False)
        for one in outcomes
        if one.row.paper is not None
    ]
    groups = {
        f"here, n = {outcomes[0].evaluation.n:,} test pictures": rows,
        f"the paper, on SVHN, n = {PAPER_TESTED:,}": published,
    }
    differences = "; ".join(
        f"{pair.after_name} against {pair.before_name} "
        f"{points_text(pair.difference, pair.difference_interval)} points, "
        f"{p_text(pair.p_value, sentence=True)}"
        for pair in pairs
    )
    caption = (
        "95 % Wilson intervals; the paper gives none, those of its rows are computed from its accuracies and "
        f"its number of test pictures. Here: {what}."
    )
    parts = (Figure(grouped_intervals_figure(groups), caption), Text(f"On the same pictures: {differences}."))
    return Section("The classifiers compared (Figure 9)", parts)


def _published_interval(share: float) -> Interval:
    return wilson(round(share * PAPER_TESTED), PAPER_TESTED)
