"""HEIC, with pillow-heif and without it; what damaged HEIC and AVIF files are called."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, features

from lightfast.data.decode.decode import UnreadablePicture, decode_file, load_header

HEIC = b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + b"\0\0\0\x08mdat"


def without_heic(monkeypatch: pytest.MonkeyPatch) -> None:
    # None in sys.modules makes an import fail as if nothing were installed.
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    Image.init()
    monkeypatch.delitem(Image.OPEN, "HEIF", raising=False)


def test_without_the_extra_a_heic_file_names_the_cure(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    without_heic(monkeypatch)
    (tmp_path / "a.jpg").write_bytes(HEIC)
    with pytest.raises(
        UnreadablePicture, match=r"HEIC needs pillow-heif \(pip install 'lightfast\[heic\]'\)"
    ):
        decode_file(tmp_path / "a.jpg")


def test_without_avif_in_pillow_the_cure_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.init()
    monkeypatch.delitem(Image.OPEN, "AVIF", raising=False)
    monkeypatch.setattr(features, "check", lambda feature: False)
    (tmp_path / "a.avif").write_bytes(b"\0\0\0\x18ftypavif\0\0\0\0mif1avif" + b"\0\0\0\x08mdat")
    with pytest.raises(
        UnreadablePicture, match=r"AVIF needs a newer Pillow \(pip install 'lightfast\[heic\]'\)"
    ):
        decode_file(tmp_path / "a.avif")


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_half_an_avif_is_truncated(tmp_path: Path) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    Image.fromarray(noise).save(tmp_path / "a.avif")
    whole = (tmp_path / "a.avif").read_bytes()
    (tmp_path / "a.avif").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UnreadablePicture, match="truncated"):
        decode_file(tmp_path / "a.avif")


@pytest.mark.parametrize("orientation", [1, 6])
def test_with_the_extra_heic_is_read_and_turned_once(tmp_path: Path, orientation: int) -> None:
    pytest.importorskip("pillow_heif", reason="pillow-heif (the extra heic) is not installed")
    importlib.import_module("pillow_heif").register_heif_opener()
    upright = Image.new("RGB", (64, 48), (200, 40, 40))
    upright.paste((40, 40, 200), (0, 24, 64, 48))
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.heic", format="HEIF", quality=95, exif=exif)
    decoded = decode_file(tmp_path / "a.heic")
    assert decoded.shape == load_header(tmp_path / "a.heic").shape == (48, 64, 3)
    np.testing.assert_allclose([decoded[8, 32], decoded[40, 32]], [(200, 40, 40), (40, 40, 200)], atol=12)
