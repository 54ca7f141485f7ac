"""A level for each request, so that every count stays within one of its share.

Drawing each request's level at random from the mix misses small batches by chance. This is the
chairman assignment instead (Tijdeman, Discrete Mathematics 32, 1980): with k levels of positive
share, request n goes, among the levels i whose

    deficit_i = n * share_i - count_i >= 1 / (2k - 2)

to the one with the least (1 - 1/(2k - 2) - deficit_i) / share_i, the number of requests until it
would be too late. Every count then stays within 1 - 1/(2k - 2) of n * share_i, for every n, and
no rule does better.
"""

import math

# Above the rounding of n * share for a million requests (1e-10), below any deficit that matters.
ROUNDING = 1e-9


class Quota:
    """Hands out levels one at a time; `counts` restores where it stopped.

    Args:
        shares: the mix, one value per level, sums to 1.
        counts: how often each level was handed out under these shares; None is never.
    """

    __slots__ = ("_counts", "_served", "_shares")

    def __init__(self, shares: tuple[float, ...], counts: tuple[int, ...] | None = None) -> None:
        self._counts = [0] * len(shares) if counts is None else list(counts)
        if len(self._counts) != len(shares):
            raise ValueError(f"{len(self._counts)} counts for {len(shares)} shares")
        if min(self._counts, default=0) < 0:
            raise ValueError(f"counts must not be negative: {counts}")
        total = math.fsum(shares)
        if min(shares, default=-1.0) < 0 or not math.isclose(total, 1.0, abs_tol=1e-6):
            raise ValueError(f"shares must not be negative and sum to 1: {shares}")
        self._shares = {i: share / total for i, share in enumerate(shares) if share > 0}
        self._served = sum(self._counts)

    @property
    def counts(self) -> tuple[int, ...]:
        """Return how often each level was handed out."""
        return tuple(self._counts)

    def next(self) -> int:
        """Return the index of the next request's level; never one whose share is 0."""
        self._served += 1
        level = self._due()
        self._counts[level] += 1
        return level

    def _due(self) -> int:
        """Return the level that the rule picks for request number `_served`, ties by index."""
        k = len(self._shares)
        if k == 1:
            return next(iter(self._shares))
        least = 1 / (2 * k - 2)
        deficits = {i: self._served * s - self._counts[i] for i, s in self._shares.items()}
        due = [i for i, deficit in deficits.items() if deficit >= least - ROUNDING]
        if not due:  # rounding only: the deficits sum to 1, so the largest is at least 1/k
            return max(deficits, key=deficits.__getitem__)
        return min(due, key=lambda i: (1 - least - deficits[i]) / self._shares[i])
