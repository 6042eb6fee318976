"""The page of an enhancement and its lines for a terminal: the verdict first, then what it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lightfast.base.randomness import generator
from lightfast.data.preprocess import to_images, to_pixels, to_tensor
from lightfast.evaluate.compare import PairedTest
from lightfast.explain.difference import difference, top_change
from lightfast.models.checkpoint import Checkpoint
from lightfast.models.load import model_summary
from lightfast.pages.repair import intervals_of, paired_table
from lightfast.pages.run import curves_figure
from lightfast.report.noted import noted_dicts
from lightfast.report.overlay import coloured
from lightfast.report.page import (
    Card,
    Cards,
    Cell,
    PictureRow,
    Section,
    SectionPart,
    Table,
    Text,
    Tone,
    write_page,
)
from lightfast.report.pictures import picture, picture_grid
from lightfast.report.tables import (
    MISSING,
    percent,
    percent_range,
    points,
    points_cell,
    share_card,
    share_cell,
)
from lightfast.restore.gate import Gate
from lightfast.restore.measure import WITH, WITHOUT, EnhancerScores, PairedPredictions

_LEAK = "LEAK"
TRIED = "Strengths of the fidelity term that were tried"
TRIED_COLUMNS = ("λ", "cross-entropy", "accuracy", "change of the picture", "epochs")
_TOP = 3
_SHOWN = {
    "clean": ((False, True, 4), (True, False, 3), (False, False, 1), (True, True, 1)),
    "degraded": ((False, True, 3), (True, False, 2), (True, True, 1)),
}
"""How many pictures of (right before, right after) are shown, drawn by lot."""
_OUTCOMES = {
    (False, True): "gained",
    (True, False): "lost",
    (False, False): "wrong both times",
    (True, True): "right both times",
}
_RULE = (
    "Of several λ the largest is taken whose cross-entropy lies within one standard error of the smallest: "
    "of equally helpful enhancers the one that changes the picture least."
)


@dataclass(frozen=True, eq=False)
class EnhanceReport:
    """What a page tells: the classifier behind its enhancer, the enhancer alone, the verdict, what the test
    pictures say, and what they say of an enhancer that was trained on them (None: none was).
    """

    checkpoint: Checkpoint
    enhancer: Checkpoint
    gate: Gate
    own: EnhancerScores
    full: EnhancerScores | None


def write_enhance_page(
    path: Path, story: EnhanceReport, metrics: Mapping[str, Any], facts: Mapping[str, Any]
) -> Path:
    """Write the report of `enhance_run`."""
    head: tuple[SectionPart, ...] = (
        _cards(story, metrics),
        *noted_dicts(metrics["notes"], metrics["unreadable"]),
    )
    sections = [Section("Verdict", head, verdict_sentence(metrics)), _tested_section(story, metrics)]
    sections += [_leak_section(story.own, story.full, metrics)] if story.full is not None else []
    sections += [_gallery_section(story)]
    sections += [_transfer_section(metrics)] if metrics["transfer"] else []
    sections += [_learned_section(story, metrics)]
    subtitle = (
        f"An enhancer before {metrics['base_model']}, whose weights stay as they are; "
        f"{story.own.clean.paired.n:,} test pictures."
    )
    return write_page(path, f"Enhancement on {metrics['data']}", subtitle, sections, facts)


def verdict_sentence(metrics: Mapping[str, Any]) -> str:
    """The gate's verdict in one sentence, with its figures."""
    said = (
        "Refused" if not metrics["accepted"] else "Kept" if metrics["gate"]["kind"] == "off" else "Accepted"
    )
    return f"{said}: {metrics['reason']}."


def cure_of(metrics: Mapping[str, Any]) -> str:
    """The command that keeps a refused enhancer anyway: by degraded pictures where it helps those,
    else with the gate off.
    """
    gate = "degraded" if metrics["gate"]["degraded_would_pass"] else "off"
    return (
        f"lightfast enhance {metrics['base']} {metrics['source']} --use {metrics['run']} --gate {gate} --out "
        "RUN3"
    )


def _cards(story: EnhanceReport, metrics: Mapping[str, Any]) -> Cards:
    clean = replace(
        story.own.clean.paired,
        before_name="the classifier alone",
        after_name="the classifier behind the enhancer",
    )
    intervals = intervals_of(clean)
    cards = [
        share_card(clean.before_accuracy, "clean test pictures, without", intervals[0]),
        share_card(clean.after_accuracy, "clean test pictures, with", intervals[1], "strong"),
    ]
    if story.own.degraded is not None:
        test = story.own.degraded.paired
        low, high = test.difference_interval
        tone: Tone = "good" if low > 0 else "bad" if high < 0 else ""
        cards.append(
            Card(
                f"{points(test.difference)}",
                f"points on test pictures degraded by {metrics['suite']}",
                f"95 % interval {points(low, 1)} to {points(high, 1)}",
                tone,
            )
        )
    cards.append(
        Card(
            "accepted" if story.gate.passed else "refused",
            f"gate: {metrics['gate']['kind']}",
            "by validation pictures",
            "good" if story.gate.passed else "bad",
        )
    )
    lead = clean.sentence()
    if not story.gate.passed:
        lead = (
            "There is no checkpoint in this run, so that no other verb uses it by accident. "
            f"{_how_to_keep(metrics)}: {_bare(cure_of(metrics))}. {lead}"
        )
    return Cards(tuple(cards), lead)


def _how_to_keep(metrics: Mapping[str, Any]) -> str:
    return (
        "By degraded validation pictures it would be accepted; to keep it for those"
        if metrics["gate"]["degraded_would_pass"]
        else "To keep it anyway"
    )


def _bare(command: str) -> str:
    # A report carries no folders of its maker.
    return " ".join(Path(word).name or word if "/" in word else word for word in command.split())


def _tested_section(story: EnhanceReport, metrics: Mapping[str, Any]) -> Section:
    parts: list[SectionPart] = [
        _with_names(paired_table(story.own.tests, "Test pictures, read once at the end"))
    ]
    how = (
        (
            f"Degraded: every picture damaged in one way of {metrics['suite']}, all ways equally likely; by "
            "kind: every picture damaged by that kind, its severity drawn by lot. The same damage for both "
            "sides."
        )
        if story.own.degraded is not None
        else ""
    )
    parts += [Text(how)] if how else []
    gate = {
        f"{name}, validation": test
        for name, test in (("clean", story.gate.clean), ("degraded", story.gate.degraded))
        if test
    }
    if gate:
        parts.append(_with_names(paired_table(gate, "Validation pictures: what the gate went by")))
    honest = (
        f"The enhancer was learnt on {metrics['parts']['train']:,} pictures and chosen on "
        f"{metrics['parts']['val']:,} others."
    )
    if metrics["enhancer"]["used_from"]:
        honest = (
            f"The enhancer comes from elsewhere and was judged on {metrics['parts']['val']:,} validation "
            "pictures here."
        )
    elif gate:
        parts.append(
            Text(
                "λ and the epoch were chosen on these pictures too: the gate's figures flatter a little.",
                note=True,
            )
        )
    times = metrics["touched_before"]
    if times:
        honest += (
            " The classifier alone had been scored on these test pictures "
            f"{'once' if times == 1 else f'{times} times'} before."
        )
    return Section("Without and with the enhancer", tuple(parts), honest)


def _with_names(table: Table) -> Table:
    return replace(table, columns=("", WITHOUT, WITH, *table.columns[3:]))


def _leak_section(own: EnhancerScores, full: EnhancerScores, metrics: Mapping[str, Any]) -> Section:
    rows = []
    for name, test in full.tests.items():
        honest = own.tests[name]
        rows.append(
            (
                name.replace("_", " "),
                share_cell(honest.before_accuracy, intervals_of(honest)[0]),
                share_cell(honest.after_accuracy, intervals_of(honest)[1], "strong"),
                points_cell(honest.difference, honest.difference_interval),
                _badge(percent(test.after_accuracy), percent_range(intervals_of(test)[1])),
                _badge(points(test.difference), _ends(test)),
            )
        )
    table = Table(
        (
            "",
            WITHOUT,
            "honest",
            "change, points",
            f"{_LEAK}: trained on the test pictures",
            f"{_LEAK}: change, points",
        ),
        tuple(rows),
        "The same plan, learnt with and without the test pictures",
        (f"Small print: 95 % intervals. n = {own.clean.paired.n:,} test pictures a row.",),
    )
    kept = (
        "The saved enhancer, where there is one, is the honest one; the other was measured and thrown away."
    )
    return Section("Leak", (table, Text(kept, note=True)), f"{metrics['leak']['said']}.")


def _badge(text: str, detail: str) -> Cell:
    return Cell(f"{_LEAK} {text}", detail, "bad")


def _ends(test: PairedTest) -> str:
    low, high = test.difference_interval
    return f"{points(low, 1)} to {points(high, 1)}"


def _gallery_section(story: EnhanceReport) -> Section:
    """Input, output and what changed, with the first three classes before and after."""
    parts: list[SectionPart] = []
    for key, predictions in (("clean", story.own.clean), ("degraded", story.own.degraded)):
        rows = [] if predictions is None else _chosen(predictions, key)
        if predictions is not None and rows:
            parts.append(
                picture_grid(
                    _strips(story.checkpoint, predictions, rows),
                    ("input", "output", "difference"),
                    f"{key.capitalize()} test pictures, drawn by lot among what was gained, lost and stayed.",
                )
            )
    lead = (
        "The difference is |output − input|, the brighter the larger, stretched a picture: under it the true "
        "largest difference."
    )
    return Section("What it changes", tuple(parts), lead)


def _chosen(predictions: PairedPredictions, key: str) -> list[int]:
    before, after = predictions.before.correct, predictions.after.correct
    order = generator(0, "shown", key).permutation(len(before))
    rows: list[int] = []
    for first, second, count in _SHOWN[key]:
        rows += order[(before[order] == first) & (after[order] == second)][:count].tolist()
    return rows


def _strips(checkpoint: Checkpoint, predictions: PairedPredictions, rows: list[int]) -> list[PictureRow]:
    given = predictions.images.images[rows]
    made = enhanced_pictures(checkpoint, given)
    changed = difference(given, made)
    names, labels = predictions.before.class_names, predictions.before.require_labels()
    tops = top_change(predictions.before.pred_probs[rows], predictions.after.pred_probs[rows], names, _TOP)
    strips = []
    for place, row in enumerate(rows):
        right = bool(predictions.before.correct[row]), bool(predictions.after.correct[row])
        shots = (
            picture(given[place], _tops(tops[place].before), right[0]),
            picture(made[place], _tops(tops[place].after), right[1]),
            picture(
                coloured(changed.maps[place]),
                f"largest {changed.largest[place]:.0f} of 255, mean {changed.mean[place]:.1f}",
            ),
        )
        strips.append(PictureRow(shots, f"{names[labels[row]]}: {_OUTCOMES[right]}"))
    return strips


def _tops(top: tuple[tuple[str, float], ...]) -> str:
    return ", ".join(f"{name} {share:.0%}" for name, share in top)


@torch.inference_mode()
def enhanced_pictures(checkpoint: Checkpoint, images: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """What the enhancer of an enhanced checkpoint makes of uint8 pictures (N, H, W, C):
    the same shape and type.
    """
    network: Any = checkpoint.torch_network
    device = next(network.parameters()).device
    return to_images(network.enhance(to_pixels(to_tensor(images).to(device))))


def _transfer_section(metrics: Mapping[str, Any]) -> Section:
    rows = []
    for row in metrics["transfer"]:
        cells: list[Cell | str] = [row["name"], row["model"]]
        for key in ("clean", "degraded"):
            test = row[key]
            cells += (
                [MISSING] * 2
                if test is None
                else [
                    points_cell(test["difference"], test["difference_interval"]),
                    percent(row[f"{key}_kept"], 0),
                ]
            )
        rows.append((*cells, f"{row['clean']['n']:,}"))
    table = Table(
        (
            "classifier",
            "model",
            "clean, points",
            "of the own gain",
            "degraded, points",
            "of the own gain",
            "n",
        ),
        tuple(rows),
        "The same enhancer before classifiers it never saw",
        (
            "Small print: 95 % intervals. The share of the own gain is taken on the same pictures; where the "
            "enhancer gains nothing before its own classifier, there is none.",
        ),
    )
    return Section("Before other classifiers", (table,))


def tried_rows(facts: Mapping[str, Any], digits: int = 2) -> tuple[tuple[str | Cell, ...], ...]:
    """The cells of `TRIED_COLUMNS`, one row a strength that was tried, from an enhancer's details."""
    rows = []
    for one in facts.get("tried", ()):
        taken = one["strength"] == facts["strength"]
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


def _learned_section(story: EnhanceReport, metrics: Mapping[str, Any]) -> Section:
    facts, parts = metrics["enhancer"], []
    if facts["tried"]:
        notes = (_RULE, "On the validation pictures, damaged as in training.")
        parts.append(Table(TRIED_COLUMNS, tried_rows(facts), TRIED, notes))
    if story.enhancer.history:
        parts.append(
            curves_figure(
                story.enhancer.history,
                f"{facts['model']}: {model_summary(story.enhancer)}; {facts['parameters']:,} weights. "
                "Accuracy is "
                "that of the frozen classifier on the changed pictures.",
            )
        )
    plan = facts["plan"] or {}
    distance = {"ssim": "1 − SSIM", "l1": "the mean absolute difference"}[plan.get("fidelity", "ssim")]
    taken = (
        ""
        if facts["strength"] is None
        else (
            f" λ = {facts['strength']:g}: so much does the distance from the clean picture ({distance}) "
            "count beside it."
            if facts["strength"]
            else " Nothing holds the change back (λ = 0)."
        )
    )
    first = plan.get("reconstruct")
    said = f" Before that it learned to reproduce the picture for {first['epochs']} epochs." if first else ""
    return Section(
        "How it learned", tuple(parts), f"Through the frozen classifier's cross-entropy.{taken}{said}"
    )
