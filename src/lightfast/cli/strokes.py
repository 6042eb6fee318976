"""`lightfast train STROKES --model strokes`: what of `train` a network of strokes takes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lightfast.base.errors import SettingsError
from lightfast.cli.terminal import print_result, progress_bars

if TYPE_CHECKING:
    from lightfast.runs.options import RunOptions


PICTURE_FLAGS = (
    "--budget",
    "--taxonomy",
    "--precision",
    "--out-of-fold",
    "--image-size",
    "--root",
    "--label-separator",
    "--cluster",
)
"""Flags of `train` that only pictures know."""


def train_on_strokes(
    data: str,
    settings: Sequence[str] | None,
    options: RunOptions,
    of_pictures: Sequence[Any],
    *,
    as_json: bool,
) -> None:
    """Train and print; `of_pictures` is what was given to `PICTURE_FLAGS`."""
    from lightfast.cli.settings_option import parse_stroke_settings
    from lightfast.cli.text.strokes import strokes_lines
    from lightfast.runs.train_strokes import train_strokes_run

    for flag, value in zip(PICTURE_FLAGS, of_pictures, strict=True):
        if value is not None:
            raise SettingsError(f"{flag} is not for --model strokes", cure="Leave one of them out.")
    recipe, config = parse_stroke_settings(settings or [])
    with progress_bars() as report:
        result = train_strokes_run(data, options.reporting(report), recipe=recipe, config=config)
    print_result(result, as_json, strokes_lines(result))
