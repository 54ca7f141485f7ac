from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_records import KEYS, LEVELS, MEASURED, NOW, cost, intensity, levels, reading, snapshot

from sprout.costs import ALL_TASKS, Cost
from sprout.errors import NotReadyError, UsageError
from sprout.grid import reading as grid
from sprout.grid.reading import GridReading
from sprout.planning.classes import form
from sprout.planning.plan import Plan, PlanOptions, Snapshot
from sprout.planning.planner import make, unmeasured
from sprout.planning.window import outlook_of
from sprout.quality.preference import Preference, Shares, estimate

HALF = {"L0": 0.4, "L1": 0.2}
TWO = {name: MEASURED[name] for name in ("L0", "L1")}
ALL = {"L0": 0.4, "L1": 0.36, "L2": 0.24}


def options(
    *, tolerance: float = 0.1, explore: float = 0.0, pue: float = 1.0, embodied: float = 0.0
) -> PlanOptions:
    return PlanOptions(tolerance, explore, pue, embodied)


def plan_of(
    known: Snapshot, *names: str, how: PlanOptions | None = None, minutes_later: int = 0
) -> Plan:
    chosen = levels(*names) if names else LEVELS
    now = NOW + timedelta(minutes=minutes_later)
    return make(known, chosen, options() if how is None else how, now)


def noisy(mean_j: float, level: str) -> Cost:
    """Four requests, half of them dearer by 30 J: the standard error is 17 J."""
    return cost([mean_j - 30, mean_j + 30] * 2, level)


# by hand


def test_two_levels_by_hand() -> None:
    # Intensity 300 of 100 to 500: position 1/2. Floor (1 - 1/2 * 0.1) * 0.4 = 0.38.
    # 0.4 x + 0.2 (1 - x) = 0.38: x = 0.9
    plan = plan_of(snapshot(TWO, shares=HALF), "L0", "L1")
    assert plan.shares == pytest.approx((0.9, 0.1))
    assert plan.outcome.floor == pytest.approx(0.38)
    assert plan.outcome.preference == pytest.approx(0.38)
    assert plan.outcome.base_preference == 0.4
    assert plan.outcome.is_floor_met
    # 100 J at 300 g/kWh: 100 / 3.6e6 * 300 = 0.0083333 g; 60 J: 0.005 g
    assert plan.outcome.baseline_g == pytest.approx(0.0083333, abs=1e-7)
    assert plan.outcome.carbon_g == pytest.approx(0.9 * 0.0083333 + 0.1 * 0.005, abs=1e-7)
    # a point more of preference takes 0.01 / 0.2 = 5 % of the requests back to L0
    assert plan.outcome.floor_price_g == pytest.approx(0.05 * 0.0033333, abs=1e-7)
    assert plan.notes == ()


def test_three_levels_by_hand() -> None:
    # Floor 0.95 * 0.4 = 0.38. To spend 0.02 of preference: L1 saves 40 J for 0.04, 1000 J a
    # unit; L2 saves 70 J for 0.16, 437 J a unit. All on L1: 0.02 / 0.04 = half of the requests.
    plan = plan_of(snapshot(MEASURED, shares=ALL))
    assert plan.shares == pytest.approx((0.5, 0.5, 0.0))
    # At tolerance 0.4 the floor is 0.8 * 0.4 = 0.32. L0 is not needed any more:
    # 0.36 x + 0.24 (1 - x) = 0.32: x = 2/3
    plan = plan_of(snapshot(MEASURED, shares=ALL), how=options(tolerance=0.4))
    assert plan.shares == pytest.approx((0.0, 2 / 3, 1 / 3))


def test_a_level_says_what_it_was_chosen_by() -> None:
    plan = plan_of(snapshot(MEASURED, shares=ALL), how=options(pue=2.0, embodied=0.001))
    level = plan.levels[1]
    assert (level.level, level.directive_key) == ("L1", KEYS["L1"])
    assert (level.energy_j, level.energy_se_j, level.busy_s) == (60, 0, 6)
    assert (level.new_tokens, level.num_requests, level.preference) == (60, 3, 0.36)
    # 60 J * 2 / 3.6e6 * 300 g/kWh = 0.01 g, and 6 s * 0.001 g/s
    assert level.carbon_g == pytest.approx(0.016)


def test_embodied_carbon_and_pue_are_in_the_outcome() -> None:
    plan = plan_of(snapshot(TWO, shares=HALF), "L0", "L1", how=options(pue=2.0, embodied=0.001))
    # L0: 100 J * 2 / 3.6e6 * 300 = 0.0166667 g, and 10 s * 0.001 g/s
    assert plan.outcome.baseline_g == pytest.approx(0.0266667, abs=1e-7)


def test_the_greener_the_grid_the_more_is_left_to_l0() -> None:
    shares = [
        plan_of(snapshot(TWO, shares=HALF, g_per_kwh=g_per_kwh), "L0", "L1").shares[0]
        for g_per_kwh in (50, 100, 200, 300, 400, 500, 900)
    ]
    # positions 0, 0, 1/4, 1/2, 3/4, 1, 1: 0.4 x + 0.2 (1 - x) = (1 - position * 0.1) * 0.4
    assert shares == pytest.approx([1.0, 1.0, 0.95, 0.9, 0.85, 0.8, 0.8])


def test_one_level_serves_all() -> None:
    plan = plan_of(snapshot({"L0": MEASURED["L0"]}), "L0", how=options(explore=0.02))
    assert plan.shares == pytest.approx((1.0,))
    assert plan.notes == ()


# noise does not steer


def test_when_no_level_is_cheaper_for_sure_l0_serves_all_and_the_plan_says_so() -> None:
    costs = {"L0": noisy(100, "L0"), "L1": noisy(80, "L1"), "L2": noisy(70, "L2")}
    plan = plan_of(snapshot(costs, shares=ALL))
    assert plan.shares == pytest.approx((1.0, 0.0, 0.0))
    (note,) = plan.notes
    assert "no level costs less energy than L0 by two standard errors" in note
    assert "`sprout profile`" in note
    assert "at L0, but for exploration" in note


def test_one_level_that_is_cheaper_for_sure_is_enough() -> None:
    costs = {"L0": noisy(100, "L0"), "L1": noisy(80, "L1"), "L2": noisy(20, "L2")}
    plan = plan_of(snapshot(costs, shares=ALL))
    assert plan.shares[0] < 1
    assert plan.notes == ()


def test_dearer_levels_leave_all_to_l0() -> None:
    costs = {"L0": cost([50, 50], "L0"), "L1": cost([60, 60], "L1")}
    plan = plan_of(snapshot(costs, shares=HALF), "L0", "L1", how=options(explore=0.1))
    assert plan.shares == pytest.approx((0.95, 0.05))
    assert plan.outcome.is_floor_met


# exploration


def test_every_level_keeps_its_exploration_share() -> None:
    # explore 0.1: 0.05 for L0, 0.025 for each of the others; L1 alone would serve the most
    how = options(tolerance=1.0, explore=0.1)
    plan = plan_of(snapshot(MEASURED, shares=ALL, g_per_kwh=500), how=how)
    # position 1 and tolerance 1: no floor at all, L2 is the cheapest
    assert plan.shares == pytest.approx((0.05, 0.025, 0.925))
    no_sure_saving = {"L0": noisy(100, "L0"), "L1": noisy(80, "L1"), "L2": noisy(70, "L2")}
    plan = plan_of(snapshot(no_sure_saving, shares=ALL), how=how)
    assert plan.shares == pytest.approx((0.95, 0.025, 0.025))


def test_what_exploration_gives_up_is_not_the_mixs() -> None:
    # explore 0.1: 0.05 go to L1, whatever the floor. Of the other 0.95 the mean must be 0.38:
    # 0.4 y + 0.2 (1 - y) = 0.38: y = 0.9, so that L0 serves 0.855 and L1 0.095 + 0.05
    plan = plan_of(snapshot(TWO, shares=HALF), "L0", "L1", how=options(explore=0.1))
    assert plan.shares == pytest.approx((0.855, 0.145))
    assert plan.outcome.floor == pytest.approx(0.95 * 0.38 + 0.05 * 0.2)
    assert plan.outcome.is_floor_met


def test_the_greenest_hour_has_a_floor_that_can_be_met() -> None:
    known = snapshot(MEASURED, shares=ALL, g_per_kwh=100)
    plan = plan_of(known, how=options(explore=0.02))
    assert plan.shares == pytest.approx((0.99, 0.005, 0.005))
    assert plan.outcome.is_floor_met
    assert plan.notes == ()


def test_a_level_that_nobody_judged_is_only_explored() -> None:
    how = options(tolerance=1.0, explore=0.1)
    plan = plan_of(snapshot(MEASURED, shares=HALF, g_per_kwh=500), how=how)
    # L2 would be the cheapest
    assert plan.shares == pytest.approx((0.05, 0.925, 0.025))
    assert plan.levels[2].preference is None


def test_a_level_that_nobody_judged_costs_the_others_no_preference() -> None:
    # explore 0.1: 0.025 for L1 and for L2. Of the other 0.95: 0.9 to L0 and 0.1 to L1, as by hand
    # without exploration.
    plan = plan_of(snapshot(MEASURED, shares=HALF), how=options(explore=0.1))
    assert plan.shares == pytest.approx((0.855, 0.095 + 0.025, 0.025))
    (note,) = plan.notes
    assert note.startswith("not judged, so only explored: L2 (")


def test_without_a_preference_of_l0_there_is_nothing_to_hold_the_others_against() -> None:
    plan = plan_of(snapshot(MEASURED, shares={"L1": 0.36}), how=options(explore=0.1))
    assert plan.shares == pytest.approx((0.95, 0.025, 0.025))
    (note,) = plan.notes
    assert note.startswith("L0 has no preference")


# what a plan holds for


def test_a_plan_holds_until_its_intensity_ends() -> None:
    plan = plan_of(snapshot(MEASURED), minutes_later=25)
    assert plan.made_at == NOW + timedelta(minutes=25)
    assert plan.valid_until == NOW + timedelta(hours=1)
    assert plan.g_per_kwh == 300


def test_plans_of_other_inputs_or_times_have_other_ids() -> None:
    first = plan_of(snapshot(MEASURED))
    assert first.id == plan_of(snapshot(MEASURED)).id
    assert first.id.startswith("plan-20260101T120000Z-")
    others = [
        plan_of(snapshot(MEASURED), minutes_later=1),
        plan_of(snapshot(MEASURED, g_per_kwh=301)),
        plan_of(snapshot(MEASURED, shares=ALL)),
    ]
    assert len({first.id, *(each.id for each in others)}) == 4


def test_the_notes_of_the_grid_are_in_the_plan() -> None:
    average = grid.yearly_average(None, NOW)
    plan = plan_of(replace(snapshot(MEASURED), grid=average))
    assert plan.notes[0].startswith("no zone is set")


def test_a_level_that_was_never_measured_is_named_with_what_to_do() -> None:
    with pytest.raises(NotReadyError, match=r"level L2 was never .*run `sprout profile`") as raised:
        plan_of(snapshot(TWO))
    assert raised.value.exit_code == 78


def test_levels_without_a_cost_over_all_tasks_are_unmeasured() -> None:
    costs = {(KEYS["L0"], ALL_TASKS): Cost(), (KEYS["L1"], "qa"): Cost()}
    assert unmeasured(costs, LEVELS) == ("L1", "L2")
    assert unmeasured(snapshot(MEASURED).costs, LEVELS) == ()


# a mix for each task


def judged(*shares: float, num: int = 2000) -> Shares:
    """What so many judged prompts say of L0, L1 and L2."""
    best = np.repeat(np.eye(3), [round(num * share) for share in shares], axis=0)
    return estimate(("L0", "L1", "L2"), best, np.ones(len(best)))


def two_tasks(num: int = 2000) -> Snapshot:
    """L0 is preferred for poems, L2 for quizzes; both cost the same."""
    by_class = {"poem": judged(0.5, 0.3, 0.2, num=num), "quiz": judged(0.2, 0.3, 0.5, num=num)}
    preference = Preference(judged(0.35, 0.3, 0.35), by_class, "a judge", is_prior=False)
    return replace(snapshot(MEASURED, g_per_kwh=500), preference=preference)


def following(policy: str | None, **more: float) -> PlanOptions:
    return replace(options(), policy=policy, **more)


def known_slot(g_per_kwh: float, start: datetime, minutes: int) -> GridReading:
    slot = intensity(g_per_kwh, start, duration_s=60 * minutes)
    return replace(reading(), intensity=slot)


def ahead(*g_per_kwh: float) -> tuple[GridReading, ...]:
    """The hours that follow the present one."""
    return tuple(
        known_slot(each, NOW + timedelta(hours=1 + at), 60) for at, each in enumerate(g_per_kwh)
    )


def test_two_judged_tasks_make_the_plan_fair_between_them() -> None:
    plan = plan_of(two_tasks())
    assert plan.policy == "class-fair"
    assert [each.task for each in plan.classes] == ["poem", "quiz", None]
    for each in plan.classes:
        assert each.floor is not None
        assert each.floor == pytest.approx(0.9 * each.base_preference)
        assert each.preference >= each.floor
        assert sum(each.shares) == pytest.approx(1)
    poem, quiz, _ = plan.classes
    assert poem.shares[0] > 0.6
    assert quiz.shares == pytest.approx((0, 0, 1))
    assert plan.outcome.margin > 0


def test_the_mix_of_all_is_the_mean_of_the_classes() -> None:
    plan = plan_of(two_tasks())
    demand = [each.demand for each in plan.classes]
    assert demand == pytest.approx([1 / 3] * 3)
    mean = np.array(demand) @ np.array([each.shares for each in plan.classes])
    assert plan.shares == pytest.approx(mean.tolist())
    expected = sum(each.demand * each.preference for each in plan.classes)
    assert plan.outcome.preference == pytest.approx(expected)


def test_prompts_get_the_mix_of_their_task() -> None:
    plan = plan_of(two_tasks())
    poem, quiz, others = plan.classes
    assert plan.shares_of("poem") == poem.shares
    assert plan.shares_of("quiz") == quiz.shares
    assert plan.shares_of("letter") == plan.shares_of(None) == others.shares
    paper = plan_of(two_tasks(), how=following("sprout"))
    assert paper.classes == ()
    assert paper.shares_of("poem") == paper.shares_of(None) == paper.shares


def test_class_robust_saves_more_than_class_fair_and_that_more_than_l0() -> None:
    spent_g = [
        plan_of(two_tasks(), how=following(policy)).outcome.carbon_g
        for policy in ("class-robust", "class-fair", "base")
    ]
    assert spent_g == sorted(spent_g)
    assert len(set(spent_g)) == 3


def test_a_class_floor_of_one_gives_nothing_of_a_class_away() -> None:
    plan = plan_of(two_tasks(), how=following("class-fair", class_floor=1.0))
    for each in plan.classes:
        assert each.preference >= each.base_preference - 1e-6


def test_less_confidence_asks_for_smaller_margins() -> None:
    margins = [
        plan_of(two_tasks(100), how=following("class-fair", confidence=z)).outcome.margin
        for z in (0.0, 1.0, 2.0)
    ]
    assert margins[0] == 0
    assert margins == sorted(margins)


def test_too_few_verdicts_leave_one_mix_and_the_plan_says_so() -> None:
    few = two_tasks(20)
    assert plan_of(few).policy == "sprout"
    plan = plan_of(few, how=following("class-fair"))
    assert plan.classes == ()
    assert "no task has 30 judged prompts yet" in plan.notes[0]


def test_every_class_keeps_its_exploration_share() -> None:
    plan = plan_of(two_tasks(), how=replace(following("class-robust"), explore=0.1))
    for each in plan.classes:
        assert each.shares[0] >= 0.05 - 1e-9
        assert min(each.shares[1:]) >= 0.025 - 1e-9


def test_a_class_that_saves_nothing_for_sure_stays_at_l0() -> None:
    costs = dict(two_tasks().costs)
    for name, e in (("L0", 100.0), ("L1", 60.0), ("L2", 30.0)):
        costs[KEYS[name], "quiz"] = cost([100.0] * 40, name)
        costs[KEYS[name], "letter"] = cost([e] * 40, name)
    plan = plan_of(replace(two_tasks(), costs=costs))
    assert plan.shares_of("quiz") == pytest.approx((1, 0, 0))
    assert plan.shares_of("poem")[0] < 1
    (note,) = plan.notes
    assert note.startswith("task quiz: no level costs less energy than L0")


def test_a_policy_that_knows_the_future_cannot_be_followed() -> None:
    with pytest.raises(UsageError, match="'oracle' cannot be followed live: choose one of base"):
        plan_of(two_tasks(), how=following("oracle"))


def test_a_horizon_without_a_forecast_says_so() -> None:
    plan = plan_of(two_tasks(), how=following("class-horizon"))
    assert "no forecast is stored" in plan.notes[0]


def test_margins_weigh_carbon_at_the_middle_of_the_range() -> None:
    known = two_tasks()
    formed = form(known.preference, known.costs, LEVELS, apart=True)
    # 100 to 500 g/kWh
    assert outlook_of((known.grid,), LEVELS, formed, options()).reference_g_per_kwh == 300


def test_a_slot_of_a_whole_day_is_the_horizon_and_lacks_no_forecast() -> None:
    known = two_tasks()
    slot = replace(known.grid.intensity, duration_s=86_400, is_forecast=True)
    known = replace(known, grid=replace(known.grid, intensity=slot))
    assert plan_of(known, how=following("class-horizon")).notes == ()


def test_a_horizon_spends_preference_where_the_grid_is_dirty() -> None:
    known = replace(snapshot(TWO, shares=HALF, g_per_kwh=100), coming=ahead(500))
    # Floors 0.4 and 0.36, 0.38 on average: all of the 20 % at L1 wait for the dirty hour.
    plan = plan_of(known, "L0", "L1", how=following("horizon"))
    assert plan.shares == pytest.approx((1, 0))
    assert plan.outcome.floor == pytest.approx(0.38)
    known = replace(snapshot(TWO, shares=HALF, g_per_kwh=500), coming=ahead(100))
    plan = plan_of(known, "L0", "L1", how=following("horizon"))
    assert plan.shares == pytest.approx((0.8, 0.2))
    # 0.8 of L0 in this hour, all of it in the next: 0.36 and 0.4
    assert plan.outcome.preference == pytest.approx(0.38)
    assert plan.outcome.is_floor_met
    assert plan.outcome.window_h == 2


def test_the_price_of_a_windows_floor_is_that_of_one_request() -> None:
    hour = snapshot(TWO, shares=HALF)
    day = replace(hour, coming=ahead(*[300] * 23))
    alone = plan_of(hour, "L0", "L1", how=following("sprout")).outcome
    outcome = plan_of(day, "L0", "L1", how=following("horizon")).outcome
    # as by hand for two levels: the same floor of 0.38 in every hour
    assert alone.floor_price_g == pytest.approx(0.05 * 0.0033333, abs=1e-7)
    assert outcome.floor_price_g == pytest.approx(alone.floor_price_g)
    assert (outcome.floor, outcome.base_preference) == pytest.approx((0.38, 0.4))
    assert outcome.baseline_g == pytest.approx(alone.baseline_g)
    assert (alone.window_h, outcome.window_h) == (None, 24)


@pytest.mark.parametrize("minutes", [15, 30, 60])
def test_a_horizon_is_a_day_whatever_its_slots(minutes: int) -> None:
    # the rest of this hour and 12 hours at 100, then 11 at 500, and a green day that is too far off
    hours = [100] * 12 + [500] * 11 + [100] * 24
    slots = [
        known_slot(each, NOW + timedelta(hours=1 + at, minutes=minutes * part), minutes)
        for at, each in enumerate(hours)
        for part in range(60 // minutes)
    ]
    known = replace(snapshot(TWO, shares=HALF, g_per_kwh=100), coming=tuple(slots))
    outcome = plan_of(known, "L0", "L1", how=following("horizon")).outcome
    assert outcome.window_h == 24
    # floors 0.4 in 13 hours and 0.36 in 11
    assert outcome.floor == pytest.approx((13 * 0.4 + 11 * 0.36) / 24)


def test_a_longer_slot_serves_more_of_the_window() -> None:
    # an hour at 500 and the six at 100 that follow, of which one overlaps it
    slot = known_slot(100, NOW, 7 * 60)
    known = replace(snapshot(TWO, shares=HALF, g_per_kwh=500), coming=(slot,))
    outcome = plan_of(known, "L0", "L1", how=following("horizon")).outcome
    assert outcome.floor == pytest.approx((0.36 + 6 * 0.4) / 7)
    assert outcome.window_h == 7


# always


@given(
    energies=st.lists(st.floats(0, 1e4), min_size=3, max_size=3),
    preferences=st.lists(st.none() | st.floats(0, 1), min_size=3, max_size=3),
    g_per_kwh=st.floats(0, 2000),
    tolerance=st.floats(0, 1),
    explore=st.floats(0, 0.99),
)
def test_the_mix_sums_to_one_keeps_exploration_and_meets_the_floor(
    energies: Sequence[float],
    preferences: Sequence[float | None],
    g_per_kwh: float,
    tolerance: float,
    explore: float,
) -> None:
    names = ("L0", "L1", "L2")
    costs = {name: cost([e, e], name) for name, e in zip(names, energies, strict=True)}
    shares = {name: q for name, q in zip(names, preferences, strict=True) if q is not None}
    known = snapshot(costs, shares=shares, g_per_kwh=g_per_kwh)
    plan = plan_of(known, how=options(tolerance=tolerance, explore=explore, embodied=0.001))
    assert sum(plan.shares) == pytest.approx(1)
    assert plan.shares[0] >= explore / 2 - 1e-6
    assert min(plan.shares[1:]) >= explore / 4 - 1e-6
    assert plan.outcome.is_floor_met
    for level in plan.levels[1:]:
        if level.preference is None:
            assert level.share == pytest.approx(explore / 4, abs=1e-6)
