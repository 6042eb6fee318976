"""TIFFs of every kind of number, plane, order and compression are read rightly or refused by name."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from lightfast.data.decode.decode import UnreadablePicture, decode_file, load_header

HEIGHT, WIDTH = 24, 32
WHITE = {
    "u1": 255,
    "u2": 65535,
    "u4": 2**32 - 1,
    "i1": 127,
    "i2": 32767,
    "i4": 2**31 - 1,
    "f2": 1,
    "f4": 1,
    "f8": 1,
}
CODECS = importlib.util.find_spec("imagecodecs") is not None
NEEDS_CODECS = "this kind of TIFF needs imagecodecs"
ROWS, COLUMNS = np.mgrid[0:HEIGHT, 0:WIDTH]
RAMPS = np.stack((COLUMNS / (WIDTH - 1), ROWS / (HEIGHT - 1), (COLUMNS + ROWS) / (HEIGHT + WIDTH - 2)), -1)
RED = RAMPS[..., :1]


def numbers(kind: str, shares: np.ndarray) -> np.ndarray:
    """0..1 as the numbers of a kind, 1 as its white."""
    if kind[0] == "f":
        return shares.astype(kind)
    return np.rint(shares * float(WHITE[kind])).clip(0, WHITE[kind]).astype(np.uint64).astype(kind)


def write(path: Path, kind: str, channels: int, *, planar: bool, order: str, **options: Any) -> np.ndarray:
    """Write ramps; what a person sees, 0..255."""
    shares = {1: RED, 2: RAMPS[..., :2], 3: RAMPS, 4: np.concatenate((RAMPS, RED), -1)}[channels]
    values = numbers(kind, shares).astype(np.dtype(kind).newbyteorder(order))
    values = values[..., 0] if channels == 1 else np.moveaxis(values, -1, 0) if planar else values
    more: dict[str, Any] = {"extrasamples": ["unassalpha"]} if channels in (2, 4) else {}
    if channels > 1:
        more["planarconfig"] = "separate" if planar else "contig"
    photometric = "rgb" if channels > 2 else "minisblack"
    tifffile.imwrite(path, values, byteorder=order, photometric=photometric, **more, **options)
    colours, alpha = (shares, 1.0) if channels in (1, 3) else (shares[..., :-1], shares[..., -1:])
    return 255 * (colours * alpha + 1 - alpha)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
@pytest.mark.parametrize("kind", WHITE)
def test_every_kind_of_number_is_read_as_tifffile_wrote_it(
    tmp_path: Path, kind: str, channels: int, planar: bool, order: str
) -> None:
    for tile in (None, (16, 16)):
        for compression, predictor in ((None, False), ("zlib", False), ("zlib", kind[0] != "f")):
            wanted = write(
                tmp_path / "a.tif",
                kind,
                channels,
                planar=planar,
                order=order,
                tile=tile,
                compression=compression,
                predictor=predictor,
            )
            found = decode_file(tmp_path / "a.tif")
            assert load_header(tmp_path / "a.tif").shape == found.shape == wanted.shape
            # Transparency of 127 steps over colours of 127 steps.
            np.testing.assert_allclose(found, wanted, atol=4 if kind == "i1" else 2)


@pytest.mark.parametrize("order", "<>")
@pytest.mark.parametrize("planar", [False, True])
@pytest.mark.parametrize("kind", WHITE)
@pytest.mark.parametrize("compression", ["lzw", "packbits", "zstd"])
@pytest.mark.skipif(
    not CODECS, reason="imagecodecs (the extra tiff) is not installed: nothing can write these"
)
def test_with_imagecodecs_rare_compressions_are_read_too(
    tmp_path: Path, kind: str, planar: bool, order: str, compression: str
) -> None:
    for channels in (1, 2, 3, 4):
        wanted = write(
            tmp_path / "a.tif", kind, channels, planar=planar, order=order, compression=compression
        )
        np.testing.assert_allclose(decode_file(tmp_path / "a.tif"), wanted, atol=4)


@pytest.mark.skipif(CODECS, reason="imagecodecs is installed: nothing is refused for want of it")
def test_without_imagecodecs_a_rare_compression_is_refused_with_the_line_that_installs_it(
    tmp_path: Path,
) -> None:
    write(tmp_path / "a.tif", "f8", 3, planar=False, order="<")
    content = (tmp_path / "a.tif").read_bytes()
    plain, lzw = (np.array([259, 3, 1, 0, kind], "<u2") for kind in (1, 5))
    # The tag of the compression: SHORT, one of them.
    tags = [np.concatenate((one[:2], [1, 0], one[4:])).astype("<u2").tobytes() for one in (plain, lzw)]
    assert content.count(tags[0]) == 1
    (tmp_path / "a.tif").write_bytes(content.replace(*tags))
    with pytest.raises(UnreadablePicture) as caught:
        decode_file(tmp_path / "a.tif")
    assert caught.value.reason == f"{NEEDS_CODECS} (pip install 'lightfast[tiff]')"


@pytest.mark.parametrize("compression", ["raw", "tiff_lzw", "packbits", "tiff_deflate", "jpeg"])
@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "I;16", "F"])
def test_what_pillow_compresses_is_read_without_imagecodecs(
    tmp_path: Path, mode: str, compression: str
) -> None:
    if compression == "jpeg" and mode not in ("L", "RGB"):
        pytest.skip("JPEG holds 8 bits of grey or colour")
    planes = RAMPS if mode.startswith("RGB") else RED[..., 0]
    kind = {"I;16": "u2", "F": "f4"}.get(mode, "u1")
    image = Image.fromarray(numbers(kind, planes))
    (image.convert("RGBA") if mode == "RGBA" else image).save(tmp_path / "a.tif", compression=compression)
    found = decode_file(tmp_path / "a.tif")
    np.testing.assert_allclose(np.squeeze(found), planes * 255, atol=8 if compression == "jpeg" else 1)


@pytest.mark.parametrize(
    "values",
    [
        (RED * 2 - 1).astype("f4"),
        (RAMPS * 2 - 1).astype("f8"),
        (RED * 254 - 127).astype("i1"),
        (RED * 60_000 - 30_000).astype("i2"),
        (RAMPS * 2_000 - 1_000).astype("i4"),
    ],
    ids=lambda values: f"{values.dtype} {values.shape[-1]}",
)
def test_numbers_below_zero_are_refused(tmp_path: Path, values: np.ndarray) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif", np.squeeze(values), photometric="rgb" if values.shape[-1] == 3 else None
    )
    with pytest.raises(UnreadablePicture, match="numbers below zero"):
        decode_file(tmp_path / "a.tif")


@pytest.mark.parametrize("kind", ["f2", "f4", "f8"])
@pytest.mark.parametrize("low, high", [(0.0, 1.0), (-0.02, 1.03), (0.0, 255.0), (0.0, 65_504.0)])
def test_floats_of_three_ranges_with_a_little_overshoot(
    tmp_path: Path, kind: str, low: float, high: float
) -> None:
    values = RAMPS * (high - low) + low
    tifffile.imwrite(tmp_path / "a.tif", values.astype(kind), photometric="rgb")
    white = 1.0 if high < 2 else 255.0 if high == 255 else 65_535.0
    np.testing.assert_allclose(decode_file(tmp_path / "a.tif"), np.clip(values / white, 0, 1) * 255, atol=1)


@pytest.mark.parametrize("kind", ["u2", "f4", "f8"])
@pytest.mark.parametrize("orientation, turns", [(1, 0), (3, 2), (6, -1), (8, 1), (9, 0)])
def test_rare_kinds_are_turned_once(tmp_path: Path, kind: str, orientation: int, turns: int) -> None:
    tifffile.imwrite(
        tmp_path / "a.tif",
        np.moveaxis(numbers(kind, RAMPS), -1, 0),
        photometric="rgb",
        planarconfig="separate",
        extratags=[(274, 3, 1, orientation, True)],
    )
    found = decode_file(tmp_path / "a.tif")
    assert load_header(tmp_path / "a.tif").shape == found.shape
    np.testing.assert_allclose(found, np.rot90(RAMPS, turns) * 255, atol=1)


def test_rare_kinds_negative_premultiplied_large_and_of_many_pages(tmp_path: Path) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, RED[..., 0].astype("f8"), photometric="miniswhite")
    np.testing.assert_allclose(decode_file(path), (1 - RED) * 255, atol=1)
    half = np.concatenate((RAMPS / 2, np.full_like(RED, 0.5)), -1)
    tifffile.imwrite(path, half, photometric="rgb", extrasamples=["assocalpha"])
    np.testing.assert_allclose(decode_file(path), RAMPS * 127.5 + 127.5, atol=2)
    tifffile.imwrite(path, RAMPS, photometric="rgb", bigtiff=True)
    np.testing.assert_allclose(decode_file(path), RAMPS * 255, atol=1)
    tifffile.imwrite(path, np.stack((RED[..., 0], 1 - RED[..., 0])), photometric="minisblack")
    np.testing.assert_allclose(decode_file(path), RED * 255, atol=1)
    assert load_header(path).more == "pages"


@pytest.mark.parametrize(
    "values, options",
    [
        (np.repeat(RED, 5, -1).astype("f4"), {"photometric": "minisblack", "planarconfig": "contig"}),
        (RED[..., 0].astype("c8"), {}),
        (RAMPS[..., [0, 1, 2, 0]].astype("f4"), {"photometric": "separated"}),
    ],
    ids=["five planes", "complex", "floating inks"],
)
def test_what_no_person_could_see_is_refused(
    tmp_path: Path, values: np.ndarray, options: dict[str, Any]
) -> None:
    tifffile.imwrite(tmp_path / "a.tif", values, **options)
    with pytest.raises(UnreadablePicture, match="a kind of TIFF that is not read"):
        decode_file(tmp_path / "a.tif")


@pytest.mark.parametrize("compression", [None, "zlib"])
def test_a_rare_kind_that_ends_early_or_is_damaged_is_named(tmp_path: Path, compression: str | None) -> None:
    path = tmp_path / "a.tif"
    tifffile.imwrite(path, RAMPS, photometric="rgb", compression=compression)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) * 3 // 4])
    with pytest.raises(UnreadablePicture, match="truncated"):
        decode_file(path)
    if compression:
        middle = len(whole) // 2
        path.write_bytes(whole[:middle] + b"\xff\0\xff\0" + whole[middle + 4 :])
        with pytest.raises(UnreadablePicture, match="damaged"):
            decode_file(path)
