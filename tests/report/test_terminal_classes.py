from dataclasses import replace

import pytest
from plain_records import a_plan

from sprout.cli.output import _render
from sprout.planning.plan import ClassPlan
from sprout.report.terminal import classes_table, plan_data, plan_lines


def with_classes() -> tuple[ClassPlan, ...]:
    levels = a_plan().levels
    brief = tuple(replace(level, share=float(level.level == "L2")) for level in levels)
    long = tuple(replace(level, share=float(level.level == "L0")) for level in levels)
    return (
        ClassPlan("quiz", 0.25, brief, 120.0, 0.45, 0.24, 0.216),
        ClassPlan(None, 0.75, long, None, 0.4, 0.4, None),
    )


def test_the_mix_of_each_task_is_a_row() -> None:
    plan = replace(a_plan(), policy="class-fair", classes=with_classes())
    shown = _render(classes_table(plan), stderr=False)
    quiz, others = (line for line in shown.splitlines() if "quiz" in line or "(others)" in line)
    for word in ("25 %", "0.0 %", "100.0 %", "0.450", "0.240", "0.216", "120"):
        assert word in quiz
    for word in ("75 %", "none", "prior"):
        assert word in others


def test_programs_get_the_classes_and_the_policy() -> None:
    plan = replace(a_plan(), policy="class-fair", classes=with_classes())
    data = plan_data(plan)
    assert data["policy"] == "class-fair"
    assert isinstance(data["classes"], list)
    assert [each["task"] for each in data["classes"]] == ["quiz", None]
    assert plan_data(a_plan())["classes"] == []
    assert "policy  class-fair" in plan_lines(plan)


@pytest.mark.parametrize(
    ("carbon_g", "told"),
    [(0.75, "25 % less"), (1.002, "0 % less"), (1.02, "2 % more"), (0.0, "100 % less")],
)
def test_a_mix_that_explores_may_cost_more_than_all_l0(carbon_g: float, told: str) -> None:
    plan = a_plan()
    outcome = replace(plan.outcome, carbon_g=carbon_g, baseline_g=1.0)
    assert plan_lines(replace(plan, outcome=outcome))[0].endswith(f" g at all-L0 ({told})")
