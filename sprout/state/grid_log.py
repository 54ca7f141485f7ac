"""What was asked of grid providers and when, and how well forecasts did, in the store."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

from sprout.clock import to_text
from sprout.grid.intensity import FactorType, Series
from sprout.state.store import Store
from sprout.state.values import from_json, from_text


@dataclass(frozen=True, slots=True)
class Asked:
    """What is asked of whom."""

    provider: str
    zone: str
    factor_type: FactorType


@dataclass(frozen=True, slots=True)
class FetchState:
    """How the newest fetch went; None where nothing is to be told."""

    fetched_at: datetime | None
    claimed_until: datetime | None
    retry_at: datetime | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Tested:
    """The newest backtest of a series; errors are mean absolute ones over mean intensity."""

    series: Series
    tested_at: datetime
    first: datetime
    last: datetime
    num_forecasts: int
    error: float
    persistence_error: float
    seasonal_error: float
    lead_errors: tuple[float | None, ...]


_NEVER = FetchState(None, None, None, None)
_KEY = "provider = ? AND zone = ? AND factor_type = ?"


class GridLog:
    """Reads and writes the tables `grid_fetches`, `grid_spans` and `grid_backtests`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def state(self, asked: Asked) -> FetchState:
        """Return how the newest fetch went."""
        with self._store.read() as connection:
            row = connection.execute(
                f"SELECT fetched_at, claimed_until, retry_at, error FROM grid_fetches WHERE {_KEY}",
                _key(asked),
            ).fetchone()
        if row is None:
            return _NEVER
        return FetchState(_time(row[0]), _time(row[1]), _time(row[2]), row[3])

    def claim(self, asked: Asked, now: datetime, until: datetime) -> bool:
        """Say that this process fetches until then; return False when another one already does."""
        with self._store.write() as connection:
            held = self.state(asked).claimed_until
            # a claim from the far future was made by a clock that has been set back since
            if held is not None and now < held <= now + timedelta(hours=2):
                return False
            connection.execute(
                "INSERT INTO grid_fetches VALUES (?, ?, ?, NULL, ?, NULL, NULL)"
                " ON CONFLICT DO UPDATE SET claimed_until = excluded.claimed_until",
                (*_key(asked), to_text(until)),
            )
        return True

    def succeeded(self, asked: Asked, now: datetime) -> None:
        """Record a success, which ends the claim."""
        with self._store.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO grid_fetches VALUES (?, ?, ?, ?, NULL, NULL, NULL)",
                (*_key(asked), to_text(now)),
            )

    def failed(self, asked: Asked, error: str, retry_at: datetime | None) -> None:
        """Record why a fetch failed, which ends the claim."""
        with self._store.write() as connection:
            connection.execute(
                "INSERT INTO grid_fetches VALUES (?, ?, ?, NULL, NULL, ?, ?)"
                " ON CONFLICT DO UPDATE SET claimed_until = NULL,"
                " retry_at = excluded.retry_at, error = excluded.error",
                (*_key(asked), None if retry_at is None else to_text(retry_at), error),
            )

    def release(self, asked: Asked) -> None:
        """End the claim of a fetch that was interrupted."""
        with self._store.write() as connection:
            connection.execute(
                f"UPDATE grid_fetches SET claimed_until = NULL WHERE {_KEY}", _key(asked)
            )

    def spans(self, asked: Asked) -> set[tuple[datetime, datetime]]:
        """Return the spans of history that were fetched whole, each (start, end)."""
        with self._store.read() as connection:
            rows = connection.execute(
                f"SELECT start_utc, end_utc FROM grid_spans WHERE {_KEY}", _key(asked)
            ).fetchall()
        return {(from_text(start), from_text(end)) for start, end in rows}

    def add_span(self, asked: Asked, start: datetime, end: datetime, now: datetime) -> None:
        """Record a span that was fetched whole."""
        with self._store.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO grid_spans VALUES (?, ?, ?, ?, ?, ?)",
                (*_key(asked), to_text(start), to_text(end), to_text(now)),
            )

    def add_backtest(self, tested: Tested) -> None:
        """Store a backtest in the place of the series' older one."""
        series = tested.series
        with self._store.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO grid_backtests VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    series.zone,
                    series.kind,
                    series.factor_type,
                    to_text(tested.tested_at),
                    to_text(tested.first),
                    to_text(tested.last),
                    tested.num_forecasts,
                    tested.error,
                    tested.persistence_error,
                    tested.seasonal_error,
                    json.dumps(tested.lead_errors),
                ),
            )

    def backtest(self, series: Series) -> Tested | None:
        """Return the newest backtest of a series."""
        with self._store.read() as connection:
            row = connection.execute(
                "SELECT * FROM grid_backtests WHERE zone = ? AND kind = ? AND factor_type = ?",
                (series.zone, series.kind, series.factor_type),
            ).fetchone()
        if row is None:
            return None
        return Tested(
            series=series,
            tested_at=from_text(row["tested_at"]),
            first=from_text(row["first_utc"]),
            last=from_text(row["last_utc"]),
            num_forecasts=row["num_forecasts"],
            error=row["error"],
            persistence_error=row["persistence_error"],
            seasonal_error=row["seasonal_error"],
            lead_errors=tuple(from_json(row["lead_errors"])),
        )


def _key(asked: Asked) -> tuple[str, str, str]:
    return asked.provider, asked.zone, asked.factor_type


def _time(text: str | None) -> datetime | None:
    return None if text is None else from_text(text)
