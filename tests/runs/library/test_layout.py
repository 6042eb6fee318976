"""Groups and maps of a library as jobs: one order brings the groups, a draft of the map, and the map."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lightfast.base.progress import silent
from lightfast.curate.maps import MapMethod, make_map
from lightfast.library.layout_file import load_layout
from lightfast.library.library import Library, create_library
from lightfast.runs.library import layout as library_layout
from lightfast.runs.library.kinds import JOB_KINDS


@pytest.fixture
def library(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    """Forty pictures whose features are drawn by lot."""
    vectors = np.random.default_rng(0).normal(size=(40, 8)).astype(np.float32)
    found = ("drawn", np.arange(1, 41), vectors)
    monkeypatch.setattr(library_layout, "pictures_with_features", lambda *_: found)
    made = create_library(tmp_path / "library")
    yield made
    made.close()


@pytest.mark.parametrize(("kind", "wanted"), [("clusters", {"lay_out": True}), ("map", {"draft": True})])
def test_a_draft_is_kept_until_the_map_is_made(
    library: Library, monkeypatch: pytest.MonkeyPatch, kind: str, wanted: dict[str, bool]
):
    kept: list[str] = []

    def noted(vectors: np.ndarray, *, method: MapMethod, **options: Any) -> Any:
        if method == "tsne":
            kept.append(load_layout(library, "map").facts["method"])
        return make_map(vectors, method=method, **options)

    monkeypatch.setattr(library_layout, "make_map", noted)
    known = JOB_KINDS.get(kind)
    known.work(library, known.arguments(**wanted), silent, None)
    assert kept == ["pca"]
    assert load_layout(library, "map").facts["method"] == "tsne"
