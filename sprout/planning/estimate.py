"""What serving prompts by a plan would come to: each by its task's mix, or at the level it pins."""

from collections.abc import Mapping
from dataclasses import dataclass

from sprout.planning.backlog import Backlog
from sprout.planning.plan import LevelPlan, Plan


@dataclass(frozen=True, slots=True)
class Estimate:
    """Sums over prompts, as their levels' mean costs have it.

    Args:
        baseline_g: carbon of all-L0; of a prompt that pins its level, its own.
        levels: expected share of each level, sums to 1; of the plan where there are no prompts.
    """

    num_prompts: int
    new_tokens: float
    energy_j: float
    busy_s: float
    carbon_g: float
    baseline_g: float
    levels: Mapping[str, float]


def estimate(plan: Plan, backlog: Backlog) -> Estimate:
    """Return what these prompts would come to."""
    parts: list[tuple[float, LevelPlan]] = []
    baseline_g = 0.0
    for group, num in backlog.items():
        levels = plan.levels_of(group.task or None)
        for level in levels:
            share = level.share if group.level is None else float(level.level == group.level)
            base = levels[0] if group.level is None else level
            parts.append((num * share, level))
            baseline_g += num * share * base.carbon_g
    num_prompts = sum(backlog.values())
    counts = dict.fromkeys((level.level for level in plan.levels), 0.0)
    for num_at, level in parts:
        counts[level.level] += num_at
    return Estimate(
        num_prompts=num_prompts,
        new_tokens=sum(num * level.new_tokens for num, level in parts),
        energy_j=sum(num * level.energy_j for num, level in parts),
        busy_s=sum(num * level.busy_s for num, level in parts),
        carbon_g=sum(num * level.carbon_g for num, level in parts),
        baseline_g=baseline_g,
        levels={
            level.level: counts[level.level] / num_prompts if num_prompts else level.share
            for level in plan.levels
        },
    )
