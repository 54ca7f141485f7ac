from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from plain_records import NOW, intensity

from sprout.grid.intensity import History, Series
from sprout.state.intensities import Intensities, Stored
from sprout.state.store import Store

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)
DE = Series("DE", "average", "lifecycle")


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Intensities]:
    with Store.open(tmp_path / "sprout.db") as store:
        yield Intensities(store)


def test_an_intensity_comes_back_as_it_was_stored(table: Intensities) -> None:
    told = replace(intensity(), generated_at=datetime(2026, 1, 1, 11, 59, 30, 250_000, tzinfo=UTC))
    assert table.add([told]) == 1
    assert table.covering(DE, NOW) == told


def test_the_same_hour_again_replaces_the_old_value(table: Intensities) -> None:
    table.add([intensity(200)])
    table.add([intensity(210)])
    found = table.covering(DE, NOW)
    assert found is not None
    assert found.g_per_kwh == 210
    assert [row.num_rows for row in table.zones()] == [1]


def test_an_hour_covers_its_start_but_not_its_end(table: Intensities) -> None:
    table.add([intensity()])
    almost = NOW + HOUR - timedelta(milliseconds=1)
    assert table.covering(DE, NOW - timedelta(milliseconds=1)) is None
    assert table.covering(DE, almost) == intensity()
    assert table.covering(DE, NOW + HOUR) is None


def test_other_zones_and_factors_do_not_cover(table: Intensities) -> None:
    table.add([intensity(), replace(intensity(zone="FR"), kind="marginal")])
    assert table.covering(replace(DE, zone="FR"), NOW) is None
    assert table.covering(replace(DE, factor_type="direct"), NOW) is None


def test_measured_comes_before_estimated_before_forecast(table: Intensities) -> None:
    measured = intensity(200)
    estimated = intensity(210, source="another", is_estimated=True)
    forecast = intensity(220, is_forecast=True)
    for expected in (forecast, estimated, measured):
        table.add([expected])
        assert table.covering(DE, NOW) == expected


def test_a_measured_hour_comes_before_a_later_forecast_of_minutes(table: Intensities) -> None:
    late = NOW + timedelta(minutes=55)
    forecasts = [
        intensity(300 + i, NOW + timedelta(minutes=5 * i), duration_s=300, is_forecast=True)
        for i in range(12)
    ]
    table.add([intensity(200), *forecasts])
    assert table.covering(DE, late) == intensity(200)


def test_the_range_is_of_the_trailing_year_alone(table: Intensities) -> None:
    def at(g_per_kwh: float, days_ago: float) -> None:
        table.add([intensity(g_per_kwh, NOW - days_ago * DAY)])

    at(10, 366)  # too old
    at(120, 364)
    at(480, 100)
    at(300, 0)
    at(900, -1)  # to come
    table.add([intensity(5, NOW - 2 * DAY, is_forecast=True)])
    table.add([intensity(6, NOW - 2 * DAY, zone="FR")])
    assert table.history(DE, NOW) == History(120, 480, 3, NOW - 364 * DAY)


def test_a_day_that_reaches_into_the_trailing_year_counts_and_no_year_has_more_days(
    table: Intensities,
) -> None:
    """It is noon: the year begins in the middle of one day's row, and ends in that of today's."""
    since = NOW - 365 * DAY
    days = [
        intensity(300 + n, NOW.replace(hour=0) - n * DAY, duration_s=86_400) for n in range(367)
    ]
    table.add(days)
    # the row of 366 days ago is over before the year begins; that of 365 reaches in by 12 hours
    assert table.history(DE, NOW) == History(300, 665, 365, since)


@pytest.mark.parametrize("num_days", [31, 366])
def test_the_mean_of_a_month_or_a_year_shows_how_high_no_day_was(
    table: Intensities, num_days: int
) -> None:
    table.add([intensity(5, NOW - 20 * DAY, duration_s=num_days * 86_400, source="csv")])
    assert table.history(DE, NOW) is None
    # of a day on which clocks are set back it is 25 hours
    table.add([intensity(300, NOW - 3 * DAY, duration_s=90_000)])
    assert table.history(DE, NOW) == History(300, 300, 1, NOW - 3 * DAY)


def test_a_zone_without_rows_has_no_history(table: Intensities) -> None:
    table.add([intensity(200, is_forecast=True)])
    assert table.history(DE, NOW) is None


def test_every_length_of_row_is_found_however_many_short_ones_lie_between(
    table: Intensities,
) -> None:
    month = intensity(500, NOW - 20 * DAY, duration_s=31 * 86_400)
    quarters = [
        intensity(i, NOW - i * timedelta(minutes=15), duration_s=900) for i in range(2, 300)
    ]
    table.add([month, *quarters])
    assert table.covering(DE, NOW) == month
    half_hour = intensity(250, NOW - timedelta(minutes=20), duration_s=1800, source="another")
    hour = intensity(240, NOW - timedelta(minutes=30), source="third")
    table.add([hour])
    assert table.covering(DE, NOW) == hour
    table.add([half_hour])
    assert table.covering(DE, NOW) == half_hour


def test_a_forecast_of_the_hour_comes_before_the_mean_of_a_year(table: Intensities) -> None:
    year = intensity(500, NOW - 20 * DAY, duration_s=365 * 86_400)
    forecast = intensity(300, is_forecast=True)
    table.add([year, forecast])
    assert table.covering(DE, NOW) == forecast


def test_of_two_forecasts_the_newer_one_counts(table: Intensities) -> None:
    old = replace(intensity(300, is_forecast=True), generated_at=NOW - HOUR)
    new = replace(intensity(310, is_forecast=True, source="other"), generated_at=NOW)
    table.add([new, old])
    assert table.covering(DE, NOW) == new


def test_a_forecast_is_not_replaced_by_an_older_one(table: Intensities) -> None:
    new = replace(intensity(300, is_forecast=True), generated_at=NOW)
    old = replace(intensity(310, is_forecast=True), generated_at=NOW - HOUR)
    table.add([new])
    table.add([old])
    assert table.covering(DE, NOW) == new


def test_rows_that_reach_into_a_span_are_found_but_not_those_of_days(table: Intensities) -> None:
    before, inside, after = (intensity(1, NOW + i * HOUR) for i in (-1, 0, 1))
    day = intensity(5, NOW - 3 * HOUR, duration_s=86_400, source="days")
    table.add([before, inside, after, day])
    half = timedelta(minutes=30)
    assert table.between(DE, NOW - half, NOW + HOUR) == [before, inside]
    assert table.between(DE, NOW, NOW + HOUR) == [inside]


def test_the_newest_measured_row_is_no_forecast_and_no_day(table: Intensities) -> None:
    measured = intensity(1, NOW - 5 * HOUR)
    table.add([measured, intensity(2, NOW - 2 * HOUR, is_forecast=True)])
    table.add([intensity(3, NOW - 20 * HOUR, duration_s=86_400)])
    assert table.latest_measured(DE, NOW) == measured
    assert table.latest_measured(DE, NOW + 2 * DAY) is None


def test_other_kinds_that_cover_now_are_named(table: Intensities) -> None:
    direct = replace(intensity(), factor_type="direct")
    table.add([direct, replace(intensity(start=NOW - DAY), kind="marginal")])
    assert table.others(DE, NOW) == [Series("DE", "average", "direct")]


def test_zones_are_listed_with_what_is_stored_of_them(table: Intensities) -> None:
    direct = replace(intensity(), factor_type="direct")
    table.add([intensity(), intensity(1, NOW + HOUR), direct, intensity(zone="AT")])
    first, last = "2026-01-01T12:00:00.000Z", "2026-01-01T13:00:00.000Z"
    assert table.zones() == [
        Stored("AT", "average", "lifecycle", 1, first, first),
        Stored("DE", "average", "direct", 1, first, first),
        Stored("DE", "average", "lifecycle", 2, first, last),
    ]
