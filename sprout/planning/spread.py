"""The programme that spreads waiting prompts over the coming slots. Pure.

    how many prompts of each kind wait, and until which slot each may
        -> how many of each kind every slot serves, for the least carbon

It is the one linear programme (`sprout.planning.optimizer`), with demand that is deferrable up to
its deadline and the floor of each class in each slot. Which levels it chooses is of no account:
what is served follows the plan of its hour, by another policy perhaps and by what the grid came to.
So a request is given the seconds of the slowest mix that any plan may give it, or of the level that
its line pins: only then does what is left for later still fit.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from sprout.carbon import SECONDS_PER_HOUR
from sprout.costs import Cost
from sprout.grid.reading import GridReading
from sprout.planning import optimizer
from sprout.planning.classes import TaskClass
from sprout.planning.outlook import Outlook
from sprout.planning.policies import held
from sprout.planning.problem import Deferrable, FloatArray, Floor, Problem

UTILISATION = 0.8
"""Part of a slot's seconds that is planned to be used; the rest is for what nobody foresees."""

STANDARD_ERRORS = 2.0
"""Added to the measured seconds per request: a slow machine must not cost a deadline."""

WAITING_GAIN_PER_H = 0.002
"""A slot one hour later must emit so much less, as a fraction; ties are served at once."""

LEAST_COST = 0.01
"""Added to what every slot costs, as a fraction of the dearest: else nothing would be gained by not
waiting from one hour without carbon to the next."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Prompts that cost alike.

    Args:
        task_class: its index.
        level: index of the level that the lines pin; None where the class's mix serves them.
    """

    task_class: int
    level: int | None


def longest_s(kind: Kind, outlook: Outlook, formed: tuple[TaskClass, ...]) -> float:
    """Return the busy seconds of a request in the slowest mix that a plan may serve it with."""
    upper_s = np.array([_upper_s(cost) for cost in formed[kind.task_class].costs])
    if kind.level is not None:
        return float(upper_s[kind.level])
    least, most = (bounds[kind.task_class] for bounds in outlook.problem.share_bounds)
    # a level that is only explored may be slow without slowing the rest
    return float(least @ upper_s + (1 - least.sum()) * upper_s[most > least].max())


def spread(
    demand: Mapping[tuple[Kind, int], int],
    busy_s: Mapping[Kind, float],
    due_s: float,
    readings: tuple[GridReading, ...],
    outlook: Outlook,
    now: datetime,
) -> dict[Kind, FloatArray]:
    """Return [t], how many prompts of each kind to serve in each slot.

    Args:
        demand: prompts of each kind that may be served up to a slot, inclusive.
        busy_s: of one request of each kind.
        due_s: of what is served before all of these.
        readings: the slots; `outlook` is theirs.
        now: within the first of them.

    Raises:
        InputError: not all fits before its last slot.
    """
    kinds = tuple(dict.fromkeys(kind for kind, _ in demand))
    ends_s = np.array([(reading.intensity.end - now).total_seconds() for reading in readings])
    least, most = _bounds(kinds, outlook.problem)
    rows = [kind.task_class for kind in kinds]
    cost_g = outlook.problem.cost_g[:, rows]
    cost_g = cost_g + LEAST_COST * (cost_g.max() or 1.0)
    gain = 1 + WAITING_GAIN_PER_H * np.array([0.0, *ends_s[:-1]]) / SECONDS_PER_HOUR
    problem = Problem(
        # grams, as kWh at 1 g/kWh: the seconds that are paid for are not those that are kept free
        energy_kwh=cost_g * gain[:, None, None],
        intensity_g_per_kwh=np.ones(len(ends_s)),
        embodied_g_per_s=0.0,
        time_s=np.array([[busy_s[kind]] * least.shape[1] for kind in kinds]),
        preference=outlook.problem.preference[rows],
        demand=np.zeros((len(ends_s), len(kinds))),
        deferrable=tuple(
            Deferrable(kinds.index(kind), float(amount), 0, last_slot)
            for (kind, last_slot), amount in demand.items()
        ),
        capacity_s=np.diff(np.maximum(ends_s * UTILISATION - due_s, 0.0), prepend=0.0),
        floors=_floors(kinds, outlook),
        min_share=least,
        max_share=most,
    )
    amount = optimizer.solve(problem).amount.sum(axis=2)
    return {kind: amount[:, row] for row, kind in enumerate(kinds)}


def _floors(kinds: tuple[Kind, ...], outlook: Outlook) -> tuple[Floor, ...]:
    """Return the floor of each kind in each slot; what is pinned to a level has none."""
    least = held(outlook.problem, outlook.floor_factor[:, None])
    return tuple(
        Floor((t,), (row,), float(least[t, kind.task_class]))
        for t in range(len(least))
        for row, kind in enumerate(kinds)
        if kind.level is None
    )


def _bounds(kinds: tuple[Kind, ...], problem: Problem) -> tuple[FloatArray, FloatArray]:
    """Return least and largest shares, each [kind, v]."""
    rows = [kind.task_class for kind in kinds]
    least, most = (bounds[rows] for bounds in problem.share_bounds)
    for row, kind in enumerate(kinds):
        if kind.level is not None:
            least[row] = most[row] = np.eye(problem.shape[2])[kind.level]
    return least, most


def _upper_s(cost: Cost) -> float:
    """Return the busy seconds of a request; three times its own where one says all there is."""
    error_s = cost.standard_error(cost.busy_s)
    return cost.busy_s.mean + STANDARD_ERRORS * (cost.busy_s.mean if error_s is None else error_s)
