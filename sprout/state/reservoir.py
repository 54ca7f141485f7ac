"""Sampled prompts and their answers in the store: what evaluations are made from.

Every task keeps the prompts whose seeded hash is lowest. Such a sample is uniform over the distinct
prompts that were served, does not depend on their order, and a prompt that is served again (a
resumed run, say) is in it once. Once a task is full hardly any prompt is lower, so that a long run
pays one hash a prompt.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from datetime import datetime
from sqlite3 import Connection, Row

from sprout.batch.answers import Served
from sprout.chat import Chat, Message, Sampling
from sprout.clock import to_text
from sprout.quality.case import Answer, Case, prompt_hash
from sprout.state.store import Store
from sprout.state.values import from_json, readable

_PRIORITY_DIGITS = 15  # of hex: 60 bits, an SQLite integer


class Reservoir:
    """Reads and writes the tables `reservoir` and `answers`.

    Args:
        limit: prompts kept of each task.
        seed: which of them; changing it draws another sample from what is served then on.
    """

    def __init__(self, store: Store, limit: int, seed: int = 0) -> None:
        self._store = store
        self._limit = limit
        self._seed = seed
        self._ceilings: dict[str, int | None] = {}

    def offer(self, model: str, served: Iterable[Served], now: datetime) -> int:
        """Keep those served prompts that belong to the sample, with their answers; return how many.

        Args:
            model: fingerprint of who answered.
        """
        kept = [(priority, row) for row in served if (priority := self._admits(row)) is not None]
        if not kept:
            return 0
        with self._store.write() as connection:
            answers = [self._keep(connection, priority, row, now) for priority, row in kept]
            self.keep_answers(model, answers, now)
            for task in {row.admission.prompt.task or "" for _, row in kept}:
                self._shrink(connection, task)
        return len(kept)

    def cases(self) -> list[tuple[str, Case]]:
        """Return (task as served, prompt) of the whole sample.

        A prompt that was served as several tasks is there for each, as last served last.
        """
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT * FROM reservoir ORDER BY served_at, task, priority"
            ).fetchall()
        return [(row["task"], _case(row)) for row in rows]

    def answers(self, model: str, keys: Sequence[str]) -> dict[tuple[str, str], Answer]:
        """Return stored answers of a model by (prompt hash, directive key)."""
        marks = ", ".join("?" * len(keys))
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT prompt_hash, directive_key, answer, num_new_tokens FROM answers"
                f" WHERE model = ? AND directive_key IN ({marks})",
                (model, *keys),
            ).fetchall()
        return {(row[0], row[1]): Answer(row[0], row[1], row[2], row[3]) for row in rows}

    def keep_answers(self, model: str, answers: Iterable[Answer], now: datetime) -> None:
        """Store answers, each in the place of an older one of its prompt and level."""
        rows = [
            (model, a.directive_key, a.prompt_hash, a.text, a.num_new_tokens, to_text(now))
            for a in answers
        ]
        with self._store.write() as connection:
            connection.executemany("INSERT OR REPLACE INTO answers VALUES (?, ?, ?, ?, ?, ?)", rows)

    def _admits(self, row: Served) -> int | None:
        """Return a prompt's priority, or None when its task is full of lower ones."""
        prompt = row.admission.prompt
        digest = hashlib.sha256(f"{self._seed} {prompt.content_hash}".encode()).hexdigest()
        priority = int(digest[:_PRIORITY_DIGITS], 16)
        task = prompt.task or ""
        if task not in self._ceilings:
            with self._store.read() as connection:
                self._ceilings[task] = self._ceiling(connection, task)
        ceiling = self._ceilings[task]
        return priority if ceiling is None or priority <= ceiling else None

    def _ceiling(self, connection: Connection, task: str) -> int | None:
        """Return the highest priority that a full task keeps; None while there is room."""
        row = connection.execute(
            "SELECT priority FROM reservoir WHERE task = ? ORDER BY priority LIMIT 1 OFFSET ?",
            (task, self._limit - 1),
        ).fetchone()
        return None if row is None else int(row[0])

    def _keep(self, connection: Connection, priority: int, row: Served, now: datetime) -> Answer:
        """Keep a prompt as it was served last, and return its answer."""
        prompt, completion = row.admission.prompt, row.completion
        name = prompt_hash(prompt.chat, prompt.sampling)
        connection.execute(
            "INSERT INTO reservoir VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
            " priority = min(priority, excluded.priority), served_at = excluded.served_at,"
            " reference = coalesce(excluded.reference, reference)",
            (
                prompt.task or "",
                name,
                priority,
                json.dumps([asdict(message) for message in prompt.chat]),
                json.dumps(asdict(prompt.sampling)),
                None if prompt.reference is None else json.dumps(prompt.reference),
                to_text(now),
            ),
        )
        return Answer(name, row.admission.directive_key, completion.text, completion.num_new_tokens)

    def _shrink(self, connection: Connection, task: str) -> None:
        """Drop what is above a task's ceiling, and the answers to it."""
        ceiling = self._ceilings[task] = self._ceiling(connection, task)
        if ceiling is None:
            return
        dropped = connection.execute(
            "DELETE FROM reservoir WHERE task = ? AND priority > ? RETURNING prompt_hash",
            (task, ceiling),
        ).fetchall()
        connection.executemany(
            "DELETE FROM answers WHERE prompt_hash = ? AND prompt_hash NOT IN"
            " (SELECT prompt_hash FROM reservoir)",
            [(row[0],) for row in dropped],
        )


def _case(row: Row) -> Case:
    return Case(
        prompt_hash=row["prompt_hash"],
        chat=_chat(row["chat"]),
        sampling=_sampling(row["sampling"]),
        task=row["task"],
        given_task=row["task"],
        reference=None if row["reference"] is None else from_json(row["reference"]),
        origin="served",
    )


def _chat(text: str) -> Chat:
    with readable(text):
        return tuple(Message(**message) for message in json.loads(text))


def _sampling(text: str) -> Sampling:
    with readable(text):
        sampling = json.loads(text)
        return Sampling(**sampling | {"stop": tuple(sampling["stop"])})
