"""What L0 costs: the means that stand in for requests that were not served at L0. Pure.

They are means over L0 requests that are comparable: of the same conditions (model, machine, engine
settings, energy method) and the same task. Tasks have mixes of their own, so a mean over all tasks
would credit a terse task with a talkative one's L0. Only where a task has fewer than MIN_OF_TASK of
them does the mean of all tasks stand in; where nothing was served at L0, what earlier measurements
under those conditions learned.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from sprout.costs import Cost, t_95
from sprout.directives import BASELINE
from sprout.report.cells import Cell

MIN_OF_TASK = 10
"""A task's own L0 requests that are enough for a mean of their own."""

Conditions = tuple[object, ...]
Stratum = tuple[Conditions, str | None]  # None: all tasks


@dataclass(slots=True)
class Pool:
    """L0 requests whose mean stands in for others: sums of joules, busy seconds and products."""

    num: int = 0
    energy_j: float = 0.0
    energy_j2: float = 0.0
    busy_s: float = 0.0
    busy_s2: float = 0.0
    energy_busy_js: float = 0.0

    def add(self, cell: Cell) -> None:
        """Count the requests of a cell."""
        self.num += cell.num_answered
        self.energy_j += cell.energy_j
        self.energy_j2 += cell.energy_j2
        self.busy_s += cell.busy_s
        self.busy_s2 += cell.busy_s2
        self.energy_busy_js += cell.energy_busy_js

    def baseline(self) -> "Baseline":
        """Return the means with the covariance of the means."""
        n, e, p = self.num, self.energy_j / self.num, self.busy_s / self.num
        if n < 2:  # noqa: PLR2004 - one request has no spread
            return Baseline(n, e, p, None)
        scale = 1 / (n * (n - 1))
        return Baseline(
            n,
            e,
            p,
            (
                max(0.0, (self.energy_j2 - n * e * e) * scale),
                (self.energy_busy_js - n * e * p) * scale,
                max(0.0, (self.busy_s2 - n * p * p) * scale),
            ),
        )


@dataclass(frozen=True, slots=True)
class Baseline:
    """Mean cost of L0 requests.

    Args:
        covariance: of the means: (energy, energy and time, time); None when it is not known.
    """

    num_requests: int
    energy_j: float
    busy_s: float
    covariance: tuple[float, float, float] | None

    def expected_g(self, a: float, b: float) -> float:
        """Return what requests would have emitted at L0."""
        return a * self.energy_j + b * self.busy_s

    def half_width_g(self, a: float, b: float) -> float | None:
        """Return half of the 95 % interval of that; None when it is not known."""
        if self.covariance is None:
            return None
        energy, both, busy = self.covariance
        variance = a * a * energy + 2 * a * b * both + b * b * busy
        return t_95(self.num_requests - 1) * math.sqrt(max(0.0, variance))


def learned(cost: Cost) -> Baseline | None:
    """Return the baseline that earlier measurements amount to; None when there are none.

    How energy and time vary together was not kept: as if they always did, which errs to the wide
    side.
    """
    if cost.num_requests == 0:
        return None
    energy_se = cost.standard_error(cost.energy_j)
    busy_se = cost.standard_error(cost.busy_s)
    covariance = None
    if energy_se is not None and busy_se is not None:
        covariance = (energy_se**2, energy_se * busy_se, busy_se**2)
    return Baseline(cost.num_requests, cost.energy_j.mean, cost.busy_s.mean, covariance)


@dataclass(frozen=True, slots=True)
class Baselines:
    """What stands in for requests that were not served at L0, by conditions and task."""

    of_task: Mapping[Stratum, Baseline]
    of_all: Mapping[Conditions, Baseline]
    from_profile: Mapping[Conditions, Baseline]

    def find(self, stratum: Stratum) -> tuple[Baseline, bool] | None:
        """Return the baseline for a task under its conditions, and whether it is the task's own."""
        conditions, _task = stratum
        own = self.of_task.get(stratum)
        if own is not None and own.num_requests >= MIN_OF_TASK:
            return own, True
        other = self.of_all.get(conditions)
        if other is not None and other.num_requests > 1:
            return other, False
        found = self.from_profile.get(conditions) or other
        return None if found is None else (found, False)


@dataclass(slots=True)
class Pools:
    """Collects L0 requests."""

    pools: dict[Stratum, Pool] = field(default_factory=dict)

    def add(self, cell: Cell) -> None:
        """Count a cell, if it says what L0 costs."""
        if cell.circumstances is None or cell.is_pinned or cell.level != BASELINE:
            return
        for task in (cell.task, None):
            stratum = (cell.circumstances.conditions, task)
            self.pools.setdefault(stratum, Pool()).add(cell)

    def baselines(self, profiles: Mapping[Conditions, Cost]) -> Baselines:
        """Return the means; `profiles` holds what was learned of L0, by conditions."""
        means = {stratum: pool.baseline() for stratum, pool in self.pools.items() if pool.num}
        of_profile = {key: learned(cost) for key, cost in profiles.items()}
        return Baselines(
            of_task={stratum: mean for stratum, mean in means.items() if stratum[1] is not None},
            of_all={conditions: mean for (conditions, task), mean in means.items() if task is None},
            from_profile={key: mean for key, mean in of_profile.items() if mean is not None},
        )
