"""A session of the human test, or its results, for a terminal."""

from __future__ import annotations

from lightfast.baselines.human_score import NOT_RUN, PersonScore
from lightfast.cli.text.columns import columns
from lightfast.pages.human import HumanResult, HumanSession
from lightfast.pages.paired import kappa_text
from lightfast.report.tables import percent, points_text, share_text


def human_lines(result: HumanSession | HumanResult) -> list[str]:
    """A session or the results, for a terminal."""
    if isinstance(result, HumanSession):
        return _session_lines(result)
    found = result.baseline
    if found.status == NOT_RUN:
        return [f"people     {NOT_RUN}: no answers in {result.log}"]
    rows = [_person_row(person) for person in found.people]
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
    width = len(heading) if found.model else 5
    kappas = [(f"{pair.first} and {pair.second}", pair.kappa) for pair in found.pairs]
    if found.fleiss:
        kappas.append(("all (Fleiss)", found.fleiss))
    lines = [
        f"people     {share_text(found.accuracy, found.accuracy_interval)}, {found.n:,} pictures, "
        f"{found.answers:,} answers, seed {result.seed}",
        *columns(heading[:width], [row[:width] for row in rows]),
        *(f"agreement  {name}: {kappa_text(kappa)}" for name, kappa in kappas),
    ]
    if most := found.majority:
        lines.append(
            f"majority   {share_text(most.accuracy, most.accuracy_interval)}, n = {most.n:,}, "
            f"{most.undecided:,} undecided"
        )
    return [*lines, *([f"report     {result.report}"] if result.report else [])]


def _session_lines(result: HumanSession) -> list[str]:
    lines = [
        f"{result.person}: {result.answered:,} of {result.n:,} pictures answered ({result.asked:,} now), "
        f"kept in {result.log}"
    ]
    if result.left:
        lines.append(f"{result.left:,} are left: the same command goes on where you stopped")
    return lines


def _person_row(person: PersonScore) -> tuple[str, ...]:
    row = (
        person.person,
        f"{person.n:,}",
        share_text(person.accuracy, person.accuracy_interval),
        f"{person.dont_know:,}",
        f"{person.median_seconds:.1f}",
    )
    test = person.versus_model
    if test is None:
        return row
    gap = f"{points_text(test.difference, test.difference_interval, 1)}, p = {test.p_value:.2g}"
    return (*row, percent(test.before_accuracy), gap, kappa_text(person.kappa_with_model, n=False))
