"""House numbers: the paper's CNN, the same behind its autoencoder, and ours, on one split (the SVHN half of
the damaged-digits study).

The data are 10,000 training and 2,000 test pictures of SVHN (Netzer et al. 2011) where it is at hand, else
digits over photographs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from lightfast.base.errors import DataError
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.data.catalogue.catalogue import data_folder
from lightfast.data.dataset import LoadedData
from lightfast.data.images import ImageSet
from lightfast.data.splits import Splits, split_loaded, split_off
from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.report.page import Table
from lightfast.report.tables import duration, percent, points_cell, share_cell
from lightfast.statistics.intervals import p_text
from lightfast.studies.registry import STUDIES, Scale, Study, StudyOptions, StudyResult
from lightfast.studies.rows import ModelRow, Outcome, at_hand, outcome_of
from lightfast.studies.svhn.digits_over_photos import digits_over_photos, textures
from lightfast.train.recipe import Recipe

STAND_IN = "digits-over-photos"
PHOTOGRAPHS = ("cifar10", "cifar10-20k")
PARTS = ("train", "test")
_VALIDATION_SHARE = 0.2
# The sizes of the paper: training pictures (a fifth of them for validation) and test pictures.
_SIZES: Mapping[Scale, tuple[int, int]] = {"quick": (200, 100), "paper": (10_000, 2_000)}
_QUICK_EPOCHS = 1
# Keras's Adam as it comes: no decay, no clipping, one step size.
_AS_PUBLISHED = Recipe.of(
    epochs=15, batch_size=16, learning_rate=1e-3, schedule="constant", weight_decay=0.0, clip=1e9
)
# At 0.001 all units of the dense layer die within an epoch and the network stays at chance (measured over
# four epochs).
BEHIND_AUTOENCODER = _AS_PUBLISHED.updated(["learning_rate=0.0003"])
# Digits must not be mirrored, so the augmentation for photographs is out.
OUR_RECIPE = Recipe.of(
    epochs=20, batch_size=64, learning_rate=4e-3, weight_decay=0.05, augment="shift", averaging=0.995
)


SVHN_ROWS = (
    ModelRow("paper-cnn", "the paper's CNN", "svhn-cnn", _AS_PUBLISHED, paper=0.770),
    ModelRow(
        "paper-autoencoder-cnn",
        "the paper's CNN behind its autoencoder",
        "svhn-ae-cnn",
        BEHIND_AUTOENCODER,
        paper=0.795,
    ),
    ModelRow("ours", "ours (resnet9, 16 wide)", "resnet9", OUR_RECIPE, {"width": 16}),
)


@dataclass(frozen=True, eq=False)
class StudyData:
    """What the classifiers learn from and are judged on; `notes` say what it is and what it stands for."""

    splits: Splits
    stand_in: bool
    notes: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Sources:
    """What the stand-in is made of, (train, test) each, and what it is called in a sentence."""

    digits: tuple[ImageSet, ImageSet]
    grounds: tuple[ImageSet, ImageSet]
    text: str


def run_svhn(options: StudyOptions) -> StudyResult:
    """Train the three classifiers on one split and read the test pictures once with each.

    A part that was trained before, or was interrupted, is found again in `options.out`.
    Raises DataError when, at scale "paper", neither SVHN nor what the stand-in is made of is at hand.
    """
    data = study_data(options)
    rows = SVHN_ROWS if options.scale == "paper" else tuple(row.quick(_QUICK_EPOCHS) for row in SVHN_ROWS)
    outcomes = [outcome_of(options, row, data.splits) for row in rows]
    first, second, ours = outcomes
    pairs = [
        mcnemar(one.predictions, other.predictions)
        for one, other in ((first, ours), (second, ours), (first, second))
    ]
    caption = _caption(data, options.seed)
    figures = {
        "data": data.splits.test.name,
        "stand_in": data.stand_in,
        "data_version": data.splits.train.version,
        "n_train": len(data.splits.train),
        "n_val": len(data.splits.val),
        "n_test": len(data.splits.test),
        "seed": options.seed,
        "scale": options.scale,
        "rows": [outcome.as_json() for outcome in outcomes],
        "pairs": [as_json(pair) for pair in pairs],
    }
    tables = (_accuracy_table(outcomes, caption), _pair_table(pairs, caption))
    seconds = {outcome.row.part: outcome.seconds for outcome in outcomes}
    return StudyResult("House numbers (SVHN)", tables, figures, (*data.notes, *_method_notes()), seconds)


def study_data(options: StudyOptions) -> StudyData:
    """The study's pictures, divided into train, val (a fifth) and test; nothing is downloaded."""
    folder = options.data_folder or data_folder()
    train, test = _SIZES[options.scale]
    if at_hand("svhn", folder):
        loaded = _sample(options.pictures("svhn").data, (train, test), options.seed)
        notes = (
            f"Data: {train:,} training and {test:,} test pictures of SVHN, drawn from its parts by seed "
            f"{options.seed}.",
        )
        return StudyData(_divided(loaded, options.seed), False, notes)
    sources = _sources(options, folder)
    made = [
        digits_over_photos(digits, ground, count, options.seed, f"{STAND_IN}/{part}")
        for part, count, digits, ground in zip(
            PARTS, (train, test), sources.digits, sources.grounds, strict=True
        )
    ]
    notes = (
        f"Stand-in data, not SVHN, which is not in the data folder: {sources.text}; {train:,} training and "
        f"{test:,} test pictures. No digit and no background of the test is used in training. The paper's "
        "figures were measured on SVHN: they stand beside ours for orientation.",
    )
    return StudyData(_divided(LoadedData(train=made[0], test=made[1]), options.seed), True, notes)


def _divided(loaded: LoadedData, seed: int) -> Splits:
    return split_loaded(loaded, val=_VALIDATION_SHARE, seed=seed)


def _sample(loaded: LoadedData, sizes: tuple[int, int], seed: int) -> LoadedData:
    """At most `sizes` pictures of the official train and test parts, drawn by seed."""
    parts = [
        images.take(generator(seed, "svhn", images.name).permutation(len(images))[:size])
        for images, size in zip((loaded.train, loaded.part("test")), sizes, strict=True)
    ]
    return LoadedData(train=parts[0], test=parts[1], notes=loaded.notes)


def _sources(options: StudyOptions, folder: Path) -> Sources:
    """Official train and test parts wherever they are at hand; at scale "quick" the embedded digits and,
    without photographs, textures.
    """
    photographs = next((name for name in PHOTOGRAPHS if at_hand(name, folder)), None)
    if options.scale == "quick":
        rest, held = split_off(options.pictures("mnist-5k").data.train, 0.2, options.seed, PARTS)
        if photographs is None:
            grounds = tuple(
                textures(size, options.seed, f"textures/{part}")
                for part, size in zip(PARTS, _SIZES["quick"], strict=True)
            )
            return Sources(
                (rest, held),
                (grounds[0], grounds[1]),
                "digits of mnist-5k over random textures (no photographs at hand)",
            )
        return Sources(
            (rest, held),
            _both(options.pictures(photographs).data),
            f"digits of mnist-5k over photographs of {photographs}",
        )
    if photographs is None or not at_hand("mnist", folder):
        raise DataError(
            f"study svhn: neither svhn nor what its stand-in is made of (mnist and cifar10) is in {folder}",
            cure="Run: lightfast data fetch svhn.",
        )
    digits, grounds = _both(options.pictures("mnist").data), _both(options.pictures(photographs).data)
    return Sources(digits, grounds, f"digits of mnist over photographs of {photographs}")


def _both(loaded: LoadedData) -> tuple[ImageSet, ImageSet]:
    """(train, test), no picture in both."""
    splits = split_loaded(loaded, val=0.0)
    return splits.train, splits.test


def _caption(data: StudyData, seed: int) -> str:
    splits = data.splits
    kind = "stand-in data (digits over photographs), not SVHN" if data.stand_in else "SVHN"
    return (
        f"{kind}; {len(splits.train):,} train, {len(splits.val):,} val, {len(splits.test):,} test pictures; "
        f"seed {seed}"
    )


def _accuracy_table(outcomes: Sequence[Outcome], caption: str) -> Table:
    best = max(outcome.evaluation.accuracy for outcome in outcomes)
    rows = []
    for outcome in outcomes:
        measured = outcome.evaluation
        accuracy = share_cell(
            measured.accuracy, measured.accuracy_interval, "strong" if measured.accuracy == best else ""
        )
        rows.append(
            (
                outcome.row.title,
                percent(outcome.row.paper, 1),
                accuracy,
                f"{measured.n:,}",
                f"{outcome.parameters or 0:,}",
                str(outcome.epochs),
                duration(outcome.seconds),
            )
        )
    columns = ("classifier", "paper, on SVHN", "accuracy here", "n", "parameters", "epochs", "training")
    return Table(
        columns,
        tuple(rows),
        f"Accuracy on the test pictures: {caption}",
        ("In brackets: 95 % Wilson interval.",),
    )


def _pair_table(pairs: Sequence[PairedTest], caption: str) -> Table:
    rows = tuple(
        (
            f"{pair.after_name} against {pair.before_name}",
            points_cell(pair.difference, pair.difference_interval),
            str(pair.gained),
            str(pair.lost),
            p_text(pair.p_value),
        )
        for pair in pairs
    )
    columns = ("the same test pictures", "points", "gained", "lost", "p")
    notes = ("In brackets: 95 % interval (Newcombe 1998, method 10); p by McNemar's test.",)
    return Table(columns, rows, f"Paired differences: {caption}", notes)


def _method_notes() -> tuple[str, ...]:
    return (
        "All three learn from the same training pictures and keep the weights of their best validation "
        "epoch; the test pictures are read once, at the end.",
        "The paper's rows follow its description: batches of 16, 15 epochs, a fifth for validation. It names "
        "no step size: Adam at 0.001 without decay is Keras's default. Behind the autoencoder (with batch "
        "norm) that step killed every unit of the dense layer, so that row takes 0.0003.",
    )


STUDIES.add(
    "svhn",
    Study(
        "svhn",
        "House numbers: the paper's CNN, the same behind its autoencoder, and ours",
        run_svhn,
        "damaged-digits study, SVHN half; SVHN: Netzer et al. 2011",
        ("svhn",),
    ),
)
