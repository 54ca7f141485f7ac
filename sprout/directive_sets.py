"""Sets of directives, written as TOML: those that come with Sprout, and the user's own.

`directives.toml` beside this module shows the form. Errors name the file and the key.
"""

from collections.abc import Collection
from importlib import resources
from typing import TypeVar

from sprout.directives import BASELINE, PAPER_PREFERENCE, Directive, DirectiveSet, Placement
from sprout.errors import InputError, UsageError, quoted
from sprout.files import toml

T = TypeVar("T", str, int, list[object])

PLACEMENTS: dict[str, Placement] = {"system": "system", "suffix": "suffix"}
KINDS: dict[type, str] = {str: "a string", int: "a whole number", list: "a list"}
PACKAGED = "directives.toml"


def load(name: str) -> DirectiveSet:
    """Return the packaged set of this name."""
    sets = packaged()
    if name not in sets:
        raise UsageError(f"no directive set {name!r}: choose one of {', '.join(sets)}, or a file")
    return sets[name]


def packaged() -> dict[str, DirectiveSet]:
    """Return the sets that come with Sprout, by name."""
    text = resources.files("sprout").joinpath(PACKAGED).read_text(encoding="utf-8")
    return parse(text, PACKAGED)


def parse(toml_text: str, source: str) -> dict[str, DirectiveSet]:
    """Return the sets in a TOML text, by name, in its order; errors name `source` and the key."""
    tables = toml.parse(toml_text, source)
    if not tables:
        raise InputError(f"{source}: no directive set; write one as [name] and [[name.directives]]")
    return {name: _parse_set(name, table, f"{source}: {name}") for name, table in tables.items()}


def _parse_set(name: str, value: object, where: str) -> DirectiveSet:
    """Return the set of one TOML table."""
    table = _table(value, where, {"about", "directives"})
    about = _take(table, "about", str, where)
    entries: list[object] = _take(table, "directives", list, where) or []
    directives = tuple(
        _parse_directive(entry, f"{where}.directives[{i}]") for i, entry in enumerate(entries)
    )
    if not directives or not _is_bare(directives[0]):
        raise InputError(
            f"{where}.directives[0]: the first level must be the bare one: "
            f'level = "{BASELINE}", text = "", no max_tokens'
        )
    _check_distinct(directives, where)
    return DirectiveSet(name, about or "", directives)


def _is_bare(directive: Directive) -> bool:
    """Return whether this is the level that every saving is counted against."""
    return (directive.level, directive.text, directive.max_tokens) == (BASELINE, "", None)


def _parse_directive(value: object, where: str) -> Directive:
    """Return the directive of one TOML table."""
    table = _table(value, where, {"level", "text", "placement", "max_tokens", "paper_level"})
    level = _need(_take(table, "level", str, where), f"{where}.level")
    if "/" in level:
        raise InputError(
            f"{where}.level: {level!r} has a `/`, which parts a variant from a directive: rename it"
        )
    text = _need(_take(table, "text", str, where), f"{where}.text")
    placement = _choice(table, "placement", PLACEMENTS, where)
    if text:
        _need(placement, f"{where}.placement")
    max_tokens = _take(table, "max_tokens", int, where)
    if max_tokens is not None and max_tokens < 1:
        raise InputError(f"{where}.max_tokens: {max_tokens} is not at least 1")
    return Directive(
        level=level,
        text=text,
        placement=PLACEMENTS[placement or "system"],
        max_tokens=max_tokens,
        paper_level=_choice(table, "paper_level", PAPER_PREFERENCE, where),
    )


def _check_distinct(directives: tuple[Directive, ...], where: str) -> None:
    """Raise InputError where two levels share a name or ask the same."""
    names: dict[str, int] = {}
    keys: dict[str, int] = {}
    for i, directive in enumerate(directives):
        if (first := names.setdefault(directive.level, i)) != i:
            raise InputError(
                f"{where}.directives[{i}].level: {directive.level!r} is also directives[{first}]"
            )
        if (first := keys.setdefault(directive.key, i)) != i:
            raise InputError(f"{where}.directives[{i}].text: asks what directives[{first}] asks")


def _table(value: object, where: str, known: set[str]) -> dict[str, object]:
    """Return `value` as a TOML table that has no other keys than the known ones."""
    if not isinstance(value, dict):
        raise InputError(f"{where}: {quoted(value)} is not a table")
    unknown = sorted(set(value) - known)
    if unknown:
        raise InputError(f"{where}.{unknown[0]}: unknown key; known are {', '.join(sorted(known))}")
    return value


def _take(table: dict[str, object], key: str, kind: type[T], where: str) -> T | None:
    """Return the value of `key`, which must be of this kind; None if the table has none."""
    value = table.get(key)
    if value is None:
        return None
    if not isinstance(value, kind) or isinstance(value, bool):
        raise InputError(f"{where}.{key}: {quoted(value)} is not {KINDS[kind]}")
    return value


def _need(value: str | None, where: str) -> str:
    """Return the value, which must be there."""
    if value is None:
        raise InputError(f"{where}: missing")
    return value


def _choice(table: dict[str, object], key: str, options: Collection[str], where: str) -> str | None:
    """Return the value of `key`, which must be one of the options; None if the table has none."""
    value = _take(table, key, str, where)
    if value is not None and value not in options:
        raise InputError(f"{where}.{key}: {value!r} is not one of {', '.join(options)}")
    return value
