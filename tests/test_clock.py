from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprout.clock import from_text, parse_age, to_text
from sprout.errors import UsageError

TIMES = st.datetimes(timezones=st.just(UTC))


def test_a_time_is_written_in_utc_to_the_millisecond() -> None:
    berlin = timezone(timedelta(hours=2))
    when = datetime(2026, 7, 1, 1, 2, 3, 456_789, tzinfo=berlin)
    assert to_text(when) == "2026-06-30T23:02:03.456Z"
    assert from_text("2026-06-30T23:02:03.456Z") == datetime(
        2026, 6, 30, 23, 2, 3, 456_000, tzinfo=UTC
    )


@given(TIMES)
def test_a_time_comes_back_to_the_millisecond(when: datetime) -> None:
    assert timedelta(0) <= when - from_text(to_text(when)) < timedelta(milliseconds=1)


@given(TIMES, TIMES)
def test_texts_sort_like_times(one: datetime, other: datetime) -> None:
    earlier, later = sorted((one, other))
    assert to_text(earlier) <= to_text(later)


@pytest.mark.parametrize(
    ("text", "age"),
    [
        ("30m", timedelta(minutes=30)),
        ("24h", timedelta(days=1)),
        ("90d", timedelta(days=90)),
        ("12w", timedelta(days=84)),
        ("0d", timedelta(0)),
        ("36525d", timedelta(days=36525)),
    ],
)
def test_an_age_is_a_number_and_a_unit(text: str, age: timedelta) -> None:
    assert parse_age(text) == age


@pytest.mark.parametrize("text", ["", "d", "90", "90 d", "-1d", "1.5d", "90D", "1y", "²d", "٣d"])
def test_anything_else_is_no_age(text: str) -> None:
    with pytest.raises(UsageError, match="is no age: write a number and m, h, d or w"):
        parse_age(text)


@pytest.mark.parametrize("text", ["36526d", "999999999999w", "9" * 5000 + "m"])
def test_an_age_of_more_than_a_century_is_too_long(text: str) -> None:
    with pytest.raises(UsageError, match="too long an age"):
        parse_age(text)
