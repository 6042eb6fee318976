"""A new sidecar repeats what stands inside the picture, so that no keyword is hidden by it."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from fixtures.sidecars import DC, LR, THERE, items
from PIL import Image

from lightfast.export.embedded_keywords import embedded_keywords
from lightfast.export.xmp import load_sidecar, sidecar_path, write_sidecar
from lightfast.export.xmp_keywords import Keyword


def _iptc(*values: bytes) -> bytes:
    """An APP13 segment as Photoshop writes it: one image resource 0x0404 with IPTC keywords."""
    data = b"".join(b"\x1c\x02\x19" + struct.pack(">H", len(one)) + one for one in values)
    padded = data + b"\0" * (len(data) % 2)
    block = b"8BIM" + struct.pack(">H", 0x0404) + b"\0\0" + struct.pack(">I", len(data)) + padded
    content = b"Photoshop 3.0\0" + block
    return b"\xff\xed" + struct.pack(">H", len(content) + 2) + content


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    """A JPEG with keywords in IPTC (one in Latin-1) and in XMP."""
    path = tmp_path / "photo.jpg"
    Image.new("RGB", (16, 16), "red").save(path, xmp=THERE.encode())
    plain = path.read_bytes()
    path.write_bytes(plain[:2] + _iptc(b"beach", "plané".encode("latin-1"), b"summer") + plain[2:])
    return path


def test_keywords_of_iptc_and_xmp_each_once(photo: Path):
    found = [one.path for one in embedded_keywords(photo)]
    assert found == [("season", "summer"), ("été",), ("beach",), ("plané",)]


def test_a_new_sidecar_is_the_union(photo: Path):
    path = write_sidecar(photo, [Keyword(("dog",), "confirmed", 0.99)])
    assert items(path, f"{DC}subject") == ["season", "summer", "été", "beach", "plané", "dog"]
    assert "season|summer" in items(path, f"{LR}hierarchicalSubject")


def test_what_a_person_took_out_of_the_sidecar_stays_out(photo: Path):
    path = write_sidecar(photo, [])
    path.write_bytes(path.read_bytes().replace(b"<rdf:li>beach</rdf:li>", b""))
    write_sidecar(photo, [Keyword(("dog",))])
    assert "beach" not in items(path, f"{DC}subject")


@pytest.mark.parametrize("content", [b"", b"no picture"])
def test_what_is_no_picture_has_none(tmp_path: Path, content: bytes):
    (tmp_path / "odd.jpg").write_bytes(content)
    assert embedded_keywords(tmp_path / "odd.jpg") == ()


def test_a_suggestion_that_a_person_deleted_in_the_sidecar_does_not_come_back(tmp_path: Path):
    picture = tmp_path / "photo.jpg"
    path = write_sidecar(picture, [Keyword(("cat",), "suggested", 0.6), Keyword(("dog",), "suggested", 0.4)])
    # Lightroom takes it out of its own list only.
    content = path.read_text(encoding="utf-8")
    path.write_text(content.replace("<rdf:li>lightfast|suggested|cat</rdf:li>", ""), encoding="utf-8")
    for _ in range(2):
        write_sidecar(picture, [Keyword(("cat",), "suggested", 0.8), Keyword(("dog",), "suggested", 0.4)])
        assert [one.path for one in load_sidecar(sidecar_path(picture))] == [("dog",)]
    # Whoever writes it as a keyword has changed the mind.
    write_sidecar(picture, [Keyword(("cat",), "confirmed")])
    assert ("cat",) in [one.path for one in load_sidecar(path) if one.by_person]
