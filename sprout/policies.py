"""The schemes: section 5 of the paper's, and the better ones. All are cases of one programme.

    scheme        floors                                         what it is told
    base          none: all L0                                   -
    co2-opt       none: the level of least carbon                e, p
    model-opt     as sprout, the share rounded to 0.1            variants of the model as levels
    sprout-sta    as sprout, one mix for all hours               means of e, p, q
    sprout        overall, per slot                              one class, the newest q
    oracle        as sprout                                      every hour's own q, every request
    class         overall, per slot                              q by class, the newest
    class-robust  overall, with a margin                         q by class, all verdicts
    class-fair    overall and by class, with margins             q by class, all verdicts
    horizon       overall, per window of slots                   as sprout
    class-horizon overall, per window of slots                   as class
    class-robust-horizon  the same, with a margin                as class-robust

The floor of a slot is the paper's, (1 - position xi) q[L0], where q[L0] is the mean over what the
slot serves; that of a window is the mean of its slots' floors. A class floor is a factor of the
class's own q[L0].

Margins. q is estimated, and a programme that minimises leans on whatever the estimate flatters.
With a[c,v] the amount x[c,v], minus the floor's factor times the demand on L0, a floor says
q a >= 0, and the estimate of q a has the variance sum over c of a[c]^T Cov[c] a[c]. A robust scheme
asks for q a >= z times its standard deviation, z being `confidence`. The deviation depends on the
mix, so solve -> margin -> solve is repeated to a fixed point. Where that misses a floor with its
margin, L0 takes over as much as is needed: nobody can doubt that it is as good as L0.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from sprout import frontier, optimizer
from sprout.frontier import Floors, IntArray
from sprout.problem import FloatArray, Floor, Mix, Problem, mix_of

MAX_ROUNDS = 12
"""Of solve -> margin -> solve."""

SLOPES = (-4.0, -0.5)
"""Between what a secant's slope is believed; -1 is a margin that does not move the mix."""

HALVINGS = 20
"""Of the way to all-L0, where a floor wants it."""

SETTLED = 1e-5
"""A change of a margin, in preference, that is no change: far below what a judge can tell."""

OUT_OF_REACH_KWH = 1e6

CLOVER_STEP = 0.1
"""MODEL_OPT's shares are multiples of this."""


@dataclass(frozen=True, slots=True)
class Policy:
    """What sets a scheme apart.

    Args:
        about: one line for people.
        knows_classes: whether each task class has its own e, p, q and mix.
        is_robust: whether floors get a margin, and verdicts accumulate.
        has_class_floors: whether each class keeps a floor of its own.
        spans_window: whether one floor holds over a window of slots.
        is_live: whether it can be followed without knowing the future.
        confidence: margins in standard deviations, unless the user says otherwise.
    """

    about: str
    knows_classes: bool = False
    is_robust: bool = False
    has_class_floors: bool = False
    spans_window: bool = False
    is_live: bool = True
    confidence: float = 1.0


POLICIES = {
    "base": Policy("all L0"),
    "co2-opt": Policy("the level of least carbon, whatever is preferred"),
    "model-opt": Policy("two sizes of the model instead of directives (Clover)", is_live=False),
    "sprout-sta": Policy("one mix for all hours", is_live=False),
    "sprout": Policy("the paper's: one mix an hour"),
    "oracle": Policy("the paper's, with perfect knowledge of every request", is_live=False),
    "class": Policy("a mix for each task class", knows_classes=True),
    "class-robust": Policy(
        "a mix for each task class, with a margin on the floor: saves the most",
        knows_classes=True,
        is_robust=True,
        # what misses its floor by a point in less than 4 % of hours (sprout-replay.7)
        confidence=1.8,
    ),
    "class-fair": Policy(
        "a mix for each task class, and a floor for each, with margins",
        knows_classes=True,
        is_robust=True,
        has_class_floors=True,
    ),
    "horizon": Policy("one mix an hour, one floor for the coming hours", spans_window=True),
    "class-horizon": Policy(
        "a mix for each task class, one floor for the coming hours",
        knows_classes=True,
        spans_window=True,
    ),
    "class-robust-horizon": Policy(
        "a mix for each task class, one floor with a margin for the coming hours",
        knows_classes=True,
        is_robust=True,
        spans_window=True,
        confidence=1.8,
    ),
}


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
        window: [t], the window that a slot belongs to: 0, 1, ... without a gap, in order.
        earned: [w], preference times demand that windows have beyond their floors from slots that
            were served before; None is nothing.
        past: [w, c, v], the amounts of those slots beyond their floors, whose preference is as
            uncertain as that of the rest; None is nothing.
    """

    problem: Problem
    position: FloatArray
    limits: Limits
    window: IntArray
    covariance: FloatArray | None = None
    earned: FloatArray | None = None
    past: FloatArray | None = None


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
        margins: on those floors, in preference.
        price_g: of each window's floor, where it was solved for, in gCO2eq per preference point.
    """

    amount: FloatArray
    floors: Floors
    margins: Floors
    price_g: tuple[float, ...] | None


def by_programme(problem: Problem) -> Callable[[Floors], Solved]:
    """Solve by the linear programme."""

    def solve(floors: Floors) -> Solved:
        mix = optimizer.solve(replace(problem, floors=as_floors(problem, floors)))
        prices_g = mix.floor_price_g
        return mix.amount, None if prices_g is None else prices_g[: len(floors.overall)]

    return solve


def by_frontier(problem: Problem) -> Callable[[Floors], Solved]:
    """Solve the same for many slots at once, where nothing but floors binds.

    What must be explored is served first; the floors then hold for the rest.
    """
    if problem.min_share is None and problem.max_share is None:
        whole = frontier.Frontier(problem)
        return lambda floors: (whole.solve(floors), None)
    least, most = problem.share_bounds
    preference, rest = problem.preference_by_slot, 1 - least.sum(axis=1)
    explored = problem.demand[..., None] * least
    free = replace(
        problem,
        # a level that is only explored is dearer than any other, and nobody prefers it
        energy_kwh=np.where(most > least, problem.energy_kwh, OUT_OF_REACH_KWH),
        preference=np.where(most > least, preference, 0.0),
        demand=problem.demand * rest,
        min_share=None,
        max_share=None,
    )
    by_level = preference * least
    chains = frontier.Frontier(free)

    def solve(floors: Floors) -> Solved:
        reached = _sums(floors.window, (problem.demand * by_level.sum(axis=2)).sum(axis=1))
        served = _sums(floors.window, problem.demand.sum(axis=1))
        left = _sums(floors.window, free.demand.sum(axis=1))
        by_class = None
        if floors.by_class is not None:
            by_class = (floors.by_class - by_level.sum(axis=2)) / rest
        overall = (floors.overall * served - reached) / left
        return explored + chains.solve(Floors(floors.window, overall, by_class)), None

    return solve


def _falls_apart(problem: Problem) -> bool:
    """Return whether floors alone bind, beside exploration shares."""
    least, most = problem.share_bounds
    is_free_or_explored = (most >= 1) | (most <= least)
    return (
        problem.capacity_s is None
        and not problem.deferrable
        and bool(is_free_or_explored.all())
        and bool((least.sum(axis=1) < 1).all())
    )


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


def choose(name: str, outlook: Outlook, solver: Solver = by_programme) -> Choice:
    """Return what a scheme does with what is known."""
    policy, problem = POLICIES[name], outlook.problem
    floors = _floors(policy, outlook)
    no_margins = _no_margins(floors)
    if name == "base":
        return Choice(_all_l0(problem), floors, no_margins, None)
    if name == "co2-opt":
        free = Floors(floors.window, np.full_like(floors.overall, -1.0), None)
        return Choice(solver(problem)(free)[0], floors, no_margins, None)
    limits = outlook.limits
    confidence = policy.confidence if limits.confidence is None else limits.confidence
    if policy.is_robust and confidence > 0 and outlook.covariance is not None:
        sure = replace(outlook, limits=replace(limits, confidence=confidence))
        return _choose_safely(sure, floors, solver)
    amount, price_g = solver(problem)(floors)
    if name == "model-opt":
        return Choice(_rounded(amount), floors, no_margins, None)
    return Choice(amount, floors, no_margins, price_g)


def decide(name: str, outlook: Outlook) -> tuple[Mix, Choice]:
    """Return the mix of a scheme by the linear programme, judged by the floors it promises."""
    choice = choose(name, outlook)
    problem = replace(outlook.problem, floors=as_floors(outlook.problem, choice.floors))
    return mix_of(problem, choice.amount, choice.price_g), choice


def base(problem: Problem) -> Mix:
    """Return the mix of BASE: all L0, deferrable demand in the first slot of its window.

    Where `min_share` or `max_share` keeps L0 from serving all, the next levels serve the rest.
    """
    return mix_of(problem, _all_l0(problem), None)


def co2_opt(problem: Problem) -> Mix:
    """Return the mix of CO2_OPT: the level and slot of least carbon, whatever is preferred."""
    return mix_of(problem, optimizer.solve(replace(problem, floors=())).amount, None)


def sprout(problem: Problem) -> Mix:
    """Return the mix of SPROUT: least carbon that keeps the preference floors."""
    return optimizer.solve(problem)


def _floors(policy: Policy, outlook: Outlook) -> Floors:
    """Return the floors that a scheme promises."""
    problem, window = outlook.problem, outlook.window
    if not policy.spans_window:
        window = np.arange(len(window))
    factor = 1 - outlook.position * outlook.limits.tolerance
    by_cell = held(problem, factor[:, None])
    weights = problem.demand / _sums(window, problem.demand.sum(axis=1))[window][:, None]
    overall = _sums(window, (weights * by_cell).sum(axis=1))
    if policy.spans_window and outlook.earned is not None:
        overall = overall - outlook.earned / _sums(window, problem.demand.sum(axis=1))
    by_class = None
    if policy.has_class_floors:
        by_class = held(problem, np.array(outlook.limits.class_floor))
    return Floors(window, overall, by_class)


def held(problem: Problem, factor: FloatArray) -> FloatArray:
    """Return [t, c], the preference that keeps `factor` of L0's, whatever is explored.

    Exploration is a cost that was decided before the floor, which holds for the rest: otherwise no
    mix at all would reach the floor of the greenest hours.
    """
    preference = problem.preference_by_slot
    least, _ = problem.share_bounds
    explored = least[:, 1:].sum(axis=1)
    held: FloatArray = factor * preference[:, :, 0] * (1 - explored) + (
        preference[:, :, 1:] * least[:, 1:]
    ).sum(axis=2)
    return held


def _choose_safely(outlook: Outlook, floors: Floors, solver: Solver) -> Choice:
    """Return the fixed point of solve -> margin -> solve.

    Where nothing but floors binds, the margins are found by `sprout.frontier`, whose optimum is the
    programme's, and the programme is solved once.
    """
    inner = solver if solver is by_frontier or not _falls_apart(outlook.problem) else by_frontier
    margins, amount = _settle(outlook, floors, inner)
    price_g: tuple[float, ...] | None = None
    if solver is not by_frontier:
        amount, price_g = solver(outlook.problem)(_like(floors, _flat(floors) + margins))
    kept = _keep_promises(outlook, floors, amount)
    return Choice(kept, floors, _like(floors, margins), price_g if kept is amount else None)


def _settle(outlook: Outlook, floors: Floors, solver: Solver) -> tuple[FloatArray, FloatArray]:
    """Return the margins in one row, each found by secants, and the amounts that have them."""
    least = _flat(floors)
    margins, slopes = np.zeros_like(least), np.full_like(least, -1.0)
    last: tuple[FloatArray, FloatArray] | None = None
    solve = solver(outlook.problem)
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
    factor = 1 - outlook.position * outlook.limits.tolerance
    beyond = _beyond(problem, amount, factor[:, None])
    first = np.flatnonzero(np.diff(floors.window, prepend=-1))
    covariance = np.broadcast_to(np.asarray(outlook.covariance), (*problem.shape, problem.shape[2]))
    together = np.add.reduceat(beyond, first, axis=0)
    if outlook.past is not None:
        together = together + outlook.past
    variance = _quadratic(together, covariance[first]).sum(axis=1)
    served = np.add.reduceat(problem.demand.sum(axis=1), first)
    overall = confidence * np.sqrt(variance) / served
    if floors.by_class is None:
        return Floors(floors.window, overall, None)
    of_class = _beyond(problem, amount, np.array(outlook.limits.class_floor))
    deviation = np.sqrt(_quadratic(of_class, covariance))
    by_class = np.divide(
        confidence * deviation,
        problem.demand,
        out=np.zeros_like(deviation),
        where=problem.demand > 0,
    )
    return Floors(floors.window, overall, by_class)


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
    all_l0 = _all_l0(outlook.problem)

    def blend(part: FloatArray) -> FloatArray:
        of_cell = part if is_by_class else part[floors.window][:, None]
        return amount + of_cell[..., None] * (all_l0 - amount)

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
    served = _sums(floors.window, problem.demand.sum(axis=1))
    kept = _sums(floors.window, reached.sum(axis=(1, 2)))
    below: NDArray[np.bool_] = kept < (needed.overall - 10 * SETTLED) * served
    return below


def _no_margins(floors: Floors) -> Floors:
    by_class = None if floors.by_class is None else np.zeros_like(floors.by_class)
    return Floors(floors.window, np.zeros_like(floors.overall), by_class)


def _sums(window: IntArray, values: FloatArray) -> FloatArray:
    """Return [w], the sums of [t] values over each window."""
    return np.bincount(window, weights=values).astype(float)


def _rounded(amount: FloatArray) -> FloatArray:
    """Return amounts of two levels with the second's share a multiple of CLOVER_STEP."""
    served = amount.sum(axis=2)
    share = np.round(amount[:, :, 1] / served / CLOVER_STEP) * CLOVER_STEP
    return np.stack((served * (1 - share), served * share), axis=2)


def _all_l0(problem: Problem) -> FloatArray:
    """Return the amounts [t, c, v] of BASE."""
    shares = _first_levels(problem)
    amount = problem.demand[:, :, None] * shares
    for deferrable in problem.deferrable:
        served = deferrable.amount * shares[deferrable.task_class]
        amount[deferrable.first_slot, deferrable.task_class] += served
    return amount


def _first_levels(problem: Problem) -> FloatArray:
    """Return shares [c, v]: each level's least, and the rest to the first levels with room."""
    least, most = problem.share_bounds
    room = most - least
    rest = 1 - least.sum(axis=1, keepdims=True)
    taken_before = np.cumsum(room, axis=1) - room
    shares: FloatArray = least + np.clip(rest - taken_before, 0.0, room)
    return shares
