"""Pictures of one scene are other pictures; a copy among them is a copy; the work is bounded."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFilter

from lightfast.data.duplicates import closer
from lightfast.data.duplicates.search import NearDuplicates, near_duplicates
from lightfast.data.images import ImageSet

COUNT = 20


def compressed(pixels: NDArray[np.generic], quality: int) -> NDArray[np.uint8]:
    buffer = io.BytesIO()
    Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8)).convert("RGB").save(
        buffer, "JPEG", quality=quality
    )
    return np.asarray(Image.open(buffer))


def photographed(picture: Image.Image, rng: np.random.Generator, quality: int = 75) -> NDArray[np.uint8]:
    """With light and noise of its own."""
    pixels = np.asarray(picture.convert("RGB"), dtype=np.float64)
    return compressed(pixels * rng.uniform(0.93, 1.03) + rng.normal(0, 3, pixels.shape), quality)


def form(rng: np.random.Generator, label: int) -> NDArray[np.uint8]:
    page = Image.new("L", (112, 154), 245)
    draw = ImageDraw.Draw(page)
    draw.rectangle((6, 6, 106, 20), outline=60, width=2)
    for y in range(32, 140, 13):
        draw.line((8, y, 104, y), fill=130)
        draw.text((8, y - 10), "field", fill=110)
        for x in range(42, 42 + 7 * int(rng.integers(2, 8)), 7):
            up, down = rng.integers(2, 7, 2).tolist()
            draw.line((x, y - up, x + 4, y - down), fill=60)
    if label:
        draw.line((86, 131, 97, 126), fill=20, width=2)
    return photographed(
        page.rotate(rng.normal(0, 0.6), fillcolor=245).filter(ImageFilter.GaussianBlur(0.5)), rng
    )


def background() -> Image.Image:
    colours = np.random.default_rng(3).uniform(40, 200, (12, 16, 3)).astype(np.uint8)
    return Image.fromarray(colours).resize((96, 72), Image.Resampling.BICUBIC)


def camera(rng: np.random.Generator, label: int) -> NDArray[np.uint8]:
    seen = background()
    if label:
        x, y = rng.integers(4, (76, 58)).tolist()
        ImageDraw.Draw(seen).ellipse((x, y, x + 16, y + 10), fill=(90, 60, 30))
    return photographed(seen, rng)


def part(rng: np.random.Generator, label: int) -> NDArray[np.uint8]:
    seen = background()
    draw, x, y = ImageDraw.Draw(seen), int(rng.integers(24, 40)), int(rng.integers(14, 24))
    draw.ellipse((x, y, x + 34, y + 34), fill=(180, 182, 186), outline=(60, 60, 60))
    if label:
        draw.line((x + 10, y + 12, x + 20, y + 17), fill=(40, 40, 40), width=2)
    return photographed(seen, rng)


Draw = Callable[[np.random.Generator, int], NDArray[np.uint8]]


def pictures(draw: Draw, count: int = COUNT) -> NDArray[np.uint8]:
    return np.stack([draw(np.random.default_rng([7, row]), row % 2) for row in range(count)])


def search(images: NDArray[np.uint8], labels: NDArray[np.int64] | None = None) -> NearDuplicates:
    labels = np.arange(len(images)) % 2 if labels is None else labels
    return near_duplicates([ImageSet(images, ("no", "yes"), labels)])


@pytest.mark.parametrize("draw", [form, camera, part])
def test_pictures_of_one_scene_are_kept_apart_and_said(draw: Draw):
    found = search(pictures(draw))
    # Where two animals, two parts happen to lie at one place there is nothing to tell the pictures apart by.
    assert all(len({row % 2 for row in group}) == 1 for group in found.groups)
    assert sum(map(len, found.groups)) < COUNT / 2
    assert draw is not form or found.groups == ()
    assert sum(map(len, found.series)) >= COUNT - 2
    assert "as pictures of one scene" in found.notes[0]


@pytest.mark.parametrize("draw", [form, part])
def test_a_copy_among_pictures_of_one_scene_is_found(draw: Draw):
    images = pictures(draw)
    copy = compressed(images[4].astype(np.float64), 50)
    found = search(np.concatenate([images, copy[None]]), np.append(np.arange(COUNT) % 2, 1))
    group = next(group for group in found.groups if COUNT in group)
    assert 4 in group
    assert len(group) <= 3


def test_many_copies_of_one_picture_are_one_group_also_with_a_wrong_label():
    picture = pictures(part, 1)[0].astype(np.float64)
    images = np.stack([compressed(picture, quality) for quality in range(40, 80, 4)])
    labels = np.zeros(len(images), dtype=np.int64)
    labels[3] = 1
    assert search(images, labels).groups == (tuple(range(len(images))),)


@pytest.mark.parametrize(("labels", "groups"), [((0, 0), ((0, 1),)), ((0, 1), ())])
def test_two_pictures_that_differ_at_one_place_are_copies_under_one_label_only(
    labels: tuple[int, int], groups: tuple[object, ...]
):
    empty, animal = (camera(np.random.default_rng(number), number) for number in (0, 1))
    found = search(np.stack([empty, animal]), np.array(labels))
    assert found.groups == groups
    assert found.apart == (() if groups else ((0, 1),))
    assert ["differ at one place" in note for note in found.notes] == ([] if groups else [True])


def test_the_same_picture_under_two_labels_is_one_group():
    image = camera(np.random.default_rng(0), 1)
    found = search(np.stack([image, compressed(image.astype(np.float64), 60)]), np.array([0, 1]))
    assert found.groups == ((0, 1),)


def test_the_work_grows_with_the_pictures_and_a_cut_search_says_so(monkeypatch: pytest.MonkeyPatch):
    looked: list[int] = []
    compare = closer.compare_registered

    def counted(*given: object):
        looked.append(1)
        return compare(*given)  # pyright: ignore[reportArgumentType]

    monkeypatch.setattr(closer, "compare_registered", counted)
    found = search(pictures(camera, 60))
    assert len(looked) <= closer.MOST_LOOKS * 60
    assert found.cut > 0
    assert any(f"{found.cut:,} pictures have so many look-alikes" in note for note in found.notes)
