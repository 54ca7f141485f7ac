"""The preference that a mix kept, and its interval."""

from dataclasses import replace

import pytest

from sprout.report.preferred import ELSE, Preferred, by_class, covariance_of, normalised

SHARES = {"k0": 0.5, "k1": 0.3, "k2": 0.2}
KNOWN = Preferred("m", "f1", None, SHARES, None, "a judge", is_prior=False)


def test_all_l0_keeps_all_preference() -> None:
    found = normalised(KNOWN, {"k0": 7})
    assert (found.kept, found.half_width) == (1.0, 0.0)


def test_a_level_that_was_never_judged_leaves_preference_unknown() -> None:
    assert normalised(KNOWN, {"k0": 7, "other": 1}).kept is None


def test_the_interval_of_preference_is_that_of_many_draws() -> None:
    import numpy as np  # noqa: PLC0415

    # shares of 400 judged prompts
    q = np.array([0.5, 0.3, 0.2])
    covariance = covariance_of((0.5, 0.3, 0.2), 400)
    assert np.array(covariance) == pytest.approx((np.diag(q) - np.outer(q, q)) / 400)
    known = replace(KNOWN, covariance=covariance)
    found = normalised(known, {"k0": 20, "k1": 30, "k2": 50})
    draws = np.random.default_rng(1).multinomial(400, q, size=20_000) / 400
    kept = draws @ np.array([0.2, 0.3, 0.5]) / draws[:, 0]
    assert found.kept == pytest.approx((0.1 + 0.09 + 0.1) / 0.5)
    assert found.half_width == pytest.approx(1.96 * kept.std(), rel=0.05)


def test_each_class_is_held_against_its_own_shares() -> None:
    maths = Preferred("m", "f1", "maths", {"k0": 0.8, "k1": 0.2}, None, "a judge", is_prior=False)
    rest = Preferred("m", "f1", ELSE, {"k0": 0.4, "k1": 0.6}, None, "a judge", is_prior=False)
    counts = {"maths": {"k0": 50, "k1": 50}, "qa": {"k0": 25, "k1": 75}, "": {"k1": 100}}
    overall, *classes = by_class((KNOWN, maths, rest), counts)
    kept = {each.task: each.kept for each in classes}
    # maths: (0.5 * 0.8 + 0.5 * 0.2) / 0.8; the rest: (25 * 0.4 + 175 * 0.6) / 200 / 0.4
    assert kept == {"maths": pytest.approx(0.625), ELSE: pytest.approx(1.4375)}
    # together: 100 * 0.8 * 0.625 + 200 * 0.4 * 1.4375, by 100 * 0.8 + 200 * 0.4
    assert overall.kept == pytest.approx((50 + 115) / 160)
    assert (overall.task, overall.num_answered, overall.half_width) == (None, 300, None)


def test_a_task_without_any_class_leaves_all_together_unknown() -> None:
    maths = Preferred("m", "f1", "maths", {"k0": 0.8, "k1": 0.2}, None, "a judge", is_prior=False)
    (overall,) = by_class((KNOWN, maths), {"qa": {"k0": 1}})
    assert (overall.kept, overall.num_answered) == (None, 1)
