"""From a folder without a label to a model in use: a library asks, a person answers, the next model learns.
Half a minute on one core.

`lightfast library` does the same by hand: init, add, queue, review, retrain, tag, models. docs/library.md
tells the whole of it.
"""

from __future__ import annotations

import csv
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

import lightfast as lf
from lightfast.evaluate.review import ReviewRule
from lightfast.library.add import add_pictures
from lightfast.library.intake import take_up_queue
from lightfast.library.library import Library, create_library
from lightfast.library.people.users import user_number
from lightfast.library.review.review import AnswerRow, decide_rows, next_asked
from lightfast.runs.library.pile import RetrainOptions
from lightfast.runs.library.retrain import retrain_library
from lightfast.runs.library.tag import promoted_run, tag_library
from lightfast.runs.options import RunOptions
from lightfast.train.recipe import Recipe


def main() -> None:
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        truth = write_pictures(folder / "photos")
        library = create_library(folder / "library")
        print(f"{add_pictures(library, [str(folder / 'photos')]).added} pictures, none with a label")
        # Nobody knows anything yet: any picture may be asked about.
        with (folder / "all.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows([["path"], *([path] for path in truth)])
        print(f"{take_up_queue(library, folder / 'all.csv').queued} wait for a person")
        answer(library, truth, 150)
        learn(library)
        said = tag_library(library, promoted_run(library), RunOptions(), ReviewRule.from_text("gap=0.9"))
        print(f"tagged: {said.accepted} accepted, {said.queued} for a person, {said.decided} decided before")
        answer(library, truth, 450)
        learn(library)
        library.close()


def write_pictures(folder: Path) -> dict[str, str]:
    """Digits as picture files; path → what a person would see."""
    folder.mkdir()
    order = np.random.default_rng(0).permutation(5_000)[:1_000]
    digits = lf.load_images("mnist-5k").images.take(order)
    truth = {}
    for number, (pixels, label) in enumerate(zip(digits.images, digits.require_labels(), strict=True)):
        path = folder / f"{number:04}.png"
        Image.fromarray(pixels[..., 0]).save(path)
        truth[str(path)] = digits.class_names[label]
    return truth


def answer(library: Library, truth: dict[str, str], count: int) -> None:
    """Ada looks at the pictures that the library asks about, the most doubtful first, 1.5 seconds each."""
    ada = library.store.act(lambda connection: user_number(connection, "ada"))
    rows = [
        AnswerRow(str(one.asset_id), truth[one.path], seconds=1.5) for one in next_asked(library, ada, count)
    ]
    decide_rows(library, ada, rows, add_labels=True)


def learn(library: Library) -> None:
    """The next model, compared with the one in use on pictures that neither has learned from."""
    recipe = Recipe.of(epochs=8, batch_size=32)
    said = retrain_library(library, RunOptions(), RetrainOptions("cnn", recipe))
    assert said.accuracy is not None
    assert said.interval is not None
    low, high = (f"{end:.2%}" for end in said.interval)
    print(f"{said.model}: {said.trained} pictures, {said.decisions} decisions in {said.minutes:.1f} minutes")
    print(f"untouched: accuracy {said.accuracy:.2%} (95 % interval {low} to {high}, n = {said.held_out})")
    if said.test is not None:
        print(said.test.sentence())
    print(f"{said.verdict}; {'in use' if said.promoted else 'kept aside'}: {said.reason}")


if __name__ == "__main__":
    main()
