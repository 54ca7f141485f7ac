"""sprout.toml as `sprout init` writes it: every setting, explained; defaults commented. Pure."""

from collections.abc import Iterator, Mapping

HEAD = """\
# Settings of Sprout. A flag beats SPROUT_<NAME> in the environment, which beats this file.
# Lines that begin with "#" show defaults; sprout.toml(5) says more, and which keys of providers and
# judges may stand here too. `sprout status` shows what is in force, and why.
"""
UNSET = "not set"


def render(
    descriptions: Mapping[str, str], defaults: Mapping[str, object], chosen: Mapping[str, object]
) -> str:
    """Return the file.

    Args:
        descriptions: of every setting, in order.
        defaults: a value, or None for one that is not set.
        chosen: what was asked for.
    """
    return HEAD + "".join(_setting(descriptions, defaults, chosen))


def _setting(
    descriptions: Mapping[str, str], defaults: Mapping[str, object], chosen: Mapping[str, object]
) -> Iterator[str]:
    for name, description in descriptions.items():
        yield f"\n# {description}\n"
        if name in chosen:
            yield f"{name} = {literal(chosen[name])}\n"
        else:
            default = defaults[name]
            yield f"# {name} = {UNSET if default is None else literal(default)}\n"


def literal(value: object) -> str:
    """Return a value as TOML writes it.

    Raises:
        TypeError: TOML has no such value.
    """
    match value:
        case bool():
            return "true" if value else "false"
        case int() | float():
            return repr(value)
        case str():
            return _quoted(value)
        case tuple() | list():
            return f"[{', '.join(literal(each) for each in value)}]"
        case dict():
            pairs = (f"{_quoted(name)} = {literal(each)}" for name, each in value.items())
            return f"{{{', '.join(pairs)}}}"
    raise TypeError(f"{value!r} is no value of TOML")


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    plain = "".join(c if c.isprintable() else f"\\u{ord(c):04x}" for c in escaped)
    return f'"{plain}"'
