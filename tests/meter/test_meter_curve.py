import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprout.meter.curve import EnergyCurve

STEPS = st.lists(st.tuples(st.floats(0.001, 10.0), st.floats(0.0, 1000.0)), min_size=1, max_size=40)
FRACTIONS = st.lists(st.floats(0.0, 1.0), min_size=3, max_size=3).map(sorted)


def curve_of(*samples: tuple[float, float]) -> EnergyCurve:
    curve = EnergyCurve()
    for t_s, joules in samples:
        curve.append(t_s, joules)
    return curve


def curve_of_steps(steps: list[tuple[float, float]]) -> tuple[EnergyCurve, list[float]]:
    times_s = list(itertools.accumulate((dt for dt, _ in steps), initial=0.0))
    joules = list(itertools.accumulate((dj for _, dj in steps), initial=0.0))
    return curve_of(*zip(times_s, joules, strict=True)), times_s


def test_energy_between_two_samples_is_interpolated() -> None:
    curve = curve_of((10.0, 100.0), (12.0, 140.0), (13.0, 200.0))
    assert curve.energy_at(10.0) == 100.0
    assert curve.energy_at(10.5) == 110.0  # 100 + 40 * 0.5 / 2
    assert curve.energy_at(12.0) == 140.0
    assert curve.energy_at(12.25) == 155.0  # 140 + 60 * 0.25 / 1
    assert curve.energy_at(13.0) == 200.0


def test_energy_of_an_interval_is_the_difference_at_its_ends() -> None:
    curve = curve_of((10.0, 100.0), (12.0, 140.0), (13.0, 200.0))
    assert curve.between(11.0, 12.5) == 50.0  # (140 + 30) - (100 + 20)
    assert curve.between(11.0, 11.0) == 0.0


def test_a_curve_covers_up_to_its_last_sample() -> None:
    curve = EnergyCurve()
    assert not curve.covers(0.0)
    curve.append(1.0, 0.0)
    assert curve.covers(1.0)
    assert not curve.covers(1.1)


def test_two_samples_at_one_time_make_a_step() -> None:
    curve = curve_of((0.0, 0.0), (1.0, 10.0), (1.0, 30.0), (2.0, 40.0))
    assert curve.energy_at(0.5) == 5.0
    assert curve.energy_at(1.0) == 30.0
    assert curve.energy_at(1.5) == 35.0


@pytest.mark.parametrize("t_s", [0.9, 2.1, float("nan")])
def test_a_time_outside_the_curve_is_refused(t_s: float) -> None:
    with pytest.raises(ValueError, match=r"from 1\.0 s to 2\.0 s"):
        curve_of((1.0, 0.0), (2.0, 1.0)).energy_at(t_s)


def test_an_empty_curve_has_no_energy_to_tell() -> None:
    with pytest.raises(ValueError, match="no samples"):
        EnergyCurve().energy_at(0.0)


def test_a_reversed_interval_is_refused() -> None:
    with pytest.raises(ValueError, match="before its start"):
        curve_of((0.0, 0.0), (2.0, 1.0)).between(1.5, 0.5)


@pytest.mark.parametrize("sample", [(0.9, 6.0), (1.1, 4.9), (float("nan"), 6.0)])
def test_a_sample_that_goes_back_is_refused(sample: tuple[float, float]) -> None:
    curve = curve_of((1.0, 5.0))
    with pytest.raises(ValueError, match="went back"):
        curve.append(*sample)


def test_a_long_run_keeps_few_samples() -> None:
    curve = EnergyCurve()
    for tick in range(10_000):
        curve.append(float(tick), 2.0 * tick)
        curve.forget_before(tick - 3.5)
    assert len(curve) == 5  # 9995 to 9999: the first is the last at or before 9995.5
    assert len(curve._times_s) <= 2 * 5 + 1
    assert curve.between(9995.5, 9999.0) == 7.0


def test_forgetting_before_the_first_sample_forgets_nothing() -> None:
    curve = curve_of((1.0, 0.0), (2.0, 1.0))
    curve.forget_before(0.0)
    assert len(curve) == 2


def test_forgetting_past_the_end_keeps_the_last_sample() -> None:
    curve = curve_of((1.0, 0.0), (2.0, 1.0))
    curve.forget_before(9.0)
    assert len(curve) == 1
    assert curve.energy_at(2.0) == 1.0


@given(STEPS, FRACTIONS)
def test_energies_of_adjoining_intervals_add_up(
    steps: list[tuple[float, float]], fractions: list[float]
) -> None:
    curve, times_s = curve_of_steps(steps)
    start_s, middle_s, end_s = (times_s[-1] * fraction for fraction in fractions)
    parts_j = curve.between(start_s, middle_s) + curve.between(middle_s, end_s)
    assert parts_j == pytest.approx(curve.between(start_s, end_s), abs=1e-9)


@given(STEPS, FRACTIONS)
def test_energy_never_falls(steps: list[tuple[float, float]], fractions: list[float]) -> None:
    curve, times_s = curve_of_steps(steps)
    energies_j = [curve.energy_at(times_s[-1] * fraction) for fraction in fractions]
    assert energies_j == sorted(energies_j)


@given(STEPS, FRACTIONS)
def test_forgetting_changes_no_later_answer(
    steps: list[tuple[float, float]], fractions: list[float]
) -> None:
    curve, times_s = curve_of_steps(steps)
    cut_s, *later_s = (times_s[-1] * fraction for fraction in fractions)
    asked_s = [cut_s, *later_s, times_s[-1]]
    before_j = [curve.energy_at(t_s) for t_s in asked_s]
    curve.forget_before(cut_s)
    curve.append(times_s[-1] + 1.0, before_j[-1] + 1.0)
    assert [curve.energy_at(t_s) for t_s in asked_s] == before_j
    assert curve.energy_at(times_s[-1] + 1.0) == before_j[-1] + 1.0
