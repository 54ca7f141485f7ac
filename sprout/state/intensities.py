"""Grid intensities in the store."""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from sprout.clock import to_text
from sprout.grid.intensity import LONGEST_DAY_S, History, Intensity, Series, rank
from sprout.state.store import Store
from sprout.state.values import from_text

HISTORY = timedelta(days=365)
"""An intensity is judged against the zone's range over this trailing time (the paper: a year)."""

_OF_SERIES = "zone = ? AND kind = ? AND factor_type = ?"


@dataclass(frozen=True, slots=True)
class Stored:
    """What is stored of one zone, kind and factor type; starts as text."""

    zone: str
    kind: str
    factor_type: str
    num_rows: int
    first: str
    last: str


class Intensities:
    """Reads and writes the table `intensities`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, intensities: Iterable[Intensity]) -> int:
        """Store intensities and return how many were given.

        An equal key is replaced, but never a forecast by one that was made before it.
        """
        text_by_time: dict[datetime, str] = {}  # rows share when they were fetched
        rows = [_row(intensity, text_by_time) for intensity in intensities]
        with self._store.write() as connection:
            connection.executemany(
                "INSERT INTO intensities VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET duration_s = excluded.duration_s,"
                " g_per_kwh = excluded.g_per_kwh, is_estimated = excluded.is_estimated,"
                " generated_at = excluded.generated_at, fetched_at = excluded.fetched_at"
                " WHERE is_forecast = 0 OR excluded.generated_at IS NULL"
                " OR generated_at IS NULL OR excluded.generated_at >= generated_at",
                rows,
            )
        return len(rows)

    def covering(self, series: Series, now: datetime) -> Intensity | None:
        """Return the best intensity at a moment, as `sprout.grid.intensity.rank` has it."""
        at = to_text(now)
        found: list[Intensity] = []
        with self._store.read() as connection:
            for duration_s in self._durations(connection, series):
                after = to_text(now - timedelta(seconds=duration_s))
                rows = connection.execute(
                    f"SELECT * FROM intensities WHERE {_OF_SERIES}"
                    " AND duration_s = ? AND start_utc > ? AND start_utc <= ?",
                    (*_key(series), duration_s, after, at),
                ).fetchall()
                found.extend(map(_intensity, rows))
        return min(found, key=rank, default=None)

    def between(self, series: Series, start: datetime, end: datetime) -> list[Intensity]:
        """Return every row that reaches into a span, by start; rows of over an hour are left out.

        A trace of hours is not made of days.
        """
        with self._store.read() as connection:
            rows = connection.execute(
                f"SELECT * FROM intensities WHERE {_OF_SERIES}"
                " AND start_utc > ? AND start_utc < ? AND duration_s <= 3600 ORDER BY start_utc",
                (*_key(series), to_text(start - timedelta(hours=1)), to_text(end)),
            ).fetchall()
        return [row for row in map(_intensity, rows) if row.end > start]

    def latest_measured(self, series: Series, now: datetime) -> Intensity | None:
        """Return the measured or estimated row that ended last before now."""
        with self._store.read() as connection:
            rows = connection.execute(
                f"SELECT * FROM intensities WHERE {_OF_SERIES}"
                " AND start_utc > ? AND start_utc <= ? AND duration_s <= 3600 AND is_forecast = 0"
                " ORDER BY start_utc DESC LIMIT 50",
                (*_key(series), to_text(now - timedelta(days=2)), to_text(now)),
            ).fetchall()
        return max(map(_intensity, rows), key=lambda row: row.end, default=None)

    def history(self, series: Series, now: datetime) -> History | None:
        """Return lowest and highest of the trailing year, and on how many days they were seen.

        A row that reaches into the year counts for the day in which the part inside begins. The
        mean of more than a day shows how high no day was, and counts for none.
        """
        since, a_day_before = now - HISTORY, now - HISTORY - timedelta(seconds=LONGEST_DAY_S)
        with self._store.read() as connection:
            low, high, num_days, first = connection.execute(
                "SELECT min(g_per_kwh), max(g_per_kwh),"
                " count(DISTINCT substr(max(start_utc, :since), 1, 10)),"
                " min(max(start_utc, :since)) FROM intensities"
                " WHERE zone = :zone AND kind = :kind AND factor_type = :factor_type"
                " AND is_forecast = 0 AND duration_s <= :day_s"
                " AND start_utc > :a_day_before AND start_utc <= :now AND (start_utc > :since"
                " OR julianday(start_utc) + duration_s / 86400.0 > julianday(:since))",
                {
                    "zone": series.zone,
                    "kind": series.kind,
                    "factor_type": series.factor_type,
                    "day_s": LONGEST_DAY_S,
                    "since": to_text(since),
                    "a_day_before": to_text(a_day_before),
                    "now": to_text(now),
                },
            ).fetchone()
        if first is None:
            return None
        # 365 days from noon to noon touch one date more
        return History(low, high, min(num_days, HISTORY.days), from_text(first))

    def others(self, series: Series, now: datetime) -> list[Series]:
        """Return the other kinds and factor types of a zone that are stored for a moment."""
        found = [
            Series(series.zone, row.kind, row.factor_type)  # type: ignore[arg-type] # by the schema
            for row in self.zones(series.zone)
        ]
        return [each for each in found if each != series and self.covering(each, now) is not None]

    def zones(self, zone: str | None = None) -> list[Stored]:
        """Return what is stored, of one zone or of all."""
        where, values = ("", ()) if zone is None else ("WHERE zone = ?", (zone,))
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT zone, kind, factor_type, count(*), min(start_utc), max(start_utc)"
                f" FROM intensities {where}"
                " GROUP BY zone, kind, factor_type ORDER BY zone, kind, factor_type",
                values,
            ).fetchall()
        return [Stored(*row) for row in rows]

    @staticmethod
    def _durations(connection: sqlite3.Connection, series: Series) -> list[int]:
        """Return the lengths that occur, in s; each is found by one step in the index."""
        found: list[int] = []
        while True:
            (longer,) = connection.execute(
                f"SELECT min(duration_s) FROM intensities WHERE {_OF_SERIES} AND duration_s > ?",
                (*_key(series), found[-1] if found else 0),
            ).fetchone()
            if longer is None:
                return found
            found.append(longer)


def _key(series: Series) -> tuple[str, str, str]:
    return series.zone, series.kind, series.factor_type


def _row(intensity: Intensity, text_by_time: dict[datetime, str]) -> tuple[object, ...]:
    generated, fetched = intensity.generated_at, intensity.fetched_at
    if fetched not in text_by_time:
        text_by_time[fetched] = to_text(fetched)
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
        text_by_time[fetched],
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
