import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quality.authors import DATASETS, PUBLISHED, chosen_levels, needs_data

from sprout.quality.interval import bootstrap, of_shares, wilson

NUM_RESAMPLINGS = 2000


def test_wilsons_interval_is_that_of_the_textbook() -> None:
    # 10 of 20, z = 1.96: (0.5 + z^2/40 -+ z sqrt(.25/20 + z^2/1600)) / (1 + z^2/20)
    for share, num, low, high in (
        (0.5, 20, 0.2993, 0.7007),
        (0.0, 10, 0.0, 0.2775),
        (1.0, 10, 0.7225, 1.0),
    ):
        found = wilson(share, num)
        assert found.low == pytest.approx(low, abs=1e-4)
        assert found.high == pytest.approx(high, abs=1e-4)


def test_no_trials_have_no_interval() -> None:
    with pytest.raises(ValueError, match="no interval"):
        wilson(0.5, 0)


@given(st.floats(0, 1), st.floats(1, 1e6))
def test_the_interval_holds_the_share(share: float, num: float) -> None:
    found = wilson(share, num)
    assert 0 <= found.low <= share + 1e-9
    assert share - 1e-9 <= found.high <= 1


@needs_data
@pytest.mark.parametrize("dataset", DATASETS)
def test_the_shares_of_the_authors_judge_are_the_published_ones(dataset: str) -> None:
    credits_ = np.eye(3)[chosen_levels()[dataset]]
    intervals = of_shares(credits_, np.ones(len(credits_)))
    for mean, published, interval in zip(
        credits_.mean(axis=0), PUBLISHED[dataset], intervals, strict=True
    ):
        assert mean == pytest.approx(published, abs=0.0051)  # published with two digits
        assert interval.low < published < interval.high
        # 2,000 prompts: the half-width is 1.96 sqrt(p (1 - p) / 2000), 1.7 to 2.2 points
        assert (interval.high - interval.low) / 2 == pytest.approx(
            1.96 * np.sqrt(mean * (1 - mean) / 2000), rel=0.01
        )


@needs_data
@pytest.mark.parametrize("num", [100, 500, 1000])
@pytest.mark.parametrize("dataset", DATASETS)
def test_wilsons_intervals_hold_the_truth_in_95_of_100_samples(dataset: str, num: int) -> None:
    levels = chosen_levels()[dataset]
    truth = np.bincount(levels, minlength=3) / len(levels)
    drawn = np.random.default_rng(num).choice(levels, size=(NUM_RESAMPLINGS, num))
    for level in range(3):
        counts, times = np.unique((drawn == level).sum(axis=1), return_counts=True)
        ends = [wilson(count / num, num) for count in counts.tolist()]
        held = [end.low <= truth[level] <= end.high for end in ends]
        assert 0.93 <= (times * held).sum() / NUM_RESAMPLINGS <= 0.97


@needs_data
@pytest.mark.slow
def test_bootstrap_intervals_of_split_credit_hold_the_truth_in_95_of_100_samples() -> None:
    levels = chosen_levels()["mmlu"]
    # every third prompt a tie of two levels, as where two answers have the same text
    credits_ = np.eye(3)[levels]
    credits_[::3] = (credits_[::3] + np.eye(3)[(levels[::3] + 1) % 3]) / 2
    truth, rng = credits_.mean(axis=0), np.random.default_rng(1)
    held = np.zeros(3)
    for seed in range(NUM_RESAMPLINGS):
        sample = credits_[rng.integers(0, len(credits_), 100)]
        ends = bootstrap(sample, np.ones(100), seed, num_resamplings=500)
        held += [end.low <= t <= end.high for end, t in zip(ends, truth, strict=True)]
    assert (held / NUM_RESAMPLINGS >= 0.93).all()
    assert (held / NUM_RESAMPLINGS <= 0.97).all()


def test_split_credit_is_drawn_again_and_a_seed_repeats_it() -> None:
    credits_ = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [1.0, 0.0]] * 20)
    found = of_shares(credits_, np.ones(80))
    assert found == of_shares(credits_, np.ones(80))
    # mean 0.625, variance of one prompt 0.1719: half-width 1.96 sqrt(0.1719 / 80) = 0.091
    assert found[0].low == pytest.approx(0.625 - 0.091, abs=0.012)
    assert found[0].high == pytest.approx(0.625 + 0.091, abs=0.012)


def test_faded_verdicts_make_the_interval_wider() -> None:
    credits_ = np.eye(2)[[0, 1] * 20]
    even = of_shares(credits_, np.ones(40))[0]
    faded = of_shares(credits_, np.repeat([1.0, 0.05], 20))[0]
    assert faded.high - faded.low > even.high - even.low
