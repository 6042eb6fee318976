"""Run folders of the easy blobs."""

from __future__ import annotations

from pathlib import Path

import pytest
from fixtures.databases import database, library, postgres_server
from fixtures.runs import blob_file, predict_run, run, trained_run

__all__ = ["blob_file", "database", "library", "postgres_server", "predict_run", "run", "trained_run"]


@pytest.fixture(scope="module")
def refused(run: Path, blob_file: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unbent run is right on every validation picture: nothing can be shown to help."""
    from lightfast.runs.enhance.enhance import enhance_run
    from lightfast.runs.enhance.options import EnhanceOptions
    from lightfast.runs.options import RunOptions

    folder = tmp_path_factory.mktemp("enhanced") / "refused"
    enhance_options = EnhanceOptions(
        strengths=(0.1,), settings=("epochs=1", "enhancer.width=2", "enhancer.depth=1"), degrade="none"
    )
    assert not enhance_run(
        str(run), blob_file, RunOptions(out=folder), enhance_options=enhance_options
    ).accepted
    return folder
