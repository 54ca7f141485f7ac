"""Runs in the store: when, of what, and what the counters saw of each."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sprout.clock import to_text
from sprout.state import tallies
from sprout.state.store import Store
from sprout.state.values import from_text


@dataclass(frozen=True, slots=True)
class Run:
    """One use of `sprout run`: what it serves and how its carbon is counted."""

    id: str
    started_at: datetime
    input: str
    output: str | None
    model: str
    machine: str
    zone: str
    energy_method: str
    pue: float
    embodied_preset: str
    embodied_g_per_s: float
    waits: "Waits | None" = None


@dataclass(frozen=True, slots=True)
class Waits:
    """How a run may wait for greener hours.

    Args:
        finish_by: deadline of prompts without one of their own; None serves them at once.
        began_g_per_kwh: intensity when the run began.
    """

    finish_by: datetime | None
    began_g_per_kwh: float


class Runs:
    """Reads and writes the table `runs`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def start(self, run: Run) -> None:
        """Record a new run."""
        waits = run.waits
        with self._store.write() as connection:
            connection.execute(
                "INSERT INTO runs (run_id, started_at, input, output, model, machine, zone,"
                " energy_method, pue, embodied_preset, embodied_g_per_s, metered_j, idle_j,"
                " num_rejected, finish_by, began_g_per_kwh)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?, ?)",
                (
                    run.id,
                    to_text(run.started_at),
                    run.input,
                    run.output,
                    run.model,
                    run.machine,
                    run.zone,
                    run.energy_method,
                    run.pue,
                    run.embodied_preset,
                    run.embodied_g_per_s,
                    to_text(waits.finish_by) if waits and waits.finish_by else None,
                    waits.began_g_per_kwh if waits else None,
                ),
            )

    def model(self, run_id: str) -> str | None:
        """Return the fingerprint of the model that a run was begun with; None: no such run."""
        with self._store.read() as connection:
            row = connection.execute(
                "SELECT model FROM runs WHERE run_id = ?", (run_id,)
            ).fetchone()
        return None if row is None else str(row[0])

    def started_at(self, run_id: str) -> datetime:
        """Return when a run was started."""
        with self._store.read() as connection:
            (text,) = connection.execute(
                "SELECT started_at FROM runs WHERE run_id = ?", (run_id,)
            ).fetchone()
        return from_text(text)

    def waits(self, run_id: str) -> Waits | None:
        """Return how a run may wait; None when it does not."""
        with self._store.read() as connection:
            text, g_per_kwh = connection.execute(
                "SELECT finish_by, began_g_per_kwh FROM runs WHERE run_id = ?", (run_id,)
            ).fetchone()
        return None if g_per_kwh is None else Waits(from_text(text) if text else None, g_per_kwh)

    def latest(self, output: str) -> tuple[str, bool] | None:
        """Return the id of the latest run that wrote this output file, and whether it finished."""
        with self._store.read() as connection:
            row = connection.execute(
                "SELECT run_id, finished_at IS NOT NULL FROM runs WHERE output = ?"
                " ORDER BY rowid DESC LIMIT 1",  # as stored: the clock may have been set back
                (output,),
            ).fetchone()
        return None if row is None else (row[0], bool(row[1]))

    def newest(self, count: int) -> list[dict[str, Any]]:
        """Return the newest runs, each with how many prompts were answered, failed, rejected."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT r.run_id, r.started_at, r.finished_at, r.input, r.output, r.metered_j,"
                " r.idle_j, r.num_rejected, count(c.finished_at) - count(c.error) AS num_answered,"
                " count(c.error) AS num_failed FROM runs r"
                " LEFT JOIN completions c ON c.run_id = r.run_id"
                " WHERE r.run_id IN"
                " (SELECT run_id FROM runs ORDER BY started_at DESC, rowid DESC LIMIT ?)"
                " GROUP BY r.run_id ORDER BY r.started_at DESC, r.rowid DESC",
                (count,),
            ).fetchall()
        return [dict(row) for row in rows]

    def reopen(self, run_id: str) -> None:
        """Let a run go on, which reads its file from the beginning: it has no end and no sums."""
        with self._store.write() as connection:
            connection.execute(
                "UPDATE runs SET finished_at = NULL, num_rejected = 0 WHERE run_id = ?", (run_id,)
            )
            tallies.forget(connection, run_id)

    def finish(self, run_id: str, now: datetime) -> None:
        """Mark a run as finished, and sum it up for reports."""
        with self._store.write() as connection:
            connection.execute(
                "UPDATE runs SET finished_at = ? WHERE run_id = ?", (to_text(now), run_id)
            )
            tallies.keep(connection, run_id)

    def add_meter(self, run_id: str, metered_j: float, idle_j: float) -> None:
        """Add what the counters saw of this run, in J."""
        with self._store.write() as connection:
            connection.execute(
                "UPDATE runs SET metered_j = metered_j + ?, idle_j = idle_j + ? WHERE run_id = ?",
                (metered_j, idle_j, run_id),
            )

    def add_rejected(self, run_id: str, count: int) -> None:
        """Count lines of this run that could not be served."""
        with self._store.write() as connection:
            connection.execute(
                "UPDATE runs SET num_rejected = num_rejected + ? WHERE run_id = ?", (count, run_id)
            )
