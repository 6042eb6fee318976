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
from lightfast.corrupt.suite import CORRUPTIONS, SUITES, corrupt
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import mcnemar
from lightfast.evaluate.image_quality import psnr, ssim
from lightfast.evaluate.predict import pred_probs
from lightfast.models.infer import restore
from lightfast.report.page import Cell, Table
from lightfast.report.tables import points_cell, share_cell
from lightfast.restore.pairs import DamageMix
from lightfast.restore.pipeline import Pipeline, Repair, repair
from lightfast.statistics.intervals import Interval, difference_interval
from lightfast.studies.mnist_c.networks import Parts
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
_SEVERITIES = {name: severities[0] for name, severities, _ in SUITES.get("mnist-c").entries}
PAPER_BCE = 0.1365
"""The paper's autoencoder loss after 50 epochs."""


def breakouts(parts: Parts, pipeline: Pipeline) -> tuple[Table, TableRows]:
    """Five groups of test digits with no digit in two of them, damaged as the paper's were."""
    plan, test = parts.plan, parts.splits.test
    order = generator(parts.options.seed, "breakouts").permutation(len(test))
    rows, cells = [], []
    for number, (name, damages, *paper) in enumerate(BREAKOUTS):
        clean = test.take(order[number * plan.breakout : (number + 1) * plan.breakout], name=name)
        result = repair(pipeline, _mixed(clean, damages, generator(parts.options.seed, "breakout", name)))
        rows.append({"name": name, "paper_before": paper[0], "paper_after": paper[1], **_told(result)})
        published = " → ".join(f"{100 * share:.2f}" for share in paper)
        cells.append((name, published, *_before_after(result), str(rows[-1]["doubtful"])))
    columns = ("breakout", "paper, %", "before", "after", "gain, points", "for a person")
    return Table(columns, tuple(cells), f"Five breakouts of {plan.breakout:,} test digits"), rows


def _mixed(clean: ImageSet, damages: Sequence[str], rng: np.random.Generator) -> ImageSet:
    """Half of the pictures under one damage, or a quarter under each of several; the rest stays clean."""
    damaged = clean.images
    if damages:
        share = 1 / 2 if len(damages) == 1 else 1 / 4
        chosen = np.full(len(clean), -1)
        edges = np.cumsum([0, *[round(share * len(clean))] * len(damages)])
        for index, (low, high) in enumerate(pairwise(edges)):
            chosen[low:high] = index
        mix = DamageMix(tuple((name, _SEVERITIES[name]) for name in damages))
        damaged = mix.apply(clean.images, chosen, rng)
    return clean.derived(damaged, step={"verb": "corrupt", "mixture": clean.name})


def _told(result: Repair) -> dict[str, Any]:
    """The paired test of a repair and its intervals, as plain JSON values."""
    sure = ~result.needs_review
    return {
        **as_json(mcnemar(result.before, result.after)),
        "before_interval": list(wilson_of(result.before.correct)),
        "after_interval": list(wilson_of(result.after.correct)),
        "doubtful": int(result.needs_review.sum()),
        "accepted_accuracy": float(result.after.correct[sure].mean()) if sure.any() else None,
    }


def kinds(parts: Parts, pipeline: Pipeline) -> tuple[Table, TableRows]:
    """Clean digits and every kind of MNIST-C at its published severity, all on the same test digits."""
    options = parts.options
    clean = drawn(parts.splits.test, parts.plan.per_kind, options.seed, "kinds")
    rows, cells = [], []
    for name in ("clean", *_SEVERITIES):
        options.report("kinds", len(rows), len(_SEVERITIES) + 1, name)
        images = corrupt(clean, name, _SEVERITIES[name], options.seed) if name in _SEVERITIES else clean
        result = repair(pipeline, images)
        rows.append(_kind_row(name, clean, images, result))
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
    before, after = (
        float(np.mean([row[f"{side}_accuracy"] for row in rows[1:]])) for side in ("before", "after")
    )
    gain = f"{100 * (after - before):+.2f}"
    cells.append(("mean of 15", f"{before:.2%}", Cell(f"{after:.2%}", tone="strong"), gain, *[""] * 4))
    mean = {"name": "mean of 15", "before_accuracy": before, "after_accuracy": after}
    rows.append(mean | {"n": len(clean) * (len(rows) - 1)})
    shown = ("gain, points", "named right", "PSNR before, dB", "after", "SSIM after")
    published = "published plain CNN: mean 81.3 % unrepaired"
    caption = f"Every kind of MNIST-C, {len(clean):,} test digits each ({published})"
    return Table(("damage", "before", "after", *shown), tuple(cells), caption), rows


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
    family_of = {name: CORRUPTIONS.get(name).family for name in _SEVERITIES}
    rows, cells = [], []
    for family in plan.families or dict.fromkeys(family_of.values()):
        pipeline = parts.pipeline(DamageMix.of_suite("mnist-c", without_family=family), without=family)
        results = {
            name: repair(pipeline, corrupt(test, name, _SEVERITIES[name], options.seed))
            for name in family_of
            if family_of[name] == family
        }
        before, after = (
            np.concatenate([getattr(result, side).correct for result in results.values()])
            for side in ("before", "after")
        )
        interval = _clustered(before, after, len(test))
        row = {
            "family": family,
            "kinds": list(results),
            "n": len(before),
            "digits": len(test),
            "before_accuracy": float(before.mean()),
            "after_accuracy": float(after.mean()),
            "difference": float(after.mean() - before.mean()),
            "difference_interval": list(interval),
            "per_kind": [
                {"name": name, **as_json(mcnemar(result.before, result.after))}
                for name, result in results.items()
            ],
        }
        rows.append(row)
        shares = (share_cell(row["before_accuracy"]), share_cell(row["after_accuracy"]))
        cells.append((family, ", ".join(results), *shares, points_cell(row["difference"], interval)))
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
    half = 1.96 * gain.std(ddof=1) / np.sqrt(digits)
    return Interval(float(gain.mean() - half), float(gain.mean() + half))


def autoencoder(parts: Parts, pipeline: Pipeline, mix: DamageMix) -> tuple[Table, TableRows]:
    """The paper's autoencoder and our restorer on the same damaged digits, every picture restored,
    no detector and no rules.
    """
    plan, test = parts.plan, parts.splits.test
    theirs = parts.restorer(mix, "autoencoder", plan.autoencoder)
    rng = generator(parts.options.seed, "autoencoder-test")
    test = test if plan.per_kind is None else test.take(np.arange(plan.per_kind))
    degraded = mix.apply(test.images, mix.draw(len(test), rng), rng)
    rows, cells = [], []
    for name, restorer in (
        ("not restored", None),
        ("the paper's autoencoder", theirs),
        (f"ours ({pipeline.restorer.model})", pipeline.restorer),
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
        f"The paper's autoencoder beside ours, same damaged digits (the paper reports a loss of {PAPER_BCE} "
        "after 50 epochs)"
    )
    notes = ("PSNR over the pictures that are not restored exactly.",)
    return Table((*columns, f"restoring {len(test):,}, s"), tuple(cells), caption, notes), rows


def _psnr(clean: NDArray[np.uint8], pictures: NDArray[np.uint8]) -> float | None:
    """Mean over the pictures that differ; None where none does."""
    values = psnr(clean, pictures, 255)
    finite = values[np.isfinite(values)]
    return float(finite.mean()) if len(finite) else None


def _bce(restored: NDArray[np.uint8], clean: NDArray[np.uint8]) -> float:
    """Mean binary cross-entropy a pixel, prediction clipped half a grey level into the open interval."""
    share = np.clip(restored / 255.0, 0.5 / 255, 1 - 0.5 / 255)
    target = clean / 255.0
    return float(-(target * np.log(share) + (1 - target) * np.log(1 - share)).mean())


def _before_after(result: Repair) -> tuple[Cell, ...]:
    sides = result.before.correct, result.after.correct
    return (*map(accuracy_cell, sides), gain_cell(mcnemar(result.before, result.after)))


def _decibel(value: float | None) -> str:
    return "identical" if value is None else f"{value:.1f}"
