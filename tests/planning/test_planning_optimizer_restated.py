"""The programme of the module's docstring, written down once more and solved by another solver."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ortools.linear_solver import pywraplp

from sprout.errors import InputError
from sprout.planning.optimizer import solve
from sprout.planning.problem import Deferrable, Floor, Problem


def random_problem(seed: int) -> Problem:
    """Return up to 3 slots, 3 classes and 4 levels with all that a problem may have; often ties."""
    rng = np.random.default_rng(seed)
    num_slots, num_classes, num_levels = rng.integers(1, [4, 4, 5]).tolist()
    shape = (num_classes, num_levels)
    energy_kwh, time_s = rng.uniform(1e-5, 3e-4, shape), rng.uniform(0.1, 5, shape)
    preference = rng.uniform(0, 0.6, shape)
    if rng.random() < 0.3:
        energy_kwh, time_s, preference = energy_kwh.round(4), time_s.round(), preference.round(1)
    intensity = rng.uniform(0, 700, num_slots) * rng.choice([1.0, 1.0, 0.0])
    demand = rng.uniform(0, 5, (num_slots, num_classes)) * (
        rng.random((num_slots, num_classes)) < 0.7
    )
    demand[0, 0] += 1
    deferrable = []
    for _ in range(rng.integers(4)):
        first, last = sorted(rng.integers(num_slots, size=2).tolist())
        amount = float(rng.uniform(0.5, 20))
        deferrable.append(Deferrable(int(rng.integers(num_classes)), amount, first, last))
    floors = []
    for _ in range(rng.integers(4)):
        slots = rng.permutation(num_slots)[: rng.integers(1, num_slots + 1)].tolist()
        classes = rng.permutation(num_classes)[: rng.integers(1, num_classes + 1)].tolist()
        least = rng.choice([rng.uniform(0, 0.7), preference[classes[0], 0], preference.max()])
        floors.append(Floor(tuple(slots), tuple(classes), float(least)))
    total = demand.sum() + sum(each.amount for each in deferrable)
    explored = np.full(shape, rng.uniform(0, 0.5 / num_levels))
    is_free = rng.random(shape) < 0.7
    is_free[:, 0] = True
    return Problem(
        energy_kwh, time_s, preference, intensity, float(rng.choice([0.0, 1.67e-4])), demand,
        tuple(deferrable), tuple(floors),
        np.full(num_slots, total * rng.uniform(1, 6) / num_slots) if rng.random() < 0.5 else None,
        explored, np.where(is_free, 1.0, explored),
    )  # fmt: skip


def least_carbon_g(problem: Problem) -> float | None:
    """Return the least carbon that keeps every floor; None where nothing does."""
    solver: Any = pywraplp.Solver.CreateSolver("CLP")
    slots, classes, levels = map(range, problem.shape)
    least, most = problem.share_bounds
    groups = [
        *((problem.demand[t, c], [t], c) for t, c in product(slots, classes)),
        *(
            (each.amount, range(each.first_slot, each.last_slot + 1), each.task_class)
            for each in problem.deferrable
        ),
    ]
    cells: list[tuple[int, int, list[Any]]] = []
    for amount, window, c in groups:
        served = [(t, c, [solver.NumVar(0, amount, "") for _ in levels]) for t in window]
        solver.Add(solver.Sum([x for _, _, row in served for x in row]) == amount)
        cells += served
    for _, c, row in cells:
        for v in levels:
            solver.Add(row[v] >= least[c, v] * solver.Sum(row))
            solver.Add(row[v] <= most[c, v] * solver.Sum(row))
    for t, most_s in enumerate([] if problem.capacity_s is None else problem.capacity_s):
        seconds = [problem.time_s[c, v] * row[v] for s, c, row in cells if s == t for v in levels]
        solver.Add(solver.Sum(seconds) <= most_s)
    for floor in problem.floors:
        beyond = [
            (problem.preference[c, v] - floor.min_preference) * row[v]
            for t, c, row in cells
            if t in floor.slots and c in floor.classes
            for v in levels
        ]
        solver.Add(solver.Sum(beyond) >= 0)
    unit_g = problem.cost_g.max() or 1.0
    cost = [problem.cost_g[t, c, v] / unit_g * row[v] for t, c, row in cells for v in levels]
    solver.Minimize(solver.Sum(cost))
    is_solved = solver.Solve() == pywraplp.Solver.OPTIMAL
    return solver.Objective().Value() * unit_g if is_solved else None


@settings(max_examples=100)
@given(st.integers(0, 10**9))
def test_it_finds_the_least_carbon_of_whatever_a_problem_may_ask(seed: int) -> None:
    problem = random_problem(seed)
    expected = least_carbon_g(problem)
    try:
        mix = solve(problem)
    except InputError:
        assert expected is None
        return
    if expected is None:  # some floor is out of reach: test_planning_optimizer has what then
        assert mix.floor_price_g is None
        return
    assert mix.is_floor_met
    assert mix.carbon_g == pytest.approx(expected, rel=1e-5, abs=1e-9)
