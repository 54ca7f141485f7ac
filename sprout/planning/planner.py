"""From what is known to the mix of levels for the coming window. Pure.

    Snapshot (costs, grid, preference; each with where it came from)
        -> classes -> Outlook -> policies.decide -> Plan

Two guards keep noise from steering. Every level keeps at least its exploration share, half of it
for L0, against which savings are counted. And when no level of a class costs less energy than L0 by
two standard errors, all of the class but exploration goes to L0, and the plan says so.
"""

import hashlib
from datetime import datetime

import numpy as np

from sprout.carbon import footprint
from sprout.clock import to_text
from sprout.costs import ALL_TASKS, CostTable
from sprout.directives import DirectiveSet
from sprout.errors import UsageError
from sprout.planning import classes, notes, policies, window
from sprout.planning.classes import TaskClass
from sprout.planning.outlook import Choice, Outlook
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
from sprout.planning.problem import Mix

FAIR_POLICY = "class-fair"
"""The default where at least two tasks were judged."""


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
    readings = window.ahead(snapshot) if policy.spans_window else (snapshot.grid,)
    outlook = window.outlook_of(readings, directives, formed, options)
    mix, choice = policies.decide(name, outlook)
    levels = _levels(snapshot, directives, formed, options, mix)
    return Plan(
        id=_identify(snapshot, name, mix, now),
        made_at=now,
        valid_until=snapshot.grid.intensity.end,
        levels=_together(snapshot, directives, formed, options, levels),
        outcome=_outcome(outlook, mix, choice, window.hours(readings)),
        grid=snapshot.grid,
        energy_method=snapshot.energy_method,
        is_energy_estimated=snapshot.is_energy_estimated,
        preference_source=snapshot.preference.source,
        is_preference_prior=snapshot.preference.is_prior,
        num_judged=snapshot.preference.overall.num_prompts,
        notes=(*snapshot.grid.notes, *notes.of(name, formed, readings, directives)),
        policy=name,
        classes=_class_plans(formed, levels, choice) if len(formed) > 1 else (),
        options=options,
    )


def unmeasured(costs: CostTable, directives: DirectiveSet) -> tuple[str, ...]:
    """Return the levels that have no cost yet."""
    return tuple(d.level for d in directives.directives if (d.key, ALL_TASKS) not in costs)


def _policy(snapshot: Snapshot, options: PlanOptions) -> str:
    """Return the policy that was asked for, or the one that what was judged allows."""
    if options.policy is None:
        is_judged = len(classes.judged_tasks(snapshot.preference)) > 1
        return FAIR_POLICY if is_judged else PAPER_POLICY
    if options.policy not in POLICIES or not POLICIES[options.policy].is_live:
        live = ", ".join(name for name, policy in POLICIES.items() if policy.is_live)
        raise UsageError(f"policy {options.policy!r} cannot be followed live: choose one of {live}")
    return options.policy


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
        margin=float(choice.margins[0]),
        window_h=window_h,
    )


def _identify(snapshot: Snapshot, policy: str, mix: Mix, now: datetime) -> str:
    seen = repr((snapshot, policy, mix.share.tolist(), now)).encode()
    return (
        f"plan-{to_text(now)[:19].replace(':', '').replace('-', '')}Z-"
        + (hashlib.sha256(seen).hexdigest()[:8])
    )
