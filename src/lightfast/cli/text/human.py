"""A session of the human test, or its results, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightfast.baselines.human_score import NOT_RUN
from lightfast.cli.text.columns import columns
from lightfast.pages.human import kappa_text
from lightfast.report.tables import percent, points_text, share_text
from lightfast.runs.folder import REPORT_FILE


def human_lines(result: Mapping[str, Any]) -> list[str]:
    """A session or the results, for a terminal."""
    if "person" in result:
        return _session_lines(result)
    if result["status"] == NOT_RUN:
        return [f"people     {NOT_RUN}: no answers in {result['log']}"]
    rows = [_person_row(person) for person in result["people"]]
    heading = (
        "person",
        "n",
        "accuracy",
        "don't know",
        "seconds",
        "model, same pictures",
        "person − model",
        "kappa with it",
    )
    width = len(heading) if "model" in result else 5
    lines = [
        f"people     {share_text(result['accuracy'], result['accuracy_interval'])}, {result['n']:,} "
        f"pictures, {result['answers']:,} answers, seed {result['seed']}",
        *columns(heading[:width], [row[:width] for row in rows]),
    ]
    for name, kappa in _kappas(result):
        lines.append(f"agreement  {name}: {kappa_text(kappa)}")
    if result["majority"]:
        most = result["majority"]
        lines.append(
            f"majority   {share_text(most['accuracy'], most['accuracy_interval'])}, n = {most['n']:,}, "
            f"{most['undecided']:,} undecided"
        )
    return [*lines, f"report     {Path(result['log']).parent / REPORT_FILE}"]


def _session_lines(result: Mapping[str, Any]) -> list[str]:
    lines = [
        f"{result['person']}: {result['answered']:,} of {result['n']:,} pictures answered "
        f"({result['asked']:,} now), kept in {result['log']}"
    ]
    return (
        lines
        if result["status"] == "complete"
        else [*lines, f"{result['left']:,} are left: the same command goes on where you stopped"]
    )


def _person_row(person: Mapping[str, Any]) -> tuple[str, ...]:
    row = (
        person["person"],
        f"{person['n']:,}",
        share_text(person["accuracy"], person["accuracy_interval"]),
        f"{person['dont_know']:,}",
        f"{person['median_seconds']:.1f}",
    )
    test = person["versus_model"]
    if test is None:
        return row
    gap = f"{points_text(test['difference'], test['difference_interval'], 1)}, p = {test['p_value']:.2g}"
    return (*row, percent(test["before_accuracy"]), gap, kappa_text(person["kappa_with_model"], n=False))


def _kappas(result: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    named = [(f"{pair['first']} and {pair['second']}", pair["kappa"]) for pair in result["pairs"]]
    return named + ([("all (Fleiss)", result["fleiss"])] if result["fleiss"] else [])
