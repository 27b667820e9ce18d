"""Settings that describe and check themselves: one frozen dataclass per owner, one source of defaults.

A default lives once, beside the code that uses it, with its description and limits:

    @dataclass(frozen=True)
    class WindowConfig(Settings):
        length: int = setting(8, "frame-sets in a window", at_least=1)

YAML files, ROS parameters and `--help` texts are all made by walking these classes (`describe`), never by repeating them.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any, TypeVar, get_type_hints

import yaml

from chromm_ros.errors import ConfigError

if TYPE_CHECKING:
    from typing_extensions import Self

S = TypeVar("S", bound="Settings")
_KEY = "chromm_ros"


@dataclass(frozen=True)
class Rule:
    """What is allowed for one setting, and what it means."""

    doc: str
    """One phrase for people, with the unit in brackets where there is one."""
    at_least: float | None = None
    """Smallest value allowed."""
    at_most: float | None = None
    """Largest value allowed."""
    choices: tuple[str, ...] | None = None
    """The allowed words, for a setting that is one of a few."""
    dynamic: bool = False
    """Whether it may change while the node is active."""

    def refusal(self, name: str, value: object) -> str | None:
        """Why `value` is not allowed for the setting `name`, or None when it is."""
        if self.choices is not None and value not in self.choices:
            return f"{name} is {value!r}, expected one of {', '.join(self.choices)}"
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            if not (value == value and abs(value) != float("inf")):
                return f"{name} is {value}, expected a finite number"
            if self.at_least is not None and value < self.at_least:
                return f"{name} is {value}, expected at least {self.at_least:g}"
            if self.at_most is not None and value > self.at_most:
                return f"{name} is {value}, expected at most {self.at_most:g}"
        return None


def setting(
    default: Any,
    doc: str,
    *,
    at_least: float | None = None,
    at_most: float | None = None,
    choices: tuple[str, ...] | None = None,
    dynamic: bool = False,
) -> Any:
    """A dataclass field with its default, description and limits (the arguments of `Rule`)."""
    return field(default=default, metadata={_KEY: Rule(doc, at_least, at_most, choices, dynamic)})


@dataclass(frozen=True)
class Item:
    """One leaf of a tree of settings, as `describe` yields it."""

    name: str
    """Dotted name from the root, for example `window.length`."""
    kind: type
    """bool, int, float, str or tuple (of str)."""
    default: Any
    """Value in the tree that was described."""
    rule: Rule
    """Description and limits."""


class Settings:
    """Base of the frozen dataclasses of settings: checks every field's type and limits on construction.

    Raises:
        ConfigError: on construction, naming the field and the offending value.
    """

    def __post_init__(self) -> None:
        hints = _hints(type(self))
        for entry in fields(self):  # type: ignore[arg-type]
            value = getattr(self, entry.name)
            if isinstance(value, Settings):
                continue
            value = _converted(entry.name, _kind(hints[entry.name]), value)
            object.__setattr__(self, entry.name, value)
            rule = entry.metadata[_KEY]
            reason = rule.refusal(entry.name, value)
            if reason is not None:
                raise ConfigError(reason)

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], *, where: str = "") -> Self:
        """Build from nested plain values, as YAML gives them; what is not named keeps its default.

        Args:
            values: nested mapping whose keys are field names.
            where: dotted name of this group, for messages.

        Raises:
            ConfigError: for an unknown key (naming the nearest known ones), a wrong type or a value out of its limits.
        """
        hints = _hints(cls)
        known = {entry.name for entry in fields(cls)}  # type: ignore[arg-type]
        unknown = [key for key in values if key not in known]
        if unknown:
            raise ConfigError(f"unknown setting '{where}{unknown[0]}', expected one of {', '.join(sorted(known))}")
        arguments: dict[str, Any] = {}
        for key, value in values.items():
            kind = hints[key]
            if isinstance(kind, type) and issubclass(kind, Settings):
                if not isinstance(value, Mapping):
                    raise ConfigError(f"'{where}{key}' is {value!r}, expected a group of settings")
                arguments[key] = kind.from_mapping(value, where=f"{where}{key}.")
            else:
                arguments[key] = _converted(f"{where}{key}", _kind(kind), value)
        try:
            return cls(**arguments)
        except ConfigError as error:
            raise ConfigError(f"{where}{error}") from None if where else error


def describe(settings: Settings, prefix: str = "") -> Iterator[Item]:
    """Every leaf of a tree of settings in the order of definition, with dotted names."""
    hints = _hints(type(settings))
    for entry in fields(settings):  # type: ignore[arg-type]
        value = getattr(settings, entry.name)
        if isinstance(value, Settings):
            yield from describe(value, f"{prefix}{entry.name}.")
        else:
            yield Item(f"{prefix}{entry.name}", _kind(hints[entry.name]), value, entry.metadata[_KEY])


def to_mapping(settings: Settings) -> dict[str, Any]:
    """The nested plain values that `from_mapping` reads back, for YAML and JSON."""
    result: dict[str, Any] = {}
    for entry in fields(settings):  # type: ignore[arg-type]
        value = getattr(settings, entry.name)
        if isinstance(value, Settings):
            result[entry.name] = to_mapping(value)
        else:
            result[entry.name] = list(value) if isinstance(value, tuple) else value
    return result


def assignments(texts: Sequence[str], example: str = "KEY=0.5") -> dict[str, Any]:
    """`["ema=0.99", "takes.views=2"]`, as a command's `--set` gives them, as nested plain values.

    Raises:
        ConfigError: if a text is no assignment.
    """
    nested: dict[str, Any] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        *groups, last = name.strip().split(".")
        if not equals or not last:
            raise ConfigError(f"--set {text}: expected KEY=VALUE, for example {example}")
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


def _converted(name: str, kind: type, value: Any) -> Any:
    """The value as this type: a whole number may stand for a float, a list for a tuple."""
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if kind is tuple and isinstance(value, list):
        return tuple(value)
    if type(value) is not kind:
        raise ConfigError(f"{name} is {value!r}, expected a value of type {kind.__name__}")
    return value


def _hints(cls: type) -> dict[str, Any]:
    return get_type_hints(cls)


def _kind(hint: Any) -> type:
    """The plain type of a leaf: `tuple[str, ...]` becomes tuple."""
    kind = getattr(hint, "__origin__", hint)
    assert kind in (bool, int, float, str, tuple), hint
    return kind  # type: ignore[no-any-return]
