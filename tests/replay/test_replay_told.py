import numpy as np
import pytest

from sprout.quality.preference import estimate
from sprout.replay.told import estimates


def test_estimates_are_those_of_the_live_evaluator() -> None:
    patterns = np.array([[1.0, 0.0, 0.0], [0.0, 0.5, 0.5], [0.0, 0.0, 1.0]])
    counts = np.array([[5.0, 3.0, 2.0], [1.0, 0.0, 9.0]])
    mean, covariance = estimates(counts, patterns)
    for row, credits_ in enumerate(np.repeat(patterns, n.astype(int), axis=0) for n in counts):
        live = estimate(("L0", "L1", "L2"), credits_, np.ones(10))
        assert mean[row] == pytest.approx(live.mean)
        assert live.covariance is not None
        assert covariance[row] == pytest.approx(live.covariance)


def test_nothing_judged_is_nothing_known() -> None:
    mean, covariance = estimates(np.zeros((1, 2)), np.eye(2))
    assert mean.tolist() == [[0, 0]]
    assert not covariance.any()
