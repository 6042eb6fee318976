"""What a library's model is measured by after its training stands on its card, and is made by the verbs."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from fixtures.runs import blob_file, run, trained_run
from library.brightness import add_greys, confirm, numbers_of, truth_of
from sqlalchemy import select

from lightfast.base.errors import ConflictError, NotFoundError
from lightfast.base.progress import silent
from lightfast.library.library import Library, create_library
from lightfast.library.promote import LibraryModel, library_model
from lightfast.library.schema import audit
from lightfast.library.tag import ModelFacts, register_model
from lightfast.runs.library.kinds import JOB_KINDS
from lightfast.runs.library.measure import measure_curve, measure_robustness
from lightfast.runs.library.model_card import library_model_card
from lightfast.runs.library.pile import RetrainOptions
from lightfast.runs.library.retrain import retrain_library
from lightfast.runs.options import RunOptions
from lightfast.train.recipe import Recipe

__all__ = ["blob_file", "run", "trained_run"]
pytestmark = pytest.mark.timeout(300)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> tuple[Library, LibraryModel]:
    """60 grey pictures, bright or dark; a model learned from 48 of them and 12 were held out."""
    folder = tmp_path_factory.mktemp("measured")
    library = create_library(folder / "library")
    add_greys(library, folder / "greys", 60)
    confirm(library, numbers_of(library), truth_of(library))
    recipe = Recipe.of(epochs=2, batch_size=8, learning_rate=1e-2)
    made = retrain_library(library, RunOptions(), RetrainOptions("mlp", recipe))
    return library, library_model(library.store, made.model_id)


def test_damage_is_measured_on_what_was_held_out_and_stands_on_the_card(
    trained: tuple[Library, LibraryModel],
):
    library, model = trained
    steps: list[int] = []

    def noted(label: str, done: int, total: int, detail: str = "") -> None:
        steps.append(done)

    kind = JOB_KINDS.get("robustness")
    given = kind.arguments.of(model_id=model.id, suite="camera", limit=8)
    found = kind.work(library, given, noted, None)
    card = library_model_card(library, model)
    assert card.robustness is not None
    assert (card.robustness["suite"], card.robustness["n"]) == ("camera", 8)
    assert f"{100 * card.robustness['robust_accuracy']:.1f} % on average" in found.sentences[0]
    assert "robustness" not in card.ways
    assert len(steps) > 1
    scorings = (library.folder / model.run / "evaluations.jsonl").read_text(encoding="utf-8").splitlines()
    assert "measure robustness" in json.loads(scorings[-1])["command"]


def test_each_measurement_counts_as_a_look_at_the_untouched_part(trained: tuple[Library, LibraryModel]):
    library, model = trained
    before = _uses(library)
    first = measure_robustness(library, model.id, RunOptions(), "camera", 4)
    second = measure_curve(library, model.id, RunOptions(), repeats=1)
    assert (first.held_out_uses, second.held_out_uses) == (len(before), len(before) + 1)
    robust, curve = _uses(library)[len(before) :]
    assert robust == {"run": model.name, "robustness": "camera", "n": 4}
    assert curve == {"run": model.name, "learning_curve": "mlp", "n": 12}


def _uses(library: Library) -> list[dict]:
    """What was noted of every look at the untouched part."""
    with library.store.read() as connection:
        wanted = select(audit.c.detail).where(audit.c.act == "held-out scored").order_by(audit.c.id)
        return list(connection.execute(wanted).scalars())


def test_pictures_that_are_not_the_librarys_own_do_not_count(
    trained: tuple[Library, LibraryModel], run: Path, tmp_path: Path
):
    library, _ = trained
    own = shutil.copytree(run, tmp_path / "blobs")
    facts = ModelFacts("blobs", str(own), "blobs", ("left", "middle", "right"), {})
    number, before = register_model(library.store, facts), len(_uses(library))
    assert measure_robustness(library, number, RunOptions(), "camera", 4).held_out_uses is None
    assert len(_uses(library)) == before


def test_a_learning_curve_is_trained_as_the_model_was_and_goes_on_after_a_kill(
    trained: tuple[Library, LibraryModel],
):
    library, model = trained
    kind = JOB_KINDS.get("learning_curve")
    found = kind.work(library, kind.arguments.of(model_id=model.id, repeats=1), silent, None)
    folder = Path(found.folder)
    kept = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert (kept["over"], kept["model"], kept["recipe"]["epochs"]) == ("train_size", "mlp", 2)
    assert sorted({one["n_train"] for one in kept["points"]}) == [11, 23, 34, 46]
    assert found.sentences
    assert set(found.sentences) <= {*kept["sentences"], *kept["notes"]}
    assert found.sentences == library_model_card(library, model).curve
    points = {path: path.stat().st_mtime_ns for path in (folder / "points").rglob("*") if path.is_file()}
    assert points
    (folder / "metrics.json").unlink()
    assert measure_curve(library, model.id, RunOptions(), repeats=1).sentences == found.sentences
    assert {path: path.stat().st_mtime_ns for path in points} == points


def test_a_model_without_a_run_folder_is_refused(tmp_path: Path):
    library = create_library(tmp_path / "library")
    number = register_model(library.store, ModelFacts("gone", "runs/gone", "gone", ("a", "b"), {}))
    for measure in (measure_robustness, measure_curve):
        with pytest.raises(ConflictError, match="does not say what it learned from"):
            measure(library, number, RunOptions())
        with pytest.raises(NotFoundError, match="model 7 is not in the library"):
            measure(library, 7, RunOptions())
    library.close()
