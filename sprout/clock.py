"""Times as text: UTC, ISO-8601, ending in Z."""

from datetime import UTC, datetime, timedelta

from sprout.errors import UsageError

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_CENTURY = timedelta(days=36_525)
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


def to_text(when: datetime) -> str:
    """Return a UTC time as text that sorts by time, to the millisecond."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """Return the time that `to_text` wrote."""
    return datetime.fromisoformat(text)


def in_utc(when: datetime) -> datetime:
    """Return a time in UTC; one without an offset is in UTC.

    Raises:
        ValueError: it is more than a century from the Unix epoch, where sums of times still work.
    """
    when = when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)
    if abs(when - _EPOCH) > _CENTURY:
        raise ValueError(f"{when} is not of this age")
    return when


def parse_day(text: str) -> datetime:
    """Return the UTC time that "2026-01-31" or "2026-01-31T12:00Z" says.

    Raises:
        UsageError: it is none.
    """
    try:
        return in_utc(datetime.fromisoformat(text))
    except (ValueError, OverflowError) as error:
        raise UsageError(f"{text!r} is no day such as 2026-01-31") from error


def parse_age(text: str) -> timedelta:
    """Return the time span that "90d", "12w", "24h" or "30m" says.

    Raises:
        UsageError: it is none of these.
    """
    number, unit = text[:-1], text[-1:]
    if not number.isascii() or not number.isdigit() or unit not in _UNITS:
        raise UsageError(f"{text!r} is no age: write a number and m, h, d or w, such as 90d")
    try:
        age = timedelta(**{_UNITS[unit]: int(number)})
    except (OverflowError, ValueError) as error:
        raise UsageError(f"{text!r} is too long an age") from error
    if age > _CENTURY:
        raise UsageError(f"{text!r} is too long an age")
    return age
