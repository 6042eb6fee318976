"""The texts of `--set KEY=VALUE`: settings of the recipe,
and with `model.` before the key those of the network.
"""

from __future__ import annotations

import contextlib
import inspect
import json
from collections.abc import Sequence
from typing import Any

from lightfast.base.errors import SettingsError, UnknownName
from lightfast.models.build import find_model
from lightfast.models.transfer import TransferSettings
from lightfast.train.fit import ClassifierPlan, recipe_of
from lightfast.train.recipe import Recipe

_GIVEN = {"image_shape", "outputs", "identifier"}
"""What the data decides, not the user."""


def parse_settings(pairs: Sequence[str], model: str) -> tuple[Recipe | None, dict[str, Any]]:
    """(the recipe with the changes, None when nothing was changed; keyword arguments of the network, their
    values read as JSON).

    Raises UnknownName with the closest settings,
    SettingsError for a value that cannot be or a text without "=".
    """
    config, rest = _divided(pairs)
    # Auto takes settings only where it ends with the small CNN: for what is no photograph.
    model = "cnn" if model == "auto" else model
    _check_keys(config, model)
    return (recipe_of(model, config).updated(rest) if rest else None), config


def parse_stroke_settings(pairs: Sequence[str]) -> tuple[Recipe | None, dict[str, Any]]:
    """`parse_settings` of the network of strokes, which checks its own keyword arguments."""
    from lightfast.train.strokes import STROKE_RECIPE

    config, rest = _divided(pairs)
    return (STROKE_RECIPE.updated(rest) if rest else None), config


def _divided(pairs: Sequence[str]) -> tuple[dict[str, Any], list[str]]:
    """(keyword arguments of the network, the settings of the recipe)."""
    own = [pair for pair in pairs if pair.startswith("model.") and "=" in pair]
    config: dict[str, Any] = {}
    for pair in own:
        key, _, value = pair.removeprefix("model.").partition("=")
        config[key.strip()] = _value(value.strip())
    return config, [pair for pair in pairs if pair not in own]


def parse_plan(pairs: Sequence[str], model: str) -> ClassifierPlan:
    """The same as a plan to fit."""
    if model == "auto":
        raise SettingsError(
            "--model auto trains and chooses once",
            expected="the name of a model here",
            cure="E.g. --model lite0.",
        )
    recipe, config = parse_settings(pairs, model)
    return ClassifierPlan(model, recipe or recipe_of(model, config), config)


def _value(text: str) -> Any:
    with contextlib.suppress(json.JSONDecodeError):
        return json.loads(text)
    return text


def _check_keys(config: dict[str, Any], model: str) -> None:
    spec = find_model(model, "classifier")
    if spec.transfer:
        TransferSettings.of(**config)
        return
    known = inspect.signature(spec.build).parameters
    # A network with open keyword arguments (timm) checks them itself.
    if any(entry.kind is inspect.Parameter.VAR_KEYWORD for entry in known.values()):
        return
    for key in config:
        if key not in known or key in _GIVEN:
            raise UnknownName(f"setting of model {model}", key, set(known) - _GIVEN)
