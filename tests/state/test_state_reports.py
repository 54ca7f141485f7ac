"""Sums for reports, kept or worked out, are those of the rows, whatever happens to a run."""

import json
import math
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from plain_records import KEYS, UNDER, a_plan, admission, prompt, served
from report.report_stores import NOW, START, Writer, counting, read, write_mixed

from sprout.batch.answers import Grid
from sprout.carbon import Footprint
from sprout.report import cells, words
from sprout.report.cells import Emitted, Metered
from sprout.report.facts import Report
from sprout.state import reports
from sprout.state.evaluations import Evaluation, Evaluations
from sprout.state.plans import Plans
from sprout.state.reconciliation import reconcile
from sprout.state.retention import prune
from sprout.state.runs import Runs, Waits
from sprout.state.store import Store

HOUR = timedelta(hours=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "sprout.db") as store:
        yield store


def count(store: Store, table: str) -> int:
    with store.read() as connection:
        return int(connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


def test_an_empty_store_has_nothing_to_report(store: Store) -> None:
    report = read(store)
    assert report.is_empty
    assert report.total.saved.saved_g is None
    assert report.total.intensity_g_per_kwh is None
    assert report.timeline == ()
    assert all(groups == () for groups in report.groups.values())


def test_totals_are_the_sums_of_the_rows(store: Store) -> None:
    rows = write_mixed(store, 1)
    total = read(store).total
    assert total.num_answered == len(rows)
    assert total.num_failed == 4
    assert total.num_prompt_tokens == 20 * len(rows)
    assert total.energy_j == pytest.approx(math.fsum(row.energy_j for row in rows))
    assert total.busy_s == pytest.approx(math.fsum(row.busy_s for row in rows))
    assert total.carbon_g == pytest.approx(math.fsum(row.carbon_g for row in rows))
    mean = math.fsum(row.g_per_kwh for row in rows) / len(rows)
    assert total.intensity_g_per_kwh == pytest.approx(mean)
    estimated = [row.energy_j for row in rows if row.under.energy_method == "tdp_estimate"]
    assert total.estimated_j == pytest.approx(math.fsum(estimated))
    assert total.levels == {
        level: sum(row.level == level for row in rows) for level in {row.level for row in rows}
    }


def comparable(report: Report) -> dict[str, float]:
    total = report.total
    return {
        "answered": total.num_answered,
        "failed": total.num_failed,
        "energy": total.energy_j,
        "carbon": total.carbon_g,
        "saved": total.saved.saved_g or 0.0,
        "half": total.saved.half_width_g or 0.0,
    }


def test_kept_sums_say_what_the_rows_say(store: Store) -> None:
    write_mixed(store, 2)
    kept = comparable(read(store))
    assert count(store, "tallies") > 0
    with store.write() as connection:
        connection.execute("DELETE FROM tallies")
    assert comparable(read(store)) == pytest.approx(kept)


def test_a_run_that_goes_on_after_its_end_is_counted_once(store: Store) -> None:
    runs = Runs(store)
    run = Writer(store, []).run(START, counting())
    run.answer(START)
    run.answer(START, "L1")
    run.end(START)
    assert read(store).total.num_answered == 2
    runs.reopen(run.run_id)
    assert count(store, "tallies") == 0
    assert read(store).total.num_answered == 2
    run.answer(START + HOUR)
    assert read(store).total.num_answered == 3
    run.end(START + HOUR)
    assert read(store).total.num_answered == 3
    run.end(START + HOUR)  # said twice
    assert read(store).total.num_answered == 3


def test_forgotten_runs_are_in_no_report(store: Store) -> None:
    write_mixed(store, 3)
    prune(store, START + timedelta(hours=1), dry_run=True)
    before = read(store).total.num_answered
    prune(store, START + timedelta(hours=1), dry_run=False)
    assert 0 < read(store).total.num_answered < before
    prune(store, NOW, dry_run=False)
    assert read(store).is_empty
    assert count(store, "tallies") == 0


def test_a_report_sees_one_moment_while_a_run_writes(store: Store, tmp_path: Path) -> None:
    run = Writer(store, []).run(START, counting(), is_finished=False)
    run.answer(START)
    with Store.open(tmp_path / "sprout.db") as reader, reports.reading(reader, None) as reading:
        run.answer(START)
        run.end(START)
        cells = list(reading.cells("hour"))
        assert sum(cell.num_answered for cell in cells) == 1
    assert read(store).total.num_answered == 2


def test_a_report_keeps_nobody_from_writing(store: Store, tmp_path: Path) -> None:
    run = Writer(store, []).run(START, counting())
    run.answer(START)
    with (
        Store.open(tmp_path / "sprout.db") as reader,
        reports.reading(reader, None),
        Store.open(tmp_path / "sprout.db", busy_timeout_s=0.0) as other,
        other.write() as connection,
    ):
        connection.execute("UPDATE runs SET idle_j = 1")


def test_prompts_that_are_begun_and_not_finished_are_counted_apart(store: Store) -> None:
    run = Writer(store, []).run(START, counting(), is_finished=False)
    run.answer(START)
    run.leave_open(START)
    report = read(store)
    assert (report.total.num_answered, report.num_open) == (1, 1)
    assert read(store, START + 2 * HOUR).num_open == 0


def test_requests_after_now_are_counted_and_said(store: Store) -> None:
    run = Writer(store, []).run(START, counting())
    run.answer(NOW + 3 * HOUR)
    run.answer(START)
    run.end(START)
    report = read(store)
    assert (report.total.num_answered, report.num_ahead) == (2, 1)


def test_energy_beside_the_requests_is_idle_or_lost(store: Store) -> None:
    # 100 J metered: 60 J of requests, 15 J idle, so 25 J were lost; 40 J at PUE 1.2, 300 g/kWh
    run = Writer(store, []).run(START, counting(), metered_j=100.0, idle_j=15.0)
    for _ in range(6):
        run.answer(START, energy_j=10.0)
    run.end(START)
    runs = read(store).runs
    assert (runs.num_runs, runs.metered_j) == (1, 100.0)
    assert (runs.idle_j, runs.lost_j) == pytest.approx((15.0, 25.0))
    assert runs.operational_g == pytest.approx(40 / 3.6e6 * 1.2 * 300)


def test_a_run_that_lies_half_in_the_period_counts_half(store: Store) -> None:
    run = Writer(store, []).run(START, counting(), metered_j=100.0, idle_j=15.0)
    for hours in (0, 0, 0, 10, 10, 10):
        run.answer(START + hours * HOUR, energy_j=10.0)
    run.end(START + 10 * HOUR)
    runs = read(store, (START + 5 * HOUR).replace(minute=0)).runs
    assert (runs.metered_j, runs.idle_j, runs.lost_j) == pytest.approx((50.0, 7.5, 12.5))


@pytest.mark.parametrize("hours", [0, 20, 60, 1000])
def test_a_period_that_is_cut_in_two_sums_to_the_whole(store: Store, hours: int) -> None:
    write_mixed(store, 4)
    cut = (START + hours * HOUR).replace(minute=0)
    parts = (read(store, until=cut), read(store, cut))
    whole = read(store)
    sums: tuple[Callable[[Report], float], ...] = (
        lambda report: report.total.num_answered,
        lambda report: report.total.num_failed,
        lambda report: report.total.energy_j,
        lambda report: report.total.carbon_g,
        lambda report: report.runs.metered_j,
        lambda report: report.runs.idle_j,
        lambda report: report.num_open,
        lambda report: sum(stretch.num_answered for stretch in report.timeline),
    )
    for of in sums:
        assert sum(map(of, parts)) == pytest.approx(of(whole))


def test_a_period_that_has_ended_stays_what_it_was(store: Store) -> None:
    run = Writer(store, []).run(START, counting())
    plan = a_plan()
    end = START.replace(minute=0) + HOUR
    Plans(store).add(plan, run.run_id)
    for level in ("L0", "L0", "L1"):
        run.answer(START, level)
    before = read(store, until=end)
    assert before.preference
    run.answer(end, "L1", energy_j=500.0)
    run.fail(end, "qa")
    run.leave_open(end)
    newer = replace(plan, id="plan-newer", made_at=end, preference_source="another judge")
    Plans(store).add(newer, run.run_id)
    run.end(end)
    after = read(store, until=end)
    assert (after.total, after.timeline, after.preference, after.num_open) == (
        before.total,
        before.timeline,
        before.preference,
        0,
    )
    assert read(store).preference[0].source == "another judge"


def test_counters_that_saw_less_than_the_requests_lose_nothing(store: Store) -> None:
    # rows that were rebuilt from the output file bring joules whose reading a kill took
    run = Writer(store, []).run(START, counting(), metered_j=5.0, idle_j=1.0)
    run.answer(START, energy_j=10.0)
    run.end(START)
    runs = read(store).runs
    assert (runs.idle_j, runs.lost_j, runs.operational_g) == (0.0, 0.0, 0.0)


def test_equal_circumstances_are_stored_once(store: Store) -> None:
    run = Writer(store, []).run(START, counting())
    for number in range(20):
        run.answer(START + number * HOUR, source=("a (measured)", "b (forecast)")[number % 2])
    again = Writer(store, [], num_runs=1).run(START, counting())
    again.answer(START, source="a (measured)")
    assert count(store, "circumstances") == 2
    again = Writer(store, [], num_runs=2).run(START, counting(pue=1.5))
    again.answer(START, source="a (measured)")
    assert count(store, "circumstances") == 3


def test_the_preference_is_that_of_the_newest_plan_of_the_model(store: Store) -> None:
    run = Writer(store, []).run(START, counting())
    plan = a_plan()
    Plans(store).add(plan, run.run_id)
    for level in ("L0", "L0", "L1"):
        run.answer(START, level)
    run.end(START)
    (found,) = read(store).preference
    q = {level.level: level.preference or 0.0 for level in plan.levels}
    assert found.kept == pytest.approx((2 * q["L0"] + q["L1"]) / 3 / q["L0"])
    assert (found.model, found.source, found.is_prior) == ("small", "a judge", False)
    assert found.half_width is None


def test_one_mix_for_all_has_the_interval_of_what_was_judged(store: Store) -> None:
    run = Writer(store, []).run(START, counting())
    plan = replace(a_plan(), num_judged=100.0)
    Plans(store).add(plan, run.run_id)
    for level in ("L0", "L1"):
        run.answer(START, level)
    run.end(START)
    (found,) = read(store).preference
    # kept = (q0 + q1) / 2 / q0, so dq0 = -q1 / (2 q0^2), dq1 = 1 / (2 q0); multinomial, n = 100
    q0, q1 = (level.preference or 0.0 for level in plan.levels[:2])
    g0, g1 = -q1 / (2 * q0**2), 1 / (2 * q0)
    variance = (g0**2 * q0 * (1 - q0) + g1**2 * q1 * (1 - q1) - 2 * g0 * g1 * q0 * q1) / 100
    assert found.half_width == pytest.approx(1.96 * variance**0.5)


def test_a_plan_by_task_class_gives_each_class_its_own_preference(store: Store) -> None:
    run = Writer(store, []).run(START, counting())
    Plans(store).add(a_plan(), run.run_id)
    classes = (("maths", (("L0", 0.8), ("L1", 0.2))), (None, (("L0", 0.5), ("L1", 0.5))))
    document = {
        "levels": [{"directive_key": KEYS["L0"], "preference": 0.5}],
        "preference_source": "a judge",
        "is_preference_prior": False,
        "classes": [
            {
                "task": task,
                "num_judged": 200.0,
                "levels": [{"directive_key": KEYS[v], "preference": q} for v, q in shares],
            }
            for task, shares in classes
        ],
    }
    with store.write() as connection:
        connection.execute("UPDATE plans SET document = ?", (json.dumps(document),))
    for task, level in (("maths", "L0"), ("maths", "L1"), ("qa", "L1"), ("", "L0")):
        run.answer(START, level, task=task)
    run.end(START)
    report = read(store)
    found = {each.task: each.kept for each in report.preference}
    # maths: (0.8 + 0.2) / 2 / 0.8 = 0.625; others 1; together (2 * 0.8 * 0.625 + 2 * 0.5) / 2.6
    assert found == {
        None: pytest.approx(2 / 2.6),
        "(other tasks)": pytest.approx(1.0),
        "maths": pytest.approx(0.625),
    }
    # 200 judged prompts a class: sd of (q0 + q1) / 2 / q0 with q1 = 1 - q0 is sd(q0) / 2 / q0^2
    halves = {each.task: each.half_width for each in report.preference}
    assert halves["maths"] == pytest.approx(1.96 * (0.8 * 0.2 / 200) ** 0.5 / 2 / 0.8**2)
    parts = [half or 0.0 for task, half in halves.items() if task is not None]
    assert 0 < (halves[None] or 0.0) < sum(parts)
    (told,) = (fact.text for fact in words.facts(report) if fact.name == "preference")
    assert "least for task maths: 62.5 %" in told


def test_what_waiting_moved_is_told_by_the_intensity_of_the_beginning(store: Store) -> None:
    writer = Writer(store, [])
    at_once = writer.run(START, counting())
    at_once.answer(START, g_per_kwh=500)
    at_once.end(START)
    assert read(store).waited is None
    waiting = writer.run(START, counting(), waits=Waits(None, 400.0))
    waiting.answer(START, energy_j=36.0, g_per_kwh=100)
    waiting.end(START)
    found = read(store).waited
    assert found is not None
    assert found.num_runs == 1
    # 36 J are 1e-5 kWh
    assert found.moved_g == pytest.approx(1e-5 * counting().pue * (400 - 100))
    (told,) = (fact.text for fact in words.facts(read(store)) if fact.name == "waiting")
    assert "runs that may wait: 1" in told
    # continued at another PUE, by which both its carbon and what it would have been are counted
    Runs(store).reopen(waiting.run_id)
    waiting.counting = counting(pue=2.0)
    waiting.answer(START, energy_j=36.0, g_per_kwh=100)
    found = read(store).waited
    assert found is not None
    assert found.moved_g == pytest.approx(1e-5 * (counting().pue + 2.0) * (400 - 100))
    assert read(store, NOW).waited is None


def test_what_l0_costs_is_that_of_finished_runs_and_ones_own(store: Store) -> None:
    writer = Writer(store, [])
    for energy_j, under, is_finished in (
        (10.0, UNDER, True),
        (20.0, UNDER, False),  # of another run, which may be long
        (30.0, UNDER, False),
        (40.0, replace(UNDER, parallel=1), True),
    ):
        run = writer.run(START, counting(under), is_finished=is_finished)
        for at_l0 in (True, True, False):
            run.answer(START, "L0" if at_l0 else "L1", task="qa", energy_j=energy_j)
        run.answer(START, "L0", is_pinned=True, energy_j=1000.0)
        run.end(START)
    found = reports.baselines(store, UNDER, "run-2").find((cells.comparable(UNDER), "qa"))
    assert found is not None
    assert found.baseline.num_requests == 4
    assert found.baseline.energy_j == pytest.approx((2 * 10 + 2 * 30) / 4)


def test_the_rounding_of_sums_is_no_lost_work(store: Store) -> None:
    # 0.1 + 0.2 + 0.3 is 0.6000000000000001 in this order, of which 0.6 would be 1e-16 lost
    run = Writer(store, []).run(START, counting(), metered_j=0.1 + 0.2 + 0.3)
    for energy_j in (0.3, 0.2, 0.1):
        run.answer(START, energy_j=energy_j)
    run.end(START)
    assert read(store).runs.lost_j == 0
    run = Writer(store, [], 1).run(START, counting(), metered_j=2.0)
    run.answer(START, energy_j=1.5)
    run.end(START)
    assert read(store).runs.lost_j == pytest.approx(0.5)


def evaluate(
    store: Store, name: str, energy_method: str, energy_j: float, source: str = "eia (measured)"
) -> None:
    """Record an evaluation that emitted a sixteenth of a gram for each joule, half embodied."""
    evaluations = Evaluations(store)
    under = ("judge", "model", "levels", "bundled", "asked", ("p",), START, "machine")
    grid = Grid("DE", 300.0, source, "average", "direct")
    evaluations.start(Evaluation(name, *under, energy_method, grid))
    evaluations.add_cost(name, energy_j, 1.0, Footprint(energy_j / 32, energy_j / 32))


def test_the_cost_of_evaluations_is_read_by_energy_method(store: Store) -> None:
    assert read(store).evaluating is None
    for name, method, energy_j in (("a", "rapl", 4), ("b", "tdp_estimate", 8), ("c", "rapl", 12)):
        evaluate(store, name, method, energy_j)
    found = read(store).evaluating
    assert found is not None
    assert found.energy == (Metered("rapl", 16.0, 0.5), Metered("tdp_estimate", 8.0, 0.25))
    assert [each.mark for each in found.energy] == ["measured", "estimated"]
    assert (found.num_evaluations, found.metered_j, found.busy_s) == (3, 24.0, 3.0)
    assert found.carbon_g == 1.5
    assert read(store, NOW).evaluating is None


def test_the_cost_of_evaluations_is_read_by_the_intensity_that_it_was_counted_at(
    store: Store,
) -> None:
    evaluate(store, "a", "rapl", 4)
    evaluate(store, "b", "tdp_estimate", 8)
    evaluate(store, "c", "rapl", 16, "yearly average")
    found = read(store).evaluating
    assert found is not None
    assert found.intensity == (
        Emitted("DE", "eia (measured)", "average", "direct", 0.375),
        Emitted("DE", "yearly average", "average", "direct", 0.5),
    )
    assert found.marks == ("measured", "estimated", "yearly average", "modelled")


def test_rows_of_the_first_release_keep_what_was_recorded_of_them(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    dump = Path(__file__).with_name("v1.sql").read_text(encoding="utf-8")
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(dump)
    with Store.open(path) as store:
        report = read(store)
    assert report.total.num_answered == 1
    (energy,) = report.energy
    assert (energy.name, energy.mark) == ("rapl", "measured")
    (intensity,) = report.intensity
    assert intensity.name == "DE: electricitymaps_csv (measured)"
    assert intensity.detail == "average, lifecycle"
    (pue,) = report.pue
    assert pue.mean == 1.2


def test_a_row_rebuilt_from_its_line_has_its_source(store: Store) -> None:
    import json  # noqa: PLC0415
    from datetime import UTC  # noqa: PLC0415

    from sprout.batch.answers import answer_line  # noqa: PLC0415

    run = Writer(store, []).run(START, counting(), zone="FR")
    line = json.loads(answer_line(served(admission(prompt("a"))), run.run_id, "model", NOW))
    reconcile(store, run.run_id, [line])
    report = read(store)
    assert report.total.num_answered == 1
    (intensity,) = report.intensity
    assert intensity.name == "DE: electricitymaps_csv (measured)"  # as the line says
    assert report.energy[0].name == "rapl"
    assert NOW.tzinfo is UTC
