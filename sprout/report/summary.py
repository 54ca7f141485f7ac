"""The sums of a run and what it saved. Pure.

Savings are counterfactual: the same prompts, all at L0, at the same intensities. A request that was
served at L0 is its own counterfactual; for the others L0's mean joules and busy seconds stand for
what each would have cost, so the interval is that mean's:

    saved = sum over requests not at L0 of (k0 e[L0] + k1 p[L0] - carbon of the request)
"""

from dataclasses import dataclass, field

from sprout.answers import Served
from sprout.carbon import EmbodiedRate, footprint
from sprout.costs import Cost
from sprout.directives import BASELINE
from sprout.plan import Plan

Z_95 = 1.96  # of the normal distribution, two-sided


@dataclass(slots=True)
class Tally:
    """Sums over what was served.

    `mix_carbon_g` leaves out lines that pinned their directive; `num_reduced`, `reduced_carbon_g`
    and `reduced_g_per_kwh` leave out L0 as well.
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
    num_reduced: int = 0
    reduced_carbon_g: float = 0.0
    reduced_g_per_kwh: float = 0.0  # summed over requests
    levels: dict[str, int] = field(default_factory=dict)

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
        if level != BASELINE:
            self.num_reduced += 1
            self.reduced_carbon_g += row.footprint.carbon_g
            self.reduced_g_per_kwh += row.grid.g_per_kwh

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


def saving(tally: Tally, base: Cost, pue: float, embodied_g_per_s: float) -> Saving | None:
    """Return what the mix saved against all-L0; None when L0 was never measured."""
    if base.num_requests == 0:
        return None
    expected_g = 0.0
    if tally.num_reduced:
        mean_g_per_kwh = tally.reduced_g_per_kwh / tally.num_reduced
        one = footprint(base.energy_j.mean, base.busy_s.mean, mean_g_per_kwh, pue, embodied_g_per_s)
        expected_g = tally.num_reduced * one.carbon_g
    saved_g = expected_g - tally.reduced_carbon_g
    half_width_g = None
    error = base.standard_error(base.energy_j)
    if error is not None and base.energy_j.mean > 0:
        half_width_g = Z_95 * error / base.energy_j.mean * expected_g
    return Saving(
        saved_g=saved_g,
        half_width_g=half_width_g,
        baseline_g=tally.mix_carbon_g + saved_g,
        num_baseline_requests=base.num_requests,
    )


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
            "levels": dict(sorted(tally.levels.items())),
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
            "notes": list(plan.notes) if plan else [],
        }
