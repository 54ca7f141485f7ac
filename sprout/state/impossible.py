"""Amounts in the store that no run can have come to: infinite ones, after damage or a stray hand.

A total would be infinite with them; SQLite, which keeps them, finds nothing wrong.
"""

from collections.abc import Iterable
from pathlib import Path
from sqlite3 import Connection

from sprout.errors import DiskError

_LARGEST = 1e30
"""No run comes to as much of anything, in the units here; its square is a number still."""

_RUN_AMOUNTS = (
    "pue",
    "embodied_g_per_s",
    "began_g_per_kwh",
    "metered_j",
    "idle_j",
    "energy_j",
    "busy_s",
    "g_per_kwh",
    "operational_g",
    "embodied_g",
)
_EVALUATION_AMOUNTS = ("metered_j", "busy_s", "operational_g", "embodied_g")


def _impossible(amounts: Iterable[str], rows: str) -> str:
    """Return SQL for the last of these rows that holds an amount which nothing comes to."""
    sizes = ", ".join(f"abs({name})" for name in amounts)
    return (
        f"SELECT holder, hour, {', '.join(amounts)} FROM ({rows})"
        f" WHERE hour >= :since AND NOT ifnull(max({sizes}) < {_LARGEST}, 0)"
        " ORDER BY hour DESC LIMIT 1"
    )


# amounts stand in the order in which they follow from each other: the first one is named
_IMPOSSIBLE = (
    _impossible(
        _RUN_AMOUNTS,
        "SELECT c.*, c.run_id AS holder, r.metered_j, r.idle_j,"
        " ifnull(r.began_g_per_kwh, 0) AS began_g_per_kwh, ifnull(u.pue, 0) AS pue,"
        " ifnull(u.embodied_g_per_s, 0) AS embodied_g_per_s"
        " FROM temp.cells c JOIN runs r ON r.run_id = c.run_id"
        " LEFT JOIN circumstances u ON u.circumstance_id = c.circumstance_id",
    ),
    _impossible(
        _EVALUATION_AMOUNTS,
        "SELECT *, evaluation_id AS holder, substr(started_at, 1, 13) AS hour FROM evaluations",
    ),
)


def refuse(connection: Connection, since: str, path: Path) -> None:
    """Refuse a period that holds such an amount; `tallies.live` has made its cells.

    Args:
        since: the hour with which the period begins; "": the first.

    Raises:
        DiskError: naming the last run or evaluation that holds any: a period may begin after it.
    """
    for sql in _IMPOSSIBLE:
        found = connection.execute(sql, {"since": since}).fetchone()
        if found is None:
            continue
        holder, hour, *values = found
        amounts = zip(found.keys()[2:], values, strict=True)
        name, value = next((n, v) for n, v in amounts if v is None or abs(v) >= _LARGEST)
        raise DiskError(
            f"the store {path} is damaged ({holder} holds {name} {value} in {hour}): restore it "
            "from a backup, or report what finished later with `--since AGE`"
        )
