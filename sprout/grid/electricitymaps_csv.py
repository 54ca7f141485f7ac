"""Reads the CSV files that people download from Electricity Maps (ODbL; never shipped by us).

Both headers in use are read, whatever their case: that of 2023 ("Carbon Intensity gCO₂eq/kWh
(LCA)") and the current one ("... (Life cycle)"). Fields used: the time (UTC, start of the row),
the zone id, one of the two intensities, and whether the row is estimated. A file may hold several
zones.

A file does not state its granularity, so it is told from the smallest spacing of two rows of one
zone: a missing hour then stays a gap. Where no zone has two rows, as in the yearly file of one
zone, the word in the file name decides (DE_2023_yearly.csv), else an hour is assumed.

Only hourly and finer files mark estimated rows. The others name "Electricity Maps Estimation"
among their data sources; a row with neither mark nor source counts as estimated.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from itertools import pairwise
from typing import Literal

from sprout.clock import in_utc
from sprout.errors import InputError, NoInputError
from sprout.grid.intensity import Intensity

SOURCE = "electricitymaps_csv"
MAX_G_PER_KWH = 3000.0
"""More than twice the dirtiest country of yearly.csv; above it, the unit is not g/kWh."""

Factor = Literal["lifecycle", "direct"]
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
_TIME_HEADER = "datetime (utc)"
_ZONE_HEADER = "zone id"
_INTENSITY_HEADERS = {
    "lifecycle": "carbon intensity gco2eq/kwh (life cycle)",
    "direct": "carbon intensity gco2eq/kwh (direct)",
}
_ESTIMATED_BY_CELL = {"true": True, "false": False}


@dataclass(frozen=True, slots=True)
class Download:
    """The intensities of one file, sorted by zone and start, and what was left out of it.

    `num_empty` rows have an empty intensity; `num_repeated` rows were replaced by a later row of
    the same zone and time. The rows read are the intensities, the empty and the repeated ones.
    """

    intensities: tuple[Intensity, ...]
    granularity: Granularity
    num_empty: int
    num_repeated: int


def read(
    lines: Iterable[str],
    *,
    factor_type: Factor,
    fetched_at: datetime,
    name: str,
) -> Download:
    """Return the intensities of one file, in gCO2eq/kWh, of the emission factors asked for.

    Args:
        lines: the lines of the file, decoded as UTF-8, with or without a byte-order mark.
        factor_type: which of the two intensity columns to read.
        fetched_at: when the file is read, in UTC.
        name: the file's name, for messages and, where rows do not tell it, the granularity.

    Raises:
        InputError: a header or a row is not as Electricity Maps writes it.
        NoInputError: there is no row.
    """
    (download,) = read_each(lines, (factor_type,), fetched_at, name)
    return download


def read_each(
    lines: Iterable[str], factor_types: tuple[Factor, ...], fetched_at: datetime, name: str
) -> tuple[Download, ...]:
    """Return the same for several emission factors, in their order, reading the lines once."""
    rows = list(_read_rows(lines, factor_types, name))
    if not rows:
        raise NoInputError(f"{name}: no rows; download the file again")
    granularity = _granularity(rows, name)
    return tuple(
        _download(rows, column, factor_type, granularity, fetched_at)
        for column, factor_type in enumerate(factor_types)
    )


def _download(
    rows: list["_Row"],
    column: int,
    factor_type: Factor,
    granularity: Granularity,
    fetched_at: datetime,
) -> Download:
    """Return one of the columns that were read."""
    latest: dict[tuple[str, datetime], Intensity] = {}
    num_empty = 0
    for row in rows:
        g_per_kwh = row.g_per_kwh[column]
        if g_per_kwh is None:
            num_empty += 1
            continue
        latest[row.zone, row.start] = Intensity(
            source=SOURCE,
            zone=row.zone,
            start=row.start,
            duration_s=_duration_s(row.start, granularity),
            g_per_kwh=g_per_kwh,
            kind="average",
            factor_type=factor_type,
            is_forecast=False,
            is_estimated=row.is_estimated,
            generated_at=None,
            fetched_at=fetched_at,
        )
    return Download(
        intensities=tuple(latest[key] for key in sorted(latest)),
        granularity=granularity,
        num_empty=num_empty,
        num_repeated=len(rows) - num_empty - len(latest),
    )


@dataclass(frozen=True, slots=True)
class _Columns:
    """Where the columns in use are; the last two are not in every file."""

    num_cells: int
    time: int
    zone: int
    intensities: tuple[int, ...]
    estimated: int | None
    data_source: int | None


@dataclass(frozen=True, slots=True)
class _Row:
    """One row of the file: an intensity for each factor type asked for; an empty one is None."""

    zone: str
    start: datetime
    g_per_kwh: tuple[float | None, ...]
    is_estimated: bool


def _read_rows(lines: Iterable[str], factor_types: tuple[Factor, ...], name: str) -> Iterator[_Row]:
    """Yield the rows below the header."""
    reader = csv.reader(line.removeprefix("\ufeff") for line in lines)
    try:
        columns = _find_columns(next(reader, []), factor_types, name)
        for cells in reader:
            if cells:
                yield _parse_row(cells, columns, f"{name}:{reader.line_num}")
    except csv.Error as error:
        raise InputError(
            f"{name}:{reader.line_num}: not CSV ({error}); download the file again"
        ) from error
    except UnicodeDecodeError as error:
        raise InputError(f"{name}: not UTF-8 ({error}); download the file again") from error


def _find_columns(headers: list[str], factor_types: tuple[Factor, ...], name: str) -> _Columns:
    """Return where the columns in use are."""
    index_by_header = {_normalise(header): index for index, header in enumerate(headers)}
    wanted = (_TIME_HEADER, _ZONE_HEADER, *(_INTENSITY_HEADERS[each] for each in factor_types))
    missing = [header for header in wanted if header not in index_by_header]
    if missing:
        raise InputError(
            f"{name}: no column {', '.join(map(repr, missing))} among the headers found: "
            f"{', '.join(map(repr, headers)) or 'none'}; "
            "give a CSV file as downloaded from Electricity Maps"
        )
    at_time, at_zone, *at_intensities = (index_by_header[header] for header in wanted)
    return _Columns(
        num_cells=len(headers),
        time=at_time,
        zone=at_zone,
        intensities=tuple(at_intensities),
        estimated=index_by_header.get("data estimated"),
        data_source=index_by_header.get("data source"),
    )


def _normalise(header: str) -> str:
    """Return a header in the spelling that all generations of the files share."""
    spelled = " ".join(header.casefold().split())
    return spelled.replace("co₂", "co2").replace("(lca)", "(life cycle)")


def _parse_row(cells: list[str], columns: _Columns, place: str) -> _Row:
    """Return one row; `place` is file:line."""
    if len(cells) != columns.num_cells:
        raise InputError(
            f"{place}: {len(cells)} cells under {columns.num_cells} headers; "
            "download the file again"
        )
    zone = cells[columns.zone].strip()
    if not zone:
        raise InputError(f"{place}: empty zone id; correct or delete the row")
    return _Row(
        zone=zone,
        start=_parse_time(cells[columns.time].strip(), place),
        g_per_kwh=tuple(
            _parse_intensity(cells[column].strip(), place) for column in columns.intensities
        ),
        is_estimated=_parse_estimated(cells, columns, place),
    )


def _parse_time(cell: str, place: str) -> datetime:
    """Return a time in UTC; one without an offset is in UTC, as the header says."""
    try:
        start = datetime.fromisoformat(cell)
        return in_utc(start)
    except (ValueError, OverflowError) as error:
        raise InputError(
            f"{place}: {cell!r} is no time such as 2023-01-31 13:00:00; correct or delete the row"
        ) from error


def _parse_intensity(cell: str, place: str) -> float | None:
    """Return an intensity in gCO2eq/kWh, None for an empty cell."""
    if not cell:
        return None
    try:
        g_per_kwh = float(cell)
    except ValueError as error:
        raise InputError(
            f"{place}: carbon intensity {cell!r} is no number; correct or delete the row"
        ) from error
    if not 0 <= g_per_kwh <= MAX_G_PER_KWH:
        raise InputError(
            f"{place}: carbon intensity {cell} g/kWh is not between 0 and {MAX_G_PER_KWH:.0f}; "
            "correct or delete the row"
        )
    return g_per_kwh


def _parse_estimated(cells: list[str], columns: _Columns, place: str) -> bool:
    """Return whether a row is marked as estimated, or cannot be told from one that is."""
    mark = "" if columns.estimated is None else cells[columns.estimated].strip()
    if mark:
        if mark.casefold() not in _ESTIMATED_BY_CELL:
            raise InputError(
                f"{place}: 'Data estimated' is {mark!r}, not true or false; correct the row"
            )
        return _ESTIMATED_BY_CELL[mark.casefold()]
    data_source = "" if columns.data_source is None else cells[columns.data_source].strip()
    return not data_source or "estimation" in data_source.casefold()


def _granularity(rows: list[_Row], name: str) -> Granularity:
    """Return the coarsest granularity that the rows' spacing and alignment allow.

    Coarser than the smallest spacing would overlap; a spacing between two granularities (every
    second hour) is the finer one with gaps.
    """
    spacing = _smallest_spacing(rows, name)
    is_midnight = all(row.start.time() == time() for row in rows)
    is_first = is_midnight and all(row.start.day == 1 for row in rows)
    is_january = is_first and all(row.start.month == 1 for row in rows)
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


def _smallest_spacing(rows: list[_Row], name: str) -> timedelta:
    """Return the smallest distance of two rows of one zone, else what the file name says."""
    starts = sorted({(row.zone, row.start) for row in rows})
    spacings = [
        later - earlier
        for (zone, earlier), (next_zone, later) in pairwise(starts)
        if zone == next_zone
    ]
    if spacings:
        return min(spacings)
    for word, spacing in _SPACING_BY_WORD:
        if word in name.casefold():
            return spacing
    return _FIXED_STEPS["hourly"]


def _duration_s(start: datetime, granularity: Granularity) -> int:
    """Return how long a row that starts at `start` lasts, in s; months and years by calendar."""
    if granularity == "yearly":
        end = start.replace(year=start.year + 1)
    elif granularity == "monthly":
        end = start.replace(year=start.year + start.month // 12, month=start.month % 12 + 1)
    else:
        end = start + _FIXED_STEPS[granularity]
    return int((end - start).total_seconds())
