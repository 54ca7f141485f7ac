"""Which prompts to serve now, and which to leave for greener hours before their deadline. Pure.

    backlog (prompts by task, deadline and pinned level) + coming intensities
        -> the one linear programme, demand deferrable up to its deadline, capacity per slot
        -> wave: how many prompts of each group to serve until the next decision

The programme is solved anew with every slot, on the forecast of that moment, and only its first
slot is acted on. Slots come as the readings do; a deadline inside a slot counts as its start. One
beyond the forecast counts as the forecast's end: nothing waits for hours that nobody can see.

A deadline is never missed for carbon's sake. A slot is filled to UTILISATION of what the slowest
mix promises, at the upper bound of its measured seconds per request; what is due before the next
decision is served now and has its seconds first; and when the backlog does not fit, or nothing is
known of the future, everything is served now. Nothing waits for less than WAITING_GAIN_PER_H.

A wave is served in the order of the file, which knows of no deadline. So it holds the most urgent
prompts, as many as can be served before the first deadline among them and the end of the slot.
What has no deadline is served at once, but after all that is to be served now with one.
"""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from sprout.directives import DirectiveSet
from sprout.errors import InputError
from sprout.grid.reading import GridReading
from sprout.planning import classes
from sprout.planning.backlog import Backlog, Group, dated
from sprout.planning.classes import TaskClass
from sprout.planning.plan import PlanOptions, Snapshot
from sprout.planning.problem import FloatArray
from sprout.planning.spread import UTILISATION, Kind, longest_s, spread
from sprout.planning.wave import SlotPlan, Wave
from sprout.planning.window import outlook_of

LEAST_WAVE_S = 60.0
"""Work that a wave holds at least, in seconds, whatever its first deadline: each one reads the file
and ends with a batch that runs empty, and deadlines are told apart by the minute."""

READING_S = 5e-5
"""Of a line (32 us on a 2-core virtual machine, and what waves add). To read all that is left for a
wave takes a fifth of it at most, which is the part in reserve."""

NEVER = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class _Work:
    """What the groups of a backlog ask of the machine.

    Args:
        busy_s: of one request of each kind, at most.
    """

    num_prompts: int
    kinds: Mapping[Group, Kind]
    busy_s: Mapping[Kind, float]

    def seconds(self, quota: Mapping[Group, int]) -> float:
        """Return the busy seconds of so many prompts, at most."""
        return sum(num * self.busy_s[self.kinds[group]] for group, num in quota.items())


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
    left = {group: num for group, num in backlog.items() if num}
    if not dated(left):
        return Wave(left, ends[0], (), None)
    formed = classes.form(snapshot.preference, snapshot.costs, directives, apart=True)
    outlook = outlook_of(readings, directives, formed, options)
    kinds = {group: _kind(group, formed, directives) for group in left}
    busy_s = {kind: longest_s(kind, outlook, formed) for kind in set(kinds.values())}
    work = _Work(sum(left.values()), kinds, busy_s)
    waiting = {group: num for group, num in left.items() if _can_wait(group, ends)}
    due = {group: num for group, num in left.items() if group not in waiting}
    if not waiting:
        is_blind = len(ends) == 1 and any(g.deadline and g.deadline > ends[0] for g in due)
        reason = "nothing is known of the coming hours" if is_blind else None
        return Wave(_most_urgent(left, work, ends[0], now), ends[0], (), reason)
    demand = _demand(waiting, work, ends)
    try:
        amounts = spread(demand, work.busy_s, work.seconds(dated(due)), readings, outlook, now)
    except InputError:
        reason = "the deadlines leave no time to wait"
        return Wave(_most_urgent(left, work, ends[0], now), ends[0], (), reason)
    quota = due | _first_slot(amounts, waiting, work)
    slots = _slot_plans(readings, amounts, now)
    return Wave(_most_urgent(quota, work, ends[0], now), ends[0], slots, None)


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


def _deadline(group: Group) -> datetime:
    assert group.deadline is not None  # noqa: S101 - those never wait
    return group.deadline


def _kind(group: Group, formed: tuple[TaskClass, ...], directives: DirectiveSet) -> Kind:
    """Return what the programme sees of a group."""
    tasks = [each.task for each in formed]
    task_class = tasks.index(group.task if group.task in tasks else None)
    level = None if group.level is None else directives.levels.index(group.level)
    return Kind(task_class, level)


def _demand(waiting: Backlog, work: _Work, ends: list[datetime]) -> dict[tuple[Kind, int], int]:
    """Return the prompts of each kind by the last slot that may serve them."""
    demand: dict[tuple[Kind, int], int] = {}
    for group, num in waiting.items():
        window = (work.kinds[group], _last_slot(group, ends))
        demand[window] = demand.get(window, 0) + num
    return demand


def _first_slot(
    amounts: Mapping[Kind, FloatArray], waiting: Backlog, work: _Work
) -> dict[Group, int]:
    """Return how many of each group to serve now: of a kind those that are due first."""
    left = {kind: math.ceil(float(amount[0]) - 1e-6) for kind, amount in amounts.items()}
    quota = {}
    for group in sorted(waiting, key=_deadline):
        kind = work.kinds[group]
        served = min(waiting[group], left[kind])
        left[kind] -= served
        if served:
            quota[group] = served
    return quota


def _most_urgent(
    quota: Mapping[Group, int], work: _Work, decide_at: datetime, now: datetime
) -> dict[Group, int]:
    """Return the part of a quota that may be served in any order without making anything late.

    That is what is due first, whole, and of the rest what is due next, as far as there is room
    before the first deadline to come and the next decision.
    """
    due = {group: max(group.deadline, now) if group.deadline else NEVER for group in quota}
    until = min([decide_at, *(moment for moment in due.values() if moment > now)])
    reading_s = READING_S * work.num_prompts
    least_s = max(LEAST_WAVE_S, reading_s * UTILISATION / (1 - UTILISATION))
    room_s = max(least_s, UTILISATION * (until - now).total_seconds())
    first = min(due.values(), default=NEVER)
    wave: dict[Group, int] = {}
    for group in sorted(quota, key=due.__getitem__):
        busy_s = work.busy_s[work.kinds[group]]
        num = quota[group]
        if due[group] > first and num * busy_s > room_s:
            num = math.floor(room_s / busy_s + 1e-6)
        if not num:
            break
        wave[group] = num
        room_s = max(0.0, room_s - num * busy_s)
    return wave


def _slot_plans(
    readings: tuple[GridReading, ...], amounts: Mapping[Kind, FloatArray], now: datetime
) -> tuple[SlotPlan, ...]:
    ends = [reading.intensity.end for reading in readings]
    return tuple(
        SlotPlan(
            start=start,
            end=end,
            g_per_kwh=reading.intensity.g_per_kwh,
            mark=reading.mark,
            num_prompts=float(sum(served)),
        )
        for reading, start, end, *served in zip(
            readings, [now, *ends[:-1]], ends, *amounts.values(), strict=True
        )
    )
