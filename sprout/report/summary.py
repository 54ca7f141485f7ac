"""The sums of a run and what it saved. Pure.

Savings are counterfactual: the same prompts, all at L0, at the same intensities. A request that was
served at L0 is its own counterfactual; for the others L0's mean joules and busy seconds stand for
what each would have cost, so the interval is that mean's (95 %, Student's t):

    saved = sum over requests not at L0 of (k0 e[L0] + k1 p[L0] - carbon of the request)

A plan may brief one task and not another, so e[L0] and p[L0] are those of the request's own task as
soon as enough of its requests were measured at L0; until then those of all tasks. Means of
different tasks are independent; a mean over all tasks shares its requests with them, so its error
is added, not squared, and its requests are counted alone.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sprout.batch.answers import Served
from sprout.carbon import EmbodiedRate, footprint
from sprout.costs import ALL_TASKS, Cost, CostTable
from sprout.directives import BASELINE, in_order
from sprout.planning.classes import MIN_MEASURED
from sprout.planning.plan import Plan


@dataclass(slots=True)
class Tally:
    """Sums over what was served.

    `mix_carbon_g` and `num_at_l0` leave out lines that pinned their directive; `num_reduced`,
    `reduced_carbon_g` and `reduced` leave out L0 as well.
    """

    num_served: int = 0
    num_failed: int = 0
    num_skipped: int = 0
    num_new_tokens: int = 0
    num_prompt_tokens: int = 0
    energy_j: float = 0.0
    busy_s: float = 0.0
    operational_g: float = 0.0
    embodied_g: float = 0.0
    mix_carbon_g: float = 0.0
    num_at_l0: int = 0
    num_reduced: int = 0
    reduced_carbon_g: float = 0.0
    levels: dict[str, int] = field(default_factory=dict)
    reduced: dict[str, tuple[int, float]] = field(default_factory=dict)  # number, g/kWh, by task

    def add(self, row: Served) -> None:
        """Count one finished request."""
        self.num_served += 1
        self.num_new_tokens += row.completion.num_new_tokens
        self.num_prompt_tokens += row.completion.num_prompt_tokens
        self.energy_j += row.energy_j
        self.busy_s += row.busy_s
        self.operational_g += row.footprint.operational_g
        self.embodied_g += row.footprint.embodied_g
        level = row.admission.level
        self.levels[level] = self.levels.get(level, 0) + 1
        if row.admission.plan_id is None:
            return
        self.mix_carbon_g += row.footprint.carbon_g
        if level == BASELINE:
            self.num_at_l0 += 1
        else:
            self.num_reduced += 1
            self.reduced_carbon_g += row.footprint.carbon_g
            task = row.admission.prompt.task or ""
            num, g_per_kwh = self.reduced.get(task, (0, 0.0))
            self.reduced[task] = num + 1, g_per_kwh + row.grid.g_per_kwh

    @property
    def num_lines(self) -> int:
        """Return how many lines are done with, in one way or another."""
        return self.num_served + self.num_failed + self.num_skipped

    @property
    def carbon_g(self) -> float:
        """Return operational and embodied carbon, in gCO2eq."""
        return self.operational_g + self.embodied_g


@dataclass(frozen=True, slots=True)
class Saving:
    """Carbon saved against all-L0.

    Args:
        saved_g: may be negative.
        half_width_g: of the 95 % interval; None when L0 was measured on fewer than two requests.
        baseline_g: what all-L0 would have emitted.
        num_baseline_requests: how many requests at L0 the baseline rests on.
    """

    saved_g: float
    half_width_g: float | None
    baseline_g: float
    num_baseline_requests: int

    @property
    def percent(self) -> float | None:
        """Return the saving as a percentage of the baseline; None without a baseline."""
        return 100 * self.saved_g / self.baseline_g if self.baseline_g > 0 else None


def saving(
    tally: Tally,
    base: Cost,
    pue: float,
    embodied_g_per_s: float,
    by_task: Mapping[str, Cost] | None = None,
) -> Saving | None:
    """Return what the mix saved against all-L0; None when L0 was never measured.

    Args:
        base: of requests at L0, all tasks together.
        by_task: of tasks that were measured at L0 often enough to be their own baseline.
    """
    if base.num_requests == 0:
        return None
    found = []
    for cost, num, g_per_kwh in _counterfactuals(tally, base, by_task or {}):
        one = footprint(
            cost.energy_j.mean, cost.busy_s.mean, g_per_kwh / num, pue, embodied_g_per_s
        )
        found.append((cost, num * one.carbon_g))
    saved_g = sum(expected_g for _, expected_g in found) - tally.reduced_carbon_g
    found = found or [(base, 0.0)]
    own = [cost for cost, _ in found if cost is not base]
    return Saving(
        saved_g=saved_g,
        half_width_g=_together_g(found, base),
        baseline_g=tally.mix_carbon_g + saved_g,
        # a mean over all tasks holds the requests of each task
        num_baseline_requests=sum(
            cost.num_requests for cost in (own if len(own) == len(found) else [base])
        ),
    )


def own_baselines(table: CostTable, base_key: str) -> dict[str, Cost]:
    """Return what L0 costs by task, of tasks that were measured often enough."""
    return {
        task: cost
        for (key, task), cost in table.items()
        if key == base_key and task != ALL_TASKS and cost.num_requests >= MIN_MEASURED
    }


def _counterfactuals(
    tally: Tally, base: Cost, by_task: Mapping[str, Cost]
) -> list[tuple[Cost, int, float]]:
    """Return (cost at L0, requests not at L0, sum of their g/kWh), tasks on `base` together."""
    own = [(by_task[task], *sums) for task, sums in tally.reduced.items() if task in by_task]
    others = [sums for task, sums in tally.reduced.items() if task not in by_task]
    if others:
        own.append((base, sum(num for num, _ in others), sum(g for _, g in others)))
    return own


def _together_g(found: Sequence[tuple[Cost, float]], base: Cost) -> float | None:
    """Return the half-width of expectations together, in gCO2eq; None when one's is not known.

    Args:
        found: what requests cost at L0, and what they would have emitted, in gCO2eq.
        base: the one among the costs that shares its requests with the others.
    """
    own_g, shared_g = [], 0.0
    for cost, expected_g in found:
        half_g = _half_width_g(cost, expected_g)
        if half_g is None:
            return None
        if cost is base:
            shared_g += half_g
        else:
            own_g.append(half_g)
    return math.hypot(*own_g) + shared_g


def _half_width_g(cost: Cost, expected_g: float) -> float | None:
    """Return the half-width of what so many requests at L0 would have emitted, in gCO2eq."""
    half_width_j = cost.half_width(cost.energy_j)
    if half_width_j is None or cost.energy_j.mean <= 0:
        return None
    return half_width_j / cost.energy_j.mean * expected_g


@dataclass(frozen=True, slots=True)
class RunSummary:
    """A run as people and programs are told of it.

    Args:
        plan: the last plan in force; None when nothing was served by one.
        is_complete: whether every line of the input was read.
        began_g_per_kwh: intensity when a run began that may wait; None for one that does not.
    """

    run_id: str
    tally: Tally
    saving: Saving | None
    plan: Plan | None
    energy_method: str
    is_energy_estimated: bool
    embodied: EmbodiedRate
    pue: float
    is_complete: bool
    began_g_per_kwh: float | None = None

    @property
    def moved_g(self) -> float | None:
        """Return what waiting saved: against the same energy at the intensity of the beginning."""
        if self.began_g_per_kwh is None:
            return None
        tally = self.tally
        at_once = footprint(tally.energy_j, 0.0, self.began_g_per_kwh, self.pue, 0.0)
        return at_once.operational_g - tally.operational_g

    def data(self) -> dict[str, object]:
        """Return the closing record, with every mark."""
        tally, plan, saved = self.tally, self.plan, self.saving
        return {
            "run_id": self.run_id,
            "is_complete": self.is_complete,
            "num_served": tally.num_served,
            "num_failed": tally.num_failed,
            "num_skipped": tally.num_skipped,
            "levels": {level: tally.levels[level] for level in in_order(tally.levels)},
            "prompt_tokens": tally.num_prompt_tokens,
            "new_tokens": tally.num_new_tokens,
            "energy_j": tally.energy_j,
            "energy_method": self.energy_method,
            "is_energy_estimated": self.is_energy_estimated,
            "busy_s": tally.busy_s,
            "operational_g": tally.operational_g,
            "embodied_g": tally.embodied_g,
            "carbon_g": tally.carbon_g,
            "pue": self.pue,
            "embodied_preset": self.embodied.preset,
            "embodied_g_per_s": self.embodied.g_per_s,
            "zone": plan.grid.intensity.zone if plan else None,
            "intensity_g_per_kwh": plan.g_per_kwh if plan else None,
            "intensity_mark": plan.grid.mark if plan else None,
            "preference_source": plan.preference_source if plan else None,
            "saved_g": saved.saved_g if saved else None,
            "saved_half_width_g": saved.half_width_g if saved else None,
            "saved_percent": saved.percent if saved else None,
            "began_g_per_kwh": self.began_g_per_kwh,
            "moved_g": self.moved_g,
            "baseline": "all-L0, from the mean cost of requests at L0",
            "baseline_requests": saved.num_baseline_requests if saved else None,
            "baseline_requests_served": tally.num_at_l0,
            "notes": list(plan.notes) if plan else [],
        }
