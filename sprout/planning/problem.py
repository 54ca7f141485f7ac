"""What there is to decide and what was decided: the data and the outcome of every scheme.

Symbols of section 3 of the paper under our names, shapes in brackets (t time slots, c task classes,
v levels): e `energy_kwh` [c, v], p `time_s` [c, v], q `preference` [c, v], k0
`intensity_g_per_kwh` [t], k1 `embodied_g_per_s`, q_lb `Floor.min_preference`, x `Mix.share`
[t, c, v]. The paper has one slot and one class; `sprout.planning.optimizer` states the programme.
Where e, p and q are known apart for each slot (a recorded month is replayed so) they may be
[t, c, v].
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

FloatArray = NDArray[np.float64]

# Far above a solver's rounding, far below what a judge can tell.
FLOOR_TOLERANCE = 1e-6


@dataclass(frozen=True, slots=True)
class Deferrable:
    """Demand of one class that any slot of its window may serve, both ends inclusive."""

    task_class: int
    amount: float
    first_slot: int
    last_slot: int


@dataclass(frozen=True, slots=True)
class Floor:
    """Least mean preference of what is served in these slots for these classes, together."""

    slots: tuple[int, ...]
    classes: tuple[int, ...]
    min_preference: float


@dataclass(frozen=True, slots=True, eq=False)
class Problem:
    """The data of the programme; shapes in brackets: t slots, c classes, v levels; level 0 is L0.

    Args:
        energy_kwh: [c, v] or [t, c, v] of one unit of demand (a request), times PUE.
        time_s: [c, v] or [t, c, v] of one unit of demand.
        preference: [c, v] or [t, c, v]; a level that nobody judged counts as 0, and has its
            `max_share`.
        intensity_g_per_kwh: [t].
        embodied_g_per_s: of the hardware that `time_s` occupies.
        demand: [t, c] that its slot must serve.
        deferrable: demand that chooses its slot, on top of `demand`.
        floors: may be none.
        capacity_s: [t] seconds that a slot can serve; None is no limit.
        min_share: [v] or [c, v], least share of each level in what every (t, c) serves; None is 0.
        max_share: [v] or [c, v], largest share; None is 1.
    """

    energy_kwh: FloatArray
    time_s: FloatArray
    preference: FloatArray
    intensity_g_per_kwh: FloatArray
    embodied_g_per_s: float
    demand: FloatArray
    deferrable: tuple[Deferrable, ...] = ()
    floors: tuple[Floor, ...] = ()
    capacity_s: FloatArray | None = None
    min_share: FloatArray | None = None
    max_share: FloatArray | None = None

    def __post_init__(self) -> None:
        _check(self)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Return the number of slots, classes and levels."""
        num_classes, num_levels = self.energy_kwh.shape[-2:]
        return len(self.intensity_g_per_kwh), num_classes, num_levels

    @property
    def preference_by_slot(self) -> FloatArray:
        """Return the preference as [t, c, v]."""
        return np.broadcast_to(self.preference, self.shape)

    @property
    def time_s_by_slot(self) -> FloatArray:
        """Return the seconds of one unit of demand as [t, c, v]."""
        return np.broadcast_to(self.time_s, self.shape)

    @property
    def cost_g(self) -> FloatArray:
        """Return [t, c, v], the carbon of one unit of demand in gCO2eq: k0 e + k1 p."""
        operational_g = self.intensity_g_per_kwh[:, None, None] * self.energy_kwh
        return operational_g + self.embodied_g_per_s * self.time_s

    @property
    def share_bounds(self) -> tuple[FloatArray, FloatArray]:
        """Return least and largest shares, each [c, v]."""
        shape = self.energy_kwh.shape[-2:]
        least = np.zeros(shape) if self.min_share is None else self.min_share
        most = np.ones(shape) if self.max_share is None else self.max_share
        return np.broadcast_to(least, shape), np.broadcast_to(most, shape)


@dataclass(frozen=True, slots=True, eq=False)
class Mix:
    """How the demand is served.

    Args:
        share: [t, c, v] of what (t, c) serves, sums to 1 over v; all 0 where nothing is served.
        amount: [t, c, v] in units of demand.
        carbon_g: expected, of all demand.
        preference: mean of a unit of demand.
        is_floor_met: whether every floor holds.
        floor_price_g: per floor, the dual value: the gCO2eq that all demand together emits more for
            one more preference point (0.01) in that floor; None where no solved floor is behind it.
    """

    share: FloatArray
    amount: FloatArray
    carbon_g: float
    preference: float
    is_floor_met: bool
    floor_price_g: tuple[float, ...] | None


def mix_of(problem: Problem, amount: FloatArray, floor_price_g: tuple[float, ...] | None) -> Mix:
    """Return what serving `amount` [t, c, v] of the problem's demand comes to."""
    served = amount.sum(axis=2, keepdims=True)
    return Mix(
        share=np.divide(amount, served, out=np.zeros_like(amount), where=served > 0),
        amount=amount,
        carbon_g=float((problem.cost_g * amount).sum()),
        preference=float((problem.preference * amount).sum() / served.sum()),
        is_floor_met=all(_is_met(problem, amount, floor) for floor in problem.floors),
        floor_price_g=floor_price_g,
    )


def _is_met(problem: Problem, amount: FloatArray, floor: Floor) -> bool:
    """Return whether one floor holds for `amount` [t, c, v]."""
    cells = np.ix_(floor.slots, floor.classes)
    part = amount[cells]
    margin = problem.preference_by_slot[cells] - floor.min_preference
    return bool((part * margin).sum() >= -FLOOR_TOLERANCE * part.sum())


def _check(problem: Problem) -> None:
    """Raise ValueError where the data do not fit together."""
    num_slots, num_classes, _ = problem.shape
    for name in ("energy_kwh", "time_s", "preference"):
        values = getattr(problem, name)
        varies_by_slot = values.ndim == len(problem.shape)
        _check_array(name, values, problem.shape if varies_by_slot else problem.shape[1:])
    _check_array("intensity_g_per_kwh", problem.intensity_g_per_kwh, (num_slots,))
    _check_array("embodied_g_per_s", np.array(problem.embodied_g_per_s), ())
    _check_array("demand", problem.demand, (num_slots, num_classes))
    if problem.capacity_s is not None:
        _check_array("capacity_s", problem.capacity_s, (num_slots,))
    if not problem.deferrable and not problem.demand.any():
        raise ValueError("no demand")
    _check_bounds(*problem.share_bounds)
    for deferrable in problem.deferrable:
        _check_deferrable(deferrable, num_slots, num_classes)
    for floor in problem.floors:
        _check_floor(floor, num_slots, num_classes)


def _check_array(name: str, values: FloatArray, shape: tuple[int, ...]) -> None:
    """Raise ValueError unless the values have this shape and are finite and not negative."""
    if values.shape != shape:
        raise ValueError(f"{name} has shape {values.shape}, expected {shape}")
    if not (np.isfinite(values).all() and (values >= 0).all()):
        raise ValueError(f"{name} must be finite and not negative: {values}")


def _check_bounds(least: FloatArray, most: FloatArray) -> None:
    """Raise ValueError unless some mix fits the bounds of each class."""
    if not ((least >= 0).all() and (least <= most).all() and (most <= 1).all()):
        raise ValueError(f"shares need 0 <= min_share <= max_share <= 1: {least}, {most}")
    if not ((least.sum(axis=1) <= 1 + 1e-9).all() and (most.sum(axis=1) >= 1 - 1e-9).all()):
        raise ValueError(f"no mix has shares between {least} and {most}")


def _check_deferrable(deferrable: Deferrable, num_slots: int, num_classes: int) -> None:
    """Raise ValueError unless the window and the class exist and the amount is positive."""
    if not (
        0 <= deferrable.task_class < num_classes
        and 0 <= deferrable.first_slot <= deferrable.last_slot < num_slots
        and 0 < deferrable.amount < np.inf
    ):
        raise ValueError(f"{deferrable} does not fit {num_slots} slots, {num_classes} classes")


def _check_floor(floor: Floor, num_slots: int, num_classes: int) -> None:
    """Raise ValueError unless the slots and classes exist, each named once."""
    fits = all(
        len(set(chosen)) == len(chosen) > 0 and set(chosen) <= set(range(num))
        for chosen, num in ((floor.slots, num_slots), (floor.classes, num_classes))
    )
    if not (fits and np.isfinite(floor.min_preference)):
        raise ValueError(f"{floor} does not fit {num_slots} slots, {num_classes} classes")
