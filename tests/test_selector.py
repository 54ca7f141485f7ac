import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sprout.selector import Quota

WEIGHTS = st.lists(st.integers(0, 1000), min_size=1, max_size=8).filter(any)


def shares_of(weights: list[int]) -> tuple[float, ...]:
    return tuple(weight / sum(weights) for weight in weights)


def worst_deviation(quota: Quota, shares: tuple[float, ...], num_requests: int) -> float:
    worst = 0.0
    for _ in range(num_requests):
        quota.next()
        n = sum(quota.counts)
        worst = max(worst, *(abs(n * s - c) for s, c in zip(shares, quota.counts, strict=True)))
    return worst


@given(WEIGHTS)
def test_counts_stay_within_the_bound_of_tijdeman(weights: list[int]) -> None:
    shares = shares_of(weights)
    k = sum(share > 0 for share in shares)
    bound = 1 - 1 / (2 * k - 2) if k > 1 else 0
    assert worst_deviation(Quota(shares), shares, 300) <= bound + 1e-9


@given(WEIGHTS, st.integers(0, 200))
def test_a_restored_quota_continues_as_if_it_had_never_stopped(
    weights: list[int], num_before: int
) -> None:
    shares = shares_of(weights)
    quota = Quota(shares)
    for _ in range(num_before):
        quota.next()
    restored = Quota(shares, quota.counts)
    assert [restored.next() for _ in range(50)] == [quota.next() for _ in range(50)]


@given(WEIGHTS)
def test_a_level_without_share_is_never_chosen(weights: list[int]) -> None:
    shares = shares_of(weights)
    quota = Quota(shares)
    assert all(shares[quota.next()] > 0 for _ in range(100))


@settings(max_examples=20)
@given(st.lists(st.floats(1e-9, 1), min_size=2, max_size=8))
def test_the_bound_holds_for_shares_that_a_solver_left_tiny(values: list[float]) -> None:
    shares = tuple(value / sum(values) for value in values)
    bound = 1 - 1 / (2 * len(shares) - 2)
    assert worst_deviation(Quota(shares), shares, 2000) <= bound + 1e-8


def test_two_levels_alternate_by_hand() -> None:
    # Shares 1/4 and 3/4, k = 2, least deficit 1/2.
    # n=1: deficits .25, .75 -> level 1.  n=2: .5, .5: (1/2 - .5) / share = 0 both -> level 0.
    # n=3: -.25, 1.25 -> 1.  n=4: 0, 1 -> 1.  Then it repeats.
    quota = Quota((0.25, 0.75))
    assert [quota.next() for _ in range(8)] == [1, 0, 1, 1, 1, 0, 1, 1]
    assert quota.counts == (2, 6)


def test_one_level_serves_all() -> None:
    quota = Quota((0.0, 1.0, 0.0))
    assert [quota.next() for _ in range(3)] == [1, 1, 1]


def test_counts_of_another_mix_are_made_up_for() -> None:
    # Level 1 is ten behind: it serves until its count is within its share again.
    quota = Quota((0.5, 0.5), (10, 0))
    assert [quota.next() for _ in range(9)] == [1] * 9
    assert sorted(quota.next() for _ in range(2)) in ([0, 1], [1, 1])


def test_counts_too_large_for_exact_deficits_still_give_a_level() -> None:
    # At 1e17 requests n * share is rounded to the next 16: both deficits come out as 0.
    quota = Quota((0.3, 0.7), (3 * 10**16, 7 * 10**16))
    assert quota.next() in (0, 1)


@pytest.mark.parametrize("shares", [(), (0.5, 0.4), (1.5, -0.5), (float("nan"), 1.0)])
def test_shares_that_are_no_mix_are_refused(shares: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="sum to 1"):
        Quota(shares)


@pytest.mark.parametrize(("counts", "match"), [((1,), "1 counts"), ((1, -1), "negative")])
def test_counts_that_do_not_fit_are_refused(counts: tuple[int, ...], match: str) -> None:
    with pytest.raises(ValueError, match=match):
        Quota((0.5, 0.5), counts)
