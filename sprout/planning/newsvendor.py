"""The margin on a floor that is worth what it costs. Pure.

Preferences are estimates, so a floor that is only just kept is missed every other time. A margin on
it costs carbon, more in some hours than in others; a floor that is missed costs preference, which
counts alike in every hour. With s the preference that a mix has beyond its floor, as estimated, and
sd the standard deviation of that estimate, what a window is expected to cost is

    carbon + charge * E[shortfall],   shortfall = max(0, -(s + sd e)),  e ~ N(0, 1)

which is convex in the mix. At its least, one more unit of preference costs as much carbon as it
saves in charges: price = charge * P(shortfall), the critical fractile of the newsvendor problem
(Arrow, Harris and Marschak 1951). So a floor may be missed with the probability

    P(shortfall) = price / charge,   at most one half, as no margin is negative

where the price is the programme's dual: sure where preference is cheap, as in green hours, less so
where it is dear. The charge is set by `confidence`: P(shortfall) = P(e > confidence) where a
percent of preference costs a percent of the carbon of all-L0 at the middle of the intensity's
range. 1.5 is one in fifteen: a percent of preference counts as fifteen percent of that carbon.

More preference is more carbon and a smaller chance of shortfall, so that halving finds the margin
of each window. What is bought is the programme's mix for the floor with its margin, and then as
much of L0 as lowers the cost: nobody can doubt that L0 is as good as L0.
"""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from sprout.planning.frontier import Floors, IntArray
from sprout.planning.margins import deviations
from sprout.planning.optimizer import PREFERENCE_POINT
from sprout.planning.outlook import Choice, Outlook, Solver, all_l0, by_frontier, sums
from sprout.planning.problem import FloatArray

BoolArray = NDArray[np.bool_]

HALVINGS = 14
"""Of the margin that could be bought: to 0.00005 of preference at most."""

BLEND_HALVINGS = 10
"""Of the way to all-L0."""

SMALLEST_BLEND = 1e-3
SMALLEST_DEVIATION = 1e-12


@dataclass(frozen=True, slots=True, eq=False)
class _Stakes:
    """What windows stand to lose, [w] each.

    Args:
        charge_g: of a unit of preference, times demand, that falls short.
        served: demand.
    """

    outlook: Outlook
    floors: Floors
    charge_g: FloatArray
    served: FloatArray

    @property
    def window(self) -> IntArray:
        """Return [t], the window of each slot."""
        return self.floors.window

    def beyond(self, amount: FloatArray) -> FloatArray:
        """Return the mean preference that amounts have beyond each floor."""
        preference = self.outlook.problem.preference_by_slot
        reached = sums(self.window, (preference * amount).sum(axis=(1, 2)))
        return reached / self.served - self.floors.overall

    def standard(self, amount: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the same in standard deviations, and those deviations."""
        deviation = deviations(self.outlook, self.window, amount)
        deviation = np.maximum(deviation, SMALLEST_DEVIATION)
        return self.beyond(amount) / deviation, deviation

    def expected_g(self, amount: FloatArray) -> FloatArray:
        """Return the carbon and the charge that amounts are expected to cost."""
        carbon_g = (self.outlook.problem.cost_g * amount).sum(axis=(1, 2))
        score, deviation = self.standard(amount)
        density = np.exp(-(score**2) / 2) / math.sqrt(2 * math.pi)
        short = deviation * (density - score * _exceeded(score)) * self.served
        return sums(self.window, carbon_g) + self.charge_g * short


def choose_by_price(outlook: Outlook, floors: Floors, solver: Solver) -> Choice:
    """Return the amounts whose margins on the windows' floors are worth what they cost.

    The margins are found by `sprout.planning.frontier`, whose optimum is the programme's, and the
    programme is solved once.
    """
    stakes = _stakes(outlook, floors)
    margins = _margins(stakes)
    raised = Floors(floors.window, floors.overall + margins, None)
    amount, price_g = solver(outlook.problem)(raised)
    kept = _blended(stakes, amount)
    return Choice(kept, floors, margins, price_g if kept is amount else None)


def _stakes(outlook: Outlook, floors: Floors) -> _Stakes:
    problem, window = outlook.problem, floors.window
    embodied_g = problem.embodied_g_per_s * problem.time_s_by_slot[:, :, 0]
    energy_kwh = np.broadcast_to(problem.energy_kwh, problem.shape)[:, :, 0]
    reference_g_per_kwh = outlook.reference_g_per_kwh or 0.0
    base_g = problem.demand * (reference_g_per_kwh * energy_kwh + embodied_g)
    base = problem.demand * problem.preference_by_slot[:, :, 0]
    at_stake = sums(window, base.sum(axis=1))
    charge_g = np.divide(
        sums(window, base_g.sum(axis=1)),
        at_stake,
        out=np.zeros_like(at_stake),
        where=at_stake > 0,
    )
    chance = float(_exceeded(np.array(outlook.limits.confidence or 0.0)))
    return _Stakes(outlook, floors, charge_g / chance, sums(window, problem.demand.sum(axis=1)))


def _margins(stakes: _Stakes) -> FloatArray:
    """Return [w], the margins at which the price is what the chance of a shortfall is worth."""
    problem, floors = stakes.outlook.problem, stakes.floors
    best = sums(
        floors.window, (problem.demand * problem.preference_by_slot.max(axis=2)).sum(axis=1)
    )
    low = np.zeros_like(floors.overall)
    high = np.maximum(best / stakes.served - floors.overall, 0.0)
    solve = by_frontier(problem)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        amount, price_g = solve(Floors(floors.window, floors.overall + middle, None))
        is_worth_more = _is_worth_more(stakes, amount, price_g)
        low = np.where(is_worth_more, middle, low)
        high = np.where(is_worth_more, high, middle)
    return high


def _is_worth_more(stakes: _Stakes, amount: FloatArray, price_g: tuple[float, ...]) -> BoolArray:
    """Return [w], whether another unit of preference saves more in charges than it costs."""
    score, _ = stakes.standard(amount)
    price = np.array(price_g) / (PREFERENCE_POINT * stakes.served)
    worth: BoolArray = stakes.charge_g * _exceeded(score) > price
    return worth


def _blended(stakes: _Stakes, amount: FloatArray) -> FloatArray:
    """Return the amounts, moved towards all-L0 as far as that lowers the expected cost."""
    base = all_l0(stakes.outlook.problem)

    def blend(part: FloatArray) -> FloatArray:
        return amount + part[stakes.window][:, None, None] * (base - amount)

    def is_falling(part: FloatArray) -> BoolArray:
        here, there = (stakes.expected_g(blend(at)) for at in (part, part + SMALLEST_BLEND))
        falling: BoolArray = there < here
        return falling

    low = np.zeros_like(stakes.served)
    falls = is_falling(low)
    if not falls.any():
        return amount
    high = falls.astype(float)
    for _ in range(BLEND_HALVINGS):
        middle = (low + high) / 2
        falls = is_falling(middle)
        low, high = np.where(falls, middle, low), np.where(falls, high, middle)
    return blend(low)


def _exceeded(score: FloatArray) -> FloatArray:
    """Return how likely a standard normal value is above each score."""
    chance: FloatArray = np.vectorize(math.erfc, otypes=[float])(score / math.sqrt(2)) / 2
    return chance
