"""What the damaged-digits paper's literature does to the reader itself, each against none: cutout, training
pictures removed by their nearest neighbours, denoising layers inside the network.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.randomness import generator
from lightfast.curate.neighbours import nearest
from lightfast.curate.outliers import find_outliers
from lightfast.curate.outvoted import outvoted
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import mcnemar
from lightfast.evaluate.predict import pred_probs
from lightfast.evaluate.robustness import robust_mean_interval, robustness_of_many
from lightfast.models.adversarial import fast_gradient_sign
from lightfast.models.checkpoint import Checkpoint
from lightfast.report.page import Cell, Table
from lightfast.report.tables import MISSING, points_cell, share_cell
from lightfast.studies.mnist_c.networks import Parts
from lightfast.studies.mnist_c.tables import TableRows, mean_of_kinds
from lightfast.studies.registry import trained
from lightfast.studies.rows import drawn, training_seconds, wilson_of
from lightfast.train.fit import fit

EPSILON = 0.25
"""Step of the adversarial pictures, a share of black to white (Goodfellow et al. 2014 on MNIST)."""
PLANTED_SHARE = 0.2
"""Of the training digits that an adversarial one takes the place of."""
NEIGHBOURS_ASKED = 10
_PLAIN, _PLANTED, _REMOVED = "plain", "planted", "removed"


@dataclass(frozen=True)
class SturdierRow:
    """One reader: the name of its part, its title, what it is compared with ("" = nothing), the digits it is
    trained on (`_PLAIN`, `_PLANTED` or `_REMOVED`), its registry name and augmentation.
    """

    part: str
    title: str
    against: str
    digits: str = _PLAIN
    model: str = "cnn"
    augment: str = "none"


STURDIER_ROWS = (
    SturdierRow("plain", "plain CNN (`cnn`)", ""),
    SturdierRow("cutout", "with cutout (`augment=cutout`)", "plain", augment="cutout"),
    SturdierRow("denoising", "denoising layers inside (`denoising-cnn`)", "plain", model="denoising-cnn"),
    SturdierRow("planted", "adversarial digits planted, all kept", "plain", _PLANTED),
    SturdierRow("removed", "planted, then outvoted and odd ones removed", "planted", _REMOVED),
)
_COLUMNS = ("reader", "trained on", "clean", "mean of 15", "adversarial", "against")
_GAINS = ("gain clean, points", "gain mean of 15", "gain adversarial")
_Right = dict[str, NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Planted:
    """Training digits with adversarial ones among them.

    Attributes:
        images: the digits, the planted ones with the label that the fooled reader gives them.
        rows: bool (N,), which are planted.
        fooled: bool (N,), which of those carry a wrong label.
        removed: bool (N,), which are outvoted or odd by their neighbours.
    """

    images: ImageSet
    rows: NDArray[np.bool_]
    fooled: NDArray[np.bool_]
    removed: NDArray[np.bool_]

    def as_json(self) -> dict[str, Any]:
        """Counts, and how well the removal found what was planted, with intervals."""
        told = {
            "n": len(self.rows),
            "planted": int(self.rows.sum()),
            "wrong_labels": int(self.fooled.sum()),
            "removed": int(self.removed.sum()),
            "epsilon": EPSILON,
        }
        for name, found in {
            "removed_that_were_planted": self.rows[self.removed],
            "planted_that_were_removed": self.removed[self.rows],
            "others_that_were_removed": self.removed[~self.rows],
        }.items():
            told |= {
                name: float(found.mean()) if len(found) else None,
                f"{name}_interval": list(wilson_of(found)),
            }
        return told


def sturdier_table(parts: Parts) -> tuple[Table, TableRows]:
    """Readers of one recipe on clean digits, on every kind of MNIST-C and on adversarial digits made against
    each itself, paired with the row it is to be better than.
    """
    plan, seed = parts.plan, parts.options.seed
    train = drawn(parts.splits.train, plan.sturdier, seed, "sturdier")
    test = drawn(parts.splits.test, plan.held_out, seed, "sturdier-test")
    plain = _trained(parts, STURDIER_ROWS[0], train)
    planted = planted_digits(plain, train, seed)
    digits = {
        _PLAIN: train,
        _PLANTED: planted.images,
        _REMOVED: planted.images.take(np.flatnonzero(~planted.removed)),
    }
    readers = {row.part: _trained(parts, row, digits[row.digits]) for row in STURDIER_ROWS}
    right = _read_rightly(readers, test, seed)
    rows, cells = [], []
    for row in STURDIER_ROWS:
        found = _measured(row, right, seed) | {"n_train": len(digits[row.digits])}
        seconds = sum(map(training_seconds, readers[row.part].history))
        rows.append(found | {"training_seconds": seconds})
        cells.append(_cells(row, found))
    rows.append({"name": "removal by neighbours", **planted.as_json()})
    caption = f"Readers made sturdier, {len(test):,} test digits, clean, a kind and adversarial"
    return Table((*_COLUMNS, *_GAINS), tuple(cells), caption, _notes(planted)), rows


def planted_digits(reader: Checkpoint, train: ImageSet, seed: int) -> Planted:
    """`PLANTED_SHARE` of the digits, drawn by seed, replaced by adversarial ones against `reader` with the
    label that it gives them (as a machine that labels by itself would), and what neighbours then say of all:
    outvoted among `NEIGHBOURS_ASKED` by the cosine of the pixels, or an outlier.
    """
    count = round(PLANTED_SHARE * len(train))
    chosen = generator(seed, "planted").permutation(len(train))[:count]
    labels = train.require_labels()
    changed = fast_gradient_sign(reader, train.images[chosen], labels[chosen], EPSILON)
    said = pred_probs(reader, changed).argmax(axis=1)
    images, step = train.images.copy(), {"verb": "plant", "epsilon": EPSILON, "count": count, "seed": seed}
    images[chosen] = changed
    dirty = train.derived(images, step=step).relabel(
        {int(row): train.class_names[label] for row, label in zip(chosen, said, strict=True)}, step=step
    )
    rows, fooled = np.zeros(len(train), dtype=bool), np.zeros(len(train), dtype=bool)
    rows[chosen], fooled[chosen] = True, said != labels[chosen]
    return Planted(dirty, rows, fooled, suspicious(dirty))


def suspicious(images: ImageSet) -> NDArray[np.bool_]:
    """bool (N,): outvoted by their nearest neighbours, or unlike all others; no picture is told apart by
    anything but its pixels and labels.
    """
    pixels = images.images.reshape(len(images), -1).astype(np.float32)
    near = nearest(pixels, NEIGHBOURS_ASKED)
    found = outvoted(near, images.require_labels())
    found[find_outliers(near.similarity).rows] = True
    return found


def _trained(parts: Parts, row: SturdierRow, train: ImageSet) -> Checkpoint:
    if row == STURDIER_ROWS[0] and train is parts.splits.train:
        return parts.classifier  # the study's own is the plain one
    val, recipe = parts.splits.val, parts.plan.classifier.updated([f"augment={row.augment}"])
    key = {"data": train.version, "model": row.model, "recipe": recipe}
    return trained(
        parts.options,
        f"sturdier-{row.part}",
        key,
        lambda training: fit(train, val, model=row.model, recipe=recipe, training=training),
    )


def _read_rightly(readers: Mapping[str, Checkpoint], test: ImageSet, seed: int) -> dict[str, _Right]:
    """Part → which test digits are read rightly: "clean" (n,), "kinds" (15, n), "adversarial" (n,), each
    reader's own: those made against another one carry over the better the more alike the two began.
    """
    labels = test.require_labels()
    damaged = robustness_of_many(
        lambda images: {part: pred_probs(reader, images) for part, reader in readers.items()},
        test,
        "mnist-c",
        seed=seed,
    )
    return {
        part: {
            "clean": pred_probs(reader, test.images).argmax(axis=1) == labels,
            "kinds": damaged[part].correct,
            "adversarial": _withstands(reader, test),
        }
        for part, reader in readers.items()
    }


def _withstands(reader: Checkpoint, test: ImageSet) -> NDArray[np.bool_]:
    labels = test.require_labels()
    against = fast_gradient_sign(reader, test.images, labels, EPSILON)
    return pred_probs(reader, against).argmax(axis=1) == labels


def _measured(row: SturdierRow, right: Mapping[str, _Right], seed: int) -> dict[str, Any]:
    own = right[row.part]
    told: dict[str, Any] = {"name": row.title, "part": row.part, "against": row.against}
    for name in ("clean", "adversarial"):
        told |= {name: float(own[name].mean()), f"{name}_interval": list(wilson_of(own[name]))}
    digits = own["kinds"].mean(axis=0)
    told |= {"kinds": float(digits.mean()), "kinds_interval": list(robust_mean_interval(digits, seed))}
    told |= {"n": len(digits)}
    if row.against:
        other = right[row.against]
        for name in ("clean", "adversarial"):
            paired = mcnemar(other[name], own[name])
            interval = list(paired.difference_interval)
            told |= {f"{name}_gain": paired.difference, f"{name}_gain_interval": interval}
        mean = mean_of_kinds(np.stack([other["kinds"], own["kinds"]], axis=1), seed)
        told |= {"kinds_gain": mean["difference"], "kinds_gain_interval": mean["difference_interval"]}
    return told


def _cells(row: SturdierRow, found: Mapping[str, Any]) -> tuple[Any, ...]:
    names = ("clean", "kinds", "adversarial")
    shares = [share_cell(found[name], found[f"{name}_interval"]) for name in names]
    gains: list[Cell | str] = [MISSING] * len(names)
    if row.against:
        gains = [points_cell(found[f"{name}_gain"], found[f"{name}_gain_interval"]) for name in names]
    return (row.title, f"{found['n_train']:,}", *shares, row.against or MISSING, *gains)


def _notes(planted: Planted) -> tuple[str, ...]:
    told = planted.as_json()
    share, kept = told["planted_that_were_removed"], told["others_that_were_removed"]
    return (
        "One recipe, one training each, validation on clean digits; gains are paired on the same digits "
        "(Newcombe; of the mean: digits are the independent units). Where a gain's interval holds 0 none is "
        "shown. Adversarial: test digits after one step of the fast gradient sign method (Goodfellow et al. "
        f"2014, ε = {EPSILON}) against the reader itself.",
        "Cutout (DeVries & Taylor 2017): a square of half the side. Denoising layers: the non-local means "
        "of Xie et al. 2019 behind the second of three blocks; trained on clean digits like all "
        "here, not adversarially as there.",
        f"Planted: {told['planted']:,} of {told['n']:,} training digits, adversarial against the plain CNN, "
        f"with the label that it gives them ({told['wrong_labels']:,} wrong). Removed: {told['removed']:,} "
        f"that most of their {NEIGHBOURS_ASKED} nearest by pixels outvote, or that are unlike all: "
        f"{share:.1%} of the planted ones, {kept:.1%} of the others.",
    )
