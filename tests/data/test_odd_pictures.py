"""A library as people have it: every kind of odd picture with its reading,
every kind of broken one with its reason, in one folder.
"""

from __future__ import annotations

import io
import json
import os
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageCms, features

from lightfast.base.files import load_json, write_json
from lightfast.data.dataset import ImageSpec, LoadedData
from lightfast.data.decode.decode import UnreadablePicture, decode_file, read_header
from lightfast.data.decode.unreadable import printable
from lightfast.data.lists.class_folders import load_class_folders

# Pillow warns about the very metadata that are broken here on purpose.
pytestmark = pytest.mark.filterwarnings("ignore::UserWarning:PIL")

HEIGHT, WIDTH = 24, 36
RED, GREEN, BLUE, SAND = (220, 30, 40), (30, 180, 60), (40, 60, 200), (230, 220, 170)
COLOURS = (RED, GREEN, BLUE, SAND)
GREYS = ((60,), (120,), (180,), (240,))
PLAIN_WHITE = ((255,) * 3,) * 4
Write = Callable[[Path], object]
Reading = tuple[Write, tuple[int, int, int], tuple[tuple[int, ...], ...], int]


def quarters(
    colours: tuple[tuple[int, ...], ...] = COLOURS, size: tuple[int, int] = (HEIGHT, WIDTH)
) -> np.ndarray:
    """Four fields of one colour each: uint8 (H, W, C)."""
    height, width = size
    pixels = np.zeros((height, width, len(colours[0])), dtype=np.uint8)
    for number, colour in enumerate(colours):
        rows = slice(0, height // 2) if number < 2 else slice(height // 2, None)
        pixels[rows, slice(0, width // 2) if number % 2 == 0 else slice(width // 2, None)] = colour
    return pixels


def corners(pixels: np.ndarray) -> np.ndarray:
    """The middles of the four fields."""
    height, width = pixels.shape[:2]
    return np.array(
        [
            pixels[row, column]
            for row in (height // 4, height * 3 // 4)
            for column in (width // 4, width * 3 // 4)
        ]
    )


RGB, GREY = Image.fromarray(quarters()), Image.fromarray(quarters(GREYS)[..., 0])
RGBA = Image.fromarray(np.dstack([quarters(), np.full((HEIGHT, WIDTH), 255, np.uint8)]))
DEEP, DEEP_GREY = quarters().astype(np.uint16) * 257, quarters(GREYS)[..., 0].astype(np.uint16) * 257


def saved(image: Image.Image, form: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, form, **options)
    return stream.getvalue()


def put(content: bytes) -> Write:
    return lambda path: path.write_bytes(content)


def half(form: str) -> Write:
    noise = np.random.default_rng(1).integers(0, 256, (60, 60, 3), dtype=np.uint8)
    content = saved(Image.fromarray(noise), form)
    return put(content[: len(content) // 2])


def png(
    width: int, height: int, *, depth: int = 8, kind: int = 0, rows: bytes = b"", transparent: bytes = b""
) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    start = b"\x89PNG\r\n\x1a\n" + chunk(
        b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0)
    )
    return (
        start
        + (chunk(b"tRNS", transparent) if transparent else b"")
        + chunk(b"IDAT", zlib.compress(rows))
        + chunk(b"IEND", b"")
    )


def png16(pixels: np.ndarray, **options: bytes) -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    return png(
        pixels.shape[1], pixels.shape[0], depth=16, kind=2 if pixels.ndim == 3 else 0, rows=rows, **options
    )


def tiff(
    data: bytes,
    *,
    bits: int = 16,
    samples: int = 1,
    photometric: int = 1,
    order: str = "<",
    extra: dict[int, int] | None = None,
) -> bytes:
    """An uncompressed TIFF of 24 x 36 in one strip."""
    data += b"\0" * (len(data) % 2)
    tags = {
        256: WIDTH,
        257: HEIGHT,
        258: bits,
        259: 1,
        262: photometric,
        273: 8,
        277: samples,
        278: HEIGHT,
        279: len(data),
    }
    tags |= extra or {}
    entries = b""
    for tag, value in sorted(tags.items()):
        if tag == 258 and samples > 2:
            entries += struct.pack(order + "HHII", tag, 3, samples, 8 + len(data))
        elif tag in (258, 259, 262, 277):
            entries += struct.pack(order + "HHIHH", tag, 3, 1, value, 0)
        else:
            entries += struct.pack(order + "HHII", tag, 4, 1, value)
    table = struct.pack(order + f"{samples}H", *[bits] * samples) + b"\0" * (2 * samples % 4)
    start = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 8 + len(data) + len(table))
    return start + data + table + struct.pack(order + "H", len(tags)) + entries + b"\0\0\0\0"


def twelve_bits(values: np.ndarray) -> bytes:
    pairs = values.reshape(-1, 2).astype(int)
    return b"".join(bytes([a >> 4, (a & 15) << 4 | b >> 8, b & 255]) for a, b in pairs)


def exif(orientation: object) -> Image.Exif:
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


def profile(swap: bool = True) -> bytes:
    """sRGB with the primaries of red and green exchanged, under another name."""
    content = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = content.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    return (
        content.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")
        if swap
        else content
    )


def grey_profile() -> bytes:
    """Grey with gamma 1: the number is the light."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0\0\0\0\0"
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", 156, 20, b"kTRC", 176, 12)
    size = 128 + len(tags) + len(white) + len(curve)
    start = struct.pack(">I4sI4s4s4s12x4s", size, b"\0\0\0\0", 0x02400000, b"mntr", b"GRAY", b"XYZ ", b"acsp")
    return (
        start.ljust(68, b"\0")
        + struct.pack(">3i", 63190, 65536, 54061).ljust(60, b"\0")
        + tags
        + white
        + curve
    )


def cmyk(*, adobe: bool) -> bytes:
    """Full inks of red, green, blue and no ink, as Adobe writes them (turned around) or plainly."""
    inks = quarters(((0, 255, 255, 0), (255, 0, 255, 0), (255, 255, 0, 0), (0, 0, 0, 0)))
    image = Image.frombytes("CMYK", (WIDTH, HEIGHT), (inks if adobe else 255 - inks).tobytes())
    content = saved(image, "JPEG", quality=95)
    mark = content.index(b"\xff\xee")
    (length,) = struct.unpack(">H", content[mark + 2 : mark + 4])
    return content if adobe else content[:mark] + content[mark + 2 + length :]


def animation(form: str) -> bytes:
    return saved(RGB, form, save_all=True, append_images=[Image.new("RGB", RGB.size, "black")], lossless=True)


def jpeg(**options: object) -> bytes:
    return saved(RGB, "JPEG", quality=95, subsampling=0, **options)


def turned_away() -> Image.Image:
    """What a camera on its side writes with orientation 6."""
    return RGB.transpose(Image.Transpose.ROTATE_90)


SHAPE, GREY_SHAPE = (HEIGHT, WIDTH, 3), (HEIGHT, WIDTH, 1)
RAW_EXIF = b"Exif\0\0II*\0\x08\0\0\0"
SWAPPED = tuple((green, red, blue) for red, green, blue in COLOURS)
OVER_WHITE = tuple(tuple(round(value * 100 / 255 + 155) for value in colour) for colour in COLOURS)
LINEAR = ((133,), (182,), (219,), (248,))
INKS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))
BITS = ((0,), (255,), (255,), (0,))
DARK = ((0,), (0,), (1,), (1,))
LONG = Image.fromarray(quarters(size=(8, 10_000)))
SEE_THROUGH = Image.fromarray(np.dstack([quarters(), np.full((HEIGHT, WIDTH), 100, np.uint8)]))

READABLE: dict[str, Reading] = {
    "plain.jpg": (put(jpeg()), SHAPE, COLOURS, 3),
    "plain.png": (put(saved(RGB, "PNG")), SHAPE, COLOURS, 0),
    "plain.webp": (put(saved(RGB, "WEBP", lossless=True)), SHAPE, COLOURS, 0),
    "lossy.webp": (put(saved(RGB, "WEBP", quality=95)), SHAPE, COLOURS, 9),
    "plain.tif": (put(saved(RGB, "TIFF")), SHAPE, COLOURS, 0),
    "lzw.tiff": (put(saved(RGB, "TIFF", compression="tiff_lzw")), SHAPE, COLOURS, 0),
    "plain.bmp": (put(saved(RGB, "BMP")), SHAPE, COLOURS, 0),
    "plain.gif": (put(saved(RGB, "GIF")), SHAPE, COLOURS, 0),
    "plain.ppm": (put(saved(RGB, "PPM")), SHAPE, COLOURS, 0),
    "plain.jp2": (put(saved(RGB, "JPEG2000")), SHAPE, COLOURS, 0),
    "plain.tga": (put(saved(RGB, "TGA")), SHAPE, COLOURS, 0),
    "progressive.jpg": (put(jpeg(progressive=True)), SHAPE, COLOURS, 3),
    "grey.jpg": (put(saved(GREY, "JPEG", quality=95)), GREY_SHAPE, GREYS, 2),
    "SHOUTED.JPG": (put(jpeg()), SHAPE, COLOURS, 3),
    "moving.gif": (put(animation("GIF")), SHAPE, COLOURS, 0),
    "moving.png": (put(animation("PNG")), SHAPE, COLOURS, 0),
    "moving.webp": (put(animation("WEBP")), SHAPE, COLOURS, 0),
    "pages.tif": (put(animation("TIFF")), SHAPE, COLOURS, 0),
    "adobe-inks.jpg": (put(cmyk(adobe=True)), SHAPE, INKS, 3),
    "plain-inks.jpg": (put(cmyk(adobe=False)), SHAPE, INKS, 3),
    "inks.tif": (put(saved(RGB.convert("CMYK"), "TIFF")), SHAPE, COLOURS, 1),
    "palette.png": (put(saved(RGB.quantize(4), "PNG")), SHAPE, COLOURS, 1),
    "palette-of-glass.png": (
        put(saved(RGB.quantize(4), "PNG", transparency=b"\0\0\0\0")),
        SHAPE,
        PLAIN_WHITE,
        0,
    ),
    "16-bit-grey.png": (put(png16(DEEP_GREY)), GREY_SHAPE, GREYS, 0),
    "16-bit-colour.png": (put(png16(DEEP)), SHAPE, COLOURS, 0),
    "16-bit-clear.png": (
        put(png16(DEEP_GREY, transparent=struct.pack(">H", 60 * 257))),
        GREY_SHAPE,
        ((255,), *GREYS[1:]),
        0,
    ),
    "16-bit-dark.png": (put(png16(DEEP_GREY // 257)), GREY_SHAPE, DARK, 0),
    "16-bit-dark.pgm": (
        put(b"P5 36 24 65535\n" + (DEEP_GREY // 257).astype(">u2").tobytes()),
        GREY_SHAPE,
        DARK,
        0,
    ),
    "16-bit-grey.tif": (put(tiff(DEEP_GREY.tobytes())), GREY_SHAPE, GREYS, 0),
    "16-bit-motorola.tif": (put(tiff(DEEP_GREY.astype(">u2").tobytes(), order=">")), GREY_SHAPE, GREYS, 0),
    "16-bit-colour.tif": (put(tiff(DEEP.tobytes(), samples=3, photometric=2)), SHAPE, COLOURS, 0),
    "16-bit-negative.tif": (put(tiff((65535 - DEEP_GREY).tobytes(), photometric=0)), GREY_SHAPE, GREYS, 0),
    "12-bit.tif": (
        put(tiff(twelve_bits(np.rint(DEEP_GREY * (4095 / 65535))), bits=12)),
        GREY_SHAPE,
        GREYS,
        0,
    ),
    "float.tif": (put(saved(Image.fromarray(DEEP_GREY / np.float32(65535)), "TIFF")), GREY_SHAPE, GREYS, 0),
    "bits.png": (put(saved(Image.fromarray(quarters(BITS)[..., 0] > 0), "PNG")), GREY_SHAPE, BITS, 0),
    "glass.png": (put(saved(SEE_THROUGH, "PNG")), SHAPE, OVER_WHITE, 1),
    "glass.tif": (put(saved(SEE_THROUGH, "TIFF")), SHAPE, OVER_WHITE, 1),
    "glass.webp": (put(saved(SEE_THROUGH, "WEBP", lossless=True)), SHAPE, OVER_WHITE, 1),
    "grey-glass.png": (put(saved(GREY.convert("LA"), "PNG")), GREY_SHAPE, GREYS, 0),
    "lab.tif": (
        put(saved(Image.frombytes("LAB", (WIDTH, HEIGHT), b"\x96\0\0" * WIDTH * HEIGHT), "TIFF")),
        SHAPE,
        ((141,) * 3,) * 4,
        2,
    ),
    "profile.png": (put(saved(RGB, "PNG", icc_profile=profile())), SHAPE, SWAPPED, 2),
    "profile.jpg": (put(jpeg(icc_profile=profile())), SHAPE, SWAPPED, 4),
    "profile-of-grey.png": (put(saved(GREY, "PNG", icc_profile=grey_profile())), GREY_SHAPE, LINEAR, 1),
    "profile-of-others.png": (put(saved(GREY, "PNG", icc_profile=profile())), GREY_SHAPE, GREYS, 0),
    "profile-broken.jpg": (put(jpeg(icc_profile=b"nonsense" * 40)), SHAPE, COLOURS, 3),
    "on-its-side.jpg": (
        put(saved(turned_away(), "JPEG", quality=95, subsampling=0, exif=exif(6))),
        SHAPE,
        COLOURS,
        3,
    ),
    "on-its-side.tif": (put(tiff(np.rot90(DEEP_GREY, 2).tobytes(), extra={0x0112: 3})), GREY_SHAPE, GREYS, 0),
    "exif-garbage.jpg": (put(jpeg(exif=b"Exif\0\0garbage garbage")), SHAPE, COLOURS, 3),
    "exif-absurd.jpg": (put(jpeg(exif=RAW_EXIF + b"\xff\xff1234")), SHAPE, COLOURS, 3),
    "exif-beyond.jpg": (put(jpeg(exif=b"Exif\0\0II*\0\xff\xff\xff\x7f")), SHAPE, COLOURS, 3),
    "exif-nine.jpg": (put(jpeg(exif=exif(9))), SHAPE, COLOURS, 3),
    "exif-text.jpg": (
        put(jpeg(exif=RAW_EXIF + struct.pack("<HHHI4s", 1, 0x0112, 2, 2, b"6"))),
        SHAPE,
        COLOURS,
        3,
    ),
    "exif-lost.tif": (put(tiff(DEEP_GREY.tobytes(), extra={34665: 0xFFFFFFF0})), GREY_SHAPE, GREYS, 0),
    "really-png.jpg": (put(saved(RGB, "PNG")), SHAPE, COLOURS, 0),
    "really-jpeg.png": (put(jpeg()), SHAPE, COLOURS, 3),
    "really-webp.bmp": (put(saved(RGB, "WEBP", lossless=True)), SHAPE, COLOURS, 0),
    "really-gif.tga": (put(saved(RGB, "GIF")), SHAPE, COLOURS, 0),
    "more-behind.jpg": (put(jpeg() + b"and more"), SHAPE, COLOURS, 3),
    "zeros-behind.jpg": (put(jpeg() + b"\0" * 3000), SHAPE, COLOURS, 3),
    "wide.png": (put(saved(LONG, "PNG")), (8, 10_000, 3), COLOURS, 0),
    "wide.jpg": (put(saved(LONG, "JPEG", quality=95)), (8, 10_000, 3), COLOURS, 9),
    "tall.png": (
        put(saved(LONG.transpose(Image.Transpose.TRANSPOSE), "PNG")),
        (10_000, 8, 3),
        (RED, BLUE, GREEN, SAND),
        0,
    ),
    "tiny.png": (put(saved(Image.new("RGB", (1, 1), RED), "PNG")), (1, 1, 3), (RED,) * 4, 0),
    "bytes-\udce9\udcff.png": (put(saved(RGB, "PNG")), SHAPE, COLOURS, 0),
    "line\nbreak.png": (put(saved(RGB, "PNG")), SHAPE, COLOURS, 0),
    'it\'s, "quoted" 👩‍🚀 né.png': (put(saved(RGB, "PNG")), SHAPE, COLOURS, 0),
    "link.png": (lambda path: path.symlink_to(path.with_name("plain.png")), SHAPE, COLOURS, 0),
}
if features.check("avif"):
    READABLE["plain.avif"] = (put(saved(RGB, "AVIF", quality=100, subsampling="4:4:4")), SHAPE, COLOURS, 6)
    READABLE["moving.avif"] = (
        put(saved(RGB, "AVIF", quality=100, save_all=True, append_images=[RGB.rotate(180)])),
        SHAPE,
        COLOURS,
        9,
    )


def archive() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w") as out:
        out.writestr("a.png", saved(RGB, "PNG"))
    return stream.getvalue()


def without_width() -> bytes:
    content = saved(RGB, "BMP")
    return content[:18] + b"\0" * 4 + content[22:]


NOISE = np.random.default_rng(2).integers(0, 256, (200, 200, 3), dtype=np.uint8)
NOISY = saved(Image.fromarray(NOISE), "JPEG")
NAN = saved(Image.fromarray(np.full((4, 4), np.nan, dtype=np.float32)), "TIFF")

UNREADABLE: dict[str, tuple[Write, str]] = {
    "empty.jpg": (put(b""), "empty file"),
    "text.png": (put("Grüße".encode()), "not a picture (text)"),
    "page.jpg": (put(b"\n<!DOCTYPE html><title>404</title>"), "not a picture (an HTML page)"),
    "drawing.png": (put(b'<?xml version="1.0"?><svg xmlns="x"/>'), "not a picture (an SVG drawing)"),
    "pointer.jpg": (
        put(b"version https://git-lfs.github.com/spec/v1\n"),
        "not a picture (a Git LFS pointer: run git lfs pull)",
    ),
    "archive.jpg": (put(archive()), "not a picture (a ZIP archive)"),
    "paper.jpg": (put(b"%PDF-1.7\n\xff\xfe"), "not a picture (a PDF document)"),
    "zeros.jpg": (put(b"\0" * 5000), "not a picture (zero bytes)"),
    "chance.jpg": (put(b"\xc3" + NOISE.tobytes()), "not a picture (no known"),
    "film.jpg": (put(b"\0\0\0\x18ftypmp42" + b"\0" * 99), "not a picture (a video)"),
    "next.jpg": (put(b"\xff\x0a\xfa\x7f\x01"), "not a picture (JPEG XL)"),
    "ghost.png": (
        put(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n"),
        "not a picture (a PostScript drawing)",
    ),
    "half.png": (half("PNG"), "truncated ("),
    "half.jpg": (half("JPEG"), "truncated ("),
    "half.gif": (half("GIF"), "truncated ("),
    "half.bmp": (half("BMP"), "truncated ("),
    "half.tif": (half("TIFF"), "truncated ("),
    "half.webp": (half("WEBP"), "truncated ("),
    "no-end.jpg": (put(NOISY[:-2000]), "truncated ("),
    "zero-end.jpg": (put(NOISY[:9000] + b"\0" * 30_000), "truncated (zero bytes"),
    "mark-only.png": (put(b"\x89PNG\r\n\x1a\n"), "truncated ("),
    "mark-only.jpg": (put(b"\xff\xd8\xff\xe0"), "truncated ("),
    "mark-only.avif": (put(b"\0\0\0\x18ftypavif"), "truncated (the end of the AVIF"),
    "bomb.png": (put(png(50_000, 50_000)), "too many pixels (a decompression bomb?)"),
    "nothing.png": (put(png(0, 5)), "damaged ("),
    "nothing.gif": (put(b"GIF89a" + b"\0" * 7 + b";"), "damaged ("),
    "nothing.bmp": (put(without_width()), "damaged ("),
    "no-rows.png": (put(png(5, 5)), "truncated ("),
    "not-a-number.tif": (put(NAN), "damaged (NaN or infinity"),
    "gone.png": (lambda path: path.symlink_to("nowhere.png"), "a link to a file that is not there"),
    "ring.png": (lambda path: path.symlink_to(path.name), "a link that leads back to itself"),
    "pipe.jpg": (os.mkfifo, "not a file but a named pipe"),
    "socket.jpg": (lambda path: os.mknod(path, 0o600 | stat.S_IFSOCK), "not a file but a socket"),
    "device.jpg": (lambda path: path.symlink_to("/dev/zero"), "not a file but a device"),
    "folder.jpg": (Path.mkdir, "it is a folder"),
    "bytes-\udce9.jpg": (put(b"x"), "not a picture (text)"),
}


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """good/ with everything that can be read, bad/ with everything that cannot and one plain picture."""
    root = tmp_path_factory.mktemp("library")
    for folder, corpus in (("good", READABLE), ("bad", UNREADABLE)):
        (root / folder).mkdir()
        for name, entry in corpus.items():
            entry[0](root / folder / name)
    (root / "bad" / "whole.png").write_bytes(saved(GREY, "PNG"))
    return root


@pytest.fixture(scope="module")
def read(library: Path) -> LoadedData:
    return load_class_folders(library, ImageSpec((16, 16), 3))


def test_the_corpus_is_large_enough() -> None:
    assert len(READABLE) >= 40
    assert len(UNREADABLE) >= 30


@pytest.mark.parametrize("name", READABLE, ids=printable)
def test_an_odd_picture_is_read_as_a_person_sees_it(library: Path, name: str) -> None:
    _, shape, wanted, tolerance = READABLE[name]
    decoded = decode_file(library / "good" / name)
    assert decoded.shape == read_header(library / "good" / name).shape == shape
    np.testing.assert_allclose(corners(decoded), np.array(wanted), atol=tolerance)


@pytest.mark.parametrize("name", UNREADABLE, ids=printable)
def test_a_file_that_is_no_picture_says_what_it_is(library: Path, name: str) -> None:
    with pytest.raises(UnreadablePicture) as caught:
        decode_file(library / "bad" / name)
    assert caught.value.reason.startswith(UNREADABLE[name][1])
    assert str(library) not in caught.value.reason
    assert str(caught.value).isprintable()


def test_one_folder_of_everything_is_read_in_one_go(library: Path, read: LoadedData) -> None:
    assert set(read.train.ids) == {f"good/{printable(name)}" for name in READABLE} | {"bad/whole.png"}
    told = {Path(one.path).name: one.reason for one in read.unreadable}
    assert set(told) == {printable(name) for name in UNREADABLE}
    assert all(told[printable(name)].startswith(reason) for name, (_, reason) in UNREADABLE.items())
    assert len(read.unreadable) == len(UNREADABLE)
    assert sum(read.sizes.values()) == len(read.train) == len(READABLE) + 1


def test_nothing_in_it_is_black_or_replaced(library: Path, read: LoadedData) -> None:
    files = {f"good/{printable(name)}": library / "good" / name for name in READABLE}
    for picture, one in zip(read.train.images, read.train.ids, strict=True):
        np.testing.assert_array_equal(picture, decode_file(files.get(one, library / one), (16, 16), 3))
        assert picture.max() > 50 or "dark" in one


def test_the_notes_count_animations_and_pages(read: LoadedData) -> None:
    moving = sum(name.startswith("moving") for name in READABLE)
    assert f"{moving} animations gave their first frame" in read.notes
    assert "1 files of several pages gave their first page" in read.notes


def test_every_name_goes_into_json_and_parquet(read: LoadedData, tmp_path: Path) -> None:
    import pandas as pd

    names = [*read.train.ids, *(one.path for one in read.unreadable)]
    assert load_json(write_json(tmp_path / "a.json", names)) == names
    pd.DataFrame({"id": names}).to_parquet(tmp_path / "a.parquet")
    assert pd.read_parquet(tmp_path / "a.parquet")["id"].tolist() == names
    assert json.loads(json.dumps(list(read.notes))) == list(read.notes)
    assert len(read.train.version) == 16


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("form", ["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "TIFF grey", "TIFF lzw"])
def test_every_format_is_turned_exactly_once(tmp_path: Path, form: str, orientation: int) -> None:
    form, _, kind = form.partition(" ")
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    upright = GREY if kind == "grey" else RGB
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(back[orientation]))
    options = (
        {"compression": "tiff_lzw"} if kind == "lzw" else {"quality": 95} if form in ("JPEG", "AVIF") else {}
    )
    (tmp_path / "a").write_bytes(saved(stored, form, exif=exif(orientation), **options))
    decoded = decode_file(tmp_path / "a")
    assert decoded.shape == read_header(tmp_path / "a").shape == np.atleast_3d(np.asarray(upright)).shape
    np.testing.assert_allclose(corners(decoded), np.array(GREYS if kind == "grey" else COLOURS), atol=9)
