from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import plain_records
import pytest
from plain_records import NOW, UNDER, admission, prompt, sample, served

from sprout.state.completions import Completions
from sprout.state.intensities import Intensities
from sprout.state.plans import Plans
from sprout.state.profiles import Profiles
from sprout.state.retention import prune
from sprout.state.runs import Run, Runs
from sprout.state.store import Store

DAY = timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "sprout.db") as store:
        yield store


def add_run(store: Store, name: str, started_at: datetime, num_prompts: int) -> None:
    Runs(store).start(
        Run(name, started_at, "-", None, "model", "machine", "DE", "rapl", 1.0, "server", 0.0)
    )
    rows = [served(admission(prompt(f"{name}-{number}"))) for number in range(num_prompts)]
    completions = Completions(store, name)
    completions.admit([row.admission for row in rows], started_at)
    completions.complete(rows, started_at)
    completions.keep_texts(rows[:1], 100)
    Plans(store).add(plain_records.a_plan(g_per_kwh=250 + len(name), start=started_at), name)


@pytest.fixture
def filled(store: Store) -> Store:
    add_run(store, "old", NOW - 100 * DAY, 3)
    add_run(store, "older", NOW - 200 * DAY, 2)
    add_run(store, "new", NOW - DAY, 4)
    Plans(store).add(plain_records.a_plan(start=NOW - 150 * DAY), None)  # by `sprout optimize`
    Plans(store).add(plain_records.a_plan(start=NOW), None)
    Profiles(store).learn(UNDER, [sample()], NOW - 200 * DAY)
    Intensities(store).add([plain_records.intensity(start=NOW - 200 * DAY)])
    return store


def sizes(store: Store) -> dict[str, int]:
    tables = ("completions", "texts", "plans", "runs", "profiles", "intensities")
    with store.read() as connection:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in tables
        }


NOTHING = dict.fromkeys(
    ["completions", "texts", "plans", "runs", "reservoir", "answers", "verdicts", "evaluations"], 0
)
OLD = NOTHING | {"completions": 5, "texts": 2, "plans": 3, "runs": 2}


def test_old_runs_are_deleted_with_all_that_belongs_to_them(filled: Store) -> None:
    assert prune(filled, NOW - 90 * DAY, dry_run=False) == OLD
    # costs and intensities stay: plans need them (2 rows: the task's and that of all tasks)
    assert sizes(filled) == {
        "completions": 4,
        "texts": 1,
        "plans": 2,
        "runs": 1,
        "profiles": 2,
        "intensities": 1,
    }
    assert [row["run_id"] for row in Runs(filled).newest(9)] == ["new"]


def test_a_dry_run_counts_the_same_and_deletes_nothing(filled: Store) -> None:
    before = sizes(filled)
    assert prune(filled, NOW - 90 * DAY, dry_run=True) == OLD
    assert sizes(filled) == before


def test_a_run_of_the_very_moment_stays(filled: Store) -> None:
    assert prune(filled, NOW - 100 * DAY, dry_run=False)["runs"] == 1  # "older" alone


def test_nothing_old_is_nothing_deleted(filled: Store) -> None:
    counts = prune(filled, NOW - 900 * DAY, dry_run=False)
    assert counts == NOTHING
