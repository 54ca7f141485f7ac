"""Whole batches on a simulated clock: who is late, and would serving at once have helped?"""

import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_records import LEVELS, MEASURED, NOW, cost, prompt, reading, snapshot

from sprout.batch.prompts import Prompt
from sprout.planning.backlog import Deadlines, Group, count
from sprout.planning.deferral import decide
from sprout.planning.plan import PlanOptions
from sprout.planning.wave import WAITING, Waiting, take

HOUR = timedelta(hours=1)
OPTIONS = PlanOptions(tolerance=0.1, explore=0.02, pue=1.0, embodied_g_per_s=0.0)
ALIKE = dict.fromkeys(("L0", "L1", "L2"), 1 / 3)  # nobody likes one level less than another
SECONDS = {"L0": 10.0, "L1": 6.0, "L2": 3.0}  # see MEASURED
LEEWAY = timedelta(seconds=60 + SECONDS["L0"])  # the least wave, and a request that had begun
PLAIN = prompt("a")


@dataclass(frozen=True)
class Block:
    """Lines that follow each other in the file.

    Args:
        due_h: hours until their deadline; None for lines without one.
        served_at: the level that the machine comes to serve them at.
        pinned: whether the lines say so themselves.
    """

    num: int
    due_h: float | None
    served_at: str = "L0"
    pinned: bool = False

    def prompts(self, name: str) -> list[Prompt]:
        deadline = None if self.due_h is None else NOW + self.due_h * HOUR
        directive = self.served_at if self.pinned else None
        return [
            replace(PLAIN, id=f"{name}-{i}", deadline=deadline, directive=directive)
            for i in range(self.num)
        ]


@dataclass
class Simulation:
    """One machine that serves one request after the other.

    Args:
        busy: time that each request takes.
        forecasts: of each hour, from that hour on; later hours are as the last one.
    """

    rows: list[Prompt]
    busy: dict[str, timedelta]
    forecasts: Sequence[Sequence[float]]
    now: datetime = NOW
    finished: dict[str, datetime] = field(default_factory=dict)
    waves: Counter[datetime] = field(default_factory=Counter)

    def run(self) -> None:
        deadlines = Deadlines(NOW, None)
        backlog = count(self.rows, deadlines)
        while any(backlog.values()):
            hour = (self.now - NOW) // HOUR
            start = NOW + hour * HOUR
            forecast = self.forecasts[min(hour, len(self.forecasts) - 1)]
            slots = [reading(g, start + i * HOUR) for i, g in enumerate(forecast)]
            known = replace(
                snapshot(MEASURED, shares=ALIKE), grid=slots[0], coming=tuple(slots[1:])
            )
            wave = decide(known, LEVELS, OPTIONS, backlog, self.now)
            if not wave.num_prompts:
                self.now = wave.decide_at
                continue
            self.waves[start] += 1
            fresh = (WAITING if row.id in self.finished else row for row in self.rows)
            for row in take(fresh, wave, backlog, deadlines, lambda: self.now):
                if not isinstance(row, Waiting):
                    self.now += self.busy[row.id]
                    self.finished[row.id] = self.now

    def first_due_first(self) -> dict[str, datetime]:
        """When each prompt is done if all are served at once by their deadlines."""
        now, finished = NOW, {}
        for row in sorted(self.rows, key=lambda row: (row.deadline is None, row.deadline or NOW)):
            now += self.busy[row.id]
            finished[row.id] = now
        return finished

    def late(self, finished: dict[str, datetime], leeway: timedelta = LEEWAY) -> set[str]:
        return {
            row.id for row in self.rows if row.deadline and finished[row.id] > row.deadline + leeway
        }


def simulate(
    blocks: Sequence[Block], forecasts: Sequence[Sequence[float]], speed: float = 1.0
) -> Simulation:
    rows, busy = [], {}
    for number, block in enumerate(blocks):
        for row in block.prompts(f"b{number}"):
            rows.append(row)
            busy[row.id] = timedelta(seconds=SECONDS[block.served_at] * speed)
    found = Simulation(rows, busy, forecasts)
    found.run()
    assert len(found.finished) == len(rows)
    return found


def test_lines_without_a_deadline_do_not_keep_those_with_one_from_a_green_hour() -> None:
    # 3,000 requests of 6 s take 5 hours; the green hour is the last one before the deadline
    blocks = [Block(30, 4, "L1"), Block(3000, None, "L1")]
    found = simulate(blocks, [[*[400.0] * (3 - h), 100.0, *[400.0] * 4] for h in range(4)])
    assert not found.late(found.finished)
    assert all(found.finished[row.id] > NOW + 3 * HOUR for row in found.rows[:30])


def test_a_green_hour_is_filled_with_later_work_only_after_what_is_due() -> None:
    # 500 requests of 10 s take 1.39 hours, which leaves no time for others before half past one
    green_now = [[50.0, *[400.0] * 9], *[[400.0] * 10] * 9]
    found = simulate([Block(300, 8), Block(500, 1.5)], green_now)
    assert not found.late(found.finished)
    assert all(found.finished[row.id] <= NOW + 1.5 * HOUR for row in found.rows[300:])


@pytest.mark.parametrize("pinned", [False, True])
def test_what_is_served_at_l0_is_given_its_seconds_whatever_the_programme_likes(
    *, pinned: bool
) -> None:
    # 700 requests of 10 s take 1.94 hours; at L2, which nobody likes less, they would take 0.58
    green_later = [[400.0, 400.0, 50.0, 400.0, 400.0][h:] for h in range(3)]
    found = simulate([Block(700, 3, "L0", pinned=pinned)], green_later)
    assert not found.late(found.finished)


def test_a_million_prompts_take_few_waves() -> None:
    # 10 ms a request at L0: 2.8 hours; a deadline for every minute of the next 12 hours
    fast = {
        level: cost([joules] * 3, level)
        for level, joules in (("L0", 0.1), ("L1", 0.06), ("L2", 0.03))
    }
    left = {
        Group("", None if minute % 3 else NOW + minute / 60 * HOUR): 1389
        for minute in range(2, 720)
    }
    now, num_waves = NOW, 0
    while any(left.values()):
        start = NOW + (now - NOW) // HOUR * HOUR
        slots = [reading(400 - 20 * i, start + i * HOUR) for i in range(12)]
        known = replace(snapshot(fast), grid=slots[0], coming=tuple(slots[1:]))
        wave = decide(known, LEVELS, OPTIONS, left, now)
        left = {group: num - wave.quota.get(group, 0) for group, num in left.items()}
        num_waves += wave.num_prompts > 0
        now = min(now + timedelta(seconds=wave.num_prompts * 0.006), wave.decide_at)
        now = now if wave.num_prompts else wave.decide_at
    assert num_waves <= 3 * 12


blocks_of = st.builds(
    Block,
    num=st.integers(1, 400),
    due_h=st.none() | st.integers(5, 8 * 60).map(lambda minutes: minutes / 60),
    served_at=st.sampled_from(list(SECONDS)),
    pinned=st.booleans(),
)


@settings(max_examples=80)
@given(
    blocks=st.lists(blocks_of, min_size=1, max_size=6),
    speed=st.sampled_from([0.3, 0.6, 1.0]),
    horizon=st.integers(1, 12),
    chance=st.randoms(use_true_random=False),
)
def test_nobody_is_late_who_would_have_been_in_time_had_nobody_waited(
    blocks: list[Block], speed: float, horizon: int, chance: random.Random
) -> None:
    """Each hour brings another forecast, of another length; no request is slower than measured."""
    forecasts = [
        [chance.uniform(20, 900) for _ in range(chance.randint(1, horizon))] for _ in range(24)
    ]
    found = simulate(blocks, forecasts, speed)
    would_be_late = found.late(found.first_due_first(), leeway=timedelta(0))
    assert found.late(found.finished) <= would_be_late
    assert max(found.waves.values()) <= 40
