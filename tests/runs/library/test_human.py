"""Blinded tests of a library's own pictures: which are asked about, and what follows for later trainings."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from fixtures.databases import database, library, postgres_server
from library.brightness import add_greys, confirm, numbers_of, truth_of
from sqlalchemy import select

from lightfast.base.errors import DataError
from lightfast.baselines.kept_test import load_test
from lightfast.library.backup import backup_library
from lightfast.library.held_out import held_out_assets
from lightfast.library.library import Library
from lightfast.library.restore import restore_library
from lightfast.library.schema import audit
from lightfast.runs.folder import TOUCH_FILE
from lightfast.runs.library.human import HumanTestPlan, kept_tests, make_human_test
from lightfast.runs.library.pile import PILE_FILE, RetrainOptions
from lightfast.runs.library.retrain import retrain_library
from lightfast.runs.options import RunOptions
from lightfast.train.recipe import Recipe

__all__ = ["database", "library", "postgres_server"]
pytestmark = [pytest.mark.timeout(120), pytest.mark.parametrize("database", ["sqlite"], indirect=True)]
_QUICK = Recipe.of(epochs=3, batch_size=8, learning_rate=1e-2)


@pytest.fixture
def filled(library: Library, tmp_path: Path) -> Library:
    """40 pictures, of which people decided 30."""
    add_greys(library, tmp_path / "greys", 40)
    confirm(library, numbers_of(library)[:30], truth_of(library))
    return library


def held_out_of(library: Library) -> set[int]:
    with library.store.read() as connection:
        return held_out_assets(connection)


def asked_of(library: Library, number: str) -> set[int]:
    images = load_test(library.human_tests / number).images
    return {int(name.removeprefix("picture ")) for name in images.ids}


def test_the_untouched_part_is_asked_about_beside_the_model_in_use(filled: Library):
    retrain_library(filled, RunOptions(), RetrainOptions("mlp", _QUICK))
    before = held_out_of(filled)
    facts = make_human_test(filled, RunOptions(), HumanTestPlan(n=100))
    assert asked_of(filled, facts.id) == before == held_out_of(filled)
    assert facts.model is not None
    assert facts.n == 6
    assert any("fewer than 100" in note for note in facts.notes)
    # Whoever labelled the pictures is no blind reader of them.
    assert sum(facts.labelled_by.values()) == 6
    assert [one.id for one in kept_tests(filled)] == [facts.id]


def test_what_is_drawn_before_the_first_training_is_held_out_from_then_on(filled: Library):
    facts = make_human_test(filled, RunOptions(), HumanTestPlan(n=8))
    drawn = asked_of(filled, facts.id)
    assert facts.model is None
    assert len(drawn) == 8
    assert held_out_of(filled) == drawn
    result = retrain_library(filled, RunOptions(), RetrainOptions("mlp", _QUICK))
    with (filled.folder / result.run / PILE_FILE).open(encoding="utf-8") as stream:
        parts = {Path(row["path"]).stem: row["split"] for row in csv.DictReader(stream)}
    names = {Path(one).stem for one in places_of(filled, drawn)}
    assert {parts[name] for name in names} == {"test"}


def places_of(library: Library, numbers: set[int]) -> list[str]:
    from sqlalchemy import select

    from lightfast.library.schema import places

    with library.store.read() as connection:
        return list(connection.execute(select(places.c.uri).where(places.c.asset_id.in_(numbers))).scalars())


def test_answers_are_in_the_backup(filled: Library, tmp_path: Path):
    facts = make_human_test(filled, RunOptions(), HumanTestPlan(n=8))
    load_test(filled.human_tests / facts.id).answer("bea", 1, None, 1.0)
    backup_library(filled, tmp_path / "backup.zip", runs=False)
    restored = restore_library(tmp_path / "backup.zip", tmp_path / "restored")
    assert load_test(restored.folder / "human" / facts.id).place("bea").answered == 1


def test_a_library_with_too_few_decisions_says_so(library: Library, tmp_path: Path):
    add_greys(library, tmp_path / "greys", 4)
    with pytest.raises(DataError, match="too few pictures to ask about"):
        make_human_test(library, RunOptions(), HumanTestPlan())


def uses_of(library: Library) -> list[int]:
    """How many pictures each look at the untouched part by a test of people was about."""
    with library.store.read() as connection:
        details = connection.execute(select(audit.c.detail).where(audit.c.act == "held-out scored")).scalars()
        return [one["human_test"] for one in details if "human_test" in one]


def test_a_test_counts_as_one_use_however_often_it_is_ordered_or_begun(
    filled: Library, monkeypatch: pytest.MonkeyPatch
):
    run = filled.folder / retrain_library(filled, RunOptions(), RetrainOptions("mlp", _QUICK)).run
    before = (run / TOUCH_FILE).read_text(encoding="utf-8") if (run / TOUCH_FILE).is_file() else ""

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as broken:
        broken.setattr("lightfast.runs.library.human.save_test", killed)
        with pytest.raises(KeyboardInterrupt):
            make_human_test(filled, RunOptions(), HumanTestPlan(n=100))
    assert uses_of(filled) == []
    facts = [make_human_test(filled, RunOptions(), HumanTestPlan(n=100)) for _ in range(2)]
    assert facts[0] == facts[1]
    assert uses_of(filled) == [6]
    after = (run / TOUCH_FILE).read_text(encoding="utf-8")
    assert len(after.splitlines()) == len(before.splitlines()) + 1
