"""Sidecars: what programs and people wrote stays, byte for byte; suggestions come and go;
what cannot be read is refused by name.
"""

from __future__ import annotations

import errno
from pathlib import Path
from xml.etree import ElementTree

import pytest
from fixtures.sidecars import DC, DIGIKAM, KEYWORDS, LR, RDF, THERE, items
from hypothesis import given, settings
from hypothesis import strategies as st

from lightfast.base.errors import DataError, UnknownName
from lightfast.export.xmp import (
    Keyword,
    SidecarError,
    load_sidecar,
    sidecar_path,
    write_sidecar,
    write_sidecars,
)

DOG, BEACH = Keyword(("animal", "dog"), "suggested", 0.93), Keyword(("scene", "beach"), "confirmed")


def test_both_names_of_a_sidecar(picture: Path) -> None:
    assert (sidecar_path(picture).name, sidecar_path(picture, "lightroom").name) == (
        "photo.jpg.xmp",
        "photo.xmp",
    )


def test_an_unknown_style_is_refused(picture: Path) -> None:
    with pytest.raises(UnknownName, match="style of sidecars"):
        sidecar_path(picture, "picasa")  # type: ignore[arg-type]


def test_confirmed_keywords_are_plain_in_all_three_lists(picture: Path) -> None:
    path = write_sidecar(picture, [BEACH])
    assert (
        items(path, f"{DC}subject"),
        items(path, f"{LR}hierarchicalSubject"),
        items(path, f"{DIGIKAM}TagsList"),
    ) == (["scene", "beach"], ["scene|beach"], ["scene/beach"])


def test_suggestions_stand_under_their_own_root_and_not_among_flat_keywords(picture: Path) -> None:
    path = write_sidecar(picture, [DOG])
    assert (
        items(path, f"{DC}subject"),
        items(path, f"{LR}hierarchicalSubject"),
        items(path, f"{DIGIKAM}TagsList"),
    ) == ([], ["lightfast|suggested|animal|dog"], ["lightfast/suggested/animal/dog"])


def test_keywords_are_read_back_with_state_and_probability(picture: Path) -> None:
    assert set(load_sidecar(write_sidecar(picture, [DOG, BEACH]))) == {DOG, BEACH}


def test_keywords_of_people_are_read_as_confirmed(sidecar: Path) -> None:
    assert load_sidecar(sidecar) == (
        Keyword(("season", "summer"), "confirmed"),
        Keyword(("\u00e9t\u00e9",), "confirmed"),
    )


def test_every_byte_of_others_stays(picture: Path, sidecar: Path) -> None:
    write_sidecar(picture, [DOG, BEACH])
    added = sidecar.read_bytes()
    for line in THERE.encode().splitlines():
        if b"dc:subject" not in line:
            assert line in added
    assert b'<rdf:li>summer</rdf:li><rdf:li xml:lang="fr">' in added


def test_taking_the_suggestions_back_gives_the_old_file_byte_for_byte(picture: Path, sidecar: Path) -> None:
    write_sidecar(picture, [DOG])
    assert sidecar.read_bytes() != THERE.encode()
    write_sidecar(picture, [])
    assert sidecar.read_bytes() == THERE.encode()


def test_suggestions_are_replaced_and_keywords_of_people_are_not(picture: Path, sidecar: Path) -> None:
    write_sidecar(picture, [DOG])
    write_sidecar(picture, [Keyword(("animal", "cat"), "suggested", 0.8)])
    assert [one.path for one in load_sidecar(sidecar)] == [
        ("season", "summer"),
        ("animal", "cat"),
        ("\u00e9t\u00e9",),
    ]


def test_writing_the_same_again_changes_nothing(picture: Path, sidecar: Path) -> None:
    write_sidecar(picture, [DOG, BEACH])
    write_sidecar(picture, [DOG, BEACH])
    before = (sidecar.read_bytes(), sidecar.stat().st_mtime_ns)
    write_sidecar(picture, [DOG, BEACH])
    assert (sidecar.read_bytes(), sidecar.stat().st_mtime_ns) == before


def test_what_a_person_confirmed_is_not_suggested_again(picture: Path, sidecar: Path) -> None:
    write_sidecar(picture, [Keyword(("season", "summer"), "suggested", 0.9)])
    assert [one.state for one in load_sidecar(sidecar)] == ["confirmed", "confirmed"]


def test_a_keyword_that_is_there_is_not_doubled(picture: Path, sidecar: Path) -> None:
    write_sidecar(picture, [Keyword(("season", "summer"), "confirmed")])
    assert items(sidecar, f"{DC}subject").count("summer") == 1
    assert items(sidecar, f"{LR}hierarchicalSubject") == ["season|summer"]


def test_a_suggestion_dragged_out_of_its_root_becomes_confirmed(picture: Path) -> None:
    path = write_sidecar(picture, [DOG])
    moved = (
        path.read_text(encoding="utf-8")
        .replace("lightfast|suggested|", "")
        .replace("lightfast/suggested/", "")
    )
    path.write_text(moved, encoding="utf-8")
    assert load_sidecar(path) == (Keyword(("animal", "dog"), "confirmed"),)


@pytest.mark.parametrize(
    "name", ["Q&A <b>", "\U0001f415 dog", "t-shirt/top", "either|or", "{li}", "caf\u00e9", "]]>", 'a, "b"; c']
)
def test_odd_names_come_back(picture: Path, name: str) -> None:
    assert load_sidecar(write_sidecar(picture, [Keyword(("root", name), "suggested", 0.5)])) == (
        Keyword(("root", name), "suggested", 0.5),
    )
    assert name in items(write_sidecar(picture, [Keyword(("root", name), "confirmed")]), f"{DC}subject")


@given(
    st.lists(
        st.text(
            st.characters(
                exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp"), exclude_characters="\ufffe\uffff|/"
            ),
            min_size=1,
        ),
        min_size=1,
        max_size=3,
    )
)
def test_any_path_of_names_comes_back(tmp_path_factory: pytest.TempPathFactory, path: list[str]) -> None:
    picture = tmp_path_factory.mktemp("any") / "p.png"
    try:
        wanted = Keyword(tuple(path), "suggested", 0.25)
    except DataError:
        return
    assert load_sidecar(write_sidecar(picture, [wanted])) == (wanted,)


def test_a_separator_in_a_confirmed_name_does_not_cut_it(picture: Path) -> None:
    path = write_sidecar(picture, [Keyword(("clothes", "t-shirt/top"), "confirmed")])
    assert items(path, f"{DIGIKAM}TagsList") == ["clothes/t-shirt\u2215top"]
    assert load_sidecar(path) == (Keyword(("clothes", "t-shirt/top"), "confirmed"),)


@pytest.mark.parametrize(
    "empty", ["<dc:subject/>", "<dc:subject></dc:subject>", "<dc:subject><rdf:Bag/></dc:subject>"]
)
def test_an_empty_list_is_filled(picture: Path, sidecar: Path, empty: str) -> None:
    start, end = THERE.index("<dc:subject>"), THERE.index("</dc:subject>") + len("</dc:subject>")
    sidecar.write_text(THERE[:start] + empty + THERE[end:], encoding="utf-8")
    write_sidecar(picture, [BEACH])
    assert items(sidecar, f"{DC}subject") == ["scene", "beach"]


def test_an_rdf_that_is_closed_at_once_is_opened(picture: Path, sidecar: Path) -> None:
    sidecar.write_text(
        f'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="{RDF[1:-1]}"/></x:xmpmeta>', encoding="utf-8"
    )
    write_sidecar(picture, [DOG])
    assert load_sidecar(sidecar) == (DOG,)


def test_new_descriptions_speak_of_the_same_resource(picture: Path, sidecar: Path) -> None:
    write_sidecar(picture, [DOG])
    assert [one.get(f"{RDF}about") for one in ElementTree.parse(sidecar).iter(f"{RDF}Description")] == [
        "uuid:7",
        "uuid:7",
    ]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "empty file"),
        (b"<x:xmpmeta", "no whole XML"),
        (b"\xff\xd8\xff\xe0 not xml", "not UTF-8"),
        (b"<html/>", "no rdf:RDF"),
        (b'<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>', "DOCTYPE"),
        (b'<?xml version="1.0" encoding="latin-1"?><x/>', "encoding"),
        (THERE.replace("<rdf:Bag>", "").replace("</rdf:Bag>", "").encode(), "dc:subject is no list"),
    ],
)
def test_what_cannot_be_read_is_refused_and_left_alone(
    picture: Path, sidecar: Path, content: bytes, reason: str
) -> None:
    sidecar.write_bytes(content)
    with pytest.raises(SidecarError, match=rf"photo.jpg.xmp is left as it is: .*{reason}"):
        write_sidecar(picture, [BEACH])
    assert sidecar.read_bytes() == content


def test_billion_laughs_are_never_expanded(picture: Path, sidecar: Path) -> None:
    laughs = "".join(f'<!ENTITY l{level} "{f"&l{level - 1};" * 10}">' for level in range(1, 10))
    sidecar.write_text(f'<!DOCTYPE l [<!ENTITY l0 "ha">{laughs}]><l>&l9;</l>', encoding="utf-8")
    with pytest.raises(SidecarError, match="DOCTYPE"):
        load_sidecar(sidecar)


def test_one_refused_sidecar_does_not_stop_the_others(tmp_path: Path) -> None:
    (tmp_path / "b.jpg.xmp").write_text("broken", encoding="utf-8")
    done = write_sidecars([(tmp_path / name, [DOG]) for name in ("a.jpg", "b.jpg", "c.jpg")])
    assert [path.name for path in done.paths] == ["a.jpg.xmp", "c.jpg.xmp"]
    [one] = done.refused
    assert Path(one.path).name == "b.jpg"
    assert one.reason.startswith("its sidecar is left as it is: no whole XML (")
    assert one.cure == "Mend the sidecar or move it away, then write again."


def test_two_pictures_do_not_share_one_sidecar(tmp_path: Path) -> None:
    done = write_sidecars([(tmp_path / "a.jpg", [DOG]), (tmp_path / "a.png", [BEACH])], style="lightroom")
    assert load_sidecar(tmp_path / "a.xmp") == (DOG,)
    assert done.refused[0].reason == "its sidecar a.xmp is that of a.jpg"


def test_a_missing_sidecar_is_named(tmp_path: Path) -> None:
    with pytest.raises(SidecarError, match="no such file"):
        load_sidecar(tmp_path / "none.xmp")


@pytest.mark.parametrize("path", [(), ("",), ("a", " "), ("bell\x07",), ("half \ud83d",)])
def test_names_that_xml_cannot_hold_are_refused(path: tuple[str, ...]) -> None:
    with pytest.raises(DataError, match="keyword"):
        Keyword(path)


def test_a_probability_is_a_share() -> None:
    with pytest.raises(DataError, match="probability"):
        Keyword(("a",), "suggested", 1.5)


def paths(keywords: list[Keyword], state: str) -> set[tuple[str, ...]]:
    return {one.path for one in keywords if one.state == state}


@given(first=KEYWORDS, second=KEYWORDS)
@settings(max_examples=40)
def test_foreign_bytes_stay_whatever_is_written(
    tmp_path_factory: pytest.TempPathFactory, first: list[Keyword], second: list[Keyword]
) -> None:
    picture = tmp_path_factory.mktemp("foreign") / "p.jpg"
    path = picture.with_name("p.jpg.xmp")
    path.write_bytes(THERE.encode())
    for keywords in (first, second, second):
        write_sidecar(picture, keywords)
        rest = iter(path.read_bytes())
        # Every byte that was there, in its order.
        assert all(byte in rest for byte in THERE.encode())
    there = {(one.path, one.state) for one in load_sidecar(path)}
    confirmed = {one.path for one in (*first, *second) if one.by_person} | paths(second, "confirmed")
    assert {(one, "confirmed") for one in confirmed} <= there
    assert {(one, "suggested") for one in paths(second, "suggested") - confirmed} <= there
    assert {one for one, state in there if state == "suggested"} <= paths(second, "suggested")
    written = path.read_bytes()
    write_sidecar(picture, second)
    assert path.read_bytes() == written


def test_sidecars_are_counted_by_what_stands_in_them(tmp_path: Path) -> None:
    summer = Keyword(("season", "summer"), "suggested", 0.9)
    sure = Keyword(("animal", "dog"), "confirmed", 0.97)
    (tmp_path / "c.jpg.xmp").write_bytes(THERE.encode())
    (tmp_path / "d.jpg.xmp").write_bytes(b"")
    rows = [("a.jpg", [DOG]), ("b.jpg", [sure]), ("c.jpg", [summer]), ("d.jpg", [DOG]), ("e.jpg", [])]
    done = write_sidecars([(tmp_path / name, group) for name, group in rows])
    assert (len(done.paths), done.suggested, done.confirmed, len(done.refused)) == (4, 1, 1, 1)


def test_a_place_that_cannot_be_written_is_named_with_a_cure_that_helps(tmp_path: Path, read_only) -> None:
    read_only(tmp_path)
    [one] = write_sidecars([(tmp_path / "a.jpg", [DOG])]).refused
    assert one.reason == "no sidecar can be written beside it: the file system is read-only"
    assert one.cure == "Make the folder writable, or copy the pictures to one that is, then write again."


def test_a_full_disk_wants_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    [one] = write_sidecars([(tmp_path / "a.jpg", [DOG])]).refused
    assert (one.reason.split(": ")[1], one.cure) == ("the disk is full", "Make room there, then write again.")


def test_a_folder_in_place_of_the_sidecar_is_named(tmp_path: Path) -> None:
    (tmp_path / "a.jpg.xmp").mkdir()
    [one] = write_sidecars([(tmp_path / "a.jpg", [DOG])]).refused
    assert one.reason == "its sidecar is left as it is: is a directory"
    (tmp_path / "a.jpg.xmp").rename(tmp_path / "away")
    assert len(write_sidecars([(tmp_path / "a.jpg", [DOG])]).paths) == 1


@pytest.mark.parametrize(
    ("content", "mended"),
    [
        ("", None),
        ("broken", None),
        ("<!DOCTYPE x>" + THERE, THERE),
        (
            '<?xml version="1.0" encoding="latin-1"?>' + THERE,
            '<?xml version="1.0" encoding="UTF-8"?>' + THERE,
        ),
    ],
)
def test_the_cure_of_a_refused_sidecar_works(picture: Path, content: str, mended: str | None) -> None:
    sidecar = sidecar_path(picture)
    sidecar.write_text(content, encoding="utf-8")
    [one] = write_sidecars([(picture, [DOG])]).refused
    for word, what in {"away": None, "without one": THERE, "UTF-8": mended}.items():
        if word in one.cure:
            sidecar.unlink(missing_ok=True)
            if what is not None:
                sidecar.write_text(what.lstrip("\ufeff"), encoding="utf-8")
    assert not write_sidecars([(picture, [DOG])]).refused
