"""The schemes of section 5 of the paper, each a function from the problem to a mix.

They differ in what they minimise; all respect the bounds on each level's share.
"""

from dataclasses import replace

import numpy as np

from sprout.optimizer import solve
from sprout.problem import FloatArray, Mix, Problem, mix_of


def base(problem: Problem) -> Mix:
    """Return the mix of BASE: all L0, deferrable demand in the first slot of its window.

    Where `min_share` or `max_share` keeps L0 from serving all, the next levels serve the rest.
    """
    shares = _first_levels(problem)
    amount = problem.demand[:, :, None] * shares
    for deferrable in problem.deferrable:
        served = deferrable.amount * shares[deferrable.task_class]
        amount[deferrable.first_slot, deferrable.task_class] += served
    return mix_of(problem, amount, None)


def co2_opt(problem: Problem) -> Mix:
    """Return the mix of CO2_OPT: the level and slot of least carbon, whatever is preferred."""
    return mix_of(problem, solve(replace(problem, floors=())).amount, None)


def sprout(problem: Problem) -> Mix:
    """Return the mix of SPROUT: least carbon that keeps the preference floors."""
    return solve(problem)


def _first_levels(problem: Problem) -> FloatArray:
    """Return shares [c, v]: each level's least, and the rest to the first levels with room."""
    least, most = problem.share_bounds
    room = most - least
    rest = 1 - least.sum(axis=1, keepdims=True)
    taken_before = np.cumsum(room, axis=1) - room
    shares: FloatArray = least + np.clip(rest - taken_before, 0.0, room)
    return shares
