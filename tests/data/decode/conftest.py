"""A library as people have it: every kind of odd picture with what a person sees in it, every kind of broken
one with its reason.
"""

from __future__ import annotations

import io
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

from lightfast.data.decode.unreadable import printable

HEIGHT, WIDTH = 24, 36
RED, GREEN, BLUE, SAND = (220, 30, 40), (30, 180, 60), (40, 60, 200), (230, 220, 170)
COLOURS = (RED, GREEN, BLUE, SAND)
GREYS = ((60,), (120,), (180,), (240,))
PLAIN_WHITE = ((255,) * 3,) * 4
Write = Callable[[Path], object]
Colours = tuple[tuple[int, ...], ...]
Reading = tuple[Write, tuple[int, int, int], Colours, int]


def quarters(colours: Colours = COLOURS, size: tuple[int, int] = (HEIGHT, WIDTH)) -> np.ndarray:
    """Four fields of one colour each: uint8 (H, W, C)."""
    height, width = size
    pixels = np.zeros((height, width, len(colours[0])), dtype=np.uint8)
    for number, colour in enumerate(colours):
        rows = slice(0, height // 2) if number < 2 else slice(height // 2, None)
        pixels[rows, slice(0, width // 2) if number % 2 == 0 else slice(width // 2, None)] = colour
    return pixels


def corners(pixels: np.ndarray) -> np.ndarray:
    """The middles of the four fields."""
    rows, columns = ((side // 4, side * 3 // 4) for side in pixels.shape[:2])
    return pixels[np.ix_(rows, columns)].reshape(4, -1)


RGB, GREY = Image.fromarray(quarters()), Image.fromarray(quarters(GREYS)[..., 0])
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
    glass = chunk(b"tRNS", transparent) if transparent else b""
    return start + glass + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


def png16(pixels: np.ndarray, **options: bytes) -> bytes:
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in pixels)
    height, width, kind = *pixels.shape[:2], 2 if pixels.ndim == 3 else 0
    return png(width, height, depth=16, kind=kind, rows=rows, **options)


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
    tags = {256: WIDTH, 257: HEIGHT, 258: bits, 259: 1, 262: photometric}
    tags |= {273: 8, 277: samples, 278: HEIGHT, 279: len(data)} | (extra or {})
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


def profile() -> bytes:
    """sRGB with the primaries of red and green exchanged, under another name."""
    content = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    content = content.replace("sRGB".encode("utf-16-be"), "swap".encode("utf-16-be"))
    return content.replace(b"rXYZ", b"????").replace(b"gXYZ", b"rXYZ").replace(b"????", b"gXYZ")


def grey_profile() -> bytes:
    """Grey with gamma 1: the number is the light."""
    white = b"XYZ \0\0\0\0" + struct.pack(">3i", 63190, 65536, 54061)
    curve = b"curv\0\0\0\0\0\0\0\0"
    tags = struct.pack(">I4sII4sII", 2, b"wtpt", 156, 20, b"kTRC", 176, 12)
    size = 128 + len(tags) + len(white) + len(curve)
    start = struct.pack(">I4sI4s4s4s12x4s", size, b"\0\0\0\0", 0x02400000, b"mntr", b"GRAY", b"XYZ ", b"acsp")
    return start.ljust(68, b"\0") + white[8:].ljust(60, b"\0") + tags + white + curve


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


SHAPE, GREY_SHAPE = (HEIGHT, WIDTH, 3), (HEIGHT, WIDTH, 1)
RAW_EXIF = b"Exif\0\0II*\0\x08\0\0\0"
SWAPPED = tuple((green, red, blue) for red, green, blue in COLOURS)
OVER_WHITE = tuple(tuple(round(value * 100 / 255 + 155) for value in colour) for colour in COLOURS)
LINEAR = ((133,), (182,), (219,), (248,))
INKS = ((255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255))
BITS = ((0,), (255,), (255,), (0,))
DARK = ((0,), (0,), (1,), (1,))
LONG = Image.fromarray(quarters(size=(8, 10_000)))
TALL = LONG.transpose(Image.Transpose.TRANSPOSE)
LAB = Image.frombytes("LAB", (WIDTH, HEIGHT), b"\x96\0\0" * WIDTH * HEIGHT)
# What a camera on its side writes with orientation 6.
ON_ITS_SIDE = RGB.transpose(Image.Transpose.ROTATE_90)
SEE_THROUGH = Image.fromarray(np.dstack([quarters(), np.full((HEIGHT, WIDTH), 100, np.uint8)]))


def rgb(content: bytes, tolerance: int = 0, colours: Colours = COLOURS) -> Reading:
    return put(content), SHAPE, colours, tolerance


def grey(content: bytes, tolerance: int = 0, colours: Colours = GREYS) -> Reading:
    return put(content), GREY_SHAPE, colours, tolerance


READABLE: dict[str, Reading] = {
    "plain.jpg": rgb(jpeg(), 3),
    "plain.png": rgb(saved(RGB, "PNG")),
    "plain.webp": rgb(saved(RGB, "WEBP", lossless=True)),
    "lossy.webp": rgb(saved(RGB, "WEBP", quality=95), 9),
    "plain.tif": rgb(saved(RGB, "TIFF")),
    "lzw.tiff": rgb(saved(RGB, "TIFF", compression="tiff_lzw")),
    "plain.bmp": rgb(saved(RGB, "BMP")),
    "plain.gif": rgb(saved(RGB, "GIF")),
    "plain.ppm": rgb(saved(RGB, "PPM")),
    "plain.jp2": rgb(saved(RGB, "JPEG2000")),
    "plain.tga": rgb(saved(RGB, "TGA")),
    "progressive.jpg": rgb(jpeg(progressive=True), 3),
    "grey.jpg": grey(saved(GREY, "JPEG", quality=95), 2),
    "SHOUTED.JPG": rgb(jpeg(), 3),
    "moving.gif": rgb(animation("GIF")),
    "moving.png": rgb(animation("PNG")),
    "moving.webp": rgb(animation("WEBP")),
    "pages.tif": rgb(animation("TIFF")),
    "adobe-inks.jpg": (put(cmyk(adobe=True)), SHAPE, INKS, 3),
    "plain-inks.jpg": (put(cmyk(adobe=False)), SHAPE, INKS, 3),
    "inks.tif": rgb(saved(RGB.convert("CMYK"), "TIFF"), 1),
    "palette.png": rgb(saved(RGB.quantize(4), "PNG"), 1),
    "palette-of-glass.png": rgb(saved(RGB.quantize(4), "PNG", transparency=b"\0" * 4), 0, PLAIN_WHITE),
    "16-bit-grey.png": grey(png16(DEEP_GREY)),
    "16-bit-colour.png": rgb(png16(DEEP)),
    "16-bit-clear.png": grey(
        png16(DEEP_GREY, transparent=struct.pack(">H", 60 * 257)), 0, ((255,), *GREYS[1:])
    ),
    "16-bit-dark.png": (put(png16(DEEP_GREY // 257)), GREY_SHAPE, DARK, 0),
    "16-bit-dark.pgm": grey(b"P5 36 24 65535\n" + (DEEP_GREY // 257).astype(">u2").tobytes(), 0, DARK),
    "16-bit-grey.tif": grey(tiff(DEEP_GREY.tobytes())),
    "16-bit-motorola.tif": grey(tiff(DEEP_GREY.astype(">u2").tobytes(), order=">")),
    "16-bit-colour.tif": rgb(tiff(DEEP.tobytes(), samples=3, photometric=2)),
    "16-bit-negative.tif": grey(tiff((65535 - DEEP_GREY).tobytes(), photometric=0)),
    "12-bit.tif": grey(tiff(twelve_bits(np.rint(DEEP_GREY * (4095 / 65535))), bits=12)),
    "float.tif": grey(saved(Image.fromarray(DEEP_GREY / np.float32(65535)), "TIFF")),
    "bits.png": (put(saved(Image.fromarray(quarters(BITS)[..., 0] > 0), "PNG")), GREY_SHAPE, BITS, 0),
    "glass.png": (put(saved(SEE_THROUGH, "PNG")), SHAPE, OVER_WHITE, 1),
    "glass.tif": (put(saved(SEE_THROUGH, "TIFF")), SHAPE, OVER_WHITE, 1),
    "glass.webp": (put(saved(SEE_THROUGH, "WEBP", lossless=True)), SHAPE, OVER_WHITE, 1),
    "grey-glass.png": grey(saved(GREY.convert("LA"), "PNG")),
    "lab.tif": rgb(saved(LAB, "TIFF"), 2, ((141,) * 3,) * 4),
    "profile.png": (put(saved(RGB, "PNG", icc_profile=profile())), SHAPE, SWAPPED, 2),
    "profile.jpg": (put(jpeg(icc_profile=profile())), SHAPE, SWAPPED, 4),
    "profile-of-grey.png": (put(saved(GREY, "PNG", icc_profile=grey_profile())), GREY_SHAPE, LINEAR, 1),
    "profile-of-others.png": grey(saved(GREY, "PNG", icc_profile=profile())),
    "profile-broken.jpg": rgb(jpeg(icc_profile=b"nonsense" * 40), 3),
    "on-its-side.jpg": rgb(saved(ON_ITS_SIDE, "JPEG", quality=95, subsampling=0, exif=exif(6)), 3),
    "on-its-side.tif": grey(tiff(np.rot90(DEEP_GREY, 2).tobytes(), extra={0x0112: 3})),
    "exif-garbage.jpg": rgb(jpeg(exif=b"Exif\0\0garbage garbage"), 3),
    "exif-absurd.jpg": rgb(jpeg(exif=RAW_EXIF + b"\xff\xff1234"), 3),
    "exif-beyond.jpg": rgb(jpeg(exif=b"Exif\0\0II*\0\xff\xff\xff\x7f"), 3),
    "exif-nine.jpg": rgb(jpeg(exif=exif(9)), 3),
    "exif-text.jpg": rgb(jpeg(exif=RAW_EXIF + struct.pack("<HHHI4s", 1, 0x0112, 2, 2, b"6")), 3),
    "exif-lost.tif": grey(tiff(DEEP_GREY.tobytes(), extra={34665: 0xFFFFFFF0})),
    "really-png.jpg": rgb(saved(RGB, "PNG")),
    "really-jpeg.png": rgb(jpeg(), 3),
    "really-webp.bmp": rgb(saved(RGB, "WEBP", lossless=True)),
    "really-gif.tga": rgb(saved(RGB, "GIF")),
    "more-behind.jpg": rgb(jpeg() + b"and more", 3),
    "zeros-behind.jpg": rgb(jpeg() + b"\0" * 3000, 3),
    "wide.png": (put(saved(LONG, "PNG")), (8, 10_000, 3), COLOURS, 0),
    "wide.jpg": (put(saved(LONG, "JPEG", quality=95)), (8, 10_000, 3), COLOURS, 9),
    "tall.png": (put(saved(TALL, "PNG")), (10_000, 8, 3), (RED, BLUE, GREEN, SAND), 0),
    "tiny.png": (put(saved(Image.new("RGB", (1, 1), RED), "PNG")), (1, 1, 3), (RED,) * 4, 0),
    "bytes-\udce9\udcff.png": rgb(saved(RGB, "PNG")),
    "line\nbreak.png": rgb(saved(RGB, "PNG")),
    'it\'s, "quoted" 👩‍🚀 né.png': rgb(saved(RGB, "PNG")),
    "link.png": (lambda path: path.symlink_to(path.with_name("plain.png")), SHAPE, COLOURS, 0),
}
if features.check("avif"):
    READABLE["plain.avif"] = rgb(saved(RGB, "AVIF", quality=100, subsampling="4:4:4"), 6)
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


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """good/ with everything that can be read, bad/ with everything that cannot and one plain picture."""
    root = tmp_path_factory.mktemp("library")
    for folder, corpus in (("good", READABLE), ("bad", UNREADABLE)):
        (root / folder).mkdir()
        for name, entry in corpus.items():
            entry[0](root / folder / name)
    (root / "bad" / "whole.png").write_bytes(saved(GREY, "PNG"))
    return root


@pytest.fixture(scope="session")
def odd_names() -> tuple[list[str], dict[str, str]]:
    """(names in good/, name in bad/ → how its reason begins)."""
    return list(READABLE), {name: reason for name, (_, reason) in UNREADABLE.items()}


@pytest.fixture(params=READABLE, ids=printable)
def odd_picture(request: pytest.FixtureRequest, library: Path) -> tuple[Path, tuple[int, ...], object, int]:
    """(file, its shape, the colours in the middles of its four fields, how far they may be off)."""
    return library / "good" / request.param, *READABLE[request.param][1:]


@pytest.fixture(params=UNREADABLE, ids=printable)
def broken_picture(request: pytest.FixtureRequest, library: Path) -> tuple[Path, str]:
    """(file, how its reason begins)."""
    return library / "bad" / request.param, UNREADABLE[request.param][1]


@pytest.fixture
def fields() -> Callable[[np.ndarray], np.ndarray]:
    """The middles of the four fields of a picture."""
    return corners


@pytest.fixture(params=range(1, 9))
def orientation(request: pytest.FixtureRequest) -> int:
    return request.param


@pytest.fixture(params=["JPEG", "PNG", "WEBP", "AVIF", "TIFF", "TIFF grey", "TIFF lzw"])
def turned(request: pytest.FixtureRequest, tmp_path: Path, orientation: int) -> tuple[Path, Image.Image]:
    """(a file that is turned upright by its orientation, the upright picture)."""
    form, _, kind = request.param.partition(" ")
    if form == "AVIF" and not features.check("avif"):
        pytest.skip("this Pillow reads no AVIF")
    back = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}
    upright = GREY if kind == "grey" else RGB
    stored = upright if orientation == 1 else upright.transpose(Image.Transpose(back[orientation]))
    options = (
        {"compression": "tiff_lzw"} if kind == "lzw" else {"quality": 95} if form in ("JPEG", "AVIF") else {}
    )
    (tmp_path / "a").write_bytes(saved(stored, form, exif=exif(orientation), **options))
    return tmp_path / "a", upright
