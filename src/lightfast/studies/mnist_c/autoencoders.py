"""The four kinds of autoencoder that the damaged-digits paper names, on the same digits."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.randomness import generator
from lightfast.data.images import ImageSet
from lightfast.evaluate.image_quality import psnr, ssim
from lightfast.evaluate.predict import pred_probs
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.infer import restore
from lightfast.models.registry import count_parameters
from lightfast.report.page import Cell, Table
from lightfast.report.tables import MISSING, points_cell, share_cell
from lightfast.statistics.intervals import Interval, difference_interval, student_mean
from lightfast.studies.mnist_c.networks import PAPER_MIX, Parts
from lightfast.studies.mnist_c.readers import over_seeds
from lightfast.studies.mnist_c.tables import TableRows, bce_of_each
from lightfast.studies.rows import training_seconds, wilson_of


@dataclass(frozen=True)
class AutoencoderRow:
    """One kind: its title, the name of its part, its registry name and config. `part` is empty for the
    paper's own, which the study has already.
    """

    title: str
    part: str
    model: str
    config: Mapping[str, Any] = dataclasses.field(default_factory=dict)


_WEIGHT = 0.1
"""Of either penalty; on validation digits it halves the code or its Jacobian at little loss."""
AUTOENCODER_ROWS = (
    AutoencoderRow("denoising, the paper's layers (`autoencoder`)", "", "autoencoder"),
    AutoencoderRow(
        "denoising, tied layers, no penalty", "autoencoder-tied", "sparse-autoencoder", {"weight": 0.0}
    ),
    AutoencoderRow(
        "sparse, tied layers, L1 on the code", "autoencoder-sparse", "sparse-autoencoder", {"weight": _WEIGHT}
    ),
    AutoencoderRow(
        "contractive, tied layers, Jacobian of the code",
        "autoencoder-contractive",
        "contractive-autoencoder",
        {"weight": _WEIGHT},
    ),
    AutoencoderRow("stacked, tied layers, one by one first", "autoencoder-stacked", "stacked-autoencoder"),
)
"""The paper's kinds; the second has the layers of the three below it and nothing else, so that each of them
differs from it in one thing.
"""
_Measures = dict[str, NDArray[np.float64]]
_COLUMNS = ("autoencoder", "parameters", "BCE", "PSNR, dB", "SSIM", "accuracy", "gain, points", "training, s")


def autoencoders_table(parts: Parts) -> tuple[Table, TableRows]:
    """Loss, PSNR, SSIM, accuracy after repair and seconds of each of `AUTOENCODER_ROWS`, all trained by the
    plan of the paper's autoencoder on its two kinds of damage, `plan.autoencoder_seeds` times; every test
    digit is restored, as in the table of the autoencoder, and read by the frozen classifier.
    """
    plan, clean = parts.plan, parts.splits.test
    rng = generator(parts.options.seed, "autoencoder-test")
    clean = clean if plan.per_kind is None else clean.take(np.arange(plan.per_kind))
    degraded = PAPER_MIX.apply(clean.images, PAPER_MIX.draw(len(clean), rng), rng)
    rows: TableRows = [_row("not restored", [_measured(parts, clean, degraded)], None)]
    reference: list[_Measures] = []
    for kind in AUTOENCODER_ROWS:
        trained = trained_autoencoders(parts, kind)
        found = [_measured(parts, clean, restore(restorer, degraded)) for restorer in trained]
        rows.append(_row(kind.title, found, reference or None) | _cost(trained))
        reference = reference or found
    caption = (
        f"Four kinds of autoencoder, {plan.autoencoder.recipe.epochs} epochs of "
        f"{plan.autoencoder.per_epoch:,} digits damaged by motion blur or shot noise, {len(clean):,} test "
        f"digits damaged alike, {plan.autoencoder_seeds} training(s) each"
    )
    return Table(_COLUMNS, tuple(_cells(row) for row in rows), caption, _NOTES), rows


_NOTES = (
    "All learn pairs of a damaged and a clean digit by BCE, with the paper's recipe. The tied layers are "
    "ours: two convolutions of 5 × 5, stride 2, 32 and 64 channels, ReLU, the same weights on the way back, "
    "a code of four times as many numbers as there are pixels; the paper names the kinds, no layers. "
    f"Sparse (Ng 2011): {_WEIGHT} × mean |code|. Contractive (Rifai et al. 2011): {_WEIGHT} × ‖J‖² a unit of "
    "the code, by one probe of Hutchinson's estimate. Stacked (Vincent et al. 2010): a fifth of the epochs "
    "for each layer alone, the rest for both. No weight was tuned on test digits.",
    "Figures are means over the trainings. Intervals: over the trainings (Student's t), nowhere narrower "
    "than over the digits (Student's t; accuracy: Wilson); of one training over the digits alone, and how "
    "much another start would change is then not known. Gain: paired with the paper's autoencoder on the "
    "same digits. Seconds: processor time of a training (by the clock where an older version trained it), "
    "of one alone with the scatter of its epochs. PSNR over the digits that are not restored "
    "exactly.",
)


def trained_autoencoders(parts: Parts, row: AutoencoderRow) -> list[Checkpoint]:
    """The restorers of a row, one a seed from the study's own on, each a part of its own."""
    plan = dataclasses.replace(parts.plan.autoencoder, model=row.model, config=row.config)
    own = parts.options.seed
    first = parts.restorer(PAPER_MIX, row.part, plan) if row.part else parts.autoencoder
    others = [
        dataclasses.replace(parts, options=dataclasses.replace(parts.options, seed=seed)).restorer(
            PAPER_MIX, f"seed-{seed}-{row.part or 'autoencoder-two-kinds'}", plan
        )
        for seed in range(own + 1, own + parts.plan.autoencoder_seeds)
    ]
    return [first, *others]


def _measured(parts: Parts, clean: ImageSet, restored: NDArray[np.uint8]) -> _Measures:
    """Name → float (digits,): NaN for the PSNR of a digit that is restored exactly."""
    read = pred_probs(parts.classifier, restored).argmax(axis=1)
    levels = psnr(clean.images, restored, 255)
    return {
        "bce": bce_of_each(restored, clean.images),
        "psnr": np.where(np.isfinite(levels), levels, np.nan),
        "ssim": np.asarray(ssim(clean.images, restored, 255), dtype=np.float64),
        "accuracy": (read == clean.require_labels()).astype(np.float64),
    }


def _row(title: str, found: Sequence[_Measures], reference: Sequence[_Measures] | None) -> dict[str, Any]:
    """Means over trainings with their intervals, and the paired gain over `reference` of as many."""
    told: dict[str, Any] = {"name": title, "n": len(found[0]["bce"]), "trainings": len(found)}
    for name in found[0]:
        values = np.stack([one[name] for one in found])
        told |= {name: float(np.nanmean(values)), f"{name}_interval": list(_interval(name, values))}
    if reference is not None:
        pairs = [(old["accuracy"], new["accuracy"]) for old, new in zip(reference, found, strict=True)]
        gains = np.stack([new - old for old, new in pairs])
        digits = difference_interval(*pairs[0]) if len(pairs) == 1 else student_mean(gains.mean(axis=0))
        interval = _wider(digits, gains.mean(axis=1))
        told |= {"difference": float(gains.mean()), "difference_interval": list(interval)}
    return told


def _interval(name: str, values: NDArray[np.float64]) -> Interval:
    """Of the mean of values (trainings, digits): the outer one of both ways of looking at them."""
    if name == "accuracy":
        return (
            over_seeds(values.mean(axis=1), values.shape[1]) if len(values) > 1 else wilson_of(values[0] > 0)
        )
    told = values[:, np.isfinite(values).all(axis=0)]
    return _wider(student_mean(told.mean(axis=0)), np.nanmean(values, axis=1))


def _wider(digits: Interval, trainings: NDArray[np.float64]) -> Interval:
    """`digits`, and where there are several trainings nowhere narrower than over them."""
    if len(trainings) < 2:
        return digits
    scatter = student_mean(trainings)
    return Interval(min(digits.low, scatter.low), max(digits.high, scatter.high))


def _cost(trained: Sequence[Checkpoint]) -> dict[str, Any]:
    """Parameters and processor seconds; of one training the interval is that of its epochs."""
    seconds = [[training_seconds(epoch) for epoch in one.history] for one in trained]
    totals, epochs = [sum(one) for one in seconds], len(seconds[0])
    if len(trained) > 1:
        low, high = student_mean(totals)
    else:
        low, high = (epochs * end for end in student_mean(seconds[0]))
    return {
        "parameters": count_parameters(trained[0].torch_network),
        "epochs": epochs,
        "by_the_clock": any("processor_seconds" not in epoch for one in trained for epoch in one.history),
        "seconds": float(np.mean(totals)),
        "seconds_interval": [max(low, 0.0), high],
    }


def _cells(row: Mapping[str, Any]) -> tuple[Any, ...]:
    learnt = "seconds" in row
    return (
        row["name"],
        f"{row['parameters']:,}" if learnt else "",
        _cell(row, "bce", 4),
        _cell(row, "psnr", 2),
        _cell(row, "ssim", 3),
        share_cell(row["accuracy"], row["accuracy_interval"]),
        points_cell(row["difference"], row["difference_interval"]) if "difference" in row else MISSING,
        _seconds_cell(row) if learnt else "",
    )


def _seconds_cell(row: Mapping[str, Any]) -> Cell:
    cell = _cell(row, "seconds", 0)
    return dataclasses.replace(cell, text=f"{cell.text} by the clock") if row["by_the_clock"] else cell


def _cell(row: Mapping[str, Any], name: str, digits: int) -> Cell:
    low, high = row[f"{name}_interval"]
    return Cell(f"{row[name]:.{digits}f}", f"{low:.{digits}f}–{high:.{digits}f}")
