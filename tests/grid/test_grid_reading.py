from dataclasses import replace
from datetime import timedelta

import pytest
from plain_records import NOW, intensity

from sprout.errors import InputError, TryLaterError
from sprout.grid import yearly
from sprout.grid.intensity import IntensityRange, IntensityTrace, Series
from sprout.grid.reading import Contact, GridOutlook, fixed, known, last_known, yearly_average

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


@pytest.mark.parametrize(
    ("hours", "mark"),
    [
        (1.0, "measured"),
        (1.5, "average of hours"),
        (22.9, "average of hours"),
        (23, "daily average"),  # on which clocks are set forward
        (24, "daily average"),
        (25, "daily average"),  # and back
        (28 * 24, "monthly average"),
        (31 * 24, "monthly average"),
        (365 * 24, "yearly average"),
        (366 * 24, "yearly average"),
    ],
)
def test_the_mean_of_more_than_an_hour_is_marked_as_what_it_is(hours: float, mark: str) -> None:
    lasts_s = int(3600 * hours)
    reading = known(intensity(duration_s=lasts_s), HISTORY)
    assert (reading.mark, reading.is_of_the_hour) == (mark, hours == 1)
    assert reading.described_source == f"electricitymaps_csv ({mark})"
    if hours > 1:
        for is_forecast in (True, False):
            row = intensity(duration_s=lasts_s, is_forecast=is_forecast, is_estimated=True)
            assert known(row, HISTORY).mark == mark


def test_the_mean_of_a_day_is_no_last_known_value_of_a_provider_out_of_reach() -> None:
    day = intensity(source="neso", duration_s=86_400)
    reading = known(day, HISTORY, Contact(NOW, "nobody answers", "neso"))
    assert (reading.mark, reading.failure) == ("daily average", "nobody answers")


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
        f"{germany.name}, {germany.year}; `sprout grid use DE --provider P`, or `sprout grid "
        "import FILE`, knows more",
    )


def test_a_zone_inside_a_country_gets_its_country() -> None:
    reading = yearly_average("US-CAL-CISO", NOW)
    assert reading.intensity.zone == "US-CAL-CISO"
    assert "United States" in reading.notes[0]


def test_without_a_zone_the_world_is_taken_and_a_zone_is_asked_for() -> None:
    reading = yearly_average(None, NOW)
    assert reading.intensity.zone == yearly.WORLD
    assert reading.notes[0].startswith("no zone is set: using the yearly average of")
    assert reading.notes[0].endswith("`sprout grid use ZONE`, or --zone, sets one")


def test_a_zone_that_nobody_knows_is_bad_input_that_names_it() -> None:
    with pytest.raises(InputError, match="no yearly average for zone 'ATLANTIS'"):
        yearly_average("ATLANTIS", NOW)


def test_an_average_covers_now_and_for_a_while() -> None:
    reading = yearly_average("DE", NOW)
    assert reading.intensity.covers(NOW)


# staleness

HOUR = timedelta(hours=1)


def contact(age: timedelta | None, failure: str | None = "nobody answers") -> Contact:
    return Contact(None if age is None else NOW - age, failure, "neso")


def test_a_value_of_a_provider_out_of_reach_is_stale_and_says_why() -> None:
    reading = known(intensity(source="neso"), HISTORY, contact(HOUR))
    assert reading.mark == "stale"
    assert reading.failure == "nobody answers"
    assert "nobody answers" in reading.notes[0]
    own = known(intensity(source="sprout_forecast", is_forecast=True), HISTORY, contact(HOUR))
    assert own.mark == "stale"


def test_a_fresh_contact_and_an_import_are_not_stale() -> None:
    assert known(intensity(source="neso"), HISTORY, contact(HOUR, None)).mark == "measured"
    assert known(intensity(), HISTORY, contact(HOUR)).mark == "measured"


@pytest.mark.parametrize(
    ("age", "failure", "is_lost"),
    [
        (3 * HOUR, "away", False),
        (3.01 * HOUR, "away", True),
        (None, "away", True),
        (9 * HOUR, None, False),
    ],
)
def test_after_three_hours_a_provider_is_lost(
    age: timedelta | None,
    failure: str | None,
    is_lost: bool,  # noqa: FBT001
) -> None:
    assert contact(age, failure).is_lost(NOW) is is_lost


def test_a_value_that_is_over_holds_for_ten_minutes_if_it_ended_within_three_hours() -> None:
    recent = intensity(200, NOW - 3 * HOUR)  # ended two hours ago
    reading = last_known(recent, HISTORY, NOW)
    assert reading is not None
    assert reading.mark == "stale"
    assert (reading.intensity.start, reading.intensity.duration_s) == (NOW, 600)
    assert reading.intensity.g_per_kwh == 200
    assert last_known(intensity(200, NOW - 4.1 * HOUR), HISTORY, NOW) is None


def test_the_average_that_stands_in_says_for_what_and_is_soon_asked_again() -> None:
    asked = Series("GB", "average", "direct")
    reading = yearly_average("GB", NOW, asked=asked, failure="away")
    assert reading.failure == "away"
    assert reading.intensity.duration_s == 600
    assert reading.notes[0].startswith("away: using the yearly average")
    assert "not GB (average, direct)" in reading.notes[1]


def test_no_average_of_a_zone_whose_provider_is_away_is_to_be_tried_later() -> None:
    with pytest.raises(TryLaterError, match="away; there is no yearly average"):
        yearly_average("ATLANTIS", NOW, failure="away")


def test_another_kind_of_future_is_refused() -> None:
    reading = known(intensity(), HISTORY)
    assert GridOutlook(reading, IntensityTrace((intensity(),))).ahead is not None
    other = replace(intensity(), kind="marginal")
    with pytest.raises(ValueError, match="not to be mixed"):
        GridOutlook(reading, IntensityTrace((other,)))
