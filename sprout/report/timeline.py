"""Stretches of time as reports name them: "2026-01-31T23", "2026-01-31", "2026-01"; UTC. Pure."""

from datetime import UTC, datetime, timedelta

_FORMATS = {13: "%Y-%m-%dT%H", 10: "%Y-%m-%d", 7: "%Y-%m"}


def instant(key: str) -> datetime:
    """Return when a stretch begins."""
    return datetime.strptime(key, _FORMATS[len(key)]).replace(tzinfo=UTC)


def interval(key: str) -> tuple[datetime, datetime]:
    """Return when a stretch begins and ends."""
    start = instant(key)
    match len(key):
        case 13:
            return start, start + timedelta(hours=1)
        case 10:
            return start, start + timedelta(days=1)
        case _:
            return start, (start + timedelta(days=31)).replace(day=1)


def number(key: str) -> int:
    """Return how many stretches of its length lie between the year 1 and a stretch."""
    start = instant(key)
    match len(key):
        case 13:
            return start.toordinal() * 24 + start.hour
        case 10:
            return start.toordinal()
        case _:
            return start.year * 12 + start.month
