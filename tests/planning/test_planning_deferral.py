from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_records import LEVELS, MEASURED, NOW, cost, prompt, reading, snapshot

from sprout.grid.reading import GridReading
from sprout.planning.backlog import Backlog, Deadlines, Group, count
from sprout.planning.deferral import decide
from sprout.planning.plan import PlanOptions, Snapshot
from sprout.planning.spread import UTILISATION
from sprout.planning.wave import WAITING, Wave, take

HOUR = timedelta(hours=1)
OPTIONS = PlanOptions(tolerance=0.1, explore=0.0, pue=1.0, embodied_g_per_s=0.0)
SLOWEST_S = 10.0  # a request at L0, see MEASURED; no mix takes longer
PER_HOUR = int(3600 * UTILISATION / SLOWEST_S)  # 288


def hours(g_per_kwh: Sequence[float], now: datetime = NOW) -> Snapshot:
    """What is known at `now`, which is a full hour: its intensity and those that follow."""
    coming: list[GridReading] = [
        reading(g, now + number * HOUR) for number, g in enumerate(g_per_kwh)
    ]
    return replace(snapshot(MEASURED), grid=coming[0], coming=tuple(coming[1:]))


def due_in(num_hours: float, task: str = "") -> Group:
    return Group(task, NOW + num_hours * HOUR)


def wave(known: Snapshot, backlog: Backlog, now: datetime = NOW) -> Wave:
    return decide(known, LEVELS, OPTIONS, backlog, now)


def test_what_has_no_deadline_is_served_at_once() -> None:
    anytime = Group("", None)
    found = wave(hours([400, 100]), {anytime: 5, due_in(2): 7})
    assert found.quota == {anytime: 5}
    assert found.decide_at == NOW + HOUR


def test_prompts_wait_for_the_greenest_hour_before_their_deadline() -> None:
    found = wave(hours([400, 300, 100, 50]), {due_in(3): 10})
    assert found.num_prompts == 0
    assert found.awaited is not None
    assert (found.awaited.start, found.awaited.g_per_kwh) == (NOW + 2 * HOUR, 100)
    assert found.awaited.num_prompts == pytest.approx(10)


def test_what_the_greenest_hour_cannot_hold_is_served_in_the_next_best_one() -> None:
    found = wave(hours([300, 400, 100]), {due_in(3): 500})
    # an hour is as full as it may be where it could serve all at L0: 0.8 * 3600 s / 10 s = 288
    assert [slot.num_prompts for slot in found.slots] == pytest.approx([212, 0, 288])
    assert found.num_prompts == 212


def test_a_deadline_inside_the_present_hour_leaves_nothing_to_wait_for() -> None:
    found = wave(hours([400, 100, 100]), {due_in(0.5): 3, due_in(1.5): 4, due_in(-1): 5})
    assert found.quota == {due_in(0.5): 3, due_in(1.5): 4, due_in(-1): 5}


def test_without_a_forecast_nothing_waits_and_the_reason_is_told() -> None:
    found = wave(hours([400]), {due_in(9): 3})
    assert found.quota == {due_in(9): 3}
    assert found.reason == "nothing is known of the coming hours"


def test_an_hour_behind_a_gap_is_not_known() -> None:
    known = hours([400, 300, 20])
    holed = replace(known, coming=known.coming[1:])
    assert wave(holed, {due_in(3): 3}).num_prompts == 3


def test_nothing_waits_where_all_hours_are_alike() -> None:
    assert wave(hours([200, 200, 200, 199.9]), {due_in(4): 3}).num_prompts == 3
    # an hour later must be 0.2 % greener: 399.2 g/kWh
    pinned = {replace(due_in(2), level="L0"): 3}
    assert wave(hours([400, 399.4]), pinned).num_prompts == 3
    assert wave(hours([400, 399.0]), pinned).num_prompts == 0


def test_hours_without_carbon_are_alike() -> None:
    assert wave(hours([0, 0, 0]), {due_in(3): 3}).num_prompts == 3
    found = wave(hours([400, 0, 0, 0]), {due_in(4): 3})
    assert found.awaited is not None
    assert found.awaited.start == NOW + HOUR


def test_what_does_not_fit_before_its_deadline_is_served_at_once_and_the_reason_is_told() -> None:
    backlog = {due_in(2): 100 * PER_HOUR}
    found = wave(hours([400, 100]), backlog)
    assert found.quota == backlog
    assert found.reason == "the deadlines leave no time to wait"


def test_a_deadline_beyond_the_forecast_waits_for_the_best_hour_in_sight() -> None:
    found = wave(hours([400, 100, 300]), {due_in(500): 3})
    assert found.awaited is not None
    assert found.awaited.start == NOW + HOUR


def test_what_is_due_first_is_served_first() -> None:
    found = wave(hours([100, 400, 400]), {due_in(3): 600, due_in(2): 100})
    assert found.quota[due_in(2)] == 100
    assert 0 < found.quota[due_in(3)] < 600


def test_what_takes_no_time_is_served_with_what_leaves_none() -> None:
    free = Group("", NOW + HOUR, "L2")
    known = hours([100, 400])
    known = replace(known, costs=snapshot(MEASURED | {"L2": cost([0.0] * 3, "L2")}).costs)
    overdue = due_in(-1)
    assert wave(known, {overdue: 100 * PER_HOUR, free: 5}).quota == {
        overdue: 100 * PER_HOUR,
        free: 5,
    }


def test_part_of_an_hour_holds_part_of_its_prompts() -> None:
    now = NOW + HOUR / 2
    full = wave(hours([100, 400, 400]), {due_in(3): 600})
    half = wave(hours([100, 400, 400]), {due_in(3): 600}, now)
    assert half.num_prompts == pytest.approx(full.num_prompts / 2, rel=0.02)


def test_far_deadlines_are_counted_by_the_minute_and_never_later() -> None:
    deadlines = Deadlines(NOW, None)
    near = prompt("a", deadline="2026-01-01T12:30:15.9Z")
    far = prompt("b", deadline="2026-01-01T18:30:15Z")
    assert deadlines.group_of(near).deadline == NOW + timedelta(minutes=30, seconds=15)
    assert deadlines.group_of(far).deadline == NOW + timedelta(hours=6, minutes=30)
    # what is far begins an hour from now
    for told, counted in (("12:59:59", "12:59:59"), ("13:00:01", "13:00:00")):
        row = prompt("c", deadline=f"2026-01-01T{told}Z")
        found = deadlines.group_of(row).deadline
        assert found == datetime.fromisoformat(f"2026-01-01T{counted}Z")


def test_a_prompts_own_deadline_wins_over_the_runs() -> None:
    deadlines = Deadlines(NOW, NOW + 2 * HOUR)
    rows = [prompt("a"), prompt("b", deadline="2026-01-01T20:00:00+01:00"), prompt("c", task="t")]
    assert count(rows, deadlines) == {due_in(2): 1, due_in(7): 1, due_in(2, "t"): 1}


def test_taking_a_wave_leaves_the_rest_in_the_backlog() -> None:
    deadlines = Deadlines(NOW, NOW + 3 * HOUR)
    rows = [prompt("a"), prompt("b", task="t"), prompt("c"), prompt("d")]
    backlog = count(rows, deadlines)
    chosen = Wave({due_in(3): 2}, NOW + HOUR, (), None)
    taken = list(take([WAITING, *rows], chosen, backlog, deadlines, lambda: NOW))
    assert taken == [WAITING, rows[0], WAITING, rows[2]]
    assert backlog == {due_in(3): 1, due_in(3, "t"): 1}


def test_a_wave_ends_when_the_next_decision_is_due_and_a_deadline_is_left() -> None:
    deadlines = Deadlines(NOW, None)
    rows = [prompt("a"), prompt("b", deadline="2026-01-01T18:00:00Z"), prompt("c")]
    backlog = count(rows, deadlines)
    chosen = Wave(dict(backlog), NOW + HOUR, (), None)
    assert list(take(rows, chosen, backlog, deadlines, lambda: NOW + HOUR)) == []
    assert backlog == chosen.quota


def test_a_wave_without_deadlines_goes_on_to_its_end() -> None:
    deadlines = Deadlines(NOW, None)
    rows = [prompt("a"), prompt("b")]
    backlog = count(rows, deadlines)
    chosen = Wave(dict(backlog), NOW + HOUR, (), None)
    assert list(take(rows, chosen, backlog, deadlines, lambda: NOW + HOUR)) == rows


def test_lines_pinned_to_a_level_are_counted_apart() -> None:
    rows = [prompt("a"), prompt("b", directive="L2")]
    backlog = count(rows, Deadlines(NOW, NOW + HOUR))
    assert backlog == {due_in(1): 1, replace(due_in(1), level="L2"): 1}


def test_pinned_lines_are_given_the_seconds_of_their_level() -> None:
    # an hour holds 2880 s: 288 requests of 10 s, or 960 at L2
    known = hours([400, 100, 400])
    quick = wave(known, {replace(due_in(3), level="L2"): 960})
    slow = wave(known, {replace(due_in(3), level="L0"): 500})
    assert [slot.num_prompts for slot in quick.slots] == pytest.approx([0, 960, 0])
    assert [slot.num_prompts for slot in slow.slots] == pytest.approx([212, 288, 0])


def test_a_request_is_given_two_standard_errors_more_than_its_mean_seconds() -> None:
    unsure = cost([80.0, 120.0] * 8)
    error_s = unsure.standard_error(unsure.busy_s)
    assert error_s is not None
    known = replace(hours([400, 100, 400]), costs=snapshot(MEASURED | {"L0": unsure}).costs)
    found = wave(known, {replace(due_in(3), level="L0"): 500})
    assert found.slots[1].num_prompts == pytest.approx(2880 / (unsure.busy_s.mean + 2 * error_s))


def test_a_request_that_was_measured_once_is_given_three_times_its_seconds() -> None:
    known = replace(hours([400, 100, 400]), costs=snapshot(MEASURED | {"L0": cost([100.0])}).costs)
    found = wave(known, {replace(due_in(3), level="L0"): 100})
    assert found.slots[1].num_prompts == pytest.approx(2880 / (3 * 10))


def test_a_level_that_is_only_explored_does_not_count_as_slow() -> None:
    """A variant of ten times the seconds that nobody judged serves a hundredth."""
    costs = MEASURED | {"L1": cost([1000.0, 1000.0, 1000.0], "L1")}
    known = snapshot(costs, shares={"L0": 0.5, "L2": 0.5})
    known = replace(known, grid=reading(400), coming=(reading(100, NOW + HOUR),))
    explored = replace(OPTIONS, explore=0.04)
    found = decide(known, LEVELS, explored, {due_in(2): 250}, NOW)
    # 0.98 at L0, 0.01 at L1 and at L2, of 10, 100 and 3 s: 10.8 s, and 2880 s hold 265
    assert [slot.num_prompts for slot in found.slots] == pytest.approx([0, 250])


def test_what_is_due_is_a_wave_before_others() -> None:
    # 240 requests of 10 s before half past twelve leave no time for others: 0.8 * 1800 s = 1440 s
    anytime = Group("", None)
    found = wave(hours([100, 400, 400]), {anytime: 50, due_in(3): 30, due_in(0.5): 240})
    assert found.quota == {due_in(0.5): 240}
    # 100 of them leave 440 s
    found = wave(hours([100, 400, 400]), {anytime: 50, due_in(0.5): 100})
    assert found.quota == {due_in(0.5): 100, anytime: 44}


def test_a_wave_holds_a_minute_of_work_at_least() -> None:
    # due in 36 s: one request of 10 s, and five more
    anytime = Group("", None)
    found = wave(hours([100, 400, 400]), {due_in(0.01): 1, anytime: 100})
    assert found.quota == {due_in(0.01): 1, anytime: 5}
    # a million lines of 50 us are read in 50 s, a fifth of a wave of 250 s: of its other 200 s
    # one request takes 10, and the rest holds nineteen more
    found = wave(hours([100, 400, 400]), {due_in(0.01): 1, anytime: 1_000_000})
    assert found.quota == {due_in(0.01): 1, anytime: 19}


def test_what_is_due_takes_its_seconds_from_this_slot_and_the_next() -> None:
    known = hours([100, 200, 400, 300])
    some = wave(known, {due_in(0.5): 120, due_in(4): 288})
    many = wave(known, {due_in(1.5): 388, due_in(4): 288})
    # 2880 - 1200 s hold 168 requests of 10 s; 2 * 2880 - 3880 s hold 188, and none in the first
    assert [slot.num_prompts for slot in some.slots] == pytest.approx([168, 120, 0, 0])
    assert [slot.num_prompts for slot in many.slots] == pytest.approx([0, 188, 0, 100])


def test_what_is_late_already_is_served_first() -> None:
    found = wave(hours([400, 400]), {due_in(1): 10, due_in(-1): 400, due_in(-2): 1})
    assert found.quota == {due_in(-2): 1, due_in(-1): 400}


intensities = st.floats(20, 900)


@settings(max_examples=60)
@given(
    forecasts=st.lists(st.lists(intensities, min_size=12, max_size=12), min_size=13, max_size=13),
    backlog=st.dictionaries(
        st.integers(1, 12).map(due_in), st.integers(1, PER_HOUR // 12), min_size=1, max_size=12
    ),
    horizon=st.integers(2, 12),
)
def test_no_deadline_is_missed_however_wrong_the_forecasts(
    forecasts: list[list[float]], backlog: dict[Group, int], horizon: int
) -> None:
    """Each hour brings another forecast, unlike the last one; every request is the slowest."""
    left = dict(backlog)
    for number, forecast in enumerate(forecasts):
        now = NOW + number * HOUR
        found = wave(hours(forecast[:horizon], now), left, now)
        assert found.num_prompts * SLOWEST_S <= 3600
        for group, num_prompts in found.quota.items():
            assert group.deadline is not None
            assert now + HOUR <= group.deadline
            left[group] -= num_prompts
    assert not any(left.values())


def test_a_forecast_that_always_promises_a_greener_hour_is_not_believed_for_ever() -> None:
    left = {due_in(6): 10}
    for number in range(6):
        now = NOW + number * HOUR
        found = wave(hours([300, 100, 100, 100, 100, 100, 100], now), left, now)
        left = {group: n - found.quota.get(group, 0) for group, n in left.items()}
    assert not any(left.values())
