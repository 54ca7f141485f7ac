"""Records with plain values, for tests of what is done with them."""

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from sprout import directive_sets
from sprout.accounting import Step
from sprout.batch.answers import Admission, Grid, Served, answer_line
from sprout.batch.prompts import Prompt, read
from sprout.carbon import footprint
from sprout.chat import Sampling
from sprout.costs import ALL_TASKS, Conditions, Cost, Sample
from sprout.directives import PAPER_PREFERENCE, DirectiveSet
from sprout.engine.base import Completion, Request, StepResult
from sprout.engine.recorded import RecordedEngine
from sprout.grid.intensity import Intensity, IntensityRange
from sprout.grid.reading import GridReading, known
from sprout.planning import planner
from sprout.planning.plan import Plan, PlanOptions, Snapshot
from sprout.quality.preference import Preference, prior

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
LEVELS = directive_sets.load("concise")
KEYS = {directive.level: directive.key for directive in LEVELS.directives}
UNDER = Conditions("model", "machine", 8, 2, 0, 256, "rapl")


def prompt(name: str = "a", **more: object) -> Prompt:
    line = json.dumps({"id": name, "prompt": f"Tell me of {name}."} | more).encode()
    levels = tuple(KEYS)
    (row,) = read([line], defaults=Sampling(), levels=levels, is_new_id=lambda _id: True)
    assert isinstance(row, Prompt), row
    return row


def intensity(
    g_per_kwh: float = 200.0,
    start: datetime = NOW,
    *,
    duration_s: int = 3600,
    zone: str = "DE",
    source: str = "electricitymaps_csv",
    is_forecast: bool = False,
    is_estimated: bool = False,
) -> Intensity:
    return Intensity(
        source=source,
        zone=zone,
        start=start,
        duration_s=duration_s,
        g_per_kwh=g_per_kwh,
        kind="average",
        factor_type="lifecycle",
        is_forecast=is_forecast,
        is_estimated=is_estimated,
        generated_at=None,
        fetched_at=start + timedelta(minutes=5),
    )


def reading(g_per_kwh: float = 200.0, start: datetime = NOW) -> GridReading:
    """A measured hour, judged against a range from 100 to 500 g/kWh."""
    return known(intensity(g_per_kwh, start), IntensityRange(100, 500, "history of DE"))


def sample(level: str = "L0", energy_j: float = 10.0, *, task: str = "") -> Sample:
    """A request that took a second for every 10 J, and a new token for every J."""
    return Sample(KEYS[level], task, energy_j, energy_j / 10, 20, round(energy_j))


def cost(energies_j: Sequence[float], level: str = "L0") -> Cost:
    total = Cost()
    for energy_j in energies_j:
        total = total.add(sample(level, energy_j))
    return total


def snapshot(
    costs: dict[str, Cost],
    *,
    g_per_kwh: float = 300.0,
    shares: dict[str, float] | None = None,
    start: datetime = NOW,
) -> Snapshot:
    preference = PAPER_PREFERENCE if shares is None else shares
    return Snapshot(
        grid=reading(g_per_kwh, start),
        costs={(KEYS[level], ALL_TASKS): each for level, each in costs.items()},
        energy_method="rapl",
        is_energy_estimated=False,
        preference=Preference(prior(preference), {}, "a judge", is_prior=False),
    )


MEASURED = {
    "L0": cost([100.0, 100.0, 100.0], "L0"),
    "L1": cost([60.0, 60.0, 60.0], "L1"),
    "L2": cost([30.0, 30.0, 30.0], "L2"),
}
"""100, 60 and 30 J; 10, 6 and 3 s; without any spread."""


def a_plan(g_per_kwh: float = 300.0, start: datetime = NOW, explore: float = 0.02) -> Plan:
    options = PlanOptions(tolerance=0.1, explore=explore, pue=1.0, embodied_g_per_s=0.0)
    return planner.make(
        snapshot(MEASURED, g_per_kwh=g_per_kwh, start=start), LEVELS, options, start
    )


def levels(*names: str) -> DirectiveSet:
    """The first levels of the set, by name."""
    chosen = tuple(each for each in LEVELS.directives if each.level in names)
    return DirectiveSet("chosen", "", chosen)


def admission(row: Prompt, level: str = "L0", plan_id: str | None = "plan-1") -> Admission:
    return Admission(row, level, KEYS[level], plan_id)


def served(
    admitted: Admission,
    *,
    energy_j: float = 36.0,
    busy_s: float = 2.0,
    g_per_kwh: float = 200.0,
    text: str = "An answer.",
) -> Served:
    """By default 36 J = 1e-5 kWh at 200 g/kWh: 0.002 g, and 2 s at 0.001 g/s: 0.002 g more."""
    return Served(
        admission=admitted,
        completion=Completion(admitted.prompt.id, text, "stop", 20, 10, 1.0, 4.0),
        energy_j=energy_j,
        energy_method="rapl",
        busy_s=busy_s,
        footprint=footprint(energy_j, busy_s, g_per_kwh, 1.0, 0.001),
        grid=Grid("DE", g_per_kwh, "electricitymaps_csv (measured)"),
    )


def recording(path: Path, num_answers: int = 3) -> Path:
    """Write answers of each level: at L0 of 100 + i tokens, at L1 of 60 + i, at L2 of 30 + i."""
    lines = []
    for level, num_tokens in (("L0", 100), ("L1", 60), ("L2", 30)):
        for i in range(num_answers):
            name = f"{level}-{i}"
            row = served(admission(prompt(name), level))
            answer = Completion(name, f"answer {name}", "stop", 20, num_tokens + i, 0.0, 1.0)
            told = Served(
                row.admission, answer, row.energy_j, "rapl", row.busy_s, row.footprint, row.grid
            )
            lines.append(answer_line(told, "run-1", "recorded", NOW))
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


@dataclass
class SteadyPower:
    """Samples of a counter that rises by `power_w` with every second of perf_counter."""

    power_w: float = 50.0
    taken: list[tuple[float, float]] = field(default_factory=list)
    first: tuple[float, float] | None = None
    start_s: float = field(default_factory=time.perf_counter)

    def read_now(self) -> tuple[float, float]:
        now_s = time.perf_counter()
        reading = (now_s, (now_s - self.start_s) * self.power_w)
        self.first = self.first or reading
        self.taken.append(reading)
        return reading

    def drain(self) -> list[tuple[float, float]]:
        self.read_now()
        taken, self.taken = self.taken, []
        return taken


class SmallContextEngine(RecordedEngine):
    """A recording whose engine has no room for prompts of more than 100 characters.

    `asked` are the requests in order, `batches` how many waited at each step.
    """

    def __init__(self, path: Path, parallel: int) -> None:
        super().__init__(path, parallel)
        self.asked: list[Request] = []
        self.batches: list[int] = []
        self._failed: list[Completion] = []

    @property
    def is_busy(self) -> bool:
        return bool(self._failed) or super().is_busy

    def submit(self, request: Request) -> None:
        self.asked.append(request)
        if len(request.chat[-1].content) > 100:
            reason = "the prompt is too long"
            self._failed.append(Completion(request.id, "", None, 0, 0, 0.0, 0.0, reason))
        else:
            super().submit(request)

    def step(self) -> StepResult:
        self.batches.append(len(self._waiting))
        failed, self._failed = self._failed, []
        if not self._waiting:
            return StepResult(None, tuple(failed))
        result = super().step()
        return StepResult(result.step, (*failed, *result.completions))


class TwoStepEngine(RecordedEngine):
    """A recording whose engine reads the waiting prompts in one step and answers in the next."""

    def __init__(self, path: Path, parallel: int) -> None:
        super().__init__(path, parallel)
        self._has_read = False

    def step(self) -> StepResult:
        self._has_read = not self._has_read
        if not self._has_read:
            return super().step()
        start_s = time.perf_counter()
        shares = tuple((request.id, 20.0) for request in islice(self._waiting, self._parallel))
        return StepResult(Step(start_s, time.perf_counter(), shares), ())
