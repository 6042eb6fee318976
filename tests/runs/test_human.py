"""The verb `human`: sessions, results, the terminal. Every `ask` here is a test double, not a person."""

from __future__ import annotations

import dataclasses
import io
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from lightfast.base.errors import CheckpointError, DataError, SettingsError
from lightfast.base.plain import as_json
from lightfast.baselines.human import TrialQuestion
from lightfast.baselines.human_entries import Keys
from lightfast.cli.human_terminal import Screen, TerminalAsker, human_terminal
from lightfast.cli.text.human import human_lines
from lightfast.data.export import save_npz
from lightfast.data.splits import split
from lightfast.evaluate.compare import mcnemar
from lightfast.evaluate.predictions import Predictions
from lightfast.runs.human import human_results, human_test
from lightfast.runs.options import RunOptions

NAMES = ("left", "middle", "right")


class Double:
    """Reads the bar's place from the pixels, with every `wrong`-th answer wrong;
    stops after `most` answers.
    """

    def __init__(self, most=1000, wrong=0):
        self.most, self.wrong, self.seen = most, wrong, []

    def __call__(self, question):
        if len(self.seen) == self.most:
            return "q"
        self.seen.append(question)
        bars = [question.image[2:10, 1 + 4 * place : 3 + 4 * place].mean() for place in range(3)]
        place = int(np.argmax(bars))
        return NAMES[(place + 1) % 3 if self.wrong and len(self.seen) % self.wrong == 0 else place]


@pytest.fixture
def out(tmp_path):
    return RunOptions(out=tmp_path / "human")


@pytest.fixture
def own_run(run, tmp_path):
    """A copy of the run, for tests that leave a record in it."""
    return str(shutil.copytree(run, tmp_path / "run"))


def lines_of(options):
    return [
        json.loads(line)
        for line in Path(options.out, "answers.jsonl").read_text(encoding="utf-8").splitlines()
    ]


def test_a_session_asks_the_sampled_test_pictures_and_keeps_every_answer(blob_file, blobs, out):
    ask = Double()
    told = human_test(blob_file, out, person="Ann", n=12, ask=ask)
    assert (told.status, told.answered, told.left, told.n) == ("complete", 12, 0, 12)
    test = split(blobs).test
    assert told.data_version == test.version
    kept = lines_of(out)
    assert [line["position"] for line in kept] == list(range(1, 13))
    assert {line["content"] for line in kept} <= set(test.content_hashes)
    labels = dict(zip(test.content_hashes, test.labels, strict=True))
    assert [line["answer"] for line in kept] == [NAMES[labels[line["content"]]] for line in kept]


def test_a_question_has_no_room_for_label_name_or_id(blob_file, out):
    assert {field.name for field in dataclasses.fields(TrialQuestion)} == {
        "image",
        "class_names",
        "position",
        "total",
        "message",
    }
    ask = Double()
    human_test(blob_file, out, person="ann", n=9, ask=ask)
    # The same for every picture but for pixels and place: nothing in it can depend on the label.
    assert {(question.class_names, question.total, question.message) for question in ask.seen} == {
        (NAMES, 9, "")
    }
    assert [question.position for question in ask.seen] == list(range(1, 10))


def test_what_the_terminal_shows_names_neither_picture_nor_label(blob_file, out, tmp_path):
    screen = io.StringIO()
    human_terminal(blob_file, out, person="ann", n=6, terminal=(io.StringIO("left\n" * 6), screen))
    # Class names stand in the list of classes only, once; ids ("blobs/7") and the source nowhere.
    shown = screen.getvalue().replace(str(tmp_path), "")
    assert [shown.count(name) for name in NAMES] == [1, 1, 1]
    assert "blobs" not in shown
    files = [Path(name).name for name in re.findall(r"in full: (.*)", shown)]
    assert len(files) == 6
    assert all(re.fullmatch(r"question-[0-9a-f]{6}-\d{4}\.png", name) for name in files)


def test_a_session_goes_on_where_the_person_stopped(blob_file, out):
    first, second = Double(most=5), Double()
    told = human_test(blob_file, out, person="Ann", n=12, ask=first)
    assert (told.status, told.asked, told.left) == ("stopped", 5, 7)
    before = Path(told.log).read_bytes()
    told = human_test(blob_file, out, person=" ann ", n=12, ask=second)
    assert (told.status, told.asked, told.person) == ("complete", 7, "Ann")
    assert second.seen[0].position == 6
    assert Path(told.log).read_bytes().startswith(before)
    assert len({line["content"] for line in lines_of(out)}) == 12


def test_everybody_gets_the_same_pictures_in_another_order(blob_file, out):
    for person in ("ann", "bob"):
        human_test(blob_file, out, person=person, n=15, ask=Double())
    asked = [
        [line["content"] for line in lines_of(out) if line["person"] == person] for person in ("ann", "bob")
    ]
    assert sorted(asked[0]) == sorted(asked[1])
    assert asked[0] != asked[1]


@pytest.mark.parametrize("end", [None, "q", EOFError, KeyboardInterrupt])
def test_every_way_to_stop_keeps_the_answers(blob_file, out, end):
    texts = iter(["left", "middle", end])

    def ask(question):
        text = next(texts)
        if isinstance(text, type):
            raise text
        return text

    told = human_test(blob_file, out, person="ann", n=6, ask=ask)
    assert (told.status, told.answered, told.left) == ("stopped", 2, 4)
    assert [line["answer"] for line in lines_of(out)] == ["left", "middle"]


def test_a_bad_entry_is_explained_and_asked_again(blob_file, out):
    texts, asked = iter(["", "zebra", "4", "?", "q"]), []

    def ask(question):
        asked.append(question)
        return next(texts)

    human_test(blob_file, out, person="ann", n=6, ask=ask)
    assert [question.position for question in asked] == [1, 1, 1, 1, 2]
    assert asked[0].message == asked[4].message == ""
    assert [
        word in question.message
        for word, question in zip(("Nothing", "zebra", "4 is not"), asked[1:4], strict=True)
    ] == [True] * 3
    assert [line["answer"] for line in lines_of(out)] == [None]


KINDS = ("airplane", "alarm clock", "Banana")


@pytest.mark.parametrize(
    ("names", "text", "meaning", "name"),
    [
        (KINDS, "3", "class", "Banana"),
        (KINDS, "b", "class", "Banana"),
        (KINDS, " AIRPLANE ", "class", "airplane"),
        (KINDS, "a", "again", None),
        (KINDS, "0", "again", None),
        (KINDS, "q", "stop", None),
        (KINDS, "?", "dont_know", None),
        (("0", "1", "3"), "3", "class", "3"),
        (("0", "1", "3"), "2", "again", None),
        (("cat", "cattle"), "cat", "class", "cat"),
        (("a", "A", "Q"), "A", "class", "A"),
        (("a", "A", "Q"), "q", "class", "Q"),
        (("a", "A", "Q"), ":q", "stop", None),
    ],
)
def test_entries_mean_what_people_expect(names, text, meaning, name):
    entry = Keys(names).understood(text)
    assert (entry.meaning, entry.name) == (meaning, name)
    assert bool(entry.message) == (meaning == "again")


def test_without_people_nothing_is_invented(blob_file, out):
    for _ in range(2):
        told = human_results(blob_file, out)
        assert told.baseline.status == "not run"
        assert "accuracy" not in as_json(told)
        assert "not run" in human_lines(told)[0]
        assert not Path(out.out, "metrics.json").exists()
        # A session without any answer leaves an empty log.
        human_test(blob_file, out, person="ann", n=6, ask=lambda question: None)


def test_results_are_written_with_a_page(blob_file, out):
    for person, wrong in (("ann", 0), ("bob", 3), ("<cid>", 4)):
        human_test(blob_file, out, person=person, n=12, ask=Double(wrong=wrong))
    told = human_results(blob_file, out)
    assert [(one.person, one.n, one.right) for one in told.baseline.people] == [
        ("ann", 12, 12),
        ("bob", 12, 8),
        ("<cid>", 12, 9),
    ]
    assert told.baseline.accuracy == pytest.approx(29 / 36)
    written = json.loads(Path(out.out, "metrics.json").read_text())
    assert written == as_json(told)
    page = told.report.read_text()
    assert "&lt;cid&gt;" in page
    assert "80.6 %" in page
    assert page.count("data:image/png") == sum(one.right < one.n for one in told.baseline.pictures)
    assert any("ann" in line and "100.00 %" in line for line in human_lines(told))


def test_with_a_run_people_and_model_are_paired_on_the_same_pictures(own_run, blob_file):
    options = RunOptions(command="lightfast human blobs.npz --run run")
    human_test(blob_file, options, person="ann", n=12, ask=Double(wrong=4), run=own_run)
    told = human_results(blob_file, options, run=own_run)
    assert Path(told.log) == Path(own_run, "human", "answers.jsonl")
    predictions = Predictions.load(Path(own_run, "predictions.parquet"))
    asked = [json.loads(line)["picture"] for line in Path(told.log).read_text().splitlines()]
    rows = [predictions.ids.index(one) for one in asked]
    reference = mcnemar(predictions.correct[rows], np.array([place % 4 != 3 for place in range(12)]))
    paired = as_json(told)["people"][0]["versus_model"]
    assert {key: paired[key] for key in ("n", "gained", "lost", "p_value", "difference")} == {
        "n": 12,
        "gained": reference.gained,
        "lost": reference.lost,
        "p_value": reference.p_value,
        "difference": reference.difference,
    }
    assert told.baseline.model.accuracy == predictions.correct[rows].mean()
    # The training read these pictures once before, and this reading is recorded.
    assert told.touched_before == 1
    assert "lightfast human" in Path(own_run, "evaluations.jsonl").read_text().splitlines()[-1]


def test_pictures_that_the_run_saw_are_not_asked(own_run, blobs, tmp_path):
    parts = split(blobs)
    mixed = blobs.take([*range(len(blobs))])
    arrays = {
        "train_images": parts.train.images[:9],
        "train_labels": parts.train.labels[:9],
        "test_images": mixed.images,
        "test_labels": mixed.labels,
        "class_names": np.array(blobs.class_names),
    }
    np.savez(tmp_path / "mixed.npz", **arrays)
    ask = Double()
    told = human_test(
        str(tmp_path / "mixed.npz"), RunOptions(out=tmp_path / "human"), person="ann", ask=ask, run=own_run
    )
    assert told.n == len(ask.seen) == len(parts.test)
    assert any("were left out" in note for note in told.notes)
    assert any("fewer than 100" in note for note in told.notes)


def test_another_seed_n_or_data_is_refused(blob_file, blobs, out, tmp_path):
    human_test(blob_file, out, person="ann", n=6, ask=Double())
    other = save_npz(tmp_path / "other.npz", dataclasses.replace(blobs, class_names=("l", "m", "r")))
    for source, options, n in (
        (blob_file, out, 7),
        (blob_file, dataclasses.replace(out, seed=1), 6),
        (str(other), out, 6),
    ):
        with pytest.raises(DataError, match=r"another test.*another `out`"):
            human_test(source, options, person="ann", n=n, ask=Double())
    with pytest.raises(DataError, match="another data version"):
        human_results(str(other), out)


def test_nameless_people_and_run_folders_are_refused(own_run, blob_file, out):
    with pytest.raises(SettingsError, match="`person`"):
        human_test(blob_file, out, person="  ", ask=Double())
    with pytest.raises(CheckpointError, match="is a run folder"):
        human_test(blob_file, RunOptions(out=Path(own_run)), person="ann", ask=Double())


def test_a_terminal_session_reads_lines_and_leaves_no_picture_behind(blob_file, out):
    screen = io.StringIO()
    told = human_terminal(
        blob_file, out, person="ann", n=6, terminal=(io.StringIO("1\nle\nnonsense\n?\n"), screen)
    )
    assert (told.status, told.answered) == ("stopped", 3)
    assert [line["answer"] for line in lines_of(out)] == ["left", "left", None]
    assert "No class begins with 'nonsense'" in screen.getvalue()
    assert [path.name for path in Path(out.out).iterdir()] == ["answers.jsonl"]


def asked_once(tmp_path, image, screen):
    """The text shown for one picture, and the picture file that lies there meanwhile (None: none)."""
    shown = []
    asker = TerminalAsker(lambda: "1\n", shown.append, tmp_path, screen)
    assert asker(TrialQuestion(image, NAMES, 3, 10)) == "1\n"
    files = list(tmp_path.glob("*.png"))
    pixels = np.asarray(Image.open(files[0])) if files else None
    asker.close()
    return "".join(shown), pixels


def test_without_colour_the_picture_is_letters_and_a_file(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (28, 28, 1), dtype=np.uint8)
    text, pixels = asked_once(tmp_path, image, Screen(colour=False))
    assert "\x1b" not in text
    assert "question-0003.png" in text
    assert np.array_equal(pixels[::10, ::10], image[..., 0])
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("side", "has_file"), [(28, False), (64, False), (150, True)])
def test_a_picture_finer_than_the_screen_is_also_a_file(tmp_path, side, has_file):
    text, pixels = asked_once(tmp_path, np.zeros((side, side, 3), np.uint8), Screen())
    assert "\x1b[38;2;" in text
    assert (pixels is not None) == has_file


def test_no_color_and_streams_that_are_no_terminal_get_no_colour(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setenv("TERM", "xterm-256color")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert Screen.of(Terminal()).colour
    assert not Screen.of(io.StringIO()).colour
    monkeypatch.setenv("NO_COLOR", "1")
    assert not Screen.of(Terminal()).colour
