"""A frozen classifier behind an enhancer, as one checkpoint: bit for bit on disk, taken apart again,
refused where it does not fit.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from lightfast.base.errors import CheckpointError
from lightfast.data.preprocess import Preprocess, to_pixels
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.enhanced import prepend_enhancer, split_enhanced
from lightfast.models.infer import predict_logits
from lightfast.models.load import load_checkpoint

SHAPE = (12, 12, 1)
CONFIG = {"width": 4, "depth": 1}
PICTURES = np.random.default_rng(0).integers(0, 256, (5, *SHAPE), dtype=np.uint8)


def enhancer_of(
    model: str = "paper-unet", shape: tuple[int, int, int] = SHAPE, **details: object
) -> Checkpoint:
    # In the memory format that loading brings: another one may differ in the last bit.
    network = (
        fresh_network(model, "restorer", shape, 0, CONFIG, 3).eval().to(memory_format=torch.channels_last)
    )
    history = ({"epoch": 1, "val_loss": 0.5},)
    return Checkpoint(
        "restorer",
        model,
        shape,
        0,
        (),
        Preprocess.identity(shape),
        network,
        config=CONFIG,
        details=details,
        history=history,
    )


def classifier_of(seed: int = 0) -> Checkpoint:
    config = {"widths": [4], "dense": 8}
    network = fresh_network("cnn", "classifier", SHAPE, 2, config, seed).eval()
    network = network.to(memory_format=torch.channels_last)
    return Checkpoint(
        "classifier",
        "cnn",
        SHAPE,
        2,
        ("cat", "dog"),
        Preprocess((12, 12), 1, (0.4,), (0.3,)),
        network,
        config=config,
        temperature=1.5,
        details={"seed": 7},
        taxonomy=None,
    )


def test_it_reads_what_the_enhancer_makes():
    enhancer, classifier = enhancer_of(), classifier_of()
    with torch.inference_mode():
        pixels = to_pixels(torch.from_numpy(PICTURES))
        expected = classifier.logits(enhancer.torch_network(pixels).clamp(0, 1)).numpy() / 1.5
    np.testing.assert_array_equal(predict_logits(prepend_enhancer(enhancer, classifier), PICTURES), expected)


def test_an_untrained_residual_enhancer_changes_nothing():
    classifier = classifier_of()
    behind = prepend_enhancer(enhancer_of("unet"), classifier)
    np.testing.assert_array_equal(predict_logits(behind, PICTURES), predict_logits(classifier, PICTURES))


def test_what_is_saved_comes_back_bit_for_bit(tmp_path: Path):
    made = prepend_enhancer(enhancer_of(class_names=["cat", "dog"]), classifier_of())
    back = load_checkpoint(made.save(tmp_path / "checkpoint"))
    np.testing.assert_array_equal(predict_logits(back, PICTURES), predict_logits(made, PICTURES))
    first, second = made.torch_network.state_dict(), back.torch_network.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert (back.class_names, back.temperature, back.details["seed"]) == (("cat", "dog"), 1.5, 7)


def test_taking_apart_is_the_inverse_of_putting_together(tmp_path: Path):
    enhancer, classifier = enhancer_of(strength=0.3), classifier_of()
    for made in (
        prepend_enhancer(enhancer, classifier),
        load_checkpoint(prepend_enhancer(enhancer, classifier).save(tmp_path / "checkpoint")),
    ):
        front, behind = split_enhanced(made)
        for one, other in ((front, enhancer), (behind, classifier)):
            for name in (
                "role",
                "model",
                "image_shape",
                "outputs",
                "class_names",
                "preprocess",
                "config",
                "details",
            ):
                assert getattr(one, name) == getattr(other, name), name
            first, second = one.torch_network.state_dict(), other.torch_network.state_dict()
            assert all(torch.equal(first[key], second[key]) for key in second)
        np.testing.assert_array_equal(predict_logits(behind, PICTURES), predict_logits(classifier, PICTURES))
        assert [dict(row) for row in front.history] == [{"epoch": 1, "val_loss": 0.5}]


def test_an_enhanced_classifier_can_be_enhanced_again(tmp_path: Path):
    once = prepend_enhancer(enhancer_of(strength=0.3), classifier_of())
    made = prepend_enhancer(enhancer_of("unet", strength=7.0), once)
    back = load_checkpoint(made.save(tmp_path / "checkpoint"))
    np.testing.assert_array_equal(
        predict_logits(back, PICTURES), predict_logits(split_enhanced(made)[1], PICTURES)
    )
    outer, behind = split_enhanced(back)
    assert (outer.details["strength"], behind.details) == (7.0, once.details)
    assert split_enhanced(behind)[0].details["strength"] == 0.3


def test_another_class_list_is_refused():
    with pytest.raises(
        CheckpointError, match=r"another class list: expected cat, dog, got cow, pig\. .*lightfast enhance"
    ):
        prepend_enhancer(enhancer_of(class_names=["cow", "pig"]), classifier_of())
    with pytest.raises(CheckpointError, match="another class list"):
        prepend_enhancer(enhancer_of(class_names=["dog", "cat"]), classifier_of())


def test_pictures_of_another_shape_are_refused():
    with pytest.raises(CheckpointError, match=r"another shape: expected \(12, 12, 1\).*got \(16, 16, 1\)"):
        prepend_enhancer(enhancer_of(shape=(16, 16, 1)), classifier_of())


def test_what_is_no_enhancer_or_holds_none_is_refused():
    with pytest.raises(CheckpointError, match="expected an enhancer, got a classifier"):
        prepend_enhancer(classifier_of(), classifier_of())
    with pytest.raises(CheckpointError, match=r"cnn has no enhancer.*lightfast enhance RUN DATA"):
        split_enhanced(classifier_of())
