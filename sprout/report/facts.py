"""The facts of a report: what was served, what it cost, what it saved, how each is known. Pure.

One pass over the cells fills every grouping; a second look at what they collected turns sums into
savings, since what L0 costs is known only when all has been read.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal, TypeVar, get_args

from sprout.costs import CostTable
from sprout.directives import in_order, parted
from sprout.report.baselines import Baselines, Conditions, Pools
from sprout.report.cells import (
    Cell,
    Circumstances,
    Evaluating,
    RunEnergy,
    Waited,
    energy_mark,
)
from sprout.report.preferred import Preferred, by_class
from sprout.report.saved import Reduced, Saved

By = Literal["day", "task", "level", "model", "zone"]
BYS: tuple[By, ...] = get_args(By)

Step = Literal["hour", "day", "month"]
LENGTHS: dict[Step, int] = {"hour": 13, "day": 10, "month": 7}  # of "2026-01-31T23"

Key = TypeVar("Key", bound=tuple[object, ...])

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
class Group:
    """What some requests came to.

    Args:
        key: of the grouping; "" is "no task".
        levels: answers at each level.
        energy_j: without PUE; `estimated_j` of it rests on a power model.
        intensity_g_per_kwh: mean over the answered requests; None without any.
        marks: answers by the mark of their intensity.
    """

    key: str
    num_answered: int
    num_failed: int
    levels: Mapping[str, int]
    num_prompt_tokens: int
    num_new_tokens: int
    energy_j: float
    estimated_j: float
    busy_s: float
    intensity_g_per_kwh: float | None
    marks: Mapping[str, int]
    operational_g: float
    embodied_g: float
    saved: Saved

    @property
    def carbon_g(self) -> float:
        """Return operational and embodied carbon, in gCO2eq."""
        return self.operational_g + self.embodied_g

    @property
    def is_energy_estimated(self) -> bool:
        """Whether any of the energy rests on a power model."""
        return self.estimated_j > 0

    def per_answer(self, quantity: float) -> float | None:
        """Return a quantity per answered request; None without any."""
        return quantity / self.num_answered if self.num_answered else None


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a kind of number comes from, and how much rests on it.

    Args:
        name: the method, source or preset.
        mark: measured | estimated | forecast | yearly average | fixed | ...
        detail: sentence for people; None where there is nothing more to say.
        mean: of the number itself: g/kWh, g/s or the PUE; None for energy.
        kind: of an intensity, average | marginal; None where it was not recorded.
        factor: of an intensity, lifecycle | direct | unknown; None likewise.
    """

    name: str
    mark: str
    detail: str | None
    num_answered: int
    energy_j: float
    carbon_g: float
    mean: float | None
    kind: str | None = None
    factor: str | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """All facts of a period.

    Args:
        since: when the period begins, None: with the first request.
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


def make(cells: Iterable[Cell], known: Known, period: Period) -> Report:
    """Return the report of these cells."""
    pools, total, step = Pools(), _Sums(), period.step
    groups: dict[By, dict[str, _Sums]] = {by: {} for by in period.bys}
    moments: dict[str, _Sums] = {}
    counts: dict[str, dict[str, dict[str, int]]] = {}
    origins = _Origins()
    for cell in cells:
        pools.add(cell)
        total.add(cell)
        for by, sums in groups.items():
            _at(sums, KEYS[by](cell)).add(cell)
        _at(moments, cell.when[: LENGTHS[step]]).add(cell)
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


def _at(sums: dict[str, "_Sums"], key: str) -> "_Sums":
    found = sums.get(key)
    if found is None:
        found = sums[key] = _Sums()
    return found


def _named(sums: Mapping[str, "_Sums"], baselines: Baselines) -> tuple[Group, ...]:
    return tuple(sums[key].group(key, baselines) for key in sorted(sums))


@dataclass(slots=True)
class _Sums:
    num_answered: int = 0
    num_failed: int = 0
    levels: dict[str, int] = field(default_factory=dict)
    num_prompt_tokens: int = 0
    num_new_tokens: int = 0
    energy_j: float = 0.0
    estimated_j: float = 0.0
    busy_s: float = 0.0
    g_per_kwh: float = 0.0
    marks: dict[str, int] = field(default_factory=dict)
    operational_g: float = 0.0
    embodied_g: float = 0.0
    reduced: Reduced = field(default_factory=Reduced)

    def add(self, cell: Cell) -> None:
        self.num_failed += cell.num_failed
        under = cell.circumstances
        if under is None:
            return
        self.num_answered += cell.num_answered
        self.levels[cell.level] = self.levels.get(cell.level, 0) + cell.num_answered
        self.num_prompt_tokens += cell.num_prompt_tokens
        self.num_new_tokens += cell.num_new_tokens
        self.energy_j += cell.energy_j
        if under.is_energy_estimated:
            self.estimated_j += cell.energy_j
        self.busy_s += cell.busy_s
        self.g_per_kwh += cell.g_per_kwh
        self.marks[under.mark] = self.marks.get(under.mark, 0) + cell.num_answered
        self.operational_g += cell.operational_g
        self.embodied_g += cell.embodied_g
        self.reduced.add(cell)

    def group(self, key: str, baselines: Baselines) -> Group:
        return Group(
            key=key,
            num_answered=self.num_answered,
            num_failed=self.num_failed,
            levels={level: self.levels[level] for level in in_order(self.levels)},
            num_prompt_tokens=self.num_prompt_tokens,
            num_new_tokens=self.num_new_tokens,
            energy_j=self.energy_j,
            estimated_j=self.estimated_j,
            busy_s=self.busy_s,
            intensity_g_per_kwh=self.g_per_kwh / self.num_answered if self.num_answered else None,
            marks=dict(sorted(self.marks.items())),
            operational_g=self.operational_g,
            embodied_g=self.embodied_g,
            saved=self.reduced.saved(baselines),
        )


@dataclass(slots=True)
class _Origins:
    """Sums by circumstances: few, so what is asked of them is worked out at the end."""

    sums: dict[int, tuple[Circumstances, list[float]]] = field(default_factory=dict)

    def add(self, cell: Cell) -> None:
        under = cell.circumstances
        if under is None:
            return
        _, sums = self.sums.setdefault(under.id, (under, [0, 0.0, 0.0, 0.0, 0.0]))
        sums[0] += cell.num_answered
        sums[1] += cell.energy_j
        sums[2] += cell.operational_g
        sums[3] += cell.embodied_g
        sums[4] += cell.g_per_kwh

    def energy(self) -> tuple[Origin, ...]:
        return tuple(
            Origin(name, energy_mark(name), None, int(n), joules, op_g, None)
            for (name,), (n, joules, op_g, _, _) in self._by(lambda c: (c.energy_method,))
        )

    def intensity(self) -> tuple[Origin, ...]:
        found = self._by(
            lambda c: (
                c.zone,
                c.intensity_source or c.mark,
                c.mark,
                c.intensity_kind,
                c.intensity_factor,
            )
        )
        return tuple(
            Origin(
                f"{zone}: {source}",
                mark,
                f"{kind or 'kind not recorded'}, {factor or 'factors not recorded'}",
                int(n),
                joules,
                op_g,
                g / n,
                kind,
                factor,
            )
            for (zone, source, mark, kind, factor), (n, joules, op_g, _, g) in found
        )

    def embodied(self) -> tuple[Origin, ...]:
        found = self._by(lambda c: (c.embodied_preset, c.embodied_g_per_s, c.embodied_detail or ""))
        return tuple(
            Origin(preset, "modelled", detail or None, int(n), joules, emb_g, rate)
            for (preset, rate, detail), (n, joules, _, emb_g, _) in found
        )

    def pue(self) -> tuple[Origin, ...]:
        return tuple(
            Origin(f"{value:g}", "set", None, int(n), joules, op_g, value)
            for (value,), (n, joules, op_g, _, _) in self._by(lambda c: (c.pue,))
        )

    def _by(self, key_of: Callable[[Circumstances], Key]) -> list[tuple[Key, list[float]]]:
        found: dict[Key, list[float]] = {}
        for under, sums in self.sums.values():
            so_far = found.get(key_of(under), [0.0] * len(sums))
            found[key_of(under)] = [a + b for a, b in zip(so_far, sums, strict=True)]
        return sorted(found.items(), key=lambda item: (-item[1][0], str(item[0])))
