"""What schemes are told in each hour, and the outlook that they choose by. Pure.

A scheme of one mix is told the newest assessment's preference of all tasks together, a class-aware
one that of each task; robust schemes are told all verdicts so far, with covariances.
"""

from dataclasses import dataclass

import numpy as np

from sprout.planning.classes import MIN_JUDGED
from sprout.planning.frontier import IntArray
from sprout.planning.outlook import Outlook
from sprout.planning.problem import FloatArray, Problem
from sprout.replay.stage import Options, Stage, limits_of
from sprout.replay.world import HourlyInputs


@dataclass(frozen=True, slots=True, eq=False)
class Told:
    """Estimates in each hour, seeds stacked below each other: [s*t, c, v] and [s*t, c, v, v]."""

    preference: FloatArray
    covariance: FloatArray | None


def estimates(counts: FloatArray, patterns: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return mean [..., v] and its covariance [..., v, v] of judged prompts' credits.

    `sprout.quality.preference.estimate`, for many sets of prompts at once; 0 where there are none.
    """
    total = counts.sum(axis=-1)[..., None]
    safe = np.maximum(total, 1.0)
    mean = counts @ patterns / safe
    second = np.einsum("...p,pv,pw->...vw", counts, patterns, patterns) / safe[..., None]
    spread = second - mean[..., :, None] * mean[..., None, :]
    return mean, spread / np.maximum(total - 1, 1.0)[..., None]


def told_pooled(stage: Stage, hour: IntArray) -> Told:
    """Return one preference for all tasks, as assessed in the given hours [t]."""
    counts = stage.counts[:, hour].sum(axis=2)
    mean, _ = estimates(counts, stage.world.patterns)
    return Told(mean.reshape(-1, 1, mean.shape[-1]), None)


def told_by_class(stage: Stage, *, accumulates: bool) -> Told:
    """Return each task's preference; a task that was hardly judged has the one of all."""
    if accumulates:
        counts = np.cumsum(stage.counts[:, stage.assessed], axis=1)
        counts = counts[:, np.searchsorted(stage.assessed, stage.held)]
    else:
        counts = stage.counts[:, stage.held]
    mean, covariance = estimates(counts, stage.world.patterns)
    pooled, pooled_covariance = estimates(counts.sum(axis=2), stage.world.patterns)
    is_known = counts.sum(axis=-1) >= MIN_JUDGED
    mean = np.where(is_known[..., None], mean, pooled[:, :, None])
    covariance = np.where(is_known[..., None, None], covariance, pooled_covariance[:, :, None])
    shape = mean.shape[2:]
    return Told(mean.reshape(-1, *shape), covariance.reshape(-1, *shape, shape[-1]))


def outlook_of(stage: Stage, told: Told, *, apart: bool) -> Outlook:
    """Return the hours of all seeds as slots of one outlook."""
    world, num_seeds = stage.world, stage.num_seeds
    composition = np.tile(stage.told_mix, (num_seeds, 1))
    if apart and stage.options.labels_right < 1:
        demand = composition @ stage.labels
        # of each label that is told at all, the tasks that its prompts really are
        told_as = composition[:, None, :] * stage.labels.T
        total = demand[..., None]
        parts = np.divide(told_as, total, out=np.zeros_like(told_as), where=total > 0)
        energy_kwh, time_s = parts @ world.energy_kwh, parts @ world.time_s
    elif apart:
        energy_kwh, time_s, demand = world.energy_kwh, world.time_s, composition
    else:
        energy_kwh = (composition @ world.energy_kwh)[:, None]
        time_s = (composition @ world.time_s)[:, None]
        demand = np.ones((len(composition), 1))
    return Outlook(
        problem=Problem(
            energy_kwh=energy_kwh,
            time_s=time_s,
            preference=told.preference,
            intensity_g_per_kwh=np.tile(stage.intensity_g_per_kwh, num_seeds),
            embodied_g_per_s=world.embodied_g_per_s,
            demand=demand,
        ),
        position=np.tile(stage.position, num_seeds),
        limits=limits_of(stage.options),
        window=np.arange(len(composition)),
        covariance=told.covariance,
        reference_g_per_kwh=stage.reference_g_per_kwh,
    )


def outlook_of_one(
    inputs: HourlyInputs,
    intensity_g_per_kwh: FloatArray,
    position: FloatArray,
    embodied_g_per_s: float,
    options: Options,
) -> Outlook:
    """Return hours as slots that one mix serves, whatever the task, with a floor in each."""
    num_hours = len(intensity_g_per_kwh)
    problem = Problem(
        energy_kwh=inputs.energy_kwh[:, None],
        time_s=inputs.time_s[:, None],
        preference=inputs.preference[:, None],
        intensity_g_per_kwh=intensity_g_per_kwh,
        embodied_g_per_s=embodied_g_per_s,
        demand=np.ones((num_hours, 1)),
    )
    return Outlook(problem, position, limits_of(options), np.arange(num_hours))
