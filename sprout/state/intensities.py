"""Grid intensities in the store."""

import sqlite3
from collections.abc import Iterable
from datetime import datetime, timedelta

from sprout.clock import from_text, to_text
from sprout.grid.intensity import Intensity, IntensityRange
from sprout.state.store import Store

HISTORY = timedelta(days=365)
"""An intensity is judged against the zone's range over this trailing time (the paper: a year)."""

MIN_HISTORY = timedelta(days=7)
"""A shorter history says too little about a zone's range."""


class Intensities:
    """Reads and writes the table `intensities`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, intensities: Iterable[Intensity]) -> int:
        """Store intensities, replacing equal keys; return how many."""
        rows = [_row(intensity) for intensity in intensities]
        with self._store.write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO intensities VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", rows
            )
        return len(rows)

    def covering(self, zone: str, factor_type: str, now: datetime) -> Intensity | None:
        """Return the average intensity at a moment: measured before estimated before forecast."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT * FROM intensities WHERE zone = ? AND kind = 'average'"
                " AND factor_type = ? AND start_utc <= ?"
                " ORDER BY start_utc DESC LIMIT 50",
                (zone, factor_type, to_text(now)),
            ).fetchall()
        found = [intensity for intensity in map(_intensity, rows) if intensity.covers(now)]
        return min(found, key=lambda each: (each.is_forecast, each.is_estimated), default=None)

    def range(self, zone: str, factor_type: str, now: datetime) -> IntensityRange | None:
        """Return the zone's lowest and highest of the trailing year; None for under a week."""
        with self._store.read() as connection:
            low, high, first = connection.execute(
                "SELECT min(g_per_kwh), max(g_per_kwh), min(start_utc) FROM intensities"
                " WHERE zone = ? AND kind = 'average' AND factor_type = ? AND is_forecast = 0"
                " AND start_utc > ? AND start_utc <= ?",
                (zone, factor_type, to_text(now - HISTORY), to_text(now)),
            ).fetchone()
        if first is None or now - from_text(first) < MIN_HISTORY:
            return None
        return IntensityRange(low, high, f"history of {zone} since {first[:10]}")

    def between(
        self, zone: str, factor_type: str, start: datetime, end: datetime
    ) -> list[Intensity]:
        """Return the average intensities that begin in [start, end), the surest of each moment."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT * FROM intensities WHERE zone = ? AND kind = 'average'"
                " AND factor_type = ? AND start_utc >= ? AND start_utc < ?"
                " ORDER BY start_utc, is_forecast DESC, is_estimated DESC",
                (zone, factor_type, to_text(start), to_text(end)),
            ).fetchall()
        return list({row["start_utc"]: _intensity(row) for row in rows}.values())

    def zones(self) -> list[tuple[str, str, int, str, str]]:
        """Return (zone, factor type, number of rows, first start, last start) of what is stored."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT zone, factor_type, count(*), min(start_utc), max(start_utc)"
                " FROM intensities GROUP BY zone, factor_type ORDER BY zone, factor_type"
            ).fetchall()
        return [tuple(row) for row in rows]


def _row(intensity: Intensity) -> tuple[object, ...]:
    generated = intensity.generated_at
    return (
        intensity.source,
        intensity.zone,
        to_text(intensity.start),
        intensity.duration_s,
        intensity.g_per_kwh,
        intensity.kind,
        intensity.factor_type,
        int(intensity.is_forecast),
        int(intensity.is_estimated),
        None if generated is None else to_text(generated),
        to_text(intensity.fetched_at),
    )


def _intensity(row: sqlite3.Row) -> Intensity:
    generated = row["generated_at"]
    return Intensity(
        source=row["source"],
        zone=row["zone"],
        start=from_text(row["start_utc"]),
        duration_s=row["duration_s"],
        g_per_kwh=row["g_per_kwh"],
        kind=row["kind"],
        factor_type=row["factor_type"],
        is_forecast=bool(row["is_forecast"]),
        is_estimated=bool(row["is_estimated"]),
        generated_at=None if generated is None else from_text(generated),
        fetched_at=from_text(row["fetched_at"]),
    )
