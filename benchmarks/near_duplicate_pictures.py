"""Pictures for `near_duplicates.py`: altered copies of photographs, and different pictures of one scene."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter, ImageOps

Alter = Callable[[Image.Image, np.random.Generator], Image.Image]
Draw = Callable[[np.random.Generator, int], Image.Image]


def compressed(picture: Image.Image, quality: int) -> Image.Image:
    """The picture through a JPEG of this quality."""
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def _smaller(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    share = rng.uniform(0.4, 0.7)
    return picture.resize(
        (round(picture.width * share), round(picture.height * share)), Image.Resampling.LANCZOS
    )


def _cropped(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    left, top, right, bottom = rng.uniform(0.01, 0.07, 4) * np.array([*picture.size, *picture.size])
    return picture.crop((int(left), int(top), int(picture.width - right), int(picture.height - bottom)))


def _sepia(picture: Image.Image, _: np.random.Generator) -> Image.Image:
    return ImageOps.colorize(picture.convert("L"), (30, 15, 0), (255, 240, 200))


def _framed(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    colour = [(0, 0, 0), (255, 255, 255), (128, 128, 128), (140, 30, 20)][int(rng.integers(4))]
    return ImageOps.expand(picture, round(rng.uniform(0.03, 0.12) * min(picture.size)), colour)


def _letterboxed(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    colour = [(0, 0, 0), (255, 255, 255)][int(rng.integers(2))]
    wide, high = picture.size
    shape = (
        (wide, round(high * rng.uniform(1.15, 1.6)))
        if rng.random() < 0.5
        else (round(wide * rng.uniform(1.15, 1.6)), high)
    )
    return ImageOps.pad(picture, shape, color=colour)


def _stretched(picture: Image.Image, rng: np.random.Generator) -> Image.Image:
    share = rng.uniform(1.15, 1.4)
    wide, high = picture.size
    shape = (round(wide * share), high) if rng.random() < 0.5 else (wide, round(high * share))
    return picture.resize(shape, Image.Resampling.BICUBIC)


COPIES: Mapping[str, Alter] = {
    "recompressed": lambda picture, rng: compressed(picture, int(rng.integers(25, 60))),
    "smaller": _smaller,
    "squared": lambda picture, _: picture.resize((128, 128), Image.Resampling.BICUBIC),
    "cropped": _cropped,
    "grey": lambda picture, _: picture.convert("L").convert("RGB"),
    "sepia": _sepia,
    "mirrored": lambda picture, _: ImageOps.mirror(picture),
    "turned by 90°": lambda picture, _: picture.transpose(Image.Transpose.ROTATE_90),
    "turned by 180°": lambda picture, _: picture.transpose(Image.Transpose.ROTATE_180),
    "turned by 270°": lambda picture, _: picture.transpose(Image.Transpose.ROTATE_270),
    "framed": _framed,
    "letterboxed": _letterboxed,
    "stretched": _stretched,
}
"""Every copy is then compressed anew."""


def _finished(picture: Image.Image, rng: np.random.Generator, noise: float) -> Image.Image:
    pixels = np.asarray(picture, dtype=np.float64) * rng.uniform(0.94, 1.04)
    pixels += rng.normal(0, noise, pixels.shape)
    return compressed(
        Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert("RGB"), int(rng.integers(70, 93))
    )


def _int(rng: np.random.Generator, low: int, high: int) -> int:
    return int(rng.integers(low, high))


def _background(seed: int, shape: tuple[int, int], cells: int = 14) -> Image.Image:
    rng = np.random.default_rng(seed)
    small = rng.uniform(30, 210, (cells, cells, 3)).astype(np.uint8)
    picture = Image.fromarray(small).resize(shape, Image.Resampling.BICUBIC)
    draw = ImageDraw.Draw(picture)
    for _ in range(12):
        x, y = _int(rng, 0, shape[0]), _int(rng, 0, shape[1])
        draw.line(
            (x, y, x + _int(rng, -40, 40), y + _int(rng, -40, 40)),
            fill=tuple(rng.integers(0, 255, 3).tolist()),
            width=2,
        )
    return picture


def _form(rng: np.random.Generator, label: int) -> Image.Image:
    page = Image.new("L", (120, 160), 246)
    draw = ImageDraw.Draw(page)
    draw.rectangle((6, 6, 114, 20), outline=60, width=2)
    draw.text((10, 7), "REQUEST 17", fill=40)
    draw.rectangle((90, 130, 104, 144), outline=30, width=2)
    if label:
        draw.line((92, 137, 96, 142, 103, 131), fill=20, width=2)
    for y in range(34, 146, 13):
        draw.line((8, y, 112, y), fill=130)
        draw.text((8, y - 10), "name", fill=110)
        for x in range(42, 42 + 7 * _int(rng, 2, 7), 7):
            draw.line((x, y - _int(rng, 2, 8), x + 4, y - _int(rng, 2, 8)), fill=60)
    return _finished(
        page.rotate(rng.normal(0, 0.6), fillcolor=246).filter(ImageFilter.GaussianBlur(0.5)), rng, 3
    )


def _card(rng: np.random.Generator, label: int) -> Image.Image:
    page = Image.new("RGB", (160, 100), (205, 222, 236))
    draw = ImageDraw.Draw(page)
    draw.rectangle((0, 0, 160, 18), fill=(40, 70, 130) if label else (46, 66, 120))
    draw.text((8, 4), "IDENTITY CARD", fill=(255, 255, 255))
    skin = _int(rng, 90, 220)
    draw.rectangle((8, 28, 50, 88), fill=(170, 180, 190))
    draw.ellipse((18, 36 + _int(rng, -2, 3), 40, 66), fill=(skin, skin - 30, skin - 50))
    draw.rectangle((14, 68, 44, 88), fill=tuple(rng.integers(0, 255, 3).tolist()))
    for y in (30, 46, 62, 78):
        draw.text((60, y), "".join(chr(65 + c) for c in rng.integers(0, 26, 9)), fill=(20, 20, 40))
    return _finished(page.rotate(rng.normal(0, 0.4), fillcolor=(205, 222, 236)), rng, 3)


def _seen(
    seed: int,
    noise: float,
    what: Callable[[ImageDraw.ImageDraw, np.random.Generator, int], None],
    cells: int = 14,
) -> Draw:
    background = _background(seed, (144, 108), cells)

    def draw(rng: np.random.Generator, label: int) -> Image.Image:
        picture = background.copy()
        what(ImageDraw.Draw(picture), rng, label)
        return _finished(picture, rng, noise)

    return draw


def _animal(draw: ImageDraw.ImageDraw, rng: np.random.Generator, label: int) -> None:
    if label:
        x, y = _int(rng, 10, 120), _int(rng, 10, 90)
        draw.ellipse((x, y, x + 18, y + 11), fill=(90, 60, 30))


def _part(draw: ImageDraw.ImageDraw, rng: np.random.Generator, label: int) -> None:
    x, y = _int(rng, 40, 60), _int(rng, 30, 44)
    draw.ellipse((x, y, x + 44, y + 44), fill=(180, 182, 186), outline=(60, 60, 60))
    if label:
        a, b = x + _int(rng, 8, 30), y + _int(rng, 8, 30)
        draw.line((a, b, a + 7, b + 4), fill=(40, 40, 40), width=2)


def _clouds(draw: ImageDraw.ImageDraw, rng: np.random.Generator, label: int) -> None:
    for _ in range(3 + 3 * label):
        x, y = _int(rng, 0, 140), _int(rng, 0, 34)
        draw.ellipse((x, y, x + 26, y + 9), fill=(225, 228, 232))


def _night(rng: np.random.Generator, label: int) -> Image.Image:
    pixels = np.asarray(_background(9, (144, 108)).convert("L"), dtype=np.float64) * 0.25 + 12
    if label:
        x, y = _int(rng, 10, 120), _int(rng, 10, 90)
        pixels[y : y + 4, x : x + 3] = pixels[y : y + 4, x + 8 : x + 11] = 230
    return _finished(Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)), rng, 5)


def _cells(rng: np.random.Generator, label: int) -> Image.Image:
    picture = Image.new("RGB", (128, 128), (226, 205, 216))
    draw = ImageDraw.Draw(picture)
    for _ in range(26):
        x, y, r = _int(rng, 0, 128), _int(rng, 0, 128), _int(rng, 4, 8) + 3 * label
        draw.ellipse((x - r, y - r, x + r, y + r), fill=(170, 110, 160), outline=(110, 50, 110))
    return _finished(picture, rng, 3)


def _digit(rng: np.random.Generator, label: int) -> Image.Image:
    page = Image.new("L", (96, 96), 244)
    x, y = _int(rng, 30, 42), _int(rng, 24, 34)
    points = [
        (x + dx + _int(rng, -3, 4), y + dy + _int(rng, -3, 4))
        for dx, dy in ([(8, 0), (8, 20), (8, 40)] if label else [(0, 0), (20, 0), (8, 40)])
    ]
    ImageDraw.Draw(page).line(points, fill=30, width=4)
    return _finished(page.filter(ImageFilter.GaussianBlur(0.7)), rng, 3)


SCENES: Mapping[str, Draw] = {
    "forms": _form,
    "identity cards": _card,
    "fixed camera": _seen(3, 4, _animal),
    "fixed camera, smooth": _seen(5, 3, _animal, 6),
    "parts on a conveyor": _seen(4, 3, _part),
    "time lapse": _seen(6, 3, _clouds),
    "night camera": _night,
    "microscope": _cells,
    "digits on paper": _digit,
}
"""Different pictures of one scene: (rng, label 0 or 1) to a picture with its own light and noise."""


def scene_pictures(draw: Draw, count: int, seed: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """(uint8 (count, H, W, 3), labels 0 and 1 in turn)."""
    labels = np.arange(count) % 2
    return np.stack(
        [np.asarray(draw(np.random.default_rng([seed, row]), int(labels[row]))) for row in range(count)]
    ), labels
