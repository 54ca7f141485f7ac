"""A store that holds what Sprout did not write: one message, never a traceback."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import plain_records
import pytest
from plain_records import NOW, admission, prompt, served

from sprout.errors import DiskError, SproutError
from sprout.state import reports
from sprout.state.completions import Completions
from sprout.state.plans import Plans
from sprout.state.reservoir import Reservoir
from sprout.state.runs import Run, Runs
from sprout.state.store import Store

RUN = Run("run-1", NOW, "-", "/out.jsonl", "m", "pc", "DE", "rapl", 1.0, "server", 0.0)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A store with a run, its plan, and a sampled prompt."""
    path = tmp_path / "sprout.db"
    with Store.open(path) as store:
        completions, row = Completions(store, "run-1"), served(admission(prompt("a")))
        Runs(store).start(RUN)
        Plans(store).add(plain_records.a_plan(start=NOW), "run-1")
        completions.admit([row.admission], NOW)
        completions.complete([row], NOW)
        Reservoir(store, 10).offer("m", [row], NOW)
    return path


def change(path: Path, sql: str) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA writable_schema = ON")
        connection.execute(sql)


def preferences(store: Store) -> object:
    with reports.reading(store, None) as reading:
        return reading.known(NOW)


def test_a_whole_store_has_no_damage(path: Path) -> None:
    with Store.open(path) as store:
        assert store.damage() is None


@pytest.mark.parametrize("dump", ["v1.sql", "v8.sql"])
def test_a_store_of_an_earlier_version_has_none_either(dump: str, tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(Path(__file__).with_name(dump).read_text(encoding="utf-8"))
    with Store.open(path) as store:
        assert store.damage() is None


@pytest.mark.parametrize(
    ("sql", "read", "words"),
    [
        (
            "UPDATE runs SET started_at = '2#26-11-24T12:00:00.000Z'",
            lambda store: Runs(store).started_at("run-1"),
            "'2#26-11-24T12:00:00.000Z'",
        ),
        (
            "UPDATE plans SET document = replace(document, 'made_at', 'mad3_at')",
            lambda store: Plans(store).latest("run-1"),
            "where Sprout writes no such",
        ),
        (
            "UPDATE plans SET document = substr(document, 2)",
            lambda store: Plans(store).latest("run-1"),
            "where Sprout writes no such",
        ),
        (
            "UPDATE reservoir SET chat = replace(chat, 'role', 'rule')",
            lambda store: Reservoir(store, 10).cases(),
            "rule",
        ),
        (
            "UPDATE plans SET document = replace(document, 'directive_key', 'd1rective_key')",
            preferences,
            "where Sprout writes no such",
        ),
        (
            "UPDATE reservoir SET sampling = '{}'",
            lambda store: Reservoir(store, 10).cases(),
            "'{}'",
        ),
        (
            "UPDATE completions SET content_hash = CAST(x'61ff62' AS TEXT)",
            lambda store: Completions(store, "run-1").recall("a"),
            "decode to UTF-8",
        ),
    ],
)
def test_a_value_that_sprout_did_not_write_is_a_damaged_store(
    sql: str, read: Callable[[Store], object], words: str, path: Path
) -> None:
    change(path, sql)
    with Store.open(path) as store, pytest.raises(DiskError, match="damaged") as raised:
        read(store)
    assert words in str(raised.value)
    assert "--adopt" in str(raised.value)
    assert "\n" not in str(raised.value)


def complete(path: Path) -> None:
    with Store.open(path) as store:
        Completions(store, "run-1").complete([served(admission(prompt("a")))], NOW)


def test_a_damaged_definition_that_speaks_of_busy_seconds_is_no_lock(path: Path) -> None:
    change(path, "UPDATE sqlite_master SET sql = replace(sql, 'busy_s REAL', 'bxsy_s REAL')")
    with pytest.raises(DiskError, match="table completions is not as it was made") as raised:
        complete(path)
    assert "no such column: busy_s" in str(raised.value.__cause__)


def leave_with(path: Path, error: Exception) -> None:
    with Store.open(path):
        raise error


@pytest.mark.parametrize(
    ("sql", "words"),
    [
        (
            "UPDATE sqlite_master SET sql = replace(sql, 'num_new_tokens', 'num_nev_tokens')"
            " WHERE name = 'completions'",
            "table completions is not as it was made",
        ),
        ("DELETE FROM sqlite_master WHERE name = 'texts_by_run'", "never used"),
    ],
)
def test_what_looks_like_a_bug_is_a_damaged_store_when_it_is_one(
    sql: str, words: str, path: Path
) -> None:
    change(path, sql)
    with pytest.raises(DiskError, match="damaged") as raised:
        leave_with(path, TypeError("unsupported operand"))
    assert words in str(raised.value)
    assert isinstance(raised.value.__cause__, TypeError)


def test_a_bug_on_a_whole_store_stays_one(path: Path) -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        leave_with(path, TypeError("unsupported operand"))


def test_an_error_of_ours_is_not_examined(path: Path) -> None:
    change(path, "DELETE FROM sqlite_master WHERE name = 'texts_by_run'")
    with pytest.raises(SproutError, match="stop"):
        leave_with(path, SproutError("stop"))
