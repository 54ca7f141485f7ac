import math
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import chain
from pathlib import Path

import plain_records
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from plain_records import (
    KEYS,
    LEVELS,
    NOW,
    SmallContextEngine,
    SteadyPower,
    TwoStepEngine,
    admission,
    prompt,
    recording,
    served,
)

from sprout import directives
from sprout.batch.answers import Admission, Failed, Served
from sprout.batch.prompts import Prompt, Rejected
from sprout.costs import Sample
from sprout.directives import DirectiveSet
from sprout.engine.recorded import RecordedEngine
from sprout.metering import MeteredEngine
from sprout.planning.plan import ClassPlan, Plan
from sprout.run import Job, Remembered, Turn, samples, serve

POWER_W = 50.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return recording(tmp_path / "recording.jsonl")


@pytest.fixture
def engine(path: Path) -> SmallContextEngine:
    return SmallContextEngine(path, 4)


@dataclass
class Planner:
    """Gives a plan for an hour that begins at the moment it is asked, dirtier each time."""

    asked: list[datetime] = field(default_factory=list)
    plans: dict[str, Plan] = field(default_factory=dict)

    def __call__(self, now: datetime) -> Plan:
        self.asked.append(now)
        plan = plain_records.a_plan(g_per_kwh=300 + 50 * len(self.plans), start=now)
        self.plans[plan.id] = plan
        return plan


def job(
    engine: RecordedEngine,
    plan_at: Callable[[datetime], Plan] | None = None,
    *,
    levels: DirectiveSet = LEVELS,
    past: dict[str, Remembered] | None = None,
    counts: dict[tuple[str, str], int] | None = None,
    now: Callable[[], datetime] = lambda: NOW,
    should_stop: Callable[[], bool] = lambda: False,
    has_line: Callable[[], bool] = lambda: True,
    wait: Callable[[], None] = lambda: None,
    pue: float = 1.0,
) -> Job:
    given_out = counts or {}
    return Job(
        directives=levels,
        engine=MeteredEngine(engine, SteadyPower(POWER_W)),
        energy_method="rapl",
        pue=pue,
        embodied_g_per_s=0.001,
        plan_at=plan_at or Planner(),
        counts_of=lambda plan, task: tuple(
            given_out.get((task, level.level), 0) for level in plan.levels
        ),
        recall=lambda row: (past or {}).get(row.id),
        now=now,
        has_line=has_line,
        wait=wait,
        should_stop=should_stop,
    )


def prompts(count: int, **more: object) -> list[Prompt]:
    return [prompt(f"p{number}", **more) for number in range(count)]


def run(rows: Iterable[Prompt | Rejected], how: Job) -> list[Turn]:
    return list(serve(iter(rows), how))


def admitted_in(turns: Iterable[Turn]) -> list[Admission]:
    return list(chain.from_iterable(turn.admitted for turn in turns))


def served_in(turns: Iterable[Turn]) -> list[Served]:
    return list(chain.from_iterable(turn.served for turn in turns))


def failed_in(turns: Iterable[Turn]) -> list[Failed]:
    return list(chain.from_iterable(turn.failed for turn in turns))


def level_counts(rows: Iterable[Admission]) -> Counter[str]:
    return Counter(row.level for row in rows)


def is_within_one(counts: Counter[str], plan: Plan) -> bool:
    num = sum(counts.values())
    return all(abs(counts[level.level] - num * level.share) < 1 for level in plan.levels)


class Clock:
    """Moves on by a step each time it is read."""

    def __init__(self, step: timedelta) -> None:
        self.step = step
        self.moment = NOW

    def __call__(self) -> datetime:
        self.moment += self.step
        return self.moment - self.step


# every prompt, once


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    tasks=st.lists(st.sampled_from([None, "qa", "maths"]), max_size=40),
    parallel=st.integers(1, 9),
    two_steps=st.booleans(),
)
def test_every_prompt_is_admitted_once_and_then_served_once(
    path: Path, tasks: list[str | None], parallel: int, *, two_steps: bool
) -> None:
    rows = [prompt(f"p{number}", task=task) for number, task in enumerate(tasks)]
    engine = (TwoStepEngine if two_steps else RecordedEngine)(path, parallel)
    turns = run(rows, job(engine))
    assert [row.prompt for row in admitted_in(turns)] == rows
    assert [row.completion.id for row in served_in(turns)] == [row.id for row in rows]
    admitted_turn = {row.prompt.id: i for i, turn in enumerate(turns) for row in turn.admitted}
    served_turn = {row.completion.id: i for i, turn in enumerate(turns) for row in turn.served}
    # whoever stores a turn before asking for the next has stored the level before it is decoded
    assert all(admitted_turn[name] < served_turn[name] for name in served_turn)
    assert {row.admission for row in served_in(turns)} == set(admitted_in(turns))


def test_a_prompt_is_told_as_admitted_before_the_engine_steps(engine: SmallContextEngine) -> None:
    told: set[str] = set()
    for turn in serve(iter(prompts(10)), job(engine)):
        # the generator stands still here: all that was answered so far was told before
        assert {row.completion.id for row in turn.served} <= told
        told |= {row.prompt.id for row in turn.admitted}
        assert {request.id for request in engine.asked} == told


def test_without_prompts_no_plan_is_asked_for(engine: SmallContextEngine) -> None:
    planner = Planner()
    turns = run([], job(engine, planner))
    assert planner.asked == []
    assert admitted_in(turns) == []
    assert all(turn.plan is None for turn in turns)


def test_prompts_are_read_only_as_the_engine_wants_them(engine: SmallContextEngine) -> None:
    num_read = 0

    def counted() -> Iterator[Prompt]:
        nonlocal num_read
        for row in prompts(100):
            num_read += 1
            yield row

    turns = serve(counted(), job(engine))
    next(turns)
    assert num_read == 4  # that is how many are answered at the same time
    next(turns)
    assert num_read == 8


def test_lines_that_cannot_be_read_fail_under_their_names(engine: SmallContextEngine) -> None:
    broken = Rejected(None, 2, "invalid_json", "what?")
    turns = run([prompt("a"), broken, prompt("b")], job(engine))
    assert failed_in(turns) == [Failed("line-000002", 2, "invalid_json", "what?")]
    assert [row.completion.id for row in served_in(turns)] == ["a", "b"]


def test_a_request_that_fails_alone_is_told_and_the_others_go_on(
    engine: SmallContextEngine,
) -> None:
    long = prompt("long", prompt="x" * 101)
    turns = run([prompt("a"), long, prompt("b")], job(engine))
    assert failed_in(turns) == [Failed("long", 1, "request_failed", "the prompt is too long")]
    assert [row.completion.id for row in served_in(turns)] == ["a", "b"]


def test_a_long_stretch_of_lines_without_work_is_told_in_parts(
    engine: SmallContextEngine,
) -> None:
    broken = [Rejected(None, number, "invalid_json", "what?") for number in range(2500)]
    turns = run(broken, job(engine))
    assert [len(turn.failed) for turn in turns if turn.failed] == [1000, 1000, 500]


# levels by the mix


@pytest.mark.parametrize("parallel", [1, 5, 64])
def test_each_tasks_levels_are_within_one_prompt_of_the_mix(path: Path, parallel: int) -> None:
    tasks = [("qa", "maths", None, "qa")[number % 4] for number in range(203)]
    rows = [prompt(f"p{number}", task=task) for number, task in enumerate(tasks)]
    planner = Planner()
    turns = run(rows, job(RecordedEngine(path, parallel), planner))
    (plan,) = planner.plans.values()
    assert max(plan.shares) < 1
    for task in ("qa", "maths", None):
        chosen = [row for row in admitted_in(turns) if row.prompt.task == task]
        assert is_within_one(level_counts(chosen), plan)


def test_each_task_is_served_by_the_mix_of_its_own_class(path: Path) -> None:
    plan = plain_records.a_plan()
    mixes = {"qa": (0.75, 0.25, 0.0), "maths": (0.0, 0.5, 0.5), None: (1.0, 0.0, 0.0)}
    classes = tuple(
        ClassPlan(
            task=task,
            demand=1 / 3,
            levels=tuple(
                replace(level, share=share) for level, share in zip(plan.levels, mix, strict=True)
            ),
            num_judged=100.0,
            preference=0.4,
            base_preference=0.4,
            floor=None,
        )
        for task, mix in mixes.items()
    )
    plan = replace(plan, policy="class-robust", classes=classes)
    tasks = ("qa", "maths", "poem", None)
    rows = [prompt(f"p{number}", task=tasks[number % 4]) for number in range(160)]
    turns = run(rows, job(RecordedEngine(path, 8), lambda _now: plan))
    counts = {
        task: level_counts(row for row in admitted_in(turns) if row.prompt.task == task)
        for task in tasks
    }
    assert counts["qa"] == {"L0": 30, "L1": 10}
    assert counts["maths"] == {"L1": 20, "L2": 20}
    assert counts["poem"] == counts[None] == {"L0": 40}


def test_a_level_reaches_the_model_as_its_directive(engine: SmallContextEngine) -> None:
    row = prompt("a", directive="L2")
    run([row], job(engine))
    (asked,) = engine.asked
    directive = LEVELS.directives[2]
    assert asked.chat == directives.apply(directive, row.chat, engine.traits)
    assert asked.chat[-1].content.endswith("Answer in one short sentence.")
    assert asked.sampling == row.sampling


def test_the_ceiling_of_a_directive_limits_the_answer(engine: SmallContextEngine) -> None:
    short = replace(LEVELS.directives[1], max_tokens=16)
    limited = DirectiveSet("limited", "", (LEVELS.directives[0], short))
    rows = [prompt("a", directive="L1"), prompt("b", directive="L1", max_tokens=8)]
    run(rows, job(engine, levels=limited))
    assert [each.sampling.max_tokens for each in engine.asked] == [16, 8]


def test_a_pinned_line_is_served_as_it_says_and_stays_outside_the_mix(path: Path) -> None:
    mixed = prompts(40)
    pinned = [prompt(f"pinned{number}", directive="L2") for number in range(40)]
    both = [row for pair in zip(mixed, pinned, strict=True) for row in pair]
    alone = admitted_in(run(mixed, job(RecordedEngine(path, 4))))
    together = admitted_in(run(both, job(RecordedEngine(path, 4))))
    assert [row for row in together if row.prompt.directive is None] == alone
    chosen = [row for row in together if row.prompt.directive is not None]
    assert {(row.level, row.directive_key, row.plan_id) for row in chosen} == {
        ("L2", KEYS["L2"], None)
    }
    assert all(row.plan_id is not None for row in alone)


# the plan's window


def test_a_new_plan_is_asked_for_when_the_window_has_ended(path: Path) -> None:
    planner = Planner()
    turns = run(prompts(7), job(RecordedEngine(path, 1), planner, now=Clock(timedelta(minutes=20))))
    # a prompt every 20 minutes: asked at 12:00, then as the hours end, at 13:00 and 14:00
    assert planner.asked == [NOW + timedelta(hours=hour) for hour in range(3)]
    assert [turn.plan.id for turn in turns if turn.plan] == list(planner.plans)
    first, second, third = planner.plans
    plans = [row.plan_id for row in admitted_in(turns)]
    assert plans == [first] * 3 + [second] * 3 + [third]


def test_a_new_plan_is_asked_for_when_the_clock_was_set_back(path: Path) -> None:
    planner = Planner()
    hours = iter([0, 0, 0, -1, -1, -1])
    how = job(RecordedEngine(path, 1), planner, now=lambda: NOW + timedelta(hours=next(hours)))
    turns = run(prompts(6), how)
    assert planner.asked == [NOW, NOW - timedelta(hours=1)]
    first, second = planner.plans
    assert [row.plan_id for row in admitted_in(turns)] == [first] * 3 + [second] * 3


def test_the_turn_that_brings_a_plan_is_the_one_that_admits_by_it(path: Path) -> None:
    known: set[str | None] = {None}
    how = job(RecordedEngine(path, 3), Planner(), now=Clock(timedelta(minutes=13)))
    for turn in serve(iter(prompts(30)), how):
        if turn.plan is not None:
            known.add(turn.plan.id)
        assert {row.plan_id for row in turn.admitted} <= known


def test_running_requests_keep_the_level_and_the_intensity_of_their_plan(path: Path) -> None:
    planner = Planner()
    how = job(TwoStepEngine(path, 5), planner, now=Clock(timedelta(minutes=20)))
    turns = run(prompts(20), how)
    assert len(planner.plans) == 7  # three prompts each
    by_id = {row.prompt.id: row for row in admitted_in(turns)}
    for row in served_in(turns):
        assert row.admission == by_id[row.completion.id]
        assert row.admission.plan_id is not None
        plan = planner.plans[row.admission.plan_id]
        assert row.grid.g_per_kwh == plan.g_per_kwh


def test_each_plans_levels_are_within_one_prompt_of_its_own_mix(path: Path) -> None:
    planner = Planner()
    rows = [prompt(f"p{number}", task=("qa", "maths")[number % 2]) for number in range(300)]
    turns = run(rows, job(RecordedEngine(path, 8), planner, now=Clock(timedelta(seconds=45))))
    assert len(planner.plans) == 4  # 80 prompts an hour
    for plan in planner.plans.values():
        for task in ("qa", "maths"):
            chosen = [
                row
                for row in admitted_in(turns)
                if row.plan_id == plan.id and row.prompt.task == task
            ]
            assert is_within_one(level_counts(chosen), plan)


# resuming


def answered(level: str = "L0") -> Remembered:
    return Remembered(is_answered=True, is_changed=False, level=level, plan_id="plan-1")


def test_prompts_that_were_answered_are_skipped(engine: SmallContextEngine) -> None:
    turns = run(prompts(5), job(engine, past={"p1": answered(), "p3": answered()}))
    assert [row.completion.id for row in served_in(turns)] == ["p0", "p2", "p4"]
    assert sum(turn.num_skipped for turn in turns) == 2


def test_answered_prompts_ask_for_no_plan(engine: SmallContextEngine) -> None:
    planner = Planner()
    past = {row.id: answered() for row in prompts(5)}
    run(prompts(5), job(engine, planner, past=past))
    assert planner.asked == []


def test_prompts_that_were_admitted_keep_their_level_and_plan(engine: SmallContextEngine) -> None:
    kept = Remembered(is_answered=False, is_changed=False, level="L2", plan_id="plan-1")
    past = {row.id: kept for row in prompts(30)}
    turns = run(prompts(30), job(engine, past=past))
    told = {(row.level, row.directive_key, row.plan_id) for row in admitted_in(turns)}
    assert told == {("L2", KEYS["L2"], "plan-1")}


def test_a_prompt_whose_level_is_gone_gets_one_by_the_mix(engine: SmallContextEngine) -> None:
    gone = Remembered(is_answered=False, is_changed=False, level=None, plan_id="plan-1")
    planner = Planner()
    turns = run(prompts(1), job(engine, planner, past={"p0": gone}))
    assert [row.plan_id for row in admitted_in(turns)] == list(planner.plans)


def test_a_prompt_that_changed_is_answered_again_and_told(engine: SmallContextEngine) -> None:
    changed = Remembered(is_answered=False, is_changed=True, level=None, plan_id="plan-1")
    planner = Planner()
    turns = run(prompts(2), job(engine, planner, past={"p0": changed}))
    assert [name for turn in turns for name in turn.changed] == ["p0"]
    assert [row.completion.id for row in served_in(turns)] == ["p0", "p1"]
    # its level is the mix's, not the old one
    assert {row.plan_id for row in admitted_in(turns)} == set(planner.plans)


def test_a_resumed_run_gives_the_levels_that_an_uninterrupted_one_would(path: Path) -> None:
    plan = plain_records.a_plan()
    rows = [prompt(f"p{number}", task=("qa", None)[number % 2]) for number in range(120)]
    whole = admitted_in(run(rows, job(RecordedEngine(path, 4), lambda _now: plan)))
    counts = Counter((row.prompt.task or "", row.level) for row in whole[:50])
    rest = run(rows[50:], job(RecordedEngine(path, 4), lambda _now: plan, counts=counts))
    assert admitted_in(rest) == whole[50:]


# stopping


def test_stopping_leaves_the_rest_and_tells_what_is_finished(path: Path) -> None:
    engine = SmallContextEngine(path, 4)
    how = job(engine, should_stop=lambda: len(engine.batches) == 3)
    turns = run(prompts(50), how)
    # three steps of four; the rest was never asked for
    assert [row.completion.id for row in served_in(turns)] == [f"p{i}" for i in range(12)]
    assert len(admitted_in(turns)) == 12


def test_stopping_at_once_admits_nothing(engine: SmallContextEngine) -> None:
    turns = run(prompts(5), job(engine, should_stop=lambda: True))
    assert (admitted_in(turns), served_in(turns)) == ([], [])
    assert len(turns) == 1


def test_what_was_running_when_it_stopped_was_told_as_admitted(path: Path) -> None:
    engine = TwoStepEngine(path, 4)
    steps = iter([False, False, False, True])  # read, answer, read
    turns = run(prompts(50), job(engine, should_stop=lambda: next(steps)))
    assert len(served_in(turns)) == 4
    assert len(admitted_in(turns)) == 8


# what it cost


def test_joules_of_requests_and_idle_time_are_what_the_counters_saw(path: Path) -> None:
    before_s = time.perf_counter()
    how = job(RecordedEngine(path, 4))
    began_s = time.perf_counter()
    turns = run(prompts(30), how)
    used_j = math.fsum(row.energy_j for row in served_in(turns))
    idle_j = math.fsum(turn.idle_j for turn in turns)
    metered_j = math.fsum(turn.metered_j for turn in turns)
    assert used_j + idle_j == pytest.approx(metered_j)
    assert used_j > 0
    # the counter runs at 50 W, from the start of the job to the end of the last step
    last_s = max(row.completion.ended_s for row in served_in(turns))
    assert POWER_W * (last_s - began_s) <= metered_j
    assert metered_j <= POWER_W * (time.perf_counter() - before_s)


def test_a_request_is_priced_with_pue_and_embodied_carbon(engine: SmallContextEngine) -> None:
    (row,) = served_in(run(prompts(1), job(engine, pue=1.5)))
    # the plan is for 300 g/kWh; embodied are 0.001 g/s
    assert row.footprint.operational_g == pytest.approx(row.energy_j / 3.6e6 * 1.5 * 300)
    assert row.footprint.embodied_g == pytest.approx(row.busy_s * 0.001)
    assert row.energy_j == pytest.approx(row.busy_s * POWER_W, rel=1e-3)
    assert (row.grid.zone, row.grid.source) == ("DE", "electricitymaps_csv (measured)")
    assert row.energy_method == "rapl"


# what can be learned


def test_samples_are_what_the_requests_of_the_mix_cost() -> None:
    row = served(admission(prompt("a", task="qa"), "L1"))
    assert samples([row], 256) == [Sample(KEYS["L1"], "qa", 36.0, 2.0, 20, 10)]
    assert samples([served(admission(prompt("a")))], 256)[0].task == ""


def test_pinned_lines_and_other_limits_teach_nothing() -> None:
    pinned = served(admission(prompt("a", directive="L1"), "L1", None))
    other = served(admission(prompt("b", max_tokens=64), "L1"))
    assert samples([pinned, other], 256) == []
    assert len(samples([pinned, other], 64)) == 1


def test_answers_do_not_wait_for_a_slow_writer_of_prompts(engine: SmallContextEngine) -> None:
    # Two prompts have come; the third and the end come after the second wait.
    num_ready, num_waits, num_read = 2, 0, 0

    def wait() -> None:
        nonlocal num_waits, num_ready
        num_waits += 1
        num_ready = 4 if num_waits == 2 else num_ready

    def written() -> Iterator[Prompt]:
        nonlocal num_read
        for row in prompts(3):
            num_read += 1
            yield row

    how = job(engine, has_line=lambda: num_read < num_ready, wait=wait)
    answered_while_waiting: list[str] = []
    for turn in serve(written(), how):
        if num_waits < 2:
            answered_while_waiting += [row.admission.prompt.id for row in turn.served]
    assert answered_while_waiting == ["p0", "p1"]
    assert num_waits == 2
