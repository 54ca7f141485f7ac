"""Plans in the store, each with all its inputs."""

from functools import cache
from typing import TYPE_CHECKING

from sprout.clock import to_text
from sprout.planning.plan import Plan
from sprout.state.store import Store
from sprout.state.values import readable

if TYPE_CHECKING:
    from pydantic import TypeAdapter


class Plans:
    """Reads and writes the table `plans`."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def add(self, plan: Plan, run_id: str | None) -> None:
        """Store a plan, of a run or of `sprout optimize`."""
        document = _documents().dump_json(plan).decode()
        with self._store.write() as connection:
            connection.execute(
                "INSERT OR REPLACE INTO plans VALUES (?, ?, ?, ?, ?)",
                (plan.id, run_id, to_text(plan.made_at), to_text(plan.valid_until), document),
            )

    def latest(self, run_id: str | None = None) -> Plan | None:
        """Return the plan that was stored last, of one run or of all."""
        with self._store.read() as connection:
            row = connection.execute(
                "SELECT document FROM plans WHERE run_id = ? OR ? IS NULL"
                " ORDER BY rowid DESC LIMIT 1",
                (run_id, run_id),
            ).fetchone()
        if row is None:
            return None
        with readable(row[0]):
            return _documents().validate_json(row[0])


@cache
def _documents() -> "TypeAdapter[Plan]":
    """Return what reads and writes a plan; pydantic is imported for it alone."""
    from pydantic import TypeAdapter

    return TypeAdapter(Plan)
