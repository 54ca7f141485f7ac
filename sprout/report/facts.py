"""The facts of a report: what was served, what it cost, what it saved, how each is known. Pure.

One pass over the cells fills every grouping; a second look at what they collected turns sums into
savings, since what L0 costs is known only when all has been read.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, get_args

from sprout.costs import CostTable
from sprout.directives import parted
from sprout.report.baselines import Baselines, Conditions, Pools
from sprout.report.cells import Cell, Evaluating, RunEnergy, Waited
from sprout.report.group import Group, Sums
from sprout.report.origins import Origin, Origins
from sprout.report.preferred import Preferred, by_class

By = Literal["day", "task", "level", "model", "zone"]
BYS: tuple[By, ...] = get_args(By)

Step = Literal["hour", "day", "month"]
LENGTHS: dict[Step, int] = {"hour": 13, "day": 10, "month": 7}  # of "2026-01-31T23"

_HOURS_UP_TO = timedelta(days=4)
_DAYS_UP_TO = timedelta(days=366)


def answered_by(cell: Cell) -> str:
    """Return the model that the level names: itself, or "MODEL (VARIANT)"."""
    variant, _ = parted(cell.level)
    return f"{cell.model} ({variant})" if variant else cell.model


KEYS: dict[By, Callable[[Cell], str]] = {
    "day": lambda cell: cell.when[: LENGTHS["day"]],
    "task": lambda cell: cell.task,
    "level": lambda cell: cell.level,
    "model": answered_by,
    "zone": lambda cell: cell.zone,
}


@dataclass(frozen=True, slots=True)
class Report:
    """All facts of a period.

    Args:
        since, until: when the period begins, and the first moment behind it; None: with the first
            request, with the last.
        first, last: hours (days, months) in which the first and last requests finished; None when
            nothing was served.
        step: how long the stretches of `timeline` are.
        num_open: prompts that were admitted and are not finished.
        num_ahead: requests that finished later than now: a clock was set back.
        num_rejected: lines that could not be served, of runs that began in the period; None where
            none recorded it.
    """

    made_at: datetime
    since: datetime | None
    until: datetime | None
    first: str | None
    last: str | None
    total: Group
    groups: Mapping[By, tuple[Group, ...]]
    step: Step
    timeline: tuple[Group, ...]
    energy: tuple[Origin, ...]
    intensity: tuple[Origin, ...]
    embodied: tuple[Origin, ...]
    pue: tuple[Origin, ...]
    runs: RunEnergy
    preference: tuple[Preferred, ...]
    evaluating: Evaluating | None
    waited: Waited | None
    num_open: int
    num_ahead: int
    num_rejected: int | None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was served."""
        return self.total.num_answered + self.total.num_failed == 0


@dataclass(frozen=True, slots=True)
class Known:
    """What a report needs beside the cells.

    Args:
        profiles: learned costs of levels, by conditions.
        preferences: by model, of all tasks together, then of each class that has its own.
    """

    profiles: Mapping[Conditions, CostTable]
    preferences: Mapping[str, Sequence[Preferred]]
    runs: RunEnergy
    evaluating: Evaluating | None
    waited: Waited | None
    num_open: int
    num_ahead: int
    num_rejected: int | None


def step_for(first: datetime, last: datetime) -> Step:
    """Return how finely to draw a period."""
    span = last - first
    if span <= _HOURS_UP_TO:
        return "hour"
    return "day" if span <= _DAYS_UP_TO else "month"


@dataclass(frozen=True, slots=True)
class Period:
    """What to report on.

    Args:
        step: how finely to draw time.
        bys: groupings that are asked for.
    """

    now: datetime
    since: datetime | None
    step: Step
    bys: tuple[By, ...] = BYS
    until: datetime | None = None


def make(cells: Iterable[Cell], known: Known, period: Period) -> Report:
    """Return the report of these cells."""
    pools, total, step = Pools(), Sums(), period.step
    groups: dict[By, dict[str, Sums]] = {by: defaultdict(Sums) for by in period.bys}
    moments: dict[str, Sums] = defaultdict(Sums)
    counts: dict[str, dict[str, dict[str, int]]] = {}
    origins = Origins()
    for cell in cells:
        pools.add(cell)
        total.add(cell)
        for by, sums in groups.items():
            sums[KEYS[by](cell)].add(cell)
        moments[cell.when[: LENGTHS[step]]].add(cell)
        origins.add(cell)
        if cell.circumstances is not None and not cell.is_pinned:
            mix = counts.setdefault(cell.circumstances.model, {}).setdefault(cell.task, {})
            mix[cell.directive_key] = mix.get(cell.directive_key, 0) + cell.num_answered
    baselines = pools.baselines(known.profiles)
    timeline = _named(moments, baselines)
    preference = (
        found
        for model, mixes in sorted(counts.items())
        if model in known.preferences
        for found in by_class(known.preferences[model], mixes)
    )
    return Report(
        made_at=period.now,
        since=period.since,
        until=period.until,
        first=timeline[0].key if timeline else None,
        last=timeline[-1].key if timeline else None,
        total=total.group("total", baselines),
        groups={by: _named(sums, baselines) for by, sums in groups.items()},
        step=step,
        timeline=timeline,
        energy=origins.energy(),
        intensity=origins.intensity(),
        embodied=origins.embodied(),
        pue=origins.pue(),
        runs=known.runs,
        preference=tuple(preference),
        evaluating=known.evaluating,
        waited=known.waited,
        num_open=known.num_open,
        num_ahead=known.num_ahead,
        num_rejected=known.num_rejected,
    )


def _named(sums: Mapping[str, Sums], baselines: Baselines) -> tuple[Group, ...]:
    return tuple(sums[key].group(key, baselines) for key in sorted(sums))
