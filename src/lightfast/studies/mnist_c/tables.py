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

from lightfast.base.randomness import generator
from lightfast.corrupt.suite import CORRUPTIONS, SUITES, corrupt
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import PairedTest, mcnemar
from lightfast.evaluate.image_quality import psnr, ssim
from lightfast.evaluate.predict import pred_probs
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.infer import restore
from lightfast.report.page import Cell, Table
from lightfast.report.tables import points_cell, share_cell
from lightfast.restore.pairs import DamageMix
from lightfast.restore.pipeline import Pipeline, Repair, repair
from lightfast.statistics.intervals import Interval, difference_interval, wilson
from lightfast.studies.mnist_c.networks import Parts

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


def breakouts(parts: Parts, pipeline: Pipeline) -> tuple[Table, TableRows]:
    """Five groups of test digits with no digit in two of them, damaged as the paper's were."""
    options, plan, test = parts.options, parts.plan, parts.splits.test
    order = generator(options.seed, "breakouts").permutation(len(test))
    rows, cells = [], []
    for number, (name, kinds, paper_before, paper_after) in enumerate(BREAKOUTS):
        clean = test.take(order[number * plan.breakout : (number + 1) * plan.breakout], name=name)
        choices = [(kind, _severity(kind)) for kind in kinds]
        shares = [1 / 2] if len(kinds) == 1 else [1 / 4] * len(kinds)
        drawn = np.full(len(clean), -1)
        edges = np.cumsum([0, *(round(share * len(clean)) for share in shares)])
        for index, (low, high) in enumerate(pairwise(edges)):
            drawn[low:high] = index
        rng = generator(options.seed, "breakout", name)
        damaged = clean.images if not choices else DamageMix(tuple(choices)).apply(clean.images, drawn, rng)
        result = repair(pipeline, clean.derived(damaged, step={"verb": "corrupt", "mixture": name}))
        test_row = mcnemar(result.before, result.after)
        rows.append(
            {
                "name": name,
                "paper_before": paper_before,
                "paper_after": paper_after,
                **test_row.as_json(),
                "before_interval": list(_wilson(result.before.correct)),
                "after_interval": list(_wilson(result.after.correct)),
                "doubtful": int(result.needs_review.sum()),
                "accepted_accuracy": _accepted(result),
            }
        )
        cells.append(
            (
                name,
                f"{100 * paper_before:.2f} → {100 * paper_after:.2f}",
                *_before_after(test_row, result),
                str(int(result.needs_review.sum())),
            )
        )
    columns = ("breakout", "paper, %", "before", "after", "gain, points", "for a person")
    return Table(columns, tuple(cells), f"Five breakouts of {plan.breakout:,} test digits"), rows


def kinds(parts: Parts, pipeline: Pipeline) -> tuple[Table, TableRows]:
    """Clean digits and every kind of MNIST-C at its published severity, all on the same test digits."""
    options, plan, test = parts.options, parts.plan, parts.splits.test
    clean = (
        test
        if plan.per_kind is None
        else test.take(generator(options.seed, "kinds").permutation(len(test))[: plan.per_kind])
    )
    sets = [
        ("clean", clean),
        *(
            (name, corrupt(clean, name, severities[0], options.seed))
            for name, severities, _ in SUITES.get("mnist-c").entries
        ),
    ]
    rows, cells = [], []
    for name, images in sets:
        options.report("kinds", len(rows), len(sets), name)
        result = repair(pipeline, images)
        rows.append(_kind_row(name, clean, images, result))
        cells.append(
            (
                name,
                *_before_after(mcnemar(result.before, result.after), result),
                f"{rows[-1]['named']:.1%}",
                _decibel(rows[-1]["psnr_before"]),
                _decibel(rows[-1]["psnr_after"]),
                f"{rows[-1]['ssim_after']:.3f}",
            )
        )
    means = {
        side: float(np.mean([row[f"{side}_accuracy"] for row in rows[1:]])) for side in ("before", "after")
    }
    cells.append(
        (
            "mean of 15",
            Cell(f"{means['before']:.2%}"),
            Cell(f"{means['after']:.2%}", tone="strong"),
            Cell(f"{100 * (means['after'] - means['before']):+.2f}"),
            "",
            "",
            "",
            "",
        )
    )
    rows.append(
        {
            "name": "mean of 15",
            "before_accuracy": means["before"],
            "after_accuracy": means["after"],
            "n": len(clean) * (len(rows) - 1),
        }
    )
    columns = (
        "damage",
        "before",
        "after",
        "gain, points",
        "named right",
        "PSNR before, dB",
        "after",
        "SSIM after",
    )
    return Table(
        columns,
        tuple(cells),
        f"Every kind of MNIST-C, {len(clean):,} test digits each (published plain CNN: mean 81.3 % "
        "unrepaired)",
    ), rows


def _kind_row(name: str, clean: ImageSet, images: ImageSet, result: Repair) -> dict[str, Any]:
    finite = {}
    for side, pictures in (("before", images.images), ("after", result.restored)):
        values = psnr(clean.images, pictures, 255)
        finite[f"psnr_{side}"] = (
            float(values[np.isfinite(values)].mean()) if np.isfinite(values).any() else None
        )
        finite[f"ssim_{side}"] = float(ssim(clean.images, pictures, 255).mean())
    named = float(np.mean([said == name for said in result.damage.names]))
    return {
        "name": name,
        **mcnemar(result.before, result.after).as_json(),
        **finite,
        "named": named,
        "before_interval": list(_wilson(result.before.correct)),
        "after_interval": list(_wilson(result.after.correct)),
        "doubtful": int(result.needs_review.sum()),
        "accepted_accuracy": _accepted(result),
    }


def held_out_families(parts: Parts) -> tuple[Table, TableRows]:
    """One damage family at a time left out of all training and calibration, then met at the test."""
    names = [name for name, _, _ in SUITES.get("mnist-c").entries]
    options, plan, splits = parts.options, parts.plan, parts.splits
    families = plan.families or tuple(dict.fromkeys(CORRUPTIONS.get(name).family for name in names))
    test = splits.test.take(
        generator(options.seed, "held-out").permutation(len(splits.test))[: plan.held_out]
    )
    rows, cells = [], []
    for family in families:
        mix = DamageMix.of_suite("mnist-c", without_family=family)
        pipeline = parts.pipeline(mix, without=family)
        unseen = [name for name in names if CORRUPTIONS.get(name).family == family]
        results = [repair(pipeline, corrupt(test, name, _severity(name), options.seed)) for name in unseen]
        before, after = (
            np.concatenate([getattr(result, side).correct for result in results])
            for side in ("before", "after")
        )
        low, high = _clustered(before, after, len(test))
        row = {
            "family": family,
            "kinds": unseen,
            "n": len(before),
            "digits": len(test),
            "before_accuracy": float(before.mean()),
            "after_accuracy": float(after.mean()),
            "difference": float(after.mean() - before.mean()),
            "difference_interval": [low, high],
            "per_kind": [
                {"name": name, **mcnemar(result.before, result.after).as_json()}
                for name, result in zip(unseen, results, strict=True)
            ],
        }
        rows.append(row)
        cells.append(
            (
                family,
                ", ".join(unseen),
                share_cell(row["before_accuracy"]),
                share_cell(row["after_accuracy"]),
                points_cell(row["difference"], (low, high)),
            )
        )
    columns = ("family left out", "met at the test", "before", "after", "gain, points")
    return Table(
        columns,
        tuple(cells),
        f"Damage families that detector, restorer and rules never saw, {len(test):,} test digits a kind",
    ), rows


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
    options, plan, splits = parts.options, parts.plan, parts.splits
    theirs = parts.restorer(mix, "autoencoder", plan.autoencoder)
    rng = generator(options.seed, "autoencoder-test")
    test = splits.test if plan.per_kind is None else splits.test.take(np.arange(plan.per_kind))
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
        values = psnr(test.images, restored, 255)
        row = {
            "name": name,
            "bce": _bce(restored, test.images),
            "psnr": float(values[np.isfinite(values)].mean()),
            "ssim": float(ssim(test.images, restored, 255).mean()),
            "accuracy": float(right.mean()),
            "accuracy_interval": list(_wilson(right)),
            "n": len(test),
            "training_seconds": _training_seconds(restorer),
            "restore_seconds": spent if restorer else 0.0,
        }
        rows.append(row)
        read = share_cell(row["accuracy"], row["accuracy_interval"])
        cells.append(
            (
                name,
                f"{row['bce']:.4f}",
                f"{row['psnr']:.2f}",
                f"{row['ssim']:.3f}",
                read,
                f"{row['training_seconds']:.0f}",
                f"{row['restore_seconds']:.1f}",
            )
        )
    columns = (
        "restorer",
        "BCE",
        "PSNR, dB",
        "SSIM",
        "accuracy",
        "training, s",
        f"restoring {len(test):,}, s",
    )
    caption = (
        f"The paper's autoencoder beside ours, same damaged digits (the paper reports a loss of {PAPER_BCE} "
        "after 50 epochs)"
    )
    return Table(
        columns, tuple(cells), caption, ("PSNR over the pictures that are not restored exactly.",)
    ), rows


def _bce(restored: NDArray[np.uint8], clean: NDArray[np.uint8]) -> float:
    """Mean binary cross-entropy a pixel, prediction clipped half a grey level into the open interval."""
    share = np.clip(restored / 255.0, 0.5 / 255, 1 - 0.5 / 255)
    target = clean / 255.0
    return float(-(target * np.log(share) + (1 - target) * np.log(1 - share)).mean())


def _training_seconds(checkpoint: Checkpoint | None) -> float:
    return sum(row["seconds"] for row in checkpoint.history) if checkpoint else 0.0


def _severity(kind: str) -> int:
    return next(severities[0] for name, severities, _ in SUITES.get("mnist-c").entries if name == kind)


def _wilson(correct: NDArray[np.bool_]) -> Interval:
    return wilson(int(correct.sum()), len(correct))


def _accepted(result: Repair) -> float | None:
    """Accuracy of the predictions that did not go to a person."""
    sure = ~result.needs_review
    return float(result.after.correct[sure].mean()) if sure.any() else None


def _before_after(test: PairedTest, result: Repair) -> Sequence[Cell]:
    return (
        share_cell(test.before_accuracy, _wilson(result.before.correct)),
        share_cell(test.after_accuracy, _wilson(result.after.correct)),
        points_cell(test.difference, test.difference_interval),
    )


def _decibel(value: float | None) -> str:
    return "identical" if value is None else f"{value:.1f}"
