import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from state import store_processes

from sprout.errors import DiskError, PermissionDeniedError, SproutError, TryLaterError
from sprout.state.migrations import MIGRATIONS
from sprout.state.store import Store

A_RUN = (
    "INSERT INTO runs (run_id, started_at, input, model, machine, zone, energy_method, pue,"
    " embodied_preset, embodied_g_per_s, metered_j, idle_j)"
    " VALUES ('r', '', '-', '', '', '', '', 1, '', 0, 0, 0)"
)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sprout.db"


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the write lock as another program would."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.rollback()


def num_runs(store: Store) -> int:
    with store.read() as connection:
        return int(connection.execute("SELECT count(*) FROM runs").fetchone()[0])


def test_eight_processes_may_open_one_fresh_store_at_the_same_time(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.db" for number in range(12)]
    assert store_processes.run_together(store_processes.open_store, paths, 8) == []


@pytest.mark.slow
def test_eight_processes_may_open_many_fresh_stores_at_the_same_time(tmp_path: Path) -> None:
    paths = [tmp_path / f"{number}.db" for number in range(100)]
    assert store_processes.run_together(store_processes.open_store, paths, 8) == []


def test_eight_processes_that_read_and_then_write_one_row_lose_nothing(path: Path) -> None:
    with Store.open(path) as store:
        with store.write() as connection:
            connection.execute(A_RUN)
        assert store_processes.run_together(store_processes.count_up, [path], 8) == []
        with store.read() as connection:
            # 8 processes add 1 twenty times each
            assert connection.execute("SELECT metered_j FROM runs").fetchone()[0] == 160


def test_a_store_is_made_with_its_folders(tmp_path: Path) -> None:
    path = tmp_path / "a" / "b" / "sprout.db"
    Store.open(path).close()
    assert path.is_file()


def test_a_store_keeps_a_write_ahead_log(path: Path) -> None:
    with Store.open(path) as store, store.read() as connection:
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        assert connection.execute("PRAGMA synchronous").fetchone()[0] == 1  # NORMAL


def test_a_store_that_is_opened_again_holds_what_was_written(path: Path) -> None:
    with Store.open(path) as store, store.write() as connection:
        connection.execute(A_RUN)
    with Store.open(path) as store:
        assert num_runs(store) == 1


def test_a_newer_store_is_refused_and_left_as_it_is(path: Path) -> None:
    with Store.open(path) as store, store.write() as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('sprout', 'm999_from_the_future', '')"
        )
    with pytest.raises(DiskError, match=r"newer Sprout \(m999_from_the_future\)") as raised:
        Store.open(path)
    assert raised.value.exit_code == 74
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT count(*) FROM _sqlite_migrations").fetchone() == (
            len(MIGRATIONS) + 1,
        )


def test_migrations_of_other_programs_in_the_same_file_are_none_of_ours(path: Path) -> None:
    with Store.open(path) as store, store.write() as connection:
        connection.execute(
            "INSERT INTO _sqlite_migrations (migration_set, name, applied_at)"
            " VALUES ('another', 'm999', '')"
        )
    Store.open(path).close()


def test_a_fresh_store_that_another_process_locks_says_try_later(path: Path) -> None:
    with locked(path), pytest.raises(TryLaterError, match="locked by another process") as raised:
        Store.open(path, busy_timeout_s=0.1)
    assert raised.value.exit_code == 75
    Store.open(path).close()


def test_a_write_to_a_locked_store_says_try_later_and_reading_goes_on(path: Path) -> None:
    with Store.open(path, busy_timeout_s=0.1) as store, locked(path):
        with pytest.raises(TryLaterError), store.write():
            pass
        assert num_runs(store) == 0


def test_a_locked_store_that_is_up_to_date_opens_for_reading(path: Path) -> None:
    Store.open(path).close()
    with locked(path), Store.open(path, busy_timeout_s=0.1) as store:
        assert num_runs(store) == 0


def test_a_file_that_is_no_database_is_a_disk_error(path: Path) -> None:
    path.write_text("Dear diary, " * 100, encoding="utf-8")
    with pytest.raises(DiskError, match="not a database"):
        Store.open(path)
    assert path.read_text(encoding="utf-8").startswith("Dear diary")


def test_a_damaged_store_is_a_disk_error(path: Path) -> None:
    with Store.open(path) as store, store.write() as connection:
        rows = [(f"r{number}", "p", "x" * 500) for number in range(500)]
        connection.executemany(
            "INSERT INTO texts (run_id, prompt_id, chat, answer) VALUES (?, ?, '', ?)", rows
        )
    content = bytearray(path.read_bytes())
    # every page but the first, which holds the header and the schema's root
    content[4096:] = b"\xa5" * (len(content) - 4096)
    path.write_bytes(content)
    with pytest.raises(DiskError, match=r"damaged \(.*malformed") as raised, Store.open(path):
        pass
    assert raised.value.exit_code == 74


def test_a_full_disk_is_a_disk_error_and_keeps_what_was_committed(path: Path) -> None:
    (failure,) = store_processes.run_together(store_processes.write_on_a_full_disk, [path], 1)
    assert "sprout.errors.DiskError" in failure
    with Store.open(path) as store, store.read() as connection:
        # 100 kB each until the log reaches 1 MiB: all but the one that failed are there
        (count,) = connection.execute("SELECT count(*) FROM texts").fetchone()
        assert 5 <= count <= 10
        assert connection.execute("PRAGMA integrity_check").fetchone()[0] == "ok"


def test_a_store_that_may_not_grow_says_that_there_is_no_space(path: Path) -> None:
    with Store.open(path) as store:
        with store.read() as connection:
            connection.execute("PRAGMA max_page_count=1")  # it stays at its present size
        with pytest.raises(DiskError, match="no space left"), store.write() as connection:
            connection.execute(
                "INSERT INTO texts (run_id, prompt_id, chat, answer) VALUES ('', '', '', ?)",
                ("x" * 1_000_000,),
            )
        with store.write() as connection:
            connection.execute(A_RUN)
        assert num_runs(store) == 1


def test_a_folder_that_cannot_be_made_is_no_permission(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(PermissionDeniedError, match="cannot make the folder") as raised:
        Store.open(tmp_path / "file" / "sprout.db")
    assert raised.value.exit_code == 77


def test_a_folder_in_the_place_of_the_store_is_no_permission(tmp_path: Path) -> None:
    with pytest.raises(PermissionDeniedError, match="cannot be opened for writing"):
        Store.open(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
@pytest.mark.parametrize("has_store", [False, True])
def test_a_store_of_somebody_else_is_no_permission(*, has_store: bool) -> None:
    with TemporaryDirectory() as name:  # not tmp_path, whose parents are closed to others
        path = Path(name) / "sprout.db"
        if has_store:
            Store.open(path).close()
            path.chmod(0o444)
        path.parent.chmod(0o755)
        (failure,) = store_processes.run_together(store_processes.open_as_nobody, [path], 1)
    assert "sprout.errors.PermissionDeniedError" in failure


def test_a_block_that_fails_is_stored_not_at_all(path: Path) -> None:
    def fail(store: Store) -> None:
        with store.write() as connection:
            connection.execute(A_RUN)
            raise SproutError("stop")

    with Store.open(path) as store:
        with pytest.raises(SproutError, match="stop"):
            fail(store)
        assert num_runs(store) == 0


def test_a_block_inside_another_belongs_to_its_transaction(path: Path) -> None:
    def fail(store: Store) -> None:
        with store.write():
            with store.write() as connection:
                connection.execute(A_RUN)
            raise SproutError("stop")

    with Store.open(path) as store:
        with pytest.raises(SproutError, match="stop"):
            fail(store)
        assert num_runs(store) == 0
        with store.write(), store.write() as connection:
            connection.execute(A_RUN)
        assert num_runs(store) == 1


def test_a_mistake_in_our_sql_stays_a_bug(path: Path) -> None:
    with Store.open(path) as store, pytest.raises(sqlite3.OperationalError), store.read() as it:
        it.execute("SELECT nothing FROM nowhere")
