"""How often each level's answer is preferred, and how sure that is. Pure.

Every judged prompt hands out one unit of credit among the levels: all of it to the level that the
judge named best, or equal parts to those that tie. With credits x_i [n, v] and weights w_i

    q = sum(w x) / sum(w),    cov(q) = sum(w^2 (x - q)(x - q)^T) / sum(w)^2 * n' / (n' - 1)

where n' = sum(w)^2 / sum(w^2) is the number of prompts that such weights are worth (Kish). q is
the paper's preference (section 3), and sums to 1. Old verdicts fade by their weights.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Shares:
    """The preference for each level, in the order of `levels`.

    Args:
        mean: [v], sums to 1.
        covariance: [v, v] of the mean; None when nobody can say (a prior, a single prompt).
        num_prompts: how many judged prompts the mean is worth; None for a prior.
    """

    levels: tuple[str, ...]
    mean: FloatArray
    covariance: FloatArray | None
    num_prompts: float | None

    def of(self, level: str) -> float | None:
        """Return a level's preference; None for one that was never judged."""
        return float(self.mean[self.levels.index(level)]) if level in self.levels else None


@dataclass(frozen=True, slots=True)
class Preference:
    """What is known of preferences.

    Args:
        overall: of all prompts together.
        by_class: of each task class that was judged; may be empty.
        source: who judged what, or that it is a prior.
        is_prior: whether nobody judged this model's answers.
        parts: of `overall`, the part that rests on the verdicts of each class, from 0 to 1: by so
            much it errs with that class.
    """

    overall: Shares
    by_class: Mapping[str, Shares]
    source: str
    is_prior: bool
    parts: Mapping[str, float] = field(default_factory=dict)


def prior(shares: Mapping[str, float]) -> Shares:
    """Return published preferences, by level, of which no covariance is known."""
    return Shares(tuple(shares), np.array(list(shares.values())), None, None)


def worth(weights: FloatArray) -> float:
    """Return how many prompts of one weight such weights are worth (Kish)."""
    return float(weights.sum() ** 2 / (weights**2).sum())


def estimate(levels: tuple[str, ...], credits_: FloatArray, weights: FloatArray) -> Shares:
    """Return the preference that judged prompts show.

    Args:
        levels: what was compared.
        credits_: [n, v], one row a judged prompt, each sums to 1; n >= 1.
        weights: [n], positive.
    """
    if credits_.shape != (len(weights), len(levels)) or not len(weights):
        raise ValueError(
            f"{credits_.shape} credits for {len(weights)} weights, {len(levels)} levels"
        )
    if not ((credits_ >= 0).all() and np.allclose(credits_.sum(axis=1), 1) and (weights > 0).all()):
        raise ValueError("each prompt hands out one unit of credit, and weighs more than nothing")
    total = weights.sum()
    mean = weights @ credits_ / total
    num_prompts = worth(weights)
    if num_prompts < 1 + 1e-9:
        return Shares(levels, mean, None, num_prompts)
    deviations = weights[:, None] * (credits_ - mean)
    covariance = deviations.T @ deviations / total**2 * num_prompts / (num_prompts - 1)
    return Shares(levels, mean, covariance, num_prompts)
