from dataclasses import replace
from datetime import timedelta

import numpy as np
import pytest
from quality.rulings import NOW, pair, ruling

from sprout.quality.pairwise import Pairwise, length_controlled_rate, pairwise
from sprout.quality.ruling import Ruling


def compared(rulings: list[Ruling]) -> Pairwise:
    found = pairwise(rulings, "0", "1")
    assert found is not None
    return found


def test_a_level_wins_when_both_orders_say_so_and_a_contradiction_is_a_tie() -> None:
    rulings = [*pair("a", 1, 0), *pair("b", 0, 1), *pair("c", 0, 0), *pair("d", 1, 1)]
    rulings.append(ruling("e", "pair", (("0", "1"),), 0))  # the same text
    found = compared(rulings)
    assert (found.num_wins, found.num_losses, found.num_ties) == (1, 1, 3)
    assert found.rate == 0.5
    assert (found.num_flips, found.num_asked, found.flip_rate) == (2, 4, 0.5)
    assert found.length_ratio == pytest.approx((4 * 0.5 + 1) / 5)
    assert found.length_controlled is None


@pytest.mark.parametrize(("first", "second", "rate"), [(1, 0, 1.0), (0, 0, 0.5), (0, 1, 0.0)])
def test_outcomes_that_are_all_alike_leave_the_rate_unsure(
    first: int, second: int, rate: float
) -> None:
    rulings = [each for name in "abc" for each in pair(name, first, second)]
    found = compared(rulings)
    assert found.rate == rate
    assert found.interval is not None
    assert found.interval.low <= rate <= found.interval.high
    assert found.interval.high - found.interval.low > 0.5


def test_a_prompt_is_compared_by_its_newest_ballots() -> None:
    """Answers that were made anew are asked about anew; the store has rows in no order of time."""
    won, lost = pair("a", 1, 0, length=7), pair("a", 0, 1, length=5)
    same = [ruling("a", "pair", (("0", "1"),), 0, lengths=(9,))]
    for newer, older, outcome, ratio in (
        (won, lost, "num_wins", 0.7),
        (lost, won, "num_losses", 0.5),
        (same, won, "num_ties", 1),
        (lost, same, "num_losses", 0.5),
    ):
        yesterday = [replace(each, judged_at=NOW - timedelta(days=1)) for each in older]
        found = compared([*newer, *yesterday])
        assert getattr(found, outcome) == 1
        assert found.num_flips == 0
        assert found.length_ratio == pytest.approx(ratio)


def test_equal_lengths_leave_the_rate_as_it_is() -> None:
    outcomes = np.array([1.0] * 14 + [0.0] * 6)
    assert length_controlled_rate(outcomes, np.zeros(20)) == pytest.approx(0.7)


def test_a_rate_that_only_length_brought_about_is_even_at_equal_length() -> None:
    rng = np.random.default_rng(5)
    differences = rng.normal(30, 50, 20_000)
    spread = differences.std()
    won = rng.random(20_000) < 1 / (1 + np.exp(-2 * np.tanh(differences / spread)))
    outcomes = won.astype(float)
    assert outcomes.mean() > 0.6
    assert length_controlled_rate(outcomes, differences) == pytest.approx(0.5, abs=0.02)


def test_the_fit_maximises_the_likelihood() -> None:
    rng = np.random.default_rng(7)
    differences = rng.normal(0, 1, 300)
    outcomes = rng.choice([0.0, 0.5, 1.0], 300)
    x = np.tanh(differences / differences.std())

    def likelihood(b: float, w: float) -> float:
        p = 1 / (1 + np.exp(-(b + w * x)))
        return float((outcomes * np.log(p) + (1 - outcomes) * np.log(1 - p)).sum())

    grid = np.linspace(-1, 1, 201)
    best = max(((likelihood(b, w), b) for b in grid for w in grid), key=lambda each: each[0])
    found = length_controlled_rate(outcomes, differences)
    assert found == pytest.approx(1 / (1 + np.exp(-best[1])), abs=0.003)


def test_lengths_that_decide_everything_leave_the_fit_finite() -> None:
    differences = np.concatenate([np.full(10, -5.0), np.full(10, 5.0)])
    found = length_controlled_rate((differences > 0).astype(float), differences)
    assert found == pytest.approx(0.5, abs=0.01)


def test_few_pairs_say_nothing_of_length() -> None:
    assert length_controlled_rate(np.ones(9), np.arange(9.0)) is None
