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
"""

from dataclasses import dataclass, replace

import numpy as np

from sprout.planning.frontier import Floors
from sprout.planning.margins import choose_safely
from sprout.planning.newsvendor import choose_by_price
from sprout.planning.outlook import Choice, Outlook, Solver, all_l0, as_floors, by_programme, sums
from sprout.planning.problem import FloatArray, Mix, Problem, mix_of

CLOVER_STEP = 0.1
"""MODEL_OPT's shares are multiples of this."""


ONE_IN_FIFTEEN = 1.5
"""Standard deviations that one normal value in fifteen exceeds: a percent of preference counts as
much as fifteen percent of the carbon. sprout-replay.7 has what more and less would do."""


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
        confidence: margins in standard deviations, unless the user says otherwise; of a scheme
            without class floors, where carbon and preference are even (`newsvendor`).
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
        confidence=ONE_IN_FIFTEEN,
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
        confidence=ONE_IN_FIFTEEN,
    ),
}


def choose(name: str, outlook: Outlook, solver: Solver = by_programme) -> Choice:
    """Return what a scheme does with what is known."""
    policy, problem = POLICIES[name], outlook.problem
    floors = _floors(policy, outlook)
    no_margins = np.zeros_like(floors.overall)
    if name == "base":
        return Choice(all_l0(problem), floors, no_margins, None)
    if name == "co2-opt":
        free = Floors(floors.window, np.full_like(floors.overall, -1.0), None)
        return Choice(solver(problem)(free)[0], floors, no_margins, None)
    limits = outlook.limits
    confidence = policy.confidence if limits.confidence is None else limits.confidence
    if policy.is_robust and confidence > 0 and outlook.covariance is not None:
        sure = replace(outlook, limits=replace(limits, confidence=confidence))
        is_priced = floors.by_class is None and outlook.reference_g_per_kwh is not None
        return (choose_by_price if is_priced else choose_safely)(sure, floors, solver)
    amount, price_g = solver(problem)(floors)
    if name == "model-opt":
        return Choice(_rounded(amount), floors, no_margins, None)
    return Choice(amount, floors, no_margins, price_g)


def decide(name: str, outlook: Outlook) -> tuple[Mix, Choice]:
    """Return the mix of a scheme by the linear programme, judged by the floors it promises."""
    choice = choose(name, outlook)
    problem = replace(outlook.problem, floors=as_floors(outlook.problem, choice.floors))
    return mix_of(problem, choice.amount, choice.price_g), choice


def _floors(policy: Policy, outlook: Outlook) -> Floors:
    """Return the floors that a scheme promises."""
    problem, window = outlook.problem, outlook.window
    if not policy.spans_window:
        window = np.arange(len(window))
    by_cell = held(problem, outlook.floor_factor[:, None])
    weights = problem.demand / sums(window, problem.demand.sum(axis=1))[window][:, None]
    overall = sums(window, (weights * by_cell).sum(axis=1))
    if policy.spans_window and outlook.earned is not None:
        overall = overall - outlook.earned / sums(window, problem.demand.sum(axis=1))
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


def _rounded(amount: FloatArray) -> FloatArray:
    """Return amounts of two levels with the second's share a multiple of CLOVER_STEP."""
    served = amount.sum(axis=2)
    share = np.round(amount[:, :, 1] / served / CLOVER_STEP) * CLOVER_STEP
    return np.stack((served * (1 - share), served * share), axis=2)
