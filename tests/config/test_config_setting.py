from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Literal

import pytest

from sprout.config.setting import converted, declared, description, setting


@dataclass(frozen=True, kw_only=True)
class Example:
    count: int = setting(1, "how many", ge=1, le=200)
    share: float = setting(0.1, "of all", ge=0, lt=1)
    rate: float | None = setting(None, "g per s", gt=0)
    name: str | None = setting(None, "what it is called")
    size: str = setting("small", "a word or a number", takes_numbers=True)
    place: Path | None = setting(None, "where")
    is_on: bool = setting(default=False, description="whether")
    side: Literal["left", "right"] | None = setting(None, "which")
    names: tuple[str, ...] = setting((), "all of them")
    must: int = setting(description="computed")


FIELDS = declared(Example)


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("count", 200, 200),
        ("count", "7", 7),
        ("count", " 7 ", 7),
        ("count", 7.0, 7),
        ("share", 0, 0.0),
        ("share", "0.25", 0.25),
        ("rate", "1e-3", 0.001),
        ("rate", None, None),
        ("name", "DE", "DE"),
        ("name", "", ""),
        ("size", 0.25, "0.25"),
        ("place", "a/b", Path("a/b")),
        ("place", Path("a"), Path("a")),
        ("is_on", True, True),
        ("is_on", "False", False),
        ("is_on", "on", True),
        ("is_on", 0, False),
        ("side", "left", "left"),
        ("side", None, None),
        ("names", ["a", "b"], ("a", "b")),
    ],
)
def test_a_value_becomes_one_of_the_settings_own_type(
    name: str, value: object, expected: object
) -> None:
    found = converted(value, FIELDS[name])
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("count", 0, "should be at least 1"),
        ("count", 201, "should be at most 200"),
        ("count", 2.5, "should be a whole number"),
        ("count", True, "should be a whole number"),
        ("count", "many", "should be a whole number"),
        ("count", "9" * 5000, "should be a whole number"),
        ("count", None, "should be a whole number"),
        ("share", 1, "should be below 1"),
        ("share", "nan", "should be a number"),
        ("share", float("inf"), "should be a number"),
        ("share", 10**400, "should be a number"),
        ("share", False, "should be a number"),
        ("rate", 0, "should be above 0"),
        ("name", 5, "should be text"),
        ("size", True, "should be text"),
        ("place", 5, "should be a path"),
        ("is_on", "perhaps", "should be true or false"),
        ("is_on", 2, "should be true or false"),
        ("is_on", 1.5, "should be true or false"),
        ("side", "up", "should be one of left, right"),
        ("side", 1, "should be one of left, right"),
        ("names", "a", "should be a list of texts"),
        ("names", ["a", 1], "should be a list of texts"),
    ],
)
def test_a_value_of_another_kind_or_size_is_refused_with_what_it_should_be(
    name: str, value: object, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        converted(value, FIELDS[name])


def test_a_setting_keeps_its_meaning_and_its_default() -> None:
    assert [field.name for field in fields(Example)] == list(FIELDS)
    assert description(FIELDS["count"]) == "how many"
    assert Example(must=1).count == 1
    missing: dict[str, Any] = {}
    with pytest.raises(TypeError, match="must"):
        Example(**missing)
