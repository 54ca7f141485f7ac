"""What reports ask of the store: sums, computed by SQLite; no row of a completion is loaded."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import astuple, dataclass
from datetime import datetime
from sqlite3 import Connection
from typing import Any

from sprout.clock import to_text
from sprout.costs import Conditions, CostTable
from sprout.report.baselines import Baselines, Pool, Pools
from sprout.report.cells import (
    Cell,
    Circumstances,
    Emitted,
    Evaluating,
    Metered,
    RunEnergy,
    Waited,
    comparable,
)
from sprout.report.facts import LENGTHS, Known, Step
from sprout.report.preferred import ELSE, Preferred, covariance_of
from sprout.state import impossible, tallies
from sprout.state.circumstances import ALIKE
from sprout.state.profiles import Profiles
from sprout.state.store import Store
from sprout.state.values import from_json, from_text, readable

_SHORT_CHARS = 8  # of a fingerprint, where two models have one name
_HOUR = LENGTHS["hour"]
_NEVER = "~"  # sorts behind every hour
_STARTED = "started_at >= :since AND started_at < :until"

_CELLS = """
    SELECT circumstance_id, CASE WHEN circumstance_id IS NULL THEN run_id END AS failed_in,
        substr(hour, 1, ?) AS at, task, level, directive_key, is_pinned,
        sum(num_answered), sum(num_failed), sum(num_prompt_tokens), sum(num_new_tokens),
        sum(energy_j), sum(energy_j2), sum(busy_s), sum(busy_s2), sum(energy_busy_js),
        sum(g_per_kwh), sum(operational_g), sum(embodied_g)
    FROM temp.cells WHERE hour >= ? AND hour < ?
    GROUP BY circumstance_id, failed_in, at, task, level, directive_key, is_pinned
"""

# A run that lies in the period only in part counts by its part of the requests' energy; a run that
# answered nothing yet has no intensity to count its energy at, and is left out. A billionth is the
# rounding of sums, and nothing that was lost.
_RUN_ENERGY = """
    WITH sums AS (
        SELECT run_id, sum(energy_j) AS all_j,
            total(energy_j) FILTER (WHERE hour >= :since AND hour < :until) AS j,
            total(operational_g) FILTER (WHERE hour >= :since AND hour < :until) AS g
        FROM temp.cells GROUP BY run_id),
    parts AS (
        SELECT r.metered_j * s.j / s.all_j AS metered_j,
            min(r.idle_j, max(0, r.metered_j - s.all_j)) * s.j / s.all_j AS idle_j,
            max(0, r.metered_j - s.all_j) * s.j / s.all_j AS beyond_j,
            s.g / s.j AS g_per_j
        FROM sums s JOIN runs r USING (run_id) WHERE s.j > 0)
    SELECT count(*), total(metered_j), total(idle_j),
        total(CASE WHEN beyond_j - idle_j > 1e-9 * metered_j THEN beyond_j - idle_j ELSE 0 END),
        total(beyond_j * g_per_j) FROM parts
"""

_WAITED = """
    SELECT count(DISTINCT c.run_id),
        total(c.energy_j / 3.6e6 * u.pue * r.began_g_per_kwh - c.operational_g)
    FROM temp.cells c JOIN circumstances u USING (circumstance_id)
    JOIN runs r ON r.run_id = c.run_id
    WHERE c.hour >= :since AND c.hour < :until AND r.began_g_per_kwh IS NOT NULL
"""


# what a stray hand made infinite is left out: of it a report, which shows it, is refused
_LIKE_THESE = f"""
    SELECT task, level, directive_key, sum(num_answered), sum(energy_j), sum(energy_j2),
        sum(busy_s), sum(busy_s2), sum(energy_busy_js)
    FROM temp.cells JOIN circumstances u USING (circumstance_id)
    WHERE NOT is_pinned AND {ALIKE} AND energy_j2 + busy_s2 < {impossible.LARGEST**2}
    GROUP BY task, level, directive_key
"""


@dataclass(frozen=True, slots=True)
class Span:
    """The first and last hour in which a request of the period finished."""

    first: datetime
    last: datetime


class Reports:
    """Reads sums over all that was served in a period; see `reading`."""

    def __init__(
        self,
        store: Store,
        connection: Connection,
        since: datetime | None,
        until: datetime | None,
    ) -> None:
        self._store = store
        self._connection = connection
        self.hours = {
            "since": "" if since is None else to_text(since)[:_HOUR],
            "until": _NEVER if until is None else to_text(until)[:_HOUR],
        }

    def span(self) -> Span | None:
        """Return the period that holds requests; None when there are none."""
        first, last = self._connection.execute(
            "SELECT min(hour), max(hour) FROM temp.cells WHERE hour >= :since AND hour < :until",
            self.hours,
        ).fetchone()
        if first is None:
            return None
        return Span(from_text(f"{first}:00:00.000Z"), from_text(f"{last}:00:00.000Z"))

    def cells(self, step: Step) -> Iterator[Cell]:
        """Yield sums over requests that have everything of interest in common."""
        known = {each.id: each for each in self._circumstances()}
        names = _names(known.values())
        failed = dict[str, tuple[str, str]]()
        # days and months are drawn by day: `--by day` needs them
        length = _HOUR if step == "hour" else LENGTHS["day"]
        for row in self._connection.execute(_CELLS, (length, *self.hours.values())):
            with readable(row[2]):
                datetime.fromisoformat(row[2])
            circumstances = known.get(row[0])
            if circumstances is not None:
                model, zone = circumstances.model, circumstances.zone
            else:
                model, zone = failed.setdefault(row[1], self._run(row[1]))
            values = (*row[2:6], bool(row[6]), *row[7:])
            yield Cell(circumstances, names.get(model) or model, zone, *values)

    def known(self, now: datetime) -> Known:
        """Return what a report needs beside the cells."""
        return Known(
            profiles=self._profiles(),
            preferences=self._preferences(),
            runs=self._run_energy(),
            evaluating=self._evaluating(),
            waited=self._waited(),
            num_open=self._num(
                "SELECT count(*) FROM completions WHERE finished_at IS NULL"
                " AND admitted_at >= :since AND admitted_at < :until"
                " AND run_id IN (SELECT run_id FROM runs WHERE finished_at IS NULL)"
            ),
            num_ahead=self._num(
                "SELECT coalesce(sum(num_answered), 0) FROM temp.cells"
                " WHERE hour > :now AND hour < :until",
                now=to_text(now)[:_HOUR],
            ),
            num_rejected=self._num_rejected(),
        )

    def _circumstances(self) -> Iterator[Circumstances]:
        for row in self._connection.execute("SELECT * FROM circumstances"):
            yield Circumstances(
                id=row["circumstance_id"], **{name: row[name] for name in row.keys()[1:]}
            )

    def _run(self, run_id: str) -> tuple[str, str]:
        row = self._connection.execute(
            "SELECT model, zone FROM runs WHERE run_id = ?", (run_id,)
        ).fetchone()
        return row[0], row[1]

    def _profiles(self) -> dict[tuple[object, ...], CostTable]:
        """Return what levels were learned to cost, by the conditions that circumstances compare."""
        profiles = Profiles(self._store)
        return {comparable(c): profiles.costs(c) for c, _, _ in profiles.known_conditions()}

    def _preferences(self) -> dict[str, tuple[Preferred, ...]]:
        """Return the preferences of each model's newest plan of before the period's end."""
        rows = self._connection.execute(
            "SELECT model, document FROM (SELECT r.model, p.document, row_number() OVER"
            " (PARTITION BY r.model ORDER BY p.rowid DESC) AS age"
            " FROM plans p JOIN runs r USING (run_id) WHERE p.made_at < :until) WHERE age = 1",
            self.hours,
        )
        names = _names(self._circumstances())
        found = dict[str, tuple[Preferred, ...]]()
        for model, document in rows:
            with readable(document):
                found[model] = _preferred(model, names.get(model, model), from_json(document))
        return found

    def _run_energy(self) -> RunEnergy:
        row = self._connection.execute(_RUN_ENERGY, self.hours).fetchone()
        return RunEnergy(*row)

    def _evaluating(self) -> Evaluating | None:
        """Return what evaluations cost; None where none is recorded."""
        num_evaluations, busy_s, embodied_g = self._connection.execute(
            f"SELECT count(*), total(busy_s), total(embodied_g) FROM evaluations WHERE {_STARTED}",
            self.hours,
        ).fetchone()
        if not num_evaluations:
            return None
        energy = self._connection.execute(
            "SELECT energy_method, total(metered_j), total(operational_g) FROM evaluations"
            f" WHERE {_STARTED} GROUP BY 1 ORDER BY 1",
            self.hours,
        )
        intensity = self._connection.execute(
            "SELECT zone, intensity_source, intensity_kind, intensity_factor, total(operational_g)"
            f" FROM evaluations WHERE {_STARTED} GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
            self.hours,
        )
        return Evaluating(
            num_evaluations=num_evaluations,
            energy=tuple(Metered(*row) for row in energy),
            intensity=tuple(Emitted(*row) for row in intensity),
            busy_s=busy_s,
            embodied_g=embodied_g,
        )

    def _waited(self) -> Waited | None:
        """Return what waiting for greener hours moved; None where no run may wait."""
        found = self._connection.execute(_WAITED, self.hours).fetchone()
        return Waited(*found) if found[0] else None

    def _num_rejected(self) -> int | None:
        """Return the lines that could not be served; None where no run recorded any."""
        (found,) = self._connection.execute(
            f"SELECT sum(num_rejected) FROM runs WHERE {_STARTED}", self.hours
        ).fetchone()
        return None if found is None else int(found)

    def _num(self, sql: str, **parameters: object) -> int:
        return int(self._connection.execute(sql, self.hours | parameters).fetchone()[0])


@contextmanager
def reading(
    store: Store, since: datetime | None, until: datetime | None = None
) -> Iterator[Reports]:
    """Open the sums of one moment, whatever a run writes meanwhile.

    Args:
        since, until: requests that finished earlier, or not earlier, are left out; both rounded
            down to the hour.

    Raises:
        DiskError: a run or an evaluation holds what it cannot have come to.
    """
    with store.moment() as connection:
        tallies.live(connection)
        found = Reports(store, connection, since, until)
        impossible.refuse(connection, found.hours, store.path)
        yield found


def baselines(store: Store, conditions: Conditions, run_id: str) -> Baselines:
    """Return what L0 costs under these conditions, as a report has it of finished runs and one."""
    pools, alike = Pools(), comparable(conditions)
    with store.moment() as connection:
        tallies.live(connection, run_id)
        for task, level, key, *sums in connection.execute(_LIKE_THESE, astuple(conditions)):
            pools.count((alike, task), level, key, Pool(*sums))
        return pools.baselines({alike: Profiles(store).costs(conditions)})


def _names(circumstances: Iterable[Circumstances]) -> dict[str, str]:
    """Return the names of models by fingerprint, as far as they were recorded; no two are alike."""
    found = {each.model: each.model_name for each in circumstances if each.model_name}
    uses = Counter(found.values())
    return {
        model: name if uses[name] == 1 else f"{name} {model[:_SHORT_CHARS]}"
        for model, name in found.items()
    }


def _preferred(fingerprint: str, model: str, plan: Mapping[str, Any]) -> tuple[Preferred, ...]:
    """Return the preferences that a plan's document holds: of all tasks, then of each class.

    It is read as JSON: without the solver that makes plans, and whatever version wrote it.
    """

    def of(
        task: str | None, levels: Iterable[Mapping[str, Any]], num_judged: float | None
    ) -> Preferred:
        shares = {
            level["directive_key"]: level["preference"]
            for level in levels
            if level["preference"] is not None
        }
        source, is_prior = plan["preference_source"], plan["is_preference_prior"]
        covariance = covariance_of(tuple(shares.values()), num_judged) if num_judged else None
        return Preferred(model, fingerprint, task, shares, covariance, source, is_prior)

    classes = (
        of(each["task"] or ELSE, each["levels"], each.get("num_judged"))
        for each in plan.get("classes", ())
    )
    return (of(None, plan["levels"], plan.get("num_judged")), *classes)
