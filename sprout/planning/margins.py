"""Floors that hold although preferences are estimates. Pure.

q is estimated, and a programme that minimises leans on whatever the estimate flatters.
With a[c,v] the amount x[c,v], minus the floor's factor times the demand on L0, a floor says
q a >= 0, and the estimate of q a has the variance sum over c of a[c]^T Cov[c] a[c], plus twice the
sum of overlap[c] a[c]^T Cov[c] a[o], where the class of everything else, o, has the preference of
all: the part overlap[c] of that rests on the verdicts of c, and errs with them. A robust scheme
asks for q a >= z times its standard deviation, z being `confidence`. The deviation depends on the
mix, so solve -> margin -> solve is repeated to a fixed point. Where that misses a floor with its
margin, L0 takes over as much as is needed: nobody can doubt that it is as good as L0.
"""

import numpy as np
from numpy.typing import NDArray

from sprout.planning.frontier import Floors, IntArray
from sprout.planning.outlook import Choice, Outlook, Solver, all_l0, by_frontier, sums
from sprout.planning.problem import FloatArray, Problem

MAX_ROUNDS = 12
"""Of solve -> margin -> solve."""

SLOPES = (-4.0, -0.5)
"""Between what a secant's slope is believed; -1 is a margin that does not move the mix."""

HALVINGS = 10
"""Of the way to all-L0, where a floor wants it."""

SETTLED = 1e-5
"""A change of a margin, in preference, that is no change: far below what a judge can tell."""


def choose_safely(outlook: Outlook, floors: Floors, solver: Solver) -> Choice:
    """Return the fixed point of solve -> margin -> solve.

    The margins are found by `sprout.planning.frontier`, whose optimum is the programme's, and the
    programme is solved once.
    """
    margins, amount = _settle(outlook, floors)
    price_g: tuple[float, ...] | None = None
    if solver is not by_frontier:
        amount, price_g = solver(outlook.problem)(_like(floors, _flat(floors) + margins))
    kept = _keep_promises(outlook, floors, amount)
    of_windows = margins[: len(floors.overall)]
    return Choice(kept, floors, of_windows, price_g if kept is amount else None)


def _settle(outlook: Outlook, floors: Floors) -> tuple[FloatArray, FloatArray]:
    """Return the margins in one row, each found by secants, and the amounts that have them."""
    least = _flat(floors)
    margins, slopes = np.zeros_like(least), np.full_like(least, -1.0)
    last: tuple[FloatArray, FloatArray] | None = None
    solve = by_frontier(outlook.problem)
    amount, _ = solve(floors)
    for number in range(MAX_ROUNDS):
        change = _flat(_margins(outlook, floors, amount)) - margins
        if np.abs(change).max() < SETTLED:
            break
        if last is not None:
            slopes = _slopes(margins - last[0], change - last[1])
        last = margins, change
        # whatever has not settled by the last round takes the larger margin
        step = np.maximum(change, 0.0) if number == MAX_ROUNDS - 1 else -change / slopes
        margins = np.maximum(margins + step, 0.0)
        amount, _ = solve(_like(floors, least + margins))
    return margins, amount


def _slopes(margins: FloatArray, changes: FloatArray) -> FloatArray:
    """Return how a margin's own next change depends on it: -1 where the mix hardly does."""
    slopes = np.full_like(margins, -1.0)
    np.divide(changes, margins, out=slopes, where=np.abs(margins) > SETTLED)
    return np.clip(slopes, *SLOPES)


def _flat(floors: Floors) -> FloatArray:
    """Return all floors in one row: windows first, then every class of every slot."""
    if floors.by_class is None:
        return floors.overall
    return np.concatenate((floors.overall, floors.by_class.ravel()))


def _like(floors: Floors, row: FloatArray) -> Floors:
    """Return one row of floors in the shape of others."""
    num_windows = len(floors.overall)
    if floors.by_class is None:
        return Floors(floors.window, row, None)
    by_class = row[num_windows:].reshape(floors.by_class.shape)
    return Floors(floors.window, row[:num_windows], by_class)


def _margins(outlook: Outlook, floors: Floors, amount: FloatArray) -> Floors:
    """Return the standard deviations of what `amount` has beyond each floor, times confidence."""
    problem, confidence = outlook.problem, outlook.limits.confidence or 0.0
    overall = confidence * deviations(outlook, floors.window, amount)
    if floors.by_class is None:
        return Floors(floors.window, overall, None)
    of_class = _beyond(problem, amount, np.array(outlook.limits.class_floor))
    deviation = np.sqrt(_quadratic(of_class, _covariance(outlook)))
    by_class = np.divide(
        confidence * deviation,
        problem.demand,
        out=np.zeros_like(deviation),
        where=problem.demand > 0,
    )
    return Floors(floors.window, overall, by_class)


def deviations(outlook: Outlook, window: IntArray, amount: FloatArray) -> FloatArray:
    """Return [w], the standard deviation of the mean preference that `amount` has beyond floors."""
    problem = outlook.problem
    first = np.flatnonzero(np.diff(window, prepend=-1))
    together = np.add.reduceat(
        _beyond(problem, amount, outlook.floor_factor[:, None]), first, axis=0
    )
    if outlook.past is not None:
        together = together + outlook.past
    covariance = _covariance(outlook)[first]
    variance = _quadratic(together, covariance).sum(axis=1)
    if outlook.overlap is not None:
        errs_with = (covariance @ together[:, -1:, :, None])[..., 0]
        variance = variance + 2 * (together * errs_with).sum(axis=2) @ outlook.overlap
        variance = np.maximum(variance, 0.0)
    deviation: FloatArray = np.sqrt(variance) / sums(window, problem.demand.sum(axis=1))
    return deviation


def _covariance(outlook: Outlook) -> FloatArray:
    """Return [t, c, v, v]."""
    shape = outlook.problem.shape
    return np.broadcast_to(np.asarray(outlook.covariance), (*shape, shape[2]))


def _with_margins(outlook: Outlook, floors: Floors, amount: FloatArray) -> Floors:
    """Return the floors with the margins that `amount` needs."""
    return _like(floors, _flat(floors) + _flat(_margins(outlook, floors, amount)))


def _beyond(problem: Problem, amount: FloatArray, factor: FloatArray) -> FloatArray:
    """Return a [t, c, v]: the amounts beyond exploration, minus `factor` of the rest at L0."""
    least, _ = problem.share_bounds
    explored = least[:, 1:]
    beyond = amount.copy()
    beyond[:, :, 1:] -= problem.demand[..., None] * explored
    beyond[:, :, 0] -= factor * problem.demand * (1 - explored.sum(axis=1))
    return beyond


def _quadratic(vectors: FloatArray, matrices: FloatArray) -> FloatArray:
    """Return v^T M v over the last axes, without the negative zeros of rounding."""
    product = (matrices @ vectors[..., None])[..., 0]
    form: FloatArray = np.maximum((vectors * product).sum(axis=-1), 0.0)
    return form


def _keep_promises(outlook: Outlook, floors: Floors, amount: FloatArray) -> FloatArray:
    """Return the amounts, moved towards all-L0 where they miss a floor with its margin.

    The fixed point misses one where preferences are so alike that no other mix is preferred by the
    margin. L0's own keeps every floor, and what lies between keeps it from some point on: q a minus
    the margin is concave.
    """
    if floors.by_class is not None:
        amount = _moved(outlook, floors, amount, is_by_class=True)
    return _moved(outlook, floors, amount, is_by_class=False)


def _moved(
    outlook: Outlook, floors: Floors, amount: FloatArray, *, is_by_class: bool
) -> FloatArray:
    """Return the amounts, moved as little as keeps the floors of cells, or else of windows."""
    base = all_l0(outlook.problem)

    def blend(part: FloatArray) -> FloatArray:
        of_cell = part if is_by_class else part[floors.window][:, None]
        return amount + of_cell[..., None] * (base - amount)

    def misses(part: FloatArray) -> NDArray[np.bool_]:
        return _misses(outlook, floors, blend(part), is_by_class=is_by_class)

    shape = floors.by_class.shape if is_by_class and floors.by_class is not None else None
    kept = np.zeros(shape or floors.overall.shape)
    is_missed = misses(kept)
    if not is_missed.any():
        return amount
    low, high = kept, is_missed.astype(float)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        is_missed = misses(middle)
        low, high = np.where(is_missed, middle, low), np.where(is_missed, high, middle)
    return blend(high)


def _misses(
    outlook: Outlook, floors: Floors, amount: FloatArray, *, is_by_class: bool
) -> NDArray[np.bool_]:
    """Return whether each cell [t, c], or else each window [w], misses its floor with margin."""
    problem = outlook.problem
    needed, reached = _with_margins(outlook, floors, amount), problem.preference_by_slot * amount
    if is_by_class and needed.by_class is not None:
        room = 10 * SETTLED * problem.demand
        missed: NDArray[np.bool_] = reached.sum(axis=2) < needed.by_class * problem.demand - room
        return missed
    served = sums(floors.window, problem.demand.sum(axis=1))
    kept = sums(floors.window, reached.sum(axis=(1, 2)))
    below: NDArray[np.bool_] = kept < (needed.overall - 10 * SETTLED) * served
    return below
