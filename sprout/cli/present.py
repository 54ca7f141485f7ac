"""The present time, for commands; everything below takes it as an argument."""

from datetime import UTC, datetime


def utc_now() -> datetime:
    """Return the current time."""
    return datetime.now(UTC)
