"""What is said of a picture, and the three kinds of file it is written to."""

from __future__ import annotations

import csv
import dataclasses
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from lightfast.base.errors import SettingsError
from lightfast.data.taxonomy.taxonomy import Taxonomy
from lightfast.data.taxonomy.yaml_file import Label
from lightfast.evaluate.predictions import Predictions
from lightfast.tagging.card import ModelCard
from lightfast.tagging.rows import PredictionColumns, row_format, row_writer, rows_text

NAMES = ("cat", 'dog, "big"', "Käse 🧀")
CARD = ModelCard("cnn", (8, 8, 3), NAMES, seed=3)
PROBS = np.array([[0.2, 0.5, 0.3], [0.7, 0.1, 0.2]], dtype=np.float32)
TREE = Taxonomy(
    (
        Label("animal", None),
        Label("cat", "animal"),
        Label("dog", "animal"),
        Label("food", None),
        Label("cheese", "food"),
    )
)


def written(path: Path, card: ModelCard = CARD, top: int = 1) -> Path:
    sayings = PredictionColumns(card, top)
    with row_writer(path, row_format(path, None), sayings) as write:
        for row in range(len(PROBS)):
            write(
                {"id": [f"{row}"], "path": [f"in/{row}"], **sayings.columns(PROBS[row : row + 1])},
                PROBS[row : row + 1],
            )
    return path


def test_the_top_guesses_are_those_of_the_predictions_record():
    frame = Predictions(PROBS, NAMES, ("0", "1")).to_frame(3)
    for name, values in PredictionColumns(CARD, 5).columns(PROBS).items():
        assert values == frame[name].tolist()


def test_tags_are_the_classes_at_or_above_their_thresholds_the_likeliest_first():
    card = dataclasses.replace(CARD, task="multi-label", thresholds=(0.2, 0.5, 0.9))
    columns = PredictionColumns(card).columns(PROBS)
    assert columns["tags"] == [['dog, "big"', "cat"], ["cat"]]
    assert columns["tag_probs"][0] == pytest.approx([0.5, 0.2])


def test_labels_above_the_classes_have_the_sum_of_those_below():
    card = dataclasses.replace(CARD, class_names=("cat", "dog", "cheese"), taxonomy=TREE.as_json())
    columns = PredictionColumns(card).columns(PROBS)
    assert columns["nodes"] == [["animal", "food"], ["animal", "food"]]
    assert columns["node_probs"][0] == pytest.approx([0.7, 0.3])


def test_a_client_gets_its_own_names_and_an_unknown_one_is_refused():
    cat = Label("cat", "animal", display={"press": "Cats"})
    tree = Taxonomy(
        (Label("animal", display={"press": "Animals"}), cat, Label("dog", "animal"), Label("cheese"))
    )
    card = dataclasses.replace(CARD, class_names=("cat", "dog", "cheese"), taxonomy=tree.as_json())
    columns = PredictionColumns(card, client="press").columns(PROBS)
    assert columns["predicted_label"] == ["dog", "Cats"]
    assert columns["nodes"] == [["Animals"], ["Animals"]]
    with pytest.raises(SettingsError, match="one of press"):
        PredictionColumns(card, client="radio")
    with pytest.raises(SettingsError, match="a taxonomy with clients"):
        PredictionColumns(CARD, client="press")


def test_csv(tmp_path: Path):
    with written(tmp_path / "tags.csv", top=2).open(encoding="utf-8", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [row["predicted_label"] for row in rows] == ['dog, "big"', "cat"]
    assert [row["label_2"] for row in rows] == ["Käse 🧀", "Käse 🧀"]
    assert [float(row["prob_2"]) for row in rows] == [0.3, 0.2]
    assert [row["path"] for row in rows] == ["in/0", "in/1"]


def test_lists_are_json_in_a_csv(tmp_path: Path):
    path = written(
        tmp_path / "tags.csv", dataclasses.replace(CARD, task="multi-label", thresholds=(0.2, 0.4, 0.4))
    )
    with path.open(encoding="utf-8", newline="") as stream:
        assert json.loads(next(csv.DictReader(stream))["tags"]) == ['dog, "big"', "cat"]


def test_json_lines(tmp_path: Path):
    lines = written(tmp_path / "tags.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [
        {"id": "0", "path": "in/0", "predicted_label": 'dog, "big"', "confidence": 0.5},
        {"id": "1", "path": "in/1", "predicted_label": "cat", "confidence": 0.7},
    ]


def test_parquet_is_a_predictions_file(tmp_path: Path):
    back = Predictions.load(written(tmp_path / "tags.parquet"))
    assert (back.pred_probs == PROBS).all()
    assert (back.class_names, back.ids, back.seed) == (NAMES, ("0", "1"), 3)


def test_many_batches_make_few_groups(tmp_path: Path):
    sayings, path = PredictionColumns(CARD), tmp_path / "tags.parquet"
    probs = np.tile(PROBS, (500, 1))
    with row_writer(path, "parquet", sayings) as write:
        for _ in range(9):
            write({"id": ["x"] * 1000, "path": ["x"] * 1000, **sayings.columns(probs)}, probs)
    meta = pq.ParquetFile(path).metadata
    assert (meta.num_rows, meta.num_row_groups) == (9000, 2)


@pytest.mark.parametrize("form", ["csv", "jsonl", "parquet"])
def test_stopped_on_the_way_the_rows_so_far_are_a_whole_file(form: str, tmp_path: Path):
    import pandas as pd

    sayings, path = PredictionColumns(CARD), tmp_path / f"tags.{form}"

    def interrupted() -> None:
        with row_writer(path, row_format(path, None), sayings) as write:
            write({"id": ["0", "1"], "path": ["a", "b"], **sayings.columns(PROBS)}, PROBS)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [one.name for one in tmp_path.iterdir()] == [f"tags.{form}.part"]
    read = {
        "csv": pd.read_csv,
        "jsonl": lambda part: pd.read_json(part, lines=True),
        "parquet": pd.read_parquet,
    }[form]
    assert read(tmp_path / f"tags.{form}.part")["path"].tolist() == ["a", "b"]


def test_stopped_before_the_first_row_nothing_is_left(tmp_path: Path):
    with pytest.raises(KeyboardInterrupt), row_writer(tmp_path / "tags.csv", "csv", PredictionColumns(CARD)):
        raise KeyboardInterrupt
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name, form", [("tags.xlsx", None), ("tags", None), ("tags.csv", "table")])
def test_a_form_that_cannot_be_streamed_is_refused(name: str, form: str | None):
    with pytest.raises(SettingsError, match="csv, jsonl, parquet"):
        row_format(Path(name), form)


SAID = [
    {
        "id": "a.png",
        "path": "/a.png",
        "predicted_label": 'dog, "big"',
        "confidence": 0.51234567,
        "seen": False,
    },
    {"id": "long name.png", "path": "/b.png", "predicted_label": "cat", "confidence": 1.0, "seen": False},
]


@pytest.mark.parametrize("form", ["csv", "text"])
def test_a_few_rows_stand_as_pandas_writes_them(form):
    frame = pd.DataFrame(SAID).drop(columns=["path", "seen"])
    table = frame.to_string(index=False, float_format="%.4f")
    assert rows_text(SAID, form) == (frame.to_csv(index=False).rstrip("\n") if form == "csv" else table)


def test_lists_stand_between_bars_and_what_is_missing_is_empty():
    rows = [{"id": "a", "tags": ["sea", "sky"], "probs": [0.5, 0.25]}, {"id": "b", "review": None}]
    assert rows_text(rows, "csv") == "id,tags,probs,review\na,sea | sky,0.5000 | 0.2500,\nb,,,"
