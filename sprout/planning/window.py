"""The slots that a plan is solved for, and what is known of each. Pure."""

from dataclasses import replace
from datetime import timedelta

import numpy as np

from sprout.carbon import JOULES_PER_KWH, SECONDS_PER_HOUR
from sprout.directives import DirectiveSet
from sprout.grid.reading import GridReading
from sprout.planning import classes
from sprout.planning.classes import TaskClass
from sprout.planning.outlook import Limits, Outlook
from sprout.planning.plan import PlanOptions, Snapshot
from sprout.planning.problem import FloatArray, Problem

HORIZON = timedelta(hours=24)
"""How far a floor reaches that spans a window, from the start of the present slot."""


def ahead(snapshot: Snapshot) -> tuple[GridReading, ...]:
    """Return the reading of now and what follows it, without overlap, up to the horizon."""
    found = []
    end = snapshot.grid.intensity.start
    horizon = end + HORIZON
    for reading in (snapshot.grid, *snapshot.coming):
        slot = reading.intensity
        start = max(slot.start, end)
        end = max(min(slot.end, horizon), start)
        duration_s = int((end - start).total_seconds())
        if duration_s > 0:
            known = replace(slot, start=start, duration_s=duration_s)
            found.append(replace(reading, intensity=known))
    return tuple(found)


def hours(readings: tuple[GridReading, ...]) -> float | None:
    """Return the hours that a floor holds over; None where it is the present slot's alone."""
    if len(readings) == 1:
        return None
    return sum(reading.intensity.duration_s for reading in readings) / SECONDS_PER_HOUR


def outlook_of(
    readings: tuple[GridReading, ...],
    directives: DirectiveSet,
    formed: tuple[TaskClass, ...],
    options: PlanOptions,
) -> Outlook:
    """Return what is known of the readings' slots, each with the demand of its length.

    One unit of it is what the first slot serves.
    """
    length_s = np.array([reading.intensity.duration_s for reading in readings], dtype=float)
    demand = np.array([each.demand for each in formed])
    num_levels = len(directives.directives)
    least = np.array(_exploration(num_levels, options.explore))
    may_steer = np.array([each.may_steer(directives) for each in formed])
    problem = Problem(
        energy_kwh=np.array(
            [
                [cost.energy_j.mean * options.pue / JOULES_PER_KWH for cost in each.costs]
                for each in formed
            ]
        ),
        time_s=np.array([[cost.busy_s.mean for cost in each.costs] for each in formed]),
        preference=np.array([[q or 0.0 for q in each.preference(directives)] for each in formed]),
        intensity_g_per_kwh=np.array([reading.intensity.g_per_kwh for reading in readings]),
        embodied_g_per_s=options.embodied_g_per_s,
        demand=np.outer(length_s / length_s[0], demand),
        min_share=np.broadcast_to(least, may_steer.shape),
        max_share=np.where(may_steer, 1.0, least),
    )
    return Outlook(
        problem=problem,
        position=np.array([reading.position for reading in readings]),
        limits=Limits(options.tolerance, options.class_floor, options.confidence),
        window=np.zeros(len(readings), dtype=np.int64),
        covariance=_covariance(formed, directives),
        overlap=np.array([each.part for each in formed]),
        reference_g_per_kwh=readings[0].range.middle_g_per_kwh,
    )


def _covariance(formed: tuple[TaskClass, ...], directives: DirectiveSet) -> FloatArray | None:
    """Return [c, v, v]; None when nobody can say of any class."""
    found = [classes.covariance(each, directives) for each in formed]
    if all(each is None for each in found):
        return None
    num_levels = len(directives.directives)
    return np.array([np.zeros((num_levels, num_levels)) if c is None else c for c in found])


def _exploration(num_levels: int, explore: float) -> list[float]:
    """Return the least share of each level: half of the exploration for L0, the rest in parts."""
    if num_levels == 1:
        return [0.0]
    return [explore / 2, *[explore / 2 / (num_levels - 1)] * (num_levels - 1)]
