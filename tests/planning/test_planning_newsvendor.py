import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sprout.planning.outlook import Limits, Outlook, all_l0, by_frontier
from sprout.planning.policies import choose
from sprout.planning.problem import FloatArray, Problem

ONE = Problem(
    energy_kwh=np.array([[3e-4, 1e-4]]),
    time_s=np.zeros((1, 2)),
    preference=np.array([[0.6, 0.4]]),
    intensity_g_per_kwh=np.array([500.0]),
    embodied_g_per_s=0.0,
    demand=np.ones((1, 1)),
)
ONE_COVARIANCE = 0.0024 * np.array([[[1.0, -1.0], [-1.0, 1.0]]])

TASKS = Problem(
    energy_kwh=np.array([[3e-4, 6e-5, 4e-5], [1e-4, 5e-5, 6e-5]]),
    time_s=np.array([[4.5, 0.9, 0.6], [1.5, 0.7, 0.9]]),
    preference=np.array([[0.54, 0.26, 0.2], [0.24, 0.35, 0.41]]),
    intensity_g_per_kwh=np.array([600.0]),
    embodied_g_per_s=1.67e-4,
    demand=np.array([[10.0, 20.0]]),
)


def outlook(
    problem: Problem, covariance: FloatArray, confidence: float | None, **changes: object
) -> Outlook:
    known = Outlook(
        problem,
        np.ones(len(problem.demand)),
        Limits(confidence=confidence),
        np.arange(len(problem.demand)),
        covariance,
        reference_g_per_kwh=500.0,
    )
    return replace(known, **changes)  # type: ignore[arg-type]


def spread(preference: FloatArray, num_judged: float) -> FloatArray:
    """Return the covariance of each class's shares of so many verdicts."""
    return np.array([(np.diag(q) - np.outer(q, q)) / num_judged for q in preference])


def exceeded(score: float) -> float:
    return math.erfc(score / math.sqrt(2)) / 2


def test_a_margin_lets_a_floor_be_missed_as_often_as_preference_is_worth_its_price() -> None:
    # L1 saves 0.1 g of 0.15 and loses 0.2 of preference: 0.5 g a unit. All-L0 emits 0.15 g at
    # 500 g/kWh for 0.6 of preference: 0.25 g a unit, one in ten charges 2.5. 0.5 / 2.5 = 0.2 may be
    # missed: 0.841621 standard deviations. With x at L0 the mix has 0.6 x + 0.4 (1 - x) - 0.54
    # beyond its floor, and its deviation is sqrt(0.0024) (1.9 - 2 x):
    # 0.2 x - 0.14 = 0.0412308 (1.9 - 2 x), x = 0.218339 / 0.282462 = 0.772985
    choice = choose("class-robust", outlook(ONE, ONE_COVARIANCE, 1.2815516))
    assert choice.margins.tolist() == pytest.approx([0.2 * 0.772985 - 0.14], abs=6e-5)
    # Half as clean: 0.25 g a unit of preference, 0.1 may be missed: 1.281552 deviations,
    # 0.2 x - 0.14 = 0.0627830 (1.9 - 2 x), x = 0.259288 / 0.325566 = 0.796422
    cleaner = replace(ONE, intensity_g_per_kwh=np.array([250.0]))
    choice = choose("class-robust", outlook(cleaner, ONE_COVARIANCE, 1.2815516))
    assert choice.margins.tolist() == pytest.approx([0.2 * 0.796422 - 0.14], abs=6e-5)


def test_embodied_carbon_is_charged_for_as_operational_is() -> None:
    # the same 0.15 and 0.05 g, all of them embodied
    embodied = replace(
        ONE,
        energy_kwh=np.zeros((1, 2)),
        time_s=np.array([[150.0, 50.0]]),
        embodied_g_per_s=0.001,
    )
    margins = [
        choose("class-robust", outlook(each, ONE_COVARIANCE, 1.2815516)).margins
        for each in (ONE, embodied)
    ]
    assert margins[0] == pytest.approx(margins[1])


def test_l0_takes_over_as_much_as_lowers_what_is_expected_to_be_lost() -> None:
    # as above, by brute force: more of L0 is surer as well as preferred
    def expected_g(share: float) -> float:
        beyond, deviation = 0.2 * share - 0.14, math.sqrt(0.0024) * abs(1.9 - 2 * share)
        score = beyond / deviation
        density = math.exp(-(score**2) / 2) / math.sqrt(2 * math.pi)
        return 0.05 + 0.1 * share + 2.5 * (deviation * density - beyond * exceeded(score))

    choice = choose("class-robust", outlook(ONE, ONE_COVARIANCE, 1.2815516))
    best = min(np.linspace(0, 1, 2001), key=expected_g)
    assert choice.amount[0, 0, 0] == pytest.approx(best, abs=2e-3)
    assert choice.price_g is None  # no solved floor is behind what L0 took over


def test_it_is_one_in_fifteen_unless_the_user_says_otherwise() -> None:
    own, said = (
        choose("class-robust", outlook(ONE, ONE_COVARIANCE, z)).amount for z in (None, 1.5)
    )
    assert own.tolist() == said.tolist()


def test_no_more_than_every_other_floor_is_missed() -> None:
    # a preference point that costs more carbon than any charge: the floor holds as an estimate
    choice = choose("class-robust", outlook(ONE, ONE_COVARIANCE, 0.01, reference_g_per_kwh=1e-3))
    assert choice.amount[0, 0].tolist() == pytest.approx([0.7, 0.3], abs=1e-4)


@pytest.mark.parametrize(("num_judged", "room"), [(60, 1.11), (300, 1.03), (3000, 1.001)])
@pytest.mark.parametrize("confidence", [0.5, 1.28, 2.5])
def test_no_mix_is_expected_to_cost_much_less(
    num_judged: float, room: float, confidence: float
) -> None:
    covariance = spread(TASKS.preference, num_judged)
    known = outlook(TASKS, covariance, confidence)
    q, cost_g, demand = TASKS.preference, TASKS.cost_g[0], TASKS.demand[0]
    at_500 = replace(TASKS, intensity_g_per_kwh=np.array([500.0])).cost_g[0, :, 0]
    charge_g = demand @ at_500 / (demand @ q[:, 0]) / exceeded(confidence)

    def expected_g(amount: FloatArray) -> float:
        beyond = amount.copy()
        beyond[:, 0] -= 0.9 * demand
        mean = float((q * beyond).sum())
        deviation = math.sqrt(float(np.einsum("cv,cvw,cw->", beyond, covariance, beyond)))
        score = mean / deviation
        density = math.exp(-(score**2) / 2) / math.sqrt(2 * math.pi)
        short = deviation * density - mean * exceeded(score)
        return float((cost_g * amount).sum() + charge_g * short)

    chosen = expected_g(choose("class-robust", known).amount[0])
    # by brute force over a grid of mixes of both classes
    steps = np.linspace(0, 1, 11)
    shares = [np.array([a, b, 1 - a - b]) for a in steps for b in steps if a + b <= 1 + 1e-9]
    best = min(expected_g(np.array([10 * one, 20 * other])) for one in shares for other in shares)
    # with few verdicts a mix that spreads its doubts may be cheaper
    assert chosen <= room * best


def test_the_greener_the_hour_the_surer_the_floor() -> None:
    covariance = spread(TASKS.preference, 300)
    hours = replace(
        TASKS,
        intensity_g_per_kwh=np.array([600.0, 200.0, 30.0]),
        demand=np.tile(TASKS.demand, (3, 1)),
    )
    found = choose("class-robust", outlook(hours, covariance, None)).margins
    assert found[0] < found[1] < found[2]


def test_the_margin_shrinks_as_verdicts_come_in() -> None:
    margins = [
        choose("class-robust", outlook(TASKS, spread(TASKS.preference, n), None)).margins[0]
        for n in (50, 500, 5000)
    ]
    assert margins[0] > 1.5 * margins[1] > 3 * margins[2] > 0


def test_what_is_hardly_known_l0_serves() -> None:
    # no tolerance, a dozen verdicts, and a charge far above all carbon
    known = outlook(TASKS, spread(TASKS.preference, 12), 5.0)
    choice = choose("class-robust", replace(known, limits=Limits(tolerance=0.0, confidence=5.0)))
    assert np.allclose(choice.amount, all_l0(TASKS), atol=0.2)
    assert choice.price_g is None  # no solved floor is behind what L0 took over


def test_a_day_weighs_its_hours_together() -> None:
    # Two hours of one window, the dirty one and the clean one: a preference point is bought where
    # it costs least, and the price is the window's.
    hours = replace(ONE, intensity_g_per_kwh=np.array([500.0, 50.0]), demand=np.ones((2, 1)))
    known = outlook(hours, ONE_COVARIANCE, None, window=np.zeros(2, dtype=np.int64))
    choice = choose("class-robust-horizon", known, by_frontier)
    assert choice.amount[1, 0, 0] == pytest.approx(1)
    assert 0 < choice.amount[0, 0, 0] < 0.7


@settings(max_examples=15)
@given(st.integers(0, 10**6))
def test_both_solvers_choose_alike_and_explore_first(seed: int) -> None:
    rng = np.random.default_rng(seed)
    drawn = replace(
        TASKS,
        energy_kwh=rng.uniform(1e-5, 3e-4, (2, 3)),
        time_s=rng.uniform(0.5, 5, (2, 3)),
        preference=rng.dirichlet(np.ones(3), 2),
        intensity_g_per_kwh=rng.uniform(20, 600, 2),
        demand=rng.uniform(0.5, 2, (2, 2)),
        min_share=np.array([0.01, 0.005, 0.005]) * int(rng.integers(2)),
    )
    known = outlook(drawn, spread(drawn.preference, float(rng.uniform(40, 2000))), None)
    choices = [choose("class-robust", known), choose("class-robust", known, by_frontier)]
    carbon_g = [(choice.amount * drawn.cost_g).sum() for choice in choices]
    assert carbon_g[0] == pytest.approx(carbon_g[1], rel=1e-3)
    assert np.allclose(choices[0].amount.sum(axis=2), drawn.demand)
