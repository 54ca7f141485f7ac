from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_records import intensity

from sprout.grid.intensity import Intensity, IntensityRange, IntensityTrace

NOON = datetime(2023, 2, 1, 12, tzinfo=UTC)


def intensity_at(start: datetime, g_per_kwh: float = 300.0, duration_s: int = 3600) -> Intensity:
    return intensity(g_per_kwh, start, duration_s=duration_s)


def test_an_intensity_covers_its_start_and_not_its_end() -> None:
    hour = intensity_at(NOON)

    assert hour.end == datetime(2023, 2, 1, 13, tzinfo=UTC)
    assert hour.covers(NOON)
    assert hour.covers(hour.end - timedelta(microseconds=1))
    assert not hour.covers(hour.end)
    assert not hour.covers(NOON - timedelta(microseconds=1))


def test_an_intensity_answers_for_times_given_in_another_zone() -> None:
    kolkata = timezone(timedelta(hours=5, minutes=30))

    assert intensity_at(NOON).covers(datetime(2023, 2, 1, 17, 45, tzinfo=kolkata))  # 12:15 UTC


@pytest.mark.parametrize(
    "start",
    [
        datetime(2023, 2, 1, 12),  # noqa: DTZ001
        datetime(2023, 2, 1, 12, tzinfo=timezone(timedelta(hours=1))),
    ],
)
def test_an_intensity_refuses_a_start_that_is_not_in_utc(start: datetime) -> None:
    with pytest.raises(ValueError, match="zone DE is not in UTC"):
        intensity_at(start)


@pytest.mark.parametrize("g_per_kwh", [-1.0, float("nan"), float("inf")])
def test_an_intensity_refuses_what_no_grid_can_have(g_per_kwh: float) -> None:
    with pytest.raises(ValueError, match="is not an intensity"):
        intensity_at(NOON, g_per_kwh)


@pytest.mark.parametrize("duration_s", [0, -3600])
def test_an_intensity_refuses_to_last_no_time(duration_s: int) -> None:
    with pytest.raises(ValueError, match="is not positive"):
        intensity_at(NOON, duration_s=duration_s)


@pytest.mark.parametrize(
    ("g_per_kwh", "position"),
    [(100.0, 0.0), (200.0, 0.25), (300.0, 0.5), (500.0, 1.0), (40.0, 0.0), (900.0, 1.0)],
)
def test_position_runs_from_0_to_1_and_is_clamped(g_per_kwh: float, position: float) -> None:
    # The span is 400 g/kWh: 200 is a quarter of the way, 300 is half.
    assert IntensityRange(100.0, 500.0, "test").position(g_per_kwh) == position


@pytest.mark.parametrize("g_per_kwh", [0.0, 300.0, 900.0])
def test_a_range_of_one_value_gives_no_preference_away(g_per_kwh: float) -> None:
    assert IntensityRange(300.0, 300.0, "test").position(g_per_kwh) == 0.0


@given(st.tuples(*[st.floats(0, 3000)] * 3))
def test_position_never_leaves_0_to_1(values: tuple[float, float, float]) -> None:
    low, high, g_per_kwh = min(values[:2]), max(values[:2]), values[2]

    assert 0.0 <= IntensityRange(low, high, "test").position(g_per_kwh) <= 1.0


@pytest.mark.parametrize(("low", "high"), [(500.0, 100.0), (float("nan"), 100.0)])
def test_a_range_refuses_ends_that_are_no_range(low: float, high: float) -> None:
    with pytest.raises(ValueError, match="no range"):
        IntensityRange(low, high, "test")


def hours(*hours_of_day: int) -> tuple[Intensity, ...]:
    return tuple(
        intensity_at(NOON.replace(hour=hour), g_per_kwh=100.0 + hour) for hour in hours_of_day
    )


def test_a_trace_returns_the_intensity_of_the_hour() -> None:
    trace = IntensityTrace(hours(10, 11, 12))

    assert trace.at(datetime(2023, 2, 1, 10, tzinfo=UTC)).g_per_kwh == 110.0
    assert trace.at(datetime(2023, 2, 1, 11, 59, 59, tzinfo=UTC)).g_per_kwh == 111.0
    assert trace.at(datetime(2023, 2, 1, 12, 30, tzinfo=UTC)).g_per_kwh == 112.0


@pytest.mark.parametrize("hour", [9, 13])
def test_a_trace_names_what_it_covers_when_asked_outside(hour: int) -> None:
    trace = IntensityTrace(hours(10, 11, 12))

    with pytest.raises(LookupError, match="outside the trace") as failure:
        trace.at(NOON.replace(hour=hour))
    assert "2023-02-01 10:00:00+00:00 to 2023-02-01 13:00:00+00:00" in str(failure.value)


def test_a_trace_does_not_fill_a_gap() -> None:
    trace = IntensityTrace(hours(10, 12))

    with pytest.raises(LookupError, match="in a gap of the trace"):
        trace.at(NOON.replace(hour=11))


@pytest.mark.parametrize("field", ["zone", "kind", "factor_type"])
def test_a_trace_refuses_to_mix_series(field: str) -> None:
    other = {"zone": "FR", "kind": "marginal", "factor_type": "direct"}[field]
    first, second = hours(10, 11)

    with pytest.raises(ValueError, match="one zone, kind and factor type"):
        IntensityTrace((first, replace(second, **{field: other})))  # type: ignore[arg-type]


def test_a_trace_may_mix_sources_and_forecasts() -> None:
    first, second = hours(10, 11)

    trace = IntensityTrace((first, replace(second, source="other", is_forecast=True)))

    assert trace.at(second.start).source == "other"


@pytest.mark.parametrize("of_day", [(11, 10), (10, 10)])
def test_a_trace_refuses_disorder_and_repeats(of_day: tuple[int, int]) -> None:
    with pytest.raises(ValueError, match="starts before the one at"):
        IntensityTrace(hours(*of_day))


def test_a_trace_refuses_overlap() -> None:
    with pytest.raises(ValueError, match="starts before the one at"):
        IntensityTrace((intensity_at(NOON), intensity_at(NOON + timedelta(minutes=59))))


def test_a_trace_refuses_to_be_empty() -> None:
    with pytest.raises(ValueError, match="at least one"):
        IntensityTrace(())


@given(
    st.lists(st.integers(0, 23), min_size=1, unique=True).map(sorted),
    st.integers(-3600, 25 * 3600),
)
def test_a_trace_finds_what_a_walk_over_all_intensities_finds(
    of_day: list[int], second: int
) -> None:
    trace = IntensityTrace(hours(*of_day))
    when = NOON.replace(hour=0) + timedelta(seconds=second)
    covering = [each for each in trace.intensities if each.covers(when)]

    assert all(earlier.end <= later.start for earlier, later in pairwise(trace.intensities))
    if covering:
        assert trace.at(when) is covering[0]
    else:
        with pytest.raises(LookupError):
            trace.at(when)
