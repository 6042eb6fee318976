"""What `enhance` refuses before anything is written."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path

import numpy as np
import pytest

from lightfast.base.errors import CheckpointError, DataError, InputError, SettingsError
from lightfast.data.dataset import LoadedData
from lightfast.data.export import save_npz
from lightfast.models.load import load_checkpoint
from lightfast.runs.enhance.enhance import enhance_run
from lightfast.runs.enhance.options import EnhanceOptions
from lightfast.runs.options import RunOptions
from lightfast.train.fit import fit

BRIEF = ("epochs=1", "enhancer.width=2", "enhancer.depth=1")
ONE = (0.1,)


@pytest.mark.parametrize(
    "enhance_options, part",
    [
        ({"enhancer": "unett"}, "Did you mean unet"),
        ({"enhancer": "magic"}, "own:A-B"),
        ({"enhancer": "own:9-1"}, "1 to 8 each"),
        ({"degrade": "kamera"}, "camera"),
        ({"settings": ("epoch=3",)}, "epochs"),
        ({"settings": ("enhancer.widths=3",)}, "width"),
        ({"settings": ("plan.fidelity=l2",)}, "fidelity"),
        ({"settings": ("enhancer.depth=0",)}, "depth"),
        ({"settings": ("enhancer.width=foo",)}, "enhancer.width=foo: expected a whole number"),
        ({"strengths": (-1.0,)}, "numbers from 0 on"),
        ({"use": "x", "settings": ("epochs=3",)}, "`settings` has no effect"),
        ({"use": "x", "protocol": "full"}, "`protocol` has no effect"),
        ({"use": "nowhere"}, "no checkpoint in nowhere"),
        ({"transfer": ("nowhere",)}, "no checkpoint in nowhere"),
    ],
)
def test_wishes_that_cannot_be_met_are_refused_before_anything_is_written(
    enhance_options, part, run, blob_file, tmp_path
):
    with pytest.raises(InputError) as refusal:
        enhance_run(
            str(run),
            blob_file,
            RunOptions(out=tmp_path / "out"),
            enhance_options=EnhanceOptions(**enhance_options),
        )
    assert part in str(refusal.value)
    assert not (tmp_path / "out").exists()


def test_other_classes_and_pictures_without_labels_are_refused(run, blobs, tmp_path, monkeypatch):
    strange = save_npz(
        tmp_path / "strange.npz", dataclasses.replace(blobs, class_names=("left", "middle", "up"))
    )
    with pytest.raises(CheckpointError, match="unknown to the checkpoint: up"):
        enhance_run(str(run), str(strange), RunOptions(out=tmp_path / "out"))
    np.savez(tmp_path / "bare.npz", images=blobs.images)
    with pytest.raises(DataError):
        enhance_run(str(run), str(tmp_path / "bare.npz"), RunOptions(out=tmp_path / "out"))
    tagged = dataclasses.replace(blobs, labels=None, tags=np.eye(3, dtype=bool)[np.arange(120) % 3])
    monkeypatch.setattr("lightfast.runs.pictures.load_splits", lambda *_, **__: LoadedData(tagged))
    with pytest.raises(DataError, match="any number of labels a picture"):
        enhance_run(str(run), "tagged", RunOptions(out=tmp_path / "out"))


def test_a_forest_a_run_of_many_labels_and_the_run_itself_are_refused(run, blobs, blob_file, tmp_path):
    fit(blobs, blobs, model="random-forest", config={"trees": 2}).save(tmp_path / "forest" / "checkpoint")
    with pytest.raises(CheckpointError, match="forest is a random-forest: it has no gradients"):
        enhance_run(str(tmp_path / "forest"), blob_file, RunOptions(out=tmp_path / "out"))
    many = Path(shutil.copytree(run, tmp_path / "many"))
    load_checkpoint(run).replace(task="multi-label").save(many / "checkpoint")
    with pytest.raises(CheckpointError, match="any number of labels a picture"):
        enhance_run(str(many), blob_file, RunOptions(out=tmp_path / "out"))
    with pytest.raises(CheckpointError, match="itself"):
        enhance_run(str(run), blob_file, RunOptions(out=run))


def test_the_classifier_that_teaches_is_no_stranger(run, refused, blob_file, tmp_path):
    for enhance_options in (
        EnhanceOptions(strengths=ONE, settings=BRIEF, transfer=(str(run),)),
        EnhanceOptions(use=str(refused), transfer=(str(run),)),
    ):
        with pytest.raises(CheckpointError, match="is the classifier that the enhancer learns through"):
            enhance_run(
                str(run), blob_file, RunOptions(out=tmp_path / "out"), enhance_options=enhance_options
            )


def test_a_gate_for_degraded_pictures_without_any_is_refused_at_once(run, refused, blob_file, tmp_path):
    with pytest.raises(SettingsError, match="was measured under none"):
        enhance_run(
            str(run),
            blob_file,
            RunOptions(out=tmp_path / "out"),
            enhance_options=EnhanceOptions(gate="degraded", use=str(refused)),
        )


def test_an_enhancer_of_other_classes_or_of_none_is_refused(run, refused, blobs, tmp_path):
    names = ("a", "b", "c")
    other = str(save_npz(tmp_path / "other.npz", dataclasses.replace(blobs, class_names=names)))
    load_checkpoint(run).replace(class_names=names).save(tmp_path / "other" / "checkpoint")
    with pytest.raises(CheckpointError, match="learnt for another class list"):
        enhance_run(
            str(tmp_path / "other"),
            other,
            RunOptions(out=tmp_path / "out"),
            enhance_options=EnhanceOptions(use=str(refused)),
        )
    with pytest.raises(CheckpointError, match=r"another class list"):
        enhance_run(
            str(tmp_path / "other"),
            other,
            RunOptions(out=tmp_path / "out"),
            enhance_options=EnhanceOptions(transfer=(str(run),)),
        )
    with pytest.raises(CheckpointError, match="holds no enhancer"):
        enhance_run(
            str(tmp_path / "other"),
            other,
            RunOptions(out=tmp_path / "out"),
            enhance_options=EnhanceOptions(use=str(run)),
        )
