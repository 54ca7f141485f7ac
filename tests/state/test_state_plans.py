from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import plain_records
import pytest
from plain_records import NOW

from sprout.planning.plan import ClassPlan, Plan
from sprout.state.plans import Plans
from sprout.state.store import Store


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[Plans]:
    with Store.open(tmp_path / "sprout.db") as store:
        yield Plans(store)


def test_a_plan_comes_back_equal(stored: Plans) -> None:
    plan = plain_records.a_plan()
    stored.add(plan, "run-1")
    assert stored.latest("run-1") == plan
    assert stored.latest("run-2") is None


def test_a_plan_without_standard_errors_preferences_and_price_comes_back_equal(
    stored: Plans,
) -> None:
    plan = plain_records.a_plan()
    bare = tuple(replace(level, energy_se_j=None, preference=None) for level in plan.levels)
    outcome = replace(plan.outcome, floor_price_g=None)
    plan = replace(plan, levels=bare, outcome=outcome, notes=("one", "zwei ü"))
    stored.add(plan, None)
    assert stored.latest() == plan


def test_a_plan_with_a_mix_for_each_task_comes_back_equal(stored: Plans) -> None:
    plan = plain_records.a_plan()
    mixes = tuple(
        ClassPlan(task, 0.5, plan.levels, num_judged, 0.4, 0.42, floor)
        for task, num_judged, floor in (("qa", 120.0, 0.38), (None, None, None))
    )
    plan = replace(plan, policy="class-fair", classes=mixes)
    stored.add(plan, None)
    assert stored.latest() == plan


def test_the_latest_plan_is_of_one_run_or_of_all(stored: Plans) -> None:
    plans = [plain_records.a_plan(start=NOW + timedelta(hours=hour)) for hour in range(3)]
    stored.add(plans[0], "run-1")
    stored.add(plans[1], "run-1")
    stored.add(plans[2], None)

    def made_at(plan: Plan | None) -> object:
        assert plan is not None
        return plan.made_at

    assert made_at(stored.latest("run-1")) == plans[1].made_at
    assert made_at(stored.latest()) == plans[2].made_at


def test_after_the_clock_was_set_back_the_last_one_stored_is_the_latest(stored: Plans) -> None:
    earlier = NOW - timedelta(hours=1)
    plans = [plain_records.a_plan(start=moment) for moment in (NOW, earlier)]
    for plan in plans:
        stored.add(plan, "run-1")
    assert stored.latest("run-1") == plans[1]
