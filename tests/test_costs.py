import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sprout.costs import (
    ALL_TASKS,
    DECAY,
    ENOUGH_REQUESTS,
    Cost,
    Sample,
    is_cheaper,
    learn,
    of_all_tasks,
    t_95,
    task_weights,
)

VALUES = st.lists(st.floats(0, 1e5), min_size=1, max_size=60)


def sample(energy_j: float, key: str = "key", task: str = "") -> Sample:
    return Sample(key, task, energy_j, energy_j / 2, 20, 30)


def cost_of(energies_j: list[float]) -> Cost:
    cost = Cost()
    for energy_j in energies_j:
        cost = cost.add(sample(energy_j))
    return cost


def test_two_requests_by_hand() -> None:
    # weights d and 1 with d = 0.5**(1/200): mean (d * 10 + 20) / (d + 1),
    # squared deviations d (10 - mean)^2 + (20 - mean)^2
    d = 0.5 ** (1 / 200)
    cost = cost_of([10.0, 20.0])
    mean = (d * 10 + 20) / (d + 1)
    assert cost.num_requests == 2
    assert cost.weight == pytest.approx(d + 1)
    assert cost.weight_squared == pytest.approx(d * d + 1)
    assert cost.energy_j.mean == pytest.approx(mean)
    assert cost.energy_j.deviations == pytest.approx(d * (10 - mean) ** 2 + (20 - mean) ** 2)


@given(VALUES)
def test_the_mean_is_that_of_explicit_weights(energies_j: list[float]) -> None:
    weights = DECAY ** np.arange(len(energies_j))[::-1]
    cost = cost_of(energies_j)
    assert cost.weight == pytest.approx(weights.sum())
    assert cost.weight_squared == pytest.approx((weights**2).sum())
    assert cost.energy_j.mean == pytest.approx(np.average(energies_j, weights=weights), abs=1e-9)
    assert cost.busy_s.mean == pytest.approx(cost.energy_j.mean / 2, abs=1e-9)
    assert (cost.prompt_tokens.mean, cost.new_tokens.mean) == (20, 30)


@given(VALUES.filter(lambda values: len(values) > 1))
def test_the_variance_is_that_of_explicit_weights(energies_j: list[float]) -> None:
    weights = DECAY ** np.arange(len(energies_j))[::-1]
    # numpy's weighted variance for reliability weights: sum w (x - m)^2 / (W - sum w^2 / W)
    expected = float(np.cov(energies_j, aweights=weights))
    num_effective = weights.sum() ** 2 / (weights**2).sum()
    cost = cost_of(energies_j)
    scale = max(energies_j) ** 2
    assert cost.variance(cost.energy_j) == pytest.approx(expected, abs=1e-9 * scale + 1e-12)
    assert cost.standard_error(cost.energy_j) == pytest.approx(
        math.sqrt(expected / num_effective), rel=1e-4, abs=1e-5 * max(energies_j) + 1e-9
    )


def test_a_sample_counts_half_after_two_hundred_newer_ones() -> None:
    assert math.isclose(DECAY**200, 0.5)
    # 1 J once and 0 J two hundred times: the first one's weight is 1/2
    cost = cost_of([1.0] + [0.0] * 200)
    assert cost.energy_j.mean * cost.weight == pytest.approx(0.5)


def test_after_a_change_the_old_cost_is_forgotten() -> None:
    # 1000 requests of 100 J, then 2000 of 10 J: of the old ones 2**-10 of their weight is left
    cost = cost_of([100.0] * 1000 + [10.0] * 2000)
    assert cost.energy_j.mean == pytest.approx(10, abs=90 * 2**-10)
    assert cost.num_requests == 3000


def test_without_two_requests_nothing_is_known_of_the_spread() -> None:
    for cost in (Cost(), cost_of([5.0])):
        assert cost.variance(cost.energy_j) is None
        assert cost.standard_error(cost.energy_j) is None


@given(st.floats(0, 1e6), st.integers(2, 50))
def test_equal_requests_have_no_spread(energy_j: float, num: int) -> None:
    cost = cost_of([energy_j] * num)
    assert cost.variance(cost.energy_j) == pytest.approx(0, abs=1e-18 * energy_j**2)


@pytest.mark.parametrize("degrees", [*range(1, 40), 1000])
def test_nineteen_of_twenty_of_students_t_lie_within_its_95_percent_point(degrees: int) -> None:
    # its density, added up: G((n + 1) / 2) / (sqrt(pi n) G(n / 2)) (1 + x^2 / n)^(-(n + 1) / 2)
    log_scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)
    scale = math.exp(log_scale) / math.sqrt(math.pi * degrees)
    x = np.linspace(-t_95(degrees), t_95(degrees), 10_001)
    density = scale * (1 + x**2 / degrees) ** (-(degrees + 1) / 2)
    assert np.trapezoid(density, x) == pytest.approx(0.95, abs=1e-4)


# learn


def test_a_sample_counts_for_its_task_and_for_all_tasks() -> None:
    learned = learn({}, [sample(10, task="qa"), sample(20), sample(30, "other", "qa")])
    assert {row: cost.num_requests for row, cost in learned.items()} == {
        ("key", "qa"): 1,
        ("key", ""): 1,
        ("key", ALL_TASKS): 2,
        ("other", "qa"): 1,
        ("other", ALL_TASKS): 1,
    }
    assert learned["key", ALL_TASKS] == cost_of([10, 20])


def test_learning_continues_the_table_and_returns_only_what_changed() -> None:
    table = {("key", ALL_TASKS): cost_of([10]), ("other", ALL_TASKS): cost_of([1])}
    assert learn(table, [sample(20)]) == {
        ("key", ALL_TASKS): cost_of([10, 20]),
        ("key", ""): cost_of([20]),
    }
    assert table["key", ALL_TASKS] == cost_of([10])


def test_a_task_named_like_all_tasks_is_counted_once() -> None:
    assert learn({}, [sample(10, task=ALL_TASKS)]) == {("key", ALL_TASKS): cost_of([10])}


def test_nothing_new_changes_nothing() -> None:
    assert learn({("key", ""): cost_of([1])}, []) == {}


# all tasks


def two_mixes(num: int = 1500) -> dict[tuple[str, str], Cost]:
    """Poems of 200 J, all but 1 % at L0; quizzes of 20 J, all but 1 % at L2, which saves 5 %."""
    samples = []
    for n in range(num // 2):
        for task, mean_j, key in (("poem", 200, "L0"), ("quiz", 20, "L2")):
            level = key if n % 100 else {"L0": "L2", "L2": "L0"}[key]
            noisy_j = mean_j * (0.9 if n % 200 < 100 else 1.1) * (1 if level == "L0" else 0.95)
            samples.append(sample(noisy_j, level, task))
    return learn({}, samples)


def test_what_each_task_is_served_makes_no_level_look_cheap() -> None:
    table = two_mixes()
    # the rows of all requests: L0 is nearly all poems, L2 nearly all quizzes
    assert table["L0", ALL_TASKS].energy_j.mean > 190
    assert table["L2", ALL_TASKS].energy_j.mean < 25
    base, brief = of_all_tasks(table, ["L0", "L2"]).values()
    # half of the requests are poems: (200 + 20) / 2 = 110, and 5 % less
    assert base.energy_j.mean == pytest.approx(110, rel=0.02)
    assert brief.energy_j.mean == pytest.approx(104.5, rel=0.02)
    assert base.busy_s.mean == pytest.approx(base.energy_j.mean / 2)
    # 5 % of two means that rest on eight poems and eight quizzes is chance
    assert not is_cheaper(brief, base)


def test_all_tasks_weigh_by_their_requests_alike_at_every_level() -> None:
    num = {("L0", "a"): 5, ("L0", "b"): 2, ("L2", "a"): 25, ("L2", "b"): 8}
    assert task_weights(num, ["L0", "L2"]) == {"a": 30 / 40, "b": 10 / 40}
    # b has one request at L2, which says nothing of its spread
    assert task_weights(num | {("L2", "b"): 1}, ["L0", "L2"]) == {"a": 1}
    assert task_weights(num, ["L0", "L1", "L2"]) == {}


def test_the_error_over_all_tasks_is_that_of_its_tasks() -> None:
    plenty, some = ENOUGH_REQUESTS + 10, ENOUGH_REQUESTS
    table = {
        ("key", "a"): cost_of([90.0, 110.0] * (plenty // 2)),
        ("key", "b"): cost_of([9.0, 11.0] * (some // 2)),
        ("key", ALL_TASKS): cost_of([90.0, 110.0] * (plenty // 2) + [9.0, 11.0] * (some // 2)),
    }
    found = of_all_tasks(table, ["key"])["key"]
    a, b = table["key", "a"], table["key", "b"]
    w = plenty / (plenty + some)
    assert found.num_requests == plenty + some
    assert found.energy_j.mean == pytest.approx(w * a.energy_j.mean + (1 - w) * b.energy_j.mean)
    errors = [cost.standard_error(cost.energy_j) or 0.0 for cost in (a, b)]
    by_hand = math.hypot(w * errors[0], (1 - w) * errors[1])
    assert found.standard_error(found.energy_j) == pytest.approx(by_hand)
    # poems are no quizzes, but that spread is no error where each task's part is given
    assert by_hand < (table["key", ALL_TASKS].standard_error(a.energy_j) or 0.0)


def test_few_requests_that_agree_by_chance_are_not_believed() -> None:
    table = {
        ("key", "often"): cost_of([5.0, 5.0]),
        ("key", ALL_TASKS): cost_of([1.0, 9.0, 1.0, 9.0, 5.0, 5.0]),
    }
    found, every = of_all_tasks(table, ["key"])["key"], table["key", ALL_TASKS]
    assert found.energy_j.mean == 5
    variance = every.variance(every.energy_j)
    assert variance is not None
    # of two requests, with the spread of all
    assert found.standard_error(found.energy_j) == pytest.approx(math.sqrt(variance / 2), rel=1e-3)


def test_a_single_task_is_all_tasks() -> None:
    table = learn({}, [sample(j, task="qa") for j in (10, 20, 40)])
    found, known = of_all_tasks(table, ["key"])["key"], table["key", "qa"]
    assert found.num_requests == 3
    for mine, its in ((found.energy_j, known.energy_j), (found.new_tokens, known.new_tokens)):
        assert mine.mean == pytest.approx(its.mean)
        assert found.standard_error(mine) == pytest.approx(known.standard_error(its))


def test_where_no_task_was_measured_at_every_level_all_requests_stand() -> None:
    # a calibration: each prompt once at each level, most with a task of its own
    samples = [sample(j, key, f"task {j}") for j in (10, 20, 40) for key in ("L0", "L2")]
    table = learn({}, samples)
    found = of_all_tasks(table, ["L0", "L2", "L3"])
    assert found == {key: table[key, ALL_TASKS] for key in ("L0", "L2")}


# is_cheaper


def test_a_level_is_cheaper_when_it_saves_more_than_two_standard_errors() -> None:
    # two samples m - s and m + s of nearly equal weight: standard error s / sqrt(2) * ~sqrt(2) = s,
    # of both together sqrt(2) s; two of these are 2.83 s
    def around(mean: float, spread: float) -> Cost:
        return cost_of([mean - spread, mean + spread])

    assert around(100, 1).standard_error(around(100, 1).energy_j) == pytest.approx(1, rel=0.01)
    assert is_cheaper(around(97.1, 1), around(100, 1))
    assert not is_cheaper(around(97.2, 1), around(100, 1))
    assert not is_cheaper(around(102, 1), around(100, 1))


def test_equal_costs_are_not_cheaper() -> None:
    assert not is_cheaper(cost_of([5, 5, 5]), cost_of([5, 5, 5]))
    assert is_cheaper(cost_of([5, 5, 5]), cost_of([6, 6, 6]))


def test_a_cost_whose_spread_is_not_known_is_never_cheaper() -> None:
    sure = cost_of([100, 100, 100])
    assert not is_cheaper(cost_of([1]), sure)
    assert not is_cheaper(Cost(), sure)
    assert not is_cheaper(sure, cost_of([1000]))
