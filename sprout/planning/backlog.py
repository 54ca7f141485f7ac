"""The prompts that are not served yet, counted by what is alike to a plan of waiting. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sprout.batch.prompts import Prompt

FINE = timedelta(hours=1)
"""Deadlines further away are counted by the minute, so that a million of them fit into memory."""


@dataclass(frozen=True, slots=True)
class Group:
    """Prompts that are alike to the programme.

    Args:
        deadline: None for those that never wait.
        level: that their lines pin; None where the mix decides.
    """

    task: str
    deadline: datetime | None
    level: str | None = None


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
        return Group(prompt.task or "", deadline, prompt.directive)


Backlog = Mapping[Group, int]
"""How many prompts of each group are not served yet."""


def count(prompts: Iterable[Prompt], deadlines: Deadlines) -> dict[Group, int]:
    """Return the backlog that prompts make."""
    backlog: dict[Group, int] = {}
    for prompt in prompts:
        group = deadlines.group_of(prompt)
        backlog[group] = backlog.get(group, 0) + 1
    return backlog


def dated(backlog: Backlog) -> dict[Group, int]:
    """Return the part that has deadlines."""
    return {group: num for group, num in backlog.items() if group.deadline is not None}
