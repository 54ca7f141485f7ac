"""Runs, their plans and their completions in the store."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import cache
from itertools import islice
from sqlite3 import Connection
from typing import TYPE_CHECKING, Any

from sprout.answers import Admission, Counting, Failed, Grid, Served
from sprout.clock import to_text
from sprout.planning.plan import Plan
from sprout.state import circumstances, tallies
from sprout.state.store import Store
from sprout.state.values import from_text, readable

if TYPE_CHECKING:
    from pydantic import TypeAdapter

_LINES_PER_COMMIT = 5000  # other processes get the write lock in between


@cache
def _plans() -> "TypeAdapter[Plan]":
    """Return what reads and writes a plan; pydantic is imported for it alone."""
    from pydantic import TypeAdapter

    return TypeAdapter(Plan)


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


@dataclass(frozen=True, slots=True)
class Past:
    """What an interrupted run already recorded of a prompt."""

    content_hash: str
    level: str
    plan_id: str | None
    is_answered: bool


class Runs:
    """Reads and writes the tables `runs`, `plans`, `completions` and `texts`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def start(self, run: Run) -> None:
        """Record a new run."""
        waits = run.waits
        with self._store.write() as connection:
            connection.execute(
                "INSERT INTO runs (run_id, started_at, input, output, model, machine, zone,"
                " energy_method, pue, embodied_preset, embodied_g_per_s, metered_j, idle_j,"
                " finish_by, began_g_per_kwh)"
                " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, ?, ?)",
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

    def is_known(self, run_id: str) -> bool:
        """Return whether a run is recorded."""
        with self._store.read() as connection:
            found = connection.execute("SELECT 1 FROM runs WHERE run_id = ?", (run_id,)).fetchone()
        return found is not None

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
        """Return the newest runs with how many prompts they answered and how many failed."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT r.run_id, r.started_at, r.finished_at, r.input, r.output, r.metered_j,"
                " r.idle_j, count(c.finished_at) - count(c.error) AS num_answered,"
                " count(c.error) AS num_failed FROM runs r"
                " LEFT JOIN completions c ON c.run_id = r.run_id"
                " WHERE r.run_id IN"
                " (SELECT run_id FROM runs ORDER BY started_at DESC, rowid DESC LIMIT ?)"
                " GROUP BY r.run_id ORDER BY r.started_at DESC, r.rowid DESC",
                (count,),
            ).fetchall()
        return [dict(row) for row in rows]

    def reopen(self, run_id: str) -> None:
        """Mark a finished run as unfinished, to retry what failed."""
        with self._store.write() as connection:
            connection.execute("UPDATE runs SET finished_at = NULL WHERE run_id = ?", (run_id,))
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

    def add_plan(self, plan: Plan, run_id: str | None) -> None:
        """Store a plan with all its inputs."""
        document = _plans().dump_json(plan).decode()
        with self._store.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO plans VALUES (?, ?, ?, ?, ?)",
                (plan.id, run_id, to_text(plan.made_at), to_text(plan.valid_until), document),
            )

    def latest_plan(self, run_id: str | None = None) -> Plan | None:
        """Return the newest plan, of one run or of all."""
        with self._store.read() as connection:
            row = connection.execute(
                "SELECT document FROM plans WHERE run_id = ? OR ? IS NULL"
                " ORDER BY rowid DESC LIMIT 1",
                (run_id, run_id),
            ).fetchone()
        if row is None:
            return None
        with readable(row[0]):
            return _plans().validate_json(row[0])

    def level_counts(self, run_id: str, plan_id: str) -> dict[tuple[str, str], int]:
        """Return how many prompts each (task, level) of a plan was given to."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT task, level, count(*) FROM completions WHERE run_id = ? AND plan_id = ?"
                " GROUP BY task, level",
                (run_id, plan_id),
            ).fetchall()
        return {(row[0], row[1]): row[2] for row in rows}

    def recall(self, run_id: str, prompt_id: str) -> Past | None:
        """Return what this run already recorded of a prompt."""
        with self._store.read() as connection:
            row = connection.execute(
                "SELECT content_hash, level, plan_id, finished_at IS NOT NULL AND error IS NULL"
                " FROM completions WHERE run_id = ? AND prompt_id = ?",
                (run_id, prompt_id),
            ).fetchone()
        return None if row is None else Past(row[0], row[1], row[2], bool(row[3]))

    def admit(self, run_id: str, admissions: Iterable[Admission], now: datetime) -> None:
        """Record prompts with their levels, before anything of them is decoded."""
        rows = [
            (
                run_id,
                a.prompt.id,
                a.prompt.content_hash,
                a.prompt.task or "",
                a.level,
                a.directive_key,
                a.plan_id,
                to_text(now),
            )
            for a in admissions
        ]
        with self._store.write() as connection:
            connection.executemany(
                "INSERT OR REPLACE INTO completions (run_id, prompt_id, content_hash, task, level,"
                " directive_key, plan_id, admitted_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                rows,
            )

    def complete(
        self,
        run_id: str,
        served: Iterable[Served],
        now: datetime,
        counting: Counting | None = None,
    ) -> None:
        """Record finished requests with what they cost, and how that was counted.

        Without `counting` the row of the run says what it can of that.
        """
        with self._store.write() as connection:
            ids = circumstances.Ids(connection, run_id, counting)
            connection.executemany(
                f"UPDATE completions SET {_FINISHED} WHERE run_id = ? AND prompt_id = ?",
                [
                    (
                        *_finished(row, now),
                        ids.of(row.grid, row.energy_method),
                        run_id,
                        row.admission.prompt.id,
                    )
                    for row in served
                ],
            )

    def reconcile(self, run_id: str, lines: Iterable[Mapping[str, Any]]) -> set[str]:
        """Bring the store in line with an output file, and return the ids that it holds twice.

        An answered line without its row gets its row back, and the run the energy that was metered
        for it; a row whose line a power loss took is open again, with its level and plan.
        """
        with self._store.read() as connection:
            connection.execute("DROP TABLE IF EXISTS temp.written")
            connection.execute(
                "CREATE TEMP TABLE written (prompt_id TEXT PRIMARY KEY, restored_j REAL NOT NULL)"
            )
        remaining, repeated = iter(lines), set()
        while batch := list(islice(remaining, _LINES_PER_COMMIT)):
            with self._store.write() as connection:
                restored_j = 0.0
                for line in batch:
                    before_j, now_j = self._restore(connection, run_id, line)
                    if before_j is not None:
                        repeated.add(line["custom_id"])
                    restored_j += now_j - (before_j or 0.0)
                self.add_meter(run_id, restored_j, 0.0)
        with self._store.write() as connection:
            connection.execute(
                f"UPDATE completions SET {_OPEN} WHERE run_id = ?"
                " AND finished_at IS NOT NULL AND error IS NULL"
                " AND prompt_id NOT IN (SELECT prompt_id FROM temp.written)",
                (run_id,),
            )
            connection.execute("DROP TABLE temp.written")
        return repeated

    def fail(self, run_id: str, failures: Iterable[Failed], now: datetime) -> None:
        """Record admitted requests that failed alone."""
        with self._store.write() as connection:
            connection.executemany(
                "UPDATE completions SET finished_at = ?, error = ?"
                " WHERE run_id = ? AND prompt_id = ?",
                [(to_text(now), f.reason, run_id, f.id) for f in failures],
            )

    def keep_texts(self, run_id: str, served: Iterable[Served], limit: int) -> None:
        """Keep prompts and answers, and only the newest `limit` of all."""
        rows = [
            (
                run_id,
                row.admission.prompt.id,
                json.dumps([asdict(message) for message in row.admission.prompt.chat]),
                row.completion.text,
            )
            for row in served
        ]
        with self._store.write() as connection:
            connection.executemany(
                "INSERT INTO texts (run_id, prompt_id, chat, answer) VALUES (?, ?, ?, ?)", rows
            )
            connection.execute(
                "DELETE FROM texts WHERE text_id <= (SELECT max(text_id) FROM texts) - ?", (limit,)
            )

    def _restore(
        self, connection: Connection, run_id: str, line: Mapping[str, Any]
    ) -> tuple[float | None, float]:
        """Give an answered line its row.

        Returns:
            The joules that an earlier line of this id brought back, None for its first line; and
            those that are brought back for it now in all. A row that was stored has been metered.
        """
        prompt_id, content_hash = line["custom_id"], line["response"]["request_id"]
        earlier = connection.execute(
            "SELECT restored_j FROM temp.written WHERE prompt_id = ?", (prompt_id,)
        ).fetchone()
        before_j = None if earlier is None else float(earlier[0])
        past = self.recall(run_id, prompt_id)
        is_metered = past is not None and past.is_answered and not before_j
        restored_j = 0.0 if is_metered else float(line["sprout"]["energy_j"])
        connection.execute(
            "INSERT OR REPLACE INTO temp.written VALUES (?, ?)", (prompt_id, restored_j)
        )
        if past is None or not past.is_answered or past.content_hash != content_hash:
            self._restore_row(connection, run_id, line)
        return before_j, restored_j

    def _restore_row(self, connection: Connection, run_id: str, line: Mapping[str, Any]) -> None:
        prompt_id, content_hash = line["custom_id"], line["response"]["request_id"]
        body, cost = line["response"]["body"], line["sprout"]
        finished_at = to_text(datetime.fromtimestamp(body["created"], UTC))
        key = (run_id, prompt_id)
        told = (content_hash, cost["level"], cost["plan_id"])
        connection.execute(
            "INSERT OR IGNORE INTO completions (run_id, prompt_id, content_hash, task, level,"
            " directive_key, plan_id, admitted_at) VALUES (?, ?, ?, '', ?, '', ?, ?)",
            (*key, *told, finished_at),
        )
        numbers = (
            finished_at,
            body["choices"][0]["finish_reason"],
            body["usage"]["prompt_tokens"],
            body["usage"]["completion_tokens"],
            cost["energy_j"],
            cost["busy_s"],
            cost["duration_s"],
            cost["intensity_g_per_kwh"],
            cost["carbon_g"] - cost["embodied_g"],
            cost["embodied_g"],
            circumstances.Ids(connection, run_id, None).of(
                Grid(cost["zone"], cost["intensity_g_per_kwh"], cost["intensity_source"]),
                cost["energy_method"],
            ),
        )
        connection.execute(
            f"UPDATE completions SET {_FINISHED}, content_hash = ?, level = ?, plan_id = ?"
            " WHERE run_id = ? AND prompt_id = ?",
            (*numbers, *told, *key),
        )


_FINISHED = (
    "finished_at = ?, error = NULL, finish_reason = ?, num_prompt_tokens = ?, num_new_tokens = ?,"
    " energy_j = ?, busy_s = ?, duration_s = ?, g_per_kwh = ?, operational_g = ?, embodied_g = ?,"
    " circumstance_id = ?"
)

_OPEN = _FINISHED.replace("?", "NULL")


def _finished(row: Served, now: datetime) -> tuple[object, ...]:
    return (
        to_text(now),
        row.completion.finish_reason,
        row.completion.num_prompt_tokens,
        row.completion.num_new_tokens,
        row.energy_j,
        row.busy_s,
        row.duration_s,
        row.grid.g_per_kwh,
        row.footprint.operational_g,
        row.footprint.embodied_g,
    )
