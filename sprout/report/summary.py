"""The sums of a run. Pure."""

from dataclasses import dataclass, field

from sprout.batch.answers import Counting, Served
from sprout.carbon import JOULES_PER_KWH, EmbodiedRate, footprint
from sprout.directives import BASELINE, in_order
from sprout.planning.plan import Plan
from sprout.report.baselines import Baselines
from sprout.report.cells import comparable
from sprout.report.saved import Reduced, Saved


@dataclass(slots=True)
class Tally:
    """Sums over what was served.

    Those at L0 and those reduced (below L0) leave out lines that pin their directive.

    Args:
        reduced: by task, their number, carbon and sum of the intensities, in g/kWh.
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
    num_at_l0: int = 0
    at_l0_carbon_g: float = 0.0
    num_reduced: int = 0
    levels: dict[str, int] = field(default_factory=dict)
    reduced: dict[str, tuple[int, float, float]] = field(default_factory=dict)

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
        carbon_g = row.footprint.carbon_g
        if level == BASELINE:
            self.num_at_l0 += 1
            self.at_l0_carbon_g += carbon_g
        else:
            self.num_reduced += 1
            task = row.admission.prompt.task or ""
            num, so_far_g, g_per_kwh = self.reduced.get(task, (0, 0.0, 0.0))
            self.reduced[task] = num + 1, so_far_g + carbon_g, g_per_kwh + row.grid.g_per_kwh

    @property
    def num_lines(self) -> int:
        """Return how many lines are done with, in one way or another."""
        return self.num_served + self.num_failed + self.num_skipped

    @property
    def carbon_g(self) -> float:
        """Return operational and embodied carbon, in gCO2eq."""
        return self.operational_g + self.embodied_g


def saved(tally: Tally, counting: Counting, baselines: Baselines) -> Saved:
    """Return what the mix saved, as a report of these requests has it."""
    alike = comparable(counting.conditions)
    k0, k1 = counting.pue / JOULES_PER_KWH, counting.embodied.g_per_s
    return Reduced(
        num_own=tally.num_at_l0,
        own_g=tally.at_l0_carbon_g,
        num_pinned=tally.num_served - tally.num_at_l0 - tally.num_reduced,
        strata={
            (alike, task): [num, carbon_g, k0 * g_per_kwh, k1 * num]
            for task, (num, carbon_g, g_per_kwh) in tally.reduced.items()
        },
    ).saved(baselines)


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
    saved: Saved
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
        tally, plan, saved = self.tally, self.plan, self.saved
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
            "saved_g": saved.saved_g,
            "saved_half_width_g": saved.half_width_g,
            "saved_percent": saved.percent,
            "began_g_per_kwh": self.began_g_per_kwh,
            "moved_g": self.moved_g,
            "baseline": "all-L0, from the mean cost of requests at L0",
            "baseline_requests": saved.num_baseline_requests,
            "baseline_requests_served": tally.num_at_l0,
            "notes": list(plan.notes) if plan else [],
        }
