"""What `enhance` found, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from lightfast.cli.text.columns import columns
from lightfast.cli.text.runs import paired_row
from lightfast.pages.enhance import _LEAK, _how_to_keep, cure_of, verdict_sentence
from lightfast.report.tables import percent, points, share_text
from lightfast.restore.measure import WITH, WITHOUT


def enhance_lines(metrics: Mapping[str, Any]) -> list[str]:
    """The verdict, the figures, transfer and leak: for a terminal."""
    tests = {"clean": metrics["paired"], "degraded": metrics["degraded"], **metrics["by_kind"]}
    lines = [
        verdict_sentence(metrics).replace("Refused", "REFUSED"),
        *columns(
            ("test pictures", "n", WITHOUT, WITH, "difference"),
            [paired_row(name, cast(Any, SimpleNamespace(**test))) for name, test in tests.items() if test],
        ),
        "Accuracy of the same test pictures without and with the enhancer; brackets: 95 % intervals.",
    ]
    if metrics["enhancer"]["strength"] is not None:
        lines.append(
            f"enhancer   {metrics['enhancer']['model']}, λ = {metrics['enhancer']['strength']:g}, "
            f"{metrics['enhancer']['parameters']:,} weights before {metrics['base_model']}"
        )
    for row in metrics["transfer"]:
        told = [
            f"{key} {points(row[key]['difference'])} ({percent(row[f'{key}_kept'], 0)} of the own gain)"
            for key in ("clean", "degraded")
            if row[key]
        ]
        lines.append(f"transfer   {row['name']}: {', '.join(told)}, n = {row['clean']['n']:,}")
    lines += leak_lines(metrics)
    if not metrics["accepted"]:
        lines.append(
            f"not kept   {metrics['run']} holds no checkpoint. {_how_to_keep(metrics)}: {cure_of(metrics)}"
        )
    return [*lines, f"report     {Path(metrics['run'], 'report.html')}"]


def leak_lines(metrics: Mapping[str, Any]) -> list[str]:
    """The figures of the leaking protocol, each marked, the honest one beside it;
    nothing where none was asked for.
    """
    leak = metrics["leak"]
    if leak is None:
        return []
    lines = [f"{leak['said']}."]
    for key in ("clean", "degraded"):
        if leak[key]:
            share = [share_text(test["after_accuracy"]) for test in (leak[key], leak["honest"][key])]
            lines.append(f"{_LEAK} {key}: {share[0]}; honest: {share[1]}")
    return lines
