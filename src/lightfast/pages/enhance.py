"""The page of an enhancement: the verdict first, then what it rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

from lightfast.base.plain import FLAT, HIDDEN
from lightfast.evaluate.compare import PairedTest
from lightfast.evaluate.metrics import Evaluation
from lightfast.pages.enhance_gallery import ShownChanges, gallery_section
from lightfast.pages.repair import intervals_of, paired_table
from lightfast.pages.run import curves_figure
from lightfast.report.envelope import Envelope
from lightfast.report.noted import noted
from lightfast.report.page import Card, Cards, Cell, Section, SectionPart, Table, Text, Tone, write_page
from lightfast.report.tables import MISSING, percent, percent_range, points_cell, share_card, share_cell
from lightfast.restore.gate import WITH, WITHOUT, EnhancerScores, EnhancerTest, Gate, Refit

LEAK = "LEAK"
TRIED = "Strengths of the fidelity term that were tried"
TRIED_COLUMNS = ("λ", "cross-entropy", "accuracy", "change of the picture", "epochs")
_RULE = (
    "Of several λ the largest is taken whose cross-entropy lies within one standard error of the smallest: "
    "of equally helpful enhancers the one that changes the picture least."
)


@dataclass(frozen=True, kw_only=True)
class EnhancerFacts:
    """What an enhancer is: `plan`, `strength` and `tried` as its training noted them, None and empty for one
    of other making; `used_from` the run that it was taken from.
    """

    model: str
    config: Mapping[str, Any]
    parameters: int
    plan: Mapping[str, Any] | None
    strength: float | None
    tried: Sequence[Mapping[str, Any]]
    used_from: str | None


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """The enhancer before a classifier that it never saw, on the test pictures that this one has not seen
    (`left_out`: the others); `clean_kept` and `degraded_kept`: its gain as a share of the own gain.
    """

    run: str
    name: str
    model: str
    left_out: int
    clean: PairedTest
    clean_kept: float | None
    degraded: PairedTest | None
    degraded_kept: float | None
    touched_before: int | None


@dataclass(frozen=True, kw_only=True)
class Leak(EnhancerScores):
    """What an enhancer says that was trained on the test pictures too, beside the honest one."""

    protocol: str = "full"
    said: str
    trained_on: Mapping[str, int]
    honest: EnhancerScores


@dataclass(frozen=True, eq=False, kw_only=True)
class EnhancedScores:
    """The classifier behind its enhancer (`after`; `before`: alone) on the test pictures, and its size."""

    after: Evaluation = field(metadata=FLAT)
    before: Evaluation
    hardest_pairs: Sequence[Mapping[str, object]]
    model: str
    parameters: int
    temperature: float
    test_version: str
    epochs: int


@dataclass(frozen=True, eq=False, kw_only=True)
class EnhanceFigures:
    """The verdict on an enhancer and its figures, as metrics.json holds them.

    Attributes:
        run: the folder written. base: the run of the frozen classifier. source: the pictures.
        accepted, reason: the verdict of `gate`, by validation pictures.
        parts: pictures a part. suite: damages measured. protocol: "full" where `leak` was asked for.
        paired, degraded, by_kind: the test pictures without and with it, see `EnhancerScores`.
        transfer: before other classifiers.
        refit: the other way where the classifier may be trained; None where nothing was learnt here.
    """

    run: str
    base: str
    source: str
    base_model: str
    accepted: bool
    reason: str
    parts: Mapping[str, int]
    suite: str | None
    protocol: str
    enhancer: EnhancerFacts
    gate: Gate
    paired: EnhancerTest
    degraded: EnhancerTest | None
    by_kind: Mapping[str, EnhancerTest]
    transfer: tuple[Transfer, ...]
    leak: Leak | None
    refit: Refit | None = None

    @property
    def tested(self) -> EnhancerScores:
        """The figures of the test pictures."""
        return EnhancerScores(self.paired, self.degraded, self.by_kind)

    @property
    def keeping_gate(self) -> str:
        """The gate that lets a refused enhancer through: by degraded pictures where it helps those."""
        return "degraded" if self.gate.degraded_would_pass else "off"

    @property
    def verdict(self) -> Literal["refused", "kept", "accepted"]:
        """The gate's; kept: there was none to pass."""
        return "refused" if not self.accepted else "kept" if self.gate.kind == "off" else "accepted"

    def verdict_sentence(self) -> str:
        """The gate's verdict in one sentence, with its figures."""
        return f"{self.verdict.capitalize()}: {self.reason}."

    def way_out(self) -> str:
        """How a refused enhancer is kept, up to the command."""
        return (
            "By degraded validation pictures it would be accepted; to keep it for those"
            if self.gate.degraded_would_pass
            else "To keep it anyway"
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class EnhanceResult(Envelope, EnhanceFigures):
    """What `enhance` found.

    Attributes:
        scores: of a finished run that came back the content of its metrics.json.
        shown: "clean" and "degraded" test pictures. history, summary: of the enhancer. Empty in a finished
            run that came back.
    """

    scores: EnhancedScores | Mapping[str, Any] = field(metadata=FLAT)
    shown: Mapping[str, ShownChanges] = field(default_factory=dict, metadata=HIDDEN)
    history: Sequence[Mapping[str, Any]] = field(default=(), metadata=HIDDEN)
    summary: str = field(default="", metadata=HIDDEN)


_TONES: Mapping[str, Tone] = {"refused": "bad", "kept": "", "accepted": "good"}


def write_enhance_page(path: Path, result: EnhanceResult) -> Path:
    """The report: the verdict, the test pictures, what changes in them, other classifiers, the training."""
    sections = [
        Section("Verdict", (_cards(result), *noted(result)), result.verdict_sentence()),
        _tested_section(result),
        *([_refit_section(result.refit)] if result.refit else []),
        *([_leak_section(result.leak)] if result.leak else []),
        gallery_section(result.shown),
        *([_transfer_section(result.transfer)] if result.transfer else []),
        _learned_section(result),
    ]
    subtitle = (
        f"An enhancer before {result.base_model}, whose weights stay as they are; "
        f"{result.paired.n:,} test pictures."
    )
    return write_page(path, f"Enhancement on {result.data}", subtitle, sections, result.provenance)


def _cards(result: EnhanceResult) -> Cards:
    names = {"before_name": "the classifier alone", "after_name": "the classifier behind the enhancer"}
    clean, test = replace(result.paired, **names), result.degraded
    intervals = intervals_of(clean)
    after: Tone = "strong" if result.accepted else ""
    cards = [
        share_card(clean.before_accuracy, "clean test pictures, without", intervals[0]),
        share_card(clean.after_accuracy, "clean test pictures, with", intervals[1], after),
    ]
    if test:
        cell, label = _change(test), f"points on test pictures degraded by {result.suite}"
        # Nothing is green beside the verdict that there is nothing to use.
        tone = cell.tone if result.accepted or cell.tone == "bad" else ""
        cards.append(Card(cell.text, label, f"95 % interval {cell.detail}", tone))
    cards.append(
        Card(result.verdict, f"gate: {result.gate.kind}", "by validation pictures", _TONES[result.verdict])
    )
    lead = clean.sentence()
    if not result.accepted:
        lead = (
            "There is no checkpoint in this run, so that no other verb uses it by accident. "
            f"{result.way_out()}: enhance once more with `use` = this run and `gate` = "
            f"{result.keeping_gate}. {lead}"
        )
    return Cards(tuple(cards), lead)


def _change(test: PairedTest) -> Cell:
    return points_cell(test.difference, test.difference_interval)


def _tested_section(result: EnhanceResult) -> Section:
    parts: list[SectionPart] = [_paired(result.tested.tests, "Test pictures, read once at the end")]
    if result.degraded:
        how = (
            f"Degraded: every picture damaged in one way of {result.suite}, all ways equally likely; by "
            "kind: every picture damaged by that kind, its severity drawn by lot. The same damage for both "
            "sides."
        )
        parts.append(Text(how))
    judged = {"clean, validation": result.gate.clean, "degraded, validation": result.gate.degraded}
    gate = {name: test for name, test in judged.items() if test}
    if gate:
        parts.append(_paired(gate, "Validation pictures: what the gate went by"))
    learnt, chosen = (f"{result.parts[part]:,}" for part in ("train", "val"))
    honest = f"The enhancer was learnt on {learnt} pictures and chosen on {chosen} others."
    if result.enhancer.used_from:
        honest = f"The enhancer comes from elsewhere and was judged on {chosen} validation pictures here."
    elif gate:
        said = "λ and the epoch were chosen on these pictures too: the gate's figures flatter a little."
        parts.append(Text(said, note=True))
    if times := result.touched_before:
        often = "once" if times == 1 else f"{times} times"
        honest += f" The classifier alone had been scored on these test pictures {often} before."
    return Section("Without and with the enhancer", tuple(parts), honest)


def _paired(tests: Mapping[str, PairedTest], caption: str) -> Table:
    table = paired_table(tests, caption)
    return replace(table, columns=("", WITHOUT, WITH, *table.columns[3:]))


def _refit_section(refit: Refit) -> Section:
    """The other way, for whom may retrain; a table of both where it could be measured."""
    tests = {"clean": refit.clean, "degraded": refit.degraded}
    found = {name: test for name, test in tests.items() if test}
    table = paired_table(found, "The same test pictures, behind the enhancer and by the refitted classifier")
    columns = ("", "enhancer", "refitted", *table.columns[3:])
    said = "An enhancer is taught labels, and a part of what it gains is what they are worth to any network."
    parts = (replace(table, columns=columns), Text(said, note=True)) if found else ()
    return Section("If you may retrain", parts, refit.sentence())


def _leak_section(leak: Leak) -> Section:
    rows = []
    for name, test in leak.tests.items():
        honest, change = leak.honest.tests[name], _change(test)
        before, after = intervals_of(honest)
        interval = percent_range(intervals_of(test)[1])
        rows.append(
            (
                name.replace("_", " "),
                share_cell(honest.before_accuracy, before),
                share_cell(honest.after_accuracy, after, "strong"),
                _change(honest),
                Cell(f"{LEAK} {percent(test.after_accuracy)}", interval, "bad"),
                Cell(f"{LEAK} {change.text}", change.detail, "bad"),
            )
        )
    columns = ("", WITHOUT, "honest", "change, points")
    table = Table(
        (*columns, f"{LEAK}: trained on the test pictures", f"{LEAK}: change, points"),
        tuple(rows),
        "The same plan, learnt with and without the test pictures",
        (f"Small print: 95 % intervals. n = {leak.clean.n:,} test pictures a row.",),
    )
    kept = (
        "The saved enhancer, where there is one, is the honest one; the other was measured and thrown away."
    )
    return Section("Leak", (table, Text(kept, note=True)), f"{leak.said}.")


def _transfer_section(transfer: Sequence[Transfer]) -> Section:
    rows = []
    for row in transfer:
        cells: list[Cell | str] = [row.name, row.model]
        for test, kept in ((row.clean, row.clean_kept), (row.degraded, row.degraded_kept)):
            cells += [_change(test), percent(kept, 0)] if test else [MISSING] * 2
        rows.append((*cells, f"{row.clean.n:,}"))
    share = "of the own gain"
    table = Table(
        ("classifier", "model", "clean, points", share, "degraded, points", share, "n"),
        tuple(rows),
        "The same enhancer before classifiers it never saw",
        (
            "Small print: 95 % intervals. The share of the own gain is taken on the same pictures; where the "
            "enhancer gains nothing before its own classifier, there is none.",
        ),
    )
    return Section("Before other classifiers", (table,))


def tried_rows(
    tried: Sequence[Mapping[str, Any]], strength: float | None, digits: int = 2
) -> tuple[tuple[str | Cell, ...], ...]:
    """The cells of `TRIED_COLUMNS`, one row a strength that was tried; `strength` was taken."""
    rows = []
    for one in tried:
        taken = one["strength"] == strength
        error = f"± {one['standard_error']:.4f}"
        rows.append(
            (
                f"{one['strength']:g}{' (taken)' if taken else ''}",
                Cell(f"{one['cross_entropy']:.4f}", error, "strong" if taken else ""),
                percent(one["accuracy"], digits),
                f"{one['change']:.4f}",
                str(one["epochs"]),
            )
        )
    return tuple(rows)


def _learned_section(result: EnhanceResult) -> Section:
    facts, parts = result.enhancer, []
    if facts.tried:
        notes = (_RULE, "On the validation pictures, damaged as in training.")
        parts.append(Table(TRIED_COLUMNS, tried_rows(facts.tried, facts.strength), TRIED, notes))
    if result.history:
        said = (
            f"{facts.model}: {result.summary}; {facts.parameters:,} weights. Accuracy is "
            "that of the frozen classifier on the changed pictures."
        )
        parts.append(curves_figure(result.history, said))
    plan, lead = facts.plan or {}, "Through the frozen classifier's cross-entropy."
    distance = "the mean absolute difference" if plan.get("fidelity") == "l1" else "1 − SSIM"
    if facts.strength:
        lead += (
            f" λ = {facts.strength:g}: so much does the distance from the clean picture ({distance}) "
            "count beside it."
        )
    elif facts.strength is not None:
        lead += " Nothing holds the change back (λ = 0)."
    if first := plan.get("reconstruct"):
        lead += f" Before that it learned to reproduce the picture for {first['epochs']} epochs."
    return Section("How it learned", tuple(parts), lead)
