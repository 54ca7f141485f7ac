"""What a store served, hour by hour, and the grid meanwhile: for a replay."""

from dataclasses import dataclass

from sprout.state.store import Store


@dataclass(frozen=True, slots=True)
class ServedHour:
    """Requests of a task that were admitted in an hour, such as "2026-01-01T12"."""

    hour: str
    zone: str
    task: str
    num_requests: int
    g_per_kwh: float


@dataclass(frozen=True, slots=True)
class ServedLevel:
    """Means of a task's finished requests with one directive."""

    task: str
    directive_key: str
    num_requests: int
    energy_kwh: float
    busy_s: float


class History:
    """Reads `completions` that a plan gave their level, and `intensities`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def hours(self) -> list[ServedHour]:
        """Return the requests of each hour, zone and task, in order of time."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT substr(c.admitted_at, 1, 13), r.zone, c.task, count(*), avg(c.g_per_kwh)"
                f" FROM completions c JOIN runs r USING (run_id) WHERE {_SERVED}"
                " GROUP BY 1, 2, 3 ORDER BY 1, 2, 3"
            ).fetchall()
        return [ServedHour(*row) for row in rows]

    def levels(self) -> list[ServedLevel]:
        """Return what requests cost by task and directive."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT task, directive_key, count(*), avg(energy_j) / 3.6e6, avg(busy_s)"
                f" FROM completions c WHERE {_SERVED} GROUP BY 1, 2 ORDER BY 1, 2"
            ).fetchall()
        return [ServedLevel(*row) for row in rows]

    def grid(self, kind: str, factor_type: str) -> dict[str, dict[str, float]]:
        """Return the mean measured intensity of each hour by zone, in gCO2eq/kWh."""
        found: dict[str, dict[str, float]] = {}
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT zone, substr(start_utc, 1, 13), avg(g_per_kwh) FROM intensities"
                " WHERE kind = ? AND is_forecast = 0 AND factor_type = ?"
                " GROUP BY 1, 2 ORDER BY 1, 2",
                (kind, factor_type),
            ).fetchall()
        for zone, hour, g_per_kwh in rows:
            found.setdefault(zone, {})[hour] = g_per_kwh
        return found


_SERVED = "c.finished_at IS NOT NULL AND c.error IS NULL AND c.plan_id IS NOT NULL"
