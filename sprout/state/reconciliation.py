"""Brings the store in line with an output file, which after a kill is the truth of a run.

An answered line without its row gets its row back, and the run the energy that was metered for it;
a row whose line a power loss took is open again, with its level and plan.
"""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from itertools import islice
from sqlite3 import Connection
from typing import Any

from sprout.batch.answers import Grid
from sprout.clock import to_text
from sprout.state.circumstances import Ids
from sprout.state.completions import ANSWERED, FINISH, Completions, Past
from sprout.state.runs import Runs
from sprout.state.store import Store

Line = Mapping[str, Any]
"""An output line, as `sprout.batch.answers.parse_line` returns it."""

_LINES_PER_COMMIT = 5000  # other processes get the write lock in between


def reconcile(store: Store, run_id: str, lines: Iterable[Line]) -> set[str]:
    """Make a run's rows those of its lines; return the ids that the file holds twice."""
    with store.read() as connection:
        connection.execute("DROP TABLE IF EXISTS temp.written")
        connection.execute(
            "CREATE TEMP TABLE written (prompt_id TEXT PRIMARY KEY, restored_j REAL NOT NULL,"
            " unmetered TEXT)"
        )
    remaining, repeated = iter(lines), set()
    while batch := list(islice(remaining, _LINES_PER_COMMIT)):
        with store.write() as connection:
            restored_j = 0.0
            for line in batch:
                is_repeated, added_j = _restore(store, connection, run_id, line)
                if is_repeated:
                    repeated.add(line["custom_id"])
                restored_j += added_j
            Runs(store).add_meter(run_id, restored_j, 0.0)
    with store.write() as connection:
        connection.execute(
            f"UPDATE completions AS c SET {FINISH.replace('?', 'NULL')}"
            f" WHERE run_id = ? AND {ANSWERED}"
            " AND prompt_id NOT IN (SELECT prompt_id FROM temp.written)",
            (run_id,),
        )
        connection.execute("DROP TABLE temp.written")
    return repeated


def _restore(store: Store, connection: Connection, run_id: str, line: Line) -> tuple[bool, float]:
    """Give an answered line its row.

    Returns:
        Whether the file holds its id twice, and the joules that it brings back to the run; of lines
        of one id the last one counts. A row that was stored has been metered, and so has an answer
        to another content than that of an open row: it was stored before the row took its place.
    """
    prompt_id, content_hash = line["custom_id"], line["response"]["request_id"]
    earlier = connection.execute(
        "SELECT restored_j, unmetered FROM temp.written WHERE prompt_id = ?", (prompt_id,)
    ).fetchone()
    past = Completions(store, run_id).recall(prompt_id)
    before_j, unmetered = earlier or (0.0, _unmetered(past))
    is_metered = unmetered not in {None, content_hash}
    restored_j = 0.0 if is_metered else float(line["sprout"]["energy_j"])
    connection.execute(
        "INSERT OR REPLACE INTO temp.written VALUES (?, ?, ?)", (prompt_id, restored_j, unmetered)
    )
    if past is None or not past.is_answered or past.content_hash != content_hash:
        _restore_row(connection, run_id, line)
    return earlier is not None, restored_j - before_j


def _unmetered(past: Past | None) -> str | None:
    """Return the content whose answer may not be metered yet; None: any, empty: none."""
    if past is None:
        return None
    return "" if past.is_answered else past.content_hash


def _restore_row(connection: Connection, run_id: str, line: Line) -> None:
    body, cost = line["response"]["body"], line["sprout"]
    finished_at = to_text(datetime.fromtimestamp(body["created"], UTC))
    key = (run_id, line["custom_id"])
    told = (line["response"]["request_id"], cost["level"], cost["plan_id"])
    connection.execute(
        "INSERT OR IGNORE INTO completions (run_id, prompt_id, content_hash, task, level,"
        " directive_key, plan_id, admitted_at) VALUES (?, ?, ?, '', ?, '', ?, ?)",
        (*key, *told, finished_at),
    )
    g_per_kwh = cost["intensity_g_per_kwh"]
    grid = Grid(cost["zone"], g_per_kwh, cost["intensity_source"])
    numbers = (
        finished_at,
        body["choices"][0]["finish_reason"],
        body["usage"]["prompt_tokens"],
        body["usage"]["completion_tokens"],
        cost["energy_j"],
        cost["busy_s"],
        cost["duration_s"],
        g_per_kwh,
        cost["carbon_g"] - cost["embodied_g"],
        cost["embodied_g"],
        Ids(connection, run_id, None).of(grid, cost["energy_method"]),
    )
    connection.execute(
        f"UPDATE completions SET {FINISH}, content_hash = ?, level = ?, plan_id = ?"
        " WHERE run_id = ? AND prompt_id = ?",
        (*numbers, *told, *key),
    )
