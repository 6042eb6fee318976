"""A media library tagged from few pictures: four tasks, transfer learning against its peers
(the media-library study).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from lightfast.models.hub_reach import require_published
from lightfast.models.transfer import identifier_of
from lightfast.report.page import Cell, Table
from lightfast.report.tables import percent, percent_range, points_cell, share_cell
from lightfast.statistics.intervals import student_mean, wilson
from lightfast.studies.assets.draws import measured_draws
from lightfast.studies.assets.figures import intervals_section, scratch_rows, scratch_table
from lightfast.studies.assets.grouping import grouped_pictures, grouping_section, grouping_table
from lightfast.studies.assets.nets import (
    OTHER_SETS,
    PAPER_NETWORKS,
    other_set,
    paper_networks,
    trained_ways,
    ways,
)
from lightfast.studies.assets.noisy_labels import label_noise, noise_section, noise_tables
from lightfast.studies.assets.tasks import TASKS, TaskOf, features_of, library
from lightfast.studies.registry import STUDIES, Study, StudyOptions, StudyResult

# Draws, (training, test) pictures of a draw, draws and epochs of the trained networks.
_DRAWS = {"quick": 2, "paper": 20}
_SIZES = {"quick": (60, 30), "paper": (1_000, 100)}
TRAINED = {"quick": (1, 1), "paper": (1, None)}
TRAINED_ON = "four"
_TITLES = {
    "pooled": "frozen, pooled features",
    "both": "frozen, pooled features and maps",
    "tree": "tree of binary classifiers",
    "robust": "frozen, wrong labels left out",
}


def run_assets(options: StudyOptions) -> StudyResult:
    """Features once, then the draws, the full sets, the trained networks and the other photographs.

    Raises DownloadError within seconds where `options.fetch_weights` wants weights that cannot be had.
    """
    for model, *_ in PAPER_NETWORKS if options.fetch_weights else ():
        require_published(identifier_of(model))
    pool = library(options)
    features = features_of(options, pool.train), features_of(options, pool.test)
    draws = measured_draws(options, TASKS, pool, features, _SIZES[options.scale], _DRAWS[options.scale])
    full = measured_draws(options, TASKS, pool, features, None, 1) if options.scale == "paper" else {}
    task = next(one for one in TASKS if one.name == TRAINED_ON)
    count, epochs = TRAINED[options.scale]
    size = _SIZES[options.scale][0]
    trained = trained_ways(options, task, pool, (size, count), ways(epochs))
    judged = options.scale == "paper"
    networks = paper_networks(options, task, pool, size, epochs)
    names = OTHER_SETS if options.scale == "paper" else ()
    others = [found for name in names if (found := other_set(options, name)) is not None]
    noise, groups = label_noise(options, pool, features), grouped_pictures(options, pool, features[0])
    tables = [
        paper_table(draws, full, options),
        methods_table(draws),
        trained_ways_table(trained, task),
        scratch_table(trained, task, judged),
        networks_table(networks, task),
        *noise_tables(noise, judged=judged),
        grouping_table(groups),
    ]
    tables += [others_table(others)] if others else []
    return options.result(
        "assets",
        "A media library tagged from few pictures",
        tables,
        {
            "data_version": pool.train.version,
            "draws": draws,
            "full": full,
            "ways": trained,
            "scratch": scratch_rows(trained, judged),
            "networks": networks,
            "others": others,
            "label_noise": noise,
            "groups": groups,
        },
        notes=(*pool.notes, *_notes(options, others)),
        seconds={f"way {row['way']}, draw {row['draw']}": row["seconds"] for row in trained},
        sections=(intervals_section(draws, full), noise_section(noise), grouping_section(groups)),
    )


def paper_table(
    draws: Mapping[str, Sequence[Any]], full: Mapping[str, Sequence[Any]], options: StudyOptions
) -> Table:
    """The paper's table beside ours: top-1, and top-3 in brackets."""
    rows = []
    size, tested = _SIZES[options.scale]
    for task in TASKS:
        results = draws[task.name]
        cells: list[Cell | str] = [
            task.title,
            *(_published(task.published[name]) for name in ("paper", "Clarifai", "Vize")),
        ]
        cells += [f"≥ {_published(task.wanted)}", mean_cell(results, task)]
        if task.name in full:
            one = full[task.name][0]
            best = one["methods"][one["chosen"]]
            right = round(best["top1"] * one["n_test"])
            third = f" ({100 * best['top3']:.2f})" if len(task.classes) > 3 else ""
            spread = f"{percent_range(wilson(right, one['n_test']))}, n = {one['n_test']:,}"
            cells.append(Cell(f"{percent(best['top1'])}{third}", spread))
        rows.append(tuple(cells))
    columns = ["task, top-1 (top-3)", "paper", "Clarifai", "Vize", "wanted", f"ours, {size:,}/{tested}"]
    columns += ["ours, full sets"] if full else []
    note = (
        f"Ours: mean of {len(draws[TASKS[0].name])} draws, ± standard deviation of a draw, 95 % interval of "
        "the mean (Student's t over draws, which share pictures of one pool). A head is chosen on a fifth of "
        "the training pictures. Published figures: other pictures."
    )
    return Table(tuple(columns), tuple(rows), "Four tasks of a media library", (note,))


def methods_table(draws: Mapping[str, Sequence[Any]]) -> Table:
    """Every head on every task: top-1, and how it compares with the plain head on the same draws."""
    rows = []
    for task in TASKS:
        results = draws[task.name]
        for name in results[0]["methods"]:
            own = np.array([one["methods"][name]["top1"] for one in results])
            gap = own - np.array([one["methods"]["both"]["top1"] for one in results])
            interval = student_mean(gap, (-1.0, 1.0))
            difference = "" if name == "both" else points_cell(float(gap.mean()), interval, 1)
            seconds = float(np.median([one["methods"][name]["seconds"] for one in results]))
            mean = share_cell(float(own.mean()), student_mean(own, (0.0, 1.0)), digits=1)
            rows.append((task.title, _TITLES[name], mean, difference, f"{seconds:.1f} s"))
    columns = ("task", "head", "top-1", "against pooled + maps", "fit")
    return Table(
        columns,
        tuple(rows),
        "Frozen features: which head",
        (
            "Same draws in every row; 95 % intervals over draws (Student's t). The seconds are those of "
            "fitting a head, the features were computed once.",
        ),
    )


def trained_ways_table(rows: Sequence[Mapping[str, Any]], task: TaskOf) -> Table:
    """From scratch against pretrained, frozen against fine-tuned."""
    cells = []
    for way in ways():
        own = [row for row in rows if row["way"] == way.name]
        right, n = sum(round(row["accuracy"] * row["n"]) for row in own), sum(row["n"] for row in own)
        minutes = sum(row["seconds"] for row in own) / len(own) / 60
        cells.append(
            (way.title, share_cell(right / n, wilson(right, n)), str(own[0]["epochs"]), f"{minutes:.1f}")
        )
    draws, size = len({row["draw"] for row in rows}), rows[0]["n_train"] + rows[0]["n_val"]
    note = (
        f"Task {task.title}, {size:,} training pictures a draw, {draws} draw{'s' * (draws > 1)}, tested on "
        f"all {rows[0]['n']:,} test pictures (interval: Wilson over pictures). Lite0 at 96 pixels in every "
        "row."
    )
    return Table(
        ("way", "top-1", "epochs", "minutes"), tuple(cells), "Pretrained or not, frozen or not", (note,)
    )


def networks_table(rows: Sequence[Mapping[str, Any]], task: TaskOf) -> Table:
    """The paper's three networks, where their weights were fetched."""
    cells = tuple(
        (
            row["title"],
            *(
                ("not run",) * 3
                if row["accuracy"] is None
                else (
                    share_cell(row["accuracy"], tuple(row["accuracy_interval"])),
                    str(row["epochs"]),
                    f"{row['seconds'] / 60:.1f}",
                )
            ),
            row["differs"],
        )
        for row in rows
    )
    note = (
        f"Task {task.title}, the first draw, tested on all its test pictures (interval: Wilson). The "
        "paper found "
        "Inception-v3 the best in accuracy, validation loss and training time, without figures. Their "
        "weights "
        "have to be fetched: `fetch_weights`."
    )
    columns = ("network", "top-1", "epochs", "minutes", "differs from the paper")
    return Table(columns, cells, "The paper's three networks", (note,))


def others_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """`--model auto` on other photographs."""
    cells = tuple(
        (
            row["data"],
            f"{row['n_train'] + row['n_val']:,}",
            str(row["classes"]),
            share_cell(row["accuracy"], tuple(row["accuracy_interval"])),
            percent(row["top3"]) if row["top3"] is not None else "",
            f"{row['n']:,}",
            f"{row['auto']['seconds'] / 60:.1f}",
            row["auto"]["why"].split(":")[0],
        )
        for row in rows
    )
    columns = ("data", "training", "classes", "top-1", "top-3", "tested", "minutes", "chosen")
    note = "benchmarks/peer_recipe.py reads the same test pictures by the plainest peer recipe."
    return Table(columns, cells, "Other photographs, --model auto", (note,))


def mean_cell(results: Sequence[Mapping[str, Any]], task: TaskOf) -> Cell:
    """Mean top-1 of the chosen heads over draws, with spread, interval and top-3."""
    own = np.array([one["methods"][one["chosen"]]["top1"] for one in results])
    third = float(np.mean([one["methods"][one["chosen"]]["top3"] for one in results]))
    more = f" ({100 * third:.2f})" if len(task.classes) > 3 else ""
    return Cell(
        f"{percent(float(own.mean()), 1)}{more}",
        f"± {100 * own.std(ddof=1):.1f}, {percent_range(student_mean(own, (0.0, 1.0)))}",
    )


def _published(figures: tuple[float, float | None]) -> str:
    top1, top3 = figures
    return f"{top1:g}" if top3 is None else f"{top1:g} ({top3:g})"


def _notes(options: StudyOptions, others: Sequence[Any]) -> tuple[str, ...]:
    notes = [
        "The hosted services' figures are the paper's own, on its private pictures; `lightfast scorecard` "
        "replays saved responses of such services on yours.",
        "Noise: one training label in ten is another class, in the part that is fitted and in the part that "
        "is chosen on; test labels are clean.",
    ]
    if options.scale == "quick":
        notes.append(
            f"Scale quick: {_DRAWS['quick']} draws of few pictures, which show that the study runs. Their "
            "intervals say nothing."
        )
    if options.scale == "paper" and not others:
        notes.append(f"Not run, since they are not in the data folder: {', '.join(OTHER_SETS)}.")
    return tuple(notes)


STUDIES.add("assets", Study("assets", run_assets, fetches=True))
