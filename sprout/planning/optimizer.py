"""The one linear programme: which share of the demand is served at which level, and when.

    minimise  sum x[t,c,v] (k0[t] e[c,v] + k1 p[c,v])
    subject to  sum_v x[t,c,v] = d[t,c]      fixed demand; a deferrable one over its window as well
                sum_cv p[c,v] x[t,c,v] <= s[t]       capacity
                sum (q[c,v] - q_lb) x[t,c,v] >= 0    each floor, over its slots and classes
                x >= 0, and each level's share of what (t, c) serves within its bounds

x is `Mix.amount`, k0 `intensity_g_per_kwh`, e `energy_kwh`, k1 `embodied_g_per_s`, p `time_s`,
d `demand`, s `capacity_s`, q `preference`, q_lb `Floor.min_preference`; t is a time slot, c a task
class, v a level. With one slot, one class and one floor this is the programme of section 3 of the
paper.

Solved by GLOP in variables that are shares of the demand, with the largest cost as the unit:
energies near 1e-4 kWh would drown in the solver's tolerances. OR-Tools is imported when the first
problem comes: that takes a third of a second, and who only shows a plan needs none.
"""

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from sprout.errors import InputError
from sprout.planning.problem import FloatArray, Floor, Mix, Problem, mix_of

if TYPE_CHECKING:
    from ortools.math_opt.python import mathopt

IntArray = NDArray[np.int64]

PREFERENCE_POINT = 0.01
# A share below this is the solver's rounding.
SMALLEST_SHARE = 1e-9
# A coefficient of a row below this is rounding, on which the solver's presolve stumbles.
SMALLEST_COEFFICIENT = 1e-12
# Room above the least shortfall, so that the second solve is feasible in floating point.
SHORTFALL_ROOM = 1e-8

TIME_LIMIT = timedelta(seconds=60)
"""A week of hours takes less than a second; should GLOP ever cycle, a run must not hang with it."""


def solve(problem: Problem) -> Mix:
    """Return the mix of least carbon that keeps every floor.

    Where floors cannot all be kept, their shortfalls together are made least, and then the carbon:
    one unreachable floor yields the most preferred levels within the bounds. Demand that exceeds
    the capacity is an InputError.
    """
    programme = _Programme(problem)
    try:
        amount, floor_price_g = programme.minimise_carbon()
    except _InfeasibleError:
        programme.relax_floors()
        amount, _ = programme.minimise_carbon()
        return mix_of(problem, amount, None)
    return mix_of(problem, amount, floor_price_g)


class _InfeasibleError(Exception):
    """No mix meets every constraint."""


@dataclass(frozen=True, slots=True, eq=False)
class _Cells:
    """Where demand can be served, arrays [n].

    A group is a demand that has to be served in full: a fixed one has one cell, a deferrable one a
    cell for each slot of its window. `units` is the demand of the cell's group.
    """

    group: IntArray
    slot: IntArray
    task_class: IntArray
    units: FloatArray


def _cells(problem: Problem) -> _Cells:
    """Return the cells of all demand, fixed first."""
    fixed = np.argwhere(problem.demand).tolist()
    rows = [(i, t, c, problem.demand[t, c]) for i, (t, c) in enumerate(fixed)]
    for i, deferrable in enumerate(problem.deferrable, start=len(fixed)):
        window = range(deferrable.first_slot, deferrable.last_slot + 1)
        rows.extend((i, t, deferrable.task_class, deferrable.amount) for t in window)
    group, slot, task_class, units = zip(*rows, strict=True)
    return _Cells(np.array(group), np.array(slot), np.array(task_class), np.array(units))


@dataclass(frozen=True, slots=True, eq=False)
class _FloorRow:
    """A floor in the model: its row, the slack that may relax it, its cells and their demand."""

    row: "mathopt.LinearConstraint"
    slack: "mathopt.Variable"
    cells: IntArray
    units: float


class _Programme:
    """The model in MathOpt; variable [n, v] is the share of cell n's group served there at v."""

    def __init__(self, problem: Problem) -> None:
        from ortools.math_opt.python import mathopt

        self._problem = problem
        self._cells = _cells(problem)
        self._is_alone = np.bincount(self._cells.group)[self._cells.group] == 1
        self._model = mathopt.Model()
        self._variables = self._add_variables()
        self._serve_demand()
        self._bound_shares()
        self._limit_capacity()
        self._floors = [self._hold(floor) for floor in problem.floors]

    def minimise_carbon(self) -> tuple[FloatArray, tuple[float, ...]]:
        """Return the amounts [t, c, v] of least carbon and each floor's price, in g a point."""
        cells = self._cells
        cost_g = cells.units[:, None] * self._problem.cost_g[cells.slot, cells.task_class]
        unit_g = float(cost_g.max()) or 1.0
        objective = self._model.objective
        objective.clear()
        for variables, costs in zip(self._variables, (cost_g / unit_g).tolist(), strict=True):
            for variable, cost in zip(variables, costs, strict=True):
                objective.set_linear_coefficient(variable, cost)
        result = _run(self._model)
        shares = self._shares(result)
        duals = result.dual_values([floor.row for floor in self._floors])
        prices_g = tuple(
            dual * unit_g * PREFERENCE_POINT * self._served(floor, shares) / floor.units
            for floor, dual in zip(self._floors, duals, strict=True)
        )
        return self._amount(shares), prices_g

    def relax_floors(self) -> None:
        """Lower every floor by its part of the least shortfall of all."""
        from ortools.math_opt.python import mathopt

        slacks = [floor.slack for floor in self._floors]
        for slack in slacks:
            slack.upper_bound = np.inf
        self._model.minimize(mathopt.fast_sum(slacks))
        try:
            result = _run(self._model)
        except _InfeasibleError as error:
            raise InputError(
                "the demand does not fit the capacity of its slots, even at the fastest levels: "
                "move deadlines or raise the capacity"
            ) from error
        for slack, shortfall in zip(slacks, result.variable_values(slacks), strict=True):
            slack.upper_bound = shortfall + SHORTFALL_ROOM

    def _add_variables(self) -> "list[list[mathopt.Variable]]":
        """Return the variables [n, v]; where a cell is alone their bounds are the levels'."""
        least, most = self._problem.share_bounds
        lower = np.where(self._is_alone[:, None], least[self._cells.task_class], 0.0)
        upper = most[self._cells.task_class]
        return [
            [self._model.add_variable(lb=lb, ub=ub) for lb, ub in zip(lbs, ubs, strict=True)]
            for lbs, ubs in zip(lower.tolist(), upper.tolist(), strict=True)
        ]

    def _serve_demand(self) -> None:
        """Make the shares of each group sum to 1."""
        num_groups = int(self._cells.group[-1]) + 1
        rows = [self._model.add_linear_constraint(lb=1.0, ub=1.0) for _ in range(num_groups)]
        for group, variables in zip(self._cells.group.tolist(), self._variables, strict=True):
            for variable in variables:
                rows[group].set_coefficient(variable, 1.0)

    def _bound_shares(self) -> None:
        """Keep each level within its bounds of what a cell serves, where that is not given."""
        least, most = self._problem.share_bounds
        itself = np.eye(self._problem.shape[2])
        for n in np.flatnonzero(~self._is_alone).tolist():
            task_class = self._cells.task_class[n]
            for level in np.flatnonzero(least[task_class] > 0):
                row = self._model.add_linear_constraint(lb=0.0)
                self._set_row(row, n, itself[level] - least[task_class, level])
            for level in np.flatnonzero(most[task_class] < 1):
                row = self._model.add_linear_constraint(ub=0.0)
                self._set_row(row, n, itself[level] - most[task_class, level])

    def _limit_capacity(self) -> None:
        """Keep the seconds of each slot within its capacity; both in units of the longest cell."""
        capacity_s = self._problem.capacity_s
        if capacity_s is None:
            return
        cells = self._cells
        time_s = cells.units[:, None] * self._problem.time_s_by_slot[cells.slot, cells.task_class]
        unit_s = float(time_s.max()) or 1.0
        rows = [self._model.add_linear_constraint(ub=s) for s in (capacity_s / unit_s).tolist()]
        for n, slot in enumerate(cells.slot.tolist()):
            self._set_row(rows[slot], n, time_s[n] / unit_s)

    def _hold(self, floor: Floor) -> _FloorRow:
        """Add a floor, per unit of the demand that may be served within it."""
        in_slots, in_classes = (np.zeros(num, dtype=bool) for num in self._problem.demand.shape)
        in_slots[list(floor.slots)] = True
        in_classes[list(floor.classes)] = True
        cells = np.flatnonzero(in_slots[self._cells.slot] & in_classes[self._cells.task_class])
        _, firsts = np.unique(self._cells.group[cells], return_index=True)
        units = float(self._cells.units[cells[firsts]].sum()) or 1.0
        row = self._model.add_linear_constraint(lb=0.0)
        slack = self._model.add_variable(lb=0.0, ub=0.0)
        row.set_coefficient(slack, 1.0)
        preference = self._problem.preference_by_slot
        for n in cells.tolist():
            cell = self._cells.slot[n], self._cells.task_class[n]
            margin = preference[cell] - floor.min_preference
            self._set_row(row, n, margin * (self._cells.units[n] / units))
        return _FloorRow(row, slack, cells, units)

    def _set_row(self, row: "mathopt.LinearConstraint", cell: int, values: FloatArray) -> None:
        """Give the levels of one cell their coefficients in a row."""
        for variable, value in zip(self._variables[cell], values.tolist(), strict=True):
            if abs(value) > SMALLEST_COEFFICIENT:
                row.set_coefficient(variable, value)

    def _shares(self, result: "mathopt.SolveResult") -> FloatArray:
        """Return the variables' values [n, v], without rounding: none negative, groups sum to 1."""
        shares = np.array([result.variable_values(variables) for variables in self._variables])
        shares[shares < SMALLEST_SHARE] = 0.0
        total = np.bincount(self._cells.group, weights=shares.sum(axis=1))
        return shares / total[self._cells.group][:, None]

    def _amount(self, shares: FloatArray) -> FloatArray:
        """Return shares of cells as amounts [t, c, v] of demand."""
        amount = np.zeros(self._problem.shape)
        served = shares * self._cells.units[:, None]
        np.add.at(amount, (self._cells.slot, self._cells.task_class), served)
        return amount

    def _served(self, floor: _FloorRow, shares: FloatArray) -> float:
        """Return the demand that is served within a floor."""
        return float((shares[floor.cells].sum(axis=1) * self._cells.units[floor.cells]).sum())


def _run(model: "mathopt.Model") -> "mathopt.SolveResult":
    """Return the optimal result, or raise _InfeasibleError."""
    from ortools.glop.parameters_pb2 import GlopParameters
    from ortools.math_opt.python import mathopt

    parameters = mathopt.SolveParameters(
        # GLOP calls a solution imprecise, and gives none, for residues that do not matter here.
        glop=GlopParameters(change_status_to_imprecise=False),
        time_limit=TIME_LIMIT,
    )
    result = mathopt.solve(model, mathopt.SolverType.GLOP, params=parameters)
    reason = result.termination.reason
    if reason is not mathopt.TerminationReason.OPTIMAL:
        reasons = mathopt.TerminationReason  # carbon is never unbounded
        is_infeasible = reason in {reasons.INFEASIBLE, reasons.INFEASIBLE_OR_UNBOUNDED}
        failure = _InfeasibleError if is_infeasible else RuntimeError
        raise failure(f"GLOP ended with {result.termination}")
    return result
