"""Whether a judge can be trusted: a sign test on pairs whose better answer is known. Pure.

Each control pair is asked in both orders. Right twice is a plus, wrong twice a minus; a judge that
contradicts itself, or says nothing that can be read, has shown neither. With R pluses and W minuses
a judge that guesses gets R or more with probability

    p = sum over k = R..R+W of C(R+W, k) / 2^(R+W)      (one-sided sign test)

and only p < 0.01 earns trust. A judge that always names the first slot gets R = W = 0 and p = 1.
Nor is one trusted that leaves more than a tenth of the pairs unread: what it does not say anything
of may be of another kind than the rest, and shares would lean without a sign of it.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from math import comb

TRUST_BELOW_P = 0.01
MOST_UNREAD = 0.1
"""The largest share of questions without a verdict that leaves the others to stand for them."""


@dataclass(frozen=True, slots=True)
class Trust:
    """How a judge did on control pairs.

    Args:
        num_right, num_wrong: pairs judged so in both orders.
        num_split: pairs whose two orders contradict each other.
        num_failed: pairs with an order whose answer could not be read, or was refused.
    """

    num_right: int
    num_wrong: int
    num_split: int
    num_failed: int

    @property
    def num_pairs(self) -> int:
        """Return how many pairs were asked."""
        return self.num_right + self.num_wrong + self.num_split + self.num_failed

    @property
    def p_value(self) -> float:
        """Return how likely a guessing judge does as well."""
        num = self.num_right + self.num_wrong
        return float(sum(comb(num, k) for k in range(self.num_right, num + 1)) / 2**num)

    @property
    def is_trusted(self) -> bool:
        """Whether the judge beats chance, and says what it thinks."""
        is_read = self.num_failed <= MOST_UNREAD * self.num_pairs
        return is_read and self.p_value < TRUST_BELOW_P


def assess(pairs: Iterable[tuple[bool | None, bool | None]]) -> Trust:
    """Return the trust that a judge earned.

    Args:
        pairs: for each pair whether the better answer was chosen when it was shown first, and when
            it was shown second; None where nothing was chosen.
    """
    counts = {"right": 0, "wrong": 0, "split": 0, "failed": 0}
    for first, second in pairs:
        if first is None or second is None:
            counts["failed"] += 1
        elif first != second:
            counts["split"] += 1
        else:
            counts["right" if first else "wrong"] += 1
    return Trust(counts["right"], counts["wrong"], counts["split"], counts["failed"])
