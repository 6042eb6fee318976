"""`Corruption`: one kind of damage with its five severities; `CORRUPTIONS`: the table of all of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import InputError
from lightfast.base.registry import Registry

ImageBatch = NDArray[np.float32]
"""float32 (N, H, W, C) in [0, 1], C = 1 or 3."""
LevelBatch = NDArray[np.uint8]
"""uint8 (N, H, W, C), C = 1 or 3."""
Apply = Callable[[Any, Any, np.random.Generator], NDArray[Any]]
Family = Literal["noise", "blur", "weather", "digital", "geometry", "ink"]
SeverityTable = Literal["standard", "small"]

MNIST_C = "Mu & Gilmer 2019, MNIST-C"
IMAGENET_C = "Hendrycks & Dietterich 2019, ImageNet-C"
BOTH_PAPERS = f"{IMAGENET_C}; {MNIST_C}"


@dataclass(frozen=True)
class Corruption:
    """One kind of damage.

    Attributes:
        name: the field's standard name.
        family: noise, blur, weather, digital, geometry or ink.
        apply: (pictures float32 (N, H, W, C) in [0, 1], parameters, rng) -> pictures of the same shape;
            values may leave [0, 1] (the caller clips) and the input is left as it was. With `on_levels` it
            takes and gives uint8.
        severities: the parameters of severities 1..5 as published for 224-pixel photographs and 28-pixel
            digits ("standard").
        small: the parameters of severities 1..5 as published for 32-pixel photographs (CIFAR-10-C), or None.
        source: the paper.
        summary: one line for tables.
        on_levels: `apply` works on whole levels 0..255, where those decide the outcome.
        version: raised whenever the same seed gives other pictures than before, beyond rounding.
    """

    name: str
    family: Family
    apply: Apply
    severities: tuple[Any, ...]
    small: tuple[Any, ...] | None
    source: str
    summary: str
    on_levels: bool = False
    version: int = 1

    def parameters(self, severity: int, table: str = "standard") -> Any:
        """The named parameters of `severity` (1..5);
        raises InputError for another severity or a table without an entry.
        """
        if table not in ("standard", "small"):
            raise InputError(f"table {table!r}", expected="'standard' or 'small'")
        entries = self.severities if table == "standard" else self.small
        if entries is None:
            raise InputError(
                f"{self.name} has no severities in the table 'small'", cure="Use table='standard'."
            )
        if (
            isinstance(severity, bool)
            or not isinstance(severity, int | np.integer)
            or not 1 <= severity <= len(entries)
        ):
            raise InputError(
                f"{self.name}: severity",
                expected="a whole number from 1 (mild) to 5 (strong)",
                got=repr(severity),
            )
        return entries[int(severity) - 1]


CORRUPTIONS: Registry[Corruption] = Registry("corruption")


def corruption(
    family: Family,
    parameters: Callable[..., Any],
    severities: Iterable[Any],
    *,
    small: Iterable[Any] | None = None,
    source: str = BOTH_PAPERS,
    **facts: Any,
) -> Callable[[Apply], Apply]:
    """Decorator that registers a function under its own name;
    the first paragraph of its docstring becomes the summary.

    Args:
        parameters: the named tuple of one severity.
        severities, small: of each severity its values, or its only value.
        family, source, facts (`on_levels`, `version`): as in `Corruption`.
    """

    def add(function: Apply) -> Apply:
        name = getattr(function, "__name__", "")
        summary = " ".join((function.__doc__ or "").strip().split("\n\n")[0].split())
        standard, less = tuple(map(named, severities)), None if small is None else tuple(map(named, small))
        entry = Corruption(name, family, function, standard, less, source, summary, **facts)
        CORRUPTIONS.add(name, entry)
        return function

    def named(row: Any) -> Any:
        return parameters(*row) if isinstance(row, tuple) else parameters(row)

    return add
