"""The task classes of a plan: what is known of each, and how much of the demand it is. Pure.

A task whose answers were judged often enough is a class of its own; everything else, prompts
without a task included, is one more class with the preference of all. A class has its own costs
when every level was measured often enough with its task, or else the costs of all tasks, in which
tasks weigh alike at every level: its L0 and its L2 must never come from different prompts. Its part
of the demand is its part of the requests that were measured, with one more for each class, so that
no class is ever left without a mix.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from sprout.costs import (
    ALL_TASKS,
    ENOUGH_REQUESTS,
    Cost,
    CostTable,
    is_cheaper,
    of_all_tasks,
)
from sprout.directives import DirectiveSet
from sprout.errors import NotReadyError
from sprout.planning.problem import FloatArray
from sprout.quality.preference import Preference, Shares

MIN_JUDGED = 30
"""Judged prompts that make a task a class: with fewer even a margin promises nothing (a handful of
verdicts that agree by chance have no spread at all). Verdicts fade, so it is what they are worth
that counts, to the nearest prompt: of thirty from one evaluation none is missing."""

MIN_MEASURED = ENOUGH_REQUESTS
"""Requests at each level that give a class its own costs."""


@dataclass(frozen=True, slots=True)
class TaskClass:
    """One class of a plan.

    Args:
        task: None is everything that has no class of its own.
        costs: one per level.
        demand: its part of all requests, in (0, 1].
        part: of what is known of the preference of everything else, the part that rests on this
            task's verdicts, from 0 to 1; 0 for everything else itself.
        obstacle: why no other level may be preferred to L0; None when one may.
    """

    task: str | None
    shares: Shares
    costs: tuple[Cost, ...]
    demand: float
    part: float
    obstacle: str | None

    def preference(self, directives: DirectiveSet) -> tuple[float | None, ...]:
        """Return one value per level; None for one that nobody judged."""
        return tuple(self.shares.of(d.level) for d in directives.directives)

    def may_steer(self, directives: DirectiveSet) -> tuple[bool, ...]:
        """Return whether each level may serve more than its exploration share."""
        return tuple(
            i == 0 or (q is not None and self.obstacle is None)
            for i, q in enumerate(self.preference(directives))
        )


def judged_tasks(preference: Preference) -> tuple[str, ...]:
    """Return the tasks that were judged often enough to be classes, by name."""
    return tuple(
        sorted(
            task
            for task, shares in preference.by_class.items()
            if task and shares.covariance is not None and _num_judged(shares) >= MIN_JUDGED
        )
    )


def _num_judged(shares: Shares) -> int:
    """Return what its verdicts are worth, in prompts, as people are told it."""
    return math.floor((shares.num_prompts or 0.0) + 0.5)


def form(
    preference: Preference, table: CostTable, directives: DirectiveSet, *, apart: bool
) -> tuple[TaskClass, ...]:
    """Return the classes; `apart` is whether tasks may have their own.

    Raises:
        NotReadyError: a level was never measured under these conditions.
    """
    tasks: tuple[str | None, ...] = (*(judged_tasks(preference) if apart else ()), None)
    demand = _demand(tasks, table)
    return tuple(
        _class_of(task, preference, table, directives, demand[task] / sum(demand.values()))
        for task in tasks
    )


def covariance(task_class: TaskClass, directives: DirectiveSet) -> FloatArray | None:
    """Return [v, v] in the order of the levels, 0 where nobody judged; None for a prior."""
    shares = task_class.shares
    if shares.covariance is None:
        return None
    levels = [d.level for d in directives.directives]
    found = np.zeros((len(levels), len(levels)))
    known = [i for i, level in enumerate(levels) if level in shares.levels]
    rows = [shares.levels.index(levels[i]) for i in known]
    found[np.ix_(known, known)] = shares.covariance[np.ix_(rows, rows)]
    return found


def _class_of(
    task: str | None,
    preference: Preference,
    table: CostTable,
    directives: DirectiveSet,
    demand: float,
) -> TaskClass:
    shares = preference.overall if task is None else preference.by_class[task]
    costs = _costs(task, table, directives)
    part = 0.0 if task is None else preference.parts.get(task, 0.0)
    return TaskClass(task, shares, costs, demand, part, _obstacle(shares, costs, directives))


def _costs(task: str | None, table: CostTable, directives: DirectiveSet) -> tuple[Cost, ...]:
    """Return the costs of a class, one per level, all of its own or all of all tasks."""
    if task is not None:
        own = [table.get((d.key, task)) for d in directives.directives]
        measured = tuple(c for c in own if c is not None and c.num_requests >= MIN_MEASURED)
        if len(measured) == len(own):
            return measured
    known = of_all_tasks(table, [d.key for d in directives.directives])
    missing = next((d.level for d in directives.directives if d.key not in known), None)
    if missing is not None:
        raise NotReadyError(
            f"level {missing} was never measured with this model, machine and settings: "
            "run `sprout profile`"
        )
    return tuple(known[d.key] for d in directives.directives)


def _demand(tasks: tuple[str | None, ...], table: CostTable) -> Mapping[str | None, float]:
    """Return how often each class was asked for, and one more."""
    counts: dict[str | None, float] = dict.fromkeys(tasks, 1.0)
    for (_, task), cost in table.items():
        if task != ALL_TASKS:
            counts[task if task in counts else None] += cost.num_requests
    return counts


def _obstacle(shares: Shares, costs: tuple[Cost, ...], directives: DirectiveSet) -> str | None:
    """Return why no other level may be preferred to L0; None when one may, or there is none."""
    if len(costs) == 1:
        return None
    if not any(is_cheaper(cost, costs[0]) for cost in costs[1:]):
        return (
            "no level costs less energy than L0 by two standard errors "
            "(`sprout profile` measures again)"
        )
    if directives.directives[0].level not in shares.levels:
        return (
            "L0 has no preference that the others could be held against "
            '(paper_level = "L0" in the directive set lets the paper\'s stand in)'
        )
    return None
