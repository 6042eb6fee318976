"""From a folder of photographs without labels to a classifier, through the pages alone.

    LIGHTFAST_DATA=FOLDER python benchmarks/page_run.py [--pictures 1800] [--full RUN] [--out FILE]

Needs a Chromium. The training part of intel-scenes lies in one flat folder under names that say nothing;
`lightfast serve` opens it. A scripted hand, the one of `persons_hour.py` (in 2 % of all cases it gives a
wrong class, drawn by lot), works with clicks and keys. It lets fifty pictures be chosen and decides them one
by one, four times; trains; and so on, fifty at a time, until the model reads the test part as well as one
that learned all labels of the folder, less two points, or 15 % of the pictures are decided. That part lies
outside: no page ever sees it, and only when to stop is read off it. With --groups N the pictures are grouped
first, and up to N of the surest groups named, those of which 95 in 100 of the pictures that are shown are of
one class: few acts, but every picture of a group counts as decided.

The hand thinks for 0.3 s before each key about a picture, 3 s about a group and 1 s for a name that it types;
these seconds are really waited for. What people decided is counted in two ways: acts (a group is one), and
pictures (a group is all that it labels). Writes benchmarks/results/page_run.json.
"""

from __future__ import annotations

import argparse
import os
import resource
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from measured import about
from persons_hour import ERRS, POINTS, Person

from lightfast.base.files import write_json
from lightfast.base.plain import as_json
from lightfast.base.randomness import generator
from lightfast.data.dataset import ImageSpec
from lightfast.data.ingest import load_splits
from lightfast.evaluate.predict import probs_of
from lightfast.models.load import load_classifier
from lightfast.statistics.intervals import wilson

OUT = Path(__file__).parent / "results" / "page_run.json"
SET = "intel-scenes"
THOUGHT = {"picture": 0.3, "group": 3.0, "name": 1.0}
"""Seconds of the hand."""
LOOKED_AT, ALIKE = 45, 0.95
"""Groups that are looked at at most, and the share of one class from which one is named."""
ROUND, FIRST_ROUNDS, MOST = 50, 4, 0.15
"""Pictures a round, rounds before the first training, and the share that is decided at most."""
_PATIENCE = 3_600.0
_SHOWN = """[...document.querySelectorAll('.map-shown canvas')]
.map((one) => Number(one.title.match(/picture (\\d+)/)[1]))"""
_IN_HAND = "Number(document.querySelector('#one img')?.src.match(/assets\\/(\\d+)/)[1] ?? 0)"
_NEXT = """document.querySelector('#one img')
? !document.querySelector('#one img').src.includes('/assets/%d/')
: !document.getElementById('nothing').hidden"""
_DIGIT = """(name) => [...document.querySelectorAll('#names button')]
.find((one) => one.childNodes[1].textContent === name)?.querySelector('kbd').textContent"""


@dataclass
class Hand:
    """Who works: what was asked, and for how long it thought."""

    person: Person
    class_names: tuple[str, ...]
    sleep: Callable[[float], None] = time.sleep
    seconds: float = 0.0
    asked: Counter[str] = field(default_factory=Counter)

    def thinks(self, about_what: str) -> None:
        """Wait as long as it takes to look at it."""
        self.seconds += THOUGHT[about_what]
        self.sleep(THOUGHT[about_what])

    def names_group(self, rows: np.ndarray) -> str | None:
        """What a group is called of which these pictures are shown; None: it is too mixed to be named."""
        self.thinks("group")
        counts = np.bincount(self.person.truth[rows])
        if counts.max() < ALIKE * len(rows):
            self.asked["groups left"] += 1
            return None
        self.thinks("name")
        return self.class_names[self.person.cluster(rows)]

    def names_picture(self, row: int, proposed: str | None) -> str:
        """What it says of one picture."""
        self.thinks("picture")
        known = self.class_names.index(proposed) if proposed in self.class_names else None
        return self.class_names[self.person.picture(row, known)]


def counted(asked: Mapping[str, int], in_groups: int, pictures: int) -> dict[str, Any]:
    """What people decided, in both ways of counting, as shares of all `pictures`.

    Args:
        asked: by kind: single labels, confirmations, cluster labels.
        in_groups: pictures that got their label with a group.
        pictures: of the folder.
    """
    singly = asked.get("single labels", 0) + asked.get("confirmations", 0)
    acts = singly + asked.get("cluster labels", 0)
    return {
        "single_labels": asked.get("single labels", 0),
        "confirmations": asked.get("confirmations", 0),
        "group_labels": asked.get("cluster labels", 0),
        "pictures_in_groups": in_groups,
        "acts": acts,
        "share_by_acts": round(acts / pictures, 4),
        "pictures_decided": singly + in_groups,
        "share_by_pictures": round((singly + in_groups) / pictures, 4),
    }


def flat_folder(source: Path, folder: Path, count: int, seed: int) -> dict[str, str]:
    """Copies of SOURCE/CLASS/* under neutral names, in an order drawn by lot; name → the true class."""
    folder.mkdir(parents=True)
    files = sorted(source.glob("*/*"))
    truth = {}
    for place, row in enumerate(generator(seed, "page run").permutation(len(files))[:count].tolist()):
        name = f"IMG_{place:05d}{files[row].suffix}"
        shutil.copyfile(files[row], folder / name)
        truth[name] = files[row].parent.name
    return truth


@contextmanager
def serving(folder: Path, work: Path) -> Iterator[str]:
    """The address of `lightfast serve FOLDER`."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = {**os.environ, "LIGHTFAST_LIBRARIES": str(work / "libraries"), "PYTHONUNBUFFERED": "1"}
    command = [sys.executable, "-m", "lightfast.cli", "serve", str(folder), "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=environment) as process:
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


class Way:
    """A browser on the pages, and the hand before it."""

    def __init__(self, page: Any, address: str, truth: Mapping[str, str], hand: Hand) -> None:
        self.page, self.address, self.hand = page, address, hand
        self.names = truth
        self.place = {name: row for row, name in enumerate(truth)}
        self.index: dict[int, int] = {}
        self.in_groups: set[int] = set()
        self.steps: list[dict[str, Any]] = []

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Seconds by the clock, and those of them in which the hand thought."""
        started, thought = time.perf_counter(), self.hand.seconds
        yield
        seconds, thought = time.perf_counter() - started, self.hand.seconds - thought
        self.steps.append({"step": name, "seconds": round(seconds, 1), "hand_seconds": round(thought, 1)})
        print(self.steps[-1], flush=True)

    def until(self, script: str) -> None:
        """Wait for what a page shows; a job that failed ends it."""
        end, pause = time.monotonic() + _PATIENCE, 0.005
        while not self.page.evaluate(script):
            failed = self.page.evaluate(
                "document.querySelector('.job .badge.failed')?.closest('.job').innerText"
            )
            if failed:
                raise RuntimeError(failed)
            if time.monotonic() > end:
                raise TimeoutError(f"{script}: the page says {self.page.locator('#say').text_content()!r}")
            # What takes minutes is asked for less often: the asking costs the server's cores.
            time.sleep(pause := min(1.25 * pause, 0.5))

    def add(self) -> None:
        """The first page, until all pictures are there."""
        while True:
            try:
                self.page.goto(self.address)
                break
            except Exception as error:
                if "ERR_CONNECTION_REFUSED" not in str(error):
                    raise
                time.sleep(0.2)
        # The page comes anew when the job has ended.
        wanted = self.page.locator("#pictures", has_text=f"{len(self.names):,}")
        wanted.wait_for(timeout=1_000 * _PATIENCE)

    def look(self) -> None:
        """What the hand would see of each picture: its file, and so its true class. No page shows it."""
        ids = self.page.request.get(f"{self.address}/api/assets/ids").json()["ids"]
        for start in range(0, len(ids), 100):
            query = "&".join(f"id={one}" for one in ids[start : start + 100])
            for one in self.page.request.get(f"{self.address}/api/assets/cards?{query}").json()["items"]:
                self.index[one["id"]] = self.place[one["name"]]

    def group(self) -> None:
        """From the first page to the groups."""
        self.page.get_by_role("link", name="Group and label").click()
        self.page.get_by_role("button", name="Group the pictures").click()
        self.until("document.querySelectorAll('.map-list button').length > 0")

    def name_groups(self, most: int) -> None:
        """The surest groups one after the other, at most so many."""
        self.page.locator(".map-over").focus()
        named = 0
        for turn in range(min(LOOKED_AT, self.page.locator(".map-list button").count())):
            self.page.locator(".map-list button").nth(turn).click()
            shown = self.page.evaluate(_SHOWN)
            rows = np.array([self.index[one] for one in shown])
            name = self.hand.names_group(rows) if len(rows) > 3 else None
            if name is None:
                continue
            self.page.locator(".map-label").fill(name)
            self.page.keyboard.press("Enter")
            self.until(f"document.getElementById('say').textContent.includes('labelled {name}.')")
            self.in_groups |= set(self.labelled())
            self.page.evaluate("document.getElementById('say').replaceChildren()")
            named += 1
            if named == most:
                break

    def labelled(self) -> list[int]:
        """Pictures that people have given a label."""
        found = self.page.request.get(f"{self.address}/api/assets/ids?state=confirmed")
        return found.json()["ids"]

    def decide_fifty(self) -> int:
        """Let pictures be chosen, and decide them one by one."""
        if not self.page.url.endswith("/review"):
            self.page.goto(f"{self.address}/review")
        self.until("!document.getElementById('nothing').hidden")
        before = sum(self.hand.person.asked.values())
        self.page.locator("#more").click()
        self.until("document.querySelector('#one img')")
        self.decide_those_in_hand()
        return sum(self.hand.person.asked.values()) - before

    def decide_those_in_hand(self) -> None:
        """One picture after the other, until none waits."""
        while self.page.locator("#one img").count():
            number = self.page.evaluate(_IN_HAND)
            self.decide(self.index[number])
            self.until(_NEXT % number)

    def decide(self, row: int) -> None:
        """One key for the suggestion or for another label; a label that is not there is typed."""
        proposed = self.page.locator("#asked-label").text_content().removesuffix("?")
        said = self.hand.names_picture(row, proposed)
        digit = None if said == proposed else self.page.evaluate(_DIGIT, said)
        if said == proposed or digit:
            self.page.keyboard.press(digit or "Space")
        else:
            self.hand.thinks("name")
            self.page.keyboard.press("/")
            self.page.keyboard.type(said)
            self.page.keyboard.press("Enter")

    def train(self) -> None:
        """The button on the page of models, until its job is done."""
        self.page.goto(f"{self.address}/models")
        self.page.locator("#retrain").click()
        self.until("document.querySelector('#running .badge.done')")


def read_accuracy(run: Path, folder: Path) -> dict[str, Any]:
    """The share of the test part that a run reads rightly, classes matched by name."""
    classifier = load_classifier(str(run), "cpu")
    height, width, channels = classifier.image_shape
    images = load_splits(folder, ImageSpec((height, width), channels)).part("all")
    names = np.array(classifier.class_names)[probs_of(classifier, images.images).argmax(axis=1)]
    right, n = int((names == np.array(images.class_names)[images.require_labels()]).sum()), len(images)
    found = wilson(right, n)
    return {"accuracy": round(right / n, 4), "interval": [round(found.low, 4), round(found.high, 4)], "n": n}


def full_labels(kept: Path | None, work: Path) -> Path:
    """The run that learned all labels of the folder, by the linear head on frozen features that the page's
    training chooses, too.
    """
    if kept is not None:
        return kept
    source = Path(os.environ["LIGHTFAST_DATA"]) / SET
    words = ["train", str(source), "--model", "lite0", "--set", "model.flip=false"]
    command = [sys.executable, "-m", "lightfast.cli", *words, "--out", str(work / "full"), "--json"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    return work / "full"


def walk(way: Way, library: Path, test: Path, aim: float, groups: int) -> list[dict[str, Any]]:
    """The whole way; what each training brought."""
    with way.step("add"):
        way.add()
    way.look()
    if groups:
        with way.step("group"):
            way.group()
        with way.step("name groups"):
            way.name_groups(groups)
    singly, rounds, trained = 0, 0, list[dict[str, Any]]()
    while singly + ROUND <= MOST * len(way.names):
        with way.step("decide fifty"):
            singly += way.decide_fifty()
        rounds += 1
        if rounds < FIRST_ROUNDS:
            continue
        with way.step("train"):
            way.train()
        run = max(library.glob("**/runs/retrain-*"))
        told = read_accuracy(run, test) | counted(way.hand.person.asked, len(way.in_groups), len(way.names))
        trained.append({"run": run.name} | told)
        print(trained[-1], flush=True)
        if told["accuracy"] >= aim:
            break
    return trained


def processor_seconds() -> float:
    """Of all processes that were started here and have ended, with those that they started."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def measure(given: argparse.Namespace, work: Path) -> dict[str, Any]:
    """Everything that the result says, but how it was made."""
    from playwright.sync_api import sync_playwright

    source = Path(os.environ["LIGHTFAST_DATA"]) / SET
    truth = flat_folder(source / "train", work / "pictures", given.pictures, given.seed)
    test = source / "test"
    full = read_accuracy(full_labels(given.full, work), test)
    print("all labels", full, flush=True)
    names, numbers = np.unique(list(truth.values()), return_inverse=True)
    person = Person(numbers, len(names), generator(given.seed, "page hand"))
    hand = Hand(person, tuple(names.tolist()))
    before, started = processor_seconds(), time.perf_counter()
    with serving(work / "pictures", work) as address, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=given.browser, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": 1280, "height": 800})
        page.set_default_timeout(120_000)
        way = Way(page, address, truth, hand)
        trained = walk(way, work / "libraries", test, full["accuracy"] - POINTS, given.groups)
        seconds = time.perf_counter() - started
        version = browser.version
        browser.close()
    found = summary(way, trained, full)
    return found | {
        "browser": version,
        "minutes": round(seconds / 60, 1),
        "processor_minutes": round((processor_seconds() - before) / 60, 1),
    }


def summary(way: Way, trained: list[dict[str, Any]], full: Mapping[str, Any]) -> dict[str, Any]:
    """What the way took, and what it led to."""
    hand = way.hand
    return {
        "data": SET,
        "pictures": len(way.names),
        "full_labels": full,
        "wanted": f"accuracy of all labels less {100 * POINTS:.0f} points",
        "reached": bool(trained) and trained[-1]["accuracy"] >= full["accuracy"] - POINTS,
        "trainings": trained,
        "decided": counted(hand.person.asked, len(way.in_groups), len(way.names)),
        "groups_left": hand.asked["groups left"],
        "hand_errs": ERRS,
        "hand_minutes": round(hand.seconds / 60, 1),
        "steps": way.steps,
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--pictures", type=int, default=1_800)
    parser.add_argument("--groups", type=int, default=0, help="groups that are named at most")
    parser.add_argument("--full", type=Path, help="a run that was trained on all labels before")
    parser.add_argument("--browser", default="/usr/bin/chromium")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        found = measure(given, Path(folder))
    command = ["python", "benchmarks/page_run.py"]
    command += ["--pictures", str(given.pictures), "--groups", str(given.groups)]
    told = about("", given.seed, None, command, spread="Wilson, 95 %", clock="wall clock, beside other work")
    write_json(given.out, {**found, **as_json(told)})


if __name__ == "__main__":
    main()
