from dataclasses import replace

import pytest
from plain_records import a_plan

from sprout.planning.backlog import Group
from sprout.planning.estimate import estimate
from sprout.planning.plan import ClassPlan


def test_prompts_are_estimated_by_their_tasks_mix_or_at_the_level_that_they_pin() -> None:
    plan = a_plan(g_per_kwh=360.0)
    levels = plan.levels
    brief = tuple(replace(level, share=float(level.level == "L2")) for level in levels)
    long = tuple(replace(level, share=float(level.level == "L0")) for level in levels)
    classes = (
        ClassPlan("quiz", 0.25, brief, 120.0, 0.45, 0.24, 0.216),
        ClassPlan(None, 0.75, long, None, 0.4, 0.4, None),
    )
    backlog = {
        Group("quiz", None): 5,
        Group("", None): 2,
        Group("maths", None): 1,
        Group("quiz", None, "L0"): 1,
        Group("", None, "L2"): 1,
    }
    found = estimate(replace(plan, classes=classes), backlog)
    assert found.num_prompts == 10
    # four at L0 of 100 J, six at L2 of 30 J; at 360 g/kWh a joule emits 1e-4 g
    assert found.energy_j == pytest.approx(580)
    assert found.carbon_g == pytest.approx(0.058)
    # at all-L0 the five of the quiz take 100 J; who pins L2 has no other cost
    assert found.baseline_g == pytest.approx(0.093)
    assert found.levels == pytest.approx({"L0": 0.4, "L1": 0.0, "L2": 0.6})


def test_no_prompts_cost_nothing() -> None:
    plan = a_plan()
    found = estimate(plan, {})
    assert (found.num_prompts, found.energy_j, found.carbon_g, found.baseline_g) == (0, 0, 0, 0)
    assert found.levels == {level.level: level.share for level in plan.levels}
