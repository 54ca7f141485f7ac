"""Reads the CSV files that people download from Electricity Maps (ODbL; never shipped by us).

Both headers in use are read, whatever their case: that of 2023 ("Carbon Intensity gCO₂eq/kWh
(LCA)") and the current one ("... (Life cycle)"). Fields used: the time (UTC, start of the row),
the zone id, one of the two intensities, and whether the row is estimated. A file may hold several
zones.

A file does not state its granularity: see `sprout.grid.granularity`.

Only hourly and finer files mark estimated rows. The others name "Electricity Maps Estimation"
among their data sources; a row with neither mark nor source counts as estimated.
"""

import csv
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from sprout.clock import in_utc
from sprout.errors import InputError, NoInputError
from sprout.grid import granularity
from sprout.grid.granularity import Granularity
from sprout.grid.intensity import Intensity
from sprout.grid.table import Table, intensity_in

SOURCE = "electricitymaps_csv"

Factor = Literal["lifecycle", "direct"]
_TIME_HEADER = "datetime (utc)"
_ZONE_HEADER = "zone id"
_INTENSITY_HEADERS = {
    "lifecycle": "carbon intensity gco2eq/kwh (life cycle)",
    "direct": "carbon intensity gco2eq/kwh (direct)",
}
_ESTIMATED_BY_CELL = {"true": True, "false": False}


def read(
    lines: Iterable[str], factor_types: tuple[Factor, ...], fetched_at: datetime, name: str
) -> tuple[Table, ...]:
    """Return the intensities of one file, in gCO2eq/kWh, a table for each of the emission factors.

    Args:
        lines: without a byte-order mark; read once.
        factor_types: which of the two intensity columns to read.
        fetched_at: when the file is read, in UTC.
        name: the file's name, for messages and, where rows do not tell it, the granularity.

    Raises:
        InputError: a header or a row is not as Electricity Maps writes it.
        NoInputError: there is no row.
    """
    rows = list(_read_rows(lines, factor_types, name))
    if not rows:
        raise NoInputError(f"{name}: no rows; download the file again")
    found = granularity.of({(row.zone, row.start) for row in rows}, name)
    return tuple(
        _table(rows, column, factor_type, found, fetched_at)
        for column, factor_type in enumerate(factor_types)
    )


def _table(
    rows: list["_Row"], column: int, factor_type: Factor, step: Granularity, fetched_at: datetime
) -> Table:
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
            duration_s=granularity.duration_s(row.start, step),
            g_per_kwh=g_per_kwh,
            kind="average",
            factor_type=factor_type,
            is_forecast=False,
            is_estimated=row.is_estimated,
            generated_at=None,
            fetched_at=fetched_at,
        )
    return Table(
        intensities=tuple(latest[key] for key in sorted(latest)),
        num_rows=len(latest),
        granularity=step,
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
    reader = csv.reader(lines)
    try:
        columns = _find_columns(next(reader, []), factor_types, name)
        for cells in reader:
            if cells:
                yield _parse_row(cells, columns, f"{name}:{reader.line_num}")
    except csv.Error as error:
        raise InputError(
            f"{name}:{reader.line_num}: not CSV ({error}); download the file again"
        ) from error


def _find_columns(headers: list[str], factor_types: tuple[Factor, ...], name: str) -> _Columns:
    """Return where the columns in use are."""
    index_by_header = {_normalise(header): index for index, header in enumerate(headers)}
    wanted = (_TIME_HEADER, _ZONE_HEADER, *(_INTENSITY_HEADERS[each] for each in factor_types))
    missing = [header for header in wanted if header not in index_by_header]
    if missing:
        raise InputError(
            f"{name}: no column {', '.join(map(repr, missing))} among the headers found: "
            f"{', '.join(map(repr, headers)) or 'none'}; "
            "give a CSV file as downloaded from Electricity Maps, or name --time-column and "
            "--value-column"
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
            intensity_in(cells[column].strip(), place) for column in columns.intensities
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
