"""The four tables of the damaged-digits study: breakouts, kinds, held-out families,
the paper's autoencoder beside ours.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.corrupt.suite import CORRUPTIONS, corrupt
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import mcnemar
from lightfast.evaluate.image_quality import psnr, ssim
from lightfast.evaluate.predict import pred_probs, predict
from lightfast.evaluate.predictions import Predictions
from lightfast.evaluate.robustness import robust_mean_interval
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.infer import restore
from lightfast.report.page import Cell, Table
from lightfast.report.tables import MISSING, points_cell, share_cell
from lightfast.restore.pairs import DamageMix
from lightfast.restore.pipeline import Pipeline, Repair, repair
from lightfast.statistics.intervals import Interval, difference_interval
from lightfast.studies.mnist_c.networks import PAPER_MIX, SEVERITY_OF, Parts
from lightfast.studies.rows import accuracy_cell, drawn, gain_cell, wilson_of

TableRows = list[dict[str, Any]]

BREAKOUTS: tuple[tuple[str, tuple[str, ...], float, float], ...] = (
    ("clean", (), 0.9900, 0.9900),
    ("50 % shot noise", ("shot_noise",), 0.9793, 0.9793),
    ("50 % motion blur", ("motion_blur",), 0.8386, 0.8406),
    ("50 % fog", ("fog",), 0.8086, 0.8146),
    ("25 % each", ("shot_noise", "motion_blur", "fog"), 0.8206, 0.8286),
)
"""Name, damages, and the paper's accuracy before and after."""
PAPER_BCE = 0.1365
"""The paper's autoencoder loss after 50 epochs."""


_OWN_READER = "the reader is our CNN on 28 pixels (paper: vit-base-mnist, 28 → 224 pixels, 99.5 %)"
_NOT_TOLD = "Adam and step size not told (Keras's defaults here), its sample's size not told"
_WAYS = {
    "paper": ("the paper's: its autoencoder, misread pictures restored", ""),
    "two": (
        "ours, learnt on motion blur and shot noise",
        "not in the paper: our restorer by the smaller plan, no label read; fog unseen, as in the paper",
    ),
    "all": ("ours, learnt on all 15 kinds, fog among them", "not in the paper: fog is no new damage to it"),
}


def breakouts(parts: Parts, pipeline: Pipeline) -> tuple[Table, TableRows]:
    """Five groups of test digits with no digit in two of them, damaged as the paper's were, each repaired in
    the paper's way, by ours that knows the paper's two kinds of damage, and by ours that knows all.
    """
    plan, test, reader = parts.plan, parts.splits.test, parts.published
    order = generator(parts.options.seed, "breakouts").permutation(len(test))
    two = parts.pipeline(DamageMix(PAPER_MIX.choices), "two-kinds")
    rows, cells = [], []
    for number, (name, damages, *paper) in enumerate(BREAKOUTS):
        clean = test.take(order[number * plan.breakout : (number + 1) * plan.breakout], name=name)
        given = _mixed(clean, damages, generator(parts.options.seed, "breakout", name))
        results = {"two": repair(two, given), "all": repair(pipeline, given)}
        sides = {way: (one.before, one.after) for way, one in results.items()}
        sides = {"paper": _misread_restored(parts, reader or parts.classifier, given), **sides}
        published = " → ".join(f"{100 * share:.2f}" for share in paper)
        for way, (title, ours) in _WAYS.items():
            differs = ours or f"{_reader_words(reader)}; {_NOT_TOLD}"
            found = _pair_told(*sides[way])
            known = way in results
            row = {"name": name, "way": way, "differs": differs, **(_told(results[way]) if known else found)}
            rows.append(row | ({} if known else {"paper_before": paper[0], "paper_after": paper[1]}))
            doubtful = str(row["doubtful"]) if known else MISSING
            shown = MISSING if known else published
            cells.append((name, title, shown, *_pair_cells(*sides[way]), doubtful, differs))
    columns = ("breakout", "repair", "paper, %", "before", "after", "gain, points", "for a person")
    columns += ("differs from the paper",)
    notes = (
        "The paper's way restores the pictures that were misread, which it finds by their true labels: its "
        "gain "
        "cannot be negative, and nobody has it who has no labels. Ours reads no label.",
    )
    return Table(columns, tuple(cells), f"Five breakouts of {plan.breakout:,} test digits", notes), rows


def _reader_words(reader: Checkpoint | None) -> str:
    if reader is None:
        return _OWN_READER
    height, width = reader.preprocess.size
    named = str(reader.details.get("source", reader.model))
    return f"the reader is {named} at {height} × {width} pixels (paper: vit-base-mnist, 224 × 224)"


def _misread_restored(parts: Parts, reader: Checkpoint, given: ImageSet) -> tuple[Predictions, Predictions]:
    """Predictions before and after the paper's pipeline: what was misread is restored and read again."""
    before = predict(reader, given)
    wrong = np.flatnonzero(~before.correct)
    images = given.images.copy()
    if len(wrong):
        images[wrong] = restore(parts.autoencoder, images[wrong])
    after = predict(reader, given.derived(images, step={"verb": "restore", "misread": len(wrong)}))
    return before, after


def _pair_told(before: Predictions, after: Predictions) -> dict[str, Any]:
    intervals = {"before_interval": before, "after_interval": after}
    return {
        **as_json(mcnemar(before, after)),
        **{name: list(wilson_of(side.correct)) for name, side in intervals.items()},
    }


def _mixed(clean: ImageSet, damages: Sequence[str], rng: np.random.Generator) -> ImageSet:
    """Half of the pictures under one damage, or a quarter under each of several; the rest stays clean."""
    damaged = clean.images
    if damages:
        share = 1 / 2 if len(damages) == 1 else 1 / 4
        chosen = np.full(len(clean), -1)
        edges = np.cumsum([0, *[round(share * len(clean))] * len(damages)])
        for index, (low, high) in enumerate(pairwise(edges)):
            chosen[low:high] = index
        mix = DamageMix(tuple((name, SEVERITY_OF[name]) for name in damages))
        damaged = mix.apply(clean.images, chosen, rng)
    return clean.derived(damaged, step={"verb": "corrupt", "mixture": clean.name})


def _told(result: Repair) -> dict[str, Any]:
    """The paired test of a repair and its intervals, as plain JSON values."""
    sure = ~result.needs_review
    return {
        **_pair_told(result.before, result.after),
        "doubtful": int(result.needs_review.sum()),
        "accepted_accuracy": float(result.after.correct[sure].mean()) if sure.any() else None,
    }


def kinds(parts: Parts, pipeline: Pipeline) -> tuple[Table, TableRows]:
    """Clean digits and every kind of MNIST-C at its published severity, all on the same test digits."""
    options = parts.options
    clean = drawn(parts.splits.test, parts.plan.per_kind, options.seed, "kinds")
    rows, cells, read = [], [], []
    for name in ("clean", *SEVERITY_OF):
        options.report("kinds", len(rows), len(SEVERITY_OF) + 1, name)
        images = corrupt(clean, name, SEVERITY_OF[name], options.seed) if name in SEVERITY_OF else clean
        result = repair(pipeline, images)
        rows.append(_kind_row(name, clean, images, result))
        read.append([result.before.correct, result.after.correct])
        cells.append(
            (
                name,
                *_before_after(result),
                f"{rows[-1]['named']:.1%}",
                _decibel(rows[-1]["psnr_before"]),
                _decibel(rows[-1]["psnr_after"]),
                f"{rows[-1]['ssim_after']:.3f}",
            )
        )
    mean = mean_of_kinds(np.array(read[1:]), options.seed)
    shares = [share_cell(mean[f"{side}_accuracy"], mean[f"{side}_interval"]) for side in ("before", "after")]
    gain = points_cell(mean["difference"], mean["difference_interval"])
    cells.append(("mean of 15", *shares, gain, *[""] * 4))
    rows.append({"name": "mean of 15", **mean})
    shown = ("gain, points", "named right", "PSNR before, dB", "after", "SSIM after")
    caption = f"Every kind of MNIST-C, {len(clean):,} test digits each"
    note = (
        "The level before repair is that of this reader, which saw clean digits only; the table of readers "
        "shows another level (the paper gives no figures a kind). The mean's interval: digits are the "
        "independent units, each occurs under every kind."
    )
    return Table(("damage", "before", "after", *shown), tuple(cells), caption, (note,)), rows


def mean_of_kinds(read: NDArray[np.bool_], seed: int) -> dict[str, Any]:
    """Mean accuracy over kinds, before and after, from bool (kinds, 2, digits); the same digits under every
    kind, so that the digits are the independent units of the intervals.
    """
    kinds, _, digits = read.shape
    before, after = (read[:, side].mean(axis=0) for side in (0, 1))
    told: dict[str, Any] = {"n": kinds * digits, "digits": digits}
    for name, shares in (("before", before), ("after", after)):
        told |= {f"{name}_accuracy": float(shares.mean())}
        told |= {f"{name}_interval": list(robust_mean_interval(shares, seed))}
    interval = list(_clustered(read[:, 0].reshape(-1), read[:, 1].reshape(-1), digits))
    return told | {"difference": float((after - before).mean()), "difference_interval": interval}


def _kind_row(name: str, clean: ImageSet, images: ImageSet, result: Repair) -> dict[str, Any]:
    measured = {}
    for side, pictures in (("before", images.images), ("after", result.restored)):
        measured[f"psnr_{side}"] = _psnr(clean.images, pictures)
        measured[f"ssim_{side}"] = float(ssim(clean.images, pictures, 255).mean())
    named = float(np.mean([said == name for said in result.damage.names]))
    return {"name": name, **_told(result), **measured, "named": named}


def held_out_families(parts: Parts) -> tuple[Table, TableRows]:
    """One damage family at a time left out of all training and calibration, then met at the test."""
    options, plan = parts.options, parts.plan
    test = drawn(parts.splits.test, plan.held_out, options.seed, "held-out")
    family_of = {name: CORRUPTIONS.get(name).family for name in SEVERITY_OF}
    rows, cells = [], []
    for family in plan.families or dict.fromkeys(family_of.values()):
        pipeline = parts.pipeline(
            DamageMix.of_suite("mnist-c", without_family=family), smaller=f"without-{family}"
        )
        results = {
            name: repair(pipeline, corrupt(test, name, SEVERITY_OF[name], options.seed))
            for name in family_of
            if family_of[name] == family
        }
        read = np.array([[result.before.correct, result.after.correct] for result in results.values()])
        row = {
            "family": family,
            "kinds": list(results),
            **mean_of_kinds(read, options.seed),
            "per_kind": [
                {"name": name, **as_json(mcnemar(result.before, result.after))}
                for name, result in results.items()
            ],
        }
        rows.append(row)
        shares = [
            share_cell(row[f"{side}_accuracy"], row[f"{side}_interval"]) for side in ("before", "after")
        ]
        gain = points_cell(row["difference"], row["difference_interval"])
        cells.append((family, ", ".join(results), *shares, gain))
    columns = ("family left out", "met at the test", "before", "after", "gain, points")
    caption = f"Damage families that detector, restorer and rules never saw, {len(test):,} test digits a kind"
    return Table(columns, tuple(cells), caption), rows


def _clustered(before: NDArray[np.bool_], after: NDArray[np.bool_], digits: int) -> Interval:
    """Normal interval of the mean gain; each digit occurs once a kind,
    so the digits are the independent units.
    """
    if len(before) == digits:
        return difference_interval(before, after)
    gain = (after.astype(float) - before.astype(float)).reshape(-1, digits).mean(axis=0)
    if not gain.any():  # no scatter to go by: as if every digit had been read once
        return difference_interval(before[:digits], after[:digits])
    half = 1.96 * gain.std(ddof=1) / np.sqrt(digits)
    return Interval(float(gain.mean() - half), float(gain.mean() + half))


def autoencoder(parts: Parts, pipeline: Pipeline) -> tuple[Table, TableRows]:
    """The paper's autoencoder and our restorers on the same digits, damaged by the paper's two kinds; every
    picture restored, no detector and no rules.
    """
    plan, test, mix = parts.plan, parts.splits.test, PAPER_MIX
    rng = generator(parts.options.seed, "autoencoder-test")
    test = test if plan.per_kind is None else test.take(np.arange(plan.per_kind))
    degraded = mix.apply(test.images, mix.draw(len(test), rng), rng)
    rows, cells = [], []
    for name, restorer in (
        ("not restored", None),
        (f"the paper's autoencoder, {plan.autoencoder.recipe.epochs} epochs", parts.autoencoder),
        (f"ours ({pipeline.restorer.model}), all 15 kinds", pipeline.restorer),
    ):
        started = time.perf_counter()
        restored = degraded if restorer is None else restore(restorer, degraded)
        spent = time.perf_counter() - started
        right = pred_probs(pipeline.classifier, restored).argmax(axis=1) == test.require_labels()
        row = {
            "name": name,
            "bce": _bce(restored, test.images),
            "psnr": _psnr(test.images, restored),
            "ssim": float(ssim(test.images, restored, 255).mean()),
            "accuracy": float(right.mean()),
            "accuracy_interval": list(wilson_of(right)),
            "n": len(test),
            "training_seconds": sum(one["seconds"] for one in restorer.history) if restorer else 0.0,
            "restore_seconds": spent if restorer else 0.0,
        }
        rows.append(row)
        quality = (f"{row['bce']:.4f}", f"{row['psnr']:.2f}", f"{row['ssim']:.3f}")
        seconds = (f"{row['training_seconds']:.0f}", f"{row['restore_seconds']:.1f}")
        cells.append((name, *quality, accuracy_cell(right), *seconds))
    columns = ("restorer", "BCE", "PSNR, dB", "SSIM", "accuracy", "training, s")
    caption = (
        f"The paper's autoencoder beside ours, motion blur and shot noise (the paper: a loss of {PAPER_BCE} "
        "after 50 epochs)"
    )
    notes = (
        "The paper's autoencoder has learnt pairs of a digit damaged by motion blur or shot noise and the "
        "clean "
        "one, as the paper tells. Not told: how many pictures, batch and step size, and whether its loss is "
        "of "
        f"training or held-out pictures; here {plan.autoencoder.per_epoch:,} an epoch, damaged anew, Keras's "
        "defaults, and test pictures.",
        "PSNR over the pictures that are not restored exactly.",
    )
    return Table((*columns, f"restoring {len(test):,}, s"), tuple(cells), caption, notes), rows


def _psnr(clean: NDArray[np.uint8], pictures: NDArray[np.uint8]) -> float | None:
    """Mean over the pictures that differ; None where none does."""
    values = psnr(clean, pictures, 255)
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


def _bce(restored: NDArray[np.uint8], clean: NDArray[np.uint8]) -> float:
    return float(bce_of_each(restored, clean).mean())


def bce_of_each(restored: NDArray[np.uint8], clean: NDArray[np.uint8]) -> NDArray[np.float64]:
    """float64 (N,): mean binary cross-entropy a pixel, prediction clipped half a grey level into the open
    interval.
    """
    share = np.clip(restored / 255.0, 0.5 / 255, 1 - 0.5 / 255)
    target = clean / 255.0
    losses = -(target * np.log(share) + (1 - target) * np.log(1 - share))
    return losses.reshape(len(losses), -1).mean(axis=1)


def _before_after(result: Repair) -> tuple[Cell, ...]:
    return _pair_cells(result.before, result.after)


def _pair_cells(before: Predictions, after: Predictions) -> tuple[Cell, ...]:
    return accuracy_cell(before.correct), accuracy_cell(after.correct), gain_cell(mcnemar(before, after))


def _decibel(value: float | None) -> str:
    return "identical" if value is None else f"{value:.1f}"
