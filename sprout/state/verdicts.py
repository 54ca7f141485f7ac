"""Judges, what they were asked and said, and how far they are trusted, in the store.

A verdict is stored as soon as it is there, so that a killed evaluation loses none. It is looked up
by judge, prompt and answers in their order, so that none is asked for, or paid for, twice. What the
prompt's line says beside them, its reference and its task, may be corrected later: a verdict that
comes out otherwise takes the place of the stored one, those of other answers by the old reference
go, and `relabel` gives verdicts their new task.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from sqlite3 import Row

from sprout.clock import to_text
from sprout.quality.case import Case
from sprout.quality.comparison import Ballot
from sprout.quality.judge import Card, Opinion, Usage, key_of
from sprout.quality.ruling import Ruling
from sprout.quality.trust import Trust
from sprout.state.store import Store
from sprout.state.values import from_json, from_text


@dataclass(frozen=True, slots=True)
class Spending:
    """What a judge's questions came to; None where it said nothing of it.

    Args:
        num_counted, num_priced: of the questions asked, those whose tokens, or price, are known.
    """

    num_asked: int
    num_counted: int
    num_prompt_tokens: int | None
    num_new_tokens: int | None
    num_priced: int
    price_usd: float | None


@dataclass(frozen=True, slots=True)
class KnownJudge:
    """A judge in the store.

    Args:
        tested_at: on all control pairs; None for one that was not, and so has no `trust`.
    """

    key: str
    name: str
    kind: str
    tested_at: datetime | None
    trust: Trust | None
    is_trusted: bool


def levels_key(keys: Sequence[str]) -> str:
    """Return 16 hex digits that name a set of directives that were compared."""
    return hashlib.sha256(json.dumps(sorted(keys)).encode()).hexdigest()[:16]


_OF_THE_PROMPT = (
    "WHERE judge_key = :judge_key AND prompt_hash = :prompt_hash AND model = :model"
    " AND levels_key = :levels_key AND reading = :reading"
)


class Verdicts:
    """Reads and writes the tables `verdicts` and `judges`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def introduce(self, card: Card) -> None:
        """Record who a judge is; one that needs no test is trusted."""
        with self._store.write() as connection:
            connection.execute(
                "INSERT OR IGNORE INTO judges (judge_key, name, kind, definition, is_trusted)"
                " VALUES (?, ?, ?, ?, ?)",
                (card.key, card.name, card.kind, card.definition, int(not card.must_earn_trust)),
            )

    def set_aside(self, judge_key: str) -> None:
        """Make a judge that was tested another one, with all that it said and what that cost.

        The judge of that key is then a new one, to be tested and asked anew.
        """
        with self._store.write() as connection:
            definition, tested_at = connection.execute(
                "SELECT definition, tested_at FROM judges WHERE judge_key = ?", (judge_key,)
            ).fetchone()
            aside = json.dumps(from_json(definition) | {"set_aside": tested_at}, sort_keys=True)
            key = key_of(aside)
            connection.execute(
                "UPDATE judges SET judge_key = ?, definition = ? WHERE judge_key = ?",
                (key, aside, judge_key),
            )
            for table in ("verdicts", "evaluations"):
                connection.execute(
                    f"UPDATE {table} SET judge_key = ? WHERE judge_key = ?", (key, judge_key)
                )

    def set_trust(self, judge_key: str, trust: Trust, now: datetime) -> None:
        """Record how a judge did on the control pairs."""
        with self._store.write() as connection:
            connection.execute(
                "UPDATE judges SET tested_at = ?, num_right = ?, num_wrong = ?, num_split = ?,"
                " num_failed = ?, is_trusted = ? WHERE judge_key = ?",
                (
                    to_text(now),
                    trust.num_right,
                    trust.num_wrong,
                    trust.num_split,
                    trust.num_failed,
                    int(trust.is_trusted),
                    judge_key,
                ),
            )

    def judges(self) -> list[KnownJudge]:
        """Return every judge, by name."""
        with self._store.read() as connection:
            rows = connection.execute("SELECT * FROM judges ORDER BY name, judge_key").fetchall()
        return [_judge(row) for row in rows]

    def judge(self, judge_key: str) -> KnownJudge | None:
        """Return one judge; None when it was never introduced."""
        return next((each for each in self.judges() if each.key == judge_key), None)

    def doubted(self, model: str, keys: Sequence[str]) -> list[str]:
        """Return the judges without trust that evaluated a model at these directives, by name."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT DISTINCT name FROM judges JOIN evaluations USING (judge_key)"
                " WHERE is_trusted = 0 AND model = ? AND levels_key = ? ORDER BY name",
                (model, levels_key(keys)),
            ).fetchall()
        return [row[0] for row in rows]

    def recall(self, judge_key: str, prompt_hash: str, ballot: Ballot) -> Opinion | None:
        """Return what a judge said to this question before; None when it was never asked."""
        with self._store.read() as connection:
            row = connection.execute(
                "SELECT * FROM verdicts WHERE judge_key = ? AND prompt_hash = ?"
                " AND answers_hash = ? LIMIT 1",
                (judge_key, prompt_hash, ballot.answers_hash),
            ).fetchone()
        if row is None:
            return None
        return Opinion(row["raw"] or "", tuple(from_json(row["chosen"])), row["fault"], Usage())

    def add(
        self,
        ruling: Ruling,
        ballot: Ballot,
        opinion: Opinion | None,
        *,
        model: str,
        compared: str,
        evaluation_id: str,
        keeps_text: bool,
    ) -> None:
        """Store a verdict; one that is stored already keeps its time and what it cost.

        Args:
            opinion: None when the ballot needed no judge.
            model: fingerprint of who answered; empty for control pairs.
            compared: the `levels_key` of the directives.
        """
        usage = Usage() if opinion is None else opinion.usage
        row = _row(ruling) | {
            "model": model,
            "levels_key": compared,
            "answers_hash": ballot.answers_hash,
            "evaluation_id": evaluation_id,
            "raw": opinion.raw if opinion is not None and keeps_text else None,
            "num_prompt_tokens": usage.num_prompt_tokens,
            "num_new_tokens": usage.num_new_tokens,
            "price_usd": usage.price_usd,
        }
        names, marks = ", ".join(row), ", ".join(f":{name}" for name in row)
        with self._store.write() as connection:
            connection.execute(
                f"INSERT INTO verdicts ({names}) VALUES ({marks})"
                " ON CONFLICT DO UPDATE SET"
                " evaluation_id = excluded.evaluation_id, levels = excluded.levels,"
                " lengths = excluded.lengths, chosen = excluded.chosen, fault = excluded.fault,"
                " raw = excluded.raw, judged_at = excluded.judged_at"
                " WHERE chosen <> excluded.chosen OR levels <> excluded.levels",
                row,
            )
            if ruling.reference_hash is not None:
                connection.execute(
                    f"UPDATE verdicts SET reference_hash = :reference_hash {_OF_THE_PROMPT}"
                    " AND answers_hash = :answers_hash",
                    row,
                )
                # other answers, compared with what was corrected since
                connection.execute(
                    f"DELETE FROM verdicts {_OF_THE_PROMPT} AND reference_hash <> :reference_hash",
                    row,
                )

    def relabel(self, cases: Iterable[Case]) -> None:
        """Give every judge's verdicts on prompts that carry a label that label as their task."""
        rows = [{"task": c.given_task, "name": c.prompt_hash} for c in cases if c.given_task]
        with self._store.write() as connection:
            connection.executemany(
                "UPDATE verdicts SET task = :task, given_task = :task"
                # by the judges, for the key of the table begins with them
                " WHERE judge_key IN (SELECT judge_key FROM judges) AND prompt_hash = :name"
                " AND (task <> :task OR given_task <> :task)",
                rows,
            )

    def rulings(
        self, model: str, keys: Sequence[str], *, judge_key: str | None = None
    ) -> list[Ruling]:
        """Return the verdicts about a model's answers at exactly these directives.

        Args:
            judge_key: of one judge; None for all who are trusted.
        """
        compared = levels_key(keys)
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT v.* FROM verdicts v JOIN judges j USING (judge_key)"
                " WHERE model = ? AND levels_key = ?"
                " AND (judge_key = ? OR (? IS NULL AND is_trusted = 1))",
                (model, compared, judge_key, judge_key),
            ).fetchall()
        return [_ruling(row) for row in rows]

    def judged(
        self, judge_key: str, model: str, keys: Sequence[str]
    ) -> set[tuple[str, str | None]]:
        """Return (prompt, hash of the reference) of every k-way verdict by this judge."""
        with self._store.read() as connection:
            rows = connection.execute(
                "SELECT DISTINCT prompt_hash, reference_hash FROM verdicts WHERE judge_key = ?"
                " AND model = ? AND levels_key = ? AND reading = 'best'",
                (judge_key, model, levels_key(keys)),
            ).fetchall()
        return {(row[0], row[1]) for row in rows}

    def unparsed(self, judge_key: str) -> str | None:
        """Return this judge's newest words that named nothing; None where none are kept."""
        with self._store.read() as connection:
            row = connection.execute(
                "SELECT raw FROM verdicts WHERE judge_key = ? AND fault = 'unparsed' AND raw <> ''"
                " ORDER BY judged_at DESC LIMIT 1",
                (judge_key,),
            ).fetchone()
        return None if row is None else str(row[0])

    def spending(self, judge_key: str) -> Spending:
        """Return what this judge's questions came to in all."""
        with self._store.read() as connection:
            row = connection.execute(
                "SELECT count(DISTINCT question),"
                " count(DISTINCT iif(num_prompt_tokens IS NULL, NULL, question)),"
                " sum(num_prompt_tokens), sum(num_new_tokens),"
                " count(DISTINCT iif(price_usd IS NULL, NULL, question)), sum(price_usd)"
                " FROM (SELECT *, prompt_hash || answers_hash AS question FROM verdicts)"
                " WHERE judge_key = ? AND json_array_length(levels) > 1",
                (judge_key,),
            ).fetchone()
        return Spending(*row)


def _judge(row: Row) -> KnownJudge:
    tested_at, trust = row["tested_at"], None
    if tested_at is not None:
        trust = Trust(row["num_right"], row["num_wrong"], row["num_split"], row["num_failed"])
    return KnownJudge(
        key=row["judge_key"],
        name=row["name"],
        kind=row["kind"],
        tested_at=None if tested_at is None else from_text(tested_at),
        trust=trust,
        is_trusted=bool(row["is_trusted"]),
    )


def _row(ruling: Ruling) -> dict[str, object]:
    return {
        "judge_key": ruling.judge_key,
        "prompt_hash": ruling.prompt_hash,
        "task": ruling.task,
        "given_task": ruling.given_task,
        "origin": ruling.origin,
        "reading": ruling.reading,
        "levels": json.dumps(ruling.levels),
        "lengths": json.dumps(ruling.lengths),
        "chosen": json.dumps(ruling.chosen),
        "fault": ruling.fault,
        "judged_at": to_text(ruling.judged_at),
        "reference_hash": ruling.reference_hash,
    }


def _ruling(row: Row) -> Ruling:
    return Ruling(
        judge_key=row["judge_key"],
        prompt_hash=row["prompt_hash"],
        task=row["task"],
        given_task=row["given_task"],
        origin=row["origin"],
        reading=row["reading"],
        levels=tuple(tuple(keys) for keys in from_json(row["levels"])),
        lengths=tuple(from_json(row["lengths"])),
        chosen=tuple(from_json(row["chosen"])),
        fault=row["fault"],
        judged_at=from_text(row["judged_at"]),
        reference_hash=row["reference_hash"],
    )
