"""What some requests came to: sums over cells, then what a report tells of them. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from sprout.directives import in_order
from sprout.report.baselines import Baselines
from sprout.report.cells import Cell
from sprout.report.saved import Reduced, Saved


@dataclass(frozen=True, slots=True)
class Group:
    """What some requests came to.

    Args:
        key: of the grouping; "" is "no task".
        levels: answers at each level.
        energy_j: without PUE; `estimated_j` of it rests on a power model.
        intensity_g_per_kwh: mean over the answered requests; None without any.
        marks: answers by the mark of their intensity.
    """

    key: str
    num_answered: int
    num_failed: int
    levels: Mapping[str, int]
    num_prompt_tokens: int
    num_new_tokens: int
    energy_j: float
    estimated_j: float
    busy_s: float
    intensity_g_per_kwh: float | None
    marks: Mapping[str, int]
    operational_g: float
    embodied_g: float
    saved: Saved

    @property
    def carbon_g(self) -> float:
        """Return operational and embodied carbon, in gCO2eq."""
        return self.operational_g + self.embodied_g

    @property
    def is_energy_estimated(self) -> bool:
        """Whether any of the energy rests on a power model."""
        return self.estimated_j > 0

    def per_answer(self, quantity: float) -> float | None:
        """Return a quantity per answered request; None without any."""
        return quantity / self.num_answered if self.num_answered else None


@dataclass(slots=True)
class Sums:
    """Collects what requests came to; what they saved is known when all has been read."""

    num_answered: int = 0
    num_failed: int = 0
    levels: dict[str, int] = field(default_factory=dict)
    num_prompt_tokens: int = 0
    num_new_tokens: int = 0
    energy_j: float = 0.0
    estimated_j: float = 0.0
    busy_s: float = 0.0
    g_per_kwh: float = 0.0
    marks: dict[str, int] = field(default_factory=dict)
    operational_g: float = 0.0
    embodied_g: float = 0.0
    reduced: Reduced = field(default_factory=Reduced)

    def add(self, cell: Cell) -> None:
        """Count the requests of a cell."""
        self.num_failed += cell.num_failed
        under = cell.circumstances
        if under is None:
            return
        self.num_answered += cell.num_answered
        self.levels[cell.level] = self.levels.get(cell.level, 0) + cell.num_answered
        self.num_prompt_tokens += cell.num_prompt_tokens
        self.num_new_tokens += cell.num_new_tokens
        self.energy_j += cell.energy_j
        if under.is_energy_estimated:
            self.estimated_j += cell.energy_j
        self.busy_s += cell.busy_s
        self.g_per_kwh += cell.g_per_kwh
        self.marks[under.mark] = self.marks.get(under.mark, 0) + cell.num_answered
        self.operational_g += cell.operational_g
        self.embodied_g += cell.embodied_g
        self.reduced.add(cell)

    def group(self, key: str, baselines: Baselines) -> Group:
        """Return the group of this key."""
        return Group(
            key=key,
            num_answered=self.num_answered,
            num_failed=self.num_failed,
            levels={level: self.levels[level] for level in in_order(self.levels)},
            num_prompt_tokens=self.num_prompt_tokens,
            num_new_tokens=self.num_new_tokens,
            energy_j=self.energy_j,
            estimated_j=self.estimated_j,
            busy_s=self.busy_s,
            intensity_g_per_kwh=self.g_per_kwh / self.num_answered if self.num_answered else None,
            marks=dict(sorted(self.marks.items())),
            operational_g=self.operational_g,
            embodied_g=self.embodied_g,
            saved=self.reduced.saved(baselines),
        )
