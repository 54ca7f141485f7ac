"""A level against L0, and what length had to do with it. Pure.

Both orders of a pair are asked: 1 for the level, 0 for L0, 1/2 when the orders contradict each
other (a flip) or the answers are the same text. An order that named nothing leaves no outcome.

The rate at equal length takes the length's influence out: a logistic model of the outcome on
tanh(standardised length difference), read at a difference of 0 (the minimal length control of
AlpacaEval, without its tables of difficulty).
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from sprout.quality.interval import Interval, of_shares
from sprout.quality.preference import FloatArray
from sprout.quality.ruling import Ruling

MIN_PAIRS = 10  # fewer say nothing of a length's influence
TIE = 0.5
_RIDGE = 1e-3  # keeps the fit finite where length alone decides
_MAX_STEPS = 50
_SMALLEST_STEP = 1e-9


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
class _Bout:
    """One prompt's outcome; `is_asked` is false for answers of the same text."""

    outcome: float
    is_asked: bool
    length: int
    base_length: int


def pairwise(rulings: Iterable[Ruling], base: str, key: str) -> Pairwise | None:
    """Return a level against L0; None when no prompt compared them.

    Args:
        base: directive key of L0.
    """
    bouts = list(_bouts(rulings, base, key))
    if not bouts:
        return None
    outcomes = np.array([bout.outcome for bout in bouts])
    differences = np.array([float(bout.length - bout.base_length) for bout in bouts])
    ratios = [bout.length / bout.base_length for bout in bouts if bout.base_length]
    asked = [bout.outcome for bout in bouts if bout.is_asked]
    is_sure = len(bouts) > 1
    return Pairwise(
        key=key,
        num_wins=int((outcomes == 1).sum()),
        num_ties=int((outcomes == TIE).sum()),
        num_losses=int((outcomes == 0).sum()),
        rate=float(outcomes.mean()),
        interval=of_shares(outcomes[:, None], np.ones(len(bouts)))[0] if is_sure else None,
        num_flips=asked.count(TIE),
        num_asked=len(asked),
        length_ratio=sum(ratios) / len(ratios) if ratios else None,
        length_controlled=length_controlled_rate(outcomes, differences),
    )


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


def _bouts(rulings: Iterable[Ruling], base: str, key: str) -> Iterator[_Bout]:
    """Yield the outcome of each prompt, by the newest ballot in each order."""
    prompts: dict[str, list[Ruling]] = {}
    for ruling in sorted(rulings, key=lambda each: each.judged_at):
        if ruling.reading == "pair" and {*chain(*ruling.levels)} == {base, key}:
            prompts.setdefault(ruling.prompt_hash, []).append(ruling)
    for ballots in prompts.values():
        outcome, newest = _outcome(ballots, key), ballots[-1]
        if outcome is not None:
            length, base_length = (
                newest.lengths[newest.slot_of(each) or 0] for each in (key, base)
            )
            yield _Bout(outcome, len(newest.levels) > 1, length, base_length)


def _outcome(ballots: Sequence[Ruling], key: str) -> float | None:
    """Return 1, 1/2 or 0 for a level, by ballots from old to new; None when it is not known."""
    if len(ballots[-1].levels) == 1:
        return TIE
    orders = {each.slot_of(key): each.chosen for each in ballots if len(each.levels) > 1}
    if len(orders) == 1 or any(len(chosen) != 1 for chosen in orders.values()):
        return None
    return sum(chosen == (slot,) for slot, chosen in orders.items()) / len(orders)


def _logistic(value: FloatArray) -> FloatArray:
    return 1 / (1 + np.exp(-value))
