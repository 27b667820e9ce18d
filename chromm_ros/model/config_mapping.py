"""Sizes of the network to plain values and back, for the cards of weight files. A file is not trusted: every value is checked."""

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from chromm_ros.model.config import PATCH, HumanConfig, NetworkConfig, SceneConfig

LARGEST = 4096
"""No width, depth or count of the network is larger; the published ones end at 1024."""
MOST_PIXELS = 10**8
T = TypeVar("T")


def rebuild(kind: type[T], values: object, where: str = "") -> T:
    """A config from what JSON made of it.

    Args:
        kind: its dataclass.
        values: a mapping by field; a field that it lacks takes the default, which is how files of older versions stay readable.
        where: what to put before a field's name in messages.

    Raises:
        TypeError, ValueError: if a field is unknown, missing or has a value that no network has, naming it.
    """
    if not isinstance(values, Mapping):
        raise TypeError(f"{where.rstrip('.') or 'config'} is {values!r}, expected a mapping")
    hints = get_type_hints(kind)
    unknown = [name for name in values if name not in hints]
    if unknown:
        raise ValueError(f"{where}{unknown[0]} is unknown; a newer chromm_ros may have written it")
    missing = [name for name in hints if name not in values] if kind is NetworkConfig else []
    if missing:
        raise ValueError(f"{where}{missing[0]} is missing")
    config = kind(**{name: _value(hints[name], value, f"{where}{name}") for name, value in values.items()})
    wrong = _contradiction(config)
    if wrong:
        raise ValueError(f"{where}{wrong}")
    return config


def difference(ours: object, other: object, ignored: tuple[str, ...] = ()) -> str:
    """The first field in which two configs of a kind differ, as `dim 96, expected 1024`; empty where none does."""
    assert is_dataclass(ours) and type(ours) is type(other)
    for field in fields(ours):
        here, there = getattr(ours, field.name), getattr(other, field.name)
        if field.name not in ignored and here != there:
            return f"{field.name} {here}, expected {there}"
    return ""


def _value(hint: Any, value: object, name: str) -> Any:
    if is_dataclass(hint):
        return rebuild(hint, value, f"{name}.")  # type: ignore[arg-type]  # a dataclass found in a hint is a type
    if get_origin(hint) is tuple:
        wanted = get_args(hint)  # (int, ...) or one int per entry
        if not isinstance(value, (list, tuple)) or (Ellipsis not in wanted and len(value) != len(wanted)):
            raise ValueError(f"{name} is {value!r}, expected numbers as {hint}")
        return tuple(_value(int, part, name) for part in value)
    if type(value) is not hint:
        raise ValueError(f"{name} is {value!r}, expected {hint.__name__}")
    most = MOST_PIXELS if name.endswith("pixels") else LARGEST
    if hint is int and not 1 <= value <= most:  # type: ignore[operator]  # the line above made it an int
        raise ValueError(f"{name} is {value}, expected 1 to {most}")
    return value


def _contradiction(config: object) -> str:
    """What makes sizes impossible although each alone is not."""
    if isinstance(config, SceneConfig):
        for width, heads in (("dim", "heads"), ("metric_dim", "metric_heads")):
            if getattr(config, width) % (4 * getattr(config, heads)):
                return f"{width} is {getattr(config, width)}, expected a multiple of 4 x {heads} ({getattr(config, heads)})"
        if config.inject_after and max(config.inject_after) >= config.decoder_depth:
            return f"inject_after is {config.inject_after}, but decoder_depth is {config.decoder_depth}"
    if isinstance(config, HumanConfig):
        if config.dim % config.heads:
            return f"dim is {config.dim}, expected a multiple of heads ({config.heads})"
        if config.image_size % PATCH:
            return f"image_size is {config.image_size}, expected a multiple of {PATCH}"
        if config.stem not in {"patch", "conv"} or config.betas not in {10, 11}:
            return f"stem is {config.stem!r} and betas {config.betas}, expected patch or conv and 10 or 11"
    return ""
