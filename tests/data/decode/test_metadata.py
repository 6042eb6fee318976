"""Pictures whose pixels are whole are read whatever is wrong with their metadata, and a note counts them."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.data.decode.decode import UnreadablePicture, decode_bytes, load_header, read_picture
from lightfast.data.lists.class_folders import load_class_folders

PIXELS = np.random.default_rng(4).integers(0, 256, (40, 50, 3), dtype=np.uint8)
RGB = Image.fromarray(PIXELS)
NOTE = "files have damaged metadata (text, profile, EXIF), which was left aside"


@pytest.fixture(autouse=True)
def _pillow_may_warn() -> Iterator[None]:
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module="PIL")
        yield


def saved(form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    RGB.save(stream, form, **options)
    return stream.getvalue()


def chunk(name: bytes, data: bytes, *, wrong: bool = False) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data) ^ wrong)


PNG = saved("PNG")
MOVING = saved("PNG", save_all=True, append_images=[Image.new("RGB", RGB.size, "red")])
LONG = zlib.compress(b"a" * 3_000_000)
BROKEN_CHUNKS = {
    "long zTXt": chunk(b"zTXt", b"k\0\0" + LONG),
    "long iTXt": chunk(b"iTXt", b"k\0\1\0\0\0" + LONG),
    "much zTXt": b"".join(
        chunk(b"zTXt", b"%d\0\0" % one + zlib.compress(b"a" * 900_000)) for one in range(80)
    ),
    "short gAMA": chunk(b"gAMA", b"\0"),
    "short pHYs": chunk(b"pHYs", b"\0"),
    "short cHRM": chunk(b"cHRM", b"\0"),
    "empty sRGB": chunk(b"sRGB", b""),
    "broken iCCP": chunk(b"iCCP", b"x"),
    **{
        f"checksum of {name.decode()}": chunk(name, data, wrong=True)
        for name, data in (
            (b"iCCP", b"x\0\0" + zlib.compress(b"abc")),
            (b"pHYs", bytes(9)),
            (b"tEXt", b"k\0v"),
            (b"eXIf", b"II*\0\x08\0\0\0\0\0"),
            (b"tIME", bytes(7)),
            (b"gAMA", bytes(4)),
            (b"zzZz", b"of nobody"),
        )
    },
}
HARMLESS_CHUNKS = {
    "broken zTXt": chunk(b"zTXt", b"k\0\0garbage"),
    "bad tIME": chunk(b"tIME", b"\xff" * 7),
    "odd eXIf": chunk(b"eXIf", b"garbage"),
}


def placed(content: bytes, chunks: bytes, before: bytes) -> bytes:
    at = content.index(before) - 4
    return content[:at] + chunks + content[at:]


def written(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("before", [b"IDAT", b"IEND"])
@pytest.mark.parametrize("name", BROKEN_CHUNKS)
def test_a_png_with_a_broken_chunk_beside_its_pixels_is_read(
    tmp_path: Path, name: str, before: bytes
) -> None:
    path = written(tmp_path / "a.png", placed(PNG, BROKEN_CHUNKS[name], before))
    found = read_picture(path)
    np.testing.assert_array_equal(found.pixels, PIXELS)
    assert found.remarks == {"metadata"}
    assert load_header(path).shape == PIXELS.shape


@pytest.mark.parametrize("name", HARMLESS_CHUNKS)
def test_odd_chunks_that_nobody_trips_over_are_not_spoken_of(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "a.png", placed(PNG, HARMLESS_CHUNKS[name], b"IDAT"))
    found = read_picture(path)
    np.testing.assert_array_equal(found.pixels, PIXELS)
    assert not found.remarks


@pytest.mark.parametrize("name", ["long zTXt", "checksum of tEXt", "short gAMA"])
def test_an_animated_png_keeps_its_frames(tmp_path: Path, name: str) -> None:
    path = written(tmp_path / "a.png", placed(MOVING, BROKEN_CHUNKS[name], b"IDAT"))
    np.testing.assert_array_equal(read_picture(path).pixels, PIXELS)
    assert load_header(path).more == "animation"


def test_orientation_survives_other_broken_metadata(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    path = written(tmp_path / "a.png", placed(saved("PNG", exif=exif), BROKEN_CHUNKS["long zTXt"], b"IDAT"))
    np.testing.assert_array_equal(read_picture(path).pixels, np.rot90(PIXELS, -1))
    assert load_header(path).shape == (50, 40, 3)


@pytest.mark.parametrize("lost", range(1, 16))
def test_a_png_that_lacks_its_end_alone_is_read(tmp_path: Path, lost: int) -> None:
    # IEND has 12 bytes; before it stands the checksum of the pixels.
    found = read_picture(written(tmp_path / "a.png", PNG[:-lost]))
    np.testing.assert_array_equal(found.pixels, PIXELS)
    assert found.remarks == {"no-end"}


@pytest.mark.parametrize("name", [b"IHDR", b"IDAT"])
@pytest.mark.parametrize("where", [8, -1])
def test_a_wrong_bit_in_header_pixels_or_their_checksum_is_damage(name: bytes, where: int) -> None:
    start = PNG.index(name) - 4
    end = start + 12 + int.from_bytes(PNG[start : start + 4], "big")
    at = end - 1 if where < 0 else start + where
    rotted = PNG[:at] + bytes([PNG[at] ^ 1]) + PNG[at + 1 :]
    with pytest.raises(UnreadablePicture, match=f"wrong checksum of {name.decode()}"):
        decode_bytes(rotted)


def test_a_wrong_bit_in_a_later_frame_is_damage() -> None:
    at = MOVING.index(b"fdAT") + 10
    with pytest.raises(UnreadablePicture, match="wrong checksum of fdAT"):
        decode_bytes(MOVING[:at] + bytes([MOVING[at] ^ 4]) + MOVING[at + 1 :])


def test_a_png_cut_inside_its_pixels_is_truncated() -> None:
    with pytest.raises(UnreadablePicture, match="truncated"):
        decode_bytes(PNG[: len(PNG) // 2])


def segment(mark: int, data: bytes) -> bytes:
    return bytes([0xFF, mark]) + struct.pack(">H", len(data) + 2) + data


JPEG = saved("JPEG", quality=95)
BROKEN_SEGMENTS = {
    "profile without number": segment(0xE2, b"ICC_PROFILE\0"),
    "short Adobe": segment(0xEE, b"Adobe"),
    "second, short JFIF": segment(0xE0, b"JFIF\0"),
    "bytes between segments": b"\0\0\0abc",
    "too short a length": segment(0xE5, b"")[:-1] + b"\x04" + b"abcdefgh",
}
HARMLESS_SEGMENTS = {
    "EXIF garbage": segment(0xE1, b"Exif\0\0garbage"),
    "EXIF beyond": segment(0xE1, b"Exif\0\0II*\0\xff\xff\xff\x7f"),
    "profile 3 of 2": segment(0xE2, b"ICC_PROFILE\0\3\2abc"),
    "profile garbage": segment(0xE2, b"ICC_PROFILE\0\1\1abc"),
    "Photoshop garbage": segment(0xED, b"Photoshop 3.0\0008BIM\x03\xed\0\0\0\0\0\x10abc"),
    "MPF garbage": segment(0xE2, b"MPF\0garbage"),
    "comment that is no text": segment(0xFE, b"\xff\xfe\xe9"),
    "empty": segment(0xE1, b""),
}


@pytest.mark.parametrize("name", [*BROKEN_SEGMENTS, *HARMLESS_SEGMENTS])
def test_a_jpeg_with_a_broken_segment_beside_its_pixels_is_read(tmp_path: Path, name: str) -> None:
    at = JPEG.index(b"\xff\xdb")
    broken = {**BROKEN_SEGMENTS, **HARMLESS_SEGMENTS}[name]
    path = written(tmp_path / "a.jpg", JPEG[:at] + broken + JPEG[at:])
    found = read_picture(path)
    np.testing.assert_array_equal(found.pixels, decode_bytes(JPEG))
    assert found.remarks == ({"metadata"} if name in BROKEN_SEGMENTS else frozenset())
    assert load_header(path).shape == PIXELS.shape


WEBP = saved("WEBP", lossless=True, exif=b"Exif\0\0II*\0\x08\0\0\0\0\0", xmp=b"<x/>")


@pytest.mark.parametrize("length", [b"\xff\xff\0\0", b"\xff\xff\xff\x7f", b"\x40\0\0\0"])
@pytest.mark.parametrize("name", [b"EXIF", b"XMP "])
def test_a_webp_with_a_broken_chunk_beside_its_pixels_is_read(
    tmp_path: Path, name: bytes, length: bytes
) -> None:
    at = WEBP.index(name) + 4
    path = written(tmp_path / "a.webp", WEBP[:at] + length + WEBP[at + 4 :])
    found = read_picture(path)
    np.testing.assert_array_equal(found.pixels, PIXELS)
    assert found.remarks == {"metadata"}
    assert load_header(path).shape == PIXELS.shape


def test_a_webp_cut_off_in_its_metadata_is_read(tmp_path: Path) -> None:
    found = read_picture(written(tmp_path / "a.webp", WEBP[: WEBP.index(b"EXIF") + 12]))
    np.testing.assert_array_equal(found.pixels, PIXELS)


def test_a_folder_counts_them_in_notes(tmp_path: Path) -> None:
    for folder in ("cat", "dog"):
        (tmp_path / folder).mkdir()
        written(tmp_path / folder / "a.png", placed(PNG, BROKEN_CHUNKS["long zTXt"], b"IDAT"))
        written(tmp_path / folder / "b.jpg", JPEG[:-2])
        written(tmp_path / folder / "c.png", PNG)
    loaded = load_class_folders(tmp_path)
    assert not loaded.unreadable
    assert f"2 {NOTE}" in loaded.notes
    assert "2 files lack their end mark; all their pixels are there" in loaded.notes
