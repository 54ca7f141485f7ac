import math
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_records import NOW, intensity

from sprout.grid.intensity import Intensity, IntensityTrace, rank
from sprout.grid.sparkline import sparkline
from sprout.grid.timeline import best, hourly

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)


def row(
    minute: int, minutes: int, g_per_kwh: float = 100, *, is_forecast: bool = False
) -> Intensity:
    return intensity(
        g_per_kwh, NOW + minute * MINUTE, duration_s=60 * minutes, is_forecast=is_forecast
    )


def told(line: tuple[Intensity, ...]) -> list[tuple[int, int, float]]:
    return [
        (int((each.start - NOW) / MINUTE), each.duration_s // 60, each.g_per_kwh) for each in line
    ]


def test_quarters_are_taken_before_hours_and_hours_fill_their_gaps() -> None:
    rows = [row(0, 60, 1), row(15, 15, 2), row(30, 15, 3)]
    assert told(best(rows, NOW, NOW + HOUR)) == [(0, 15, 1), (15, 15, 2), (30, 15, 3), (45, 15, 1)]


def test_a_measured_hour_is_not_cut_by_forecast_quarters() -> None:
    rows = [row(0, 60, 1), row(15, 15, 2, is_forecast=True), row(60, 15, 3, is_forecast=True)]
    assert told(best(rows, NOW, NOW + 2 * HOUR)) == [(0, 60, 1), (60, 15, 3)]


def test_what_reaches_beyond_the_span_is_cut_and_gaps_stay() -> None:
    rows = [row(-30, 60, 1), row(60, 60, 2)]
    assert told(best(rows, NOW, NOW + timedelta(minutes=90))) == [(0, 30, 1), (60, 30, 2)]
    assert best([], NOW, NOW + HOUR) == ()


def test_what_is_left_of_a_row_for_less_than_a_second_is_a_gap() -> None:
    """A row lasts whole seconds: rounded up, it would overlap the next one."""
    measured = replace(row(0, 60, 1), start=NOW + timedelta(milliseconds=500))
    rows = [row(0, 60, 2, is_forecast=True), measured, row(60, 60, 3, is_forecast=True)]
    rows.append(replace(row(60, 60, 4), start=NOW + HOUR + timedelta(seconds=1)))
    line = IntensityTrace(best(rows, NOW, NOW + 2 * HOUR)).intensities
    assert [each.g_per_kwh for each in line] == [1, 4]


def test_the_newest_forecast_is_taken() -> None:
    old = replace(row(0, 30, 1, is_forecast=True), generated_at=NOW - HOUR)
    new = replace(row(0, 60, 2, is_forecast=True), generated_at=NOW, source="other")
    assert min([old, new], key=rank) == new
    assert told(best([old, new], NOW, NOW + HOUR)) == [(0, 60, 2)]


ROWS = st.lists(
    st.builds(
        lambda quarter, length, is_forecast, value: row(
            15 * quarter, length, value, is_forecast=is_forecast
        ),
        st.integers(-8, 24),
        st.sampled_from([5, 15, 30, 60]),
        st.booleans(),
        st.integers(0, 900),
    ),
    max_size=30,
)


@given(ROWS)
def test_a_line_is_a_trace_and_every_moment_has_its_best_row(rows: list[Intensity]) -> None:
    line = best(rows, NOW, NOW + 6 * HOUR)
    if line:
        IntensityTrace(line)  # refuses overlap
    assert all(earlier.end <= later.start for earlier, later in pairwise(line))
    for minute in range(0, 360, 5):
        when = NOW + minute * MINUTE
        covering = [each for each in rows if each.covers(when)]
        found = [each for each in line if each.covers(when)]
        assert len(found) == bool(covering)
        if covering:
            expected = min(map(rank, covering))
            assert rank(found[0])[:3] == expected[:3]
            values = {each.g_per_kwh for each in covering if rank(each) == expected}
            assert found[0].g_per_kwh in values


def test_hours_are_means_by_time_and_half_an_hour_is_needed() -> None:
    line = best(
        [row(0, 15, 100), row(15, 45, 200), row(60, 15, 7), row(120, 30, 8)], NOW, NOW + 4 * HOUR
    )
    first, second, third, fourth = hourly(line, NOW, 4).tolist()
    assert first == 175  # (15 * 100 + 45 * 200) / 60
    assert math.isnan(second)
    assert third == 8
    assert math.isnan(fourth)


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ([1.0, 2.0, 8.0], "▁▂█"),
        ([5.0, 5.0], "▁▁"),
        ([1.0, math.nan, 8.0], "▁ █"),
        ([math.nan], " "),
        ([], ""),
    ],
)
def test_a_sparkline_has_a_block_a_value(values: list[float], expected: str) -> None:
    assert sparkline(values) == expected
