"""From what is known to the mix of levels for the coming window. Pure.

    Snapshot (costs, grid, preference; each with where it came from)
        -> classes -> Outlook -> policies.decide -> Plan

Two guards keep noise from steering. Every level keeps at least its exploration share, half of it
for L0, against which savings are counted. And when no level of a class costs less energy than L0 by
two standard errors, all of the class but exploration goes to L0, and the plan says so.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np

from sprout.carbon import JOULES_PER_KWH, SECONDS_PER_HOUR, footprint
from sprout.clock import to_text
from sprout.costs import ALL_TASKS, CostTable
from sprout.directives import DirectiveSet
from sprout.errors import NotReadyError, TryLaterError, UsageError
from sprout.grid.reading import GridReading
from sprout.planning import classes, policies
from sprout.planning.classes import TaskClass
from sprout.planning.outlook import Choice, Limits, Outlook
from sprout.planning.plan import (
    PAPER_POLICY,
    ClassPlan,
    LevelPlan,
    Outcome,
    Plan,
    PlanOptions,
    Snapshot,
)
from sprout.planning.policies import POLICIES
from sprout.planning.problem import FloatArray, Mix, Problem

FAIR_POLICY = "class-fair"
"""The default where at least two tasks were judged."""

HORIZON = timedelta(hours=24)
"""How far a floor reaches that spans a window, from the start of the present slot."""


def make(snapshot: Snapshot, directives: DirectiveSet, options: PlanOptions, now: datetime) -> Plan:
    """Return the plan for the snapshot's window.

    Raises:
        NotReadyError: a level was never measured under these conditions.
        UsageError: the policy cannot be followed live.
    """
    name = _policy(snapshot, options)
    policy = POLICIES[name]
    formed = classes.form(
        snapshot.preference, snapshot.costs, directives, apart=policy.knows_classes
    )
    readings = tuple(_window(snapshot)) if policy.spans_window else (snapshot.grid,)
    outlook = outlook_of(readings, directives, formed, options)
    mix, choice = policies.decide(name, outlook)
    levels = _levels(snapshot, directives, formed, options, mix)
    return Plan(
        id=_identify(snapshot, name, mix, now),
        made_at=now,
        valid_until=snapshot.grid.intensity.end,
        levels=_together(snapshot, directives, formed, options, levels),
        outcome=_outcome(outlook, mix, choice, _window_h(readings)),
        grid=snapshot.grid,
        energy_method=snapshot.energy_method,
        is_energy_estimated=snapshot.is_energy_estimated,
        preference_source=snapshot.preference.source,
        is_preference_prior=snapshot.preference.is_prior,
        num_judged=snapshot.preference.overall.num_prompts,
        notes=(
            *snapshot.grid.notes,
            *_notes(name, formed, readings),
            *_unjudged(formed, directives),
        ),
        policy=name,
        classes=_class_plans(formed, levels, choice) if len(formed) > 1 else (),
        options=options,
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
            f"the grid intensity is not measured ({grid.mark}): "
            "`sprout grid use ZONE --provider P`, `sprout grid import FILE`, or --intensity"
        )
    if snapshot.is_energy_estimated:
        problems.append(
            f"energy is estimated ({snapshot.energy_method}): `sprout doctor` says how to let "
            "Sprout read a counter, `sprout profile` then measures"
        )
    if preference.is_prior and len(directives.directives) > 1:
        problems.append(
            f"preference is not measured ({preference.source}): `sprout evaluate` lets a judge "
            "compare this model's answers"
        )
    if problems:
        raise NotReadyError("--strict: " + "; ".join(problems))


def _policy(snapshot: Snapshot, options: PlanOptions) -> str:
    """Return the policy that was asked for, or the one that what was judged allows."""
    if options.policy is None:
        is_judged = len(classes.judged_tasks(snapshot.preference)) > 1
        return FAIR_POLICY if is_judged else PAPER_POLICY
    if options.policy not in POLICIES or not POLICIES[options.policy].is_live:
        live = ", ".join(name for name, policy in POLICIES.items() if policy.is_live)
        raise UsageError(f"policy {options.policy!r} cannot be followed live: choose one of {live}")
    return options.policy


def _window(snapshot: Snapshot) -> Iterable[GridReading]:
    """Yield the reading of now and what follows it, without overlap, up to the horizon."""
    end = snapshot.grid.intensity.start
    horizon = end + HORIZON
    for reading in (snapshot.grid, *snapshot.coming):
        slot = reading.intensity
        start = max(slot.start, end)
        end = max(min(slot.end, horizon), start)
        duration_s = int((end - start).total_seconds())
        if duration_s > 0:
            yield replace(reading, intensity=replace(slot, start=start, duration_s=duration_s))


def _window_h(readings: tuple[GridReading, ...]) -> float | None:
    """Return the hours that a floor holds over; None where it is the present slot's alone."""
    if len(readings) == 1:
        return None
    return sum(reading.intensity.duration_s for reading in readings) / SECONDS_PER_HOUR


def _notes(
    name: str, formed: tuple[TaskClass, ...], readings: tuple[GridReading, ...]
) -> list[str]:
    """Return what people should know of how the mix was chosen."""
    notes = [
        f"{_of(each, formed)}{each.obstacle}: every request is served at L0, but for exploration"
        for each in formed
        if each.obstacle is not None
    ]
    if POLICIES[name].knows_classes and len(formed) == 1:
        notes.append(
            f"no task has {classes.MIN_JUDGED} judged prompts yet: one mix serves all tasks"
        )
    if POLICIES[name].spans_window and len(readings) == 1:
        notes.append("no forecast is stored: the floor holds for this window alone")
    return notes


def _unjudged(formed: tuple[TaskClass, ...], directives: DirectiveSet) -> list[str]:
    """Return that levels are only explored because nobody judged them, where others may steer."""
    if all(each.obstacle is not None for each in formed):
        return []
    known = [each.preference(directives) for each in formed]
    missing = [
        level
        for level, *shares in zip(directives.levels, *known, strict=True)
        if any(share is None for share in shares)
    ]
    if not missing:
        return []
    names = ", ".join(missing)
    return [f"not judged, so only explored: {names} (`sprout evaluate` lets a judge compare them)"]


def _of(task_class: TaskClass, formed: tuple[TaskClass, ...]) -> str:
    """Return which class a note is about; nothing where there is only one."""
    if len(formed) == 1:
        return ""
    return f"task {task_class.task}: " if task_class.task is not None else "other tasks: "


def outlook_of(
    readings: tuple[GridReading, ...],
    directives: DirectiveSet,
    formed: tuple[TaskClass, ...],
    options: PlanOptions,
) -> Outlook:
    """Return what is known of the readings' slots, each with the demand of its length.

    One unit of it is what the first slot serves.
    """
    length_s = np.array([reading.intensity.duration_s for reading in readings], dtype=float)
    demand = np.array([each.demand for each in formed])
    num_levels = len(directives.directives)
    least = np.array(_exploration(num_levels, options.explore))
    may_steer = np.array([each.may_steer(directives) for each in formed])
    problem = Problem(
        energy_kwh=np.array(
            [
                [cost.energy_j.mean * options.pue / JOULES_PER_KWH for cost in each.costs]
                for each in formed
            ]
        ),
        time_s=np.array([[cost.busy_s.mean for cost in each.costs] for each in formed]),
        preference=np.array([[q or 0.0 for q in each.preference(directives)] for each in formed]),
        intensity_g_per_kwh=np.array([reading.intensity.g_per_kwh for reading in readings]),
        embodied_g_per_s=options.embodied_g_per_s,
        demand=np.outer(length_s / length_s[0], demand),
        min_share=np.broadcast_to(least, may_steer.shape),
        max_share=np.where(may_steer, 1.0, least),
    )
    return Outlook(
        problem=problem,
        position=np.array([reading.position for reading in readings]),
        limits=Limits(options.tolerance, options.class_floor, options.confidence),
        window=np.zeros(len(readings), dtype=np.int64),
        covariance=_covariance(formed, directives),
        reference_g_per_kwh=readings[0].range.middle_g_per_kwh,
    )


def _covariance(formed: tuple[TaskClass, ...], directives: DirectiveSet) -> FloatArray | None:
    """Return [c, v, v]; None when nobody can say of any class."""
    found = [classes.covariance(each, directives) for each in formed]
    if all(each is None for each in found):
        return None
    num_levels = len(directives.directives)
    return np.array([np.zeros((num_levels, num_levels)) if c is None else c for c in found])


def _exploration(num_levels: int, explore: float) -> list[float]:
    """Return the least share of each level: half of the exploration for L0, the rest in parts."""
    if num_levels == 1:
        return [0.0]
    return [explore / 2, *[explore / 2 / (num_levels - 1)] * (num_levels - 1)]


def _levels(
    snapshot: Snapshot,
    directives: DirectiveSet,
    formed: tuple[TaskClass, ...],
    options: PlanOptions,
    mix: Mix,
) -> list[tuple[LevelPlan, ...]]:
    """Return the levels of each class in the first slot."""
    return [
        _class_levels(snapshot, directives, each, options, shares)
        for each, shares in zip(formed, mix.share[0].tolist(), strict=True)
    ]


def _class_levels(
    snapshot: Snapshot,
    directives: DirectiveSet,
    task_class: TaskClass,
    options: PlanOptions,
    shares: list[float],
) -> tuple[LevelPlan, ...]:
    g_per_kwh = snapshot.grid.intensity.g_per_kwh
    return tuple(
        LevelPlan(
            level=directive.level,
            directive_key=directive.key,
            share=share,
            energy_j=cost.energy_j.mean,
            energy_se_j=cost.standard_error(cost.energy_j),
            busy_s=cost.busy_s.mean,
            new_tokens=cost.new_tokens.mean,
            num_requests=cost.num_requests,
            preference=task_class.shares.of(directive.level),
            carbon_g=footprint(
                cost.energy_j.mean,
                cost.busy_s.mean,
                g_per_kwh,
                options.pue,
                options.embodied_g_per_s,
            ).carbon_g,
        )
        for directive, cost, share in zip(
            directives.directives, task_class.costs, shares, strict=True
        )
    )


def _together(
    snapshot: Snapshot,
    directives: DirectiveSet,
    formed: tuple[TaskClass, ...],
    options: PlanOptions,
    levels: list[tuple[LevelPlan, ...]],
) -> tuple[LevelPlan, ...]:
    """Return the mix of all classes, with the costs and the preference of all tasks."""
    if len(formed) == 1:
        return levels[0]
    (everything,) = classes.form(snapshot.preference, snapshot.costs, directives, apart=False)
    demand = np.array([each.demand for each in formed])
    shares = demand @ np.array([[level.share for level in each] for each in levels])
    return _class_levels(snapshot, directives, everything, options, shares.tolist())


def _class_plans(
    formed: tuple[TaskClass, ...], levels: list[tuple[LevelPlan, ...]], choice: Choice
) -> tuple[ClassPlan, ...]:
    floors = choice.floors.by_class
    return tuple(
        ClassPlan(
            task=each.task,
            demand=each.demand,
            levels=own,
            num_judged=each.shares.num_prompts,
            preference=sum(level.share * (level.preference or 0.0) for level in own),
            base_preference=own[0].preference or 0.0,
            floor=None if floors is None else float(floors[0, number]),
        )
        for number, (each, own) in enumerate(zip(formed, levels, strict=True))
    )


def _outcome(outlook: Outlook, mix: Mix, choice: Choice, window_h: float | None) -> Outcome:
    """Return what the mix does: its carbon in the first slot, its preference where the floor is."""
    problem, cost_g = outlook.problem, outlook.problem.cost_g[0]
    served, preference = float(problem.demand.sum()), problem.preference_by_slot
    return Outcome(
        carbon_g=float((cost_g * choice.amount[0]).sum()),
        baseline_g=float(problem.demand[0] @ cost_g[:, 0]),
        preference=float((preference * choice.amount).sum()) / served,
        base_preference=float((problem.demand * preference[:, :, 0]).sum()) / served,
        floor=float(choice.floors.overall[0]),
        is_floor_met=mix.is_floor_met,
        # the dual is what all that the window serves would emit more
        floor_price_g=choice.price_g[0] / served if choice.price_g else None,
        margin=float(choice.margins.overall[0]),
        window_h=window_h,
    )


def _identify(snapshot: Snapshot, policy: str, mix: Mix, now: datetime) -> str:
    seen = repr((snapshot, policy, mix.share.tolist(), now)).encode()
    return (
        f"plan-{to_text(now)[:19].replace(':', '').replace('-', '')}Z-"
        + (hashlib.sha256(seen).hexdigest()[:8])
    )
