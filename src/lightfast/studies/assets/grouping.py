"""The media-library paper's first approach: pictures on a plane and in clusters, by the features of a network
that was trained on ImageNet; how much of them a map keeps, and what clusters in all dimensions are worth.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lightfast.base.files import json_digest
from lightfast.curate.clusters import Clusters, find_clusters
from lightfast.curate.embed import unit_rows
from lightfast.curate.maps import make_map, principal_components
from lightfast.curate.neighbours import nearest
from lightfast.report.grouped import GroupedShare, grouped_intervals_figure
from lightfast.report.page import Cell, Figure, Section, Table
from lightfast.report.tables import percent, percent_range, share_cell
from lightfast.statistics.intervals import wilson
from lightfast.studies.assets.tasks import MODEL, TASKS, TaskFeatures, TaskLibrary, draw
from lightfast.studies.registry import StudyOptions, kept

_SETS = ("objects", "six-noisy")
"""The paper's well-defined objects, and its complex data."""
_SIZES = {"quick": 90, "paper": 2_000}
_NEAR = 10
COVERAGE = 0.6


def grouped_pictures(
    options: StudyOptions, pool: TaskLibrary, features: TaskFeatures
) -> list[dict[str, Any]]:
    """One row of plain values a set of pictures; kept in the study's folder."""
    told = {"data": pool.train.version, "scale": options.scale, "seed": options.seed, "model": MODEL}
    path = options.out / "groups" / f"{json_digest(told)[:16]}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    return kept(path, lambda: {"sets": [_set(options, pool, features, name) for name in _SETS]})["sets"]


def _set(options: StudyOptions, pool: TaskLibrary, features: TaskFeatures, name: str) -> dict[str, Any]:
    task = next(task for task in TASKS if task.name == name)
    size = _SIZES[options.scale]
    drawn = draw(task, pool, options.seed, (size, len(task.classes)))
    rows = np.sort(np.concatenate([drawn.fit_rows, drawn.val_rows]))
    vectors = features.plain[rows, : features.pooled].astype(np.float32)
    labels = pool.train.require_labels()[rows]
    unit = unit_rows(vectors)
    shares = np.cumsum(principal_components(unit).shares)
    maps = {
        one: make_map(vectors, method=one, seed=options.seed, report=options.report)
        for one in ("pca", "tsne")
    }
    found = find_clusters(vectors, classes=len(task.classes), seed=options.seed, report=options.report)
    alike = {"all dimensions": _alike(nearest(unit, _NEAR).rows, labels)}
    alike |= {f"map by {one}": _alike(_near_on(map_.coordinates), labels) for one, map_ in maps.items()}
    return {
        "task": task.title.split(",")[0],
        "classes": len(task.classes),
        "n": len(rows),
        "variance": {"2": float(shares[1]), "3": float(shares[2])},
        "dimensions_80": int(np.searchsorted(shares, 0.8 - 1e-9)) + 1,
        "trust": {one: [map_.trust.trustworthiness, *map_.trust.interval] for one, map_ in maps.items()},
        "alike": alike,
        "clusters": _purity(found, labels),
    }


def _near_on(places: NDArray[np.float32]) -> NDArray[np.int64]:
    """int64 (N, 10): the nearest others on a plane."""
    gaps = np.square(places[:, None, :] - places[None, :, :]).sum(axis=2)
    np.fill_diagonal(gaps, np.inf)
    return np.argsort(gaps, axis=1, kind="stable")[:, :_NEAR]


def _alike(near: NDArray[np.int64], labels: NDArray[np.int64]) -> float:
    """The share of pictures that most of their ten nearest share the class of."""
    same = (labels[near] == labels[:, None]).mean(axis=1)
    return float((same > 0.5).mean())


def _purity(found: Clusters, labels: NDArray[np.int64]) -> dict[str, Any]:
    """Clusters in their order until their cores cover 60 % of all pictures: true and predicted purity."""
    right = covered = used = 0
    predicted = 0.0
    for one in found.clusters:
        rows = found.members(one.number)
        if not len(rows) or covered >= COVERAGE * len(labels):
            break
        covered, used = covered + len(rows), used + 1
        right += int(np.bincount(labels[rows]).max())
        predicted += one.purity * len(rows)
    return {"right": right, "covered": covered, "used": used, "predicted": predicted / max(1, covered)}


def grouping_table(rows: Sequence[Mapping[str, Any]]) -> Table:
    """What the paper says of maps and clusters beside what is measured here, a column a set."""
    differs = f"{MODEL} features of length 1 (paper: VGG-19 fc7, 4,096 numbers), stand-ins"
    own = "the paper judged by eye"
    lines: list[tuple[Cell | str, ...]] = []
    for count in ("2", "3"):
        cells = [percent(row["variance"][count], 1) for row in rows]
        lines.append((f"variance kept in {count} dimensions", "15–20 %", *cells, differs))
    dimensions = [str(row["dimensions_80"]) for row in rows]
    lines.append(("dimensions that keep 80 % of it", "not told", *dimensions, differs))
    verdicts = {"pca": "unusable", "tsne": "reasonable for shoes and bags, else unusable"}
    for method, said in verdicts.items():
        trust = [
            Cell(f"{row['trust'][method][0]:.3f}", "{:.3f}–{:.3f}".format(*row["trust"][method][1:]))
            for row in rows
        ]
        lines.append((f"trustworthiness of the map by {method}", said, *trust, own))
    for where in rows[0]["alike"]:
        cells = [share_cell(row["alike"][where], _interval(row, where), digits=1) for row in rows]
        lines.append((f"most of {_NEAR} nearest are of its class, {where}", "not measured", *cells, own))
    purity = [_purity_cell(row["clusters"]) for row in rows]
    lines.append(
        ("purity of clusters in all dimensions", "given up", *purity, f"at {COVERAGE:.0%} of the pictures")
    )
    said = [percent(row["clusters"]["predicted"], 1) for row in rows]
    lines.append(
        ("purity predicted without labels", "not measured", *said, "what a person is told beforehand")
    )
    columns = ("", "paper", *(f"{row['task']}, n = {row['n']:,}" for row in rows), "differs from the paper")
    note = (
        "Trustworthiness: Venna and Kaski, 15 neighbours, bootstrap interval over pictures; shares: Wilson. "
        "Clusters: over-clustered k-means, six a class, the firmest cores first."
    )
    return Table(columns, tuple(lines), "Maps and clusters (the paper's first approach)", (note,))


def _interval(row: Mapping[str, Any], where: str) -> tuple[float, float]:
    return wilson(round(row["alike"][where] * row["n"]), row["n"])


def _purity_cell(found: Mapping[str, Any]) -> Cell:
    interval = wilson(found["right"], found["covered"])
    return Cell(percent(found["right"] / found["covered"], 1), percent_range(interval))


def grouping_section(rows: Sequence[Mapping[str, Any]]) -> Section:
    """How often the nearest pictures are of one class, on the maps and in all dimensions."""
    groups = {
        row["task"]: [
            GroupedShare(where, share, wilson(round(share * row["n"]), row["n"]), True)
            for where, share in row["alike"].items()
        ]
        for row in rows
    }
    caption = (
        f"Share of pictures most of whose {_NEAR} nearest are of their class, 95 % intervals (Wilson): on "
        "either map, and in all dimensions, where the clusters are found."
    )
    figure = Figure(grouped_intervals_figure(groups, unit="pictures among their own, %"), caption)
    return Section("What a map keeps", (figure,))
