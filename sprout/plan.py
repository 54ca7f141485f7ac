"""From what is known to the mix of levels for the coming window. Pure.

    Snapshot (costs, grid, preference; each with where it came from)
        -> Problem with one slot and one class -> policies.sprout -> Plan

Two guards keep noise from steering. Every level keeps at least its exploration share, half of it
for L0, against which savings are counted. And when no level costs less energy than L0 by two
standard errors, all but exploration goes to L0, and the plan says so.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

import numpy as np

from sprout import policies
from sprout.carbon import JOULES_PER_KWH, footprint
from sprout.clock import to_text
from sprout.costs import ALL_TASKS, Cost, CostTable, is_cheaper
from sprout.directives import DirectiveSet
from sprout.errors import NotReadyError, TryLaterError
from sprout.grid.intensity import IntensityTrace
from sprout.grid.reading import GridReading
from sprout.problem import Floor, Mix, Problem, paper_floor


@dataclass(frozen=True, slots=True)
class Preference:
    """How often each level's answer was judged best.

    Args:
        shares: by level; a level that is missing was never judged.
        source: who judged what, or that it is a prior.
        is_prior: whether nobody judged this model's answers.
    """

    shares: Mapping[str, float]
    source: str
    is_prior: bool


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a plan is made from.

    Args:
        ahead: intensities of the coming hours, of the series of `grid`; None when not known.
    """

    grid: GridReading
    costs: CostTable
    energy_method: str
    is_energy_estimated: bool
    preference: Preference
    ahead: IntensityTrace | None = None


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What the user decides.

    Args:
        tolerance: xi, how much preference may be given up at the dirtiest hour, in [0, 1].
        explore: share of requests that keeps every level measured, in [0, 1).
        pue: power usage effectiveness, >= 1.
        embodied_g_per_s: gCO2eq per busy second.
    """

    tolerance: float
    explore: float
    pue: float
    embodied_g_per_s: float


@dataclass(frozen=True, slots=True)
class LevelPlan:
    """One level in a plan: its share and the inputs it was chosen by, per request.

    Args:
        energy_se_j: standard error of `energy_j`; None when it is not known.
        num_requests: how many requests the cost was measured on.
        preference: None when nobody judged it and no prior stands in.
        carbon_g: expected.
    """

    level: str
    directive_key: str
    share: float
    energy_j: float
    energy_se_j: float | None
    busy_s: float
    new_tokens: float
    num_requests: int
    preference: float | None
    carbon_g: float


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the mix is expected to do, per request.

    Args:
        carbon_g, baseline_g: of the mix and of all-L0.
        preference, base_preference: of the mix and of L0.
        floor: least preference that was allowed.
        floor_price_g: gCO2eq that one more preference point (0.01) would cost; None when no
            solved floor stands behind the mix.
    """

    carbon_g: float
    baseline_g: float
    preference: float
    base_preference: float
    floor: float
    is_floor_met: bool
    floor_price_g: float | None


@dataclass(frozen=True, slots=True)
class Plan:
    """The mix for one window of grid intensity, and why."""

    id: str
    made_at: datetime
    valid_until: datetime
    levels: tuple[LevelPlan, ...]
    outcome: Outcome
    grid: GridReading
    energy_method: str
    is_energy_estimated: bool
    preference_source: str
    is_preference_prior: bool
    notes: tuple[str, ...]

    @property
    def shares(self) -> tuple[float, ...]:
        """Return the mix, one share per level, sums to 1."""
        return tuple(level.share for level in self.levels)

    @property
    def g_per_kwh(self) -> float:
        """Return the grid intensity that the plan is for, in gCO2eq/kWh."""
        return self.grid.intensity.g_per_kwh


def make(snapshot: Snapshot, directives: DirectiveSet, options: PlanOptions, now: datetime) -> Plan:
    """Return the plan for the snapshot's window.

    Raises:
        NotReadyError: a level was never measured under these conditions.
    """
    costs = [_cost(snapshot.costs, d.key, d.level) for d in directives.directives]
    obstacle = _obstacle(snapshot, directives, costs)
    problem = _problem(snapshot, directives, costs, options, is_all_l0=obstacle is not None)
    mix = policies.sprout(problem)
    notes = snapshot.grid.notes
    if obstacle is not None:
        notes += (f"{obstacle}: every request is served at L0, but for exploration",)
    return Plan(
        id=_identify(snapshot, mix, now),
        made_at=now,
        valid_until=snapshot.grid.intensity.end,
        levels=tuple(_levels(snapshot, directives, costs, options, mix)),
        outcome=_outcome(problem, mix),
        grid=snapshot.grid,
        energy_method=snapshot.energy_method,
        is_energy_estimated=snapshot.is_energy_estimated,
        preference_source=snapshot.preference.source,
        is_preference_prior=snapshot.preference.is_prior,
        notes=notes,
    )


def unmeasured(costs: CostTable, directives: DirectiveSet) -> tuple[str, ...]:
    """Return the levels that have no cost yet."""
    return tuple(d.level for d in directives.directives if (d.key, ALL_TASKS) not in costs)


def check_strict(snapshot: Snapshot, directives: DirectiveSet) -> None:
    """Refuse to plan on anything but measurements.

    An intensity that is stale (the last known one, at most 3 hours old) was measured.

    Raises:
        TryLaterError: the grid provider has been out of reach for too long.
        NotReadyError: naming each input that is a prior or an estimate, and what measures it.
    """
    grid, preference = snapshot.grid, snapshot.preference
    problems = []
    is_refused = grid.mark not in {"measured", "forecast", "stale", "fixed"}
    if is_refused and grid.failure is not None:
        raise TryLaterError(f"--strict: the grid intensity is stale: {grid.failure}")
    if is_refused:
        problems.append(
            f"the grid intensity is not measured ({grid.mark}): `sprout grid import FILE`, "
            "or --intensity"
        )
    if snapshot.is_energy_estimated:
        problems.append(
            f"energy is estimated ({snapshot.energy_method}): `sprout doctor` says how to let "
            "Sprout read a counter, `sprout profile` then measures"
        )
    if preference.is_prior and len(directives.directives) > 1:
        problems.append(
            f"preference is not measured ({preference.source}): no judge has compared this "
            "model's answers; a directive set with L0 alone needs none"
        )
    if problems:
        raise NotReadyError("--strict: " + "; ".join(problems))


def _cost(costs: CostTable, key: str, level: str) -> Cost:
    cost = costs.get((key, ALL_TASKS))
    if cost is None:
        raise NotReadyError(
            f"level {level} was never measured with this model, machine and settings: "
            "run `sprout profile`"
        )
    return cost


def _obstacle(snapshot: Snapshot, directives: DirectiveSet, costs: list[Cost]) -> str | None:
    """Return why no other level may be preferred to L0; None when one may, or there is none."""
    if len(costs) == 1:
        return None
    if not any(is_cheaper(cost, costs[0]) for cost in costs[1:]):
        return (
            "no level costs less energy than L0 by two standard errors "
            "(`sprout profile` measures again)"
        )
    if directives.directives[0].level not in snapshot.preference.shares:
        return (
            "L0 has no preference that the others could be held against "
            '(paper_level = "L0" in the directive set lets the paper\'s stand in)'
        )
    return None


def _problem(
    snapshot: Snapshot,
    directives: DirectiveSet,
    costs: list[Cost],
    options: PlanOptions,
    *,
    is_all_l0: bool,
) -> Problem:
    judged = [snapshot.preference.shares.get(d.level) for d in directives.directives]
    least = np.array(_exploration(len(costs), options.explore))
    may_steer = [i == 0 or (q is not None and not is_all_l0) for i, q in enumerate(judged)]
    base_preference = judged[0] or 0.0
    floor = paper_floor(snapshot.grid.position, options.tolerance, base_preference)
    # Exploration is a cost that was decided before the floor, which holds for the rest: otherwise
    # no mix at all would reach the floor of the greenest hours.
    preference = np.array([q if q is not None else 0.0 for q in judged])
    explored, explored_preference = float(least[1:].sum()), float(least[1:] @ preference[1:])
    return Problem(
        energy_kwh=np.array([[c.energy_j.mean * options.pue / JOULES_PER_KWH for c in costs]]),
        time_s=np.array([[c.busy_s.mean for c in costs]]),
        preference=preference[None, :],
        intensity_g_per_kwh=np.array([snapshot.grid.intensity.g_per_kwh]),
        embodied_g_per_s=options.embodied_g_per_s,
        demand=np.array([[1.0]]),
        floors=(Floor((0,), (0,), floor * (1 - explored) + explored_preference),),
        min_share=least,
        max_share=np.where(may_steer, 1.0, least),
    )


def _exploration(num_levels: int, explore: float) -> list[float]:
    """Return the least share of each level: half of the exploration for L0, the rest in parts."""
    if num_levels == 1:
        return [0.0]
    return [explore / 2, *[explore / 2 / (num_levels - 1)] * (num_levels - 1)]


def _levels(
    snapshot: Snapshot,
    directives: DirectiveSet,
    costs: list[Cost],
    options: PlanOptions,
    mix: Mix,
) -> list[LevelPlan]:
    g_per_kwh = snapshot.grid.intensity.g_per_kwh
    return [
        LevelPlan(
            level=directive.level,
            directive_key=directive.key,
            share=float(share),
            energy_j=cost.energy_j.mean,
            energy_se_j=cost.standard_error(cost.energy_j),
            busy_s=cost.busy_s.mean,
            new_tokens=cost.new_tokens.mean,
            num_requests=cost.num_requests,
            preference=snapshot.preference.shares.get(directive.level),
            carbon_g=footprint(
                cost.energy_j.mean,
                cost.busy_s.mean,
                g_per_kwh,
                options.pue,
                options.embodied_g_per_s,
            ).carbon_g,
        )
        for directive, cost, share in zip(
            directives.directives, costs, mix.share[0, 0], strict=True
        )
    ]


def _outcome(problem: Problem, mix: Mix) -> Outcome:
    return Outcome(
        carbon_g=mix.carbon_g,
        baseline_g=mix.baseline_carbon_g,
        preference=mix.preference,
        base_preference=float(problem.preference[0, 0]),
        floor=problem.floors[0].min_preference,
        is_floor_met=mix.is_floor_met,
        floor_price_g=mix.floor_price_g[0] if mix.floor_price_g else None,
    )


def _identify(snapshot: Snapshot, mix: Mix, now: datetime) -> str:
    seen = repr((snapshot, mix.share.tolist(), now)).encode()
    return (
        f"plan-{to_text(now)[:19].replace(':', '').replace('-', '')}Z-"
        + (hashlib.sha256(seen).hexdigest()[:8])
    )
