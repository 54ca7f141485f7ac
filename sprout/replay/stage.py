"""One region's hours with every seed's draws. Pure.

An assessment in hour t would see `counts[s, t]`, judged prompts drawn from the pool by the hour's
task mix.
"""

import zlib
from dataclasses import dataclass, field, replace

import numpy as np

from sprout.errors import InputError, UsageError
from sprout.planning.frontier import IntArray
from sprout.planning.outlook import Limits
from sprout.planning.problem import FloatArray
from sprout.quality.invoker import assessments
from sprout.replay.world import World

AUTHORS_FEBRUARY_HOUR = 800
"""Start of the paper's February; its files take SPROUT_STA's intensity from the whole year."""

STATIC_HOURS = 720


@dataclass(frozen=True, slots=True)
class Options:
    """How to replay.

    Args:
        floor: the same floor in every hour, as a factor of L0's preference; None is the paper's,
            which falls with the intensity.
        num_judged: prompts judged per assessment.
        is_split: estimate on one half of the judged prompts, evaluate on the other.
        labels_right: share of prompts whose task a classifier tells right; the others are told
            as any other task alike. 1 is prompts that carry their task.
        foresight: what schemes that look ahead believe of the coming hours' intensity, by name.
        knows_mix: whether schemes are told the task mix of the hour that they plan; otherwise that
            of the hours before.
        knows_month: whether the evaluator compares with the month's mean, as the paper's does;
            otherwise with the trailing mean, which knows no future.
    """

    start_hour: int = AUTHORS_FEBRUARY_HOUR
    num_hours: int = 720
    num_seeds: int = 3
    limits: Limits = field(default_factory=Limits)
    floor: float | None = None
    num_judged: int = 1000
    is_split: bool = False
    labels_right: float = 1.0
    foresight: str = "truth"
    knows_mix: bool = True
    knows_month: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """One region's hours and every seed's draws; all that schemes are told or judged by.

    Args:
        position, factor: [t], where the intensity stands, and the floor's factor of L0's.
        composition: [t, c].
        told_mix: [t, c], what schemes are told of it.
        labels: [c, c], how often a prompt of a task (row) is told as another (column).
        assessed: hours that assess.
        counts: [s, t, c, p], what an assessment in each hour would see.
        truth: [s, c, v].
        static_g_per_kwh: the intensity that SPROUT_STA plans for.
    """

    region: str
    world: World
    options: Options
    intensity_g_per_kwh: FloatArray
    low_high: tuple[float, float]
    position: FloatArray
    factor: FloatArray
    composition: FloatArray
    told_mix: FloatArray
    labels: FloatArray
    weight: FloatArray
    assessed: IntArray
    counts: FloatArray
    truth: FloatArray
    static_g_per_kwh: float

    @property
    def held(self) -> IntArray:
        """Return [t], the hour of the assessment that is the newest in each hour."""
        hours = np.arange(len(self.intensity_g_per_kwh))
        held: IntArray = self.assessed[np.searchsorted(self.assessed, hours, side="right") - 1]
        return held

    @property
    def reference_g_per_kwh(self) -> float:
        """Return the middle of the range that intensities are judged against."""
        return sum(self.low_high) / 2

    @property
    def num_seeds(self) -> int:
        """Return how many draws there are."""
        return len(self.counts)


def hours_of(world: World, region: str, options: Options) -> tuple[FloatArray, tuple[float, float]]:
    """Return the intensity of the hours, and the lowest and highest of the whole record."""
    record = world.intensity_g_per_kwh[region]
    end = options.start_hour + options.num_hours
    if not (0 <= options.start_hour < end <= len(record)):
        raise UsageError(
            f"--start-hour, --hours: {region} has hours 0 to {len(record) - 1}, not "
            f"{options.start_hour} to {end - 1}"
        )
    low_high = float(record.min()), float(record.max())
    return record[options.start_hour : end], (world.ranges or {}).get(region, low_high)


def position_of(
    intensity: FloatArray, low_high: tuple[float, float], options: Options
) -> FloatArray:
    """Return where intensities stand in the range; 1 everywhere under a floor that is given."""
    if options.floor is not None:
        return np.ones_like(intensity)
    low, high = low_high
    if high <= low:
        return np.zeros_like(intensity)
    return np.clip((intensity - low) / (high - low), 0.0, 1.0)


def limits_of(options: Options) -> Limits:
    """Return the limits, with the tolerance that a floor given for all hours leaves."""
    if options.floor is None:
        return options.limits
    return replace(options.limits, tolerance=1 - options.floor)


def assessed_hours(intensity: FloatArray, options: Options) -> IntArray:
    """Return the hours that assess, hour 0 first."""
    threshold = float(intensity.mean()) if options.knows_month else None
    return np.array(assessments(intensity.tolist(), threshold))


def static_intensity(world: World, region: str, options: Options) -> float:
    """Return what SPROUT_STA plans for: the year's mean in February, else the month's before."""
    record, start = world.intensity_g_per_kwh[region], options.start_hour
    if start == AUTHORS_FEBRUARY_HOUR or start < STATIC_HOURS:
        return float(record.mean())
    return float(record[start - STATIC_HOURS : start].mean())


def build(world: World, region: str, options: Options) -> Stage:
    """Return the stage of one region, with every seed's draws.

    Raises:
        UsageError: the hours are not in the record, or a pool is too small to split.
        InputError: in some hour nobody preferred L0, which the others are held against.
    """
    intensity, low_high = hours_of(world, region, options)
    first = options.start_hour if world.is_parallel else 0
    hours = (first + np.arange(len(intensity))) % len(world.composition)
    composition = world.composition[hours]
    position = position_of(intensity, low_high, options)
    labels = _labels(len(world.tasks), options.labels_right)
    seen, truths = [], []
    for seed in range(options.num_seeds):
        rng = np.random.default_rng((seed, zlib.crc32(region.encode()), options.start_hour))
        shares, judged_by = _pools(world, rng, is_split=options.is_split)
        drawn = _draw(shares, composition, options.num_judged, rng)
        seen.append(drawn if options.labels_right >= 1 else _told_as(drawn, labels, rng))
        truths.append(judged_by @ world.patterns)
    _check_base(np.array(truths), composition, world)
    weight = np.ones(len(intensity)) if world.weight is None else world.weight[hours]
    return Stage(
        region=region,
        world=world,
        options=options,
        intensity_g_per_kwh=intensity,
        low_high=low_high,
        position=position,
        factor=1 - position * limits_of(options).tolerance,
        composition=composition,
        told_mix=composition if options.knows_mix else _past_mix(composition, weight),
        labels=labels,
        weight=weight,
        assessed=assessed_hours(intensity, options),
        counts=np.array(seen),
        truth=np.array(truths),
        static_g_per_kwh=static_intensity(world, region, options),
    )


def _pools(
    world: World, rng: np.random.Generator, *, is_split: bool
) -> tuple[FloatArray, FloatArray]:
    """Return the shares [c, p] of patterns to draw from, and those that are the truth."""
    drawn: list[FloatArray] = []
    true: list[FloatArray] = []
    for task, row in zip(world.tasks, world.pool, strict=True):
        prompts = row[row >= 0]
        halves = (prompts, prompts)
        if is_split:
            if len(prompts) < len(halves):
                raise UsageError(f"--split: {task} has {len(prompts)} judged prompt, no two halves")
            prompts = rng.permutation(prompts)
            halves = (prompts[: len(prompts) // 2], prompts[len(prompts) // 2 :])
        for half, shares in zip(halves, (drawn, true), strict=True):
            counts = np.bincount(half, minlength=len(world.patterns))
            shares.append(counts / counts.sum())
    return np.array(drawn), np.array(true)


def _past_mix(composition: FloatArray, weight: FloatArray) -> FloatArray:
    """Return [t, c], the task mix of all hours before, and of one before them with all tasks alike.

    A plan of `sprout run` counts so what was served; see `sprout.planning.classes`.
    """
    served = composition * weight[:, None]
    alike = np.full((1, composition.shape[1]), weight.mean() / composition.shape[1])
    before = np.cumsum(np.concatenate((alike, served[:-1])), axis=0)
    mix: FloatArray = before / before.sum(axis=1, keepdims=True)
    return mix


def _check_base(truth: FloatArray, composition: FloatArray, world: World) -> None:
    """Refuse hours whose tasks have no preference at L0, [s, c, v], that could be lost."""
    bare = np.flatnonzero((truth[:, :, 0] @ composition.T <= 0).any(axis=0))
    if len(bare):
        raise InputError(
            f"hour {bare[0]} of the task mix: its tasks have no {world.quality} at "
            f"{world.levels[0]}, which the other levels are held against"
        )


def _labels(num_tasks: int, right: float) -> FloatArray:
    """Return [c, c], how often a prompt of each task is told as each."""
    wrong = (1 - right) / (num_tasks - 1) if num_tasks > 1 else 0.0
    labels = np.full((num_tasks, num_tasks), wrong)
    np.fill_diagonal(labels, right if num_tasks > 1 else 1.0)
    return labels


def _told_as(drawn: FloatArray, labels: FloatArray, rng: np.random.Generator) -> FloatArray:
    """Return judged prompts [t, c, p] by the task that a classifier told."""
    by_label = rng.multinomial(drawn.astype(int), labels[None, :, None, :])
    told: FloatArray = np.moveaxis(by_label.sum(axis=1), -1, 1).astype(float)
    return told


def _draw(
    shares: FloatArray, composition: FloatArray, num_judged: int, rng: np.random.Generator
) -> FloatArray:
    """Return [t, c, p], the patterns of judged prompts drawn in each hour by its task mix."""
    per_task = rng.multinomial(num_judged, composition)
    drawn: FloatArray = rng.multinomial(per_task, shares).astype(float)
    return drawn
