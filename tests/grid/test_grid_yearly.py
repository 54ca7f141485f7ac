import re
from datetime import UTC, datetime
from importlib import resources

import pytest

from sprout.grid import yearly

NOW = datetime(2026, 11, 23, 15, 4, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("zone", "found", "g_per_kwh", "year"),
    [
        # Values from global_energy_mix.json of codecarbon 3.3.2.
        ("GB", "GB", 237.589, 2023),
        ("UK", "GB", 237.589, 2023),
        ("GBR", "GB", 237.589, 2023),
        ("GB-NIR", "GB", 237.589, 2023),
        ("gb", "GB", 237.589, 2023),
        (" FR ", "FR", 56.039, 2023),
        ("fra", "FR", 56.039, 2023),
        ("DK-DK2", "DK", 151.65, 2023),
        ("ZAF", "ZA", 707.686, 2023),
        ("AFG", "AF", 132.53, 2022),
    ],
)
def test_a_zone_finds_the_row_of_its_country(
    zone: str, found: str, g_per_kwh: float, year: int
) -> None:
    average = yearly.look_up(zone)

    assert average is not None
    assert (average.zone, average.g_per_kwh, average.year) == (found, g_per_kwh, year)


@pytest.mark.parametrize(
    ("zones", "name"),
    [
        (("DE", "DEU", "de"), "Germany"),
        (("US", "USA", "US-TEX-ERCO", "us-cal-ciso"), "United States"),
        (("AU", "AUS", "AU-SA"), "Australia"),
        (("WORLD", "world", "World"), "World (generation-weighted mean)"),
    ],
)
def test_codes_of_one_country_find_one_row(zones: tuple[str, ...], name: str) -> None:
    averages = {yearly.look_up(zone) for zone in zones}

    assert [average.name for average in averages if average] == [name]
    assert None not in averages


@pytest.mark.parametrize("zone", ["XX", "XXX-1", "", "-", "Germany", "CAISO_NORTH"])
def test_an_unknown_zone_finds_nothing(zone: str) -> None:
    assert yearly.look_up(zone) is None


def test_countries_with_a_zero_or_old_or_rounded_away_value_are_not_in_the_table() -> None:
    # CAF is 0.0; ESH is of 2009; MSR and SHN are 0.01 Mt over 0.01 TWh.
    assert [yearly.look_up(zone) for zone in ("CAF", "ESH", "MSR", "SHN")] == [None] * 4


def test_every_row_of_the_table_is_sane() -> None:
    averages = yearly.zones()

    assert len(averages) == 210  # 213 countries of the source, less 4, and WORLD
    assert [each.zone for each in averages] == sorted({each.zone for each in averages})
    for average in averages:
        assert re.fullmatch(r"[A-Z]{2}|WORLD", average.zone)
        assert average.name.strip() == average.name != ""
        assert 10 < average.g_per_kwh < 1500
        assert 2021 <= average.year <= 2023
        assert yearly.look_up(average.zone) == average


def test_the_world_lies_inside_the_range_of_countries() -> None:
    world = yearly.look_up("WORLD")
    span = yearly.world_range()

    assert world is not None
    assert world.g_per_kwh == pytest.approx(480.619)  # Ember gives 481 for 2023
    assert span.low_g_per_kwh < world.g_per_kwh < span.high_g_per_kwh
    # (480.619 - 20) / (1306.025 - 20) = 460.619 / 1286.025
    assert span.position(world.g_per_kwh) == pytest.approx(0.358172, abs=1e-6)


def test_the_range_runs_from_lesotho_to_turkmenistan() -> None:
    span = yearly.world_range()

    assert (span.low_g_per_kwh, span.high_g_per_kwh) == (20.0, 1306.025)
    assert span.source == "yearly averages of 209 countries"


def test_the_attribution_names_the_sources_and_their_licences() -> None:
    table = resources.files("sprout.grid").joinpath("yearly.csv").read_text(encoding="utf-8")

    for text in (yearly.ATTRIBUTION, table.splitlines()[0]):
        for needed in ("Our World in Data", "Ember", "CC BY 4.0", "codecarbon", "Changes"):
            assert needed in text
    assert table.startswith("# ")


def test_an_average_becomes_an_estimated_intensity_of_the_zone_asked_for() -> None:
    average = yearly.look_up("US-TEX-ERCO")
    assert average is not None

    intensity = yearly.as_intensity(average, "US-TEX-ERCO", NOW)

    assert (intensity.source, intensity.zone) == ("yearly average", "US-TEX-ERCO")
    assert intensity.g_per_kwh == average.g_per_kwh
    assert (intensity.kind, intensity.factor_type) == ("average", "lifecycle")
    assert intensity.is_estimated
    assert not intensity.is_forecast
    assert (intensity.generated_at, intensity.fetched_at) == (None, NOW)
    assert intensity.covers(NOW)
    assert intensity.end == datetime(2026, 11, 23, 16, 4, 5, tzinfo=UTC)
