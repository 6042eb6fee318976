"""What `repair` found, for a terminal."""

from __future__ import annotations

from lightfast.pages.repair import RepairResult
from lightfast.report.tables import points_text, share_text


def repair_lines(result: RepairResult) -> list[str]:
    """What was found and done, and with labels the predictions before and after."""
    report, scores = result.report, result.report.scores
    kinds = sorted(report.damage.items(), key=lambda item: -item[1])
    lines = [
        f"damage     {', '.join(f'{name} {count:,}' for name, count in kinds)}",
        f"restored   {report.attempted:,} of {report.n:,} pictures; the new reading was kept for "
        f"{report.kept:,}",
        f"doubtful   {report.doubtful:,} pictures for a person, with reasons",
    ]
    if scores:
        paired, before, after = scores.paired, scores.before, scores.after
        gap = points_text(paired.difference, paired.difference_interval, unit=" points")
        lines += [
            f"before     {share_text(before.accuracy, before.accuracy_interval)}, n = {before.n:,}",
            f"after      {share_text(after.accuracy, after.accuracy_interval)}, the same pictures",
            f"difference {gap}, {paired.gained:,} gained, {paired.lost:,} lost, p = {paired.p_value:.2g}",
        ]
    if answers := report.answers:
        lines.append(f"answers    {answers.sentence()}")
        if found := answers.scores:
            accuracy = share_text(found.accuracy, found.accuracy_interval)
            lines.append(f"with them  {accuracy}, n = {found.n:,}, the same pictures")
    return [*lines, f"report     {result.out / 'report.html'}"]
