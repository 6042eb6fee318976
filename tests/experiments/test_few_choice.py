"""Model auto of few labels: what its head is given."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from lightfast.data.images import ImageSet
from lightfast.experiments import few_choice
from lightfast.experiments.few_labels import LabelledRows
from lightfast.train.recipe import Training


def test_copies_share_a_group_where_near_duplicates_are_not_looked_for(monkeypatch: pytest.MonkeyPatch):
    """A copy in another fold would tell its label: its accuracy would be that of what was learned."""
    pixels = np.random.default_rng(0).integers(0, 256, (6, 16, 16, 3), dtype=np.uint8)
    pixels[4] = pixels[1]
    images = ImageSet(pixels, ("cat", "dog"), labels=np.array([0, 1, 0, 1, 1, 0]))
    given: list[LabelledRows] = []

    def caught(labelled: LabelledRows, *_: object) -> None:
        given.append(labelled)
        raise InterruptedError

    fake = SimpleNamespace(
        features=lambda images: images.reshape(len(images), -1), network=SimpleNamespace(width=8)
    )
    monkeypatch.setattr(few_choice, "backbone_extractor", lambda *_: fake)
    monkeypatch.setattr(few_choice, "fit_few_labels", caught)
    with pytest.raises(InterruptedError):
        few_choice.choose_few_labels(images.take([0, 1, 2, 3]), images.take([4, 5]), 60.0, Training())
    groups = given[0].groups
    assert groups[1] == groups[4]
    assert len(set(groups.tolist())) == 5
