"""Typed settings: one frozen class a stage, each field with help text and unit;
conflicts are refused at the door.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self, get_args

from pydantic import BaseModel, ConfigDict, ValidationError

from lightfast.base.errors import SettingsError, UnknownName


class Settings(BaseModel):
    """Base of every settings class: frozen, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    @classmethod
    def of(cls, **values: Any) -> Self:
        """Build and check; raises SettingsError (one line,
        with the field's help) instead of pydantic's report.
        """
        unknown = set(values) - set(cls.model_fields)
        if unknown:
            raise UnknownName("setting", sorted(unknown)[0], cls.model_fields)
        try:
            return cls(**values)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"])) or "settings"
            field = cls.model_fields.get(key)
            cure = f"{key}: {field.description}." if field and field.description else ""
            raise SettingsError(f"{key}={first.get('input')!r}: {first['msg']}", cure=cure) from error

    def updated(self, pairs: Iterable[str]) -> Self:
        """A copy with `key=value` texts applied."""
        values = self.model_dump()
        for pair in pairs:
            key, sign, value = map(str.strip, pair.partition("="))
            if not sign:
                keys = ", ".join(type(self).model_fields)
                raise SettingsError(repr(pair), expected="key=value", cure=f"Keys: {keys}.")
            values[key] = None if value.lower() == "none" and not self._named_none(key) else value
        return self.of(**values)

    @classmethod
    def _named_none(cls, key: str) -> bool:
        """Whether "none" is one of the field's own words (augment=none),
        not the absence of a value (patience=none).
        """
        field = cls.model_fields.get(key)
        return field is not None and "none" in get_args(field.annotation)

    @classmethod
    def table(cls) -> list[tuple[str, str, str]]:
        """(name, default, help with unit) of every setting, for help texts and docs."""
        return [
            (name, str(field.default), field.description or "") for name, field in cls.model_fields.items()
        ]
