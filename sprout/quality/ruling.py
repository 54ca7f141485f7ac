"""One verdict as it is kept, and the shares that verdicts add up to. Pure.

Preference is taken from k-way verdicts. Each prompt counts once, with its newest verdict; older
prompts fade, w = 2^(-age / half-life). The overall share counts each task as often as it is served
(post-stratification), so that evaluating every task alike does not bend it.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import numpy as np

from sprout.quality.comparison import Ballot, Reading, credits_of
from sprout.quality.judge import Fault
from sprout.quality.preference import FloatArray, Shares, estimate, worth


@dataclass(frozen=True, slots=True)
class Ruling:
    """What a judge decided about one ballot.

    Args:
        task: the class it counts for; given_task: the label as served, empty for none.
        origin: served | file | bundled.
        levels: by slot, the directive keys whose answer stood there.
        lengths: by slot, characters of the answer.
        chosen: slots held best; empty when none matched, or with a fault.
        reference_hash: of what the answers were compared with; None for a judge that reads no
            reference, or where it was not recorded.
    """

    judge_key: str
    prompt_hash: str
    task: str
    given_task: str
    origin: str
    reading: Reading
    levels: tuple[tuple[str, ...], ...]
    lengths: tuple[int, ...]
    chosen: tuple[int, ...]
    fault: Fault | None
    judged_at: datetime
    reference_hash: str | None = None

    @property
    def credits(self) -> dict[str, float]:
        """Return the one unit of credit by directive key; empty when nobody earned it."""
        ballot = Ballot(self.reading, self.levels, ("",) * len(self.levels))
        return credits_of(ballot, self.chosen) if self.chosen else {}

    def slot_of(self, key: str) -> int | None:
        """Return where a level's answer stood."""
        return next((i for i, keys in enumerate(self.levels) if key in keys), None)


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """Judged prompts, ready to be averaged: one row a prompt, newest first.

    Args:
        credits_: [n, v], each row sums to 1.
        weights: [n], positive.
        num_none: prompts where no level matched the reference; they are in no row.
    """

    keys: tuple[str, ...]
    credits_: FloatArray
    weights: FloatArray
    tasks: tuple[str, ...]
    given_tasks: tuple[str, ...]
    num_none: int

    @property
    def num_prompts(self) -> int:
        """Return how many prompts were judged."""
        return len(self.tasks)

    @property
    def worth(self) -> int:
        """Return how many prompts of one weight these are worth, to the nearest."""
        return math.floor(worth(self.weights) + 0.5) if self.tasks else 0

    @property
    def parts(self) -> dict[str, float]:
        """Return the part of all weight that each class has."""
        parts = dict.fromkeys(self.tasks, 0.0)
        for task, weight in zip(
            self.tasks, (self.weights / self.weights.sum()).tolist(), strict=True
        ):
            parts[task] += weight
        return parts

    def of_class(self, task: str) -> "Evidence":
        """Return the rows of one class."""
        rows = [i for i, each in enumerate(self.tasks) if each == task]
        return self._only(rows, self.weights[rows])

    def as_served(self, served: Mapping[str, int]) -> "Evidence":
        """Return the rows weighted so that each task counts as often as it is served.

        Args:
            served: requests by task label, '' for those without. Tasks that were never served drop
                out; when none of the judged tasks was served, all rows stay as they are.
        """
        judged: dict[str, float] = {}
        for task, weight in zip(self.given_tasks, self.weights.tolist(), strict=True):
            judged[task] = judged.get(task, 0.0) + weight
        factors = {task: served.get(task, 0) / judged[task] for task in judged}
        rows = [i for i, task in enumerate(self.given_tasks) if factors[task] > 0]
        if not rows:
            return self
        scale = np.array([factors[self.given_tasks[i]] for i in rows])
        return self._only(rows, self.weights[rows] * scale)

    def shares(self, names: Sequence[str]) -> Shares:
        """Return the preference; `names` are the levels, in the order of the keys."""
        return estimate(tuple(names), self.credits_, self.weights)

    def _only(self, rows: list[int], weights: FloatArray) -> "Evidence":
        return Evidence(
            self.keys,
            self.credits_[rows],
            weights,
            tuple(self.tasks[i] for i in rows),
            tuple(self.given_tasks[i] for i in rows),
            self.num_none,
        )


def evidence(
    rulings: Iterable[Ruling], keys: Sequence[str], now: datetime, half_life: timedelta
) -> Evidence:
    """Return what k-way verdicts show of these directive keys, each prompt's newest alone."""
    newest: dict[str, Ruling] = {}
    for ruling in rulings:
        if ruling.reading != "best" or ruling.fault is not None:
            continue
        known = newest.get(ruling.prompt_hash)
        if known is None or ruling.judged_at > known.judged_at:
            newest[ruling.prompt_hash] = ruling
    ordered = sorted(newest.values(), key=lambda each: each.judged_at, reverse=True)
    decided = [ruling for ruling in ordered if ruling.chosen]
    ages = np.array([max(0.0, (now - each.judged_at) / half_life) for each in decided])
    return Evidence(
        keys=tuple(keys),
        credits_=np.array(
            [[ruling.credits.get(key, 0.0) for key in keys] for ruling in decided]
        ).reshape(len(decided), len(keys)),
        weights=np.maximum(0.5**ages, 1e-12),
        tasks=tuple(ruling.task for ruling in decided),
        given_tasks=tuple(ruling.given_task for ruling in decided),
        num_none=len(ordered) - len(decided),
    )
