"""Damage drawn on the fly: by seed, in the wanted shares, with targets that fit."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from lightfast.base.errors import SettingsError, UnknownName
from lightfast.base.randomness import generator
from lightfast.corrupt.suite import corrupt_array
from lightfast.data.images import ImageSet
from lightfast.restore.pairs import DamagedPictures, DamageMix

MIX = DamageMix((("brightness", 5), ("stripe", 3), ("brightness", 1)), clean_share=0.25)


def test_kinds_are_listed_once_with_clean_first():
    assert MIX.kinds == ("clean", "brightness", "stripe")


def test_shares_are_drawn_as_wanted():
    drawn = MIX.draw(40_000, generator(0, "t"))
    shares = np.bincount(drawn + 1, minlength=4) / len(drawn)
    assert shares == pytest.approx([0.25, 0.25, 0.25, 0.25], abs=0.01)


def test_targets_name_kind_and_severity():
    kinds, severities = MIX.targets(np.array([-1, 0, 1, 2]))
    assert kinds.tolist() == [0, 1, 2, 1]
    assert severities.tolist() == [0, 5, 3, 1]


def test_each_picture_gets_its_own_damage(blobs: ImageSet):
    images = blobs.images[:4]
    damaged = MIX.apply(images, np.array([-1, 1, 1, 0]), generator(0, "t"))
    stripes = corrupt_array(images[1:3], "stripe", 3, generator(9, "any"))
    assert (damaged[0] == images[0]).all()
    assert (damaged[1:3] == stripes).all()
    assert damaged[3].min() > images[3].min()


@pytest.mark.parametrize("task", ["restore", "detect"])
def test_an_epoch_depends_on_seed_and_number_only(blobs: ImageSet, task: str):
    source = DamagedPictures(blobs, blobs, MIX, seed=1, per_epoch=50, task=task)
    again = DamagedPictures(blobs, blobs, MIX, seed=1, per_epoch=50, task=task)
    assert all(
        torch.equal(first, second) for first, second in zip(source.epoch(2), again.epoch(2), strict=True)
    )
    assert not torch.equal(source.epoch(2)[0], source.epoch(3)[0])
    assert all(
        torch.equal(first, second)
        for first, second in zip(source.validation(), again.validation(), strict=True)
    )


def test_epochs_walk_through_all_pictures(blobs: ImageSet):
    source = DamagedPictures(blobs, blobs, MIX, seed=0, per_epoch=50)
    seen = torch.cat([source.epoch(number)[1] for number in range(3)])
    assert len({picture.numpy().tobytes() for picture in seen}) == len(
        {picture.tobytes() for picture in blobs.images}
    )


def test_a_family_can_be_left_out():
    whole, without = DamageMix.of_suite("mnist-c"), DamageMix.of_suite("mnist-c", without_family="noise")
    assert set(whole.kinds) - set(without.kinds) == {"shot_noise", "impulse_noise"}


def test_empty_and_unknown_mixtures_are_refused():
    with pytest.raises(SettingsError, match="at least one corruption"):
        DamageMix(())
    with pytest.raises(UnknownName, match="mnist-c"):
        DamageMix.of_suite("mnist-d")
