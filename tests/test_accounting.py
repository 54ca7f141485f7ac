import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprout.accounting import Charge, Ledger, Step


class Counter:
    """A known curve: constant power, known up to a time."""

    def __init__(self, power_w: float, known_until_s: float = math.inf) -> None:
        self.power_w = power_w
        self.known_until_s = known_until_s

    def covers(self, t_s: float) -> bool:
        return t_s <= self.known_until_s

    def between(self, start_s: float, end_s: float) -> float:
        return self.power_w * (end_s - start_s)


class Bumpy(Counter):
    """Power that changes all the time: E(t) = t + sin(t)."""

    def between(self, start_s: float, end_s: float) -> float:
        return end_s + math.sin(end_s) - start_s - math.sin(start_s)


def test_a_step_is_shared_by_tokens() -> None:
    # 10 W for 2 s = 20 J; 3 of 4 tokens are a's.
    ledger = Ledger(0.0)
    ledger.add(Step(0.0, 2.0, (("a", 3.0), ("b", 1.0))))
    ledger.settle(Counter(10.0))
    assert ledger.charge("a") == Charge(energy_j=15.0, busy_s=1.5)
    assert ledger.charge("b") == Charge(energy_j=5.0, busy_s=0.5)


def test_gaps_between_steps_are_idle() -> None:
    # Idle 100-101, 102-105: 4 s at 10 W.
    ledger = Ledger(100.0)
    ledger.add(Step(101.0, 102.0, (("a", 1.0),)))
    ledger.add(Step(105.0, 106.0, (("a", 7.0),)))
    ledger.settle(Counter(10.0))
    assert (ledger.idle_s, ledger.idle_j) == (4.0, 40.0)
    assert ledger.charge("a") == Charge(energy_j=20.0, busy_s=2.0)
    assert (ledger.total_j, ledger.settled_until_s) == (60.0, 106.0)


def test_a_step_without_tokens_is_idle() -> None:
    ledger = Ledger(0.0)
    ledger.add(Step(0.0, 1.0, (("a", 0.0),)))
    ledger.add(Step(1.0, 3.0, ()))
    ledger.settle(Counter(10.0))
    assert (ledger.idle_s, ledger.idle_j, ledger.total_j) == (3.0, 30.0, 30.0)
    assert ledger.charge("a") == Charge(0.0, 0.0)


def test_a_charge_is_unknown_until_the_curve_covers_all_its_steps() -> None:
    ledger = Ledger(0.0)
    ledger.add(Step(0.0, 1.0, (("a", 1.0), ("b", 1.0))))
    ledger.add(Step(1.0, 2.0, (("a", 1.0),)))
    ledger.settle(Counter(10.0, known_until_s=1.5))
    assert ledger.charge("a") is None
    assert ledger.pop("a") is None
    assert ledger.charge("b") == Charge(5.0, 0.5)
    assert ledger.settled_until_s == 1.0
    ledger.settle(Counter(10.0, known_until_s=2.0))
    assert ledger.charge("a") == Charge(15.0, 1.5)


def test_pop_forgets_a_request() -> None:
    ledger = Ledger(0.0)
    ledger.add(Step(0.0, 1.0, (("a", 1.0),)))
    ledger.settle(Counter(10.0))
    assert ledger.pop("a") == Charge(10.0, 1.0)
    with pytest.raises(KeyError):
        ledger.charge("a")


def test_memory_does_not_grow_with_finished_requests() -> None:
    ledger = Ledger(0.0)
    for i in range(10_000):
        ledger.add(Step(float(i), i + 1.0, ((f"request-{i}", 1.0),)))
        ledger.settle(Counter(10.0))
        ledger.pop(f"request-{i}")
    assert not ledger._accounts
    assert not ledger._pending
    assert ledger.total_j == 100_000.0


def test_an_empty_step_settles_the_idle_time_at_the_end() -> None:
    ledger = Ledger(0.0)
    ledger.add(Step(5.0, 5.0, ()))
    ledger.settle(Counter(10.0))
    assert (ledger.idle_j, ledger.total_j, ledger.settled_until_s) == (50.0, 50.0, 5.0)


@pytest.mark.parametrize(
    ("start_s", "end_s"),
    [(0.5, 3.0), (2.0, 1.5), (2.0, math.nan), (math.nan, 3.0), (2.0, math.inf)],
)
def test_a_step_that_overlaps_or_runs_backwards_is_refused(start_s: float, end_s: float) -> None:
    ledger = Ledger(0.0)
    ledger.add(Step(0.0, 1.0, ()))
    with pytest.raises(ValueError, match="after one that ended at"):
        ledger.add(Step(start_s, end_s, ()))


def test_a_step_before_the_start_is_refused() -> None:
    with pytest.raises(ValueError, match="ended at 10"):
        Ledger(10.0).add(Step(9.0, 11.0, ()))


@pytest.mark.parametrize("num_tokens", [-1.0, math.nan, math.inf])
def test_shares_that_are_no_token_counts_are_refused(num_tokens: float) -> None:
    with pytest.raises(ValueError, match="token shares"):
        Ledger(0.0).add(Step(0.0, 1.0, (("a", num_tokens),)))


TOKENS = st.one_of(st.just(0.0), st.floats(0.001, 5000.0))
STEPS = st.lists(
    st.tuples(st.floats(0, 5), st.floats(0, 5), st.dictionaries(st.sampled_from("abcdef"), TOKENS)),
    max_size=40,
)


@given(STEPS, st.floats(0, 1e6))
def test_charges_and_idle_sum_to_the_counter(
    drawn: list[tuple[float, float, dict[str, float]]], start_s: float
) -> None:
    ledger = Ledger(start_s)
    now_s = start_s
    for gap_s, length_s, shares in drawn:
        begin_s = now_s + gap_s
        now_s = begin_s + length_s
        ledger.add(Step(begin_s, now_s, tuple(shares.items())))
    curve = Bumpy(0.0)
    ledger.settle(curve)
    named = {request_id for *_, shares in drawn for request_id in shares}
    charges = [ledger.pop(request_id) for request_id in sorted(named)]
    energy_j = math.fsum(charge.energy_j for charge in charges if charge)
    busy_s = math.fsum(charge.busy_s for charge in charges if charge)
    used_j = curve.between(start_s, now_s)
    assert energy_j + ledger.idle_j == pytest.approx(used_j, abs=1e-7)
    assert ledger.total_j == pytest.approx(used_j, abs=1e-7)
    assert busy_s + ledger.idle_s == pytest.approx(now_s - start_s, abs=1e-7)


@given(STEPS, st.lists(st.floats(0, 400), max_size=5))
def test_settling_in_parts_charges_the_same(
    drawn: list[tuple[float, float, dict[str, float]]], known_until_s: list[float]
) -> None:
    at_once, in_parts = Ledger(0.0), Ledger(0.0)
    now_s = 0.0
    for gap_s, length_s, shares in drawn:
        step = Step(now_s + gap_s, now_s + gap_s + length_s, tuple(shares.items()))
        now_s = step.end_s
        at_once.add(step)
        in_parts.add(step)
    at_once.settle(Counter(3.0))
    for known_s in (*sorted(known_until_s), math.inf):
        in_parts.settle(Counter(3.0, known_s))
    for request_id in {request_id for *_, shares in drawn for request_id in shares}:
        assert at_once.charge(request_id) == in_parts.charge(request_id)
    assert at_once.idle_j == in_parts.idle_j
