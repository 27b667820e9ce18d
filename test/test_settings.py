"""Settings check themselves, and pass through plain values unchanged."""

from dataclasses import dataclass, field

import pytest

from chromm_ros.errors import ConfigError
from chromm_ros.settings import Settings, describe, setting, to_mapping


@dataclass(frozen=True)
class Inner(Settings):
    length: int = setting(8, "frame-sets", at_least=1, at_most=64)
    gap_s: float = setting(2.0, "longest absence [s]", at_least=0.0, dynamic=True)


@dataclass(frozen=True)
class Outer(Settings):
    inner: Inner = field(default_factory=Inner)
    mode: str = setting("own", "how", choices=("own", "off"))
    names: tuple[str, ...] = setting((), "names")
    on: bool = setting(True, "whether")


def test_what_is_not_named_keeps_its_default() -> None:
    assert Outer.from_mapping({"inner": {"length": 4}}) == Outer(inner=Inner(length=4))
    assert Outer.from_mapping({}) == Outer()


def test_plain_values_go_there_and_back() -> None:
    settings = Outer(Inner(3, 0.5), "off", ("a", "b"), on=False)
    assert Outer.from_mapping(to_mapping(settings)) == settings
    assert to_mapping(settings)["names"] == ["a", "b"]


def test_description_walks_every_leaf_in_order() -> None:
    items = list(describe(Outer()))
    assert [item.name for item in items] == ["inner.length", "inner.gap_s", "mode", "names", "on"]
    assert [item.kind for item in items] == [int, float, str, tuple, bool]
    assert items[1].rule.dynamic and items[0].rule.at_most == 64


def test_a_whole_number_serves_as_a_float() -> None:
    assert type(Inner(gap_s=3).gap_s) is float


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lenght": 3}, "unknown setting 'lenght', expected one of inner, mode, names, on"),
        ({"inner": {"lenght": 3}}, "unknown setting 'inner.lenght'"),
        ({"inner": 3}, "'inner' is 3, expected a group"),
        ({"inner": {"length": 0}}, "inner.length is 0, expected at least 1"),
        ({"inner": {"length": 65}}, "inner.length is 65, expected at most 64"),
        ({"inner": {"length": 2.5}}, "inner.length is 2.5, expected a value of type int"),
        ({"inner": {"length": True}}, "inner.length is True, expected a value of type int"),
        ({"inner": {"gap_s": float("nan")}}, "inner.gap_s is nan, expected a finite number"),
        ({"inner": {"gap_s": "long"}}, "inner.gap_s is 'long', expected a value of type float"),
        ({"mode": "on"}, "mode is 'on', expected one of own, off"),
        ({"on": 1}, "on is 1, expected a value of type bool"),
    ],
)
def test_wrong_values_are_refused_with_one_sentence(values: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Outer.from_mapping(values)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
