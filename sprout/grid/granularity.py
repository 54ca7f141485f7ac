"""How long the rows of a file last that does not say it: five minutes to a year. Pure.

It is told from the smallest spacing of two rows of one zone: a missing hour then stays a gap. Where
no zone has two rows, as in the yearly file of one zone, the word in the file name decides
(DE_2023_yearly.csv), else an hour is assumed.
"""

from collections.abc import Collection
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Literal

from sprout.errors import InputError

Granularity = Literal["5_minutes", "15_minutes", "hourly", "daily", "monthly", "yearly"]

_FIXED_STEPS: dict[Granularity, timedelta] = {
    "daily": timedelta(days=1),
    "hourly": timedelta(hours=1),
    "15_minutes": timedelta(minutes=15),
    "5_minutes": timedelta(minutes=5),
}
_SHORTEST_YEAR = timedelta(days=365)
_SHORTEST_MONTH = timedelta(days=28)
_SPACING_BY_WORD = (
    ("yearly", _SHORTEST_YEAR),
    ("monthly", _SHORTEST_MONTH),
    ("daily", _FIXED_STEPS["daily"]),
)


def of(rows: Collection[tuple[str, datetime]], name: str) -> Granularity:
    """Return the coarsest granularity that the spacing and alignment of rows allow.

    Coarser than the smallest spacing would overlap; a spacing between two granularities (every
    second hour) is the finer one with gaps.

    Args:
        rows: the zone and the start of each, in UTC.
        name: of the file.

    Raises:
        InputError: they are less than five minutes apart.
    """
    spacing = _smallest_spacing(rows, name)
    is_midnight = all(start.time() == time() for _, start in rows)
    is_first = is_midnight and all(start.day == 1 for _, start in rows)
    is_january = is_first and all(start.month == 1 for _, start in rows)
    if is_january and spacing >= _SHORTEST_YEAR:
        return "yearly"
    if is_first and spacing >= _SHORTEST_MONTH:
        return "monthly"
    for granularity, step in _FIXED_STEPS.items():
        if spacing >= step and (is_midnight or granularity != "daily"):
            return granularity
    raise InputError(
        f"{name}: two rows are {spacing.total_seconds():.0f} s apart, and the finest granularity "
        "of Electricity Maps is 5 minutes; download the file again"
    )


def duration_s(start: datetime, granularity: Granularity) -> int:
    """Return how long a row that starts at `start` lasts, in s; months and years by calendar."""
    if granularity == "yearly":
        end = start.replace(year=start.year + 1)
    elif granularity == "monthly":
        end = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    else:
        end = start + _FIXED_STEPS[granularity]
    return int((end - start).total_seconds())


def _smallest_spacing(rows: Collection[tuple[str, datetime]], name: str) -> timedelta:
    """Return the smallest distance of two rows of one zone, else what the file name says."""
    spacings = [
        later - earlier
        for (zone, earlier), (next_zone, later) in pairwise(sorted(rows))
        if zone == next_zone
    ]
    if spacings:
        return min(spacings)
    for word, spacing in _SPACING_BY_WORD:
        if word in name.casefold():
            return spacing
    return _FIXED_STEPS["hourly"]
