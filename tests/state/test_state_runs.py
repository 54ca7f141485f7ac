import json
from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import plain_records
import pytest
from plain_records import NOW, admission, prompt, served

from sprout.answers import Admission, Failed, Served, answer_line
from sprout.planning.plan import ClassPlan, Plan
from sprout.state.runs import Past, Run, Runs
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


def rows_of(store: Store, table: str = "completions") -> list[dict[str, Any]]:
    with store.read() as connection:
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]


def line_of(row: Served) -> dict[str, Any]:
    line: dict[str, Any] = json.loads(answer_line(row, "run-1", "model", LATER))
    return line


def put(runs: Runs, *rows: Served) -> None:
    runs.admit("run-1", [row.admission for row in rows], NOW)
    runs.complete("run-1", rows, LATER)


def test_a_prompt_is_admitted_then_answered_then_recalled(runs: Runs) -> None:
    row = prompt("a")
    assert runs.recall("run-1", "a") is None
    runs.admit("run-1", [admission(row, "L1")], NOW)
    assert runs.recall("run-1", "a") == Past(row.content_hash, "L1", "plan-1", is_answered=False)
    runs.complete("run-1", [served(admission(row, "L1"))], LATER)
    assert runs.recall("run-1", "a") == Past(row.content_hash, "L1", "plan-1", is_answered=True)
    assert runs.recall("run-2", "a") is None


def test_a_row_holds_what_the_request_cost(runs: Runs, store: Store) -> None:
    row = prompt("a", task="qa")
    put(runs, served(admission(row, "L1")))
    assert rows_of(store) == [
        {
            "run_id": "run-1",
            "prompt_id": "a",
            "content_hash": row.content_hash,
            "task": "qa",
            "level": "L1",
            "directive_key": plain_records.KEYS["L1"],
            "plan_id": "plan-1",
            "admitted_at": "2026-01-01T12:00:00.000Z",
            "finished_at": "2026-01-01T12:01:00.000Z",
            "error": None,
            "finish_reason": "stop",
            "num_prompt_tokens": 20,
            "num_new_tokens": 10,
            "energy_j": 36.0,
            "busy_s": 2.0,
            "duration_s": 3.0,  # from 1 s to 4 s
            "g_per_kwh": 200.0,
            "operational_g": pytest.approx(0.002),  # 36 J / 3.6e6 J/kWh * 200 g/kWh
            "embodied_g": pytest.approx(0.002),  # 2 s * 0.001 g/s
            "circumstance_id": 1,
        }
    ]


def test_a_prompt_that_failed_alone_is_open_for_another_try(runs: Runs, store: Store) -> None:
    row = prompt("a")
    runs.admit("run-1", [admission(row)], NOW)
    runs.fail("run-1", [Failed("a", 1, "request_failed", "too long")], LATER)
    assert rows_of(store)[0]["error"] == "too long"
    assert runs.recall("run-1", "a") == Past(row.content_hash, "L0", "plan-1", is_answered=False)
    put(runs, served(admission(row)))
    assert rows_of(store)[0]["error"] is None


def test_a_line_that_was_never_admitted_may_fail(runs: Runs, store: Store) -> None:
    runs.fail("run-1", [Failed("broken", 7, "invalid_json", "what?")], LATER)
    assert rows_of(store) == []


def test_admitting_anew_forgets_the_old_answer(runs: Runs, store: Store) -> None:
    put(runs, served(admission(prompt("a"))))
    changed = prompt("a", system="Be kind.")
    runs.admit("run-1", [admission(changed, "L2", None)], LATER)
    (row,) = rows_of(store)
    assert (row["content_hash"], row["level"], row["plan_id"]) == (changed.content_hash, "L2", None)
    assert (row["finished_at"], row["energy_j"]) == (None, None)


def test_levels_are_counted_by_plan_and_task(runs: Runs) -> None:
    def admit(name: str, level: str, plan_id: str | None, **more: object) -> None:
        runs.admit("run-1", [admission(prompt(name, **more), level, plan_id)], NOW)

    admit("a", "L0", "plan-1")
    admit("b", "L0", "plan-1")
    admit("c", "L1", "plan-1")
    admit("d", "L1", "plan-1", task="qa")
    admit("e", "L1", "plan-2")
    admit("f", "L2", None)  # pinned
    runs.fail("run-1", [Failed("b", 1, "request_failed", "no")], LATER)  # was given out as well
    counts = {("", "L0"): 2, ("", "L1"): 1, ("qa", "L1"): 1}
    assert runs.level_counts("run-1", "plan-1") == counts
    assert runs.level_counts("run-2", "plan-1") == {}


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


def test_of_runs_of_the_same_moment_the_last_one_stored_is_the_latest(runs: Runs) -> None:
    runs.start(replace(RUN, id="a-run"))
    assert runs.latest("/data/answers.jsonl") == ("a-run", False)


def test_the_newest_runs_are_told_with_their_answers_and_failures(runs: Runs) -> None:
    put(runs, served(admission(prompt("a"))), served(admission(prompt("b"))))
    runs.admit("run-1", [admission(prompt(name)) for name in ("c", "d")], NOW)
    runs.fail("run-1", [Failed("c", 1, "request_failed", "no")], LATER)
    runs.start(replace(RUN, id="run-2", started_at=LATER))
    runs.add_meter("run-1", 50.0, 4.0)
    runs.add_meter("run-1", 25.0, 1.0)
    newest = runs.newest(5)
    assert [row["run_id"] for row in newest] == ["run-2", "run-1"]
    assert (newest[0]["num_answered"], newest[0]["num_failed"]) == (0, 0)
    assert (newest[1]["num_answered"], newest[1]["num_failed"]) == (2, 1)
    assert (newest[1]["metered_j"], newest[1]["idle_j"]) == (75.0, 5.0)
    assert [row["run_id"] for row in runs.newest(1)] == ["run-2"]


# plans


def test_a_plan_comes_back_equal(runs: Runs) -> None:
    plan = plain_records.a_plan()
    runs.add_plan(plan, "run-1")
    assert runs.latest_plan("run-1") == plan
    assert runs.latest_plan("run-2") is None


def test_a_plan_without_standard_errors_preferences_and_price_comes_back_equal(runs: Runs) -> None:
    plan = plain_records.a_plan()
    bare = tuple(replace(level, energy_se_j=None, preference=None) for level in plan.levels)
    outcome = replace(plan.outcome, floor_price_g=None)
    plan = replace(plan, levels=bare, outcome=outcome, notes=("one", "zwei ü"))
    runs.add_plan(plan, None)
    assert runs.latest_plan() == plan


def test_a_plan_with_a_mix_for_each_task_comes_back_equal(runs: Runs) -> None:
    plan = plain_records.a_plan()
    mixes = tuple(
        ClassPlan(task, 0.5, plan.levels, num_judged, 0.4, 0.42, floor)
        for task, num_judged, floor in (("qa", 120.0, 0.38), (None, None, None))
    )
    plan = replace(plan, policy="class-fair", classes=mixes)
    runs.add_plan(plan, None)
    assert runs.latest_plan() == plan


def test_the_latest_plan_is_of_one_run_or_of_all(runs: Runs) -> None:
    plans = [plain_records.a_plan(start=NOW + timedelta(hours=hour)) for hour in range(3)]
    runs.add_plan(plans[0], "run-1")
    runs.add_plan(plans[1], "run-1")
    runs.add_plan(plans[2], None)

    def made_at(plan: Plan | None) -> object:
        assert plan is not None
        return plan.made_at

    assert made_at(runs.latest_plan("run-1")) == plans[1].made_at
    assert made_at(runs.latest_plan()) == plans[2].made_at


def test_after_the_clock_was_set_back_the_last_one_stored_is_the_latest(runs: Runs) -> None:
    earlier = NOW - timedelta(hours=1)
    runs.start(replace(RUN, id="run-0", started_at=earlier))
    assert runs.latest("/data/answers.jsonl") == ("run-0", False)
    plans = [plain_records.a_plan(start=moment) for moment in (NOW, earlier)]
    for plan in plans:
        runs.add_plan(plan, "run-1")
    assert runs.latest_plan("run-1") == plans[1]


# reconcile: the output file is the truth


def test_a_file_that_agrees_with_the_store_changes_nothing(runs: Runs, store: Store) -> None:
    rows = [served(admission(prompt(name))) for name in ("a", "b")]
    put(runs, *rows)
    runs.admit("run-1", [admission(prompt("c"))], NOW)
    before = rows_of(store)
    assert runs.reconcile("run-1", map(line_of, rows)) == set()
    assert rows_of(store) == before


def test_a_lost_row_is_restored_from_its_line(runs: Runs, store: Store) -> None:
    row = served(admission(prompt("a"), "L1"))
    put(runs, row)
    (before,) = rows_of(store)
    with store.write() as connection:
        connection.execute("DELETE FROM completions")
    assert runs.reconcile("run-1", [line_of(row)]) == set()
    (after,) = rows_of(store)
    # a line does not say the task nor the directive's text, and only the second it was written
    lost = {"task": "", "directive_key": "", "admitted_at": before["finished_at"]}
    numbers = {name: pytest.approx(before[name]) for name in ("operational_g", "embodied_g")}
    assert after == before | lost | numbers


def test_a_row_that_only_missed_its_end_gets_it_from_its_line(runs: Runs, store: Store) -> None:
    row = served(admission(prompt("a", task="qa"), "L1"))
    runs.admit("run-1", [row.admission], NOW)
    runs.reconcile("run-1", [line_of(row)])
    (after,) = rows_of(store)
    assert after["energy_j"] == 36.0
    assert (after["task"], after["directive_key"]) == ("qa", plain_records.KEYS["L1"])
    assert after["admitted_at"] == "2026-01-01T12:00:00.000Z"


def test_a_row_whose_line_was_lost_is_open_again_with_its_level(runs: Runs, store: Store) -> None:
    row = served(admission(prompt("a"), "L1"))
    put(runs, row)
    runs.reconcile("run-1", [])
    content_hash = row.admission.prompt.content_hash
    assert runs.recall("run-1", "a") == Past(content_hash, "L1", "plan-1", is_answered=False)
    # open means that nothing is known of its end
    after = rows_of(store)[0]
    columns = list(after)
    assert {after[name] for name in columns[columns.index("finished_at") :]} == {None}


def metered_j(store: Store) -> float:
    (run,) = rows_of(store, "runs")
    return float(run["metered_j"])


def test_a_restored_row_brings_its_metered_energy_back(runs: Runs, store: Store) -> None:
    rows = [served(admission(prompt(name))) for name in ("a", "b", "c")]
    put(runs, rows[0])
    runs.add_meter("run-1", 40.0, 1.0)  # of "a": a turn's energy is stored with its rows
    runs.admit("run-1", [row.admission for row in rows[1:]], NOW)
    for _ in range(2):  # what is there is brought back no second time
        runs.reconcile("run-1", map(line_of, rows))
        assert metered_j(store) == 40.0 + 2 * 36.0


@pytest.mark.parametrize("is_stored", [True, False])
def test_of_a_prompt_that_was_answered_anew_only_the_last_energy_is_brought_back(
    runs: Runs, store: Store, *, is_stored: bool
) -> None:
    old = served(admission(prompt("a")))
    new = replace(served(admission(prompt("a", system="Be kind."))), energy_j=50.0)
    put(runs, old)
    runs.add_meter("run-1", 36.0, 0.0)
    runs.admit("run-1", [new.admission], NOW)
    if is_stored:
        runs.complete("run-1", [new], LATER)
        runs.add_meter("run-1", 50.0, 0.0)
    assert runs.reconcile("run-1", [line_of(old), line_of(new)]) == {"a"}
    assert metered_j(store) == 86.0
    assert rows_of(store)[0]["energy_j"] == 50.0


def test_failures_stay_failures_without_a_line(runs: Runs, store: Store) -> None:
    runs.admit("run-1", [admission(prompt("a"))], NOW)
    runs.fail("run-1", [Failed("a", 1, "request_failed", "too long")], LATER)
    runs.reconcile("run-1", [])
    assert rows_of(store)[0]["error"] == "too long"


def test_a_line_beats_a_failure(runs: Runs, store: Store) -> None:
    row = served(admission(prompt("a")))
    runs.admit("run-1", [row.admission], NOW)
    runs.fail("run-1", [Failed("a", 1, "request_failed", "no")], LATER)
    runs.reconcile("run-1", [line_of(row)])
    assert rows_of(store)[0]["error"] is None


def test_other_runs_are_left_alone(runs: Runs, store: Store) -> None:
    runs.admit("run-2", [admission(prompt("a"))], NOW)
    runs.complete("run-2", [served(admission(prompt("a")))], LATER)
    runs.reconcile("run-1", [])
    assert rows_of(store)[0]["finished_at"] is not None


def test_ids_that_the_file_holds_twice_are_reported_and_the_last_line_counts(runs: Runs) -> None:
    old = served(admission(prompt("a"), "L0"))
    new = served(admission(prompt("a", system="Be kind."), "L1"))
    other = served(admission(prompt("b")))
    lines = map(line_of, [old, other, new])
    assert runs.reconcile("run-1", lines) == {"a"}
    content_hash = new.admission.prompt.content_hash
    assert runs.recall("run-1", "a") == Past(content_hash, "L1", "plan-1", is_answered=True)


def test_a_file_of_more_lines_than_one_commit_takes_is_restored_whole(
    runs: Runs, store: Store
) -> None:
    line = line_of(served(admission(prompt("a"))))
    num_lines = 5001
    lines = [line | {"custom_id": f"p{number}"} for number in range(num_lines)]
    assert runs.reconcile("run-1", [*lines, lines[1]]) == {"p1"}
    with store.read() as connection:
        sql = "SELECT count(*), sum(energy_j) FROM completions"
        assert tuple(connection.execute(sql).fetchone()) == (num_lines, 36.0 * num_lines)


def test_reconciling_may_be_tried_again_after_a_bad_line(runs: Runs) -> None:
    row = served(admission(prompt("a")))

    def lines() -> Iterable[dict[str, Any]]:
        yield line_of(row)
        raise OSError("the disk went away")

    with pytest.raises(OSError, match="went away"):
        runs.reconcile("run-1", lines())
    assert runs.reconcile("run-1", [line_of(row)]) == set()


# texts


def test_only_the_newest_texts_of_all_runs_are_kept(runs: Runs, store: Store) -> None:
    for number in range(5):
        row = served(admission(prompt(f"p{number}", system="Be kind.")), text=f"answer {number}")
        runs.keep_texts(f"run-{number % 2}", [row], limit=3)
    kept = rows_of(store, "texts")
    assert [row["prompt_id"] for row in kept] == ["p2", "p3", "p4"]
    assert kept[-1]["answer"] == "answer 4"
    assert json.loads(kept[-1]["chat"]) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Tell me of p4."},
    ]


def test_a_smaller_limit_drops_what_is_too_much_already(runs: Runs, store: Store) -> None:
    rows = [served(admission(prompt(f"p{number}"))) for number in range(5)]
    runs.keep_texts("run-1", rows, limit=10)
    runs.keep_texts("run-1", [], limit=2)
    assert [row["prompt_id"] for row in rows_of(store, "texts")] == ["p3", "p4"]


def test_any_text_of_an_answer_is_kept_as_it_was(runs: Runs, store: Store) -> None:
    text = "Zeilen\r\n\tüñí 🌱 'quoted' \"twice\" \\ %s ?"
    runs.keep_texts("run-1", [served(admission(prompt("a")), text=text)], limit=3)
    assert rows_of(store, "texts")[0]["answer"] == text


def test_a_turn_is_stored_whole_or_not_at_all(runs: Runs, store: Store) -> None:
    def fail() -> None:
        with store.write():
            runs.admit("run-1", [Admission(prompt("a"), "L0", "key", None)], NOW)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert rows_of(store) == []
