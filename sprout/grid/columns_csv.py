"""Reads two named columns of any CSV file: a time, and an intensity in gCO2eq/kWh; maybe a zone.

The columns are separated by commas, semicolons or tabs, whichever finds all names in the header.
Times are ISO-8601 or whole Unix seconds; without an offset they are in the time zone that is given,
UTC by default. Where clocks are set back, the second of two equal local times is the later hour; in
a file that begins with the newest row it is the first. How long a row lasts is the smallest
distance of two rows, at most a day, which has 23 to 25 hours; a missing row stays a gap. What
begins after the file is read is a forecast. Decimal commas are read where the separator is no
comma.
"""

import csv
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta, tzinfo
from itertools import pairwise

from sprout.clock import in_utc
from sprout.errors import InputError, NoInputError
from sprout.grid.intensity import HOUR_S, SHORTEST_DAY_S, Intensity, Series
from sprout.grid.table import Table, intensity_in

SOURCE = "csv"
SEPARATORS = ",;\t"
DAY = timedelta(days=1)
SECONDS_PER_MINUTE = 60
DIGITS_OF_A_DAY = 8
"""As in 20260131; Unix seconds of so few digits are of the years before 1974."""
_SHOWN_CHARS = 60


@dataclass(frozen=True, slots=True)
class Columns:
    """What to read: the names of the columns, and how times without an offset are meant.

    Args:
        zone: None where the file is of one zone.
    """

    time: str
    value: str
    time_zone: tzinfo = UTC
    zone: str | None = None

    @property
    def names(self) -> tuple[str, ...]:
        """Return the names that must be in the header: time, value, and zone if there is one."""
        return (self.time, self.value) if self.zone is None else (self.time, self.value, self.zone)


def read(
    lines: Iterable[str], columns: Columns, series: Series, fetched_at: datetime, name: str
) -> dict[str, Table]:
    """Return the intensities of one file by zone.

    Args:
        series: of the rows; its zone is that of a file without a column of zones.
        name: the file's name, for messages.

    Raises:
        InputError: a column is missing or a row is not as it should be.
        NoInputError: there is no row.
    """
    by_zone: dict[str, list[_Row]] = defaultdict(list)
    for row in _rows(lines, columns, name):
        by_zone[series.zone if row.zone is None else row.zone].append(row)
    if not by_zone:
        raise NoInputError(f"{name}: no rows")
    return {
        zone: _table(rows, columns.time_zone, replace(series, zone=zone), fetched_at, name)
        for zone, rows in by_zone.items()
    }


@dataclass(frozen=True, slots=True)
class _Row:
    """A row as it is written: its time may have no offset, an empty value is None."""

    time: datetime
    g_per_kwh: float | None
    zone: str | None
    place: str


def _table(
    rows: list[_Row], time_zone: tzinfo, series: Series, fetched_at: datetime, name: str
) -> Table:
    values = {
        start: row.g_per_kwh
        for start, row in zip(_starts(rows, time_zone), rows, strict=True)
        if row.g_per_kwh is not None
    }
    starts = sorted(values)
    num_empty = sum(row.g_per_kwh is None for row in rows)
    step_s = _step_s(starts, f"{name}: two rows of {series.zone}")
    return Table(
        intensities=tuple(
            Intensity(
                source=SOURCE,
                zone=series.zone,
                start=start,
                duration_s=_duration_s(start, step_s, time_zone),
                g_per_kwh=values[start],
                kind=series.kind,
                factor_type=series.factor_type,
                is_forecast=start > fetched_at,
                is_estimated=False,
                generated_at=None,
                fetched_at=fetched_at,
            )
            for start in starts
        ),
        num_rows=len(starts),
        granularity=f"{step_s / SECONDS_PER_MINUTE:g}-minute",
        num_empty=num_empty,
        num_repeated=len(rows) - num_empty - len(starts),
    )


def _rows(lines: Iterable[str], columns: Columns, name: str) -> Iterator[_Row]:
    """Yield the rows below the header."""
    remaining = iter(lines)
    try:
        separator, positions = _find(next(remaining, ""), columns.names, name)
    except csv.Error as error:
        raise InputError(f"{name}:1: not CSV ({error})") from error
    reader = csv.reader(remaining, delimiter=separator)
    try:
        for cells in reader:
            if not cells:
                continue
            place = f"{name}:{reader.line_num + 1}"
            if len(cells) <= max(positions):
                raise InputError(f"{place}: only {len(cells)} cells; correct or delete the row")
            time, value, *zone = (cells[position].strip() for position in positions)
            value = value if separator == "," else value.replace(",", ".")
            yield _Row(
                _time(time, place), intensity_in(value, place), zone[0] if zone else None, place
            )
    except csv.Error as error:
        raise InputError(f"{name}:{reader.line_num + 1}: not CSV ({error})") from error


def _find(header: str, wanted: Sequence[str], name: str) -> tuple[str, list[int]]:
    """Return the separator and where the columns are."""
    found: list[str] = []
    for separator in SEPARATORS:
        row = next(csv.reader([header], delimiter=separator), [])
        names = [cell.strip().casefold() for cell in row]
        spelled = [each.strip().casefold() for each in wanted]
        if all(each in names for each in spelled):
            return separator, [names.index(each) for each in spelled]
        if len(row) > len(found):
            found = row
    raise InputError(
        f"{name}: no columns {', '.join(map(repr, wanted))} among "
        f"{', '.join(map(repr, (cell.strip() for cell in found))) or 'no headers'}"
    )


def _time(cell: str, place: str) -> datetime:
    """Return the time that is written; without an offset where it has none."""
    try:
        if cell.isascii() and cell.isdigit() and len(cell) > DIGITS_OF_A_DAY:
            return datetime.fromtimestamp(int(cell), UTC)
        return datetime.fromisoformat(cell)
    except (ValueError, OverflowError, OSError) as error:
        raise _no_time(cell[:_SHOWN_CHARS], place) from error


def _starts(rows: list[_Row], time_zone: tzinfo) -> Iterator[datetime]:
    """Yield the start of each row in UTC.

    Of the hour that comes twice when clocks are set back, the later one is that of the second row,
    or of the first in a file that begins with the newest.
    """
    local = [row.time for row in rows if row.time.tzinfo is None]
    is_newest_first = bool(local) and local[0] > local[-1]
    seen: set[datetime] = set()
    for row in rows:
        when = row.time
        if when.tzinfo is None:
            is_later = (when in seen) != is_newest_first
            seen.add(when)
            when = when.replace(tzinfo=time_zone, fold=int(is_later))
        try:
            yield in_utc(when)
        except (ValueError, OverflowError) as error:
            raise _no_time(str(row.time), row.place) from error


def _no_time(text: str, place: str) -> InputError:
    return InputError(
        f"{place}: {text!r} is no time such as 2026-01-31T13:00; correct or delete the row"
    )


def _step_s(starts: list[datetime], which: str) -> int:
    """Return how far apart rows are, in s; a day where they are days of any length."""
    spacings = [later - earlier for earlier, later in pairwise(starts)]
    seconds = int(min(spacings).total_seconds()) if spacings else HOUR_S
    if seconds < 1:
        raise InputError(f"{which} are less than a second apart")
    return seconds if seconds < SHORTEST_DAY_S else int(DAY.total_seconds())


def _duration_s(start: datetime, step_s: int, time_zone: tzinfo) -> int:
    """Return how long a row lasts, in s: a day ends when the clocks show its beginning again."""
    if step_s < SHORTEST_DAY_S:
        return step_s
    next_day = start.astimezone(time_zone) + DAY
    return int((next_day.astimezone(UTC) - start).total_seconds())
