from pathlib import Path

import pytest
from plain_records import UNDER, a_plan, admission, prompt, served

from sprout.answers import Counting, Served
from sprout.carbon import EmbodiedRate
from sprout.cli.output import Out
from sprout.cli.run.recorder import Recorder
from sprout.config import load
from sprout.planning.plan import Plan
from sprout.run import Turn
from sprout.state.reservoir import Reservoir
from sprout.state.store import Store


def turn(plan: Plan | None, *rows: Served) -> Turn:
    admitted = tuple(row.admission for row in rows)
    return Turn(plan, admitted, rows, (), (), 0, 0.0, 0.0)


def test_what_was_saved_so_far_is_held_against_l0_of_the_plan_at_that_time(store: Path) -> None:
    with Store.open(store) as opened:
        recorder = Recorder(
            out=Out("run"),
            store=opened,
            settings=load({}, None).settings,
            run_id="run-1",
            counting=Counting(UNDER, "model", 1.0, EmbodiedRate("custom", 0.001, "")),
            source="prompts.jsonl",
            reservoir=Reservoir(opened, 10),
            answers=None,
            errors_path=None,
            learns_as=None,
        )
        assert recorder.saved_g is None
        first, second = a_plan(g_per_kwh=300.0), a_plan(g_per_kwh=150.0)
        rows = [
            served(admission(prompt(name, task=task), level, plan_id))
            for name, task, level, plan_id in (
                ("a", "qa", "L1", "plan-1"),
                ("b", "maths", "L2", "plan-1"),
                ("c", "qa", "L0", "plan-1"),  # its own baseline
                ("d", "qa", "L1", None),  # pinned
            )
        ]
        recorder.record(turn(first, *rows))
        # L0 takes 100 J: 100 / 3.6e6 * 300 g/kWh = 1/120 g; the two rows emitted 0.004 g each
        assert recorder.saved_g == pytest.approx(2 / 120 - 0.008)
        recorder.record(turn(second, served(admission(prompt("e", task="qa"), "L1"))))
        # at half the intensity 1/240 g
        assert recorder.saved_g == pytest.approx(2 / 120 + 1 / 240 - 0.012)
