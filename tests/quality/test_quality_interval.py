import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from quality.authors import DATASETS, PUBLISHED, chosen_levels, needs_data

from sprout.quality.interval import of_shares, wilson
from sprout.quality.preference import FloatArray

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
def test_intervals_of_split_credit_hold_the_truth_in_95_of_100_samples() -> None:
    levels = chosen_levels()["mmlu"]
    # every third prompt a tie of two levels, as where two answers have the same text
    credits_ = np.eye(3)[levels]
    credits_[::3] = (credits_[::3] + np.eye(3)[(levels[::3] + 1) % 3]) / 2
    held = coverage(credits_, np.full(len(credits_), 1 / len(credits_)), 100, NUM_RESAMPLINGS)
    assert (held >= 0.93).all()
    assert (held <= 0.97).all()


def coverage(credits_: FloatArray, chances: FloatArray, num: int, num_samples: int) -> FloatArray:
    """Return for each level how many samples' intervals held the truth, as a share."""
    truth, rng = chances @ credits_, np.random.default_rng(num)
    held = np.zeros(len(truth))
    for _ in range(num_samples):
        sample = credits_[rng.choice(len(credits_), p=chances, size=num)]
        ends = of_shares(sample, np.ones(num))
        held += [end.low - 1e-9 <= t <= end.high + 1e-9 for end, t in zip(ends, truth, strict=True)]
    return held / num_samples


TIE, FIRST, SECOND, LAST = (1 / 3, 1 / 3, 1 / 3), (1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)
PAIR = (0.5, 0.5, 0.0)


@pytest.mark.parametrize("num", [2, 3, 5, 10, 20, 50])
@pytest.mark.parametrize(
    "chances",
    [
        {TIE: 1.0},
        {TIE: 0.95, FIRST: 0.05},
        {TIE: 0.8, FIRST: 0.15, SECOND: 0.05},
        {FIRST: 0.9, TIE: 0.1},
        {PAIR: 0.9, LAST: 0.1},
        {FIRST: 0.4, SECOND: 0.2, LAST: 0.1, PAIR: 0.3},
    ],
)
def test_few_prompts_of_split_credit_hold_the_truth_as_often_as_wilsons_intervals_do(
    chances: dict[tuple[float, ...], float], num: int
) -> None:
    held = coverage(np.array(list(chances)), np.array(list(chances.values())), num, 500)
    # Wilson's own interval dips to 0.9 near 0 and 1; 500 samples of 0.9 have a deviation of 0.013
    assert (held > 0.9 - 2.5 * 0.0134).all()


def test_prompts_that_are_all_alike_leave_room() -> None:
    # r = 4 / (2 + 4), so 3 prompts' worth: the textbook's Wilson of 1/3 in 3 is 0.0615 to 0.7923
    for interval in of_shares(np.full((2, 3), 1 / 3), np.ones(2)):
        assert interval.low == pytest.approx(0.0615, abs=1e-4)
        assert interval.high == pytest.approx(0.7923, abs=1e-4)
    (alone,) = of_shares(np.full((1, 1), 1 / 3), np.ones(1))
    assert alone.high - alone.low > 0.8
    many = of_shares(np.full((400, 3), 1 / 3), np.ones(400))[0]
    assert many.high - many.low < 0.02  # they do agree


def test_one_tie_takes_nothing_from_a_level_without_credit() -> None:
    # five prompts for the first, one tie of the first two: the third is at 0 of 6, as Wilson has it
    last = of_shares(np.array([FIRST] * 5 + [PAIR]), np.ones(6))[2]
    assert last == wilson(0.0, 6)
    assert last.high == pytest.approx(0.3903, abs=1e-4)


@given(st.lists(st.sampled_from([FIRST, SECOND, LAST]), min_size=1, max_size=40))
def test_without_splits_the_interval_is_wilsons(rows: list[tuple[float, ...]]) -> None:
    credits_ = np.array(rows)
    for mean, interval in zip(
        credits_.mean(axis=0), of_shares(credits_, np.ones(len(rows))), strict=True
    ):
        wanted = wilson(float(mean), len(rows))
        assert (interval.low, interval.high) == pytest.approx((wanted.low, wanted.high), abs=1e-9)


def test_split_credit_is_surer_than_a_proportion() -> None:
    credits_ = np.array([[1.0, 0.0], [0.5, 0.5], [0.0, 1.0], [1.0, 0.0]] * 20)
    found = of_shares(credits_, np.ones(80))
    # mean 0.625, variance of one prompt 0.1719: half-width 1.96 sqrt(0.1719 / 80) = 0.091,
    # both ends pulled to the middle by Wilson
    assert found[0].low == pytest.approx(0.625 - 0.091, abs=0.007)
    assert found[0].high == pytest.approx(0.625 + 0.091, abs=0.007)
    whole = wilson(0.625, 80)
    assert found[0].high - found[0].low < whole.high - whole.low


def test_faded_verdicts_make_the_interval_wider() -> None:
    credits_ = np.eye(2)[[0, 1] * 20]
    even = of_shares(credits_, np.ones(40))[0]
    faded = of_shares(credits_, np.repeat([1.0, 0.05], 20))[0]
    assert faded.high - faded.low > even.high - even.low
