"""Amounts in the store that no run can have come to: infinite ones, after damage or a stray hand.

A total would be infinite with them; SQLite, which keeps them, finds nothing wrong.
"""

from collections.abc import Mapping
from pathlib import Path
from sqlite3 import Connection

from sprout.errors import DiskError

LARGEST = 1e30
"""No run comes to as much of anything, in the units here; its square is a number still."""


def _search(amounts: tuple[str, ...], rows: str) -> str:
    """Return SQL for the last of some rows (holder, hour, amounts) with an impossible amount."""
    possible = " AND ".join(f"{name} BETWEEN -{LARGEST} AND {LARGEST}" for name in amounts)
    return (
        f"SELECT holder, hour, {', '.join(amounts)} FROM ({rows})"
        f" WHERE ({possible}) IS NOT TRUE AND hour >= :since AND hour < :until"
        " ORDER BY hour DESC LIMIT 1"
    )


# What others follow from is looked at first. CROSS JOIN keeps the order: cells, of which there may
# be many, are joined only to what was found wrong.
_SEARCHES = (
    _search(
        ("pue", "embodied_g_per_s"),
        "SELECT u.*, c.run_id AS holder, c.hour FROM circumstances u CROSS JOIN temp.cells c"
        " ON c.circumstance_id = u.circumstance_id",
    ),
    _search(
        ("metered_j", "idle_j", "began_g_per_kwh"),
        "SELECT r.run_id AS holder, c.hour, metered_j, idle_j,"
        " ifnull(began_g_per_kwh, 0) AS began_g_per_kwh"
        " FROM runs r CROSS JOIN temp.cells c ON c.run_id = r.run_id",
    ),
    _search(
        ("energy_j", "busy_s", "g_per_kwh", "operational_g", "embodied_g"),
        "SELECT *, run_id AS holder FROM temp.cells",
    ),
    _search(
        ("metered_j", "busy_s", "operational_g", "embodied_g"),
        "SELECT *, evaluation_id AS holder, substr(started_at, 1, 13) AS hour FROM evaluations",
    ),
)


def refuse(connection: Connection, hours: Mapping[str, str], path: Path) -> None:
    """Refuse a period that holds such an amount; `tallies.live` has made its cells.

    Args:
        hours: the hour with which the period begins (`since`), and the first behind it (`until`).

    Raises:
        DiskError: naming the last run or evaluation that holds any: a period may begin after it.
    """
    for sql in _SEARCHES:
        found = connection.execute(sql, hours).fetchone()
        if found is None:
            continue
        holder, hour, *values = found
        amounts = zip(found.keys()[2:], values, strict=True)
        name, value = next((n, v) for n, v in amounts if v is None or abs(v) >= LARGEST)
        raise DiskError(
            f"the store {path} is damaged ({holder} holds {name} {value} in {hour}): restore it "
            "from a backup, or report what finished later with `--since AGE`"
        )
