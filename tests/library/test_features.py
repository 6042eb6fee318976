"""Features of a library's pictures: each once, counted only when on the disk, found again by asset."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from sqlalchemy import select, update

from lightfast.base.errors import DataError
from lightfast.curate.embed import Embedder
from lightfast.library import feature_files
from lightfast.library.add import add_pictures
from lightfast.library.embed import EmbedResult, embed_assets
from lightfast.library.feature_files import (
    CLASSES_KEPT,
    FeatureFormat,
    FeatureRows,
    append_features,
    open_features,
    sources_of,
)
from lightfast.library.library import Library
from lightfast.library.schema import assets

_FORMAT = FeatureFormat("means", 4, (8, 8), 1)


class Means:
    """Four brightnesses of a picture as its features; counts what it computed."""

    def __init__(self) -> None:
        self.seen = 0

    def __call__(self, images: np.ndarray) -> np.ndarray:
        self.seen += len(images)
        rows = images.reshape(len(images), 4, -1).mean(axis=2)
        return rows.astype(np.float32)


def _probs(vectors: np.ndarray) -> np.ndarray:
    """Twice as many classes as are kept; the brighter the picture, the higher the first."""
    others = 2 * CLASSES_KEPT - 1
    rest = (1 - vectors[:, :1] / 256) / others
    return np.concatenate([vectors[:, :1] / 256, np.repeat(rest, others, axis=1)], axis=1)


@pytest.fixture
def pictures(library: Library, tmp_path: Path) -> Path:
    """Five pictures of brightness 0, 40 … 160; the last twice as other bytes."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(5):
        Image.fromarray(np.full((8, 8), 40 * number, np.uint8)).save(folder / f"{number}.png")
    Image.fromarray(np.full((8, 8), 160, np.uint8)).save(folder / "4 again.bmp")
    add_pictures(library, [str(folder)])
    return folder


def _embed(library: Library, compute: Means) -> EmbedResult:
    return embed_assets(library, Embedder("means", compute), _FORMAT, class_probs=_probs)


def _read(library: Library) -> dict[int, float]:
    """asset → its first feature."""
    with library.store.read() as connection:
        known = open_features(library, connection, "means")
        ids = connection.execute(select(assets.c.id)).scalars().all()
    found, vectors = known.read(ids)
    return dict(zip(found.tolist(), vectors[:, 0].tolist(), strict=True))


def test_every_picture_has_its_features_and_the_same_pixels_are_computed_once(library, pictures):
    compute = Means()
    said = _embed(library, compute)
    assert (said.embedded, said.computed, compute.seen) == (6, 5, 5)
    assert sorted(_read(library).values()) == [0, 40, 80, 120, 160, 160]
    assert sources_of(library) == ("means",)


def test_new_pictures_alone_are_computed_and_copies_of_old_ones_are_not(library, pictures):
    _embed(library, Means())
    Image.fromarray(np.full((8, 8), 255, np.uint8)).save(pictures / "new.png")
    Image.fromarray(np.full((8, 8), 80, np.uint8)).save(pictures / "2 again.bmp")
    add_pictures(library, [str(pictures)])
    compute = Means()
    assert _embed(library, compute) == EmbedResult("means", embedded=2, computed=1)
    assert sorted(_read(library).values())[-1] == 255
    assert _embed(library, compute) == EmbedResult("means")
    assert compute.seen == 1


def test_the_ten_most_probable_classes_are_kept_beside(library, pictures):
    _embed(library, Means())
    with library.store.read() as connection:
        known = open_features(library, connection, "means")
    bright = np.asarray(known.vectors[:, 0]) > 100
    assert known.classes.shape == (6, CLASSES_KEPT)
    assert (known.classes[bright, 0] == 0).all()
    np.testing.assert_allclose(known.class_probs[bright, 0], known.vectors[bright, 0] / 256, rtol=1e-3)


def test_a_job_killed_before_its_rows_are_counted_leaves_nothing_that_is_read(library, pictures, monkeypatch):
    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(feature_files, "_count", killed)
        with pytest.raises(KeyboardInterrupt):
            _embed(library, Means())
    with library.store.read() as connection, pytest.raises(DataError, match="no features by means"):
        open_features(library, connection, "means")
    assert _embed(library, Means()).embedded == 6
    assert sorted(_read(library).values()) == [0, 40, 80, 120, 160, 160]
    assert (library.features / "means" / "assets.i64").stat().st_size == 6 * 8


def test_files_that_lost_their_end_are_refused_and_made_whole(library, pictures):
    _embed(library, Means())
    path = library.features / "means" / "vectors.f16"
    with path.open("r+b") as stream:
        stream.truncate(3 * 8 + 5)
    with pytest.raises(DataError, match="shorter than the database says"):
        _read(library)
    assert _embed(library, Means()).embedded == 3
    assert sorted(_read(library).values()) == [0, 40, 80, 120, 160, 160]


def test_what_cannot_be_seen_has_no_features(library, pictures):
    (pictures / "1.png").unlink()
    (pictures / "broken.jpg").write_bytes(b"no picture")
    add_pictures(library, [str(pictures)])
    with library.store.write() as connection:
        connection.execute(update(assets).where(assets.c.id == 1).values(deleted_at=assets.c.added_at))
    said = _embed(library, Means())
    assert said.lost == 1
    assert said.embedded == 4


def test_rows_are_found_in_whatever_order_pictures_came(library, pictures):
    vectors = np.arange(12, dtype=np.float32).reshape(3, 4)
    other = replace(_FORMAT, source="other")
    assert append_features(library, other, FeatureRows([5, 2, 4], vectors)) == 3
    assert append_features(library, other, FeatureRows([4, 1], vectors[1:] + 9)) == 1
    with library.store.read() as connection:
        known = open_features(library, connection, "other")
    assert known.rows_of([1, 2, 3, 4, 5]).tolist() == [3, 1, -1, 2, 0]
    assert known.read([4, 3, 1])[0].tolist() == [4, 1]
    assert known.read([4, 3, 1])[1][:, 0].tolist() == [8, 17]


def test_features_of_another_width_and_beyond_half_precision_are_refused(library, pictures):
    plain = replace(_FORMAT, source="plain")
    append_features(library, plain, FeatureRows([1], np.ones((1, 4), np.float32)))
    rows = FeatureRows([2], np.ones((1, 3), np.float32))
    with pytest.raises(DataError, match="were made otherwise"):
        append_features(library, replace(plain, width=3), rows)
    with pytest.raises(DataError, match="half precision"):
        append_features(library, plain, FeatureRows([2], np.full((1, 4), 1e6)))
