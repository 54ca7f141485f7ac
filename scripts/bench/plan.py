#!/usr/bin/env python3
"""Plans by the linear programme, as ratios to the paper's one-class solve, in turn.

Goals: one hour of 6 classes x 8 levels under 5 ms, 168 hours of them under 600 ms.
"""

import time
from collections.abc import Callable

import numpy as np
from measure import in_turn, show

from sprout.planning.outlook import Limits, Outlook
from sprout.planning.policies import decide
from sprout.planning.problem import Problem

ROUNDS = 15
HOURS_PER_WEEK = 168


def outlook(num_slots: int, num_classes: int, num_levels: int) -> Outlook:
    """Return plausible numbers: longer answers cost more, and preferences differ by class."""
    rng = np.random.default_rng(5)
    preference = rng.dirichlet(np.full(num_levels, 2.0), num_classes)
    energy_kwh = np.sort(rng.uniform(3e-5, 4e-4, (num_classes, num_levels)), axis=1)[:, ::-1]
    covariance = np.array([(np.diag(q) - np.outer(q, q)) / 300 for q in preference])
    return Outlook(
        problem=Problem(
            energy_kwh=energy_kwh.copy(),
            time_s=energy_kwh * 1e4,
            preference=preference,
            intensity_g_per_kwh=rng.uniform(50, 600, num_slots),
            embodied_g_per_s=1.67e-4,
            demand=np.full((num_slots, num_classes), 1 / num_classes),
        ),
        position=rng.uniform(0, 1, num_slots),
        limits=Limits(),
        window=np.zeros(num_slots, dtype=np.int64),
        covariance=covariance,
    )


def timed(name: str, known: Outlook) -> Callable[[], float]:
    """Return what solves once, and tells how many milliseconds it took."""

    def run() -> float:
        started_s = time.perf_counter()
        decide(name, known)
        return 1000 * (time.perf_counter() - started_s)

    return run


def main() -> None:
    sides = (
        ("sprout, 1 class x 3 levels", timed("sprout", outlook(1, 1, 3))),
        ("class, 6 x 8", timed("class", outlook(1, 6, 8))),
        ("class-robust, 6 x 8", timed("class-robust", outlook(1, 6, 8))),
        ("class-fair, 6 x 8", timed("class-fair", outlook(1, 6, 8))),
        ("class-horizon, 168 h x 6 x 8", timed("class-horizon", outlook(HOURS_PER_WEEK, 6, 8))),
    )
    for _, side in sides:
        side()  # the first solve loads the solver
    values = in_turn(ROUNDS, *(side for _, side in sides))
    medians = [show(name, found, "ms") for (name, _), found in zip(sides, values, strict=True)]
    for (name, _), median in zip(sides[1:], medians[1:], strict=True):
        print(f"{name}: {median / medians[0]:.1f} times the one-class solve")
    print("goals: 6 x 8 under 5 ms, 168 h x 6 x 8 under 600 ms")


if __name__ == "__main__":
    main()
