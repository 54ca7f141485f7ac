"""What levels cost, in the store: learned rows, the texts they stand for, idle power."""

import sqlite3
from collections.abc import Iterable
from dataclasses import astuple
from datetime import datetime

from sprout.clock import to_text
from sprout.costs import ALL_TASKS, Conditions, Cost, CostTable, Moments, Sample, learn
from sprout.directives import Directive
from sprout.state.store import Store
from sprout.state.values import from_text

_UNDER = (
    "model = ? AND machine = ? AND parallel = ? AND threads = ? AND gpu_layers = ?"
    " AND max_tokens = ? AND energy_method = ?"
)


class Profiles:
    """Reads and writes the tables `profiles`, `directives` and `baselines`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def costs(self, conditions: Conditions) -> CostTable:
        """Return what is known under these conditions, by directive key and task."""
        with self._store.read() as connection:
            rows = connection.execute(
                f"SELECT * FROM profiles WHERE {_UNDER}", astuple(conditions)
            ).fetchall()
        return {(row["directive_key"], row["task"]): _cost(row) for row in rows}

    def learn(self, conditions: Conditions, samples: Iterable[Sample], now: datetime) -> None:
        """Add finished requests to the rows of their level; only these rows are read."""
        given = list(samples)
        with self._store.write() as connection:
            changed = learn(self._rows(connection, conditions, given), given)
            connection.executemany(
                "INSERT OR REPLACE INTO profiles VALUES"
                " (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (*astuple(conditions), key, task, *_numbers(cost), to_text(now))
                    for (key, task), cost in changed.items()
                ],
            )

    def updated_at(self, conditions: Conditions) -> datetime | None:
        """Return when anything was last learned under these conditions."""
        with self._store.read() as connection:
            (text,) = connection.execute(
                f"SELECT max(updated_at) FROM profiles WHERE {_UNDER}", astuple(conditions)
            ).fetchone()
        return None if text is None else from_text(text)

    def known_conditions(self) -> list[tuple[Conditions, int, str]]:
        """Return (conditions, requests measured, last change), the latest first."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT model, machine, parallel, threads, gpu_layers, max_tokens, energy_method,"
                " sum(num_requests), max(updated_at) FROM profiles WHERE task = ?"
                " GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 9 DESC",
                (ALL_TASKS,),
            ).fetchall()
        return [(Conditions(*row[:7]), row[7], row[8]) for row in rows]

    def name_directives(self, directives: Iterable[Directive]) -> None:
        """Record what the keys of measurements stand for."""
        with self._store.write() as connection:
            connection.executemany(
                "INSERT OR IGNORE INTO directives VALUES (?, ?, ?, ?, ?)",
                [(d.key, d.text, d.placement, d.max_tokens, d.variant) for d in directives],
            )

    def set_idle(
        self, conditions: Conditions, idle_w: float, duration_s: float, now: datetime
    ) -> None:
        """Record the power of the idle machine, in W."""
        with self._store.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO baselines VALUES (?, ?, ?, ?, ?)",
                (conditions.machine, conditions.energy_method, idle_w, duration_s, to_text(now)),
            )

    def _rows(
        self, connection: sqlite3.Connection, conditions: Conditions, samples: Iterable[Sample]
    ) -> CostTable:
        """Return what is known of the samples' levels and tasks: a store may have many tasks."""
        found = dict[tuple[str, str], Cost]()
        keys = {(s.directive_key, task) for s in samples for task in (s.task, ALL_TASKS)}
        for key in keys:
            row = connection.execute(
                f"SELECT * FROM profiles WHERE {_UNDER} AND directive_key = ? AND task = ?",
                (*astuple(conditions), *key),
            ).fetchone()
            if row is not None:
                found[key] = _cost(row)
        return found


def _numbers(cost: Cost) -> tuple[float, ...]:
    quantities = (cost.energy_j, cost.busy_s, cost.prompt_tokens, cost.new_tokens)
    moments = (number for quantity in quantities for number in astuple(quantity))
    return (cost.num_requests, cost.weight, cost.weight_squared, *moments)


def _cost(row: sqlite3.Row) -> Cost:
    return Cost(
        num_requests=row["num_requests"],
        weight=row["weight"],
        weight_squared=row["weight_squared"],
        energy_j=Moments(row["energy_mean_j"], row["energy_deviations_j2"]),
        busy_s=Moments(row["busy_mean_s"], row["busy_deviations_s2"]),
        prompt_tokens=Moments(row["prompt_tokens_mean"], row["prompt_tokens_deviations"]),
        new_tokens=Moments(row["new_tokens_mean"], row["new_tokens_deviations"]),
    )
