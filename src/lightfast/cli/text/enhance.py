"""What `enhance` found, for a terminal."""

from __future__ import annotations

from pathlib import Path

from lightfast.cli.text.columns import columns
from lightfast.pages.enhance import LEAK, EnhanceResult, Leak
from lightfast.report.tables import percent, points, points_text, share_text
from lightfast.restore.gate import WITH, WITHOUT


def enhance_lines(result: EnhanceResult) -> list[str]:
    """The verdict, the figures, transfer and leak: for a terminal."""
    rows = [
        (
            name.replace("_", " "),
            f"{test.n:,}",
            percent(test.before_accuracy),
            percent(test.after_accuracy),
            points_text(test.difference, test.difference_interval),
        )
        for name, test in result.tested.tests.items()
    ]
    lines = [
        result.verdict_sentence().replace("Refused", "REFUSED"),
        *columns(("test pictures", "n", WITHOUT, WITH, "difference"), rows),
        "Accuracy of the same test pictures without and with the enhancer; brackets: 95 % intervals.",
    ]
    enhancer = result.enhancer
    if enhancer.strength is not None:
        lines.append(
            f"enhancer   {enhancer.model}, λ = {enhancer.strength:g}, {enhancer.parameters:,} weights before "
            f"{result.base_model}"
        )
    lines += [result.refit.sentence()] if result.refit else []
    for row in result.transfer:
        told = [
            f"{key} {points(test.difference)} ({percent(kept, 0)} of the own gain)"
            for key, test, kept in (
                ("clean", row.clean, row.clean_kept),
                ("degraded", row.degraded, row.degraded_kept),
            )
            if test
        ]
        lines.append(f"transfer   {row.name}: {', '.join(told)}, n = {row.clean.n:,}")
    lines += leak_lines(result.leak) if result.leak else []
    if not result.accepted:
        command = f"lightfast enhance {result.base} {result.source} --use {result.run}"
        lines.append(
            f"not kept   {result.run} holds no checkpoint. {result.way_out()}: {command} --gate "
            f"{result.keeping_gate} --out RUN3"
        )
    return [*lines, f"report     {Path(result.run, 'report.html')}"]


def leak_lines(leak: Leak) -> list[str]:
    """The figures of the leaking protocol, each marked, the honest one beside it."""
    lines = [f"{leak.said}."]
    for key in ("clean", "degraded"):
        if test := leak.tests.get(key):
            shares = [share_text(one.after_accuracy) for one in (test, leak.honest.tests[key])]
            lines.append(f"{LEAK} {key}: {shares[0]}; honest: {shares[1]}")
    return lines
