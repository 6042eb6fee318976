"""Keywords that a model confirms: known as the model's, taken back, and never against a person."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.sidecars import DC, DIGIKAM, KEYWORDS, LR, THERE, items
from hypothesis import given, settings

from lightfast.export.xmp import load_sidecar, write_sidecar
from lightfast.export.xmp_keywords import Keyword

DOG, SURE = Keyword(("animal", "dog"), "suggested", 0.93), Keyword(("animal", "dog"), "confirmed", 0.97)


def test_what_a_model_is_sure_of_is_plain_in_all_three_lists_and_known_as_the_model_s(picture: Path) -> None:
    path = write_sidecar(picture, [SURE])
    assert items(path, f"{DC}subject") == ["animal", "dog"]
    assert items(path, f"{LR}hierarchicalSubject") == ["animal|dog"]
    assert items(path, f"{DIGIKAM}TagsList") == ["animal/dog"]
    assert load_sidecar(path) == (SURE,)


@pytest.mark.parametrize("later", [[], [DOG], [Keyword(("animal", "cat"), "confirmed", 0.99)]])
def test_a_later_export_takes_its_own_words_back(picture: Path, sidecar: Path, later: list[Keyword]) -> None:
    write_sidecar(picture, [SURE])
    write_sidecar(picture, later)
    there = [one for one in load_sidecar(sidecar) if not one.by_person]
    assert there == later
    assert "dog" not in items(sidecar, f"{DC}subject")
    write_sidecar(picture, [])
    assert sidecar.read_bytes() == THERE.encode()


def test_a_keyword_that_a_person_wrote_stays_the_person_s(picture: Path, sidecar: Path) -> None:
    write_sidecar(picture, [Keyword(("season", "summer"), "confirmed", 0.99)])
    assert all(one.by_person for one in load_sidecar(sidecar))
    write_sidecar(picture, [Keyword(("season", "summer", "june"), "confirmed", 0.99)])
    assert items(sidecar, f"{DC}subject") == ["summer", "\u00e9t\u00e9", "season", "june"]
    write_sidecar(picture, [])
    assert sidecar.read_bytes() == THERE.encode()


@pytest.mark.parametrize("again", [SURE, DOG])
def test_what_a_person_took_out_is_not_written_again(picture: Path, again: Keyword) -> None:
    path = write_sidecar(picture, [SURE])
    text = path.read_text(encoding="utf-8")
    subject = text[text.index("<dc:subject>") : text.index("</dc:subject>")]
    path.write_text(text.replace(subject, subject.replace("<rdf:li>dog</rdf:li>", "")), encoding="utf-8")
    for _ in range(2):
        write_sidecar(picture, [again])
        assert load_sidecar(path) == ()
    write_sidecar(picture, [Keyword(("animal", "dog"), "confirmed")])
    assert load_sidecar(path) == (Keyword(("animal", "dog"), "confirmed"),)


def test_what_a_person_confirms_after_the_model_is_the_person_s(picture: Path) -> None:
    path = write_sidecar(picture, [SURE])
    write_sidecar(picture, [Keyword(("animal", "dog"), "confirmed")])
    write_sidecar(picture, [])
    assert load_sidecar(path) == (Keyword(("animal", "dog"), "confirmed"),)


@given(keywords=KEYWORDS, again=KEYWORDS)
@settings(max_examples=40)
def test_all_words_of_a_model_can_be_taken_back(
    tmp_path_factory: pytest.TempPathFactory, keywords: list[Keyword], again: list[Keyword]
) -> None:
    picture = tmp_path_factory.mktemp("back") / "p.jpg"
    path = picture.with_name("p.jpg.xmp")
    path.write_bytes(THERE.encode())
    for group in (keywords, again, []):
        write_sidecar(picture, [one for one in group if not one.by_person])
    assert path.read_bytes() == THERE.encode()
