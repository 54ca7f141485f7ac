import json
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import plain_records
import pytest
from plain_records import NOW, admission, prompt, served

from sprout.batch.answers import Failed, Served
from sprout.state.completions import Completions, Past, served_counts
from sprout.state.runs import Run, Runs
from sprout.state.store import Store

LATER = NOW + timedelta(minutes=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "sprout.db") as store:
        run = Run("run-1", NOW, "-", None, "model", "machine", "DE", "rapl", 1.2, "server", 0.001)
        Runs(store).start(run)
        yield store


@pytest.fixture
def completions(store: Store) -> Completions:
    return Completions(store, "run-1")


def rows_of(store: Store, table: str = "completions") -> list[dict[str, Any]]:
    with store.read() as connection:
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table} ORDER BY 1, 2")]


def put(completions: Completions, *rows: Served) -> None:
    completions.admit([row.admission for row in rows], NOW)
    completions.complete(rows, LATER)


def test_a_prompt_is_admitted_then_answered_then_recalled(
    completions: Completions, store: Store
) -> None:
    row = prompt("a")
    assert completions.recall("a") is None
    completions.admit([admission(row, "L1")], NOW)
    assert completions.recall("a") == Past(row.content_hash, "L1", "plan-1", is_answered=False)
    completions.complete([served(admission(row, "L1"))], LATER)
    assert completions.recall("a") == Past(row.content_hash, "L1", "plan-1", is_answered=True)
    assert Completions(store, "run-2").recall("a") is None


def test_a_row_holds_what_the_request_cost(completions: Completions, store: Store) -> None:
    row = prompt("a", task="qa")
    put(completions, served(admission(row, "L1")))
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


def test_a_prompt_that_failed_alone_is_open_for_another_try(
    completions: Completions, store: Store
) -> None:
    row = prompt("a")
    completions.admit([admission(row)], NOW)
    completions.fail([Failed("a", 1, "request_failed", "too long")], LATER)
    assert rows_of(store)[0]["error"] == "too long"
    assert completions.recall("a") == Past(row.content_hash, "L0", "plan-1", is_answered=False)
    put(completions, served(admission(row)))
    assert rows_of(store)[0]["error"] is None


def test_a_line_that_was_never_admitted_may_fail(completions: Completions, store: Store) -> None:
    completions.fail([Failed("broken", 7, "invalid_json", "what?")], LATER)
    assert rows_of(store) == []


def test_admitting_anew_forgets_the_old_answer(completions: Completions, store: Store) -> None:
    put(completions, served(admission(prompt("a"))))
    changed = prompt("a", system="Be kind.")
    completions.admit([admission(changed, "L2", None)], LATER)
    (row,) = rows_of(store)
    assert (row["content_hash"], row["level"], row["plan_id"]) == (changed.content_hash, "L2", None)
    assert (row["finished_at"], row["energy_j"]) == (None, None)


def test_levels_are_counted_by_plan_and_task(completions: Completions, store: Store) -> None:
    def admit(name: str, level: str, plan_id: str | None, **more: object) -> None:
        completions.admit([admission(prompt(name, **more), level, plan_id)], NOW)

    admit("a", "L0", "plan-1")
    admit("b", "L0", "plan-1")
    admit("c", "L1", "plan-1")
    admit("d", "L1", "plan-1", task="qa")
    admit("e", "L1", "plan-2")
    admit("f", "L2", None)  # pinned
    completions.fail([Failed("b", 1, "request_failed", "no")], LATER)  # was given out as well
    counts = {("", "L0"): 2, ("", "L1"): 1, ("qa", "L1"): 1}
    assert completions.level_counts("plan-1") == counts
    assert Completions(store, "run-2").level_counts("plan-1") == {}


def test_answered_requests_are_counted_by_task(completions: Completions, store: Store) -> None:
    rows = [served(admission(prompt(name, task="qa"))) for name in ("a", "b")]
    rows.append(served(admission(prompt("c"))))
    completions.admit([*(row.admission for row in rows), admission(prompt("open"))], NOW)
    completions.complete(rows, NOW)
    assert served_counts(store, "model") == {"qa": 2, "": 1}
    assert served_counts(store, "other") == {}


# texts


def test_only_the_newest_texts_of_all_runs_are_kept(store: Store) -> None:
    for number in range(5):
        row = served(admission(prompt(f"p{number}", system="Be kind.")), text=f"answer {number}")
        Completions(store, f"run-{number % 2}").keep_texts([row], limit=3)
    kept = rows_of(store, "texts")
    assert [row["prompt_id"] for row in kept] == ["p2", "p3", "p4"]
    assert kept[-1]["answer"] == "answer 4"
    assert json.loads(kept[-1]["chat"]) == [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "Tell me of p4."},
    ]


def test_a_smaller_limit_drops_what_is_too_much_already(
    completions: Completions, store: Store
) -> None:
    rows = [served(admission(prompt(f"p{number}"))) for number in range(5)]
    completions.keep_texts(rows, limit=10)
    completions.keep_texts([], limit=2)
    assert [row["prompt_id"] for row in rows_of(store, "texts")] == ["p3", "p4"]


def test_any_text_of_an_answer_is_kept_as_it_was(completions: Completions, store: Store) -> None:
    text = "Zeilen\r\n\tüñí 🌱 'quoted' \"twice\" \\ %s ?"
    completions.keep_texts([served(admission(prompt("a")), text=text)], limit=3)
    assert rows_of(store, "texts")[0]["answer"] == text


def test_a_turn_is_stored_whole_or_not_at_all(completions: Completions, store: Store) -> None:
    def fail() -> None:
        with store.write():
            completions.admit([admission(prompt("a"))], NOW)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail()
    assert rows_of(store) == []
