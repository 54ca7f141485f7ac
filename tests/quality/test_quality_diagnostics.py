from datetime import UTC, datetime

import numpy as np
import pytest
from quality.authors import needs_data, rows

from sprout.quality.comparison import Reading
from sprout.quality.diagnostics import diagnose, first_slot, length_controlled_rate
from sprout.quality.judge import Fault
from sprout.quality.ruling import Ruling

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def ruling(
    prompt: str,
    reading: Reading,
    shown: tuple[tuple[str, ...], ...],
    *chosen: int,
    lengths: tuple[int, ...] | None = None,
    fault: Fault | None = None,
) -> Ruling:
    return Ruling(
        "judge", prompt, "qa", "qa", "served", reading, shown,
        lengths or (10,) * len(shown), chosen, fault, NOW,
    )  # fmt: skip


def pair(prompt: str, first: int, second: int, *, length: int = 5, base: int = 10) -> list[Ruling]:
    """L1 against L0 in both orders; what was chosen in each."""
    return [
        ruling(prompt, "pair", (("0",), ("1",)), first, lengths=(base, length)),
        ruling(prompt, "pair", (("1",), ("0",)), second, lengths=(length, base)),
    ]


def test_a_level_wins_when_both_orders_say_so_and_a_contradiction_is_a_tie() -> None:
    rulings = [*pair("a", 1, 0), *pair("b", 0, 1), *pair("c", 0, 0), *pair("d", 1, 1)]
    rulings.append(ruling("e", "pair", (("0", "1"),), 0))  # the same text
    (found,) = diagnose(rulings, "0", ["1"]).pairwise
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
    (found,) = diagnose(rulings, "0", ["1"]).pairwise
    assert found.rate == rate
    assert found.interval is not None
    assert found.interval.low <= rate <= found.interval.high
    assert found.interval.high - found.interval.low > 0.5


def test_a_failed_order_is_no_tie() -> None:
    failed = ruling("a", "pair", (("1",), ("0",)), fault="unparsed")
    found = diagnose([pair("a", 1, 0)[0], failed], "0", ["1"])
    assert found.pairwise == ()
    assert (found.num_asked, found.num_failed) == (2, 1)


def test_what_no_level_matched_is_counted_apart() -> None:
    found = diagnose([ruling("a", "best", (("0",), ("1",)))], "0", ["1"])
    assert (found.num_none, found.num_failed) == (1, 0)
    assert found.first_slot is None


def test_the_first_slot_rate_is_held_against_the_number_of_slots() -> None:
    found = first_slot([(0, 2), (1, 2), (0, 3), (2, 3)])
    assert found is not None
    assert found.rate == 0.5
    assert found.expected == pytest.approx((2 / 2 + 2 / 3) / 4)
    assert first_slot([]) is None


@needs_data
def test_the_authors_judge_prefers_what_is_shown_first() -> None:
    shown = rows("judge_positions_scienceqa.csv.gz")
    found = first_slot([(int(row["chosen_position"]) - 1, 3) for row in shown])
    assert found is not None
    # 972 of 2,000, where a judge without position bias is at a third
    assert (found.num_first, found.num_choices) == (972, 2000)
    assert found.interval.low == pytest.approx(0.464, abs=5e-4)
    assert found.interval.high == pytest.approx(0.508, abs=5e-4)
    assert found.interval.low > found.expected == pytest.approx(1 / 3)


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
