"""What a store served, hour by hour: for a replay."""

from dataclasses import astuple, dataclass

from sprout.costs import Conditions
from sprout.grid.intensity import FactorType, Kind
from sprout.state.circumstances import ALIKE, CONDITIONS
from sprout.state.completions import ANSWERED
from sprout.state.store import Store


@dataclass(frozen=True, slots=True)
class ServedHour:
    """Requests of a task that were admitted in an hour, such as "2026-01-01T12".

    Args:
        source: of the intensity, with its mark; this and the next two are None where nobody
            recorded them.
    """

    hour: str
    zone: str
    task: str
    source: str | None
    kind: Kind | None
    factor_type: FactorType | None
    num_requests: int
    g_per_kwh: float


@dataclass(frozen=True, slots=True)
class ServedLevel:
    """Means of a task's finished requests with one directive; energy times the PUE of each."""

    task: str
    directive_key: str
    num_requests: int
    energy_kwh: float
    busy_s: float


@dataclass(frozen=True, slots=True)
class ServedAlike:
    """How many requests were served under the same conditions, and with which directives.

    Args:
        model_name: for people; None where nobody recorded it.
    """

    under: Conditions
    model_name: str | None
    num_requests: int
    directive_keys: frozenset[str]


def served_alike(store: Store) -> list[ServedAlike]:
    """Return what was served under which conditions, most requests first, then the newest."""
    with store.read() as connection:
        rows = connection.execute(
            f"SELECT {CONDITIONS}, max(u.model_name), count(*),"
            " group_concat(DISTINCT c.directive_key)"
            " FROM completions c JOIN circumstances u USING (circumstance_id)"
            f" WHERE {_SERVED} AND u.run_id IS NULL GROUP BY {CONDITIONS}"
            " ORDER BY count(*) DESC, max(c.finished_at) DESC"
        ).fetchall()
    return [
        ServedAlike(Conditions(*under), model_name, num_requests, frozenset(keys.split(",")))
        for *under, model_name, num_requests, keys in rows
    ]


def num_served(store: Store) -> int:
    """Return how many requests a plan gave their level, under whatever conditions."""
    with store.read() as connection:
        ((num_requests,),) = connection.execute(
            f"SELECT count(*) FROM completions c WHERE {_SERVED}"
        ).fetchall()
    return int(num_requests)


class History:
    """Reads `completions` that a plan gave their level.

    Args:
        under: of requests, only those that were served so: what others cost is no measure of them.
    """

    def __init__(self, store: Store, under: Conditions) -> None:
        self._store = store
        self._under = astuple(under)

    def hours(self) -> list[ServedHour]:
        """Return the requests of each hour, zone, task and source, in order of time."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT substr(c.admitted_at, 1, 13), r.zone, c.task, u.intensity_source,"
                " u.intensity_kind, u.intensity_factor, count(*), avg(c.g_per_kwh)"
                f" FROM {_ALIKE} GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 1, 2, 3, 4, 5, 6",
                self._under,
            ).fetchall()
        return [ServedHour(*row) for row in rows]

    def levels(self) -> list[ServedLevel]:
        """Return what requests cost by task and directive."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT c.task, c.directive_key, count(*), avg(c.energy_j * u.pue) / 3.6e6,"
                f" avg(c.busy_s) FROM {_ALIKE} GROUP BY 1, 2 ORDER BY 1, 2",
                self._under,
            ).fetchall()
        return [ServedLevel(*row) for row in rows]

    def embodied_g_per_s(self) -> float | None:
        """Return the rate that requests were charged, over their busy seconds; None without any."""
        with self._store.read() as connection:
            ((rate,),) = connection.execute(
                "SELECT sum(c.busy_s * u.embodied_g_per_s) / nullif(sum(c.busy_s), 0)"
                f" FROM {_ALIKE}",
                self._under,
            ).fetchall()
        return None if rate is None else float(rate)


_SERVED = f"{ANSWERED} AND c.plan_id IS NOT NULL"
_ALIKE = (
    "completions c JOIN runs r USING (run_id) JOIN circumstances u USING (circumstance_id)"
    f" WHERE {_SERVED} AND {ALIKE}"
)
