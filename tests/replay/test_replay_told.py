from dataclasses import replace

import numpy as np
import pytest
from replay.test_replay_stage import world_of_four_hours

from sprout.quality.preference import estimate
from sprout.replay.stage import Options, Stage, build
from sprout.replay.told import estimates, told_by_class


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


def stage_of(counts: list[list[list[float]]]) -> Stage:
    """Return two hours, both assessed, whose verdicts [t, c, p] are for L0 or for L1."""
    stage = build(world_of_four_hours(), "XX", Options(0, num_hours=2, num_seeds=1))
    return replace(stage, assessed=np.array([0, 1]), counts=np.array([counts]))


def test_verdicts_accumulate_for_robust_schemes_and_the_newest_count_for_others() -> None:
    stage = stage_of([[[30, 10], [20, 20]], [[10, 30], [0, 40]]])
    newest, all_so_far = (told_by_class(stage, accumulates=each) for each in (False, True))
    assert newest.preference[:, :, 0].tolist() == [[0.75, 0.5], [0.25, 0]]
    assert all_so_far.preference[:, :, 0].tolist() == [[0.75, 0.5], [0.5, 0.25]]
    assert all_so_far.covariance is not None
    # the variance of a share of 0.5 of 80 verdicts
    assert all_so_far.covariance[1, 0, 0, 0] == pytest.approx(0.25 / 79)


def test_a_task_that_was_hardly_judged_is_told_what_all_are() -> None:
    told = told_by_class(stage_of([[[30, 10], [29, 0]]] * 2), accumulates=False)
    assert told.preference[0].tolist() == [[0.75, 0.25], [59 / 69, 10 / 69]]
    assert told.covariance is not None
    assert told.covariance[0, 1, 0, 0] == pytest.approx(59 * 10 / 69**2 / 68)
