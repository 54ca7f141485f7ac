"""Forgets what is old."""

from datetime import datetime

from sprout.clock import to_text
from sprout.state.store import Store

_OLD_RUNS = "SELECT run_id FROM runs WHERE started_at < ?"
_WHERE = {
    "completions": f"run_id IN ({_OLD_RUNS})",
    "texts": f"run_id IN ({_OLD_RUNS})",
    "plans": f"(run_id IN ({_OLD_RUNS}) OR (run_id IS NULL AND made_at < ?))",
    "runs": "started_at < ?",
    "reservoir": "served_at < ?",
    "answers": "answered_at < ?",
    "verdicts": "judged_at < ?",
    "evaluations": "started_at < ?",
}


def prune(store: Store, before: datetime, *, dry_run: bool) -> dict[str, int]:
    """Delete older runs with all that is theirs, and older evaluations; return counts by table."""
    counts = {}
    with store.write() as connection:
        if not dry_run:
            old = f"DELETE FROM tallies WHERE run_id IN ({_OLD_RUNS})"  # sums of what is counted
            connection.execute(old, (to_text(before),))
        for table, where in _WHERE.items():
            parameters = (to_text(before),) * where.count("?")
            verb = "SELECT count(*)" if dry_run else "DELETE"
            cursor = connection.execute(f"{verb} FROM {table} WHERE {where}", parameters)
            counts[table] = int(cursor.fetchone()[0]) if dry_run else cursor.rowcount
    return counts
