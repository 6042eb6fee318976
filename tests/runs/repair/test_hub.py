"""`repair` with a published classifier: a tiny ViT of the paper's layout that reads larger RGB pictures."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from lightfast.base.errors import CheckpointError, DataError, SettingsError
from lightfast.base.plain import as_json
from lightfast.data.export import save_npz
from lightfast.data.images import ImageSet
from lightfast.data.splits import split
from lightfast.models.load import load_checkpoint
from lightfast.restore.denoise import RestorerPlan
from lightfast.restore.detector import DetectorPlan
from lightfast.runs.options import RunOptions
from lightfast.runs.repair.kit import fit_pipeline
from lightfast.runs.repair.options import RepairOptions
from lightfast.runs.repair.plan import RepairPlan
from lightfast.runs.repair.repair import repair_run
from lightfast.train.recipe import Recipe

SMALL = RepairPlan(
    severities=(3,),
    detector=DetectorPlan(model="mlp", config={"hidden": [32]}, recipe=Recipe.of(epochs=2)),
    restorer=RestorerPlan(config={"width": 8}, recipe=Recipe.of(epochs=2)),
)


@pytest.fixture(scope="module")
def vit(blobs: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> str:
    """`hf-hub:FOLDER` of a one-layer ViT for 24 × 24 RGB that has learned the blobs."""
    transformers = pytest.importorskip("transformers", reason="the extra 'hub' is not installed")
    folder = tmp_path_factory.mktemp("hub") / "vit"
    names = dict(enumerate(blobs.class_names))
    sizes = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
    labels = {"id2label": names, "label2id": {name: number for number, name in names.items()}}
    torch.manual_seed(0)
    config = transformers.ViTConfig(**sizes, **labels, image_size=24, patch_size=6)
    network = transformers.ViTForImageClassification(config)
    pixels = torch.from_numpy(blobs.images).permute(0, 3, 1, 2).float() / 255
    large = torch.nn.functional.interpolate(pixels, size=(24, 24)).expand(-1, 3, -1, -1) * 2 - 1
    optimizer = torch.optim.Adam(network.parameters(), 1e-2)
    for _ in range(40):
        optimizer.zero_grad()
        logits = network(pixel_values=large).logits
        torch.nn.functional.cross_entropy(logits, torch.from_numpy(blobs.require_labels())).backward()
        optimizer.step()
    network.save_pretrained(folder)
    processing = {"size": {"height": 24, "width": 24}, "image_mean": [0.5] * 3, "image_std": [0.5] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(processing))
    return f"hf-hub:{folder}"


@pytest.fixture(autouse=True)
def no_page(monkeypatch: pytest.MonkeyPatch) -> None:
    """The page has tests of its own, and takes longer than all else here."""
    monkeypatch.setattr("lightfast.runs.repair.repair.write_repair_page", lambda path, result: path)


@pytest.fixture
def fitted(monkeypatch: pytest.MonkeyPatch) -> list[tuple]:
    """Kits are small; what each was fitted with is returned."""
    given: list[tuple] = []

    def small_kit(classifier, parts, plan, training):
        given.append((classifier, parts, plan))
        return fit_pipeline(classifier, parts, SMALL, training)

    monkeypatch.setattr("lightfast.runs.repair.hub.fit_pipeline", small_kit)
    return given


def test_the_kit_learns_on_the_training_part_and_the_test_part_is_repaired(
    vit, blob_file, blobs, fitted, tmp_path
):
    options = RunOptions(out=tmp_path / "out")
    found = repair_run(vit, blob_file, options, repair_options=RepairOptions(damage="mnist-c"))
    parts = split(blobs)
    (classifier, given, plan), told = fitted[0], as_json(found)
    assert [one.version for one in given] == [parts.train.version, parts.val.version]
    assert (classifier.image_shape, classifier.preprocess.size) == ((12, 12, 1), (24, 24))
    assert plan.restorer.recognition == 0
    assert set(found.report.repair.after.ids) == set(parts.test.ids)
    assert told["n"] == told["before"]["n"] == len(parts.test)
    assert told["before"]["accuracy"] > 0.5
    assert (tmp_path / "out" / "repair" / "rules.json").is_file()
    # Found again, and read alike.
    again = repair_run(vit, blob_file, options, repair_options=RepairOptions(damage="mnist-c"))
    assert len(fitted) == 1
    assert np.array_equal(again.report.repair.after.pred_probs, found.report.repair.after.pred_probs)


def test_a_kit_elsewhere_serves_pictures_without_labels_and_no_other_classifier(
    vit, blob_file, blobs, fitted, tmp_path
):
    scans = str(save_npz(tmp_path / "scans.npz", ImageSet(blobs.images[:6], name="scans")))
    with pytest.raises(DataError, match="`learn_on`"):
        repair_run(vit, scans, RunOptions(out=tmp_path / "out"))
    wanted = RepairOptions(kit_folder=tmp_path / "kit", learn_on=blob_file)
    assert repair_run(vit, scans, RunOptions(out=tmp_path / "out"), repair_options=wanted).report.n == 6
    assert (tmp_path / "kit" / "repair" / "rules.json").is_file()
    assert not (tmp_path / "out" / "repair").exists()
    other = load_checkpoint(vit)
    with torch.no_grad():
        next(other.torch_network.parameters()).add_(1)
    changed = Path(tmp_path / "other")
    other.torch_network.model.save_pretrained(changed)
    with pytest.raises(CheckpointError, match="kit of another classifier"):
        repair_run(f"hf-hub:{changed}", scans, RunOptions(out=tmp_path / "out"), repair_options=wanted)


def test_what_only_one_of_the_two_needs_is_refused_for_the_other(vit, run, blob_file, tmp_path):
    with pytest.raises(SettingsError, match=r"has no folder to write into.*`out`"):
        repair_run(vit, blob_file, RunOptions())
    for wanted in ({"learn_on": blob_file}, {"kit_folder": tmp_path / "kit"}):
        with pytest.raises(SettingsError, match="is for hf-hub:ID"):
            repair_run(str(run), blob_file, RunOptions(), repair_options=RepairOptions(**wanted))


def test_pictures_that_the_kit_has_learned_on_are_not_counted(vit, blobs, blob_file, fitted, tmp_path):
    parts, wanted = split(blobs), RepairOptions(learn_on=blob_file)
    learned = str(save_npz(tmp_path / "learned.npz", parts.train.take(range(20))))
    with pytest.raises(DataError, match="have learned on every one of the 20 pictures"):
        repair_run(vit, learned, RunOptions(out=tmp_path / "out"), repair_options=wanted)
