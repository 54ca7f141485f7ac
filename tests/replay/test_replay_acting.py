import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sprout.replay.acting import best_g


def test_a_levels_share_goes_to_the_requests_that_save_most() -> None:
    # Savings 9, 1, 5 and 3: a share of 0.375 is 1.5 of 4 requests, 9 + 5 / 2 of 28 g
    cost_g = np.array([[[10.0, 1.0], [3.0, 2.0], [7.0, 2.0], [8.0, 5.0]]])
    assert best_g(cost_g, np.array([[0.625, 0.375]])).tolist() == [(28 - 9 - 2.5) / 4]
    assert best_g(cost_g, np.array([[1.0, 0.0]])).tolist() == [7]
    assert best_g(cost_g, np.array([[0.0, 1.0]])).tolist() == [2.5]


@settings(max_examples=50)
@given(st.integers(0, 10**6), st.integers(0, 6))
def test_no_other_choice_of_requests_saves_more(seed: int, num_brief: int) -> None:
    rng = np.random.default_rng(seed)
    cost_g = rng.uniform(1, 10, (1, 6, 2)) * np.array([3.0, 1.0])
    best = float(best_g(cost_g, np.array([[1 - num_brief / 6, num_brief / 6]]))[0])
    for _ in range(50):
        brief = rng.permutation(6) < num_brief
        assert best <= np.where(brief, cost_g[0, :, 1], cost_g[0, :, 0]).mean() + 1e-9
    assert best == pytest.approx(best)
