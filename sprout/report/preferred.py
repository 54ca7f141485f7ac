"""The preference that a mix kept, by what is known of each level today. Pure.

    kept = sum of n[v] q[v] / sum of n[v] / q[L0]

1 is what all-L0 would have had. With the covariance C of q the variance of the ratio is g C g,
where g[v] = x[v] / q0 - [v is L0] kept / q0 (delta method).
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace

Z_95 = 1.96  # of the normal distribution, two-sided


@dataclass(frozen=True, slots=True)
class Preferred:
    """The preference kept by a model's answers, relative to all-L0.

    Args:
        shares: by directive key, how often an answer was judged best; the first is L0's.
        covariance: of the shares, in their order; None when nobody can say.
        source: who judged what, or that it is a prior.
        kept, half_width: None until a mix is known, or when a level was never judged; the half
            width also when there is no covariance, unless all was served at L0.
    """

    model: str
    shares: Mapping[str, float]
    covariance: tuple[tuple[float, ...], ...] | None
    source: str
    is_prior: bool
    kept: float | None = None
    half_width: float | None = None
    num_answered: int = 0


def normalised(known: Preferred, counts: Mapping[str, int]) -> Preferred:
    """Return the same with what answers at these levels kept; `counts` by directive key."""
    num = sum(counts.values())
    found = replace(known, num_answered=num)
    base = next(iter(known.shares.values()), 0.0)
    if not num or base <= 0 or any(key not in known.shares for key in counts):
        return found
    mix = [counts.get(key, 0) / num for key in known.shares]
    kept = sum(x * q for x, q in zip(mix, known.shares.values(), strict=True)) / base
    if known.covariance is None:
        return replace(found, kept=kept, half_width=0.0 if mix[0] == 1 else None)
    slope = [(x - (kept if i == 0 else 0.0)) / base for i, x in enumerate(mix)]
    variance = sum(
        slope[i] * slope[j] * each
        for i, row in enumerate(known.covariance)
        for j, each in enumerate(row)
    )
    return replace(found, kept=kept, half_width=Z_95 * math.sqrt(max(0.0, variance)))
