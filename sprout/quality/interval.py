"""95 % intervals of shares and rates. Pure; chance comes from a seed.

Where every prompt chose one level, a share is a proportion and Wilson's interval holds its promise
down to few prompts:

    (p + z^2/2n -+ z sqrt(p (1 - p) / n + z^2/4n^2)) / (1 + z^2/n)

Where credit is split (ties, several matches) it is not, and prompts are drawn again with
replacement instead: the percentiles of 2,000 such means.
"""

import math
from dataclasses import dataclass

import numpy as np

from sprout.quality.preference import FloatArray

Z_95 = 1.959964
NUM_RESAMPLINGS = 2000
_CELLS_AT_ONCE = 4_000_000
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Interval:
    """Both ends of an interval, inclusive."""

    low: float
    high: float


def wilson(share: float, num: float, z: float = Z_95) -> Interval:
    """Return Wilson's interval of a proportion.

    Args:
        num: of trials, > 0; an effective number where they weigh differently.
    """
    if not (num > 0 and -_ROUNDING <= share <= 1 + _ROUNDING):
        raise ValueError(f"no interval for a share of {share} in {num} trials")
    share = min(1.0, max(0.0, share))
    centre = share + z**2 / (2 * num)
    half = z * math.sqrt(share * (1 - share) / num + z**2 / (4 * num**2))
    scale = 1 + z**2 / num
    # at 0 and 1 rounding would leave the share itself outside
    low, high = (centre - half) / scale, (centre + half) / scale
    return Interval(max(0.0, min(share, low)), min(1.0, max(share, high)))


def bootstrap(
    values: FloatArray, weights: FloatArray, seed: int, num_resamplings: int = NUM_RESAMPLINGS
) -> tuple[Interval, ...]:
    """Return the percentile interval of the weighted mean of each column, prompts drawn again.

    Args:
        values: [n, v]; weights: [n], positive.
    """
    num = len(weights)
    rng = np.random.default_rng(seed)
    at_once = max(1, _CELLS_AT_ONCE // num)
    means = []
    for first in range(0, num_resamplings, at_once):
        size = min(at_once, num_resamplings - first)
        drawn = rng.multinomial(num, np.full(num, 1 / num), size=size) * weights
        means.append(drawn @ values / drawn.sum(axis=1, keepdims=True))
    low, high = np.percentile(np.concatenate(means), [2.5, 97.5], axis=0)
    return tuple(Interval(float(a), float(b)) for a, b in zip(low, high, strict=True))


def of_shares(credits_: FloatArray, weights: FloatArray, seed: int = 0) -> tuple[Interval, ...]:
    """Return the interval of each level's share: Wilson's, or by drawing again where credit splits.

    Args:
        credits_: [n, v], each row sums to 1, n >= 1; weights: [n], positive.
    """
    mean = weights @ credits_ / weights.sum()
    if np.isin(credits_, (0.0, 1.0)).all():
        num = float(weights.sum() ** 2 / (weights**2).sum())  # Kish's effective number
        return tuple(wilson(float(share), num) for share in mean)
    return bootstrap(credits_, weights, seed)
