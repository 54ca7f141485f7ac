import pytest
from plain_records import NOW, intensity

from sprout.errors import InputError
from sprout.grid import yearly
from sprout.grid.intensity import IntensityRange
from sprout.grid.reading import fixed, known, yearly_average

HISTORY = IntensityRange(100, 500, "history of DE")


def test_a_number_of_the_user_is_taken_for_an_hour_and_marked_fixed() -> None:
    reading = fixed(321.5, "DE", NOW)
    assert reading.mark == "fixed"
    assert reading.described_source == "--intensity (fixed)"
    assert reading.intensity.g_per_kwh == 321.5
    assert reading.intensity.zone == "DE"
    assert (reading.intensity.start, reading.intensity.duration_s) == (NOW, 3600)
    assert not reading.intensity.is_estimated
    assert reading.notes == ()


def test_a_number_without_a_zone_is_of_the_world() -> None:
    assert fixed(100, None, NOW).intensity.zone == yearly.WORLD


def test_a_number_is_judged_against_the_countries_of_the_world() -> None:
    # 20 (Lesotho) to 1306.025 (Turkmenistan), so that 663.0125 is the middle
    assert fixed(20, None, NOW).position == 0
    assert fixed(663.0125, None, NOW).position == pytest.approx(0.5)
    assert fixed(1306.025, None, NOW).position == 1
    assert fixed(5000, None, NOW).position == 1


@pytest.mark.parametrize(
    ("is_forecast", "is_estimated", "mark"),
    [
        (False, False, "measured"),
        (False, True, "estimated"),
        (True, False, "forecast"),
        (True, True, "forecast"),
    ],
)
def test_a_stored_intensity_says_what_it_is(
    *, is_forecast: bool, is_estimated: bool, mark: str
) -> None:
    row = intensity(is_forecast=is_forecast, is_estimated=is_estimated)
    reading = known(row, HISTORY)
    assert reading.mark == mark
    assert reading.described_source == f"electricitymaps_csv ({mark})"


def test_a_stored_intensity_is_judged_against_its_own_zones_history() -> None:
    reading = known(intensity(200), HISTORY)
    assert reading.range == HISTORY
    assert reading.position == 0.25  # (200 - 100) / (500 - 100)


def test_a_zone_without_stored_hours_gets_the_average_of_its_country_and_says_so() -> None:
    reading = yearly_average("DE", NOW)
    germany = yearly.look_up("DE")
    assert germany is not None
    assert reading.intensity.g_per_kwh == germany.g_per_kwh
    assert reading.intensity.zone == "DE"
    assert reading.mark == "yearly average"
    assert reading.described_source == "yearly average"
    assert reading.notes == (
        "no stored intensity covers now in DE: using the yearly average of "
        f"{germany.name} ({germany.year}); `sprout grid import` a CSV, or pass --intensity",
    )


def test_a_zone_inside_a_country_gets_its_country() -> None:
    reading = yearly_average("US-CAL-CISO", NOW)
    assert reading.intensity.zone == "US-CAL-CISO"
    assert "United States" in reading.notes[0]


def test_without_a_zone_the_world_is_taken_and_a_zone_is_asked_for() -> None:
    reading = yearly_average(None, NOW)
    assert reading.intensity.zone == yearly.WORLD
    assert reading.notes[0].startswith("no zone is set: using the yearly average of")
    assert reading.notes[0].endswith("set `zone`")


def test_a_zone_that_nobody_knows_is_bad_input_that_names_it() -> None:
    with pytest.raises(InputError, match="no yearly average for zone 'ATLANTIS'"):
        yearly_average("ATLANTIS", NOW)


def test_an_average_covers_now_and_for_a_while() -> None:
    reading = yearly_average("DE", NOW)
    assert reading.intensity.covers(NOW)
