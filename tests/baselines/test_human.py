"""The blinded test for people: the sample, the log, the figures."""

from __future__ import annotations

import fcntl
import json
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats.inter_rater import fleiss_kappa

from lightfast.base.errors import DataError, SettingsError
from lightfast.baselines.human import Answer, AnswerLog, Trial, draw_sample, person_order
from lightfast.baselines.human_score import score_people
from lightfast.data.images import ImageSet
from lightfast.evaluate.compare import mcnemar
from lightfast.evaluate.predictions import Predictions
from lightfast.statistics.intervals import wilson


def pictures(counts, seed=0):
    """Random pictures with `counts[k]` of class k, in mixed order."""
    labels = np.random.default_rng(seed).permutation(np.repeat(np.arange(len(counts)), counts))
    images = np.random.default_rng(seed + 1).integers(0, 256, (len(labels), 4, 4, 1), dtype=np.uint8)
    return ImageSet(images, tuple(f"class {place}" for place in range(len(counts))), labels, name="pictures")


@pytest.fixture
def images():
    return pictures([4, 4, 4])


@pytest.fixture
def log(images, tmp_path):
    """An empty log for a sample of all twelve pictures."""
    return AnswerLog(tmp_path / "answers.jsonl", Trial(images.version, images.class_names, 0, 12))


def given(log, images, row, person="ann", answer="class 0", seconds=1.0):
    picture = images.ids[row], images.content_hashes[row]
    entry = Answer.of(log.trial, picture, person=person, answer=answer, seconds=seconds, position=1)
    log.append(entry)
    return entry


def answer_all(log, images, numbers, person):
    """A test double: `numbers` are class numbers a row, 3 for "don't know", -1 for no answer."""
    names = (*images.class_names, None)
    for row, number in enumerate(numbers):
        if number >= 0:
            given(log, images, row, person, names[number], seconds=row)


def model_of(images, numbers, names=None, name="the model"):
    probs = np.eye(len(names or images.class_names), dtype=np.float32)[numbers]
    return Predictions(probs, names or images.class_names, images.ids, name=name)


ALL = np.arange(12)


def test_the_sample_has_each_class_in_its_share():
    big = pictures([700, 200, 90, 10])
    for seed in range(20):
        counts = np.bincount(big.labels[draw_sample(big, 100, seed)], minlength=4)
        assert counts.sum() == 100
        assert (np.abs(counts - [70, 20, 9, 1]) <= 1).all()


def test_every_picture_is_drawn_equally_often():
    even = pictures([20, 10])
    drawn = np.bincount(np.concatenate([draw_sample(even, 15, seed) for seed in range(1000)]), minlength=30)
    # 500 expected, standard deviation 16.
    assert np.abs(drawn - 500).max() < 80


def test_the_sample_depends_on_the_seed_alone_and_grows_with_n():
    big = pictures([70, 30])
    assert np.array_equal(draw_sample(big, 20, 1), draw_sample(big, 20, 1))
    assert not np.array_equal(draw_sample(big, 20, 1), draw_sample(big, 20, 2))
    assert set(draw_sample(big, 20, 1)) < set(draw_sample(big, 40, 1))


def test_duplicates_are_asked_once_and_small_sets_wholly(images):
    doubled = images.take([*range(12), *range(12)])
    assert draw_sample(doubled, 100, 0).tolist() == list(range(12))


def test_a_sample_of_nothing_is_refused(images):
    with pytest.raises(SettingsError, match="at least 1 picture, got 0"):
        draw_sample(images, 0, 0)
    with pytest.raises(DataError, match="has no labels"):
        draw_sample(replace(images, labels=None), 5, 0)


def test_each_person_has_an_order_of_their_own_whatever_the_case_of_the_name():
    ann, bob = (person_order(np.arange(50), 0, name) for name in ("Ann", "Bob"))
    assert sorted(ann) == sorted(bob) == list(range(50))
    assert not np.array_equal(ann, bob)
    assert np.array_equal(ann, person_order(np.arange(50), 0, "ann"))


def test_an_answer_comes_back_as_it_was_given(log, images):
    entries = [given(log, images, 0), given(log, images, 1, "Zoë", None)]
    assert list(log.load().answers) == entries
    assert entries[1].content == images.content_hashes[1]
    assert entries[1].picture == "pictures/1"


def test_appending_changes_no_byte_before(log, images):
    given(log, images, 0)
    before = log.path.read_bytes()
    given(log, images, 0, answer="class 1")
    assert log.path.read_bytes().startswith(before)


def test_a_torn_last_line_is_told_and_stays_while_answers_go_on_after_it(log, images):
    given(log, images, 0)
    whole = log.path.read_bytes()
    torn = whole + whole[:40]
    log.path.write_bytes(torn)
    assert log.load().torn == (2,)
    given(log, images, 1)
    assert log.path.read_bytes().startswith(torn + b"\n")
    assert len(log.load().answers) == 2
    assert "line 2: not a whole answer" in score_people(log, images, ALL).notes[0]


@pytest.mark.parametrize("line", ["[]", "{}", "7", "\xff", '{"person": "ann"}'])
def test_a_line_that_is_no_answer_is_told(log, images, line):
    log.path.write_bytes(line.encode("latin-1") + b"\n")
    given(log, images, 0)
    assert log.load().torn == (1,)


def test_several_writers_lose_nothing(log, images):
    def write_all(person):
        for row in range(12):
            given(log, images, row, person)

    # Each append opens the file anew, so that threads lock each other out just as programs do.
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(write_all, [f"person {place}" for place in range(4)]))
    reading = log.load()
    assert reading.torn == ()
    assert sorted((answer.person, answer.content) for answer in reading.answers) == sorted(
        (f"person {place}", content) for place in range(4) for content in images.content_hashes
    )


def test_a_writer_waits_while_another_program_holds_the_lock(log, images):
    log.prepare()
    with log.path.open("ab") as stream, ThreadPoolExecutor(1) as pool:
        fcntl.flock(stream, fcntl.LOCK_EX)
        waiting = pool.submit(given, log, images, 0)
        with pytest.raises(TimeoutError):
            waiting.result(0.2)
        assert log.path.read_bytes() == b""
        fcntl.flock(stream, fcntl.LOCK_UN)
        waiting.result(10)
    assert len(log.load().answers) == 1


@pytest.mark.parametrize(
    "change", [{"data_version": "other"}, {"seed": 3}, {"n": 5}, {"class_names": ("class 0", "b", "c")}]
)
def test_answers_to_another_test_are_refused_with_the_cure(log, images, change):
    entry = given(log, images, 0)
    other = AnswerLog(log.path, replace(log.trial, **change))
    for call in (other.load, lambda: other.append(entry)):
        with pytest.raises(DataError, match="another `out`") as refusal:
            call()
        assert "\n" not in str(refusal.value)


def test_an_answer_of_no_class_is_refused(log, images):
    with pytest.raises(DataError, match="'zebra'"):
        given(log, images, 0, answer="zebra")


def test_an_empty_log_gives_no_accuracy(log, images):
    told = score_people(log, images, ALL).as_json()
    assert told["status"] == "not run"
    assert not {"accuracy", "accuracy_interval", "majority"} & set(told)


def test_one_person_is_scored_as_counted_by_hand(log, images):
    # Right on the first 6 rows, "don't know" on 3, wrong on 1, two left out.
    truth = images.labels
    answer_all(log, images, [*truth[:6], 3, 3, 3, (truth[9] + 1) % 3, -1, -1], "ann")
    baseline = score_people(log, images, ALL)
    (ann,) = baseline.people
    assert (ann.n, ann.right, ann.accuracy, ann.dont_know, ann.left) == (10, 6, 0.6, 3, 2)
    assert ann.accuracy_interval == wilson(6, 10)
    # Seconds 0 .. 9.
    assert ann.median_seconds == 4.5
    assert (baseline.n, baseline.accuracy) == (10, 0.6)
    assert baseline.accuracy_interval == pytest.approx(wilson(6, 10))
    assert baseline.as_json()["status"] == "run"
    json.dumps(baseline.as_json(), allow_nan=False)


def test_the_first_answer_counts_and_the_second_is_told(log, images):
    wrong, right = images.class_names[(images.labels[0] + 1) % 3], images.class_names[images.labels[0]]
    given(log, images, 0, answer=wrong)
    given(log, images, 0, answer=right)
    baseline = score_people(log, images, ALL)
    assert (baseline.people[0].n, baseline.people[0].right, baseline.people[0].repeated) == (1, 0, 1)
    assert "ann answered 1 picture(s) again" in baseline.notes[0]
    assert len(log.load().answers) == 2


def test_answers_outside_the_sample_are_told_and_not_counted(images, tmp_path):
    log = AnswerLog(tmp_path / "answers.jsonl", Trial(images.version, images.class_names, 0, 2))
    given(log, images, 0)
    given(log, images, 5)
    baseline = score_people(log, images, np.array([0, 1]))
    assert baseline.answers == 1
    assert "outside the sample" in baseline.notes[0]


@pytest.fixture
def three(log, images):
    """Three test doubles: one always right, one right on the first eight,
    one that does not know the last four. `codes` (3, 12).
    """
    truth = images.labels
    codes = np.stack([truth, truth, truth])
    codes[1, 8:] = (truth[8:] + 1) % 3
    codes[2, 8:] = 3
    codes[2, 0] = (truth[0] + 2) % 3
    for person, numbers in zip(("ann", "bob", "cid"), codes, strict=True):
        answer_all(log, images, numbers, person)
    return codes


def test_kappas_are_those_of_sklearn_and_statsmodels(log, images, three):
    baseline = score_people(log, images, ALL)
    assert [(pair.first, pair.second) for pair in baseline.pairs] == [
        ("ann", "bob"),
        ("ann", "cid"),
        ("bob", "cid"),
    ]
    for pair, (first, second) in zip(baseline.pairs, ((0, 1), (0, 2), (1, 2)), strict=True):
        assert pair.kappa.value == pytest.approx(cohen_kappa_score(three[first], three[second]))
    counts = np.stack([(three == number).sum(axis=0) for number in range(4)], axis=1)
    assert baseline.fleiss.value == pytest.approx(fleiss_kappa(counts))


def test_pairs_are_compared_on_the_pictures_that_both_answered(log, images):
    numbers = images.labels.copy()
    answer_all(log, images, numbers, "ann")
    answer_all(log, images, [*numbers[:7], *[-1] * 5], "bob")
    baseline = score_people(log, images, ALL)
    assert baseline.pairs[0].kappa.n == 7
    assert baseline.fleiss is None
    assert baseline.majority is None


def test_the_majority_is_counted_with_ties_as_wrong(log, images, three):
    majority = score_people(log, images, ALL).majority
    # Rows 0..7: two or three are right. Rows 8..11: one right, one wrong, one without a vote: a tie.
    assert (majority.n, majority.right, majority.undecided) == (12, 8, 4)
    assert majority.accuracy_interval == wilson(8, 12)


def test_the_average_counts_a_picture_once(log, images, three):
    baseline = score_people(log, images, ALL)
    shares = (three == images.labels).mean(axis=0)
    assert (baseline.n, baseline.answers) == (12, 36)
    assert baseline.accuracy == pytest.approx(shares.mean())
    low, high = baseline.accuracy_interval
    alone = wilson(round(12 * shares.mean()), 12)
    assert high - low == pytest.approx(alone.high - alone.low, rel=0.05)


def test_each_person_is_paired_with_the_model_on_the_same_pictures(log, images, three):
    given(log, images, 3, "dan", images.class_names[images.labels[3]])
    model = np.where(np.arange(12) < 4, (images.labels + 1) % 3, images.labels)
    baseline = score_people(log, images, ALL, model_of(images, model))
    bob = baseline.people[1]
    reference = mcnemar(model == images.labels, three[1] == images.labels)
    assert bob.versus_model == replace(reference, before_name="the model", after_name="bob")
    assert (bob.versus_model.gained, bob.versus_model.lost) == (4, 4)
    assert bob.kappa_with_model.value == pytest.approx(cohen_kappa_score(three[1], model))
    assert (baseline.people[3].versus_model.n, baseline.people[3].versus_model.gained) == (1, 1)
    assert baseline.model.accuracy == pytest.approx(8 / 12)


def test_a_model_with_more_classes_in_another_order_is_matched_by_name(log, images, three):
    names = ("zebra", *images.class_names[::-1])
    numbers = np.array([names.index(images.class_names[label]) for label in images.labels])
    numbers[0] = 0
    baseline = score_people(log, images, ALL, model_of(images, numbers, names))
    assert baseline.model.accuracy == pytest.approx(11 / 12)
    assert baseline.pictures[0].model == "another class"


def test_predictions_of_other_pictures_or_classes_are_refused(log, images, three):
    with pytest.raises(DataError, match="not the pictures of the sample"):
        score_people(log, images, ALL, model_of(images.take(ALL[::-1]), images.labels))
    names = ("class 0", "class 1", "x")
    with pytest.raises(DataError, match="does not know the class 'class 2'"):
        score_people(log, images, ALL, model_of(images, images.labels, names))


def test_a_sample_of_another_test_part_is_refused(log, three):
    with pytest.raises(DataError, match="another test"):
        score_people(log, pictures([4, 4, 4], seed=9), ALL)


def test_every_picture_says_who_said_what(log, images, three):
    last = score_people(log, images, ALL).pictures[11]
    label = images.labels[11]
    assert (last.row, last.label, last.n, last.right) == (11, f"class {label}", 3, 1)
    assert last.answers == {f"class {label}": 1, f"class {(label + 1) % 3}": 1, "don't know": 1}
