"""Bringing the store in line with an output file: the file is the truth."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import plain_records
import pytest
from plain_records import NOW, admission, prompt, served

from sprout.batch.answers import Failed, Served, answer_line
from sprout.state.completions import Completions, Past
from sprout.state.reconciliation import reconcile
from sprout.state.runs import Run, Runs
from sprout.state.store import Store

LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "sprout.db") as store:
        run = Run("run-1", NOW, "-", "/out", "model", "machine", "DE", "rapl", 1.2, "server", 0.001)
        Runs(store).start(run)
        yield store


@pytest.fixture
def completions(store: Store) -> Completions:
    return Completions(store, "run-1")


def rows_of(store: Store, table: str = "completions") -> list[dict[str, Any]]:
    with store.read() as connection:
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]


def line_of(row: Served) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(answer_line(row, "run-1", "model", LATER))
    return line


def put(completions: Completions, *rows: Served) -> None:
    completions.admit([row.admission for row in rows], NOW)
    completions.complete(rows, LATER)


def test_a_file_that_agrees_with_the_store_changes_nothing(
    completions: Completions, store: Store
) -> None:
    rows = [served(admission(prompt(name))) for name in ("a", "b")]
    put(completions, *rows)
    completions.admit([admission(prompt("c"))], NOW)
    before = rows_of(store)
    assert reconcile(store, "run-1", map(line_of, rows)) == set()
    assert rows_of(store) == before


def test_a_lost_row_is_restored_from_its_line(completions: Completions, store: Store) -> None:
    row = served(admission(prompt("a"), "L1"))
    put(completions, row)
    (before,) = rows_of(store)
    with store.write() as connection:
        connection.execute("DELETE FROM completions")
    assert reconcile(store, "run-1", [line_of(row)]) == set()
    (after,) = rows_of(store)
    # a line does not say the task nor the directive's text, and only the second it was written
    lost = {"task": "", "directive_key": "", "admitted_at": before["finished_at"]}
    numbers = {name: pytest.approx(before[name]) for name in ("operational_g", "embodied_g")}
    assert after == before | lost | numbers


def test_a_row_that_only_missed_its_end_gets_it_from_its_line(
    completions: Completions, store: Store
) -> None:
    row = served(admission(prompt("a", task="qa"), "L1"))
    completions.admit([row.admission], NOW)
    reconcile(store, "run-1", [line_of(row)])
    (after,) = rows_of(store)
    assert after["energy_j"] == 36.0
    assert (after["task"], after["directive_key"]) == ("qa", plain_records.KEYS["L1"])
    assert after["admitted_at"] == "2026-01-01T12:00:00.000Z"


def test_a_row_whose_line_was_lost_is_open_again_with_its_level(
    completions: Completions, store: Store
) -> None:
    row = served(admission(prompt("a"), "L1"))
    put(completions, row)
    reconcile(store, "run-1", [])
    content_hash = row.admission.prompt.content_hash
    assert completions.recall("a") == Past(content_hash, "L1", "plan-1", is_answered=False)
    # open means that nothing is known of its end
    after = rows_of(store)[0]
    columns = list(after)
    assert {after[name] for name in columns[columns.index("finished_at") :]} == {None}


def metered_j(store: Store) -> float:
    (run,) = rows_of(store, "runs")
    return float(run["metered_j"])


def test_a_restored_row_brings_its_metered_energy_back(
    completions: Completions, store: Store
) -> None:
    rows = [served(admission(prompt(name))) for name in ("a", "b", "c")]
    put(completions, rows[0])
    Runs(store).add_meter("run-1", 40.0, 1.0)  # of "a": a turn's energy is stored with its rows
    completions.admit([row.admission for row in rows[1:]], NOW)
    for _ in range(2):  # what is there is brought back no second time
        reconcile(store, "run-1", map(line_of, rows))
        assert metered_j(store) == 40.0 + 2 * 36.0


@pytest.mark.parametrize("is_stored", [True, False])
def test_of_a_prompt_that_was_answered_anew_only_the_last_energy_is_brought_back(
    completions: Completions, store: Store, *, is_stored: bool
) -> None:
    old = served(admission(prompt("a")))
    new = replace(served(admission(prompt("a", system="Be kind."))), energy_j=50.0)
    put(completions, old)
    Runs(store).add_meter("run-1", 36.0, 0.0)
    completions.admit([new.admission], NOW)
    if is_stored:
        completions.complete([new], LATER)
        Runs(store).add_meter("run-1", 50.0, 0.0)
    assert reconcile(store, "run-1", [line_of(old), line_of(new)]) == {"a"}
    assert metered_j(store) == 86.0
    assert rows_of(store)[0]["energy_j"] == 50.0


@pytest.mark.parametrize("is_failed", [True, False])
def test_an_old_answer_whose_prompt_got_no_new_one_was_metered_before(
    completions: Completions, store: Store, *, is_failed: bool
) -> None:
    old = served(admission(prompt("a")))
    put(completions, old)
    Runs(store).add_meter("run-1", 36.0, 0.0)
    completions.admit([admission(prompt("a", system="Be kind."))], NOW)
    if is_failed:
        completions.fail([Failed("a", 1, "request_failed", "too long")], LATER)
    for _ in range(2):
        reconcile(store, "run-1", [line_of(old)])
        assert metered_j(store) == 36.0
        assert rows_of(store)[0]["energy_j"] == 36.0


def test_failures_stay_failures_without_a_line(completions: Completions, store: Store) -> None:
    completions.admit([admission(prompt("a"))], NOW)
    completions.fail([Failed("a", 1, "request_failed", "too long")], LATER)
    reconcile(store, "run-1", [])
    assert rows_of(store)[0]["error"] == "too long"


def test_a_line_beats_a_failure(completions: Completions, store: Store) -> None:
    row = served(admission(prompt("a")))
    completions.admit([row.admission], NOW)
    completions.fail([Failed("a", 1, "request_failed", "no")], LATER)
    reconcile(store, "run-1", [line_of(row)])
    assert rows_of(store)[0]["error"] is None


def test_other_runs_are_left_alone(store: Store) -> None:
    Completions(store, "run-2").admit([admission(prompt("a"))], NOW)
    Completions(store, "run-2").complete([served(admission(prompt("a")))], LATER)
    reconcile(store, "run-1", [])
    assert rows_of(store)[0]["finished_at"] is not None


def test_ids_that_the_file_holds_twice_are_reported_and_the_last_line_counts(
    completions: Completions,
    store: Store,
) -> None:
    old = served(admission(prompt("a"), "L0"))
    new = served(admission(prompt("a", system="Be kind."), "L1"))
    other = served(admission(prompt("b")))
    lines = map(line_of, [old, other, new])
    assert reconcile(store, "run-1", lines) == {"a"}
    content_hash = new.admission.prompt.content_hash
    assert completions.recall("a") == Past(content_hash, "L1", "plan-1", is_answered=True)


def test_a_file_of_more_lines_than_one_commit_takes_is_restored_whole(store: Store) -> None:
    line = line_of(served(admission(prompt("a"))))
    num_lines = 5001
    lines = [line | {"custom_id": f"p{number}"} for number in range(num_lines)]
    assert reconcile(store, "run-1", [*lines, lines[1]]) == {"p1"}
    with store.read() as connection:
        sql = "SELECT count(*), sum(energy_j) FROM completions"
        assert tuple(connection.execute(sql).fetchone()) == (num_lines, 36.0 * num_lines)


def test_reconciling_may_be_tried_again_after_a_bad_line(store: Store) -> None:
    row = served(admission(prompt("a")))

    def lines() -> Iterable[dict[str, Any]]:
        yield line_of(row)
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        reconcile(store, "run-1", lines())
    assert reconcile(store, "run-1", [line_of(row)]) == set()
