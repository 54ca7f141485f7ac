"""What L0 costs: the means that stand in for requests that were not served at L0. Pure.

They are means over L0 requests that are comparable: of the same conditions (model, machine, engine
settings, energy method) and the same task. Tasks have mixes of their own, so a mean over all tasks
would credit a terse task with a talkative one's L0. Only where a task has fewer than MIN_OF_TASK of
them does something else stand in: what earlier measurements under those conditions learned of the
task, if of as many; the mean of all tasks; where nothing was served at L0, what was learned of all
tasks, weighed alike at every level that is held against it.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from sprout.costs import ALL_TASKS, Cost, CostTable, of_all_tasks, t_95
from sprout.directives import BASELINE, Directive
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

    def add(self, more: "Pool") -> None:
        """Count more requests."""
        self.num += more.num
        self.energy_j += more.energy_j
        self.energy_j2 += more.energy_j2
        self.busy_s += more.busy_s
        self.busy_s2 += more.busy_s2
        self.energy_busy_js += more.energy_busy_js

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


@dataclass(frozen=True, slots=True)
class StandIn:
    """A mean that stands in for requests.

    Args:
        is_of_task: whether it is that of their own task.
        is_earlier: whether earlier measurements learned it, not requests of the period.
    """

    baseline: Baseline
    is_of_task: bool
    is_earlier: bool = False

    @property
    def is_borrowed(self) -> bool:
        """Whether it is the mean of other tasks or of earlier requests."""
        return self.is_earlier or not self.is_of_task


def learned(cost: Cost) -> Baseline:
    """Return the baseline that earlier measurements amount to.

    How energy and time vary together was not kept: as if they always did, which errs to the wide
    side.
    """
    energy_se = cost.standard_error(cost.energy_j)
    busy_se = cost.standard_error(cost.busy_s)
    covariance = None
    if energy_se is not None and busy_se is not None:
        covariance = (energy_se**2, energy_se * busy_se, busy_se**2)
    return Baseline(cost.num_requests, cost.energy_j.mean, cost.busy_s.mean, covariance)


@dataclass(frozen=True, slots=True)
class Baselines:
    """What stands in for requests that were not served at L0, by conditions and task."""

    served: Mapping[Stratum, Baseline]
    earlier: Mapping[Stratum, Baseline]

    def find(self, stratum: Stratum) -> StandIn | None:
        """Return what stands in for a task under its conditions; None when nothing may."""
        conditions, _ = stratum
        for means, is_earlier in ((self.served, False), (self.earlier, True)):
            own = means.get(stratum)
            if own is not None and own.num_requests >= MIN_OF_TASK:
                return StandIn(own, is_of_task=True, is_earlier=is_earlier)
        every, earlier = self.served.get((conditions, None)), self.earlier.get((conditions, None))
        if earlier is not None and (every is None or every.num_requests == 1):
            return StandIn(earlier, is_of_task=False, is_earlier=True)
        return None if every is None else StandIn(every, is_of_task=False)


@dataclass(slots=True)
class Pools:
    """Collects L0 requests, and which levels are to be held against them."""

    pools: dict[Stratum, Pool] = field(default_factory=dict)
    levels: dict[Conditions, set[str]] = field(default_factory=dict)

    def add(self, cell: Cell) -> None:
        """Count a cell, if its directives were chosen."""
        if cell.circumstances is None or cell.is_pinned:
            return
        requests = Pool(
            cell.num_answered,
            cell.energy_j,
            cell.energy_j2,
            cell.busy_s,
            cell.busy_s2,
            cell.energy_busy_js,
        )
        stratum = cell.circumstances.conditions, cell.task
        self.count(stratum, cell.level, cell.directive_key, requests)

    def count(self, stratum: Stratum, level: str, directive_key: str, requests: Pool) -> None:
        """Count requests of a stratum whose directives were chosen."""
        conditions, task = stratum
        self.levels.setdefault(conditions, set()).add(directive_key)
        if level == BASELINE:
            for each in (task, None):
                self.pools.setdefault((conditions, each), Pool()).add(requests)

    def baselines(self, profiles: Mapping[Conditions, CostTable]) -> Baselines:
        """Return the means; `profiles` holds what was learned of levels, by conditions."""
        return Baselines(
            served={stratum: pool.baseline() for stratum, pool in self.pools.items() if pool.num},
            earlier={
                (conditions, task): learned(cost)
                for conditions, levels in self.levels.items()
                for task, cost in _of_l0(profiles.get(conditions, {}), levels).items()
            },
        )


def _of_l0(table: CostTable, levels: Iterable[str]) -> dict[str | None, Cost]:
    """Return what a table says of L0, by task; None is all tasks, as `levels` were measured."""
    base = Directive(BASELINE, "").key
    found: dict[str | None, Cost] = {
        task: cost for (key, task), cost in table.items() if key == base and task != ALL_TASKS
    }
    measured = [key for key in {base, *levels} if (key, ALL_TASKS) in table]
    if base in measured:
        found[None] = of_all_tasks(table, measured)[base]
    return found
