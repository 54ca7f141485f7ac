"""Stores with requests of every kind, and what a report of them must say, worked out row by row."""

import math
import random
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from statistics import fmean

from plain_records import KEYS, UNDER, prompt

from sprout.batch.answers import Admission, Counting, Failed, Grid, Served
from sprout.carbon import EmbodiedRate, footprint
from sprout.costs import Conditions, t_95
from sprout.directives import parted
from sprout.engine.base import Completion
from sprout.report import facts
from sprout.report.baselines import MIN_OF_TASK
from sprout.report.facts import BYS, By, Period, Report
from sprout.state import reports
from sprout.state.completions import Completions
from sprout.state.runs import Run, Runs, Waits
from sprout.state.store import Store

START = datetime(2026, 3, 27, 22, 30, tzinfo=UTC)  # two days before clocks change in Europe
NOW = datetime(2026, 4, 10, 12, tzinfo=UTC)
ESTIMATED = replace(UNDER, energy_method="tdp_estimate")


@dataclass(frozen=True, slots=True)
class Row:
    """One answered request, as it was put into the store."""

    at: datetime
    under: Conditions
    pue: float
    rate: float
    zone: str
    model: str
    task: str
    level: str
    is_pinned: bool
    energy_j: float
    busy_s: float
    g_per_kwh: float
    carbon_g: float

    @property
    def would_be(self) -> tuple[float, float]:
        """What a joule and a busy second count for, in g."""
        return self.g_per_kwh * self.pue / 3.6e6, self.rate


@dataclass(slots=True)
class Writer:
    """Writes runs into a store and remembers every answered request."""

    store: Store
    rows: list[Row]
    num_runs: int = 0

    def run(
        self,
        at: datetime,
        counting: Counting,
        *,
        zone: str = "DE",
        is_finished: bool = True,
        metered_j: float = 0.0,
        idle_j: float = 0.0,
        waits: Waits | None = None,
    ) -> "Writing":
        """Begin a run."""
        run_id = f"run-{self.num_runs}"
        self.num_runs += 1
        runs = Runs(self.store)
        runs.start(
            Run(
                id=run_id,
                started_at=at,
                input="prompts.jsonl",
                output=None,
                model=counting.conditions.model,
                machine=counting.conditions.machine,
                zone=zone,
                energy_method=counting.conditions.energy_method,
                pue=counting.pue,
                embodied_preset=counting.embodied.preset,
                embodied_g_per_s=counting.embodied.g_per_s,
                waits=waits,
            )
        )
        runs.add_meter(run_id, metered_j, idle_j)
        return Writing(self, run_id, counting, zone, is_finished=is_finished)


@dataclass(slots=True)
class Writing:
    """One run that is being written."""

    writer: Writer
    run_id: str
    counting: Counting
    zone: str
    is_finished: bool
    num: int = 0

    def answer(
        self,
        at: datetime,
        level: str = "L0",
        *,
        task: str = "",
        is_pinned: bool = False,
        energy_j: float = 10.0,
        busy_s: float = 1.0,
        g_per_kwh: float = 300.0,
        source: str = "electricitymaps_csv (measured)",
        kind: str | None = "average",
        factor_type: str | None = "lifecycle",
    ) -> None:
        """Answer one request."""
        admission = self._admit(at, level, task, is_pinned=is_pinned)
        counting = self.counting
        print_ = footprint(energy_j, busy_s, g_per_kwh, counting.pue, counting.embodied.g_per_s)
        served = Served(
            admission=admission,
            completion=Completion(admission.prompt.id, "An answer.", "stop", 20, 10, 1.0, 4.0),
            energy_j=energy_j,
            energy_method=counting.conditions.energy_method,
            busy_s=busy_s,
            footprint=print_,
            grid=Grid(self.zone, g_per_kwh, source, kind, factor_type),
        )
        self._completions.complete([served], at, counting)
        self.writer.rows.append(
            Row(
                at,
                counting.conditions,
                counting.pue,
                counting.embodied.g_per_s,
                self.zone,
                counting.model_name,
                task,
                level,
                is_pinned,
                energy_j,
                busy_s,
                g_per_kwh,
                print_.carbon_g,
            )
        )

    def fail(self, at: datetime, task: str = "") -> None:
        """Let one request fail."""
        admission = self._admit(at, "L0", task)
        failed = Failed(admission.prompt.id, 1, "request_failed", "too long")
        self._completions.fail([failed], at)

    def leave_open(self, at: datetime) -> None:
        """Admit one request that nobody finishes."""
        self._admit(at, "L1", "")

    def end(self, at: datetime) -> None:
        """Finish the run, if it is to be finished."""
        if self.is_finished:
            Runs(self.writer.store).finish(self.run_id, at)

    @property
    def _completions(self) -> Completions:
        return Completions(self.writer.store, self.run_id)

    def _admit(self, at: datetime, level: str, task: str, *, is_pinned: bool = False) -> Admission:
        row = prompt(f"p{self.num}", **({"task": task} if task else {}))
        self.num += 1
        plan_id = None if is_pinned else f"{self.run_id}-plan"
        admission = Admission(row, level, KEYS[parted(level)[1]], plan_id)
        self._completions.admit([admission], at)
        return admission


def counting(
    conditions: Conditions = UNDER,
    *,
    pue: float = 1.2,
    preset: str = "server",
    g_per_s: float = 0.001,
    model_name: str = "small",
) -> Counting:
    return Counting(
        conditions, model_name, pue, EmbodiedRate(preset, g_per_s, f"{preset}, by hand")
    )


MIXED = (
    (counting(), "DE", "electricitymaps_csv (measured)"),
    (counting(ESTIMATED, pue=1.0, preset="paper", g_per_s=0.0002), "FR", "yearly average"),
    (counting(replace(UNDER, parallel=1)), "DE", "eia (forecast)"),
    (counting(replace(UNDER, model="other"), model_name="large"), "GB", "neso (estimated)"),
)


def write_mixed(store: Store, seed: int, num: int = 400) -> list[Row]:
    """Write runs under several conditions, with tasks that differ in cost and in mix."""
    rng = random.Random(seed)  # noqa: S311 - to be repeatable
    writer = Writer(store, [])
    for number, (counted, zone, source) in enumerate(MIXED):
        at = START + number * timedelta(hours=30)
        run = writer.run(at, counted, zone=zone, is_finished=number != 1, metered_j=1e5, idle_j=50)
        with store.write():
            for _ in range(num // len(MIXED)):
                at += timedelta(minutes=rng.choice([1, 7, 70]))
                task = rng.choice(["qa", "qa", "qa", "maths", "maths", "", "rare"])
                weights = {"qa": (1, 2, 3), "maths": (6, 1, 1), "": (2, 2, 0), "rare": (0, 1, 1)}
                level = rng.choices(["L0", "L1", "L2"], weights[task])[0]
                scale = {"L0": 1.0, "L1": 0.6, "L2": 0.3}[level] * (4.0 if task == "maths" else 1.0)
                if counted.model_name == "large" and rng.random() < 0.5:
                    level = f"q8_0/{level}"
                energy_j = scale * rng.uniform(5, 15)
                run.answer(
                    at,
                    level,
                    task=task,
                    is_pinned=rng.random() < 0.1,
                    energy_j=energy_j,
                    busy_s=energy_j * rng.uniform(0.08, 0.12),
                    g_per_kwh=rng.uniform(50, 600),
                    source=source,
                )
            run.fail(at, "qa")
            run.leave_open(at)
        run.end(at)
    return writer.rows


def read(
    store: Store,
    since: datetime | None = None,
    now: datetime = NOW,
    bys: tuple[By, ...] = BYS,
    until: datetime | None = None,
) -> Report:
    """Return what a report says."""
    with reports.reading(store, since, until) as reading:
        span = reading.span()
        step = facts.step_for(span.first, span.last) if span else "day"
        known = reading.known(now)
        return facts.make(reading.cells(step), known, Period(now, since, step, bys, until))


def read_path(path: Path, since: datetime | None = None) -> Report:
    with Store.open(path) as store:
        return read(store, since)


@dataclass(frozen=True, slots=True)
class Expected:
    """What was saved, worked out one request at a time."""

    saved_g: float
    half_width_g: float
    baseline_g: float
    num_counted: int
    num_unknown: int


def by_brute_force(rows: Iterable[Row], among: Iterable[Row]) -> Expected:
    """Work out what `rows` saved, with the L0 requests of `among` as their counterfactual."""
    pool = [row for row in among if row.level == "L0" and not row.is_pinned]
    baseline_g = actual_g = 0.0
    unknown = counted = 0
    weights: dict[tuple[Conditions, str | None], list[float]] = {}
    for row in rows:
        if row.is_pinned:
            continue
        a, b = row.would_be
        alike = [other for other in pool if other.under == row.under]
        own = [other for other in alike if other.task == row.task]
        stands_in = own if len(own) >= MIN_OF_TASK else alike
        if row.level == "L0":
            baseline_g += row.carbon_g
        elif len(stands_in) < 2:
            unknown += 1
            continue
        else:
            mean_j = fmean(other.energy_j for other in stands_in)
            mean_s = fmean(other.busy_s for other in stands_in)
            baseline_g += a * mean_j + b * mean_s
            key = (row.under, row.task if stands_in is own else None)
            sums = weights.setdefault(key, [0.0, 0.0])
            sums[0] += a
            sums[1] += b
        counted += 1
        actual_g += row.carbon_g
    half_g = [_half_width(key, sums, pool) for key, sums in weights.items()]
    by_conditions = [
        math.hypot(*(half for key, half in half_g if key[0] == under and key[1] is not None))
        + sum(half for key, half in half_g if key[0] == under and key[1] is None)
        for under in {key[0] for key, _ in half_g}
    ]
    return Expected(baseline_g - actual_g, math.hypot(*by_conditions), baseline_g, counted, unknown)


def _half_width(
    key: tuple[Conditions, str | None], sums: list[float], pool: list[Row]
) -> tuple[tuple[Conditions, str | None], float]:
    """The error of a mean of a j + b s, each L0 request counted once, by the textbook."""
    under, task = key
    costs = [
        sums[0] * row.energy_j + sums[1] * row.busy_s
        for row in pool
        if row.under == under and (task is None or row.task == task)
    ]
    mean = fmean(costs)
    variance = sum((cost - mean) ** 2 for cost in costs) / (len(costs) - 1)
    return key, t_95(len(costs) - 1) * math.sqrt(variance / len(costs))
