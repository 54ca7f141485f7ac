from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from plain_records import NOW, intensity

from sprout.grid.intensity import IntensityRange
from sprout.state.intensities import Intensities
from sprout.state.store import Store

HOUR = timedelta(hours=1)
DAY = timedelta(days=1)


@pytest.fixture
def table(tmp_path: Path) -> Iterator[Intensities]:
    with Store.open(tmp_path / "sprout.db") as store:
        yield Intensities(store)


def test_an_intensity_comes_back_as_it_was_stored(table: Intensities) -> None:
    told = replace(intensity(), generated_at=datetime(2026, 1, 1, 11, 59, 30, 250_000, tzinfo=UTC))
    assert table.add([told]) == 1
    assert table.covering("DE", "lifecycle", NOW) == told


def test_the_same_hour_again_replaces_the_old_value(table: Intensities) -> None:
    table.add([intensity(200)])
    table.add([intensity(210)])
    found = table.covering("DE", "lifecycle", NOW)
    assert found is not None
    assert found.g_per_kwh == 210
    assert [row[2] for row in table.zones()] == [1]


def test_an_hour_covers_its_start_but_not_its_end(table: Intensities) -> None:
    table.add([intensity()])
    almost = NOW + HOUR - timedelta(milliseconds=1)
    assert table.covering("DE", "lifecycle", NOW - timedelta(milliseconds=1)) is None
    assert table.covering("DE", "lifecycle", almost) == intensity()
    assert table.covering("DE", "lifecycle", NOW + HOUR) is None


def test_other_zones_and_factors_do_not_cover(table: Intensities) -> None:
    table.add([intensity(), replace(intensity(zone="FR"), kind="marginal")])
    assert table.covering("FR", "lifecycle", NOW) is None
    assert table.covering("DE", "direct", NOW) is None


def test_measured_comes_before_estimated_before_forecast(table: Intensities) -> None:
    measured = intensity(200)
    estimated = intensity(210, source="another", is_estimated=True)
    forecast = intensity(220, is_forecast=True)
    for expected in (forecast, estimated, measured):
        table.add([expected])
        assert table.covering("DE", "lifecycle", NOW) == expected


def test_a_measured_hour_comes_before_a_later_forecast_of_minutes(table: Intensities) -> None:
    late = NOW + timedelta(minutes=55)
    forecasts = [
        intensity(300 + i, NOW + timedelta(minutes=5 * i), duration_s=300, is_forecast=True)
        for i in range(12)
    ]
    table.add([intensity(200), *forecasts])
    assert table.covering("DE", "lifecycle", late) == intensity(200)


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
    assert table.range("DE", "lifecycle", NOW) == IntensityRange(
        120, 480, "history of DE since 2025-01-02"
    )


def test_a_history_of_under_a_week_gives_no_range(table: Intensities) -> None:
    assert table.range("DE", "lifecycle", NOW) is None
    table.add([intensity(100, NOW - 7 * DAY + HOUR), intensity(200)])
    assert table.range("DE", "lifecycle", NOW) is None
    table.add([intensity(150, NOW - 7 * DAY)])
    assert table.range("DE", "lifecycle", NOW) is not None


def test_zones_are_listed_with_what_is_stored_of_them(table: Intensities) -> None:
    direct = replace(intensity(), factor_type="direct")
    table.add([intensity(), intensity(1, NOW + HOUR), direct, intensity(zone="AT")])
    first, last = "2026-01-01T12:00:00.000Z", "2026-01-01T13:00:00.000Z"
    assert table.zones() == [
        ("AT", "lifecycle", 1, first, first),
        ("DE", "direct", 1, first, first),
        ("DE", "lifecycle", 2, first, last),
    ]


def test_a_stretch_has_the_surest_intensity_of_each_hour_in_order(table: Intensities) -> None:
    table.add([intensity(300, NOW + hour * HOUR, is_forecast=True) for hour in range(-2, 3)])
    table.add([intensity(200, NOW - 2 * HOUR), intensity(250, NOW - HOUR, is_estimated=True)])
    table.add([intensity(999, NOW, zone="FR"), intensity(100, NOW + 9 * HOUR)])
    found = table.between("DE", "lifecycle", NOW - 2 * HOUR, NOW + 2 * HOUR)
    assert [each.start for each in found] == [NOW + hour * HOUR for hour in range(-2, 2)]
    assert [each.g_per_kwh for each in found] == [200, 250, 300, 300]
    assert table.between("DE", "direct", NOW, NOW + HOUR) == []
