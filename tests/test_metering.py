import math
import time
from dataclasses import replace
from pathlib import Path

import pytest
from plain_records import SmallContextEngine, SteadyPower, TwoStepEngine, prompt, recording

from sprout.chat import Sampling
from sprout.engine.base import Request, StepResult
from sprout.engine.recorded import RecordedEngine
from sprout.meter.sampler import Sampler
from sprout.metering import Metered, MeteredEngine

POWER_W = 50.0


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return recording(tmp_path / "recording.jsonl")


def request(name: str, text: str = "Hello.") -> Request:
    return Request(name, prompt(name, prompt=text).chat, Sampling(), "L0")


def answer_all(engine: MeteredEngine, names: list[str]) -> list[Metered]:
    for name in names:
        engine.submit(request(name))
    done: list[Metered] = []
    while engine.engine.is_busy:
        engine.step()
        done += engine.settled()
    return done + engine.settle_all()


def energy_j(done: list[Metered]) -> float:
    return math.fsum(charge.energy_j for _, charge in done if charge is not None)


class Withheld(SteadyPower):
    """Samples that come only when they are asked for by `read_now`."""

    def drain(self) -> list[tuple[float, float]]:
        taken, self.taken = self.taken, []
        return taken


class Watts:
    """A meter of a machine that always draws the same power."""

    method = "rapl"
    is_estimated = False

    def __init__(self) -> None:
        self.start_s = time.perf_counter()

    def read_j(self) -> float:
        return (time.perf_counter() - self.start_s) * POWER_W


def test_every_request_comes_out_once_with_what_it_used(path: Path) -> None:
    engine = MeteredEngine(RecordedEngine(path, 3), SteadyPower(POWER_W))
    names = [f"p{number}" for number in range(10)]
    done = answer_all(engine, names)
    assert [completion.id for completion, _ in done] == names
    assert all(charge is not None and charge.energy_j > 0 for _, charge in done)


def test_requests_and_idle_time_together_are_what_the_counter_saw(path: Path) -> None:
    samples = SteadyPower(POWER_W)
    engine = MeteredEngine(RecordedEngine(path, 3), samples)
    done = answer_all(engine, [f"p{number}" for number in range(10)])
    metered_j, idle_j = engine.metered_j()
    assert energy_j(done) + idle_j == pytest.approx(metered_j)
    assert samples.first is not None
    # at 50 W from the first sample to the end of the last step
    busy_until_s = done[-1][0].ended_s
    assert metered_j >= POWER_W * (busy_until_s - samples.first[0])
    assert metered_j <= POWER_W * (time.perf_counter() - samples.first[0])


def test_a_sampler_in_a_thread_gives_the_same_books(path: Path) -> None:
    with Sampler(Watts(), interval_s=0.001) as sampler:
        engine = MeteredEngine(RecordedEngine(path, 3), sampler)
        done = answer_all(engine, [f"p{number}" for number in range(300)])
        metered_j, idle_j = engine.metered_j()
    assert len(done) == 300
    assert energy_j(done) + idle_j == pytest.approx(metered_j)
    assert all(charge is not None and charge.energy_j > 0 for _, charge in done)


def test_a_completion_waits_until_samples_cover_its_last_step(path: Path) -> None:
    samples = Withheld(POWER_W)
    engine = MeteredEngine(RecordedEngine(path, 2), samples)
    engine.submit(request("a"))
    engine.step()
    assert engine.settled() == []
    assert engine.metered_j() == (0.0, 0.0)
    samples.read_now()
    ((completion, charge),) = engine.settled()
    assert completion.id == "a"
    assert charge is not None


def test_settling_all_reads_the_counter_once_more(path: Path) -> None:
    engine = MeteredEngine(RecordedEngine(path, 2), Withheld(POWER_W))
    engine.submit(request("a"))
    engine.step()
    assert [completion.id for completion, _ in engine.settle_all()] == ["a"]
    assert engine.settle_all() == []


def test_a_request_that_failed_alone_has_no_charge_and_holds_nobody_up(path: Path) -> None:
    engine = MeteredEngine(SmallContextEngine(path, 4), SteadyPower(POWER_W))
    for name, text in (("a", "Hi."), ("bad", "x" * 101), ("b", "Hi.")):
        engine.submit(request(name, text))
    engine.step()
    done = {completion.id: charge for completion, charge in engine.settled()}
    assert set(done) == {"a", "bad", "b"}
    assert done["bad"] is None
    metered_j, idle_j = engine.metered_j()
    used_j = math.fsum(charge.energy_j for charge in done.values() if charge is not None)
    assert used_j + idle_j == pytest.approx(metered_j)


class RefusingEngine(RecordedEngine):
    """Answers everybody but "bad", who fails after a step that worked for him."""

    def step(self) -> StepResult:
        result = super().step()
        failed = (
            replace(each, text="", finish_reason=None, error="refused")
            if each.id == "bad"
            else each
            for each in result.completions
        )
        return replace(result, completions=tuple(failed))


def test_what_a_request_used_that_failed_in_the_end_is_work_for_nothing(path: Path) -> None:
    samples = Withheld(POWER_W)
    engine = MeteredEngine(RefusingEngine(path, 2), samples)
    for name in ("a", "bad"):
        engine.submit(request(name))
    engine.step()
    assert engine.settled() == []
    samples.read_now()
    done = engine.settled()
    assert [(completion.id, charge is None) for completion, charge in done] == [
        ("a", False),
        ("bad", True),
    ]
    metered_j, idle_j = engine.metered_j()
    assert energy_j(done) + idle_j < metered_j  # the rest is what "bad" used
    # nothing of it is left for a later request of that name
    engine.submit(request("bad"))
    engine.step()
    assert [charge for _, charge in engine.settle_all()] == [None]


def test_what_the_counters_saw_is_told_once(path: Path) -> None:
    engine = MeteredEngine(RecordedEngine(path, 2), SteadyPower(POWER_W))
    answer_all(engine, ["a"])
    first = engine.metered_j()
    assert first[0] > 0
    assert engine.metered_j() == (0.0, 0.0)
    used_j = energy_j(answer_all(engine, ["b"]))
    metered_j, idle_j = engine.metered_j()
    assert used_j + idle_j == pytest.approx(metered_j)


def test_idle_time_at_the_end_is_metered_without_a_later_step(path: Path) -> None:
    samples = Withheld(POWER_W)
    engine = MeteredEngine(RecordedEngine(path, 2), samples)
    done = answer_all(engine, ["a"])
    samples.read_now()
    assert engine.settled() == []
    last_s, _ = samples.read_now()
    assert engine.settled() == []
    assert samples.first is not None
    first_s, _ = samples.first
    metered_j, idle_j = engine.metered_j()
    assert metered_j == pytest.approx(POWER_W * (last_s - first_s))
    assert energy_j(done) + idle_j == pytest.approx(metered_j)


def test_the_last_books_reach_up_to_the_last_sample_even_when_stopped_half_way(path: Path) -> None:
    samples = SteadyPower(POWER_W)
    engine = MeteredEngine(TwoStepEngine(path, 2), samples)
    engine.submit(request("a"))
    engine.step()
    stopped_s = time.perf_counter()
    assert engine.settle_all() == []
    assert samples.first is not None
    metered_j, _ = engine.metered_j()
    assert metered_j >= POWER_W * (stopped_s - samples.first[0])


def test_samples_do_not_pile_up_while_nothing_runs(path: Path) -> None:
    engine = MeteredEngine(RecordedEngine(path, 2), SteadyPower(POWER_W))
    for _ in range(1000):
        assert engine.settled() == []
    assert len(engine._curve) <= 2
    # what comes after the pause is charged as ever
    used_j = energy_j(answer_all(engine, ["a"]))
    metered_j, idle_j = engine.metered_j()
    assert used_j + idle_j == pytest.approx(metered_j)
    assert used_j > 0


def test_work_that_was_abandoned_is_metered_but_charged_to_nobody(path: Path) -> None:
    engine = MeteredEngine(TwoStepEngine(path, 2), SteadyPower(POWER_W))
    engine.submit(request("a"))
    engine.step()
    engine.abandon()
    assert not engine.engine.is_busy
    metered_j, idle_j = engine.metered_j()
    assert metered_j > idle_j
    # a later request of the same name does not inherit it
    used_j = energy_j(answer_all(engine, ["a"]))
    metered_j, idle_j = engine.metered_j()
    assert used_j + idle_j == pytest.approx(metered_j)
