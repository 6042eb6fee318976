"""Records as plain JSON values: one place that knows how."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import PurePath
from typing import Any

FLAT: Mapping[str, Any] = {"json": "flat"}
"""`field(metadata=FLAT)`: the keys of this record stand among those of the record that holds it."""
HIDDEN: Mapping[str, Any] = {"json": "hidden"}
"""`field(metadata=HIDDEN)`: no part of the JSON (arrays, networks)."""
OPTIONAL: Mapping[str, Any] = {"json": "optional"}
"""`field(metadata=OPTIONAL)`: left out of the JSON where it is None."""


def as_json(value: Any) -> Any:
    """`value` as what `json.dumps` takes.

    A dataclass becomes its fields by name, in order, then its `JSON_PROPERTIES`; FLAT fields are merged,
    HIDDEN ones (and OPTIONAL ones that are None) left out; one with an `as_json` method of its own says it
    itself. Arrays and tuples become lists, NumPy scalars numbers, paths texts, pydantic models their
    `model_dump`, keys of mappings texts.
    """
    for says_itself in ("as_json", "model_dump", "tolist"):
        if hasattr(value, says_itself) and not isinstance(value, type):
            return getattr(value, says_itself)()
    if dataclasses.is_dataclass(value):
        return fields_json(value)
    if isinstance(value, Mapping):
        return {str(key): as_json(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [as_json(one) for one in value]
    return str(value) if isinstance(value, PurePath) else value


def fields_json(record: Any) -> dict[str, Any]:
    """The fields and `JSON_PROPERTIES` of a dataclass, plain;
    also for records that add to them in `as_json`.
    """
    found: dict[str, Any] = {}
    for field in dataclasses.fields(record):
        how, value = field.metadata.get("json"), getattr(record, field.name)
        if how != "hidden" and not (how == "optional" and value is None):
            plain = as_json(value)
            found |= (plain or {}) if how == "flat" else {field.name: plain}
    return found | {name: as_json(getattr(record, name)) for name in getattr(record, "JSON_PROPERTIES", ())}
