"""A set of strings on disk, gone when it is closed: memory stays flat for millions of ids."""

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
        # An empty name is a private temporary database, in memory only up to its page cache.
        self._connection = sqlite3.connect("", isolation_level=None)
        try:
            with _translated():
                self._connection.execute("PRAGMA journal_mode=OFF")
                self._connection.execute("CREATE TABLE ids (id TEXT PRIMARY KEY) WITHOUT ROWID")
                self._connection.execute("BEGIN")
        except DiskError:
            self.close()
            raise

    def add(self, value: str) -> bool:
        """Remember an id; return whether it is new."""
        with _translated():
            cursor = self._connection.execute("INSERT OR IGNORE INTO ids VALUES (?)", (value,))
            return cursor.rowcount == 1

    def __contains__(self, value: str) -> bool:
        """Return whether an id was seen."""
        with _translated():
            found = self._connection.execute("SELECT 1 FROM ids WHERE id = ?", (value,))
            return found.fetchone() is not None

    def close(self) -> None:
        """Drop the set."""
        self._connection.close()


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise DiskError(
            f"the ids of the prompts cannot be kept in the folder for temporary files ({error}): "
            "make room, or name a larger one in TMPDIR, then run the same command again"
        ) from error
