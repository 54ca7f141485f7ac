"""Replaying with every hour's inputs as a simulator recorded them: nothing is drawn. Pure.

An hour's preference is known in hours that assess, and held in between; it is the truth of its own
hour.
"""

from collections.abc import Iterator

import numpy as np

from sprout.errors import UsageError
from sprout.planning.problem import FloatArray
from sprout.replay.acting import shares_of
from sprout.replay.replay import Replayed, evaluates, percents
from sprout.replay.stage import (
    Options,
    assessed_hours,
    hours_of,
    limits_of,
    position_of,
    static_intensity,
)
from sprout.replay.told import outlook_of_one
from sprout.replay.world import HourlyInputs, World


def replay_exactly(
    world: World, regions: tuple[str, ...], names: tuple[str, ...], options: Options
) -> Iterator[Replayed]:
    """Yield what each scheme does with the preference, energy and time that are given by hour."""
    if world.hourly is None:
        raise ValueError("no hourly inputs were recorded")
    for region in regions:
        intensity, low_high = hours_of(world, region, options)
        hourly = _first(world.hourly, len(intensity))
        position = position_of(intensity, low_high, options)
        for name in names:
            yield _exact_result(
                world, hourly, region, name, (intensity, position, low_high), options
            )


def _first(hourly: HourlyInputs, num_hours: int) -> HourlyInputs:
    if num_hours > len(hourly.preference):
        raise UsageError(
            f"--hours: hourly inputs cover {len(hourly.preference)} hours, not {num_hours}"
        )
    return HourlyInputs(
        hourly.preference[:num_hours], hourly.energy_kwh[:num_hours], hourly.time_s[:num_hours]
    )


def _exact_result(
    world: World,
    hourly: HourlyInputs,
    region: str,
    name: str,
    hours: tuple[FloatArray, FloatArray, tuple[float, float]],
    options: Options,
) -> Replayed:
    intensity, position, low_high = hours
    assessed = assessed_hours(intensity, options)
    hour = np.arange(len(intensity))
    held = assessed[np.searchsorted(assessed, hour, side="right") - 1]
    told, at, place = hourly.preference[held], intensity, position
    energy_kwh, time_s = hourly.energy_kwh, hourly.time_s
    if name == "sprout-sta":
        told, energy_kwh, time_s = (
            values.mean(axis=0, keepdims=True) for values in (hourly.preference, energy_kwh, time_s)
        )
        at = np.array([static_intensity(world, region, options)])
        place = position_of(at, low_high, options)
    outlook = outlook_of_one(
        HourlyInputs(told, energy_kwh, time_s), at, place, world.embodied_g_per_s, options
    )
    chosen = shares_of(outlook, name, 1)[0, :, 0]
    mix = np.broadcast_to(chosen, (len(intensity), chosen.shape[1]))
    cost_g = intensity[:, None] * hourly.energy_kwh + world.embodied_g_per_s * hourly.time_s
    carbon_g, base_g = (mix * cost_g).sum(axis=1), cost_g[:, 0]
    kept, base = (mix * hourly.preference).sum(axis=1), hourly.preference[:, 0]
    factor = 1 - position * limits_of(options).tolerance
    saved, preference, below = percents(
        (carbon_g[None], base_g), (kept[None], base, factor), np.ones(len(hour))
    )
    num_evaluations = len(assessed) if evaluates(name) else 0
    each_g = cost_g.sum(axis=1)
    return Replayed(
        region=region,
        policy=name,
        saved_percent=saved,
        preference_percent=preference,
        below_floor_percent=below,
        worst_class_percent=np.array([np.nan]),
        class_percent=np.array([]),
        num_evaluations=num_evaluations,
        evaluation_g=(
            float(options.num_judged * each_g[assessed].sum()) if num_evaluations else 0.0
        ),
        base_g=float(base_g.mean()),
        intensity_g_per_kwh=intensity,
        mix=mix,
    )
