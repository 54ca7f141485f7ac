"""Times as text: UTC, ISO-8601, ending in Z."""

from datetime import UTC, datetime


def to_text(when: datetime) -> str:
    """Return a UTC time as text that sorts by time, to the millisecond."""
    return when.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def from_text(text: str) -> datetime:
    """Return the time that `to_text` wrote."""
    return datetime.fromisoformat(text)
