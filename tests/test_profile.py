from collections import Counter
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import pytest
from plain_records import (
    KEYS,
    LEVELS,
    SmallContextEngine,
    SteadyPower,
    levels,
    prompt,
    recording,
)

from sprout import directives
from sprout.batch.prompts import Prompt
from sprout.directives import DirectiveSet
from sprout.errors import EngineError
from sprout.metering import MeteredEngine
from sprout.profile import MIN_GROUPS, WARM_UP_TOKENS, Effort, Measured, idle_power_w, measure

Groups = list[tuple[Measured, ...]]
NO_LIMIT = Effort(num_repeats=1, budget_s=None)


@pytest.fixture
def engine(tmp_path: Path) -> SmallContextEngine:
    return SmallContextEngine(recording(tmp_path / "recording.jsonl"), 4)


def prompts(count: int, **more: object) -> list[Prompt]:
    return [prompt(f"p{number}", **more) for number in range(count)]


def profile(
    engine: SmallContextEngine,
    rows: list[Prompt],
    effort: Effort = NO_LIMIT,
    chosen: DirectiveSet = LEVELS,
    elapsed_s: float = 0.0,
) -> Groups:
    metered = MeteredEngine(engine, SteadyPower())
    return list(measure(rows, chosen, metered, effort, lambda: elapsed_s))


def test_every_prompt_is_measured_once_at_every_level_in_whole_groups(
    engine: SmallContextEngine,
) -> None:
    groups = profile(engine, prompts(5))
    assert len(groups) == 5
    for group in groups:
        assert sorted(row.level for row in group) == ["L0", "L1", "L2"]


def test_prompts_are_repeated_as_often_as_is_asked(engine: SmallContextEngine) -> None:
    groups = profile(engine, prompts(5), Effort(num_repeats=3, budget_s=None))
    assert len(groups) == 15
    counts = Counter(row.level for group in groups for row in group)
    assert counts == {"L0": 15, "L1": 15, "L2": 15}


def test_a_sample_is_of_its_level_and_task(engine: SmallContextEngine) -> None:
    (group,) = profile(engine, prompts(1, task="qa"))
    for row in group:
        # the recording answers with 100, 60 and 30 tokens, and up to 2 more
        base = {"L0": 100, "L1": 60, "L2": 30}[row.level]
        assert base <= row.sample.num_new_tokens <= base + 2
        assert row.sample.directive_key == KEYS[row.level]
        assert (row.sample.task, row.sample.num_prompt_tokens) == ("qa", 20)
        assert row.sample.energy_j > 0
        assert row.sample.busy_s > 0


def test_a_prompt_without_a_task_is_of_the_empty_one(engine: SmallContextEngine) -> None:
    (group,) = profile(engine, prompts(1))
    assert {row.sample.task for row in group} == {""}


def test_the_order_of_the_levels_turns_with_each_group(engine: SmallContextEngine) -> None:
    profile(engine, prompts(4))
    measured = [each.level for each in islice(engine.asked, 3, 15)]  # after three to warm up
    assert measured == ["L0", "L1", "L2", "L1", "L2", "L0", "L2", "L0", "L1", "L0", "L1", "L2"]


def test_the_directive_is_in_what_the_model_is_asked(engine: SmallContextEngine) -> None:
    (row,) = prompts(1)
    profile(engine, [row])
    asked = {each.level: each for each in engine.asked[3:6]}
    for directive in LEVELS.directives:
        request = asked[directive.level]
        assert request.chat == directives.apply(directive, row.chat, engine.traits)
        assert request.sampling == row.sampling


def test_every_level_is_warmed_up_with_a_few_tokens_that_do_not_count(
    engine: SmallContextEngine,
) -> None:
    groups = profile(engine, prompts(2))
    assert [each.level for each in engine.asked[:3]] == ["L0", "L1", "L2"]
    assert {each.sampling.max_tokens for each in engine.asked[:3]} == {WARM_UP_TOKENS}
    assert len(groups) == 2


def test_filler_keeps_the_batch_full_until_the_end(engine: SmallContextEngine) -> None:
    groups = profile(engine, prompts(5))
    # 4 at a time: 1 step for the 3 warm-ups, then 15 requests and one of filler in 4 full steps
    assert engine.batches == [3, 4, 4, 4, 4]
    assert len(groups) == 5
    assert not engine.is_busy


def test_one_level_is_measured_too(engine: SmallContextEngine) -> None:
    groups = profile(engine, prompts(4), chosen=levels("L0"))
    assert [[row.level for row in group] for group in groups] == [["L0"]] * 4


def test_within_the_budget_everything_is_measured(engine: SmallContextEngine) -> None:
    effort = Effort(num_repeats=1, budget_s=20.0)
    assert len(profile(engine, prompts(9), effort, elapsed_s=20.0)) == 9


def test_a_spent_budget_ends_after_the_least_number_of_groups(engine: SmallContextEngine) -> None:
    effort = Effort(num_repeats=1, budget_s=20.0)
    groups = profile(engine, prompts(9), effort, elapsed_s=20.1)
    # 4 requests a step, 3 a group: after 3 steps 12 of them, 4 whole groups; after 2 only 2
    assert len(groups) == 4
    assert len(groups) >= MIN_GROUPS
    assert engine.batches == [3, 4, 4, 4]
    assert not engine.is_busy


def test_groups_that_are_not_complete_are_dropped_whole(tmp_path: Path) -> None:
    engine = SmallContextEngine(recording(tmp_path / "recording.jsonl"), 5)
    effort = Effort(num_repeats=1, budget_s=0.0)
    groups = profile(engine, prompts(9), effort, elapsed_s=1.0)
    # two steps answer 10 requests: 3 groups, and one request of the fourth
    assert engine.batches == [3, 5, 5]
    assert [sorted(row.level for row in group) for group in groups] == [["L0", "L1", "L2"]] * 3


def test_fewer_groups_than_the_least_are_all_measured(engine: SmallContextEngine) -> None:
    effort = Effort(num_repeats=1, budget_s=0.0)
    assert len(profile(engine, prompts(2), effort, elapsed_s=1.0)) == 2


def test_a_budget_that_ends_on_the_way_keeps_what_is_complete(engine: SmallContextEngine) -> None:
    metered = MeteredEngine(engine, SteadyPower())
    effort = Effort(num_repeats=1, budget_s=10.0)

    def elapsed_s() -> float:
        return len(engine.batches) - 1.0  # a second a step after the warm-up

    # over at the 11th step: 4 requests each are 44, and of these 42 in 14 whole groups
    assert len(list(measure(prompts(50), LEVELS, metered, effort, elapsed_s))) == 14


def test_a_stop_ends_at_the_next_step_and_keeps_what_is_complete(
    engine: SmallContextEngine,
) -> None:
    metered = MeteredEngine(engine, SteadyPower())

    def should_stop() -> bool:
        return len(engine.batches) == 3

    groups = list(measure(prompts(9), LEVELS, metered, NO_LIMIT, lambda: 0.0, should_stop))
    # two steps of 4 after the warm-up: 2 groups of 3, and two requests of the third
    assert engine.batches == [3, 4, 4]
    assert [sorted(row.level for row in group) for group in groups] == [["L0", "L1", "L2"]] * 2
    assert not engine.is_busy


def test_a_stop_ends_the_warm_up_too(tmp_path: Path) -> None:
    engine = SmallContextEngine(recording(tmp_path / "recording.jsonl"), 2)
    metered = MeteredEngine(engine, SteadyPower())

    def should_stop() -> bool:
        return len(engine.batches) == 1

    assert list(measure(prompts(9), LEVELS, metered, NO_LIMIT, lambda: 0.0, should_stop)) == []
    assert engine.batches == [3]  # of the three levels, two at a time
    assert not engine.is_busy


def test_a_prompt_that_does_not_run_ends_the_profile(engine: SmallContextEngine) -> None:
    with pytest.raises(EngineError, match="prompt 'long' of the profile failed: the prompt is too"):
        profile(engine, [*prompts(1), prompt("long", prompt="x" * 101)])


@dataclass
class Readings:
    """A counter that was read before."""

    rows: list[tuple[float, float]]

    def read_now(self) -> tuple[float, float]:
        return self.rows.pop(0)

    def drain(self) -> list[tuple[float, float]]:
        return []


def test_idle_power_is_joules_over_seconds_while_waiting() -> None:
    readings = Readings([(10.0, 100.0), (14.0, 220.0)])
    waited = []
    # (220 - 100) J / (14 - 10) s
    assert idle_power_w(readings, lambda: waited.append(len(readings.rows))) == 30.0
    assert waited == [1]
