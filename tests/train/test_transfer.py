import dataclasses

import numpy as np
import pytest
import torch

from lightfast.base.errors import DataError, SettingsError
from lightfast.data.images import ImageSet
from lightfast.evaluate.predict import calibrate, predict, predict_tags
from lightfast.experiments.auto import choose_model
from lightfast.models.load import load_checkpoint
from lightfast.train.fit import fit
from lightfast.train.linear import LinearData, LinearSettings, fit_linear
from lightfast.train.recipe import Recipe, Training
from lightfast.train.transfer import STAGED_RECIPE, with_mirrored


def pictures(count: int, seed: int, classes: int = 3) -> ImageSet:
    """Coloured stripes on noise: the class is their direction and colour."""
    rng = np.random.default_rng(seed)
    labels = np.arange(count) % classes
    images = rng.integers(0, 120, (count, 32, 32, 3))
    for row, label in enumerate(labels):
        shift = rng.integers(0, 8)
        if label == 0:
            images[row, shift::8, :, 0] += 130
        elif label == 1:
            images[row, :, shift::8, 1] += 130
        else:
            images[row, shift::4, shift::4, 2] += 130
    return ImageSet(images.astype(np.uint8), ("rows", "columns", "dots")[:classes], labels)


@pytest.fixture(scope="module")
def parts() -> tuple[ImageSet, ImageSet, ImageSet]:
    return pictures(60, 0), pictures(24, 1), pictures(36, 2)


@pytest.fixture(scope="module")
def frozen(parts):
    return fit(*parts[:2], model="lite0")


def test_a_linear_head_on_frozen_features_reads_and_comes_back_from_disk(parts, frozen, tmp_path):
    read = predict(frozen, parts[2])
    assert read.correct.mean() > 0.8
    assert frozen.details["transfer"]["weights"].startswith("ImageNet")
    again = predict(load_checkpoint(frozen.save(tmp_path / "checkpoint")), parts[2])
    assert np.array_equal(read.pred_probs, again.pred_probs)


def test_the_frozen_backbone_is_bit_identical_afterwards(frozen, parts):
    fresh = fit(
        *(part.take(range(6)) for part in parts[:2]), model="lite0"
    ).torch_network.backbone.state_dict()
    own = frozen.torch_network.backbone.state_dict()
    assert all(torch.equal(own[name], fresh[name]) for name in fresh)


def test_a_staged_fine_tune_changes_what_stands_behind_the_cut_and_nothing_before(parts, frozen):
    recipe = Recipe.of(epochs=1, batch_size=16, learning_rate=1e-3)
    tuned = fit(*parts[:2], model="lite0", recipe=recipe, config={"mode": "staged", "from_stage": "blocks.6"})
    before, after = frozen.torch_network.backbone.state_dict(), tuned.torch_network.backbone.state_dict()
    changed = {
        name.split(".")[0] + "." + name.split(".")[1]
        for name in before
        if not torch.equal(before[name], after[name])
    }
    assert changed
    assert all(name.startswith(("blocks.6", "conv_head", "bn2")) for name in changed)
    assert tuned.details["transfer"]["from_stage"] == "blocks.6"
    assert len(tuned.history) == 1
    assert all(parameter.requires_grad for parameter in tuned.torch_network.parameters())


def test_a_full_fine_tune_trains_the_stem_too(parts, frozen):
    recipe = Recipe.of(epochs=1, batch_size=16, learning_rate=1e-4)
    tuned = fit(*parts[:2], model="lite0", recipe=recipe, config={"mode": "full", "input_side": 32})
    stem = "conv_stem.weight"
    assert not torch.equal(
        frozen.torch_network.backbone.state_dict()[stem], tuned.torch_network.backbone.state_dict()[stem]
    )


def test_the_default_schedule_is_the_papers():
    assert STAGED_RECIPE.schedule == "plateau"


def test_a_tree_of_binary_classifiers_is_a_head_like_any_other(parts, tmp_path):
    tree = fit(*parts[:2], model="lite0", config={"head": "tree"})
    assert tree.details["transfer"]["decisions"] == 2
    read = predict(tree, parts[2])
    assert read.correct.mean() > 0.8
    again = predict(load_checkpoint(tree.save(tmp_path / "checkpoint")), parts[2])
    assert np.array_equal(read.pred_probs, again.pred_probs)


def test_any_number_of_labels_is_learned_as_decisions_of_their_own(parts, tmp_path):
    def tagged(images: ImageSet) -> ImageSet:
        labels = images.require_labels()
        tags = np.stack([labels < 2, labels == 1, labels == 2], axis=1)
        return ImageSet(images.images, ("lines", "columns", "dots"), None, images.ids, tags=tags)

    train, val, test = map(tagged, parts)
    for model, config in (("lite0", {}), ("cnn", {})):
        checkpoint = calibrate(
            fit(train, val, model=model, config=config, recipe=Recipe.of(epochs=2, batch_size=16)), val
        )
        assert checkpoint.task == "multi-label"
        found = predict_tags(load_checkpoint(checkpoint.save(tmp_path / model)), test)
        assert found.pred_probs.sum(axis=1).max() > 1.05
        if model == "lite0":
            assert ((found.pred_probs > 0.5) == test.tags).mean() > 0.85


def test_a_label_that_no_training_picture_carries_is_named(parts):
    train = parts[0]
    tags = np.zeros((len(train), 2), dtype=bool)
    tags[:, 0] = True
    with pytest.raises(DataError, match="no training picture carries sunset"):
        fit(ImageSet(train.images, ("beach", "sunset"), tags=tags), parts[1], model="lite0")


def test_from_stage_behind_the_grid_would_learn_nothing(parts):
    with pytest.raises(SettingsError, match="nothing would learn"):
        fit(
            *parts[:2],
            model="lite0",
            config={"mode": "staged", "taps": "grid", "from_stage": "blocks.6"},
            recipe=Recipe.of(epochs=1),
        )


def test_auto_says_what_it_tried_and_why_and_keeps_to_the_budget(parts):
    chosen = choose_model(*parts[:2], 1.0, Training())
    facts = chosen.details["auto"]
    assert [row["name"] for row in facts["tried"]][:1] == ["linear head on pooled features"]
    assert facts["tried"][-1]["note"].startswith("left out")
    best = min(row["loss"] for row in facts["tried"] if row["loss"] is not None)
    assert f"{best:.3f}" in facts["why"]
    assert str(len(parts[1])) in facts["why"]
    assert predict(chosen, parts[2]).correct.mean() > 0.8


def test_auto_with_time_to_spare_fine_tunes_as_well(parts):
    facts = choose_model(*(part.take(range(24)) for part in parts[:2]), 600.0, Training()).details["auto"]
    assert facts["tried"][-1]["config"]["mode"] == "staged"
    assert facts["tried"][-1]["loss"] is not None


def test_a_robust_fit_does_not_judge_a_label_through_its_own_mirror_image():
    # More features than pictures: a head that has learned the mirror image knows the wrong label by heart.
    rng = np.random.default_rng(0)
    truth = np.arange(60) % 2
    plain = (rng.normal(size=(60, 200)) + 1.0 * (2 * truth[:, None] - 1) * (np.arange(200) < 12)).astype(
        np.float32
    )
    labels = truth.copy()
    wrong = rng.permutation(60)[:8]
    labels[wrong] = 1 - truth[wrong]
    mirrored = (plain + 0.05 * rng.normal(size=plain.shape)).astype(np.float32)
    rows = with_mirrored(LinearData(plain, labels), mirrored)
    settings = LinearSettings(robust=True, strengths=(0.1,))
    issues = fit_linear(rows, LinearData(plain, truth), 2, settings).label_issues
    blind = fit_linear(
        dataclasses.replace(rows, groups=None), LinearData(plain, truth), 2, settings
    ).label_issues
    assert len(set(issues % 60) & set(wrong)) > len(set(blind % 60) & set(wrong))
