"""Damage inside the compressed pixels is named, whole files of every kind pass, an option reads the rest."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.data.decode.decode import ReadPicture, UnreadablePicture, decode_bytes, read_picture

SIZE = (160, 200)
Rot = Callable[[bytes, int], bytes]


def photograph(seed: int) -> Image.Image:
    """Smooth colours with grain."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (6, 7, 3), dtype=np.uint8))
    smooth = np.asarray(small.resize(SIZE[::-1], Image.Resampling.BICUBIC)).astype(float)
    return Image.fromarray(np.clip(smooth + rng.normal(0, 6, smooth.shape), 0, 255).astype(np.uint8))


def glass(image: Image.Image) -> Image.Image:
    rows, columns = np.mgrid[: image.height, : image.width]
    depth = np.clip(np.hypot(rows - 60, columns - 70) * 3, 0, 255)
    clear = image.copy()
    clear.putalpha(Image.fromarray(depth.astype(np.uint8)))
    return clear


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def moving(image: Image.Image) -> bytes:
    more = [image.rotate(20), image.rotate(70)]
    return saved(image, "WEBP", quality=80, save_all=True, append_images=more)


WHOLE: dict[str, Callable[[Image.Image], bytes]] = {
    "baseline": lambda image: saved(image, "JPEG", quality=90),
    "low quality": lambda image: saved(image, "JPEG", quality=15),
    "full quality": lambda image: saved(image, "JPEG", quality=100, subsampling=0),
    "optimised": lambda image: saved(image, "JPEG", optimize=True),
    "progressive": lambda image: saved(image, "JPEG", progressive=True),
    "restarts": lambda image: saved(image, "JPEG", restart_marker_blocks=4),
    "rgb": lambda image: saved(image, "JPEG", keep_rgb=True),
    "grey": lambda image: saved(image.convert("L"), "JPEG"),
    "inks": lambda image: saved(image.convert("CMYK"), "JPEG"),
    "flat": lambda image: saved(Image.new("RGB", SIZE, "white"), "JPEG", optimize=True),
    "flat grey": lambda image: saved(Image.new("L", (1600, 900), 255), "JPEG", optimize=True),
    "lossy webp": lambda image: saved(image, "WEBP", quality=80),
    "small webp": lambda image: saved(image.resize((9, 7)), "WEBP", quality=30),
    "flat webp": lambda image: saved(Image.new("RGB", SIZE, "white"), "WEBP"),
    "lossless webp": lambda image: saved(image, "WEBP", lossless=True),
    "flat lossless webp": lambda image: saved(Image.new("RGB", SIZE, "white"), "WEBP", lossless=True),
    "webp with glass": lambda image: saved(glass(image), "WEBP", quality=80),
    "lossless webp with glass": lambda image: saved(glass(image), "WEBP", lossless=True),
    "moving webp": moving,
}


def overwritten(content: bytes, seed: int) -> bytes:
    rng = np.random.default_rng(seed)
    at = int(rng.integers(len(content) // 2, len(content) * 2 // 3))
    return content[:at] + rng.integers(0, 256, 512, dtype=np.uint8).tobytes() + content[at + 512 :]


def cut(content: bytes, seed: int) -> bytes:
    at = len(content) // 2 + 13 * seed
    return content[:at] + content[at + 400 :]


def zeroed(content: bytes, seed: int) -> bytes:
    at = len(content) // 2 + 13 * seed
    return content[:at] + bytes(512) + content[at + 512 :]


def flipped(content: bytes, seed: int) -> bytes:
    at = len(content) // 2 + 13 * seed
    return content[:at] + bytes([content[at] ^ 1 << seed % 8]) + content[at + 1 :]


def read(content: bytes, **options: object) -> ReadPicture:
    return ReadPicture(decode_bytes(content, "rotted", **options))  # pyright: ignore[reportArgumentType]


def share_named(make: Callable[[Image.Image], bytes], rot: Rot, count: int = 8) -> float:
    """Of `count` rotted files, the share that is refused as damaged."""
    named = 0
    for seed in range(count):
        try:
            read(rot(make(photograph(seed)), seed))
        except UnreadablePicture as error:
            named += error.reason.startswith(("damaged (", "truncated ("))
    return named / count


@pytest.mark.parametrize("kind", WHOLE)
@pytest.mark.parametrize("seed", range(3))
def test_whole_files_of_every_kind_pass(kind: str, seed: int, tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(WHOLE[kind](photograph(seed)))
    assert read_picture(tmp_path / "a").remarks == frozenset()


@pytest.mark.parametrize("kind", ["baseline", "optimised", "progressive", "restarts", "rgb", "grey", "inks"])
@pytest.mark.parametrize("rot", [overwritten, cut, zeroed])
def test_rotted_jpegs_are_named(kind: str, rot: Rot) -> None:
    assert share_named(WHOLE[kind], rot) >= 7 / 8


@pytest.mark.parametrize("kind", ["lossy webp", "webp with glass", "moving webp"])
@pytest.mark.parametrize("rot", [overwritten, cut, zeroed])
def test_rotted_webps_are_named(kind: str, rot: Rot) -> None:
    assert share_named(WHOLE[kind], rot) >= 7 / 8


@pytest.mark.parametrize("rot", [overwritten, cut, zeroed])
def test_most_rotted_lossless_webps_are_named(rot: Rot) -> None:
    assert share_named(WHOLE["lossless webp"], rot) >= 5 / 8


def test_one_flipped_bit_of_a_lossy_webp_is_named() -> None:
    assert share_named(WHOLE["lossy webp"], flipped) >= 7 / 8


def test_a_flipped_bit_that_shifts_what_follows_in_a_jpeg_is_named() -> None:
    # Many flips are valid codes of the same length: benchmarks/rotted.py has the share.
    assert share_named(WHOLE["grey"], flipped, 40) > 0.1


def test_zero_bytes_in_standard_tables_are_named_and_plain_areas_are_not() -> None:
    content = saved(photograph(1), "JPEG", quality=90)
    rotted = content[:6000] + bytes(64) + content[6064:]
    with pytest.raises(UnreadablePicture, match="damaged"):
        read(rotted)
    plain = WHOLE["flat grey"](photograph(0))
    assert bytes(16) in plain
    read(plain)


def test_damage_of_a_later_frame_is_named_with_its_number() -> None:
    content = moving(photograph(3))
    at = content.rindex(b"ANMF") + 1200
    with pytest.raises(UnreadablePicture, match="frame 3 of 3"):
        read(content[:at] + bytes(300) + content[at + 300 :])


def test_damaged_files_are_read_as_far_as_they_go_where_that_is_asked(tmp_path: Path) -> None:
    whole = saved(photograph(5), "JPEG", quality=90)
    (tmp_path / "a.jpg").write_bytes(cut(whole, 0))
    found = read_picture(tmp_path / "a.jpg", damaged="read")
    assert found.remarks == {"damaged"}
    np.testing.assert_array_equal(found.pixels[:60], decode_bytes(whole)[:60])


@pytest.mark.parametrize("damaged", ["refuse", "read"])
def test_missing_pixels_are_truncated_whatever_is_asked(damaged: str) -> None:
    whole = saved(photograph(5), "JPEG", quality=90)
    for lost in (3, 4, 40, 4000):
        with pytest.raises(UnreadablePicture, match="truncated"):
            read(whole[:-lost], damaged=damaged)


@pytest.mark.parametrize("kind", ["baseline", "optimised", "progressive", "restarts", "grey"])
@pytest.mark.parametrize("end", [b"", b"\xff", b"\0" * 300, b"hello world", b"\r\n"])
def test_a_jpeg_that_lacks_only_its_end_mark_is_whole(kind: str, end: bytes, tmp_path: Path) -> None:
    whole = WHOLE[kind](photograph(2))
    (tmp_path / "a.jpg").write_bytes(whole[:-2] + end)
    found = read_picture(tmp_path / "a.jpg")
    assert found.remarks == {"no-end"}
    np.testing.assert_array_equal(found.pixels, decode_bytes(whole))


@pytest.mark.parametrize("kind", ["baseline", "progressive", "grey"])
def test_what_cameras_add_is_no_damage(kind: str, tmp_path: Path) -> None:
    whole = WHOLE[kind](photograph(2))
    odd = {
        "trailer": whole + b"MPF and more" * 50,
        "second picture": whole + WHOLE["baseline"](photograph(9)),
        "zeros behind": whole + bytes(4096),
        "zeros before the end": whole[:-2] + bytes(300) + whole[-2:],
        "fill bytes before the end": whole[:-2] + b"\xff" * 300 + whole[-2:],
        "fill bytes between segments": whole[:2] + b"\xff" * 8 + whole[2:],
    }
    for name, content in odd.items():
        (tmp_path / "a.jpg").write_bytes(content)
        found = read_picture(tmp_path / "a.jpg")
        assert not found.remarks, name
        np.testing.assert_array_equal(found.pixels, decode_bytes(whole))


def test_a_sampling_that_cannot_be_checked_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import simplejpeg

    def refuse(*_: object, **__: object) -> None:
        raise ValueError("Could not determine subsampling level of JPEG image")

    (tmp_path / "a.jpg").write_bytes(saved(photograph(5), "JPEG"))
    monkeypatch.setattr(simplejpeg, "decode_jpeg", refuse)
    assert read_picture(tmp_path / "a.jpg").remarks == {"unchecked"}


def test_good_photographs_pass() -> None:
    folder = os.environ.get("LIGHTFAST_DATA")
    if not folder or not (Path(folder) / "clothing").is_dir():
        pytest.skip("LIGHTFAST_DATA names no folder with the photographs of clothing")
    files = sorted((Path(folder) / "clothing").rglob("*.jpg"))[::10]
    assert all(read_picture(path, (16, 16)).remarks == frozenset() for path in files)
