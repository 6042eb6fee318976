"""Taking a run elsewhere: what is checked, what is refused, what is written."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.base.errors import CheckpointError, DataError, LightfastError, SettingsError
from lightfast.base.plain import as_json
from lightfast.cli.text.export import export_lines
from lightfast.data.images import ImageSet
from lightfast.export.xmp import Refused, load_sidecar
from lightfast.models.load import load_checkpoint
from lightfast.runs.export import ExportOptions, XmpExport, export_run
from lightfast.runs.folder import TOUCH_FILE
from lightfast.runs.options import RunOptions
from lightfast.tagging.runtime import load_tagger


@pytest.fixture
def own_run(run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(run, tmp_path / "run"))


@pytest.fixture
def pictures(blobs: ImageSet, tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(6):
        Image.fromarray(blobs.images[index, :, :, 0]).save(folder / f"{index}.png")
    return folder


def test_onnx_is_checked_on_the_test_pictures_of_the_run(own_run: Path, tmp_path: Path):
    made = export_run(str(own_run), ExportOptions(), RunOptions(out=tmp_path / "blobs.onnx"))
    result = as_json(made)
    check = result["check"]
    assert check["n"] == check["same"] > 10
    assert check["max_difference"] < 1e-5
    assert "blobs/test" in check["pictures"]
    assert load_tagger(tmp_path / "blobs.onnx", 1).card.class_names == ("left", "middle", "right")
    assert any("all decisions the same" in line for line in export_lines(made))


def test_onnx_is_checked_on_given_pictures(own_run: Path, pictures: Path, tmp_path: Path):
    made = export_run(
        str(own_run), ExportOptions(check=str(pictures)), RunOptions(out=tmp_path / "blobs.onnx")
    )
    result = as_json(made)
    assert result["check"]["n"] == 6


def test_without_the_run_s_data_noise_is_read_and_that_is_said(own_run: Path, tmp_path: Path):
    record = own_run / "run.json"
    record.write_text(record.read_text(encoding="utf-8").replace("blobs.npz", "gone.npz"), encoding="utf-8")
    made = export_run(str(own_run), ExportOptions(), RunOptions(out=tmp_path / "blobs.onnx"))
    result = as_json(made)
    assert result["check"]["pictures"] == "pictures of noise"
    assert "give real ones as `check`" in result["notes"][0]
    with pytest.raises(LightfastError, match="`int8` needs real pictures"):
        export_run(str(own_run), ExportOptions(int8=True), RunOptions(out=tmp_path / "other.onnx"))
    assert not (tmp_path / "other.onnx").exists()


def test_a_file_that_decides_otherwise_is_not_written(
    own_run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    import lightfast.runs.export as module

    monkeypatch.setattr(
        module, "pred_probs", lambda _, images: np.roll(np.eye(3, dtype=np.float32)[[0] * len(images)], 0)
    )
    with pytest.raises(LightfastError, match="decides otherwise"):
        export_run(str(own_run), ExportOptions(), RunOptions(out=tmp_path / "blobs.onnx"))
    assert not list(tmp_path.glob("*.onnx"))


def test_int8_tells_its_cost_and_that_the_test_labels_were_used(own_run: Path, tmp_path: Path):
    before = len((own_run / TOUCH_FILE).read_text(encoding="utf-8").splitlines())
    made = export_run(str(own_run), ExportOptions(int8=True), RunOptions(out=tmp_path / "blobs.onnx"))
    result = as_json(made)
    cost = result["int8"]
    assert cost["n"] == result["check"]["n"] == cost["paired"]["n"]
    assert cost["calibrated_on"] > 0
    assert "int8" in (load_tagger(tmp_path / "blobs.onnx", 1).card.quantized or "")
    assert len((own_run / TOUCH_FILE).read_text(encoding="utf-8").splitlines()) == before + 1
    assert any(line.startswith("int8 cost") for line in export_lines(made))


def test_int8_on_given_pictures_sets_some_aside_for_calibration(
    own_run: Path, pictures: Path, tmp_path: Path
):
    made = export_run(
        str(own_run), ExportOptions(check=str(pictures), int8=True), RunOptions(out=tmp_path / "blobs.onnx")
    )
    result = as_json(made)
    assert (result["int8"]["calibrated_on"], result["int8"]["n"], result["int8"]["paired"]) == (3, 3, None)


def test_sidecars_hold_the_suggestions_that_are_sure_enough(own_run: Path, pictures: Path):
    (pictures / "broken.png").write_bytes(b"nothing")
    made = export_run(str(own_run), ExportOptions("xmp", at_least=0.0), RunOptions(), [str(pictures)])
    result = as_json(made)
    assert (result["n"], result["suggested"], result["sidecars"]) == (6, 6, 6)
    assert [Path(one["path"]).name for one in result["unreadable"]] == ["broken.png"]
    keyword = load_sidecar(pictures / "0.png.xmp")[0]
    assert keyword.state == "suggested"
    assert keyword.path[0] in ("left", "middle", "right")
    checkpoint = load_checkpoint(own_run)
    checkpoint.replace(temperature=checkpoint.temperature * 50).save(own_run / "checkpoint")
    made = export_run(str(own_run), ExportOptions("xmp", at_least=0.99), RunOptions(), [str(pictures)])
    again = as_json(made)
    assert again["suggested"] == 0
    assert load_sidecar(pictures / "0.png.xmp") == ()


@pytest.mark.parametrize(
    "export_options, out, given, said",
    [
        (ExportOptions("onnx"), None, (), "needs a place to write"),
        (ExportOptions("onnx"), "x.onnx", ("pictures",), "takes no pictures"),
        (ExportOptions("xmp"), None, (), "needs pictures"),
        (ExportOptions("xmp"), "x", ("pictures",), "writes beside the pictures"),
        (ExportOptions("photoprism", int8=True), "x", (), "neither `int8` nor `check`"),
        (ExportOptions("xmp", at_least=2.0), None, ("pictures",), "`at_least`"),
        (ExportOptions("photoprism", name="My"), "x", (), "expected small letters.*`name=lightfast`"),
        (ExportOptions("photoprism", name="repvit_m1_0"), "x", (), "a name of its own.*`name=lightfast`"),
        (ExportOptions("xmp", confirm_above=0.0), None, ("pictures",), "`confirm_above`: expected"),
        (ExportOptions("xmp", confirm_above=1.1), None, ("pictures",), "`confirm_above`: expected"),
        (ExportOptions("onnx", confirm_above=0.9), "x.onnx", (), "`confirm_above` is for `to` xmp"),
    ],
)
def test_options_that_do_not_fit_are_refused(
    export_options: ExportOptions, out: str | None, given: tuple[str, ...], said: str
):
    with pytest.raises(SettingsError, match=said):
        export_run("run", export_options, RunOptions(out=None if out is None else Path(out)), given)


def test_a_forest_is_refused(blob_file: str, tmp_path: Path):
    from lightfast.runs.train import train_run
    from lightfast.train.recipe import Recipe

    train_run(
        blob_file,
        RunOptions(out=tmp_path / "forest"),
        model="random-forest",
        recipe=Recipe.of(),
        config={"trees": 5},
    )
    with pytest.raises(CheckpointError, match="is a forest"):
        export_run(str(tmp_path / "forest"), ExportOptions(), RunOptions(out=tmp_path / "x.onnx"))
    assert not (tmp_path / "x.onnx").exists()


def test_a_colour_run_becomes_a_model_for_photoprism(tmp_path: Path):
    from lightfast.data.preprocess import Preprocess
    from lightfast.models.build import fresh_network
    from lightfast.models.checkpoint import Checkpoint

    network = fresh_network("cnn", "classifier", (16, 16, 3), 3, {}, 0).eval()
    made = Checkpoint(
        "classifier", "cnn", (16, 16, 3), 3, ("cat", "dog", "bird"), Preprocess.identity((16, 16, 3)), network
    )
    made.save(tmp_path / "run" / "checkpoint")
    made = export_run(
        str(tmp_path / "run"), ExportOptions("photoprism", name="pets"), RunOptions(out=tmp_path / "storage")
    )
    result = as_json(made)
    assert Path(result["vision"]).is_file()
    assert (tmp_path / "storage" / "models" / "pets" / "pets.onnx").is_file()


def test_a_run_that_photoprism_cannot_use_is_called_by_its_name(own_run: Path, tmp_path: Path):
    with pytest.raises(DataError, match=rf"^{re.escape(str(own_run))} for PhotoPrism: input"):
        export_run(str(own_run), ExportOptions("photoprism"), RunOptions(out=tmp_path / "out"))


def test_sidecars_that_were_refused_are_not_counted_as_done(own_run: Path, pictures: Path):
    (pictures / "1.png.xmp").write_text("broken", encoding="utf-8")
    (pictures / "2.png.xmp").write_bytes(b"")
    made = export_run(str(own_run), ExportOptions("xmp", at_least=0.0), RunOptions(), [str(pictures)])
    assert isinstance(made, XmpExport)
    assert (made.n, made.sidecars, made.suggested, len(made.refused)) == (6, 4, 4, 2)
    lines = export_lines(made)
    assert lines[0].startswith("6 pictures read; 4 sidecar(s) beside them: 4 with a suggestion")
    assert lines[1] == "2 picture(s) got no sidecar:"
    assert lines[-1] == "for 1 of them: Move the empty sidecar away, then write again."


def test_many_refused_sidecars_are_named_up_to_twenty_and_counted():
    refused = [Refused(f"{row}.png", "empty file", "Move it.") for row in range(25)]
    lines = export_lines(XmpExport(n=25, refused=refused))
    assert sum(line.endswith("empty file") for line in lines) == 20
    assert lines[-2:] == ["  … and 5 more (--json names all)", "for 25 of them: Move it."]


def test_sure_suggestions_are_confirmed_and_taken_back(own_run: Path, pictures: Path):
    sure, all_of_them = ExportOptions("xmp", at_least=0.0, confirm_above=1e-6), [str(pictures)]
    made = export_run(str(own_run), sure, RunOptions(), all_of_them)
    assert isinstance(made, XmpExport)
    assert (made.suggested, made.confirmed) == (0, 6)
    assert "6 sidecar(s) hold keywords that no person has confirmed" in made.notes[-1]
    [first] = load_sidecar(pictures / "0.png.xmp")
    assert first.state == "confirmed"
    assert first.path[0] in (pictures / "0.png.xmp").read_text(encoding="utf-8").split("dc:subject")[1]
    made = export_run(str(own_run), ExportOptions("xmp", at_least=0.0), RunOptions(), all_of_them)
    assert isinstance(made, XmpExport)
    assert (made.suggested, made.confirmed) == (6, 0)
    assert load_sidecar(pictures / "0.png.xmp")[0].state == "suggested"


def test_what_is_below_its_threshold_is_not_confirmed_either(own_run: Path, pictures: Path):
    checkpoint = load_checkpoint(own_run)
    checkpoint.replace(temperature=checkpoint.temperature * 50).save(own_run / "checkpoint")
    wanted = ExportOptions("xmp", at_least=0.99, confirm_above=0.01)
    made = export_run(str(own_run), wanted, RunOptions(), [str(pictures)])
    assert isinstance(made, XmpExport)
    assert (made.suggested, made.confirmed) == (0, 0)
