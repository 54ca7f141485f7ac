"""What a request at one level costs, learned from requests; recent ones weigh more. Pure.

Each new sample multiplies the weight of all older ones by DECAY. With weights w_i the mean is
sum(w x) / sum(w), its standard error s / sqrt(n_eff) with n_eff = sum(w)^2 / sum(w^2) (Kish).
The sums are updated one sample at a time (West 1979): a row of the store is all there is to keep.

Tasks have mixes of their own, so the requests that one level served are not those of another: what
a level costs over all tasks is read from the tasks' rows, with one set of weights for every level
(post-stratification). With W_t a task's part of all requests,

    mean = sum(W_t m_t),    standard error^2 = sum((W_t s_t)^2),    n_eff = 1 / sum(W_t^2 / n_t)
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

ALL_TASKS = "*"
"""The task under which every sample counts, whatever its own."""

HALF_LIFE_REQUESTS = 200
"""After this many newer requests of its level and task a sample counts half."""

DECAY = 0.5 ** (1 / HALF_LIFE_REQUESTS)

LEAST_REQUESTS = 2
"""Of a task at each level, for it to stand among all tasks: one request has no spread."""

ENOUGH_REQUESTS = 30
"""Of a task at a level, for their own mean and spread to be believed: a few may agree by chance."""

_T_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)


def t_95(degrees: int) -> float:
    """Return the two-sided 95 % point of Student's t, for at least one degree of freedom.

    Beyond the table Fisher's expansion around the normal distribution's, good to 1e-3.
    """
    if degrees <= len(_T_95):
        return _T_95[degrees - 1]
    z = 1.959964
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / degrees + second / degrees**2 + third / degrees**3


@dataclass(frozen=True, slots=True)
class Conditions:
    """Under what a cost was measured; costs under other conditions are never pooled with it.

    Args:
        model: fingerprint of the model file.
        machine: the processor and GPUs.
        parallel: requests decoded at the same time.
        threads: CPU threads of the engine.
        gpu_layers: layers on the GPU.
        max_tokens: limit of new tokens.
        energy_method: how joules were obtained, e.g. "nvml_counter+rapl".
    """

    model: str
    machine: str
    parallel: int
    threads: int
    gpu_layers: int
    max_tokens: int
    energy_method: str


@dataclass(frozen=True, slots=True)
class Sample:
    """What one finished request cost."""

    directive_key: str
    task: str
    energy_j: float
    busy_s: float
    num_prompt_tokens: int
    num_new_tokens: int


@dataclass(frozen=True, slots=True)
class Moments:
    """Mean and weighted sum of squared deviations of one quantity."""

    mean: float = 0.0
    deviations: float = 0.0

    def add(self, value: float, weight: float) -> "Moments":
        """Return the moments with one more value; `weight` is the sum of weights including it."""
        mean = self.mean + (value - self.mean) / weight
        return Moments(mean, DECAY * self.deviations + (value - self.mean) * (value - mean))


@dataclass(frozen=True, slots=True)
class Cost:
    """Weighted means per request at one level: joules, busy seconds and tokens."""

    num_requests: int = 0
    weight: float = 0.0
    weight_squared: float = 0.0
    energy_j: Moments = Moments()
    busy_s: Moments = Moments()
    prompt_tokens: Moments = Moments()
    new_tokens: Moments = Moments()

    def add(self, sample: Sample) -> "Cost":
        """Return the cost with one more request."""
        weight = DECAY * self.weight + 1
        return Cost(
            self.num_requests + 1,
            weight,
            DECAY**2 * self.weight_squared + 1,
            self.energy_j.add(sample.energy_j, weight),
            self.busy_s.add(sample.busy_s, weight),
            self.prompt_tokens.add(sample.num_prompt_tokens, weight),
            self.new_tokens.add(sample.num_new_tokens, weight),
        )

    def variance(self, moments: Moments) -> float | None:
        """Return the variance of one request's quantity, or None for fewer than two requests."""
        degrees = self.weight - self.weight_squared / self.weight if self.weight else 0.0
        return max(0.0, moments.deviations / degrees) if self.num_requests > 1 else None

    def standard_error(self, moments: Moments) -> float | None:
        """Return the standard error of the mean, or None for fewer than two requests."""
        variance = self.variance(moments)
        if variance is None:
            return None
        return math.sqrt(variance * self.weight_squared) / self.weight


CostTable = Mapping[tuple[str, str], Cost]
"""Costs by (directive key, task); `ALL_TASKS` is one of the tasks."""


def learn(table: CostTable, samples: Iterable[Sample]) -> dict[tuple[str, str], Cost]:
    """Return the rows that the samples change: each sample's own task and all tasks."""
    changed: dict[tuple[str, str], Cost] = {}
    for sample in samples:
        for task in dict.fromkeys((sample.task, ALL_TASKS)):
            row = (sample.directive_key, task)
            changed[row] = changed.get(row, table.get(row, Cost())).add(sample)
    return changed


def task_weights(
    num_requests: Mapping[tuple[str, str], int], keys: Sequence[str]
) -> dict[str, float]:
    """Return the part of the requests, sums to 1, of each task that was measured at every level.

    Counts do not fade here: of tasks that are all served often, faded ones are all alike.

    Args:
        num_requests: by (directive key, task).
        keys: the directive keys of the levels.

    Returns:
        nothing where no task was measured at every level.
    """
    totals = {}
    for task in sorted({task for _, task in num_requests} - {ALL_TASKS}):
        counts = [num_requests.get((key, task), 0) for key in keys]
        if min(counts) >= LEAST_REQUESTS:
            totals[task] = sum(counts)
    return {task: num / sum(totals.values()) for task, num in totals.items()}


def of_all_tasks(table: CostTable, keys: Sequence[str]) -> dict[str, Cost]:
    """Return what a request costs at each level over all tasks, by directive key.

    Every level weighs tasks alike, so that no level looks cheap for what it was asked. Where no
    task was measured at every level, as after a calibration, which asks each prompt at all of them
    once, it is what all requests of a level cost. A level that was never measured is left out.
    """
    weights = task_weights({row: cost.num_requests for row, cost in table.items()}, keys)
    known = {key: table[key, ALL_TASKS] for key in keys if (key, ALL_TASKS) in table}
    if not weights:
        return known
    return {
        key: _weighted(
            [(weight, table[key, task]) for task, weight in weights.items()], known.get(key, Cost())
        )
        for key in keys
    }


def _weighted(parts: Sequence[tuple[float, Cost]], every: Cost) -> Cost:
    """Return the cost of tasks together, by their weights, which sum to 1.

    Args:
        every: of all requests at the level. Where a task has few, they are taken to be no more
            alike than all are.
    """
    squared = sum((part / cost.weight) ** 2 * cost.weight_squared for part, cost in parts)

    def moments(of: Callable[[Cost], Moments]) -> Moments:
        error2 = 0.0
        for part, cost in parts:
            variance = cost.variance(of(cost)) or 0.0
            if cost.num_requests < ENOUGH_REQUESTS:
                variance = max(variance, every.variance(of(every)) or 0.0)
            error2 += (part / cost.weight) ** 2 * cost.weight_squared * variance
        # the deviations whose standard error, by these weights, is that one
        return Moments(
            sum(part * of(cost).mean for part, cost in parts), error2 * (1 / squared - 1)
        )

    return Cost(
        sum(cost.num_requests for _, cost in parts),
        1.0,
        squared,
        moments(lambda cost: cost.energy_j),
        moments(lambda cost: cost.busy_s),
        moments(lambda cost: cost.prompt_tokens),
        moments(lambda cost: cost.new_tokens),
    )


def is_cheaper(cost: Cost, baseline: Cost) -> bool:
    """Return whether a level costs less energy than the baseline by two standard errors."""
    error = cost.standard_error(cost.energy_j)
    baseline_error = baseline.standard_error(baseline.energy_j)
    if error is None or baseline_error is None:
        return False
    saved_j = baseline.energy_j.mean - cost.energy_j.mean
    return saved_j > 2 * math.hypot(error, baseline_error)
