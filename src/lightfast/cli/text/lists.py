"""Tables of what can be named: data sets and corruptions, as JSON values and as lines of text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lightfast.cli.text.columns import columns
from lightfast.corrupt.suite import CORRUPTIONS, SUITES
from lightfast.data.catalogue.catalogue import CATALOGUE, availability, data_folder, local_dataset_names


def data_sets() -> dict[str, Any]:
    """The catalogue with what is here, and the other data sets in the data folder."""
    rows = [
        {
            "name": entry.name,
            "available": availability(entry.name),
            "pictures": sum(entry.counts.values()),
            "classes": len(entry.classes),
            "image_shape": list(entry.image_shape),
            "title": entry.title,
            "licence": entry.licence,
            "homepage": entry.homepage,
        }
        for entry in CATALOGUE
    ]
    return {
        "folder": str(data_folder()),
        "data_sets": rows,
        "others": [name for name in local_dataset_names() if name not in CATALOGUE],
    }


def data_set_lines(listing: Mapping[str, Any]) -> list[str]:
    """What `data_sets` gives, as a table."""
    rows = [
        (
            row["name"],
            row["available"],
            f"{row['pictures']:,}",
            str(row["classes"]),
            "×".join(map(str, row["image_shape"])),
            row["title"],
        )
        for row in listing["data_sets"]
    ]
    others = [f"Also there: {', '.join(listing['others'])}"] if listing["others"] else []
    return [
        *columns(("name", "where", "pictures", "classes", "H×W×C", "what"), rows),
        f"Data folder: {listing['folder']}",
        *others,
    ]


def corruptions() -> dict[str, Any]:
    """Every registered corruption, and the suites with their severities."""
    facts = ("name", "family", "summary", "source")
    rows = [{fact: getattr(entry, fact) for fact in facts} for entry in CORRUPTIONS]
    suites = {
        suite.name: [[name, list(severities)] for name, severities, _ in suite.entries] for suite in SUITES
    }
    return {"corruptions": rows, "suites": suites}


def corruption_lines() -> list[str]:
    """Every registered corruption as a table, and the names of the suites."""
    lines = columns(
        ("name", "family", "what it does"),
        [(entry.name, entry.family, entry.summary) for entry in CORRUPTIONS],
    )
    return [*lines, f"Suites: {', '.join(SUITES.names())}"]
