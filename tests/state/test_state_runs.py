from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from plain_records import NOW, admission, prompt, served

from sprout.batch.answers import Failed
from sprout.state.completions import Completions
from sprout.state.runs import Run, Runs
from sprout.state.store import Store

LATER = NOW + timedelta(minutes=1)
RUN = Run(
    id="run-1",
    started_at=NOW,
    input="prompts.jsonl",
    output="/data/answers.jsonl",
    model="model",
    machine="machine",
    zone="DE",
    energy_method="rapl",
    pue=1.2,
    embodied_preset="server",
    embodied_g_per_s=0.001,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "sprout.db") as store:
        yield store


@pytest.fixture
def runs(store: Store) -> Runs:
    runs = Runs(store)
    runs.start(RUN)
    return runs


def test_the_latest_run_of_a_file_is_found_with_its_end(runs: Runs) -> None:
    output = "/data/answers.jsonl"
    assert runs.latest(output) == ("run-1", False)
    runs.start(replace(RUN, id="run-2", started_at=LATER))
    runs.start(replace(RUN, id="run-3", started_at=LATER, output="/data/others.jsonl"))
    runs.start(replace(RUN, id="run-4", started_at=LATER, output=None))
    assert runs.latest(output) == ("run-2", False)
    runs.finish("run-2", LATER)
    assert runs.latest(output) == ("run-2", True)
    runs.reopen("run-2")
    assert runs.latest(output) == ("run-2", False)
    assert runs.latest("/data/nothing.jsonl") is None


@pytest.mark.parametrize("started_at", [NOW, NOW - timedelta(hours=1)])
def test_of_runs_of_a_file_the_last_one_stored_is_the_latest(
    started_at: datetime, runs: Runs
) -> None:
    runs.start(replace(RUN, id="a-run", started_at=started_at))  # the clock was set back
    assert runs.latest("/data/answers.jsonl") == ("a-run", False)


def test_rejected_lines_are_counted_anew_when_their_run_goes_on(runs: Runs) -> None:
    def num_rejected() -> object:
        return runs.newest(1)[0]["num_rejected"]

    assert num_rejected() == 0
    runs.add_rejected("run-1", 2)
    runs.add_rejected("run-1", 1)
    assert num_rejected() == 3
    runs.reopen("run-1")  # and its file is read from its beginning
    runs.add_rejected("run-1", 2)
    assert num_rejected() == 2


def test_the_newest_runs_are_told_with_their_answers_and_failures(runs: Runs, store: Store) -> None:
    completions = Completions(store, "run-1")
    completions.admit([admission(prompt(name)) for name in ("a", "b", "c", "d")], NOW)
    completions.complete([served(admission(prompt(name))) for name in ("a", "b")], LATER)
    completions.fail([Failed("c", 1, "request_failed", "no")], LATER)
    runs.start(replace(RUN, id="run-2", started_at=LATER))
    runs.add_meter("run-1", 50.0, 4.0)
    runs.add_meter("run-1", 25.0, 1.0)
    newest = runs.newest(5)
    assert [row["run_id"] for row in newest] == ["run-2", "run-1"]
    assert (newest[0]["num_answered"], newest[0]["num_failed"]) == (0, 0)
    assert (newest[1]["num_answered"], newest[1]["num_failed"]) == (2, 1)
    assert (newest[1]["metered_j"], newest[1]["idle_j"]) == (75.0, 5.0)
    assert [row["run_id"] for row in runs.newest(1)] == ["run-2"]
