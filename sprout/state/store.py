"""Opens the store and owns its one way of writing.

SQLite in WAL mode, a busy timeout of 30 s, synchronous=NORMAL (a power loss may cost the last
second, never the file). Every write runs inside `Store.write`, which begins with BEGIN IMMEDIATE:
a deferred transaction that starts by reading fails at once when another process writes.
"""

import os
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Self

from sprout.errors import DiskError, PermissionDeniedError, SproutError, TryLaterError
from sprout.state.migrations import MIGRATIONS, migrate

BUSY_TIMEOUT_S = 30.0
RETRY_EVERY_S = 0.01
_DAMAGED = ("malformed", "not a database", "corrupt", "decode to UTF-8", "unsupported file format")


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
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        except OSError as error:
            raise PermissionDeniedError(f"cannot make the folder of the store: {error}") from error
        # It holds prompts and answers: for its owner, until the owner says otherwise; the
        # write-ahead log takes the file's mode. What cannot be made SQLite says better.
        with suppress(OSError):
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
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

    def check(self) -> None:
        """Read all of the file; 1,000,000 completions take less than a second.

        Raises:
            DiskError: it is damaged.
        """
        with self.read() as connection:
            fault = _fault(connection)
        if fault is not None:
            raise damaged(fault, self.path)

    def damage(self) -> str | None:
        """Return what is wrong with the file when all of it is read; None: nothing is found.

        SQLite checks pages, indices and the types of values; that the tables are those that the
        migrations make is ours to check.
        """
        fresh = sqlite3.connect(":memory:")
        try:
            migrate(fresh)
            wanted = _tables(fresh)
        finally:
            fresh.close()
        with self.read() as connection:
            fault = _fault(connection)
            if fault is not None:
                return fault
            changed = wanted - _tables(connection)
        return f"table {min(changed)[0]} is not as it was made" if changed else None

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        """Close the file; what looks like a bug is examined first, for it may be a damaged store.

        Raises:
            DiskError: it is.
        """
        try:
            if isinstance(error, Exception) and not isinstance(error, SproutError):
                what = self.damage()
                if what is not None:
                    raise damaged(what, self.path) from error
        finally:
            self.close()

    def _prepare(self, busy_timeout_s: float) -> None:
        self._use_wal(busy_timeout_s)
        self._connection.execute("PRAGMA synchronous=NORMAL")
        applied = self._applied()
        if unknown := applied - set(MIGRATIONS):
            raise DiskError(
                f"the store {self.path} was written by a newer Sprout "
                f"({', '.join(sorted(unknown))}): update Sprout, or set another `state` file"
            )
        if applied != set(MIGRATIONS):
            with self.write() as connection:
                migrate(connection)  # asks again: another process may have been first

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
    except UnicodeDecodeError as error:  # a message of SQLite that quotes a damaged schema
        raise damaged(str(error), path) from error


def _fault(connection: sqlite3.Connection) -> str | None:
    """Return the first thing that SQLite finds wrong when it reads the whole file."""
    (found,) = connection.execute("PRAGMA integrity_check(1)").fetchone()
    return None if found == "ok" else str(found)


def _tables(connection: sqlite3.Connection) -> set[tuple[str, str]]:
    """Return name and definition of all that migrations make, the list of them left out."""
    rows = connection.execute(
        "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name <> '_sqlite_migrations'"
    )
    return {(name, " ".join(sql.split())) for name, sql in rows}


def _is_locked(error: sqlite3.Error) -> bool:
    # by its code: messages quote names such as busy_s
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_OK) & 0xFF
    return code in {sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED, sqlite3.SQLITE_PROTOCOL}


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
    if any(words in text for words in _DAMAGED):
        return damaged(text, path)
    raise error


def damaged(what: str, path: Path | None = None) -> DiskError:
    """Return the error for a store that holds what Sprout did not write."""
    which = "the store" if path is None else f"the store {path}"
    shown = what.encode(errors="replace").decode().replace("\n", " ")
    return DiskError(
        f"{which} is damaged ({shown}): move it away, or restore it from a backup; "
        "answers are safe in their files, which `sprout run --adopt` then continues"
    )
