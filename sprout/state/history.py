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
    """Means of a task's finished requests with one directive; energy times the PUE of its run."""

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
                "SELECT c.task, c.directive_key, count(*), avg(c.energy_j * r.pue) / 3.6e6,"
                " avg(c.busy_s) FROM completions c JOIN runs r USING (run_id)"
                f" WHERE {_SERVED} GROUP BY 1, 2 ORDER BY 1, 2"
            ).fetchall()
        return [ServedLevel(*row) for row in rows]

    def embodied_g_per_s(self) -> float | None:
        """Return the rate that requests were charged, over their busy seconds; None without any."""
        with self._store.read() as connection:
            ((rate,),) = connection.execute(
                "SELECT sum(c.busy_s * r.embodied_g_per_s) / nullif(sum(c.busy_s), 0)"
                f" FROM completions c JOIN runs r USING (run_id) WHERE {_SERVED}"
            ).fetchall()
        return None if rate is None else float(rate)

    def grid(self, kind: str, factor_type: str) -> dict[str, dict[str, float]]:
        """Return the mean measured intensity of each hour by zone, in gCO2eq/kWh.

        Rows of over an hour are left out: the mean of a day is not that of its first hour.
        """
        found: dict[str, dict[str, float]] = {}
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT zone, substr(start_utc, 1, 13), avg(g_per_kwh) FROM intensities"
                " WHERE kind = ? AND is_forecast = 0 AND factor_type = ? AND duration_s <= 3600"
                " GROUP BY 1, 2 ORDER BY 1, 2",
                (kind, factor_type),
            ).fetchall()
        for zone, hour, g_per_kwh in rows:
            found.setdefault(zone, {})[hour] = g_per_kwh
        return found


_SERVED = "c.finished_at IS NOT NULL AND c.error IS NULL AND c.plan_id IS NOT NULL"
