"""Opens what the settings ask for and puts it together."""

import os
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sprout import machine
from sprout.carbon import EmbodiedRate, embodied
from sprout.cli.grid.outlook import outlook
from sprout.cli.preference import known_preference
from sprout.cli.present import utc_now as utc_now  # noqa: PLC0414 - said here to every command
from sprout.config.settings import Settings
from sprout.config.sources import Config, model_path
from sprout.costs import Conditions
from sprout.directive_sets import load, packaged, parse
from sprout.directives import DirectiveSet
from sprout.engine.open import EngineOptions, fingerprint
from sprout.errors import InputError, NoInputError, UsageError
from sprout.files.reading import read_text
from sprout.grid import reading
from sprout.grid.reading import GridOutlook, GridReading
from sprout.meter.estimate import CPUINFO, read_model_name
from sprout.meter.meter import CombinedMeter, Meter
from sprout.meter.nvml import NvmlCounterMeter, NvmlPowerMeter
from sprout.meter.open import open_meter
from sprout.planning.plan import PlanOptions, Snapshot
from sprout.state.profiles import Profiles
from sprout.state.store import Store

MAX_EMBODIED_G_PER_S = 1e6  # a server's whole carbon in a second; sums stay finite


def directive_set(name: str) -> DirectiveSet:
    """Return a packaged set, or the first set of a TOML file."""
    if name in packaged():
        return load(name)
    path = Path(name)
    if path.suffix != ".toml":
        raise UsageError(
            f"no directive set {name!r}: choose {', '.join(packaged())}, or name a .toml file"
        )
    return next(iter(parse(read_text(path), str(path)).values()))


def level_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of all levels, without looking at any model."""
    directives = directive_set(settings.directives)
    return directives.with_variants(dict.fromkeys(settings.variants, "")).levels


def level_set(settings: Settings, model: str) -> DirectiveSet:
    """Return all levels: every directive at the model and at each of its variants.

    Args:
        model: fingerprint of the model.

    Raises:
        NoInputError: there is no such file.
        InputError: two of them are the same file.
    """
    known = {model: "the model"}
    variants = {}
    for name, path in settings.variants.items():
        try:
            found = variants[name] = fingerprint(path)
        except NoInputError as error:
            raise NoInputError(f"variant {name}: there is no file {path}") from error
        if found in known:
            raise InputError(f"variant {name}: {path} is the same file as {known[found]}")
        known[found] = f"variant {name}"
    return directive_set(settings.directives).with_variants(variants)


def engine_options(settings: Settings, *, shares_prefixes: bool = True) -> EngineOptions:
    """Return how to run the model and its variants."""
    return EngineOptions(
        parallel=settings.parallel,
        threads=settings.threads,
        ctx=settings.ctx,
        gpu_layers=settings.gpu_layers,
        shares_prefixes=shares_prefixes,
        variants=settings.variants,
    )


def thread_warning(settings: Settings) -> str | None:
    """Return what is unwise about the threads that are set; None where each can have a CPU."""
    num_cpus = machine.num_cpus()
    if settings.threads <= num_cpus:
        return None
    return (
        f"{settings.threads} threads on {num_cpus} CPUs wait for each other and slow everything "
        f"down: set `threads` to {num_cpus} at most, or leave it out"
    )


def warnings(config: Config) -> tuple[str, ...]:
    """Return what is unsafe or unwise about the settings of a command that runs the model."""
    found = thread_warning(config.settings)
    return config.warnings if found is None else (*config.warnings, found)


def embodied_rate(settings: Settings, num_gpus: int) -> EmbodiedRate:
    """Return the embodied carbon per busy second: a preset's, or the number that is set."""
    try:
        g_per_s = float(settings.embodied)
    except ValueError:
        return embodied(
            settings.embodied,
            uses_gpu=settings.gpu_layers != 0,
            num_gpus=num_gpus,
            num_threads=settings.threads,
        )
    if not 0 <= g_per_s <= MAX_EMBODIED_G_PER_S:
        raise UsageError(
            f"embodied carbon of {g_per_s} g/s makes no sense: give 0 to {MAX_EMBODIED_G_PER_S:g}"
        )
    return EmbodiedRate("custom", g_per_s, "set by the user")


@dataclass(frozen=True, slots=True)
class Power:
    """The energy meter, what it cannot see, and the GPUs that it watches."""

    meter: Meter
    notes: tuple[str, ...]
    gpu_uuids: tuple[str, ...]


def open_power(config: Config) -> Power:
    """Return the energy meter for these settings."""
    settings = config.settings
    meter, notes = open_meter(
        uses_gpu=settings.gpu_layers != 0,
        gpu_uuids=settings.gpus,
        cuda_visible=config.cuda_visible,
        watts_per_core=settings.watts_per_core,
        powercap=settings.powercap,
    )
    parts = meter.meters if isinstance(meter, CombinedMeter) else (meter,)
    watched = [part for part in parts if isinstance(part, NvmlCounterMeter | NvmlPowerMeter)]
    return Power(meter, notes, tuple(gpu.uuid for part in watched for gpu in part.gpus))


def conditions(settings: Settings, model: str, power: Power) -> Conditions:
    """Return under what costs are measured here: model, processor, GPUs and how they are used."""
    processor = f"{read_model_name(CPUINFO) or 'unknown CPU'} x{os.cpu_count()}"
    return Conditions(
        model=model,
        machine=" + ".join((processor, *power.gpu_uuids)),
        parallel=settings.parallel,
        threads=settings.threads,
        gpu_layers=settings.gpu_layers,
        max_tokens=settings.max_tokens,
        energy_method=power.meter.method,
    )


def grid_reading(
    store: Store, config: Config, intensity: float | None, now: datetime
) -> GridReading:
    """Return the intensity to plan with; see `sprout.cli.grid.outlook`."""
    return outlook(store, config, intensity, now).reading


def _coming(found: GridOutlook) -> tuple[GridReading, ...]:
    """Return the readings that follow the present one, as far as they are foretold."""
    if found.ahead is None:
        return ()
    present = found.reading
    return tuple(
        reading.known(row, present.range)
        for row in found.ahead.intensities
        if row.end > present.intensity.end
    )


def plan_options(settings: Settings, rate: EmbodiedRate) -> PlanOptions:
    """Return what the user decides about plans."""
    return PlanOptions(
        tolerance=settings.tolerance,
        explore=settings.explore,
        pue=settings.pue,
        embodied_g_per_s=rate.g_per_s,
        policy=settings.policy,
        class_floor=settings.class_floor,
        confidence=settings.confidence,
    )


@dataclass(frozen=True, slots=True)
class Known:
    """What the store and the settings say together, to plan from."""

    store: Store
    config: Config
    directives: DirectiveSet
    conditions: Conditions
    is_energy_estimated: bool
    intensity: float | None

    def snapshot(self, now: datetime) -> Snapshot:
        """Return all that a plan is made from."""
        found = outlook(self.store, self.config, self.intensity, now)
        return Snapshot(
            grid=found.reading,
            coming=_coming(found),
            costs=Profiles(self.store).costs(self.conditions),
            energy_method=self.conditions.energy_method,
            is_energy_estimated=self.is_energy_estimated,
            preference=known_preference(
                self.store, self.directives, self.conditions, now, self.config.settings
            ),
        )


def know(store: Store, config: Config, power: Power, intensity: float | None) -> Known:
    """Return what plans are made from here; `intensity` in gCO2eq/kWh is the user's own."""
    settings = config.settings
    model = fingerprint(model_path(settings))
    return Known(
        store=store,
        config=config,
        directives=level_set(settings, model),
        conditions=conditions(settings, model, power),
        is_energy_estimated=power.meter.is_estimated,
        intensity=intensity,
    )
