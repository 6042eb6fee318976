"""Near duplicates: what must be found, what must not be joined."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from scipy.fft import dctn
from scipy.ndimage import gaussian_filter

from lightfast.base.progress import silent
from lightfast.data.dataset import LoadedData
from lightfast.data.duplicates import hashes as near_hash
from lightfast.data.duplicates import looks
from lightfast.data.duplicates.hashes import DISTANCE, candidates
from lightfast.data.duplicates.registration import compare_registered, thumbnails
from lightfast.data.duplicates.search import (
    NearDuplicates,
    find_near_duplicates,
    near_duplicates,
    near_duplicates_json,
    with_near_groups,
)
from lightfast.data.images import ImageSet
from lightfast.data.ingest import load_splits
from lightfast.data.splits import split_loaded

COUNT, LARGE = 12, 120
WHOLE = (0.0, 0.0, 0.0, 0.0), (0.0, 0.0, 0.0, 0.0)


def scene(seed: int, side: int = LARGE) -> Image.Image:
    """Clouds of colour at several scales with a few sharp shapes: a stand-in for a photograph."""
    rng = np.random.default_rng(seed)
    pixels = sum(
        gaussian_filter(rng.normal(size=(side, side, 3)), (width, width, 0)) * width**1.3
        for width in (1.5, 4, 12)
    )
    pixels = 128 + 45 * (pixels - np.mean(pixels)) / np.std(pixels)
    picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(picture)
    for _ in range(14):
        x, y, width, height = rng.integers(6, 2 * side // 3, 4).tolist()
        draw.ellipse((x, y, x + width // 2, y + height // 2), fill=tuple(rng.integers(0, 256, 3).tolist()))
    return picture


def array(pictures: list[Image.Image], side: int = 96) -> NDArray[np.uint8]:
    return np.stack(
        [np.asarray(picture.resize((side, side), Image.Resampling.BILINEAR)) for picture in pictures]
    )


def compressed(picture: Image.Image, quality: int = 40) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


def halved(picture: Image.Image) -> Image.Image:
    return picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.BILINEAR).resize(
        picture.size
    )


def toned(picture: Image.Image) -> Image.Image:
    return ImageEnhance.Contrast(ImageEnhance.Brightness(picture).enhance(1.12)).enhance(0.9)


def tinted(picture: Image.Image) -> Image.Image:
    return Image.fromarray(np.clip(np.asarray(picture) * np.array([1.08, 1.0, 0.9]), 0, 255).astype(np.uint8))


def cropped(
    picture: Image.Image, left: float = 0.05, top: float = 0.05, right: float = 0.05, bottom: float = 0.05
) -> Image.Image:
    wide, high = picture.size
    return picture.crop(
        (round(left * wide), round(top * high), wide - round(right * wide), high - round(bottom * high))
    )


def marked(picture: Image.Image) -> Image.Image:
    picture = picture.copy()
    ImageDraw.Draw(picture).rectangle((88, 104, 112, 112), fill=(255, 255, 255))
    return picture


ALTERED = {
    "compressed": compressed,
    "halved": halved,
    "toned": toned,
    "tinted": tinted,
    "cropped": cropped,
    "cropped at one corner": lambda picture: cropped(picture, 0.04, 0.05, 0, 0),
    "moved": lambda picture: cropped(picture, 2 / LARGE, 0, 0, 0),
    "marked": marked,
    "framed": lambda picture: ImageOps.expand(cropped(picture, 0.02, 0.02, 0.02, 0.02), 2, (0, 0, 0)),
    "framed broadly": lambda picture: ImageOps.expand(picture, 12, (240, 240, 240)),
    "letterboxed": lambda picture: ImageOps.pad(picture, (LARGE, round(1.3 * LARGE)), color=(0, 0, 0)),
    "stretched and cut square": lambda picture: cropped(picture, 0.1, 0, 0.1, 0),
    "grey": lambda picture: picture.convert("L").convert("RGB"),
    "sepia": lambda picture: ImageOps.colorize(picture.convert("L"), (30, 15, 0), (255, 240, 200)),
    "mirrored": ImageOps.mirror,
    "turned by 90°": lambda picture: compressed(picture.transpose(Image.Transpose.ROTATE_90)),
    "turned by 180°": lambda picture: picture.transpose(Image.Transpose.ROTATE_180),
    "turned by 270°": lambda picture: picture.transpose(Image.Transpose.ROTATE_270),
    "mirrored and turned": lambda picture: ImageOps.mirror(picture).transpose(Image.Transpose.ROTATE_90),
    "cropped and compressed": lambda picture: compressed(cropped(picture, 0.02, 0.04, 0.03, 0.01), 50),
}
SEEN = {
    "mirrored": (True, 0),
    "turned by 90°": (False, 1),
    "turned by 180°": (False, 2),
    "turned by 270°": (False, 3),
    "mirrored and turned": (True, 1),
}


@pytest.fixture(scope="module")
def scenes() -> list[Image.Image]:
    return [scene(seed) for seed in range(COUNT)]


@pytest.mark.parametrize("how", ALTERED)
def test_an_altered_copy_is_found_and_nothing_else(scenes: list[Image.Image], how: str) -> None:
    images = np.concatenate([array(scenes), array([ALTERED[how](picture) for picture in scenes])])
    found = near_duplicates([ImageSet(images)])
    assert found.groups == tuple((row, row + COUNT) for row in range(COUNT))
    assert {(pair.mirrored, pair.turns) for pair in found.pairs} == {SEEN.get(how, (False, 0))}


def test_different_pictures_are_not_joined(scenes: list[Image.Image]) -> None:
    assert near_duplicates([ImageSet(array(scenes))]).groups == ()


def test_a_chain_of_copies_is_one_group_whose_exact_copies_are_members(scenes: list[Image.Image]) -> None:
    first = scenes[0]
    images = array([first, scenes[1], compressed(first), first, toned(compressed(first)), scenes[1]])
    found = near_duplicates([ImageSet(images[:3]), ImageSet(images[3:])])
    assert found.groups == ((0, 2, 3, 4),)
    assert found.numbers(6).tolist() == [0, 1, 0, 0, 0, 5]


def test_plain_pictures_are_not_joined() -> None:
    rng = np.random.default_rng(0)
    plain = np.stack(
        [np.clip(rng.normal(level, 1, (96, 96, 3)), 0, 255) for level in range(180, 250, 5)]
    ).astype(np.uint8)
    assert near_duplicates([ImageSet(plain)]).groups == ()


def test_drawings_on_white_are_not_joined() -> None:
    drawings = []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        drawing = Image.new("L", (96, 96), 255)
        ImageDraw.Draw(drawing).line(
            [tuple(point) for point in rng.integers(20, 76, (5, 2)).tolist()], fill=0, width=3
        )
        drawings.append(np.asarray(drawing))
    assert near_duplicates([ImageSet(np.stack(drawings))]).groups == ()


def test_the_same_shape_in_another_colour_is_another_picture(scenes: list[Image.Image]) -> None:
    red, green, blue = scenes[0].split()
    assert (
        near_duplicates([ImageSet(array([scenes[0], Image.merge("RGB", (blue, red, green))]))]).groups == ()
    )


@pytest.mark.parametrize(
    ("vectors", "groups"), [(([3.0, 4.0], [30.0, 40.0]), ((0, 1),)), (([1.0, 0.0], [1.0, 1.0]), ())]
)
def test_an_embedding_decides_doubtful_pairs(
    scenes: list[Image.Image], vectors: tuple[list[float], ...], groups: tuple[object, ...]
) -> None:
    # The same shapes with their colours partly exchanged: that alone leaves it open.
    red, green, blue = scenes[0].split()
    images = array([scenes[0], Image.blend(scenes[0], Image.merge("RGB", (blue, red, green)), 0.2)])
    answers = iter(vectors)
    assert near_duplicates([ImageSet(images)]).groups == ()
    found = near_duplicates(
        [ImageSet(images)], lambda some: np.array([next(answers)] * len(some), dtype=np.float32)
    )
    assert found.groups == groups
    assert [(pair.embedded, round(pair.similarity, 6)) for pair in found.pairs] == [(True, 1.0)] * len(groups)


def test_hashes_are_the_lowest_cosine_frequencies_signs_and_all_close_pairs_of_few_pictures_are_proposed():
    # Slow reference: scipy's DCT of the thumbnails, its 64 lowest frequencies from the shrunken mean, every
    # pair compared.
    pictures = [scene(seed) for seed in range(8)]
    thumbs = thumbnails(array([*pictures, *map(compressed, pictures)]))
    order = sorted(
        ((row, column) for row in range(9) for column in range(9) if row + column),
        key=lambda one: (sum(one), one),
    )[:64]
    values = []
    for thumb in thumbs.astype(np.float64):
        found = np.asarray(dctn(thumb - thumb.mean(), type=2))
        unit = np.array([found[one] for one in order])
        values.append(unit / np.linalg.norm(unit))
    bits = np.array(values) - np.sum(values, axis=0) / (len(values) + 200) > 0
    distance = (bits[:, None] != bits[None]).sum(axis=2)
    expected = {
        (a, b): int(distance[a, b]) for a in range(16) for b in range(a) if distance[a, b] <= DISTANCE // 2
    }
    found = candidates(thumbs, silent)
    rows = zip(found.first.tolist(), found.second.tolist(), found.distance.tolist(), strict=True)
    proposed = {(max(a, b), min(a, b)): d for a, b, d in rows}
    assert len(expected) >= 8
    assert all(proposed.get(pair, 99) <= known for pair, known in expected.items())


def test_a_picture_with_a_third_painted_over_is_not_sure(scenes: list[Image.Image]) -> None:
    painted = scenes[0].copy()
    ImageDraw.Draw(painted).rectangle((20, 20, 80, 80), fill=(120, 120, 120))
    first, second = array([scenes[0], painted])
    assert not compare_registered(first, second, WHOLE).sure
    assert compare_registered(first, first, WHOLE).sure


def test_many_copies_of_one_picture_end_in_one_group(
    scenes: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    # More than a crowded bucket compares.
    monkeypatch.setattr(near_hash, "_CROWD", 8)
    base = array([scenes[0]], 64)[0].astype(np.int16)
    rng = np.random.default_rng(1)
    images = np.stack([np.clip(base + rng.normal(0, 2, base.shape), 0, 255) for _ in range(40)]).astype(
        np.uint8
    )
    assert near_duplicates([ImageSet(images)]).groups == (tuple(range(40)),)


def test_rows_are_numbered_over_all_parts_and_near_duplicates_of_test_leave_train(
    scenes: list[Image.Image],
) -> None:
    train = ImageSet(
        array(scenes), ("a", "b"), np.arange(COUNT) % 2, tuple(f"train/{row}.jpg" for row in range(COUNT))
    )
    test = ImageSet(array([compressed(scenes[3])]), ("a", "b"), np.array([1]), ("test/0.jpg",))
    loaded, found = with_near_groups(LoadedData(train=train, test=test, sizes={"96x96": COUNT + 1}))
    assert near_duplicates_json(loaded, found)["groups"] == [["train/3.jpg", "test/0.jpg"]]
    assert loaded.test is not None
    assert loaded.test.groups is not None
    assert loaded.test.groups.tolist() == [3]
    parts = split_loaded(loaded, val=0.2)
    assert "train/3.jpg" not in (*parts.train.ids, *parts.val.ids)
    assert parts.notes == (
        "1 training pictures that are also in the test part were left out (near duplicates counted)",
    )
    assert json.loads(json.dumps(near_duplicates_json(loaded, found)))["pairs"][0]["ids"] == [
        "train/3.jpg",
        "test/0.jpg",
    ]


def test_without_near_duplicates_the_data_come_back_as_they_are(scenes: list[Image.Image]) -> None:
    loaded = LoadedData(
        train=ImageSet(array(scenes), ids=tuple(f"{row}.jpg" for row in range(COUNT))), sizes={"96x96": COUNT}
    )
    assert with_near_groups(loaded) == (loaded, NearDuplicates())


@pytest.mark.parametrize(
    ("ids", "side", "why"),
    [((), 64, "not come from picture files"), (("a.jpg", "b.jpg"), 28, "28x28 are too small")],
)
def test_digits_and_tiny_pictures_are_not_searched(ids: tuple[str, ...], side: int, why: str) -> None:
    loaded = LoadedData(
        train=ImageSet(np.zeros((2, side, side), dtype=np.uint8), ids=ids), sizes={f"{side}x{side}": 2}
    )
    assert why in find_near_duplicates(loaded).not_searched


def test_a_folder_is_searched(tmp_path: Path, scenes: list[Image.Image]) -> None:
    for name, pictures in (("cat", scenes[:2]), ("dog", [scenes[2], compressed(scenes[0])])):
        (tmp_path / name).mkdir()
        for row, picture in enumerate(pictures):
            picture.save(tmp_path / name / f"{row}.png")
    loaded, found = with_near_groups(load_splits(tmp_path))
    assert near_duplicates_json(loaded, found)["groups"] == [["cat/0.png", "dog/1.png"]]


def test_pictures_may_be_mapped_from_a_file(tmp_path: Path, scenes: list[Image.Image]) -> None:
    np.save(tmp_path / "all.npy", array([scenes[0], scenes[1], compressed(scenes[0])]))
    assert near_duplicates([ImageSet(np.load(tmp_path / "all.npy", mmap_mode="r"))]).groups == ((0, 2),)


def test_the_thumbnails_of_many_pictures_are_kept_on_the_disk(
    scenes: list[Image.Image], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "_IN_MEMORY", 2)
    monkeypatch.setattr(looks, "_CHUNK", 2)
    parts = [ImageSet(array(scenes[:3])), ImageSet(array([compressed(scenes[1]), scenes[4]]))]
    assert near_duplicates(parts).groups == ((1, 3),)


def test_no_or_one_picture_has_no_near_duplicates() -> None:
    assert near_duplicates([ImageSet(np.zeros((0, 64, 64, 3), dtype=np.uint8))]).groups == ()
    assert near_duplicates([ImageSet(np.zeros((1, 64, 64, 3), dtype=np.uint8))]).groups == ()
