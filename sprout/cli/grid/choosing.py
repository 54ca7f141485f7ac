"""The body of `sprout grid use`: sets zone and provider in sprout.toml, and changes nothing else.

The file is the user's: comments, order and line ends stay. Lines are edited, and the outcome is
parsed: when it is not the old file with these settings, the file is left as it is.
"""

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path

from sprout.cli.output import Out
from sprout.config.sources import file_path, load
from sprout.errors import InputError, NoInputError, UsageError
from sprout.files import toml
from sprout.files.reading import read_text
from sprout.files.writing import write_whole
from sprout.grid import yearly
from sprout.grid.open import about, check_zone, series_of

NOBODY = "none"
NEW_FILE_MODE = 0o600  # keys may be added to it


def use(out: Out, file: Path | None, zone: str, provider: str | None) -> None:
    """Set the zone, and the provider where one is given ("none" takes it out)."""
    if not zone.strip():
        raise UsageError("ZONE is empty: name a grid zone, such as DE")
    wanted: dict[str, str | None] = {"zone": zone}
    if provider is not None:
        wanted["provider"] = None if provider == NOBODY else provider
    path = file_path(file)
    old = _read(path)
    new = edited(old, wanted, str(path))
    written = {"zone": zone, "provider": tomllib.loads(new).get("provider")}
    if written["provider"] is not None:
        check_zone(written["provider"], zone)
    if new != old:
        write_whole(path, new, mode=NEW_FILE_MODE)
    settings = load({}, path).settings
    chosen = series_of(zone, settings.provider, settings.kind, settings.factor)
    average = yearly.look_up(zone)
    out.data |= {
        "config_file": str(path),
        "zone": settings.zone,
        "provider": settings.provider,
        "kind": chosen.kind,
        "factor_type": chosen.factor_type,
        "is_changed": new != old,
    }
    out.text(f"{path}: zone {zone}, provider {written['provider'] or 'none (nobody is contacted)'}")
    for name, value in written.items():
        if (in_force := getattr(settings, name)) != value:
            out.warning(f"SPROUT_{name.upper()} sets another {name}, {in_force}")
    if settings.provider is None and average is None:
        out.warning(f"no yearly average is known for {zone}: a provider or an import is needed")
    if settings.provider is not None:
        offer = about(settings.provider)
        out.text(f"{offer.title}: {chosen}; {offer.licence}; `sprout grid fetch` asks it")


def edited(text: str, wanted: Mapping[str, str | None], name: str) -> str:
    """Return a TOML text with top-level texts set, or taken out where they are None.

    Raises:
        InputError: the text is not TOML, or is written so that lines cannot be edited.
    """
    before = toml.parse(text, name)
    new = text
    for key, value in wanted.items():
        new = _with(new, key, value)
    expected = {key: value for key, value in {**before, **wanted}.items() if value is not None}
    try:
        found = tomllib.loads(new)
    except tomllib.TOMLDecodeError:
        found = {}
    if found != expected:
        lines = ", ".join(f'{key} = "{value}"' for key, value in wanted.items() if value)
        raise InputError(f"{name} is written in a way that is not edited here: set {lines} by hand")
    return new


def _with(text: str, key: str, value: str | None) -> str:
    """Return a text with the line of one key changed, added or taken out."""
    lines = text.splitlines(keepends=True)
    end = next((i for i, line in enumerate(lines) if re.match(r"\s*\[", line)), len(lines))
    line_end = "\r\n" if lines and lines[0].endswith("\r\n") else "\n"
    pattern = re.compile(
        rf"""(\s*(?:{key}|"{key}"|'{key}')\s*=\s*)("(?:[^"\\]|\\.)*"|'[^']*'|[^#\s]+)(.*)""",
        flags=re.DOTALL,
    )
    for position, line in enumerate(lines[:end]):
        found = pattern.fullmatch(line)
        if found and value is None:
            del lines[position]
            return "".join(lines)
        if found:
            lines[position] = f"{found[1]}{_quoted(str(value))}{found[3]}"
            return "".join(lines)
    if value is None:
        return text
    if end and not lines[end - 1].endswith("\n"):
        lines[end - 1] += line_end
    while end and end < len(lines) and not lines[end - 1].strip():
        end -= 1  # above the empty lines before a table
    lines.insert(end, f"{key} = {_quoted(value)}{line_end}")
    return "".join(lines)


def _quoted(value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _read(path: Path) -> str:
    """Return what is in the file; nothing where there is none yet."""
    try:
        return read_text(path)
    except NoInputError as error:
        if isinstance(error.__cause__, FileNotFoundError):
            return ""
        raise
