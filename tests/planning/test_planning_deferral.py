from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from plain_records import LEVELS, MEASURED, NOW, prompt, reading, snapshot

from sprout.grid.reading import GridReading
from sprout.planning.deferral import (
    UTILISATION,
    WAITING,
    Backlog,
    Deadlines,
    Group,
    Wave,
    count,
    decide,
    take,
)
from sprout.planning.plan import PlanOptions, Snapshot

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
    found = wave(hours([300, 400, 100]), {due_in(3): 600})
    # the greenest hour serves all at L0 and is as full as it may be: 0.8 * 3600 s / 10 s = 288
    assert [slot.num_prompts for slot in found.slots] == pytest.approx([312, 0, 288])
    assert found.num_prompts == 312


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


def test_a_wave_ends_when_the_next_decision_is_due_but_for_what_never_waits() -> None:
    deadlines = Deadlines(NOW, None)
    rows = [prompt("a", deadline="2026-01-01T18:00:00Z"), prompt("b")]
    backlog = count(rows, deadlines)
    chosen = Wave(dict(backlog), NOW + HOUR, (), None)
    taken = list(take([*rows, prompt("c")], chosen, backlog, deadlines, lambda: NOW + HOUR))
    assert taken == [WAITING, rows[1]]
    assert backlog[due_in(6)] == 1


intensities = st.floats(20, 900)


@settings(max_examples=60, deadline=None)
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
