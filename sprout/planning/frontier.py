"""The one linear programme where it falls apart: solved for thousands of hours at once. Pure.

With no capacity, no deferrable demand and no bounds on shares, floors over windows of slots and
floors of single cells (t, c) leave a continuous multiple-choice knapsack for each window (Sinha and
Zoltners 1979; Kellerer, Pferschy and Pisinger, Knapsack Problems, section 11.2):

    minimise sum cost[t,c,v] x[t,c,v]   with  sum_v x = d[t,c],  x >= 0,
    sum_v q x[t,c] >= l[t,c] d[t,c]  and  sum over the window (q x) >= sum over the window (l d)

Of one cell only the lower convex hull of (preference, cost) can be optimal: a chain of levels from
the cheapest to the most preferred, along which a unit of preference costs more and more. A cell's
own floor uses up the chain's beginning; what the window still lacks is then bought from the chains'
remaining parts, the cheapest first. That is the programme's optimum, not an approximation of it:
convex chains keep their own order, so the greedy choice is one that a cell can serve. Where a floor
is out of reach the most preferred levels serve, as `sprout.planning.optimizer` has it.

`sprout run` solves a few slots and wants dual values, so it uses `sprout.planning.optimizer`; a
replay solves ten thousand slots again and again.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sprout.planning.problem import FloatArray, Problem

IntArray = NDArray[np.int64]

OUT_OF_REACH = 1e-9
"""A preference that is missing still, far above rounding."""


@dataclass(frozen=True, slots=True, eq=False)
class Floors:
    """Least mean preference of what windows of slots, and single cells, serve.

    Args:
        window: [t], the number of the window that a slot belongs to; 0, 1, ... without a gap.
        overall: [w], over all classes of the window's slots.
        by_class: [t, c], of each class in each slot; None is no such floor.
    """

    window: IntArray
    overall: FloatArray
    by_class: FloatArray | None


@dataclass(frozen=True, slots=True, eq=False)
class _Chains:
    """The hulls of all cells: where they begin, and their parts, the cheapest first.

    Args:
        start: [t, c], the cheapest level; the most preferred one of equally cheap ones.
        source, target: [t, c, v-1], the levels that a part leads from and to.
        gain: [t, c, v-1], preference that the part gains; 0 where the chain has ended.
        price: [t, c, v-1], cost per unit of preference; inf where the chain has ended.
    """

    start: IntArray
    source: IntArray
    target: IntArray
    gain: FloatArray
    price: FloatArray


class Frontier:
    """The chains of a problem, for one set of floors after another.

    Raises:
        ValueError: the problem has what this method does not know.
    """

    def __init__(self, problem: Problem) -> None:
        if problem.deferrable or problem.capacity_s is not None or problem.floors:
            raise ValueError("only fixed demand without capacity falls apart into windows")
        if problem.min_share is not None or problem.max_share is not None:
            raise ValueError("only shares without bounds are chains of levels")
        preference = problem.preference_by_slot
        self._problem = problem
        self._chains = _chains(problem.cost_g, preference)
        start = self._chains.start[..., None]
        self._start_preference = np.take_along_axis(preference, start, axis=2)[..., 0]
        self._order: tuple[IntArray, IntArray] | None = None

    def solve(self, floors: Floors) -> tuple[FloatArray, FloatArray]:
        """Return the amounts [t, c, v] of least carbon that keep the floors, and their prices.

        A price [w] is what the last unit of preference times demand cost in a window: 0 where a
        floor holds by itself, inf where it is out of reach.
        """
        chains, demand = self._chains, self._problem.demand
        used = _use_for_cells(chains, self._start_preference, floors)
        reached = self._start_preference + used.sum(axis=2)
        wanted = floors.overall[floors.window][:, None]
        missing = _per_window(floors, demand * (wanted - reached))
        room = (chains.gain - used) * demand[..., None]
        bought, price = _buy(
            room, chains.price, floors.window, missing, self._sorted(floors.window)
        )
        served = demand[..., None]
        used = used + np.divide(bought, served, out=np.zeros_like(bought), where=served > 0)
        return _amount(self._problem, chains, used), price

    def _sorted(self, window: IntArray) -> IntArray:
        """Return all parts of the chains in order, window by window, the cheapest first."""
        if self._order is None or self._order[0] is not window:
            price = self._chains.price
            owner = np.broadcast_to(window[:, None, None], price.shape).ravel()
            # a stable sort keeps a chain's parts in order where they cost the same
            self._order = window, np.lexsort((price.ravel(), owner))
        return self._order[1]


def _chains(cost_g: FloatArray, preference: FloatArray) -> _Chains:
    """Return the lower convex hulls, by gift wrapping over all cells at once."""
    num_levels = cost_g.shape[2]
    is_cheapest = cost_g <= cost_g.min(axis=2, keepdims=True)
    level = np.where(is_cheapest, preference, -np.inf).argmax(axis=2)
    start, steps = level, []
    for _ in range(num_levels - 1):
        here = level[..., None]
        gain = preference - np.take_along_axis(preference, here, axis=2)
        rise = cost_g - np.take_along_axis(cost_g, here, axis=2)
        is_better = gain > 0
        price = np.divide(rise, gain, out=np.full_like(rise, np.inf), where=is_better)
        is_next = is_better & (price <= price.min(axis=2, keepdims=True))
        has_next = is_better.any(axis=2)
        following = np.where(is_next, preference, -np.inf).argmax(axis=2)
        following = np.where(has_next, following, level)
        steps.append(
            (
                level,
                following,
                np.take_along_axis(gain, following[..., None], axis=2)[..., 0],
                np.where(has_next, price.min(axis=2), np.inf),
            )
        )
        level = following
    if not steps:
        empty = np.zeros((*level.shape, 0))
        return _Chains(start, empty.astype(int), empty.astype(int), empty, empty)
    source, target, gains, prices = (np.stack(part, axis=2) for part in zip(*steps, strict=True))
    return _Chains(start, source, target, gains, prices)


def _use_for_cells(chains: _Chains, start_preference: FloatArray, floors: Floors) -> FloatArray:
    """Return [t, c, v-1], how much of each part the cells' own floors use up."""
    if floors.by_class is None:
        return np.zeros_like(chains.gain)
    before = np.cumsum(chains.gain, axis=2) - chains.gain
    lacking = (floors.by_class - start_preference)[..., None]
    return np.clip(lacking - before, 0.0, chains.gain)


def _per_window(floors: Floors, values: FloatArray) -> FloatArray:
    """Return [w], the sums of [t, c] values over each window."""
    return np.bincount(
        floors.window, weights=values.sum(axis=1), minlength=len(floors.overall)
    ).astype(float)


def _buy(
    room: FloatArray,
    price: FloatArray,
    window: IntArray,
    missing: FloatArray,
    order: IntArray,
) -> tuple[FloatArray, FloatArray]:
    """Return what each window buys of its chains' parts, the cheapest first, in units of `room`.

    And [w] the price of the last part that it buys.
    """
    owner = np.broadcast_to(window[:, None, None], room.shape).ravel()
    flat_room = room.ravel()
    sorted_room = flat_room[order]
    total = np.cumsum(sorted_room)
    sizes = np.bincount(owner, weights=flat_room, minlength=len(missing))
    counts = np.bincount(owner, minlength=len(missing))
    ends = np.cumsum(counts)
    first = np.repeat(ends - counts, counts)
    before_window = np.where(first > 0, total[first - 1], 0.0)
    before = total - sorted_room - before_window
    wanted = np.minimum(missing, sizes)[owner[order]]
    bought = np.zeros_like(flat_room)
    bought[order] = np.clip(wanted - before, 0.0, sorted_room)
    # prices rise within a window, so its last part that is bought is the dearest
    last = np.flatnonzero((before < wanted) & (sorted_room > 0))
    dearest = np.zeros(len(missing))
    dearest[owner[order[last]]] = price.ravel()[order[last]]
    dearest[missing > sizes + OUT_OF_REACH] = np.inf
    return bought.reshape(room.shape), dearest


def _amount(problem: Problem, chains: _Chains, used: FloatArray) -> FloatArray:
    """Return the amounts [t, c, v] after moving along the chains as far as `used` says."""
    moved = np.divide(used, chains.gain, out=np.zeros_like(used), where=chains.gain > 0)
    slot, task_class, _ = np.ogrid[tuple(map(slice, moved.shape))]
    share = np.zeros(problem.shape)
    np.put_along_axis(share, chains.start[..., None], 1.0, axis=2)
    np.add.at(share, (slot, task_class, chains.source), -moved)
    np.add.at(share, (slot, task_class, chains.target), moved)
    return np.clip(share, 0.0, 1.0) * problem.demand[..., None]
