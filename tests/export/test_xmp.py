"""Sidecars: what programs and people wrote stays, byte for byte; suggestions come and go;
what cannot be read is refused by name.
"""

from __future__ import annotations

import errno
from pathlib import Path
from xml.etree import ElementTree

import pytest
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

RDF, DC = "{http://www.w3.org/1999/02/22-rdf-syntax-ns#}", "{http://purl.org/dc/elements/1.1/}"
LR, DIGIKAM = "{http://ns.adobe.com/lightroom/1.0/}", "{http://www.digikam.org/ns/1.0/}"
SURE = Keyword(("animal", "dog"), "confirmed", 0.97)
DOG, BEACH = Keyword(("animal", "dog"), "suggested", 0.93), Keyword(("scene", "beach"), "confirmed")
# As darktable and a person leave it: a comment, an unknown prefix, an attribute with a line end, a list with
# a qualifier, keywords.
THERE = """<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>
<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 4.4.0">
 <!-- kept by hand -->
 <rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">
  <rdf:Description rdf:about="uuid:7" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:odd="urn:odd/"
    odd:note='a &gt; "b"&#10;c'
    xmlns:lr="http://ns.adobe.com/lightroom/1.0/">
   <dc:subject><rdf:Bag><rdf:li>summer</rdf:li><rdf:li xml:lang="fr">\u00e9t\u00e9</rdf:li>
   </rdf:Bag></dc:subject>
   <lr:hierarchicalSubject>
    <rdf:Seq>
     <rdf:li>season|summer</rdf:li>
    </rdf:Seq>
   </lr:hierarchicalSubject>
   <odd:tree><odd:leaf/></odd:tree>
  </rdf:Description>
 </rdf:RDF>
</x:xmpmeta>
<?xpacket end="w"?>
"""


@pytest.fixture
def picture(tmp_path: Path) -> Path:
    return tmp_path / "photo.jpg"


@pytest.fixture
def sidecar(picture: Path) -> Path:
    """A sidecar that other programs and a person have written."""
    path = picture.with_name("photo.jpg.xmp")
    path.write_bytes(THERE.encode())
    return path


def items(path: Path, name: str) -> list[str | None]:
    """The items of a property, read by another parser."""
    return [item.text for found in ElementTree.parse(path).iter(name) for item in found.iter(f"{RDF}li")]


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


NAMES = st.text("abcé猫 &<\"'", min_size=1, max_size=5).filter(
    lambda name: bool(name.strip()) and name == name.strip()
)
KEYWORDS = st.lists(
    st.builds(
        Keyword,
        st.lists(NAMES, min_size=1, max_size=3).map(tuple),
        st.sampled_from(("suggested", "confirmed")),
        st.sampled_from((None, 0.9)),
    ),
    max_size=3,
)


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
    confirmed = {one.path for one in (*first, *second) if one.by_person}
    sure = {one.path for one in second if one.state == "confirmed"}
    suggested = {one.path for one in second if one.state == "suggested"}
    assert {(one, "confirmed") for one in confirmed | sure} <= there
    assert {(one, "suggested") for one in suggested - confirmed - sure} <= there
    assert {one for one, state in there if state == "suggested"} <= suggested
    written = path.read_bytes()
    write_sidecar(picture, second)
    assert path.read_bytes() == written


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


def test_sidecars_are_counted_by_what_stands_in_them(tmp_path: Path) -> None:
    summer = Keyword(("season", "summer"), "suggested", 0.9)
    (tmp_path / "c.jpg.xmp").write_bytes(THERE.encode())
    (tmp_path / "d.jpg.xmp").write_bytes(b"")
    rows = [("a.jpg", [DOG]), ("b.jpg", [SURE]), ("c.jpg", [summer]), ("d.jpg", [DOG]), ("e.jpg", [])]
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
