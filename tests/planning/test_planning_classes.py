from dataclasses import replace

import numpy as np
import pytest
from plain_records import KEYS, LEVELS, cost, levels, sample

from sprout.costs import ALL_TASKS, Cost, learn
from sprout.errors import NotReadyError
from sprout.planning.classes import MIN_JUDGED, MIN_MEASURED, covariance, form, judged_tasks
from sprout.planning.margins import deviations
from sprout.planning.outlook import Limits, Outlook
from sprout.planning.problem import Problem
from sprout.quality.preference import Preference, Shares, estimate, prior

NAMES = ("L0", "L1", "L2")


def judged(num: int, best: str = "L0") -> Shares:
    """Shares of so many judged prompts: half for one level, the rest shared by the others."""
    credits_ = np.full((num, 3), 0.25)
    credits_[:, NAMES.index(best)] = 0.5
    credits_[::2] = np.eye(3)[NAMES.index(best)]
    return estimate(NAMES, credits_, np.ones(num))


def preference(**by_class: Shares) -> Preference:
    return Preference(
        prior({"L0": 0.4, "L1": 0.35, "L2": 0.25}), by_class, "a judge", is_prior=False
    )


def costs(**num_requests: int) -> dict[tuple[str, str], Cost]:
    """Costs of all tasks, and of each task named, with so many requests a level."""
    joules = {"L0": 100.0, "L1": 60.0, "L2": 30.0}
    table = {(KEYS[name], ALL_TASKS): cost([e, e, e], name) for name, e in joules.items()}
    for task, num in num_requests.items():
        for name, e in joules.items():
            table[KEYS[name], task] = cost([2 * e] * num, name)
    return table


def test_a_task_with_verdicts_is_a_class_and_the_rest_is_one_more() -> None:
    formed = form(preference(qa=judged(60), maths=judged(60)), costs(), LEVELS, apart=True)
    assert [each.task for each in formed] == ["maths", "qa", None]
    assert formed[0].shares.num_prompts == 60
    assert formed[2].shares.num_prompts is None


def test_the_rest_errs_with_the_classes_whose_verdicts_it_rests_on() -> None:
    """One task has 200 verdicts and unlabelled prompts 100; the rest has the preference of all."""
    amount = np.array([[[0.1, 0.4], [0.2, 0.3]]])
    problem = Problem(
        energy_kwh=np.ones((2, 2)),
        time_s=np.ones((2, 2)),
        preference=np.full((2, 2), 0.5),
        intensity_g_per_kwh=np.ones(1),
        embodied_g_per_s=0.0,
        demand=np.array([[0.5, 0.5]]),
    )
    of_one_verdict = np.array([[0.25, -0.25], [-0.25, 0.25]])
    known = Outlook(
        problem,
        np.ones(1),
        Limits(tolerance=0.1),
        np.array([0]),
        np.array([of_one_verdict / 200, of_one_verdict / 300]),
        np.array([200 / 300, 0]),
    )
    # by drawing the verdicts again and again: what is beyond a floor of 0.9 of L0's own
    rng = np.random.default_rng(3)
    chose_l0 = rng.binomial(200, 0.5, 100_000)
    of_all = (chose_l0 + rng.binomial(100, 0.5, 100_000)) / 300
    of_task = chose_l0 / 200
    beyond = (
        (0.1 - 0.45) * of_task + 0.4 * (1 - of_task) + (0.2 - 0.45) * of_all + 0.3 * (1 - of_all)
    )
    found = deviations(known, known.window, amount)
    assert found == pytest.approx([beyond.std()], rel=0.01)
    # as if they erred apart, it would be far less
    apart = deviations(replace(known, overlap=None), known.window, amount)
    assert apart < 0.8 * found


def test_classes_know_how_much_of_the_rest_is_theirs() -> None:
    known = replace(preference(qa=judged(60), maths=judged(60)), parts={"qa": 0.5, "few": 0.5})
    formed = form(known, costs(), LEVELS, apart=True)
    assert {each.task: each.part for each in formed} == {"maths": 0.0, "qa": 0.5, None: 0.0}


def test_one_mix_for_all_needs_no_classes() -> None:
    formed = form(preference(qa=judged(60)), costs(), LEVELS, apart=False)
    assert [each.task for each in formed] == [None]
    assert formed[0].demand == 1


def test_a_handful_of_verdicts_or_a_prior_makes_no_class() -> None:
    few, many = judged(MIN_JUDGED - 1), judged(MIN_JUDGED)
    known = preference(few=few, many=many, told=prior({"L0": 1.0}), **{"": many})
    assert judged_tasks(known) == ("many",)


def test_thirty_verdicts_of_one_evaluation_are_thirty() -> None:
    def faded(num: int, half_lives_apart: float) -> Shares:
        weights = np.array([0.5 ** (half_lives_apart * n) for n in range(num)])
        return estimate(NAMES, np.tile(np.eye(3), (num, 1))[:num], weights)

    # a second apart, at a half-life of 30 days: worth 29.99999999
    at_once = faded(MIN_JUDGED, 1 / (30 * 86400))
    assert at_once.num_prompts is not None
    assert 29.9 < at_once.num_prompts < MIN_JUDGED
    # a day apart: worth 29.04 prompts
    known = preference(at_once=at_once, daily=faded(MIN_JUDGED, 1 / 30))
    assert judged_tasks(known) == ("at_once",)


def test_a_class_has_its_own_costs_when_every_level_was_measured_often() -> None:
    table = costs(qa=MIN_MEASURED)
    for name, e in (("L0", 100.0), ("L1", 60.0), ("L2", 30.0)):
        num = MIN_MEASURED - (name == "L2")
        table[KEYS[name], "maths"] = cost([e] * num, name)
    formed = form(preference(qa=judged(60), maths=judged(60)), table, LEVELS, apart=True)
    means = {each.task: [c.energy_j.mean for c in each.costs] for each in formed}
    assert means["qa"] == pytest.approx([200, 120, 60])
    # its L0 and its L2 must not come from different prompts: 90 of 179 are of qa at every level
    together = [(90 * 2 + 89) / 179 * e for e in (100, 60, 30)]
    assert means["maths"] == means[None] == pytest.approx(together)


def test_tasks_without_costs_of_their_own_share_those_of_one_mix_of_tasks() -> None:
    # both tasks cost 5 % less at L2; poems are served at L0, quizzes at L2
    joules = {"poem": (200.0, 196.0, 190.0), "quiz": (20.0, 19.6, 19.0)}
    num = {"poem": (700, 5, 5), "quiz": (5, 5, 700)}
    drawn = [
        sample(name, e * (1 + 0.1 * (-1) ** n), task=task)
        for task in joules
        for name, e, often in zip(NAMES, joules[task], num[task], strict=True)
        for n in range(often)
    ]
    table = learn({}, drawn)
    known = preference(poem=judged(60), quiz=judged(60))
    for each in form(known, table, LEVELS, apart=True):
        base, _, brief = each.costs
        assert brief.energy_j.mean / base.energy_j.mean == pytest.approx(0.95, rel=0.02)
        assert each.obstacle is not None


def test_demand_is_what_was_asked_for_and_never_nothing() -> None:
    # qa 3 * 10 requests, maths none, others 3 * 5; one more each: 31, 1, 16 of 48
    known = preference(qa=judged(60), maths=judged(60))
    formed = form(known, costs(qa=10, poems=5), LEVELS, apart=True)
    demand = {each.task: each.demand for each in formed}
    assert demand == {
        "qa": pytest.approx(31 / 48),
        "maths": pytest.approx(1 / 48),
        None: pytest.approx(16 / 48),
    }
    unknown = form(known, costs(), LEVELS, apart=True)
    assert [each.demand for each in unknown] == pytest.approx([1 / 3] * 3)


def test_a_class_without_a_sure_saving_has_an_obstacle_of_its_own() -> None:
    table = costs(qa=MIN_MEASURED, poems=MIN_MEASURED)
    for name in NAMES:
        table[KEYS[name], "qa"] = cost([100.0] * MIN_MEASURED, name)
    qa, others = form(preference(qa=judged(60)), table, LEVELS, apart=True)
    assert qa.obstacle is not None
    assert "two standard errors" in qa.obstacle
    assert others.obstacle is None
    assert qa.may_steer(LEVELS) == (True, False, False)
    assert others.may_steer(LEVELS) == (True, True, True)


def test_covariance_is_in_the_order_of_the_levels() -> None:
    shares = estimate(("L2", "L0"), np.array([[1.0, 0.0], [0.0, 1.0], [1.0, 0.0]]), np.ones(3))
    (each,) = form(Preference(shares, {}, "a judge", is_prior=False), costs(), LEVELS, apart=True)
    found = covariance(each, LEVELS)
    assert shares.covariance is not None
    assert found is not None
    assert found[1].tolist() == [0, 0, 0]
    assert found[0, 2] == shares.covariance[1, 0]
    assert found[2, 2] == shares.covariance[0, 0]
    base, middle, brief = each.preference(LEVELS)
    assert base == pytest.approx(1 / 3)
    assert middle is None
    assert brief == pytest.approx(2 / 3)


def test_nobody_can_say_how_sure_a_prior_is() -> None:
    (each,) = form(preference(), costs(), LEVELS, apart=True)
    assert covariance(each, LEVELS) is None


def test_a_level_that_was_never_measured_is_named() -> None:
    table = costs()
    del table[KEYS["L2"], ALL_TASKS]
    with pytest.raises(NotReadyError, match="level L2 was never measured"):
        form(preference(), table, LEVELS, apart=True)
    assert form(preference(), table, levels("L0", "L1"), apart=True)[0].demand == 1
