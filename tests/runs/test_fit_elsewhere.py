"""Who fits a classifier can be handed in: a cluster, or here something that counts."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from lightfast.base.errors import SettingsError
from lightfast.data.export import save_npz
from lightfast.runs.fit import fit_classifier, prepare_job
from lightfast.runs.options import RunOptions
from lightfast.train.fit import fit
from lightfast.train.recipe import Recipe


def test_what_is_handed_in_fits_and_the_choice_of_a_model_is_refused(blobs, tmp_path: Path):
    asked = []

    def counted(*sides: Any, **how: Any) -> Any:
        asked.append((how["model"], len(sides)))
        return fit(*sides, **how)

    source = save_npz(tmp_path / "blobs.npz", blobs)
    options = RunOptions(out=tmp_path / "run", device="cpu", fit=counted)
    job = prepare_job(str(source), options, model="mlp", recipe=Recipe.of(epochs=1))
    assert fit_classifier(job, options, tmp_path / "run").model == "mlp"
    assert asked == [("mlp", 2)]
    with pytest.raises(SettingsError, match="model auto measures how fast one machine is"):
        fit_classifier(dataclasses.replace(job, model="auto"), options, tmp_path / "run")
