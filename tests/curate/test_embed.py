"""Features are computed once a picture and found again by its content."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lightfast.base.errors import CheckpointError
from lightfast.curate import embed
from lightfast.curate.embed import Embedder, checkpoint_embedder, embed_pictures, unit_rows
from lightfast.data.images import ImageSet
from lightfast.data.preprocess import Preprocess
from lightfast.models.build import fresh_network
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.infer import predict_logits


class _Counting:
    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.seen += len(images)
        return images.reshape(len(images), -1)[:, :3].astype(np.float32)


def _pictures(count: int, seed: int = 0) -> ImageSet:
    return ImageSet(np.random.default_rng(seed).integers(0, 256, (count, 4, 4, 1), dtype=np.uint8))


def test_features_come_in_the_order_of_the_pictures_and_once_for_copies(tmp_path: Path):
    pictures, compute = _pictures(6), _Counting()
    doubled = pictures.take([5, 0, 5, 3])
    found = embed_pictures(doubled, Embedder("one", compute), folder=tmp_path)
    assert (found.vectors == _Counting()(doubled.images)).all()
    assert compute.seen == 3


def test_another_set_with_the_same_pictures_computes_only_the_new_ones(tmp_path: Path):
    compute = _Counting()
    pictures = _pictures(8)
    embed_pictures(pictures.take(range(5)), Embedder("one", compute), folder=tmp_path)
    found = embed_pictures(pictures, Embedder("one", compute), folder=tmp_path)
    assert compute.seen == 8
    assert (found.vectors == _Counting()(pictures.images)).all()


def test_features_of_another_network_are_not_taken(tmp_path: Path):
    first, second = _Counting(), _Counting()
    embed_pictures(_pictures(3), Embedder("one", first), folder=tmp_path)
    embed_pictures(_pictures(3), Embedder("two", second), folder=tmp_path)
    assert second.seen == 3


def test_what_was_computed_before_a_stop_is_not_computed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(embed, "_BLOCK", 2)

    class Stopping(_Counting):
        def __call__(self, images: np.ndarray) -> np.ndarray:
            if self.seen == 4:
                raise KeyboardInterrupt
            return super().__call__(images)

    with pytest.raises(KeyboardInterrupt):
        embed_pictures(_pictures(6), Embedder("one", Stopping()), folder=tmp_path)
    again = _Counting()
    embed_pictures(_pictures(6), Embedder("one", again), folder=tmp_path)
    assert again.seen == 2


def test_a_set_without_pictures_has_no_features(tmp_path: Path):
    found = embed_pictures(_pictures(3).take([]), Embedder("one", _Counting()), folder=tmp_path)
    assert len(found.vectors) == 0


def test_rows_of_unit_length_and_zeros():
    assert unit_rows(np.array([[3.0, 4.0], [0.0, 0.0]])) == pytest.approx(np.array([[0.6, 0.8], [0, 0]]))


def _classifier(model: str) -> Checkpoint:
    shape = (28, 28, 1)
    network = fresh_network(model, "classifier", shape, 3, {}, 0)
    return Checkpoint("classifier", model, shape, 3, tuple("abc"), Preprocess.identity(shape), network)


def test_a_trained_classifier_gives_what_its_last_layer_sees():
    checkpoint = _classifier("mlp")
    pixels = np.random.default_rng(0).integers(0, 256, (300, 28, 28, 1), dtype=np.uint8)
    features = checkpoint_embedder(checkpoint).compute(pixels)
    weight, bias = list(checkpoint.torch_network.state_dict().values())[-2:]
    logits = features @ weight.numpy().T + bias.numpy()
    assert logits == pytest.approx(predict_logits(checkpoint, pixels), abs=1e-4)


def test_other_weights_have_another_source():
    first, second = _classifier("mlp"), _classifier("mlp")
    next(iter(second.torch_network.state_dict().values())).add_(1)
    assert checkpoint_embedder(first).source != checkpoint_embedder(second).source


def test_a_forest_has_no_features():
    with pytest.raises(CheckpointError, match="has no features"):
        checkpoint_embedder(_classifier("random-forest"))
