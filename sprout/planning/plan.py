"""What plans are made from, and what they say. Pure; `planner` makes them."""

from dataclasses import dataclass
from datetime import datetime

from sprout.costs import CostTable
from sprout.grid.reading import GridReading
from sprout.quality.preference import Preference

PAPER_POLICY = "sprout"


@dataclass(frozen=True, slots=True)
class Snapshot:
    """All that a plan is made from.

    Args:
        coming: readings of the windows after `grid`, in order; for policies that look ahead.
    """

    grid: GridReading
    costs: CostTable
    energy_method: str
    is_energy_estimated: bool
    preference: Preference
    coming: tuple[GridReading, ...] = ()


@dataclass(frozen=True, slots=True)
class PlanOptions:
    """What the user decides.

    Args:
        tolerance: xi, how much preference may be given up at the dirtiest hour, in [0, 1].
        explore: share of requests that keeps every level measured, in [0, 1).
        pue: power usage effectiveness, >= 1.
        embodied_g_per_s: gCO2eq per busy second.
        policy: one of POLICIES that is live; None takes the fair one where at least two tasks were
            judged, and otherwise the paper's.
        class_floor: least preference of a class, as a factor of its own L0's.
        confidence: margins on the floors, in standard deviations; None is the policy's own.
    """

    tolerance: float
    explore: float
    pue: float
    embodied_g_per_s: float
    policy: str | None = None
    class_floor: float = 0.9
    confidence: float | None = None


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
class ClassPlan:
    """The mix of one task class, and what it was chosen by.

    Args:
        task: None is everything that has no class of its own, prompts without a task included.
        demand: its part of all requests, as expected.
        num_judged: prompts that its preference rests on; None for a prior.
        preference, base_preference: of its mix and of L0.
        floor: least preference that was allowed it; None where only all classes together have one.
    """

    task: str | None
    demand: float
    levels: tuple[LevelPlan, ...]
    num_judged: float | None
    preference: float
    base_preference: float
    floor: float | None

    @property
    def shares(self) -> tuple[float, ...]:
        """Return the mix, one share per level, sums to 1."""
        return tuple(level.share for level in self.levels)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What the mix is expected to do, per request.

    Args:
        carbon_g, baseline_g: of the mix and of all-L0.
        preference, base_preference: of the mix and of L0; means over the window, as the floor is.
        floor: least preference that was allowed.
        floor_price_g: gCO2eq that one more preference point (0.01) would cost; None when no
            solved floor stands behind the mix.
        margin: preference beyond the floor that was asked for, because preferences are estimates.
        window_h: hours from the slot's start that the floor is a mean over; None for the slot
            alone.
    """

    carbon_g: float
    baseline_g: float
    preference: float
    base_preference: float
    floor: float
    is_floor_met: bool
    floor_price_g: float | None
    margin: float = 0.0
    window_h: float | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """The mix for one window of grid intensity, and why.

    Args:
        levels: the mix of all classes together.
        policy: which scheme chose.
        classes: the mix of each task class; empty where one mix serves all.
        num_judged: prompts that the preference of all classes together rests on; None for a prior.
        options: what the user decided; None in plans that were stored without it.
    """

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
    policy: str = PAPER_POLICY
    classes: tuple[ClassPlan, ...] = ()
    num_judged: float | None = None
    options: PlanOptions | None = None

    @property
    def shares(self) -> tuple[float, ...]:
        """Return the mix, one share per level, sums to 1."""
        return tuple(level.share for level in self.levels)

    def levels_of(self, task: str | None) -> tuple[LevelPlan, ...]:
        """Return the mix for prompts of a task with what it was chosen by; None is no task."""
        for each in self.classes:
            if each.task is not None and each.task == task:
                return each.levels
        return next((each.levels for each in self.classes if each.task is None), self.levels)

    def shares_of(self, task: str | None) -> tuple[float, ...]:
        """Return the mix for prompts of a task, one share per level; None is no task."""
        return tuple(level.share for level in self.levels_of(task))

    @property
    def g_per_kwh(self) -> float:
        """Return the grid intensity that the plan is for, in gCO2eq/kWh."""
        return self.grid.intensity.g_per_kwh
