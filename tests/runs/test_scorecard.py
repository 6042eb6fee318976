"""The scorecard of a run: files in, figures and a page out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from lightfast.base.errors import DataError, SettingsError, UnknownName
from lightfast.base.plain import as_json
from lightfast.cli.scorecard import parse_prices
from lightfast.cli.text.scorecard import scorecard_lines
from lightfast.data.images import ImageSet
from lightfast.pages.scorecard import ScorecardResult
from lightfast.runs.options import RunOptions
from lightfast.runs.scorecard import Prices, load_synonyms, scorecard_run

WORDS = {"left": "links", "middle": "Middle", "right": "rechts"}


@pytest.fixture(scope="module")
def fresh_blobs(blobs: ImageSet, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ImageSet]:
    """Pictures that the run has not seen: the blobs, a little brighter."""
    from lightfast.data.export import save_npz

    images = blobs.take(range(30)).derived(blobs.images[:30] // 2 + 90, step={"verb": "brighter"})
    return str(save_npz(tmp_path_factory.mktemp("fresh") / "fresh.npz", images)), images


@pytest.fixture(scope="module")
def saved(fresh_blobs: tuple[str, ImageSet], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Responses of two services: one right about 20 of 25 pictures, one about all of 10;
    and a file that is no response.
    """
    images, folder = fresh_blobs[1], tmp_path_factory.mktemp("saved")
    truth = [images.class_names[label] for label in images.require_labels()]
    lines = []
    for row in range(25):
        said = WORDS[truth[row] if row >= 5 else truth[row + 1]]
        concepts = [{"name": "stripe", "value": 0.99}, {"name": said, "value": 0.7}]
        lines.append(
            json.dumps({"path": f"fresh/{row}", "response": {"outputs": [{"data": {"concepts": concepts}}]}})
        )
    (folder / "clarifai.jsonl").write_text("\n".join(lines), encoding="utf-8")
    for row in range(10):
        response = {"Labels": [{"Name": truth[row], "Confidence": 88.0}]}
        (folder / f"{row}.json").write_text(json.dumps(response), encoding="utf-8")
    (folder / "notes.json").write_text("{}", encoding="utf-8")
    (folder / "words.csv").write_text("label,class\nlinks,left\nrechts,right\n", encoding="utf-8")
    return folder


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("card")


@pytest.fixture(scope="module")
def result(run: Path, fresh_blobs: tuple[str, ImageSet], saved: Path, folder: Path) -> ScorecardResult:
    options = RunOptions(out=folder)
    return scorecard_run(
        str(run), fresh_blobs[0], saved, options, Prices({"clarifai": 1.2}, 0.5), saved / "words.csv"
    )


def test_services_are_scored_in_the_words_of_the_data(result: ScorecardResult) -> None:
    scores = {one.service.name: one.service for one in result.card.services}
    assert {name: (one.n, one.top1) for name, one in scores.items()} == {
        "aws": (10, 1.0),
        "clarifai": (25, 0.8),
    }


def test_what_was_left_aside_is_named(result: ScorecardResult) -> None:
    assert result.card.unmapped["clarifai"] == {"stripe": 25}
    assert len(result.card.missing["aws"]) == 20
    assert [one.path for one in result.unreadable] == ["notes.json"]


def test_costs_are_given_or_measured(result: ScorecardResult, run: Path) -> None:
    assert as_json(result.costs["clarifai"]) == {"seconds_per_1000": None, "price_per_1000": 1.2}
    assert result.costs["aws"].price_per_1000 is None
    ours = result.costs[run.name]
    assert ours.seconds_per_1000 > 0
    assert ours.price_per_1000 == pytest.approx(ours.seconds_per_1000 * 0.5 / 3600)


def test_metrics_and_page_are_written(result: ScorecardResult, folder: Path) -> None:
    metrics = json.loads((folder / "metrics.json").read_text(encoding="utf-8"))
    assert metrics == as_json(result)
    page = (folder / "report.html").read_text(encoding="utf-8")
    assert all(word in page for word in ("clarifai", "aws", "stripe", "kappa", "notes.json"))


def test_the_terminal_names_every_reader(result: ScorecardResult, run: Path) -> None:
    text = "\n".join(scorecard_lines(result))
    assert all(name in text for name in ("clarifai", "aws", run.name, "80.00 %"))


def test_a_price_for_a_service_without_responses_is_refused(
    run: Path, fresh_blobs: tuple[str, ImageSet], saved: Path
) -> None:
    with pytest.raises(UnknownName, match="azure"):
        scorecard_run(str(run), fresh_blobs[0], saved, RunOptions(), Prices({"azure": 1.0}))


@pytest.mark.parametrize("pair", ["clarifai", "=2", "clarifai=much", "clarifai=-1", "clarifai=nan"])
def test_prices_that_are_none(pair: str) -> None:
    with pytest.raises(SettingsError, match="--price"):
        parse_prices([pair])


def test_prices_are_read() -> None:
    assert parse_prices(["Clarifai=1.2", "aws=0"]) == Prices({"clarifai": 1.2, "aws": 0.0})


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", '{"hound": "dog", "cat": ["kitten"]}'),
        ("a.yaml", "hound: dog\ncat: [kitten]\n"),
        ("a.csv", "label,class\nhound,dog\nkitten,cat\n"),
    ],
)
def test_synonyms_in_three_kinds_of_file(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert load_synonyms(tmp_path / name) == {"hound": "dog", "kitten": "cat"}


@pytest.mark.parametrize(
    ("name", "text"), [("a.json", "[1]"), ("a.yaml", "a: [b"), ("a.csv", "a,b,c\n"), ("a.json", "{")]
)
def test_synonyms_that_cannot_be_read(tmp_path: Path, name: str, text: str) -> None:
    (tmp_path / name).write_text(text, encoding="utf-8")
    with pytest.raises(DataError):
        load_synonyms(tmp_path / name)


def test_responses_that_are_all_broken_are_named_with_the_reason(run, fresh_blobs, tmp_path):
    (tmp_path / "0.json").write_text('{"Labels": [')
    with pytest.raises(
        DataError, match=r"none of the 1 responses could be used, the first is 0\.json: not JSON"
    ):
        scorecard_run(str(run), fresh_blobs[0], tmp_path, RunOptions())


def test_an_answer_about_a_picture_that_the_run_has_seen_is_left_out_with_it(
    run, blobs, fresh_blobs, tmp_path
):
    fresh = fresh_blobs[1]
    images = np.concatenate([fresh.images[:10], blobs.images])
    labels = np.concatenate([fresh.require_labels()[:10], blobs.require_labels()])
    np.savez(tmp_path / "mixed.npz", images=images, labels=labels, class_names=np.array(blobs.class_names))
    (tmp_path / "saved").mkdir()
    for row, label in enumerate(labels):
        response = {"Labels": [{"Name": blobs.class_names[label], "Confidence": 88.0}]}
        (tmp_path / "saved" / f"{row}.json").write_text(json.dumps(response), encoding="utf-8")
    made = scorecard_run(str(run), str(tmp_path / "mixed.npz"), tmp_path / "saved", RunOptions())
    assert made.unreadable == ()
    assert made.card.services[0].service.n == made.n < len(images)
