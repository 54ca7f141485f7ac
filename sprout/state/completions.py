"""The completions of a run in the store: each prompt with its level, then with what it cost."""

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from datetime import datetime

from sprout.batch.answers import Admission, Counting, Failed, Served
from sprout.clock import to_text
from sprout.state.circumstances import Ids
from sprout.state.store import Store

ANSWERED = "c.finished_at IS NOT NULL AND c.error IS NULL"
"""What is true of a row c whose prompt was answered."""

FINISH = (
    "finished_at = ?, error = NULL, finish_reason = ?, num_prompt_tokens = ?, num_new_tokens = ?,"
    " energy_j = ?, busy_s = ?, duration_s = ?, g_per_kwh = ?, operational_g = ?, embodied_g = ?,"
    " circumstance_id = ?"
)
"""What a row gets when its prompt is answered."""


@dataclass(frozen=True, slots=True)
class Past:
    """What an interrupted run already recorded of a prompt."""

    content_hash: str
    level: str
    plan_id: str | None
    is_answered: bool


class Completions:
    """Reads and writes the rows of one run in the tables `completions` and `texts`."""

    def __init__(self, store: Store, run_id: str) -> None:
        self._store = store
        self._run_id = run_id

    def recall(self, prompt_id: str) -> Past | None:
        """Return what this run already recorded of a prompt."""
        with self._store.read() as connection:
            row = connection.execute(
                f"SELECT content_hash, level, plan_id, {ANSWERED}"
                " FROM completions c WHERE run_id = ? AND prompt_id = ?",
                (self._run_id, prompt_id),
            ).fetchone()
        return None if row is None else Past(row[0], row[1], row[2], bool(row[3]))

    def level_counts(self, plan_id: str) -> dict[tuple[str, str], int]:
        """Return how many prompts each (task, level) of a plan was given to."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT task, level, count(*) FROM completions WHERE run_id = ? AND plan_id = ?"
                " GROUP BY task, level",
                (self._run_id, plan_id),
            ).fetchall()
        return {(row[0], row[1]): row[2] for row in rows}

    def admit(self, admissions: Iterable[Admission], now: datetime) -> None:
        """Record prompts with their levels, before anything of them is decoded."""
        rows = [
            (
                self._run_id,
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
        self, served: Iterable[Served], now: datetime, counting: Counting | None = None
    ) -> None:
        """Record finished requests with what they cost, and how that was counted.

        Without `counting` the row of the run says what it can of that.
        """
        with self._store.write() as connection:
            ids = Ids(connection, self._run_id, counting)
            connection.executemany(
                f"UPDATE completions SET {FINISH} WHERE run_id = ? AND prompt_id = ?",
                [
                    (
                        *_finished(row, now),
                        ids.of(row.grid, row.energy_method),
                        self._run_id,
                        row.admission.prompt.id,
                    )
                    for row in served
                ],
            )

    def fail(self, failures: Iterable[Failed], now: datetime) -> None:
        """Record admitted requests that failed alone."""
        with self._store.write() as connection:
            connection.executemany(
                "UPDATE completions SET finished_at = ?, error = ?"
                " WHERE run_id = ? AND prompt_id = ?",
                [(to_text(now), f.reason, self._run_id, f.id) for f in failures],
            )

    def keep_texts(self, served: Iterable[Served], limit: int) -> None:
        """Keep prompts and answers, and only the newest `limit` of all runs'."""
        rows = [
            (
                self._run_id,
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


def served_counts(store: Store, model: str) -> dict[str, int]:
    """Return how many requests of each task this model answered, in all runs."""
    with store.read() as connection:
        rows = connection.execute(
            "SELECT task, count(*) FROM completions c JOIN runs r USING (run_id)"
            f" WHERE r.model = ? AND {ANSWERED} GROUP BY task",
            (model,),
        ).fetchall()
    return {row[0]: row[1] for row in rows}


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
