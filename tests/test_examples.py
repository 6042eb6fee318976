"""The examples run as they stand, in a process of their own, and say what is true: each figure that they
print is computed again here, from the data or from the other figures.
"""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import lightfast as lf
from lightfast.statistics.intervals import wilson

ROOT = Path(__file__).resolve().parents[1]
EXAMPLES = sorted((ROOT / "examples").glob("*.py"))
PAIRED = re.compile(
    r"On the same ([\d,]+) pictures .*\(([\d.]+) % → ([\d.]+) %, ([+−-][\d.]+) points, 95 % interval "
    r"([+−-][\d.]+) to ([+−-][\d.]+), ([\d,]+) gained, ([\d,]+) lost, "
)
ACCURACY = re.compile(r"accuracy ([\d.]+)% \(95 % interval ([\d.]+)% to ([\d.]+)%, n = ([\d,]+)\)")
pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory):
    """`said(beginning of a name)`: what the example prints; it is run once, and leaves nothing behind."""

    @cache
    def of(beginning: str) -> str:
        (path,) = [one for one in EXAMPLES if one.name.startswith(beginning)]
        place = tmp_path_factory.mktemp("example")
        environment = {**os.environ, "LIGHTFAST_DATA": str(place), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-W", "error", str(path)]
        done = subprocess.run(
            command, capture_output=True, text=True, cwd=place, env=environment, timeout=290, check=False
        )
        assert done.returncode == 0, done.stderr
        assert list(place.iterdir()) == []
        return done.stdout

    return of


@pytest.fixture(scope="module")
def digits() -> lf.ImageSet:
    return lf.load_images("mnist-5k").images


def number(text: str) -> float:
    return float(text.replace(",", "").replace("−", "-"))


def check_accuracy(text: str, wanted_n: int, floor: float) -> None:
    """The interval is Wilson's, n is that of the split, and the model beats the share `floor`."""
    share, low, high, n = map(number, ACCURACY.search(text).groups())
    assert n == wanted_n
    ends = wilson(round(share / 100 * wanted_n), wanted_n)
    assert (low, high) == pytest.approx([100 * end for end in ends], abs=0.06)
    assert share / 100 > floor


def paired(text: str) -> list[dict[str, float]]:
    """The paired tests of a text, each consistent in itself."""
    names = ("n", "before", "after", "difference", "low", "high", "gained", "lost")
    found = [dict(zip(names, map(number, one), strict=True)) for one in PAIRED.findall(text)]
    for one in found:
        assert one["difference"] == pytest.approx(100 * (one["gained"] - one["lost"]) / one["n"], abs=0.006)
        assert one["difference"] == pytest.approx(one["after"] - one["before"], abs=0.011)
        assert one["low"] <= one["difference"] <= one["high"]
    return found


def test_every_example_is_tested():
    text = Path(__file__).read_text(encoding="utf-8")
    assert [path.name for path in EXAMPLES if f'said("{path.name[:2]}' not in text] == []


def test_train_and_predict(said, digits):
    text, test = said("01"), lf.split(digits, val=0.1, test=0.2, seed=0).test
    assert f"{len(digits):,} pictures of {digits.image_shape}" in text
    assert f"version {digits.version}" in text
    check_accuracy(text, len(test), floor=np.bincount(test.labels).max() / len(test))
    rows = [line.split() for line in text.splitlines()[-5:]]
    names = dict(zip(test.ids, test.labels, strict=True))
    assert all(test.class_names[names[row[0]]] == row[1] for row in rows)
    assert all((row[1] == row[2]) == (row[4] == "True") for row in rows)
    sure = [float(row[3]) for row in rows]
    assert sure == sorted(sure)


def test_damage_and_repair(said):
    text = said("02")
    fog, mended = paired(text)
    assert fog["difference"] < 0 < mended["difference"]
    assert (fog["n"], fog["after"]) == (mended["n"], mended["before"])
    counts = ast.literal_eval(re.search(r"detected: (\{.*\})", text).group(1))
    assert sum(counts.values()) == fog["n"] == 300
    assert max(counts, key=counts.get) == "fog"
    waiting, n = re.search(r"(\d+) of (\d+) readings are for a person", text).groups()
    assert 0 <= int(waiting) <= int(n) == 300


def test_your_own_pictures(said, digits):
    text, pile = said("03"), digits.take(range(0, len(digits), 5))
    assert f"{len(pile):,} pictures in {len(pile.class_names)} classes" in text
    assert "not read: scan-broken.png (not a picture" in text
    share, low, high, n = map(number, ACCURACY.search(text).groups())
    assert low < share < high
    assert share > 50
    # A fifth of each class, of files that are named by their class.
    assert n == sum(round(0.2 * count) for count in np.bincount(pile.labels))
    assert "as it should be: no checkpoint in …/nowhere" in text


def test_judge_models(said, digits):
    text, n = said("04"), len(range(0, len(digits), 5))
    rows = re.findall(r"(\w+): ([\d.]+) \[([\d.]+) to ([\d.]+)\] over 3 folds", text)
    share = {name: float(mean) for name, mean, _, _ in rows}
    assert set(share) == {"dense", "forest"}
    assert all(float(low) < float(mean) < float(high) for _, mean, low, high in rows)
    assert f"On the same {n:,} pictures" in text
    (two,) = paired(text)
    both = sorted(100 * one for one in share.values())
    assert sorted((two["before"], two["after"])) == pytest.approx(both, abs=0.2)
    limit, scale, exponent = re.search(
        r"accuracy = ([\d.]+) % − ([\d.e+]+) points · n\^−([\d.]+)", text
    ).groups()
    assert 0 < float(limit) <= 100
    assert float(scale) > 0 < float(exponent)
    assert "From 8 points between 90 and 700 pictures" in text


def test_photographs(said):
    text = said("05")
    # Three kinds of twenty, one of them twice; one file is none.
    assert "61 pictures; not read: not a picture" in text
    groups = ast.literal_eval(re.search(r"nearly the same: (\[.*\])", text).group(1))
    assert ["dots/0.jpg", "dots/again.jpg"] in groups
    n = int(ACCURACY.search(text).group(4))
    check_accuracy(text, n, floor=1 / 3)
    same, of, difference = re.search(r"exported: (\d+) of (\d+) decisions.*within (\S+)", text).groups()
    assert int(same) == int(of) == n
    assert float(difference) < 1e-4
    counted = ast.literal_eval(re.search(r"31 new pictures tagged: (\{.*\}); not read: 1", text).group(1))
    assert sum(counted.values()) == 31
    assert set(counted) == {"stripes", "dots", "clouds"}
    assert text.splitlines()[-3].startswith("id,path,predicted_label,confidence")


def test_explain(said):
    text = said("06")
    (mark,) = paired(text)
    assert mark["n"] == 200
    assert mark["before"] > 95
    assert mark["difference"] < -50
    share, area = map(int, re.search(r"occlusion: (\d+)% of what speaks.*in the (\d+)% of", text).groups())
    assert area == round(100 * 4 / 28)
    assert share > 2 * area
    gains = re.findall(r"by (-?[\d.]+) \(95 % interval (-?[\d.]+) to (-?[\d.]+), n = 24\)", text)
    assert len(gains) == 2
    assert all(float(low) <= float(gain) <= float(high) for gain, low, high in gains)
    # The first digit is marked at one place: at most the square itself, by at most black to white.
    pixels, by = map(int, re.search(r"the mark changes (\d+) pixels, by up to (\d+) of 255", text).groups())
    assert 0 < pixels <= 16
    assert by <= 255


def test_enhance(said, digits):
    text = said("07")
    assert "the same, bit for bit: True" in text
    strength, tried = re.search(r"λ = (\S+) was taken of (\[.*\])", text).groups()
    assert float(strength) in ast.literal_eval(tried)
    (gain,) = paired(text)
    test = lf.split(digits.take(range(0, 5_000, 2)), seed=0).test
    assert gain["n"] == len(test)
    points, n = re.search(r"before a dense network: ([+-][\d.]+) points.*n = (\d+)", text).groups()
    assert int(n) == len(test)
    # A difference of counted pictures.
    assert float(points) * len(test) / 100 == pytest.approx(round(float(points) * len(test) / 100), abs=0.3)


def test_curate(said, digits):
    text, some = said("08"), digits.take(range(0, 5_000, 4))
    planted = {some.ids[row] for row in np.random.default_rng(0).permutation(len(some))[:60]}
    wrong, low, high = map(
        number, re.search(r"wrong labels: (\d+) \(95 % interval (\d+) to (\d+)\)", text).groups()
    )
    assert low <= wrong <= high
    found, issues = map(int, re.search(r"(\d+) of the 60 planted ones are among the (\d+)", text).groups())
    assert 45 <= found <= min(60, issues)
    assert 40 <= int(re.search(r"suggestion is right for (\d+)", text).group(1)) <= 60
    worst = re.findall(r"^(\S+/\d+): ", text, re.MULTILINE)
    assert len(worst) == 5
    assert len(planted & set(worst)) >= 4
    assert "0 pictures are hard to see anything on" in text


def test_maps_predicts_how_alike_the_cores_are(said):
    text = said("09_maps")
    predicted, true = map(float, re.search(r"predicted ([\d.]+) %, true ([\d.]+) %", text).groups())
    assert abs(predicted - true) < 5
    clusters, cores, pictures = map(int, re.search(r"(\d+) clusters; (\d+) of (\d+) pictures", text).groups())
    assert clusters == 60
    assert 0.65 <= cores / pictures < 0.67
    first = re.search(r"Label these (\d+) at once.* (\d+) decisions, all 'cluster 1, (\d+) at once'", text)
    assert len(set(first.groups())) == 1


def test_what_to_label_beats_labels_drawn_by_lot(said, digits):
    text, some = said("10"), digits.take(range(0, 5_000, 4))
    found = re.findall(r"100 labels (chosen|by lot): ([\d.]+)% of the other (\d+,\d+) are right", text)
    shares = {name: float(share) for name, share, _ in found}
    assert {rest for _, _, rest in found} == {"1,150"}
    assert shares["chosen"] > shares["by lot"]
    features = some.images[:, ::2, ::2].reshape(len(some), -1).astype(np.float32) / 255
    truth, lot = some.require_labels(), np.random.default_rng(0).permutation(len(some))[:100]
    head = lf.LiveHead.start(features, some.class_names)
    head = head.decide(lot, [some.class_names[one] for one in truth[lot]]).refit()
    right = (head.probs().argmax(axis=1) == truth)[head.labels < 0]
    assert shares["by lot"] == pytest.approx(100 * right.mean(), abs=0.2)


def test_library_asks_learns_and_uses_what_is_better(said):
    text = said("15")
    assert "1000 pictures, none with a label\n1000 wait for a person" in text
    models = re.findall(r"retrain-\d+: (\d+) pictures, (\d+) decisions in ([\d.]+) minutes", text)
    trained, decisions, minutes = (list(map(float, column)) for column in zip(*models, strict=True))
    assert decisions == [150, 450]
    assert minutes == pytest.approx([150 * 1.5 / 60, 450 * 1.5 / 60], abs=0.051)
    judged = re.findall(r"accuracy ([\d.]+)% \(95 % interval ([\d.]+)% to ([\d.]+)%, n = (\d+)\)", text)
    for (share, low, high, n), on, decided in zip(judged, trained, (150, 600), strict=True):
        # Whatever was decided is either learned from or held out.
        assert int(n) + on == decided
        ends = wilson(round(float(share) / 100 * int(n)), int(n))
        assert (float(low), float(high)) == pytest.approx([100 * end for end in ends], abs=0.006)
    accepted, waiting, decided = map(
        int, re.search(r"tagged: (\d+) accepted, (\d+) for a person, (\d+) decided", text).groups()
    )
    assert decided == 150
    assert 850 <= accepted + waiting <= 1_000
    (test,) = paired(text)
    assert (test["n"], test["after"]) == (int(judged[1][3]), float(judged[1][0]))
    assert test["low"] > 0
    assert "\nbetter; in use: not worse than retrain-0001" in text
