"""The card of a library's model: figures, confusions with their pictures, what a precision costs."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from fixtures.databases import database, library, postgres_server
from library.brightness import add_greys, confirm, numbers_of, truth_of
from sqlalchemy import select

from lightfast.base.errors import DataError, NotFoundError
from lightfast.evaluate.predictions import Predictions
from lightfast.library.held_out import held_out_assets
from lightfast.library.label_list import add_label
from lightfast.library.label_numbers import label_numbers
from lightfast.library.library import Library, create_library
from lightfast.library.promote import LibraryModel, library_model
from lightfast.library.schema import predictions
from lightfast.library.tag import ModelFacts, register_model
from lightfast.runs.evaluate import evaluate_run
from lightfast.runs.folder import PREDICTIONS_FILE, VAL_PREDICTIONS_FILE
from lightfast.runs.library.confusion import ConfusionPictures, library_confusion
from lightfast.runs.library.model_card import library_model_card, require_repair_kit
from lightfast.runs.library.pile import RetrainOptions
from lightfast.runs.library.retrain import retrain_library
from lightfast.runs.library.review_cost import review_costs
from lightfast.runs.library.tag import tag_library
from lightfast.runs.options import RunOptions
from lightfast.train.recipe import Recipe

__all__ = ["database", "library", "postgres_server"]
pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def trained(library: Library, tmp_path: Path) -> tuple[Library, LibraryModel]:
    """60 pictures, of which a model learned from people's word on 30; people then decided 10 more."""
    add_greys(library, tmp_path / "greys", 60)
    confirm(library, numbers_of(library)[:30], truth_of(library))
    recipe = Recipe.of(epochs=3, batch_size=8, learning_rate=1e-2)
    made = retrain_library(library, RunOptions(), RetrainOptions("mlp", recipe))
    confirm(library, numbers_of(library)[30:40], truth_of(library))
    return library, library_model(library.store, made.model_id)


def test_confusions_on_the_test_part_open_the_pictures_that_were_held_out(
    trained: tuple[Library, LibraryModel],
):
    library, model = trained
    found = library_confusion(library, model, "test")
    with library.store.read() as connection:
        held = held_out_assets(connection)
    assert len(found) == found.reachable == found.counts.sum() == len(held) == 6
    truth, opened = truth_of(library), []
    for given in found.class_names:
        for predicted in found.class_names:
            ids, count = found.cell(given, predicted)
            assert {truth[one] for one in ids} <= {given}
            assert count == len(ids)
            opened += ids
    assert sorted(opened) == sorted(held)
    with pytest.raises(DataError, match="'grey' is no class"):
        found.cell("grey", "dark")


def test_confusions_in_the_library_leave_out_what_was_trained_on(trained: tuple[Library, LibraryModel]):
    library, model = trained
    assert len(library_confusion(library, model, "library")) == 0
    tag_library(library, str(library.folder / model.run), RunOptions())
    with library.store.write() as connection:
        grey = label_numbers(connection, ["grey"])["grey"]
        add_label(connection, "gris", "shop", None, grey)
    odd = numbers_of(library)[40]
    confirm(library, [odd], {odd: "grey"})
    found, truth = library_confusion(library, model, "library"), truth_of(library)
    with library.store.read() as connection:
        fair = held_out_assets(connection) | set(numbers_of(library)[30:40])
        rows = connection.execute(select(predictions).where(predictions.c.asset_id.in_(fair))).all()
        names = {number: name for name, number in label_numbers(connection, ["dark", "bright"]).items()}
    best = {
        one: max((row for row in rows if row.asset_id == one), key=lambda row: row.probability)
        for one in fair
    }
    expected = Counter((truth[one], names[row.label_id]) for one, row in best.items())
    got = {
        (given, predicted): len(found.cell(given, predicted)[0])
        for given in found.class_names
        for predicted in found.class_names
    }
    assert {cell: count for cell, count in got.items() if count} == dict(expected)
    assert "1 pictures have a label that the model does not know" in found.note


def test_without_what_was_tested_the_whole_pile_is_left_out(trained: tuple[Library, LibraryModel]):
    library, model = trained
    folder = library.folder / model.run
    tag_library(library, str(folder), RunOptions())
    fair = library_confusion(library, model, "library")
    (folder / PREDICTIONS_FILE).unlink()
    found = library_confusion(library, model, "library")
    assert set(found.asset_ids.tolist()) == set(numbers_of(library)[30:40])
    assert len(fair) == 16
    assert found.note.startswith("All pictures of its pile are left out")
    (folder / "pile.csv").unlink()
    found = library_confusion(library, model, "library")
    assert (len(found), "whether it knows some" in found.note) == (40, True)


@pytest.mark.parametrize("pictures", ["test", "library"])
def test_a_model_that_gives_several_labels_takes_none_for_another(
    tmp_path: Path, pictures: ConfusionPictures
):
    library = create_library(tmp_path / "library")
    run = tmp_path / "run"
    run.mkdir()
    (run / "metrics.json").write_text(json.dumps({"n": 3, "f1": 0.5}), encoding="utf-8")
    number = register_model(library.store, ModelFacts("several", str(run), "d", ("a", "b"), {}))
    with pytest.raises(DataError, match="several gives a picture any number of labels"):
        library_confusion(library, library_model(library.store, number), pictures)


def test_a_precision_costs_what_the_rule_of_tagging_lets_pass(trained: tuple[Library, LibraryModel]):
    library, model = trained
    folder = library.folder / model.run
    tag_library(library, str(folder), RunOptions())
    (low, high), most = review_costs(library, model, (0.3, 0.999))
    assert low.threshold is not None
    known = Predictions.load(folder / VAL_PREDICTIONS_FILE)
    assert low.threshold.passed == int((known.confidence >= low.threshold.threshold).sum())
    with library.store.read() as connection:
        undecided = numbers_of(library)[40:]
        rows = connection.execute(select(predictions).where(predictions.c.asset_id.in_(undecided))).all()
    sure = {row.asset_id for row in rows if row.probability >= low.threshold.threshold}
    assert (low.seen, low.accepted, low.queued) == (20, len(sure), 20 - len(sure))
    assert (high.threshold, high.accepted, high.seen) == (None, 0, 20)
    assert f"at most {most:g} can be" in high.unproven
    assert review_costs(library, model, (most,))[0][0].threshold is not None


def test_a_card_shows_what_was_measured_and_how_to_measure_the_rest(trained: tuple[Library, LibraryModel]):
    library, model = trained
    folder = library.folder / model.run
    bare = library_model_card(library, model)
    assert (bare.one_label, bare.test_predictions, bare.val_predictions) == (True, True, True)
    assert bare.figures["n"] == 6
    assert set(bare.ways) == {"robustness", "curve", "repair"}
    assert f"--out {folder / 'robustness'}" in bare.ways["robustness"]
    pile = str(folder / "pile.csv")
    evaluate_run(
        str(folder), pile, RunOptions(out=folder / "robustness"), suite="mnist-c", severities=(1,), limit=4
    )
    (folder / "curve").mkdir()
    said = {"over": "train_size", "sentences": ["From 5 points …", "95 % takes about 80 more pictures."]}
    (folder / "curve" / "metrics.json").write_text(json.dumps(said), encoding="utf-8")
    full = library_model_card(library, model)
    assert full.robustness is not None
    assert full.robustness["suite"] == "mnist-c"
    assert full.curve == tuple(said["sentences"])
    assert set(full.ways) == {"repair"}
    with pytest.raises(NotFoundError, match="no repair kit"):
        require_repair_kit(str(folder))


def test_a_model_whose_run_is_gone_shows_what_the_library_noted(tmp_path: Path):
    library = create_library(tmp_path / "library")
    number = register_model(
        library.store, ModelFacts("gone", "runs/gone", "gone", ("a", "b"), {"accuracy": 0.5})
    )
    model = library_model(library.store, number)
    card = library_model_card(library, model)
    assert (card.one_label, dict(card.figures), dict(card.ways)) == (None, {}, {})
    with pytest.raises(DataError, match="keeps no predictions of its test pictures"):
        library_confusion(library, model, "test")
    with pytest.raises(DataError, match="keeps no predictions of validation pictures"):
        review_costs(library, model, (0.9,))
    with pytest.raises(NotFoundError, match="model 7 is not in the library"):
        library_model(library.store, 7)
    library.close()
