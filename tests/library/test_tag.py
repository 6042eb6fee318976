"""A model sees each picture once; rules accept, people decide, and what they decided stays."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from library.pictures import states
from PIL import Image
from sqlalchemy import select

from lightfast.evaluate.review import ReviewRule, ReviewThreshold, review_threshold
from lightfast.library.add import add_pictures
from lightfast.library.library import Library
from lightfast.library.people.users import user_number
from lightfast.library.review.decide import ReviewAct, decide
from lightfast.library.review.lease import lease_next
from lightfast.library.schema import models, predictions, queue_table, tagged, tags
from lightfast.library.tag import ModelFacts, TagResult, register_model, tag_assets
from lightfast.tagging.card import ModelCard
from lightfast.tagging.runtime import Tagger

_GAP = review_threshold(ReviewRule("gap", 0.5), None)


def _brightness(images: np.ndarray) -> np.ndarray:
    """The probability of "bright" is the mean of the pixels."""
    bright = images.reshape(len(images), -1).mean(axis=1) / 255
    return np.stack([bright, 1 - bright], axis=1).astype(np.float32)


@pytest.fixture
def tagger() -> Tagger:
    return Tagger(ModelCard("bars", (8, 8, 1), ("bright", "dark")), _brightness)


@pytest.fixture
def filled(library: Library, tmp_path: Path) -> Library:
    """Pictures 1–4 with brightness 0, 0.2, 0.6, 1."""
    (tmp_path / "pictures").mkdir()
    for number, value in enumerate((0, 51, 153, 255)):
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(tmp_path / "pictures" / f"{number}.png")
    add_pictures(library, [str(tmp_path / "pictures")])
    with library.store.write() as connection:
        user_number(connection, "ada")
    return library


def _tag(
    library: Library, tagger: Tagger, name: str = "first", rule: ReviewThreshold | None = _GAP
) -> TagResult:
    facts = ModelFacts(name, f"runs/{name}", name, tagger.card.class_names, {})
    return tag_assets(library, tagger, register_model(library.store, facts), rule)


def test_what_the_rule_lets_pass_is_accepted_and_the_rest_is_queued(filled: Library, tagger: Tagger):
    assert _tag(filled, tagger) == TagResult(seen=4, accepted=3, queued=1)
    confirmed, suggested = "confirmed", "suggested"
    assert states(filled) == {(1, 2): confirmed, (2, 2): confirmed, (3, 1): suggested, (4, 1): confirmed}
    (entry,) = lease_next(filled.store, 1, 5)
    assert (entry.asset_id, entry.label_id) == (3, 1)
    assert "differ by 0.200, less than 0.5" in entry.reason


def test_a_picture_is_seen_once_by_a_model_and_new_ones_follow(
    filled: Library, tagger: Tagger, tmp_path: Path
):
    _tag(filled, tagger)
    Image.fromarray(np.full((8, 8), 254, np.uint8)).save(tmp_path / "pictures" / "new.png")
    add_pictures(filled, [str(tmp_path / "pictures")])
    assert _tag(filled, tagger) == TagResult(seen=1, accepted=1)


def test_what_a_server_cannot_give_now_is_seen_the_next_time(
    filled: Library, tagger: Tagger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from fsspec.implementations.memory import MemoryFileSystem

    from lightfast.data.sources import later

    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(later, "_WAITS", (0.0,))
    there, given, away = MemoryFileSystem(), MemoryFileSystem.get_file, True
    for number, value in enumerate((10, 240)):
        pixels = BytesIO()
        Image.fromarray(np.full((8, 8), value, np.uint8)).save(pixels, "png")
        there.pipe(f"/elsewhere/{number}.png", pixels.getvalue())
    assert add_pictures(filled, ["memory://elsewhere"]).added == 2

    def get_file(system: MemoryFileSystem, path: str, *others: object, **more: object) -> None:
        if away and path.endswith("1.png"):
            raise OSError("503 Service Unavailable")
        given(system, path, *others, **more)

    monkeypatch.setattr(MemoryFileSystem, "get_file", get_file)
    assert _tag(filled, tagger) == TagResult(seen=5, accepted=4, queued=1, unreached=1)
    away = False
    assert _tag(filled, tagger) == TagResult(seen=1, accepted=1)
    assert _tag(filled, tagger) == TagResult()


def test_two_that_tag_by_one_model_at_once_share_the_pictures(filled: Library, tagger: Tagger):
    others: list[TagResult] = []

    def overtaken(images: np.ndarray) -> np.ndarray:
        if not others:
            others.append(TagResult())
            others[0] = _tag(filled, tagger)
        return _brightness(images)

    assert _tag(filled, Tagger(tagger.card, overtaken)) == TagResult()
    assert others == [TagResult(seen=4, accepted=3, queued=1)]
    with filled.store.read() as connection:
        assert len(connection.execute(select(queue_table)).all()) == 1


def test_without_a_rule_everything_goes_to_a_person(filled: Library, tagger: Tagger):
    assert _tag(filled, tagger, rule=None).queued == 4


def test_a_rejected_suggestion_does_not_come_back_with_the_next_model(filled: Library, tagger: Tagger):
    _tag(filled, tagger)
    decide(filled.store, 1, [ReviewAct(3, "reject", 1)])
    said = _tag(filled, tagger, "second")
    assert (said.decided, said.queued) == (1, 0)
    assert states(filled)[3, 1] == "rejected"
    assert lease_next(filled.store, 1) == ()


def test_what_a_person_confirmed_stays_beside_what_the_next_model_says(filled: Library, tagger: Tagger):
    _tag(filled, tagger)
    decide(filled.store, 1, [ReviewAct(4, "confirm", 2, from_label_id=1)])
    _tag(filled, tagger, "second")
    assert (states(filled)[4, 1], states(filled)[4, 2]) == ("rejected", "confirmed")


def test_the_next_model_takes_back_only_what_machines_said(filled: Library, tagger: Tagger):
    _tag(filled, tagger)
    inverse = Tagger(tagger.card, lambda images: _brightness(images)[:, ::-1])
    _tag(filled, inverse, "second")
    assert set(states(filled)) == {(1, 1), (2, 1), (3, 2), (4, 2)}


def test_a_picture_waits_for_the_questions_of_the_model_that_saw_it_last(filled: Library, tagger: Tagger):
    _tag(filled, tagger, rule=None)
    inverse = Tagger(tagger.card, lambda images: _brightness(images)[:, ::-1])
    _tag(filled, inverse, rule=None, name="second")
    with filled.store.read() as connection:
        rows = connection.execute(select(queue_table.c.asset_id).where(queue_table.c.state == "open")).all()
        pictures = connection.execute(select(tagged.c.asset_id).distinct()).all()
    assert sorted(rows) == sorted(pictures)


def test_probabilities_of_every_model_are_kept(filled: Library, tagger: Tagger):
    _tag(filled, tagger)
    with filled.store.read() as connection:
        rows = connection.execute(select(predictions).where(predictions.c.asset_id == 3)).all()
        kept = {(row.label_id, round(row.probability, 3)) for row in rows}
        rule = connection.execute(select(tags.c.rule).where(tags.c.asset_id == 3)).scalar_one()
    assert kept == {(1, 0.6), (2, 0.4)}
    assert rule == "gap 0.5"


def test_a_file_that_is_away_is_named_each_time_and_seen_when_it_is_back(
    filled: Library, tagger: Tagger, tmp_path: Path
):
    """As of a disk that is not mounted: nothing has to be added again."""
    here, away = tmp_path / "pictures" / "3.png", tmp_path / "away.png"
    here.rename(away)
    for _ in range(2):
        said = _tag(filled, tagger)
        assert (said.lost, [one.path for one in said.named]) == (1, [str(here)])
        assert "no file" in said.named[0].reason
    away.rename(here)
    assert _tag(filled, tagger).seen == 1
    assert _tag(filled, tagger) == TagResult()


def test_a_file_that_is_not_at_its_address_is_named_with_the_reason_and_seen_when_it_is_back(
    filled: Library, tagger: Tagger, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    from fsspec.implementations.memory import MemoryFileSystem

    monkeypatch.setenv("LIGHTFAST_CACHE", str(tmp_path / "cache"))
    there, pixels = MemoryFileSystem(), BytesIO()
    Image.fromarray(np.full((8, 8), 20, np.uint8)).save(pixels, "png")
    there.pipe("/gone/a.png", pixels.getvalue())
    add_pictures(filled, ["memory://gone"])
    there.rm("/gone/a.png")
    said = _tag(filled, tagger)
    assert (said.lost, said.unreached) == (1, 0)
    assert "a.png" in said.named[0].path
    assert "no such file" in said.named[0].reason
    there.pipe("/gone/a.png", pixels.getvalue())
    assert _tag(filled, tagger).seen == 1


def test_several_labels_are_accepted_where_thresholds_prove_them(filled: Library):
    card = ModelCard("bars", (8, 8, 1), ("bright", "dark"), "multi-label", (0.55, 0.35))
    said = _tag(filled, Tagger(card, _brightness), rule=None)
    assert (said.accepted, said.queued) == (4, 0)
    assert {key for key in states(filled) if key[0] == 3} == {(3, 1), (3, 2)}


def test_a_model_is_known_by_its_digest(filled: Library, tagger: Tagger):
    _tag(filled, tagger)
    _tag(filled, tagger)
    with filled.store.read() as connection:
        assert len(connection.execute(select(models)).all()) == 1
        assert len(connection.execute(select(queue_table)).all()) == 1


def test_a_picture_that_came_back_is_seen(filled: Library, tagger: Tagger, tmp_path: Path):
    path = tmp_path / "pictures" / "3.png"
    content = path.read_bytes()
    path.unlink()
    _tag(filled, tagger)
    path.write_bytes(content)
    add_pictures(filled, [str(path)])
    assert _tag(filled, tagger).seen == 1


def test_a_picture_waits_for_the_reason_of_the_model_that_saw_it_last(filled: Library):
    """The same question, asked by two models: as the second one doubts it."""

    def sure(share: float) -> Tagger:
        def said(images: np.ndarray) -> np.ndarray:
            return np.repeat(np.array([[share, 1 - share]], np.float32), len(images), axis=0)

        return Tagger(ModelCard("bars", (8, 8, 1), ("bright", "dark")), said)

    _tag(filled, sure(0.6), "first")
    before = {entry.asset_id: entry.id for entry in lease_next(filled.store, 1, 5)}
    _tag(filled, sure(0.7), "second")
    entries = lease_next(filled.store, 1, 5)
    assert {entry.asset_id: entry.id for entry in entries} == before
    assert all("differ by 0.400, less than 0.5" in entry.reason for entry in entries)
    with filled.store.read() as connection:
        doubts = connection.execute(select(queue_table.c.uncertainty)).scalars().all()
    assert doubts == pytest.approx([0.3] * 4)
