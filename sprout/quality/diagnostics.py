"""How a judge judges, beside whom it prefers. Pure.

- Pairwise against L0, both orders: 1 for the level, 0 for L0, 1/2 when the orders contradict each
  other (a flip) or the answers are the same text.
- First-slot rate: how often the answer shown first is chosen. A judge without position bias is at
  the rate expected of the number of slots.
- Length: the mean ratio of a level's answer to L0's, and the pairwise rate with the length's
  influence taken out: a logistic model of the outcome on tanh(standardised length difference), read
  at a difference of 0 (the minimal length control of AlpacaEval, without its tables of difficulty).
- Failures: answers that name no slot. They are counted, and are never ties.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sprout.quality.interval import Interval, of_shares, wilson
from sprout.quality.preference import FloatArray
from sprout.quality.ruling import Ruling

MIN_PAIRS = 10  # fewer say nothing of a length's influence
_RIDGE = 1e-3  # keeps the fit finite where length alone decides
_MAX_STEPS = 50
_SMALLEST_STEP = 1e-9


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
class Pairwise:
    """A level against L0.

    Args:
        rate: mean of the outcomes, with its interval.
        num_flips: of the prompts asked in both orders, those whose verdicts contradict.
        num_asked: prompts asked in both orders.
        length_ratio: mean of (characters of the level's answer / of L0's).
        length_controlled: rate at equal length; None for fewer than 10 prompts.
    """

    key: str
    num_wins: int
    num_ties: int
    num_losses: int
    rate: float
    interval: Interval | None
    num_flips: int
    num_asked: int
    length_ratio: float | None
    length_controlled: float | None

    @property
    def flip_rate(self) -> float | None:
        """Return the share of contradictions; None when nothing was asked twice."""
        return self.num_flips / self.num_asked if self.num_asked else None


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
    pairs = [_pairwise(all_rulings, base, key) for key in others]
    return Diagnostics(
        num_asked=len(asked),
        num_failed=sum(ruling.fault is not None for ruling in asked),
        num_none=sum(
            ruling.reading == "best" and ruling.fault is None and not ruling.chosen
            for ruling in all_rulings
        ),
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


def length_controlled_rate(outcomes: FloatArray, differences: FloatArray) -> float | None:
    """Return the rate at which a level is preferred to L0 once length is taken out.

    Args:
        outcomes: [n], 1 for the level, 0 for L0, 1/2 for a tie.
        differences: [n], length of the level's answer minus L0's.
    """
    if len(outcomes) < MIN_PAIRS:
        return None
    spread = float(differences.std())
    if spread == 0:
        return float(outcomes.mean())
    design = np.column_stack([np.ones(len(outcomes)), np.tanh(differences / spread)])
    weights = np.zeros(2)
    # iteratively reweighted least squares: Newton's method on the log-likelihood
    for _ in range(_MAX_STEPS):
        fitted = _logistic(design @ weights)
        gradient = design.T @ (outcomes - fitted) - _RIDGE * weights
        curvature = (design * (fitted * (1 - fitted))[:, None]).T @ design + _RIDGE * np.eye(2)
        step = np.linalg.solve(curvature, gradient)
        weights += np.clip(step, -5, 5)
        if np.abs(step).max() < _SMALLEST_STEP:
            break
    return float(_logistic(weights[0]))


def _pairwise(rulings: Sequence[Ruling], base: str, key: str) -> Pairwise | None:
    """Return a level against L0; None when no prompt compared them."""
    by_prompt: dict[str, list[Ruling]] = {}
    for ruling in rulings:
        is_pair = {base, key} == {name for names in ruling.levels for name in names}
        if ruling.reading == "pair" and is_pair:
            by_prompt.setdefault(ruling.prompt_hash, []).append(ruling)
    outcomes, lengths, num_flips, num_asked = [], [], 0, 0
    for pair in by_prompt.values():
        outcome, is_asked = _outcome(pair, key)
        if outcome is None:
            continue
        outcomes.append(outcome)
        lengths.append((_length(pair[0], key), _length(pair[0], base)))
        num_asked += is_asked
        num_flips += is_asked and outcome == 0.5  # noqa: PLR2004 - an exact value, set below
    if not outcomes:
        return None
    values, sizes = np.array(outcomes), np.array(lengths, dtype=np.float64)
    known = sizes[sizes[:, 1] > 0]
    return Pairwise(
        key=key,
        num_wins=outcomes.count(1.0),
        num_ties=outcomes.count(0.5),
        num_losses=outcomes.count(0.0),
        rate=float(values.mean()),
        interval=_interval(values),
        num_flips=num_flips,
        num_asked=num_asked,
        length_ratio=float((known[:, 0] / known[:, 1]).mean()) if len(known) else None,
        length_controlled=length_controlled_rate(values, sizes[:, 0] - sizes[:, 1]),
    )


def _outcome(pair: Sequence[Ruling], key: str) -> tuple[float | None, bool]:
    """Return 1, 1/2 or 0 for a level, and whether a judge was asked; None when it is not known."""
    if len(pair[0].levels) == 1:
        return 0.5, False
    orders = {ruling.slot_of(key): ruling for ruling in pair}
    if len(orders) < 2 or any(len(ruling.chosen) != 1 for ruling in orders.values()):  # noqa: PLR2004
        return None, False
    wins = [ruling.chosen[0] == slot for slot, ruling in orders.items()]
    return sum(wins) / len(wins), True


def _length(ruling: Ruling, key: str) -> int:
    slot = ruling.slot_of(key)
    return ruling.lengths[slot] if slot is not None else 0


def _interval(outcomes: FloatArray) -> Interval | None:
    if len(outcomes) < 2:  # noqa: PLR2004
        return None
    return of_shares(outcomes[:, None], np.ones(len(outcomes)))[0]


def _logistic(value: FloatArray) -> FloatArray:
    return 1 / (1 + np.exp(-value))
