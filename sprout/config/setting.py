"""One setting: its type, default, limits and meaning, and how a given value becomes its own.

Values come as TOML, as the text of a variable, or as a flag has them, so numbers and booleans may
be text. Done by hand because every command reads settings: importing pydantic takes as long as all
else that a short command does.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

_LIMITS = "limits"
_DESCRIPTION = "description"
_READ = "read"
_TRUE = frozenset({"1", "true", "t", "yes", "y", "on"})
_FALSE = frozenset({"0", "false", "f", "no", "n", "off"})


@dataclass(frozen=True, slots=True)
class Limits:
    """What a number must be (at least, above, at most, below); whether one may stand for text."""

    ge: float | None = None
    gt: float | None = None
    le: float | None = None
    lt: float | None = None
    takes_numbers: bool = False


def setting(
    default: Any = MISSING,  # noqa: ANN401 - of any type
    description: str = "",
    *,
    read: Callable[[object], object] | None = None,
    **limits: Any,  # noqa: ANN401 - of `Limits`
) -> Any:  # noqa: ANN401 - of any type
    """Declare a setting in a dataclass; one without a default is computed. For limits see above."""
    metadata = {_DESCRIPTION: description, _LIMITS: Limits(**limits), _READ: read}
    if isinstance(default, dict):
        return field(default_factory=default.copy, metadata=metadata)
    return field(default=default, metadata=metadata)


def description(declared: "Field[Any]") -> str:
    """Return what a setting is about."""
    return str(declared.metadata[_DESCRIPTION])


def limits(declared: "Field[Any]") -> Limits:
    """Return what a setting's number must be."""
    found: Limits = declared.metadata[_LIMITS]
    return found


def default(declared: "Field[Any]") -> object:
    """Return the value of a setting that nobody has set; None where it stays unset."""
    if declared.default_factory is not MISSING:
        return declared.default_factory()
    return None if declared.default is MISSING else declared.default


def declared(settings: type) -> Mapping[str, "Field[Any]"]:
    """Return the settings that a dataclass declares, by name."""
    return {each.name: each for each in fields(settings)}


def converted(value: object, declared: "Field[Any]") -> object:
    """Return a given value in the setting's own type.

    Raises:
        ValueError: it is none; the message says what it should be.
    """
    if declared.metadata[_READ] is not None:
        value = declared.metadata[_READ](value)
    kind: Any = declared.type
    if get_origin(kind) in {Union, UnionType}:  # it may be left unset
        if value is None:
            return None
        (kind,) = (part for part in get_args(kind) if part is not NoneType)
    return _of_kind(value, kind, declared.metadata[_LIMITS])


def _of_kind(value: object, kind: Any, limits: Limits) -> object:  # noqa: ANN401 - a type form
    form = get_origin(kind) or kind
    if form is Literal:
        return _choice(value, get_args(kind))
    if form is str:
        return _text(value, takes_numbers=limits.takes_numbers)
    if form in _READERS:
        return _READERS[form](value)
    number = _whole(value) if kind is int else _number(value)
    _check(number, limits)
    return number


def _choice(value: object, choices: tuple[str, ...]) -> str:
    if not isinstance(value, str) or value not in choices:
        raise ValueError(f"should be one of {', '.join(choices)}")
    return value


def _texts(value: object) -> tuple[str, ...]:
    if isinstance(value, list | tuple) and all(isinstance(part, str) for part in value):
        return tuple(value)
    raise ValueError("should be a list of texts")


def _path(value: object) -> Path:
    if not isinstance(value, str | Path):
        raise ValueError("should be a path")  # noqa: TRY004 - a value, not a call, is wrong
    if "\0" in str(value):
        raise ValueError("is no path: it has \\0")
    return Path(value)


def _paths(value: object) -> dict[str, Path]:
    if not isinstance(value, Mapping):
        raise ValueError("should be a table of paths")  # noqa: TRY004 - a value, not a call, is wrong
    return {str(name): _path(each) for name, each in value.items()}


def _truth(value: object) -> bool:
    word = str(value).strip().lower() if isinstance(value, bool | int | str) else ""
    if word not in _TRUE | _FALSE:
        raise ValueError("should be true or false")
    return word in _TRUE


def _text(value: object, *, takes_numbers: bool) -> str:
    if isinstance(value, str):
        return value
    if takes_numbers and isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    raise ValueError("should be text")


def _whole(value: object) -> int:
    try:
        if isinstance(value, str):
            return int(value)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
        if isinstance(value, float) and value.is_integer():
            return int(value)
    except ValueError:
        pass
    raise ValueError("should be a whole number")


def _number(value: object) -> float:
    try:
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            number = float(value)
            if math.isfinite(number):
                return number
    except (ValueError, OverflowError):
        pass
    raise ValueError("should be a number")


def _check(number: float, limits: Limits) -> None:
    if limits.ge is not None and number < limits.ge:
        raise ValueError(f"should be at least {limits.ge:.10g}")
    if limits.gt is not None and number <= limits.gt:
        raise ValueError(f"should be above {limits.gt:.10g}")
    if limits.le is not None and number > limits.le:
        raise ValueError(f"should be at most {limits.le:.10g}")
    if limits.lt is not None and number >= limits.lt:
        raise ValueError(f"should be below {limits.lt:.10g}")


_READERS: Mapping[Any, Callable[[object], object]] = {
    Mapping: _paths,
    tuple: _texts,
    Path: _path,
    bool: _truth,
}
