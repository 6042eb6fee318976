"""What `background` found, for a terminal."""

from __future__ import annotations

from lightfast.cli.text.columns import columns
from lightfast.pages.background import BackgroundResult, left_out_words, pull_words, read_rows
from lightfast.report.tables import share_text


def background_lines(result: BackgroundResult) -> list[str]:
    """What was read on other backgrounds, the verdict, and the strongest pull: for a terminal."""
    check, pull = result.check, pull_words(result.check)
    rows = [(name, share_text(one.value, one.interval, 1), f"{one.n:,}") for name, one in read_rows(check)]
    left = check.without_foreground
    return [
        *columns(("what was read", "share", "n"), rows),
        result.sentence,
        *([f"strongest pull of {pull}"] if pull else []),
        *([f"{left:,} pictures left out: {left_out_words(check)}"] if left else []),
        "brackets: 95 % intervals",
    ]
