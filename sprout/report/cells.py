"""What a report is made from: sums over requests that have all of interest in common. Pure."""

from dataclasses import astuple, dataclass

from sprout.costs import Conditions

ESTIMATE = "estimate"  # in the name of every energy method that is no counter
NOT_RECORDED = "not recorded"


@dataclass(frozen=True, slots=True)
class Circumstances:
    """Under what requests were served, and how their carbon was counted.

    Args:
        run_id: None but where the conditions were not recorded.
        intensity_source: with its mark, such as "eia (forecast)".
    """

    id: int
    run_id: str | None
    model: str
    model_name: str | None
    machine: str
    parallel: int | None
    threads: int | None
    gpu_layers: int | None
    max_tokens: int | None
    energy_method: str
    pue: float
    embodied_preset: str
    embodied_g_per_s: float
    embodied_detail: str | None
    zone: str
    intensity_source: str | None
    intensity_kind: str | None
    intensity_factor: str | None

    @property
    def conditions(self) -> tuple[object, ...]:
        """Return what must be equal for the costs of requests to be comparable."""
        return (
            self.run_id,
            self.model,
            self.machine,
            self.parallel,
            self.threads,
            self.gpu_layers,
            self.max_tokens,
            self.energy_method,
        )

    @property
    def mark(self) -> str:
        """Return what kind of number the intensity is: measured, forecast, yearly average..."""
        return mark_of(self.intensity_source)

    @property
    def is_energy_estimated(self) -> bool:
        """Whether any part of the energy comes from a model, not from a counter."""
        return ESTIMATE in self.energy_method


def comparable(conditions: Conditions) -> tuple[object, ...]:
    """Return `Circumstances.conditions` of requests that were served under these."""
    return (None, *astuple(conditions))


def energy_mark(method: str) -> str:
    """Return the mark of energy that was obtained so: estimated, also in part, or measured."""
    return "estimated" if ESTIMATE in method else "measured"


def mark_of(source: str | None) -> str:
    """Return the mark of a described source: "eia (forecast)" is a forecast."""
    if source is None:
        return NOT_RECORDED
    return source[source.rindex("(") + 1 : -1] if source.endswith(")") else source


@dataclass(frozen=True, slots=True)
class Cell:
    """Sums over requests of one stretch of time, task, level and circumstances.

    Args:
        circumstances: None for requests that failed.
        model: that was to answer, itself or by the variant that the level names.
        zone: what the requests count for in the grouping of this name.
        when: UTC; "2026-01-31T23", or shorter for a day or a month.
        energy_j, energy_j2, energy_busy_js: sums of the joules without PUE, of their squares and of
            their products with the busy seconds.
        g_per_kwh: summed over the requests.
    """

    circumstances: Circumstances | None
    model: str
    zone: str
    when: str
    task: str
    level: str
    directive_key: str
    is_pinned: bool
    num_answered: int
    num_failed: int
    num_prompt_tokens: int
    num_new_tokens: int
    energy_j: float
    energy_j2: float
    busy_s: float
    busy_s2: float
    energy_busy_js: float
    g_per_kwh: float
    operational_g: float
    embodied_g: float


@dataclass(frozen=True, slots=True)
class RunEnergy:
    """What the counters saw of runs beyond the requests' own energy, while the period lasted.

    A run that lies in the period only in part counts by its part of the requests' energy.

    Args:
        metered_j: the counters' difference.
        idle_j: of the rest, what fell in time without any running request.
        lost_j: of the rest, what was spent on work that no answer shows: kills, failures.
        operational_g: of idle and lost energy, with PUE, at the runs' own intensities.
    """

    num_runs: int
    metered_j: float
    idle_j: float
    lost_j: float
    operational_g: float


@dataclass(frozen=True, slots=True)
class Metered:
    """What evaluations drew by one energy method.

    Args:
        name: the method.
        energy_j: without PUE.
        operational_g: what it emitted, with PUE.
    """

    name: str
    energy_j: float
    operational_g: float

    @property
    def mark(self) -> str:
        """Return what kind of number the energy is: measured or estimated."""
        return energy_mark(self.name)


@dataclass(frozen=True, slots=True)
class Emitted:
    """What evaluations emitted at intensities of one origin.

    Args:
        source: with its mark, such as "eia (forecast)"; None: not recorded, as the next two may be.
        operational_g: with PUE.
    """

    zone: str
    source: str | None
    kind: str | None
    factor: str | None
    operational_g: float

    @property
    def name(self) -> str:
        """Return zone and source, as a report names the intensities of requests."""
        return f"{self.zone}: {self.source or NOT_RECORDED}"

    @property
    def mark(self) -> str:
        """Return what kind of number the intensity is."""
        return mark_of(self.source)


@dataclass(frozen=True, slots=True)
class Evaluating:
    """What judging answers cost: part of the price of directives.

    Args:
        energy: by method, in the order of their names.
        intensity: by zone and source, in the order of their names.
    """

    num_evaluations: int
    energy: tuple[Metered, ...]
    intensity: tuple[Emitted, ...]
    busy_s: float
    embodied_g: float

    @property
    def metered_j(self) -> float:
        """Return the energy by all methods, in joules without PUE."""
        return sum(each.energy_j for each in self.energy)

    @property
    def operational_g(self) -> float:
        """Return what that energy emitted, in gCO2eq."""
        return sum(each.operational_g for each in self.energy)

    @property
    def carbon_g(self) -> float:
        """Return both parts together, in gCO2eq."""
        return self.operational_g + self.embodied_g

    @property
    def operational_marks(self) -> tuple[str, ...]:
        """Return what kinds of numbers its operational carbon rests on: energy and intensities."""
        of_intensities = (each.mark for each in self.intensity)
        return tuple(dict.fromkeys([*(each.mark for each in self.energy), *of_intensities]))

    @property
    def marks(self) -> tuple[str, ...]:
        """Return what kinds of numbers its carbon rests on."""
        marks = self.operational_marks
        return (*marks, "modelled") if self.embodied_g else marks

    @property
    def intensity_marks(self) -> str:
        """Return what kinds of numbers its intensities are, in words."""
        return ", ".join(dict.fromkeys(each.mark for each in self.intensity))


@dataclass(frozen=True, slots=True)
class Waited:
    """What runs moved that may wait for greener hours.

    Args:
        num_runs: runs with a deadline in the period.
        moved_g: how much less their energy emitted than at the intensity when each began.
    """

    num_runs: int
    moved_g: float
