from collections.abc import Iterator
from dataclasses import replace
from io import BytesIO, StringIO
from pathlib import Path

import pytest
from cli.program import select
from plain_records import NOW, UNDER, a_plan, admission, prompt, served

from sprout.batch.answers import Counting, Served
from sprout.batch.outfile import LineFile
from sprout.carbon import EmbodiedRate
from sprout.cli.output import Out
from sprout.cli.run.recorder import METERED_EVERY_S, Recorder
from sprout.cli.run.serving import _loop
from sprout.cli.source import Lines
from sprout.config.sources import load
from sprout.planning.plan import Plan
from sprout.run import Turn
from sprout.state.reservoir import Reservoir
from sprout.state.runs import Run, Runs
from sprout.state.store import Store


@pytest.fixture
def recorder(store: Path) -> Iterator[Recorder]:
    """Records the run `run-1`, which has just begun."""
    rate = EmbodiedRate("custom", 0.001, "")
    counting = Counting(UNDER, "model", 1.0, rate)
    with Store.open(store) as opened:
        Runs(opened).start(
            Run(
                id="run-1",
                started_at=NOW,
                input="-",
                output=None,
                model=UNDER.model,
                machine=UNDER.machine,
                zone="DE",
                energy_method=UNDER.energy_method,
                pue=counting.pue,
                embodied_preset=rate.preset,
                embodied_g_per_s=rate.g_per_s,
            )
        )
        yield Recorder(
            out=Out("run"),
            store=opened,
            settings=load({}, None).settings,
            run_id="run-1",
            counting=counting,
            source="-",
            reservoir=Reservoir(opened, 10),
            answers=None,
            errors_path=None,
            learns_as=None,
        )


def turn(plan: Plan | None, *rows: Served) -> Turn:
    admitted = tuple(row.admission for row in rows)
    return Turn(plan, admitted, rows, (), (), 0, 0.0, 0.0)


def known_of(num_requests: int, g_per_kwh: float = 300.0) -> Plan:
    """A plan whose levels' costs are of so many requests."""
    plan = a_plan(g_per_kwh=g_per_kwh)
    levels = tuple(replace(level, num_requests=num_requests) for level in plan.levels)
    return replace(plan, levels=levels)


def idle(joules: float) -> Turn:
    return Turn(None, (), (), (), (), 0, joules, joules)


def test_idle_joules_are_stored_now_and_then_while_nothing_else_happens(
    recorder: Recorder, store: Path
) -> None:
    """A kill in a pipe's long silence loses the last minute of it."""

    def metered() -> list[tuple[object, ...]]:
        return select(store, "SELECT metered_j, idle_j FROM runs")

    recorder.record(idle(1.0))
    recorder.record(idle(2.0))
    assert metered() == [(0.0, 0.0)]  # no write for every look at a pipe
    recorder.stored_s -= METERED_EVERY_S  # a minute later
    recorder.record(idle(4.0))
    assert metered() == [(7.0, 7.0)]
    recorder.record(idle(8.0))
    assert metered() == [(7.0, 7.0)]
    recorder.close()
    assert metered() == [(15.0, 15.0)]


def test_what_was_saved_so_far_is_held_against_l0_of_the_plan_at_that_time(
    recorder: Recorder,
) -> None:
    assert recorder.saved_g is None
    first, second = known_of(30), known_of(30, g_per_kwh=150.0)
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


def test_nothing_is_said_to_be_saved_while_l0_is_known_of_few_requests(
    recorder: Recorder,
) -> None:
    """After calibration alone the line said 0.9 mg, and the summary below it 6.8."""
    recorder.record(turn(known_of(29), served(admission(prompt("a"), "L1"))))
    assert recorder.saved_g is None
    recorder.record(turn(known_of(30), served(admission(prompt("b"), "L1"))))
    assert recorder.saved_g is not None


class Terminal(StringIO):
    def isatty(self) -> bool:
        return True


def test_the_rate_of_a_later_wave_is_of_its_own_tokens(
    recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Tokens of all waves over the seconds of one showed a rate that no machine has."""
    recorder.tally.num_new_tokens = 10**15
    recorder.answers = LineFile(tmp_path / "out.jsonl", starts_empty=True)
    monkeypatch.setattr("sys.stderr", shown := Terminal())
    monkeypatch.setenv("COLUMNS", "120")
    _loop(recorder.out, Lines(BytesIO(), 0, None), iter([idle(1.0)]), recorder)
    assert " 0 tok/s" in shown.getvalue()
    recorder.close()
