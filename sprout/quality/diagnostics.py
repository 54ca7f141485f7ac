"""How a judge judges, beside whom it prefers. Pure.

- First-slot rate: how often the answer shown first is chosen. A judge without position bias is at
  the rate expected of the number of slots.
- Each level against L0, in both orders, and at equal length (`pairwise`).
- Failures: answers that name no slot. They are counted, and are never ties.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from sprout.quality.interval import Interval, wilson
from sprout.quality.pairwise import Pairwise, pairwise
from sprout.quality.ruling import Ruling


@dataclass(frozen=True, slots=True)
class FirstSlot:
    """How often the first slot was chosen, of the ballots in which one slot was.

    `expected`: the rate of a judge without position bias, mean of 1 / slots.
    """

    num_first: int
    num_choices: int
    expected: float
    interval: Interval

    @property
    def rate(self) -> float:
        """Return the share of choices that fell on the first slot."""
        return self.num_first / self.num_choices


@dataclass(frozen=True, slots=True)
class Diagnostics:
    """Of one judge's rulings.

    Args:
        num_asked: ballots that a judge was asked about.
        num_failed: of them, those whose answer named no slot.
        num_none: prompts whose reference no level matched.
        first_slot: None when nothing was chosen.
    """

    num_asked: int
    num_failed: int
    num_none: int
    first_slot: FirstSlot | None
    pairwise: tuple[Pairwise, ...]


def diagnose(rulings: Iterable[Ruling], base: str, others: Sequence[str]) -> Diagnostics:
    """Return how the rulings came about.

    Args:
        base: directive key of L0; others: of the levels that are compared with it.
    """
    all_rulings = list(rulings)
    asked = [ruling for ruling in all_rulings if len(ruling.levels) > 1]
    in_time = sorted(all_rulings, key=lambda ruling: ruling.judged_at)
    newest = {ruling.prompt_hash: ruling for ruling in in_time if ruling.reading == "best"}
    pairs = [pairwise(all_rulings, base, key) for key in others]
    return Diagnostics(
        num_asked=len(asked),
        num_failed=sum(ruling.fault is not None for ruling in asked),
        num_none=sum(each.fault is None and not each.chosen for each in newest.values()),
        first_slot=first_slot([(r.chosen[0], len(r.levels)) for r in asked if len(r.chosen) == 1]),
        pairwise=tuple(pair for pair in pairs if pair is not None),
    )


def first_slot(choices: Sequence[tuple[int, int]]) -> FirstSlot | None:
    """Return the first-slot rate of (chosen slot from 0, number of slots)."""
    if not choices:
        return None
    num_first = sum(slot == 0 for slot, _ in choices)
    expected = sum(1 / num_slots for _, num_slots in choices) / len(choices)
    interval = wilson(num_first / len(choices), len(choices))
    return FirstSlot(num_first, len(choices), expected, interval)
