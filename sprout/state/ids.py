"""Sets and maps of strings on disk, gone when they are closed: memory stays flat for millions."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from sprout.errors import DiskError


class IdSet:
    """Remembers which ids were seen.

    Raises:
        DiskError: the folder for temporary files has no room.
    """

    def __init__(self) -> None:
        self._connection = _temporary("id TEXT PRIMARY KEY")

    def add(self, value: str) -> bool:
        """Remember an id; return whether it is new."""
        with _translated():
            cursor = self._connection.execute("INSERT OR IGNORE INTO ids VALUES (?)", (value,))
            return cursor.rowcount == 1

    def close(self) -> None:
        """Drop the set."""
        self._connection.close()


class IdMap:
    """Remembers the latest value of each id.

    Raises:
        DiskError: the folder for temporary files has no room.
    """

    def __init__(self) -> None:
        self._connection = _temporary("id TEXT PRIMARY KEY, value TEXT NOT NULL")

    def put(self, name: str, value: str) -> None:
        """Remember the value of an id in place of an earlier one."""
        with _translated():
            self._connection.execute("INSERT OR REPLACE INTO ids VALUES (?, ?)", (name, value))

    def get(self, name: str) -> str | None:
        """Return the value of an id; None when there is none."""
        with _translated():
            row = self._connection.execute("SELECT value FROM ids WHERE id = ?", (name,)).fetchone()
            return None if row is None else str(row[0])

    def close(self) -> None:
        """Drop the map."""
        self._connection.close()


def _temporary(columns: str) -> sqlite3.Connection:
    """Return a private temporary database with one table of ids."""
    # an empty name: in memory only up to its page cache
    connection = sqlite3.connect("", isolation_level=None)
    try:
        with _translated():
            connection.execute("PRAGMA journal_mode=OFF")
            connection.execute(f"CREATE TABLE ids ({columns}) WITHOUT ROWID")
            connection.execute("BEGIN")
    except DiskError:
        connection.close()
        raise
    return connection


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DiskError(
            f"the ids of the prompts cannot be kept in the folder for temporary files ({error}): "
            "make room, or name a larger one in TMPDIR, then run the same command again"
        ) from error
