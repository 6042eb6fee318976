"""The page of `select`: the pictures to label next, in order, and why each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

import numpy as np
from numpy.typing import NDArray

from lightfast.base.plain import HIDDEN
from lightfast.data.decisions import ReviewItem
from lightfast.report.envelope import Envelope
from lightfast.report.noted import noted
from lightfast.report.page import Card, Cards, Gallery, Section, Text, write_page
from lightfast.report.pictures import picture
from lightfast.report.tables import percent

SHOWN_CHOSEN = 60
"""Pictures on the page; the queue holds all."""


@dataclass(frozen=True, eq=False, kw_only=True)
class SelectResult(Envelope):
    """What `select` chose.

    Attributes:
        strategy: the one that chose. summary, source: what it looks for, and where it was published.
        run: whose opinion counted; None: that of a head fitted to the labels at hand, or nobody's.
        n: pictures read. labelled: of them with a label. near_copies: not offered, being near duplicates.
        class_names: that are known so far.
        accuracy: how often the head is right on labelled pictures that it did not see, 0..1; None where no
            head was fitted or none could be scored. accuracy_interval, accuracy_n: of it.
        chosen: in the order in which to label them.
        queue: the file that holds them, or None.
        pictures: uint8 arrays of those chosen that the page shows.
    """

    strategy: str
    summary: str
    source: str
    run: str | None
    n: int
    labelled: int
    near_copies: int
    class_names: tuple[str, ...]
    accuracy: float | None
    accuracy_interval: tuple[float, float] | None
    accuracy_n: int
    chosen: tuple[ReviewItem, ...]
    queue: Path | None
    pictures: Sequence[NDArray[np.uint8]] = field(default=(), metadata=HIDDEN)


def write_select_page(path: Path, result: SelectResult) -> Path:
    """The report of `select`."""
    count = len(result.chosen)
    cards = [
        Card(f"{count:,}", "to label next", f"of {result.n - result.labelled:,} without a label", "strong"),
        Card(f"{result.labelled:,}", "labelled already", f"of {result.n:,} pictures"),
    ]
    if result.near_copies:
        cards.append(Card(f"{result.near_copies:,}", "left out", "near duplicates of others"))
    if result.accuracy is not None and result.accuracy_interval is not None:
        low, high = (percent(end, 0) for end in result.accuracy_interval)
        detail = f"{low} to {high}, n = {result.accuracy_n:,}, cross-validated"
        cards.append(Card(percent(result.accuracy, 0), "right on labelled pictures", detail))
    published = f", after {result.source}" if result.source else ""
    shown = [
        picture(pixels, f"{number}. {item.reason} ({PurePath(item.id).name})", alt=item.id)
        for number, (pixels, item) in enumerate(zip(result.pictures, result.chosen, strict=False), start=1)
    ]
    more = f"The first {len(shown)}; the queue holds all {count:,}." if len(shown) < count else ""
    how = Text(f"{result.summary} The strategy is called {result.strategy}{published}.")
    sections = [
        Section("Result", (Cards(tuple(cards)), how, *noted(result))),
        Section("In this order", (Gallery(tuple(shown), more),)),
    ]
    return write_page(
        path, "What to label next", f"{count:,} pictures of {result.data}.", sections, result.provenance
    )
