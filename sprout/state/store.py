"""Opens the store and owns its one way of writing.

SQLite in WAL mode, a busy timeout of 30 s, synchronous=NORMAL (a power loss may cost the last
second, never the file). Every write runs inside `Store.write`, which begins with BEGIN IMMEDIATE:
a deferred transaction that starts by reading fails at once when another process writes.

sqlite_utils is imported only to migrate: it brings pandas along where that is installed, a sixth of
a second on every start.
"""

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Self

from sprout.errors import DiskError, PermissionDeniedError, SproutError, TryLaterError

SCHEMA = (
    "m001_first_schema",
    "m002_grid",
    "m003_quality",
    "m004_reports",
    "m005_deadlines",
    "m006_variants",
)
"""The names of the migrations, in order."""

BUSY_TIMEOUT_S = 30.0
RETRY_EVERY_S = 0.01


class Store:
    """An open store; the tables are read and written by the classes beside this file."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._connection = connection

    @classmethod
    def open(cls, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Self:
        """Open or create the store, bringing its schema up to date.

        Raises:
            PermissionDeniedError: the file or its folder may not be written.
            TryLaterError: another process holds the write lock for too long.
            DiskError: the file is damaged, or newer than this program.
        """
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise PermissionDeniedError(f"cannot make the folder of the store: {error}") from error
        with translated(path):
            # autocommit: transactions begin and end only where this file says so
            connection = sqlite3.connect(path, timeout=busy_timeout_s, isolation_level=None)
            connection.row_factory = sqlite3.Row
            store = cls(path, connection)
            try:
                store._prepare(busy_timeout_s)
            except BaseException:
                connection.close()
                raise
        return store

    @contextmanager
    def write(self) -> Iterator[sqlite3.Connection]:
        """Run the block in one transaction: all of it is stored, or nothing.

        Inside another `write` it joins that transaction.
        """
        with translated(self.path):
            if self._connection.in_transaction:
                yield self._connection
                return
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
            except BaseException:
                self._connection.rollback()
                raise
            self._connection.execute("COMMIT")

    @contextmanager
    def moment(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for several reads that see one moment, whatever others write."""
        with translated(self.path):
            self._connection.execute("BEGIN")
            try:
                yield self._connection
            finally:
                self._connection.rollback()

    @contextmanager
    def read(self) -> Iterator[sqlite3.Connection]:
        """Give the connection for reading."""
        with translated(self.path):
            yield self._connection

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def _prepare(self, busy_timeout_s: float) -> None:
        self._use_wal(busy_timeout_s)
        self._connection.execute("PRAGMA synchronous=NORMAL")
        applied = self._applied()
        if unknown := applied - set(SCHEMA):
            raise DiskError(
                f"the store {self.path} was written by a newer Sprout "
                f"({', '.join(sorted(unknown))}): update Sprout, or set another `state` file"
            )
        if applied != set(SCHEMA):
            self._migrate()

    def _applied(self) -> set[str]:
        """Return the names of the migrations that this store has seen."""
        found = self._connection.execute(
            "SELECT 1 FROM sqlite_master WHERE name = '_sqlite_migrations'"
        ).fetchone()
        if found is None:
            return set()
        rows = self._connection.execute(
            "SELECT name FROM _sqlite_migrations WHERE migration_set = 'sprout'"
        )
        return {name for (name,) in rows}

    def _migrate(self) -> None:
        from sqlite_utils import Database

        from sprout.state.migrations import migrations

        with self.write():
            # another process may have been first: asked again under the lock
            migrations.apply(Database(self._connection, execute_plugins=False))

    def _use_wal(self, busy_timeout_s: float) -> None:
        """Switch to the write-ahead log, which the file then remembers.

        The switch upgrades a read lock, for which SQLite never waits: two processes that waited
        for each other would do so for ever. So of several that open a fresh store all but one may
        be refused at once, and ask again.
        """
        give_up_s = time.perf_counter() + busy_timeout_s
        while True:
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
            except sqlite3.OperationalError as error:
                if not _is_locked(error) or time.perf_counter() >= give_up_s:
                    raise
                time.sleep(RETRY_EVERY_S)
            else:
                return


@contextmanager
def translated(path: Path) -> Iterator[None]:
    """Turn SQLite's errors into ours, saying which file and what to do."""
    try:
        yield
    except sqlite3.Error as error:
        raise _translate(path, error) from error


def _is_locked(error: sqlite3.Error) -> bool:
    return "locked" in str(error) or "busy" in str(error)


def _translate(path: Path, error: sqlite3.Error) -> SproutError:
    text = str(error)
    if _is_locked(error):
        return TryLaterError(f"the store {path} is locked by another process: try again later")
    if "full" in text:
        return DiskError(f"no space left for the store {path}: free some, then run the same again")
    if "readonly" in text or "unable to open" in text:
        return PermissionDeniedError(f"the store {path} cannot be opened for writing: {text}")
    if "disk I/O" in text:
        return DiskError(
            f"the store {path} cannot be read or written ({text}): check the disk, and quotas"
        )
    if any(word in text for word in ("malformed", "not a database", "corrupt")):
        return DiskError(
            f"the store {path} is damaged ({text}): move it away, or restore it from a backup"
        )
    raise error
