"""`ModelCard`: what an exported classifier says of itself, inside the file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from lightfast.base.errors import CheckpointError

CARD_KEY, CARD_FORMAT = "lightfast", 1
"""Where in `metadata_props` the card stands as one JSON text, and its format."""
INPUT, OUTPUT = "images", "probabilities"
DEFAULT_THRESHOLD = 0.5


@dataclass(frozen=True)
class ModelCard:
    """The facts of an exported classifier.

    Attributes:
        model: registry name.
        image_shape: (H, W, C) of the pictures it takes.
        class_names: K names in the order of the columns.
        task: "multi-class" (probabilities sum to 1) or "multi-label" (each is of its own).
        thresholds: multi-label: the probability from which on each class is a tag; empty = 0.5 for all.
        taxonomy: JSON of a `data.taxonomy.taxonomy.Taxonomy`, or None.
        temperature: that the logits were divided by.
        preprocess: JSON of the `Preprocess` that stands inside the graph.
        lightfast_version, data_version, seed: where it comes from.
        source_digest: of the checkpoint it was made from ("" = not known).
        quantized: None, or how the weights were made 8-bit.
    """

    model: str
    image_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    task: Literal["multi-class", "multi-label"] = "multi-class"
    thresholds: tuple[float, ...] = ()
    taxonomy: Mapping[str, Any] | None = None
    temperature: float = 1.0
    preprocess: Mapping[str, Any] | None = None
    lightfast_version: str = ""
    data_version: str | None = None
    seed: int | None = None
    source_digest: str = ""
    quantized: str | None = None

    @property
    def cuts(self) -> NDArray[np.float32]:
        """float32 (K,): the probability from which on each class is a tag."""
        return np.array(self.thresholds or [DEFAULT_THRESHOLD] * len(self.class_names), dtype=np.float32)

    @property
    def from_hub(self) -> bool:
        """Whether it was published by others: what is trained here knows its data."""
        return self.data_version is None

    @classmethod
    def from_text(cls, text: str, source: str) -> Self:
        """Inverse of the JSON text in a file's metadata;
        raises CheckpointError for a damaged or a newer one.
        """
        try:
            content = json.loads(text)
            written = content.pop("format")
            if written > CARD_FORMAT:
                raise CheckpointError(
                    f"{source} was written by a newer lightfast",
                    expected=f"format ≤ {CARD_FORMAT}",
                    got=str(written),
                    cure="Upgrade lightfast.",
                )
            for name in {"image_shape", "class_names", "thresholds"} & set(content):
                content[name] = tuple(content[name])
            return cls(**content)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise CheckpointError(
                f"{source}: its description is damaged ({error})", cure="Export the run again."
            ) from error
