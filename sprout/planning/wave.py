"""What is served until the next decision, and how it is taken from the file. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from sprout.batch.prompts import Prompt
from sprout.planning.backlog import Deadlines, Group, dated


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


def take(
    rows: Iterable[Prompt | Waiting],
    wave: Wave,
    backlog: dict[Group, int],
    deadlines: Deadlines,
    now: Callable[[], datetime],
) -> Iterator[Prompt | Waiting]:
    """Yield the prompts of a wave, in the order of the file, and WAITING for each that waits.

    Takes what it yields out of the backlog. Ends with the wave's last prompt, or when the next
    decision is due and anything is left that has a deadline: then lines without one wait as well.
    """
    left = dict(wave.quota)
    num_left = wave.num_prompts
    num_dated = sum(dated(backlog).values())
    for row in rows:
        if not num_left or (num_dated and now() >= wave.decide_at):
            return
        group = None if isinstance(row, Waiting) else deadlines.group_of(row)
        if group is None or not left.get(group, 0):
            yield WAITING
            continue
        left[group] -= 1
        backlog[group] -= 1
        num_left -= 1
        num_dated -= group.deadline is not None
        yield row
