"""What a scheme is told, what it chooses, and the two ways to solve for it. Pure."""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np

from sprout.planning import frontier, optimizer
from sprout.planning.frontier import Floors, IntArray
from sprout.planning.problem import FloatArray, Floor, Problem

OUT_OF_REACH = 1e6
"""kWh, and seconds: of a level that no hour may choose, whatever its intensity."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What the user decides.

    Args:
        tolerance: xi, how much preference may be given up at the dirtiest hour, in [0, 1].
        class_floor: least preference of a class, as a factor of its own L0's, in [0, 1].
        confidence: margins in standard deviations; 0 trusts every estimate, as the paper does; None
            is the scheme's own.
    """

    tolerance: float = 0.1
    class_floor: float = 0.9
    confidence: float | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Outlook:
    """What is known of the slots that are planned.

    Args:
        problem: without floors.
        position: [t], where the intensity stands in its range, in [0, 1].
        covariance: [c, v, v] or [t, c, v, v] of the preference; None where nobody can say.
        overlap: [c], the part of the last class's preference that rests on the verdicts of each
            other one, with which it errs; None where classes share none.
        window: [t], the window that a slot belongs to: 0, 1, ... without a gap, in order.
        earned: [w], preference times demand that windows have beyond their floors from slots that
            were served before; None is nothing.
        reference_g_per_kwh: the middle of the range that intensities are judged against, at which
            margins weigh carbon and preference; None weighs them alike at any intensity.
        past: [w, c, v], the amounts of those slots beyond their floors, whose preference is as
            uncertain as that of the rest; None is nothing.
    """

    problem: Problem
    position: FloatArray
    limits: Limits
    window: IntArray
    covariance: FloatArray | None = None
    overlap: FloatArray | None = None
    earned: FloatArray | None = None
    past: FloatArray | None = None
    reference_g_per_kwh: float | None = None

    @property
    def floor_factor(self) -> FloatArray:
        """Return [t], the part of L0's preference that the paper's floor keeps: 1 - position xi.

        Section 3: q_lb = (1 - position xi) q[0]. The dirtier the grid, the more may be given up.
        """
        return 1 - self.position * self.limits.tolerance


Solved = tuple[FloatArray, tuple[float, ...] | None]
"""The amounts [t, c, v] of least carbon and, where known, the price of each window's floor."""


Solver = Callable[[Problem], Callable[[Floors], Solved]]
"""Takes a problem, and then one set of floors after another."""


@dataclass(frozen=True, slots=True, eq=False)
class Choice:
    """What a scheme chose.

    Args:
        amount: [t, c, v].
        floors: that were promised, without their margins.
        margins: [w], on the floors of windows, in preference.
        price_g: of each window's floor, where it was solved for, in gCO2eq per preference point.
    """

    amount: FloatArray
    floors: Floors
    margins: FloatArray
    price_g: tuple[float, ...] | None


def by_programme(problem: Problem) -> Callable[[Floors], Solved]:
    """Solve by the linear programme."""

    def solve(floors: Floors) -> Solved:
        mix = optimizer.solve(replace(problem, floors=as_floors(problem, floors)))
        prices_g = mix.floor_price_g
        return mix.amount, None if prices_g is None else prices_g[: len(floors.overall)]

    return solve


def by_frontier(problem: Problem) -> Callable[[Floors], tuple[FloatArray, tuple[float, ...]]]:
    """Solve the same for many slots at once, where nothing but floors binds.

    What must be explored is served first; the floors then hold for the rest.

    Raises:
        ValueError: something else binds.
    """
    least, most = problem.share_bounds
    preference, rest = problem.preference_by_slot, 1 - least.sum(axis=1)
    explored = problem.demand[..., None] * least
    is_free = most > least
    if not ((most >= 1) | ~is_free).all():
        raise ValueError("only levels that are free, or explored and no more, are chains")
    free = replace(
        problem,
        # a level that is only explored is dearer than any other, and nobody prefers it
        energy_kwh=np.where(is_free, problem.energy_kwh, OUT_OF_REACH),
        time_s=np.where(is_free, problem.time_s, OUT_OF_REACH),
        preference=np.where(is_free, preference, 0.0),
        demand=problem.demand * rest,
        min_share=None,
        max_share=None,
    )
    by_level = preference * least
    chains = frontier.Frontier(free)

    def solve(floors: Floors) -> tuple[FloatArray, tuple[float, ...]]:
        reached = sums(floors.window, (problem.demand * by_level.sum(axis=2)).sum(axis=1))
        served = sums(floors.window, problem.demand.sum(axis=1))
        left = sums(floors.window, free.demand.sum(axis=1))
        by_class = None
        if floors.by_class is not None:
            by_class = (floors.by_class - by_level.sum(axis=2)) / rest
        overall = (floors.overall * served - reached) / left
        amount, price = chains.solve(Floors(floors.window, overall, by_class))
        return explored + amount, tuple((price * served * optimizer.PREFERENCE_POINT).tolist())

    return solve


def as_floors(problem: Problem, floors: Floors) -> tuple[Floor, ...]:
    """Return the floors one by one: windows first, then every class of every slot."""
    num_slots, num_classes, _ = problem.shape
    every = tuple(range(num_classes))
    overall = [
        Floor(tuple(np.flatnonzero(floors.window == w).tolist()), every, least)
        for w, least in enumerate(floors.overall.tolist())
    ]
    if floors.by_class is None:
        return tuple(overall)
    least_by_class = floors.by_class.tolist()
    return (
        *overall,
        *(
            Floor((t,), (c,), least_by_class[t][c])
            for t in range(num_slots)
            for c in range(num_classes)
            if problem.demand[t, c] > 0
        ),
    )


def sums(window: IntArray, values: FloatArray) -> FloatArray:
    """Return [w], the sums of [t] values over each window."""
    return np.bincount(window, weights=values).astype(float)


def all_l0(problem: Problem) -> FloatArray:
    """Return the amounts [t, c, v] of BASE: each level's least share, and the rest to L0."""
    least, _ = problem.share_bounds
    shares = least.copy()
    shares[:, 0] += 1 - least.sum(axis=1)
    return problem.demand[:, :, None] * shares
