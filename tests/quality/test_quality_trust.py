from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprout.quality.trust import Trust, assess


def test_pairs_are_counted_by_what_both_orders_say() -> None:
    found = assess(
        [(True, True), (True, True), (False, False), (True, False), (None, True), (None, None)]
    )
    assert found == Trust(num_right=2, num_wrong=1, num_split=1, num_failed=2)
    assert found.num_pairs == 6


@pytest.mark.parametrize(
    ("right", "wrong", "p"),
    [
        (0, 0, 1.0),
        (1, 0, 0.5),
        (7, 0, 1 / 128),
        (8, 2, (comb(10, 8) + comb(10, 9) + comb(10, 10)) / 1024),
        (0, 5, 1.0),
    ],
)
def test_the_p_value_is_that_of_the_one_sided_sign_test(right: int, wrong: int, p: float) -> None:
    assert Trust(right, wrong, 0, 0).p_value == pytest.approx(p)


def test_seven_of_seven_earn_trust_and_six_of_six_do_not() -> None:
    assert Trust(7, 0, 59, 0).is_trusted  # 1/128 = 0.0078
    assert not Trust(6, 0, 60, 0).is_trusted  # 1/64 = 0.0156


def test_a_judge_that_always_names_the_first_slot_earns_nothing() -> None:
    found = assess([(True, False)] * 66)
    assert (found.num_split, found.p_value, found.is_trusted) == (66, 1.0, False)


def test_a_judge_that_is_wrong_for_sure_is_not_trusted_either() -> None:
    assert not assess([(False, False)] * 66).is_trusted


def test_a_judge_that_leaves_more_than_a_tenth_unread_is_not_trusted() -> None:
    assert Trust(60, 0, 0, 6).is_trusted  # 6 of 66
    assert not Trust(59, 0, 0, 7).is_trusted
    assert not Trust(0, 0, 0, 0).is_trusted


@given(st.integers(0, 60), st.integers(0, 60))
def test_more_right_pairs_never_lower_trust(right: int, wrong: int) -> None:
    assert Trust(right + 1, wrong, 0, 0).p_value <= Trust(right, wrong, 0, 0).p_value + 1e-12
