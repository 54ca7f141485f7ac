"""What directives saved, over any requests together. Pure.

A request that was served at L0 is its own counterfactual; for another one the mean cost of L0
requests stands in (see `baselines`), counted at its own intensity, PUE and embodied rate:

    expected = A e0 + B p0,   A = sum of k0 PUE / 3.6e6,   B = sum of k1   (over requests not at L0)

Where no mean may stand in, what was saved is unknown, and said to be.

The interval is that of the means: var(expected) = A^2 var(e0) + 2 A B cov(e0, p0) + B^2 var(p0),
with Student's t, since few requests may be all there is. Means of different tasks are independent;
a mean over all tasks shares its requests with them, so its error is added, not squared. Lines that
pin their directive count nowhere: somebody chose them.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from sprout.carbon import JOULES_PER_KWH
from sprout.directives import BASELINE
from sprout.report.baselines import Baseline, Baselines, Conditions, StandIn, Stratum
from sprout.report.cells import Cell

COUNTERFACTUAL = (
    "the same prompts all at L0, at the same intensities; requests not at L0 by the mean cost of "
    "comparable requests at L0"
)

INTERVAL = "of 95 %, of the mean cost at L0 alone"
"""What ± of a saving is: nothing else that is uncertain is in it."""


@dataclass(frozen=True, slots=True)
class Saved:
    """Carbon saved against all-L0.

    Args:
        saved_g: may be negative; None when it is not known of any request.
        half_width_g: of the 95 % interval; None when it is not known.
        baseline_g: what the requests that are counted would have emitted at L0.
        num_counted: requests that `saved_g` speaks of.
        num_unknown: requests not at L0 for which no comparable L0 request is known.
        num_pinned: requests that pin their directive, left out.
        num_borrowed: of the counted, those that the mean of other tasks or runs stands in for.
        num_baseline_requests: L0 requests that the means rest on.
    """

    saved_g: float | None
    half_width_g: float | None
    baseline_g: float
    num_counted: int
    num_unknown: int
    num_pinned: int
    num_borrowed: int
    num_baseline_requests: int

    @property
    def percent(self) -> float | None:
        """Return the saving as a percentage of the baseline."""
        known = self.saved_g is not None and self.baseline_g > 0
        return 100 * (self.saved_g or 0.0) / self.baseline_g if known else None

    @property
    def half_width_percent(self) -> float | None:
        """Return half of the interval, in points of that percentage."""
        if self.half_width_g is None or self.baseline_g <= 0:
            return None
        return 100 * self.half_width_g / self.baseline_g


@dataclass(slots=True)
class Reduced:
    """Collects what requests not at L0 emitted, and at which intensities."""

    num_own: int = 0  # at L0: its own counterfactual
    own_g: float = 0.0
    num_pinned: int = 0
    strata: dict[Stratum, list[float]] = field(default_factory=dict)  # number, carbon_g, A, B

    def add(self, cell: Cell) -> None:
        """Count the answered requests of a cell."""
        under = cell.circumstances
        if under is None:
            return
        carbon_g = cell.operational_g + cell.embodied_g
        if cell.is_pinned:
            self.num_pinned += cell.num_answered
        elif cell.level == BASELINE:
            self.num_own += cell.num_answered
            self.own_g += carbon_g
        else:
            sums = self.strata.setdefault((under.conditions, cell.task), [0, 0.0, 0.0, 0.0])
            sums[0] += cell.num_answered
            sums[1] += carbon_g
            sums[2] += cell.g_per_kwh * under.pue / JOULES_PER_KWH
            sums[3] += cell.num_answered * under.embodied_g_per_s

    def saved(self, baselines: Baselines) -> Saved:
        """Return what was saved."""
        parts = [
            _Part(num, carbon_g, a, b, baselines.find(stratum), stratum[0])
            for stratum, (num, carbon_g, a, b) in self.strata.items()
        ]
        known = [part for part in parts if part.stands_in is not None]
        num_reduced = int(sum(part.num for part in known))
        num_unknown = int(sum(part.num for part in parts)) - num_reduced
        saved_g = sum(part.saved_g for part in known)
        actual_g = self.own_g + sum(part.carbon_g for part in known)
        is_known = num_reduced > 0 or (self.num_own > 0 and num_unknown == 0)
        return Saved(
            saved_g=saved_g if is_known else None,
            half_width_g=_half_width_g(known) if is_known else None,
            baseline_g=actual_g + saved_g if is_known else 0.0,
            num_counted=self.num_own + num_reduced if is_known else 0,
            num_unknown=num_unknown,
            num_pinned=self.num_pinned,
            num_borrowed=int(sum(p.num for p in known if p.stands_in and p.stands_in.is_borrowed)),
            num_baseline_requests=_num_baseline(known),
        )


@dataclass(frozen=True, slots=True)
class _Part:
    num: float
    carbon_g: float
    a: float
    b: float
    stands_in: StandIn | None
    conditions: Conditions

    @property
    def saved_g(self) -> float:
        if self.stands_in is None:
            return 0.0
        return self.stands_in.baseline.expected_g(self.a, self.b) - self.carbon_g


def _num_baseline(parts: Iterable[_Part]) -> int:
    """Return how many L0 requests stand behind the parts, each counted once."""
    own: dict[tuple[Conditions, bool], int] = {}
    shared: dict[tuple[Conditions, bool], int] = {}
    for part in parts:
        if part.stands_in is not None:
            key, num = (
                (part.conditions, part.stands_in.is_earlier),
                part.stands_in.baseline.num_requests,
            )
            if part.stands_in.is_of_task:
                own[key] = own.get(key, 0) + num
            else:
                shared[key] = num
    return sum((own | shared).values())  # a mean over all tasks holds those of each task


def _half_width_g(parts: Iterable[_Part]) -> float | None:
    """Return half of the interval of all parts together."""
    own_g2: dict[Conditions, float] = {}
    shared: dict[Conditions, tuple[Baseline, float, float]] = {}
    for part in parts:
        if part.stands_in is None:
            continue
        baseline = part.stands_in.baseline
        if part.stands_in.is_of_task:
            half_g = baseline.half_width_g(part.a, part.b)
            if half_g is None:
                return None
            own_g2[part.conditions] = own_g2.get(part.conditions, 0.0) + half_g**2
        else:
            _, a, b = shared.get(part.conditions, (baseline, 0.0, 0.0))
            shared[part.conditions] = (baseline, a + part.a, b + part.b)
    halves_g = {conditions: math.sqrt(squared) for conditions, squared in own_g2.items()}
    for conditions, (baseline, a, b) in shared.items():
        more_g = baseline.half_width_g(a, b)
        if more_g is None:
            return None
        halves_g[conditions] = halves_g.get(conditions, 0.0) + more_g
    return math.hypot(*halves_g.values())
