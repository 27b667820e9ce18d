"""From what a user gave to the settings of a run: the stage's defaults, then those of the run that goes on, then what was given."""

from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

import yaml

from chromm_ros.errors import ConfigError
from chromm_ros.settings import Settings, to_mapping

S = TypeVar("S", bound=Settings)


def assignments(texts: Sequence[str]) -> dict[str, Any]:
    """`["ema=0.99", "takes.views=2"]` as nested plain values.

    Raises:
        ConfigError: if a text is no assignment.
    """
    nested: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        *groups, last = name.strip().split(".")
        if not equals or not last:
            raise ConfigError(f"--set {text}: expected KEY=VALUE, for example ema=0.99")
        place = nested
        for group in groups:
            place = place.setdefault(group, {})
            if not isinstance(place, dict):
                raise ConfigError(f"--set {text}: '{group}' is one setting, not a group of them")
        place[last] = _value(text, value)
    return nested


def merged(base: S, *changes: Mapping[str, Any], where: str = "") -> S:
    """The settings with some values replaced, later changes winning.

    Raises:
        ConfigError: for an unknown key or a wrong value.
    """
    values = to_mapping(base)
    for change in changes:
        _replace(values, change)
    return type(base).from_mapping(values, where=where)


def _replace(values: dict[str, Any], change: Mapping[str, Any]) -> None:
    for name, value in change.items():
        if isinstance(value, Mapping) and isinstance(values.get(name), dict):
            _replace(values[name], value)
        else:
            values[name] = value


def _value(text: str, value: str) -> Any:
    try:
        parsed = yaml.safe_load(value)
    except yaml.YAMLError:
        raise ConfigError(f"--set {text}: '{value}' is no value") from None
    if isinstance(parsed, str):
        try:
            return float(parsed)  # YAML takes 1e-4 for a word
        except ValueError:
            return parsed
    return "" if parsed is None else parsed
