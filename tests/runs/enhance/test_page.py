"""The colours of an enhancement's page: green is for an enhancer that passed its gate."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from lightfast.pages.enhance import write_enhance_page
from lightfast.runs.enhance.enhance import enhance_run
from lightfast.runs.enhance.options import EnhanceOptions
from lightfast.runs.options import RunOptions


def test_nothing_is_green_where_there_was_no_gate_to_pass_or_it_was_not_passed(
    refused: Path, run: Path, blob_file: str, tmp_path: Path
):
    options = EnhanceOptions(use=str(refused), gate="off")
    kept = enhance_run(str(run), blob_file, RunOptions(out=tmp_path / "kept"), enhance_options=options)
    page = (tmp_path / "kept" / "report.html").read_text()
    assert '<div class="card "><dt>gate: off</dt><dd class="value">kept</dd>' in page
    assert 'class="card good"' not in page
    helped = dataclasses.replace(kept.paired, difference=0.1, difference_interval=(0.05, 0.15))
    wrong = dataclasses.replace(kept, accepted=False, degraded=helped, suite="fog")
    page = write_enhance_page(tmp_path / "refused.html", wrong).read_text()
    assert '<dd class="value">refused</dd>' in page
    assert 'class="card good"' not in page
    assert 'class="card strong"' not in page
