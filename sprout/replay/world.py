"""What was recorded of grid, requests and judged prompts: the world that is replayed. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from sprout.planning.frontier import IntArray
from sprout.planning.problem import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class Requests:
    """Single recorded requests, each at every level: [n, v] by task."""

    energy_kwh: tuple[FloatArray, ...]
    time_s: tuple[FloatArray, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Variants:
    """A second model, for MODEL_OPT.

    Args:
        energy_kwh, time_s: [c, 2], of the model itself and of the second one, both at L0.
        preference: [2], how often each was preferred.
        note: what of it was recorded, and what stands in.
    """

    energy_kwh: FloatArray
    time_s: FloatArray
    preference: FloatArray
    note: str


@dataclass(frozen=True, slots=True, eq=False)
class HourlyInputs:
    """What a simulator drew for each hour, all tasks together: [t, v]."""

    preference: FloatArray
    energy_kwh: FloatArray
    time_s: FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class World:
    """What was recorded.

    Args:
        tasks, levels: names, in the order of the arrays.
        intensity_g_per_kwh: hour by hour, by region; the range is that of the whole record.
        composition: [t, c], the task mix of each hour, rows sum to 1; repeats when hours run out.
            Its first row is that of the first hour that is replayed, unless it `is_parallel`.
        weight: [t], requests in each hour; None where every hour counts alike.
        energy_kwh, time_s: [c, v], means of one request.
        patterns: [p, v], the kinds of credit that a judged prompt hands out to the levels.
        pool: [c, n], each judged prompt's pattern, -1 past a task's last.
        quality: what the pool is about, e.g. "preference".
        embodied_g_per_s: of the hardware that `time_s` occupies.
        ranges: lowest and highest intensity by region; None takes the whole record's.
        is_parallel: whether composition and weight are of the very hours of the record.
    """

    tasks: tuple[str, ...]
    levels: tuple[str, ...]
    intensity_g_per_kwh: Mapping[str, FloatArray]
    composition: FloatArray
    weight: FloatArray | None
    energy_kwh: FloatArray
    time_s: FloatArray
    patterns: FloatArray
    pool: IntArray
    quality: str
    embodied_g_per_s: float
    requests: Requests | None = None
    variants: Variants | None = None
    hourly: HourlyInputs | None = None
    ranges: Mapping[str, tuple[float, float]] | None = None
    is_parallel: bool = False
    notes: tuple[str, ...] = ()


def only_levels(world: World, levels: tuple[str, ...]) -> World:
    """Return the world with some of its levels; L0 must be the first of them.

    A verdict for a level that is gone stays one against those that are left: nobody asked the judge
    to choose again.
    """
    kept = [world.levels.index(level) for level in levels]
    requests, hourly = world.requests, world.hourly
    if requests is not None:
        requests = Requests(
            tuple(values[:, kept] for values in requests.energy_kwh),
            tuple(values[:, kept] for values in requests.time_s),
        )
    if hourly is not None:
        hourly = HourlyInputs(
            hourly.preference[:, kept], hourly.energy_kwh[:, kept], hourly.time_s[:, kept]
        )
    return replace(
        world,
        levels=levels,
        energy_kwh=world.energy_kwh[:, kept],
        time_s=world.time_s[:, kept],
        patterns=world.patterns[:, kept],
        requests=requests,
        hourly=hourly,
    )
