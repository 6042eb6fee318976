"""What a picture costs as their number grows, 10,000 to a million: ingest, tag, search, curate.

    python benchmarks/growth.py [--files 10000] [--draw]

measures what no other benchmark does, and draws it with what others measured:

- ingest: files added to a library on SQLite (PNG files of 32 x 32, hashed, with their thumbnails), at a tenth
  of --files and at --files; rows loaded into the tables (no files) up to a million: `library-search`.
- tag: what a model said of these pictures written to the library (its answers are drawn: a network's own time
  does not grow with their number).
- search: `library-search` (drawn rows, 10,000 to a million).
- curate: wrong labels among drawn probabilities of ten classes, at 10,000, 100,000 and a million; near
  duplicates by the steps `small_pictures` and `blends` of `near-duplicates`.

Processor time of this process, one thread. Points are measurements, lines between them join them: nothing is
extrapolated, and where a line ends before a million nothing was measured behind it. --draw only draws.

Written to benchmarks/results/growth.json and docs/growth.png.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(variable, "1")

import numpy as np  # noqa: E402
from measured import about  # noqa: E402
from PIL import Image  # noqa: E402

from lightfast.base.files import load_json, write_json  # noqa: E402
from lightfast.curate.issues import find_label_issues  # noqa: E402
from lightfast.data.dataset import Entry  # noqa: E402
from lightfast.library.add import add_pictures  # noqa: E402
from lightfast.library.library import create_library  # noqa: E402
from lightfast.library.tag import ModelFacts, register_model, tag_assets  # noqa: E402
from lightfast.tagging.card import ModelCard  # noqa: E402
from lightfast.tagging.runtime import Tagger  # noqa: E402
from lightfast.tagging.stream import Tagged  # noqa: E402

RESULTS = Path(__file__).parent / "results"
OUT, PLOT = RESULTS / "growth.json", Path(__file__).parents[1] / "docs" / "growth.png"
SEED, CLASSES, BATCH = 0, 10, 256
ROWS = (10_000, 100_000, 1_000_000)


def spent(work: Callable[[], Any], count: int) -> float:
    """Milliseconds of processor time a picture."""
    started = time.process_time()
    work()
    return round(1000 * (time.process_time() - started) / count, 4)


def drawn_probs(count: int, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """Probabilities (N, 10) and labels, of which one in ten is drawn anew."""
    clean = rng.integers(0, CLASSES, count)
    given = np.where(rng.random(count) < 0.1, rng.integers(0, CLASSES, count), clean)
    logits = rng.normal(size=(count, CLASSES)) * 1.5
    logits[np.arange(count), clean] += 4
    probs = np.exp(logits)
    return (probs / probs.sum(axis=1, keepdims=True)).astype(np.float32), given


def write_files(folder: Path, start: int, end: int) -> None:
    """Pictures of noise, every one another."""
    folder.mkdir()
    for number in range(start, end):
        pixels = np.random.default_rng([SEED, number]).integers(0, 256, (32, 32, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(folder / f"{number:07}.png", compress_level=1)


def saying(rng: np.random.Generator) -> Callable[..., Iterable[Tagged]]:
    """Reads no file: its answers are drawn."""

    def answers(_tagger: object, entries: Iterable[Entry], *_: object, **__: object) -> Iterable[Tagged]:
        batch: list[Entry] = []
        for entry in entries:
            batch.append(entry)
            if len(batch) == BATCH:
                yield Tagged(tuple(batch), drawn_probs(len(batch), rng)[0])
                batch.clear()
        if batch:
            yield Tagged(tuple(batch), drawn_probs(len(batch), rng)[0])

    return answers


def library_steps(work: Path, files: int) -> dict[str, list[dict[str, Any]]]:
    """Adding and tagging: first a tenth of the files, then the rest on top of it."""
    library, rng = create_library(work / "library"), np.random.default_rng(SEED)
    card = ModelCard("drawn", (32, 32, 3), tuple(f"class {number}" for number in range(CLASSES)))
    tagger = Tagger(card, lambda images: np.zeros((len(images), CLASSES), np.float32))
    model = register_model(library.store, ModelFacts("drawn", "drawn", "drawn", card.class_names, {}))
    told: dict[str, list[dict[str, Any]]] = {"add_files": [], "write_tags": []}
    start = 0
    for end in (files // 10, files):
        folder = work / f"to-{end}"
        write_files(folder, start, end)
        added = spent(lambda folder=folder: add_pictures(library, [str(folder)]), end - start)
        wrote = spent(
            lambda: tag_assets(library, tagger, model, tag=saying(rng)),  # pyright: ignore[reportArgumentType]
            end - start,
        )
        told["add_files"].append({"n": end, "milliseconds_a_picture": added})
        told["write_tags"].append({"n": end, "milliseconds_a_picture": wrote})
        print(told, flush=True)
        start = end
    library.close()
    return told


def label_issue_rows() -> list[dict[str, Any]]:
    """Wrong labels looked for, by the number of rows."""
    rng, told = np.random.default_rng(SEED), []
    find_label_issues(*drawn_probs(2_000, rng))
    for count in ROWS:
        probs, given = drawn_probs(count, rng)
        cost = spent(lambda probs=probs, given=given: find_label_issues(probs, given), count)
        told.append({"n": count, "milliseconds_a_picture": cost})
        print(told[-1], flush=True)
    return told


def curves(growth: dict[str, Any]) -> tuple[dict[str, list[tuple[int, float]]], dict[str, Any]]:
    """(milliseconds a picture, milliseconds a query) by number of pictures, of all results."""
    search = load_json(RESULTS / "library-search.json")["results"]
    near = load_json(RESULTS / "near-duplicates.json")
    a_picture = {
        "ingest: files added (SQLite)": pairs(growth["add_files"]),
        "tag: answers written (SQLite)": pairs(growth["write_tags"]),
        "curate: wrong labels": pairs(growth["label_issues"]),
        "curate: near duplicates, whole search (CIFAR-10)": pairs(near.get("small_pictures", ()), "total"),
        "curate: near duplicates, whole search (blends)": pairs(near.get("blends", ()), "total"),
    }
    a_query = {}
    for name in ("sqlite", "postgresql"):
        rows = [one for one in search if one["database"] == name]
        a_picture[f"ingest: rows loaded ({name})"] = [
            (one["pictures"], 1000 / one["rows_a_processor_second"]) for one in rows
        ]
        a_query[f"by tags ({name})"] = [
            (one["pictures"], one["tags"]["first_page"]["processor_p50_ms"]) for one in rows
        ]
        a_query[f"by likeness ({name})"] = [
            (one["pictures"], one["likeness"]["all"]["processor_p50_ms"]) for one in rows
        ]
    return a_picture, a_query


def pairs(rows: Iterable[dict[str, Any]], key: str = "milliseconds_a_picture") -> list[tuple[int, float]]:
    """(number, cost)."""
    return [(one["n"], one[key]) for one in rows]


def plot(growth: dict[str, Any], path: Path) -> None:
    """Both kinds of cost over the number of pictures, all axes logarithmic."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 5), layout="constrained")
    labels = ("a picture, ms of processor", "a query, p50, ms of processor")
    for axes, drawn, label in zip(figure.subplots(1, 2), curves(growth), labels, strict=True):
        for name, points in drawn.items():
            if points:
                axes.loglog(*zip(*points, strict=True), "o-", label=name)
        axes.set(xlabel="pictures", ylabel=label)
        axes.grid(visible=True, alpha=0.3)
        axes.legend(fontsize="x-small")
    figure.savefig(path, dpi=110)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--draw", action="store_true")
    given = parser.parse_args()
    if not given.draw:
        with tempfile.TemporaryDirectory() as name:
            told: dict[str, Any] = library_steps(Path(name), given.files)
        told["label_issues"] = label_issue_rows()
        facts = about(
            "",
            SEED,
            None,
            ["python", "benchmarks/growth.py", *sys.argv[1:]],
            n="beside each figure",
            spread="none: one run each",
            clock="processor time of one process",
        )
        write_json(OUT, {**told, **facts})
    plot(load_json(OUT), PLOT)


if __name__ == "__main__":
    main()
