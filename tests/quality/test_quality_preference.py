import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprout.quality.preference import estimate, prior

LEVELS = ("L0", "L1", "L2")


def one_hot(*chosen: int) -> np.ndarray:
    return np.eye(3)[list(chosen)]


def test_the_mean_is_the_share_of_prompts_that_chose_a_level() -> None:
    shares = estimate(LEVELS, one_hot(0, 0, 1, 2), np.ones(4))
    # 2, 1 and 1 of 4
    assert shares.mean.tolist() == [0.5, 0.25, 0.25]
    assert shares.num_prompts == 4
    assert shares.of("L1") == 0.25
    assert shares.of("L7") is None


def test_the_covariance_is_the_multinomial_one_for_equal_weights() -> None:
    shares = estimate(LEVELS, one_hot(0, 0, 1, 2), np.ones(4))
    assert shares.covariance is not None
    # sample variance of a mean, n = 4: var(q0) = 0.5 * 0.5 / 3, cov(q0, q1) = -0.5 * 0.25 / 3
    assert shares.covariance[0, 0] == pytest.approx(0.25 / 3)
    assert shares.covariance[0, 1] == pytest.approx(-0.125 / 3)


def test_split_credit_is_surer_than_a_choice() -> None:
    split = estimate(LEVELS, np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]]), np.ones(3))
    chosen = estimate(LEVELS, one_hot(0, 1, 2), np.ones(3))
    assert split.covariance is not None
    assert chosen.covariance is not None
    assert split.covariance[0, 0] < chosen.covariance[0, 0]


def test_faded_verdicts_count_less_and_say_so() -> None:
    shares = estimate(LEVELS, one_hot(0, 1), np.array([1.0, 0.25]))
    assert shares.mean[0] == pytest.approx(0.8)  # 1 / 1.25
    assert shares.num_prompts == pytest.approx(1.25**2 / (1 + 0.0625))


def test_one_prompt_says_nothing_of_its_own_certainty() -> None:
    assert estimate(LEVELS, one_hot(1), np.ones(1)).covariance is None


def test_a_prior_has_no_certainty() -> None:
    shares = prior({"L0": 0.6, "L1": 0.4})
    assert shares.of("L0") == 0.6
    assert shares.covariance is None


@pytest.mark.parametrize(
    ("credits_", "weights"),
    [
        (np.zeros((0, 3)), np.ones(0)),
        (np.array([[0.5, 0.0, 0.0]]), np.ones(1)),
        (np.array([[2.0, -1.0, 0.0]]), np.ones(1)),
        (one_hot(0), np.zeros(1)),
        (one_hot(0), np.ones(2)),
    ],
)
def test_what_is_no_verdict_is_refused(credits_: np.ndarray, weights: np.ndarray) -> None:
    with pytest.raises(ValueError, match="credit"):
        estimate(LEVELS, credits_, weights)


@given(st.lists(st.tuples(st.integers(0, 2), st.floats(0.01, 1)), min_size=2, max_size=60))
def test_shares_sum_to_one_and_what_one_level_gains_others_lose(
    votes: list[tuple[int, float]],
) -> None:
    chosen, weights = zip(*votes, strict=True)
    shares = estimate(LEVELS, one_hot(*chosen), np.array(weights))
    assert shares.mean.sum() == pytest.approx(1)
    if shares.covariance is not None:
        assert np.allclose(shares.covariance.sum(axis=0), 0, atol=1e-12)
        assert (np.linalg.eigvalsh(shares.covariance) >= -1e-12).all()
