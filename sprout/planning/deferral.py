"""Which prompts to serve now, and which to leave for greener hours before their deadline. Pure.

    backlog (prompts by task and deadline) + coming intensities
        -> the one linear programme, demand deferrable up to its deadline, capacity per slot
        -> wave: how many prompts of each group to serve until the next decision

The programme is solved anew with every slot, on the forecast of that moment, and only its first
slot is acted on. Slots come as the readings do; a deadline inside a slot counts as its start. One
beyond the forecast counts as the forecast's end: nothing waits for hours that nobody can see.

A deadline is never missed for carbon's sake. A slot is filled to UTILISATION of what the measured
seconds per request promise, at their upper bound; what is due before the next decision is served
now; and when the backlog does not fit, or nothing is known of the future, everything is served now.
Nothing waits for less than WAITING_GAIN_PER_H.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import numpy as np

from sprout.carbon import SECONDS_PER_HOUR
from sprout.costs import Cost
from sprout.directives import DirectiveSet
from sprout.errors import InputError
from sprout.grid.reading import GridReading
from sprout.planning import classes, optimizer
from sprout.planning.classes import TaskClass
from sprout.planning.plan import PlanOptions, Snapshot
from sprout.planning.planner import outlook_of
from sprout.planning.policies import held
from sprout.planning.problem import Deferrable, FloatArray, Floor, Problem
from sprout.prompts import Prompt

UTILISATION = 0.8
"""Part of a slot's seconds that is planned to be used; the rest is for what nobody foresees."""

STANDARD_ERRORS = 2.0
"""Added to the measured seconds per request: a slow machine must not cost a deadline."""

WAITING_GAIN_PER_H = 0.002
"""A slot one hour later must emit so much less, as a fraction; ties are served at once."""

FINE = timedelta(hours=1)
"""Deadlines further away are counted by the minute, so that a million of them fit into memory."""


@dataclass(frozen=True, slots=True)
class Group:
    """Prompts that are alike to the programme. `deadline` is None for those that never wait."""

    task: str
    deadline: datetime | None


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Tells the deadline of each prompt: its own, or else the one of the run.

    Args:
        began: when the run was started; deadlines are grouped as seen from then.
        finish_by: of prompts without a deadline of their own; None lets them be served at once.
    """

    began: datetime
    finish_by: datetime | None

    def group_of(self, prompt: Prompt) -> Group:
        """Return the group that a prompt is counted in."""
        deadline = prompt.deadline or self.finish_by
        if deadline is not None:
            deadline = deadline.replace(microsecond=0)
            if deadline - self.began > FINE:
                deadline = deadline.replace(second=0)
        return Group(prompt.task or "", deadline)


Backlog = Mapping[Group, int]
"""How many prompts of each group are not served yet."""


@dataclass(frozen=True, slots=True)
class SlotPlan:
    """What the programme would serve in one slot, as far as the forecast goes."""

    start: datetime
    end: datetime
    g_per_kwh: float
    mark: str
    num_prompts: float


@dataclass(frozen=True, slots=True)
class Wave:
    """What to serve until the next decision.

    Args:
        quota: prompts of each group to serve; a group that is missing waits.
        decide_at: when to decide again.
        slots: the programme's answer, from now on; empty where none was asked.
        reason: why everything is served now; None when the programme decided.
    """

    quota: Mapping[Group, int]
    decide_at: datetime
    slots: tuple[SlotPlan, ...]
    reason: str | None

    @property
    def num_prompts(self) -> int:
        """How many prompts are served in this wave."""
        return sum(self.quota.values())

    @property
    def awaited(self) -> SlotPlan | None:
        """The first later slot in which prompts are served."""
        return next((slot for slot in self.slots[1:] if slot.num_prompts >= 1), None)


@dataclass(frozen=True, slots=True)
class Waiting:
    """Stands in the stream for a prompt that waits, so that whoever reads it can pause."""


WAITING = Waiting()


def decide(
    snapshot: Snapshot,
    directives: DirectiveSet,
    options: PlanOptions,
    backlog: Backlog,
    now: datetime,
) -> Wave:
    """Return what to serve until the next decision.

    Raises:
        NotReadyError: a level was never measured under these conditions.
    """
    readings = _readings(snapshot, now)
    ends = [reading.intensity.end for reading in readings]
    waiting = {g: n for g, n in backlog.items() if n and _can_wait(g, ends)}
    due = {g: n for g, n in backlog.items() if n and g not in waiting}
    if not waiting:
        is_blind = len(ends) == 1 and any(g.deadline and g.deadline > ends[0] for g in due)
        return Wave(due, ends[0], (), "nothing is known of the coming hours" if is_blind else None)
    formed = classes.form(snapshot.preference, snapshot.costs, directives, apart=True)
    problem = _problem(readings, directives, formed, options, waiting, now)
    try:
        amount = optimizer.solve(problem).amount.sum(axis=2)
    except InputError:
        return Wave(dict(backlog), ends[0], (), "the deadlines leave no time to wait")
    quota = due | _first_slot(amount[0], waiting, formed)
    return Wave(quota, ends[0], _slot_plans(readings, amount, now), None)


def count(prompts: Iterable[Prompt], deadlines: Deadlines) -> dict[Group, int]:
    """Return the backlog that prompts make."""
    backlog: dict[Group, int] = {}
    for prompt in prompts:
        group = deadlines.group_of(prompt)
        backlog[group] = backlog.get(group, 0) + 1
    return backlog


def take(
    rows: Iterable[Prompt | Waiting],
    wave: Wave,
    backlog: dict[Group, int],
    deadlines: Deadlines,
    now: Callable[[], datetime],
) -> Iterator[Prompt | Waiting]:
    """Yield the prompts of a wave, in the order of the file, and WAITING for each that waits.

    Takes what it yields out of the backlog. Ends with the wave's last prompt, or when the next
    decision is due and nothing is left that never waits.
    """
    left = dict(wave.quota)
    num_due = sum(n for group, n in left.items() if group.deadline is None)
    num_left = wave.num_prompts
    for row in rows:
        is_over = now() >= wave.decide_at
        if not (num_due if is_over else num_left):
            return
        group = None if isinstance(row, Waiting) else deadlines.group_of(row)
        if group is None or not left.get(group, 0) or (is_over and group.deadline is not None):
            yield WAITING
            continue
        left[group] -= 1
        backlog[group] -= 1
        num_left -= 1
        num_due -= group.deadline is None
        yield row


def _readings(snapshot: Snapshot, now: datetime) -> tuple[GridReading, ...]:
    """Return the reading of now and those that follow it without a gap."""
    readings = [snapshot.grid]
    for reading in snapshot.coming:
        end = readings[-1].intensity.end
        if reading.intensity.end <= end:
            continue
        if reading.intensity.start > end:
            break
        readings.append(reading)
    return tuple(reading for reading in readings if reading.intensity.end > now)


def _can_wait(group: Group, ends: list[datetime]) -> bool:
    """Return whether a group may be served in a later slot than the first."""
    return group.deadline is not None and _last_slot(group, ends) > 0


def _last_slot(group: Group, ends: list[datetime]) -> int:
    """Return the last slot that ends before the deadline; -1 for none."""
    deadline = _deadline(group)
    return sum(end <= deadline for end in ends) - 1


def _problem(
    readings: tuple[GridReading, ...],
    directives: DirectiveSet,
    formed: tuple[TaskClass, ...],
    options: PlanOptions,
    waiting: Backlog,
    now: datetime,
) -> Problem:
    """Return the programme: the backlog in windows, and floors for each class in each slot."""
    outlook = outlook_of(readings, directives, formed, options)
    ends = [reading.intensity.end for reading in readings]
    starts_s = np.array([0.0, *((end - now).total_seconds() for end in ends[:-1])])
    seconds = np.array([(end - now).total_seconds() for end in ends]) - starts_s
    amounts: dict[tuple[int, int], int] = {}
    for group, num_prompts in waiting.items():
        key = (_class_index(group, formed), _last_slot(group, ends))
        amounts[key] = amounts.get(key, 0) + num_prompts
    factor = 1 - outlook.position * options.tolerance
    least = held(outlook.problem, factor[:, None])
    return replace(
        outlook.problem,
        intensity_g_per_kwh=outlook.problem.intensity_g_per_kwh
        * (1 + WAITING_GAIN_PER_H * starts_s / SECONDS_PER_HOUR),
        time_s=_upper_time_s(formed),
        demand=np.zeros_like(outlook.problem.demand),
        deferrable=tuple(
            Deferrable(task_class, float(amount), 0, last_slot)
            for (task_class, last_slot), amount in sorted(amounts.items())
        ),
        capacity_s=seconds * UTILISATION,
        floors=tuple(
            Floor((t,), (c,), float(least[t, c]))
            for t in range(len(readings))
            for c in range(len(formed))
        ),
    )


def _upper_time_s(formed: tuple[TaskClass, ...]) -> FloatArray:
    """Return [c, v], busy seconds of a request at their upper bound."""
    return np.array([[_upper_s(cost) for cost in each.costs] for each in formed])


def _upper_s(cost: Cost) -> float:
    """Return the busy seconds of a request; three times its own where one says all there is."""
    error_s = cost.standard_error(cost.busy_s)
    return cost.busy_s.mean + STANDARD_ERRORS * (cost.busy_s.mean if error_s is None else error_s)


def _deadline(group: Group) -> datetime:
    assert group.deadline is not None  # noqa: S101 - those never wait
    return group.deadline


def _class_index(group: Group, formed: tuple[TaskClass, ...]) -> int:
    tasks = [each.task for each in formed]
    return tasks.index(group.task) if group.task in tasks else tasks.index(None)


def _first_slot(
    amount: FloatArray, waiting: Backlog, formed: tuple[TaskClass, ...]
) -> dict[Group, int]:
    """Return how many of each group to serve now: of a class those that are due first."""
    left = [math.ceil(each - 1e-6) for each in amount.tolist()]
    quota = {}
    for group in sorted(waiting, key=_deadline):
        task_class = _class_index(group, formed)
        served = min(waiting[group], left[task_class])
        left[task_class] -= served
        if served:
            quota[group] = served
    return quota


def _slot_plans(
    readings: tuple[GridReading, ...], amount: FloatArray, now: datetime
) -> tuple[SlotPlan, ...]:
    ends = [reading.intensity.end for reading in readings]
    return tuple(
        SlotPlan(
            start=start,
            end=end,
            g_per_kwh=reading.intensity.g_per_kwh,
            mark=reading.mark,
            num_prompts=float(served),
        )
        for reading, start, end, served in zip(
            readings, [now, *ends[:-1]], ends, amount.sum(axis=1), strict=True
        )
    )
