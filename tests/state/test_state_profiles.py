from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import plain_records
import pytest
from plain_records import KEYS, NOW, UNDER, sample
from state import store_processes

from sprout.costs import ALL_TASKS, Conditions, Cost, Sample, learn
from sprout.state.profiles import Profiles
from sprout.state.store import Store

SAMPLES = [sample("L0", 10 + i % 7, task=("", "qa", "maths")[i % 3]) for i in range(30)] + [
    sample("L1", 5 + i % 3, task="qa") for i in range(20)
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "sprout.db") as store:
        yield store


def test_nothing_is_known_at_first(store: Store) -> None:
    profiles = Profiles(store)
    assert profiles.costs(UNDER) == {}
    assert profiles.updated_at(UNDER) is None
    assert profiles.known_conditions() == []


def test_learning_in_parts_is_the_same_as_adding_each_request_by_hand(store: Store) -> None:
    profiles = Profiles(store)
    for start in range(0, len(SAMPLES), 7):
        profiles.learn(UNDER, SAMPLES[start : start + 7], NOW)
    by_hand: dict[tuple[str, str], Cost] = {}
    for each in SAMPLES:
        for task in (each.task, ALL_TASKS):
            row = (each.directive_key, task)
            by_hand[row] = by_hand.get(row, Cost()).add(each)
    # equal to the last bit: REAL keeps doubles
    assert profiles.costs(UNDER) == by_hand
    assert set(by_hand) == {
        *((KEYS["L0"], task) for task in ("", "qa", "maths", ALL_TASKS)),
        *((KEYS["L1"], task) for task in ("qa", ALL_TASKS)),
    }
    assert by_hand == learn({}, SAMPLES)


def test_learning_costs_the_same_however_many_tasks_are_known(store: Store) -> None:
    profiles = Profiles(store)

    def work() -> int:
        num_steps = 0

        def count() -> None:
            nonlocal num_steps
            num_steps += 1

        with store.read() as connection:
            connection.set_progress_handler(count, 1)
            profiles.learn(UNDER, [sample("L0", task="qa"), sample("L1", task="new")], NOW)
            connection.set_progress_handler(None, 1)
        return num_steps

    profiles.learn(UNDER, [sample("L0", task="qa")], NOW)
    before = work()
    profiles.learn(UNDER, [sample("L0", task=f"task {number}") for number in range(2000)], NOW)
    assert 0 < work() < 2 * before


@pytest.mark.parametrize(
    "other",
    [
        replace(UNDER, model="another"),
        replace(UNDER, machine="another"),
        replace(UNDER, parallel=1),
        replace(UNDER, threads=1),
        replace(UNDER, gpu_layers=1),
        replace(UNDER, max_tokens=1),
        replace(UNDER, energy_method="tdp_estimate"),
    ],
)
def test_costs_under_other_conditions_are_never_pooled(store: Store, other: Conditions) -> None:
    profiles = Profiles(store)
    profiles.learn(UNDER, [sample(energy_j=10)], NOW)
    profiles.learn(other, [sample(energy_j=90)], NOW)
    assert profiles.costs(UNDER)[KEYS["L0"], ALL_TASKS].energy_j.mean == 10
    assert profiles.costs(other)[KEYS["L0"], ALL_TASKS].energy_j.mean == 90


def test_the_time_of_the_last_change_is_kept(store: Store) -> None:
    profiles = Profiles(store)
    later = NOW + timedelta(hours=1)
    profiles.learn(UNDER, [sample("L0")], NOW)
    profiles.learn(UNDER, [sample("L1")], later)
    assert profiles.updated_at(UNDER) == later
    assert profiles.updated_at(replace(UNDER, parallel=1)) is None


def test_known_conditions_come_latest_first_with_their_requests(store: Store) -> None:
    profiles = Profiles(store)
    other = replace(UNDER, parallel=1)
    profiles.learn(UNDER, [sample("L0", task="qa"), sample("L1")], NOW)
    profiles.learn(other, [sample("L0")], NOW + timedelta(hours=1))
    # the rows of tasks repeat requests that the rows of all tasks count
    assert profiles.known_conditions() == [
        (other, 1, "2026-01-01T13:00:00.000Z"),
        (UNDER, 2, "2026-01-01T12:00:00.000Z"),
    ]


def test_two_processes_that_learn_at_once_lose_nothing(tmp_path: Path) -> None:
    path = tmp_path / "sprout.db"
    assert store_processes.run_together(store_processes.learn, [path], 2) == []
    with Store.open(path) as store:
        table = Profiles(store).costs(Conditions("m", "x", 8, 2, 0, 256, "rapl"))
    cost = table["key", ALL_TASKS]
    # 100 requests of 1 J and 100 of 2 J, in whatever order: the weights do not depend on it
    by_hand = Cost()
    for _ in range(200):
        by_hand = by_hand.add(Sample("key", "", 1.5, 0.5, 20, 30))
    assert cost.num_requests == 200
    assert (cost.weight, cost.weight_squared) == (by_hand.weight, by_hand.weight_squared)
    # 200 newer requests halve a weight: of 100 and 100 one after the other the later ones weigh
    # 2**0.5 as much, so that the mean is between (2**0.5 + 2) / (2**0.5 + 1) = 1.41 and 1.59
    assert 1.41 <= cost.energy_j.mean <= 1.59
    assert cost.busy_s.mean == pytest.approx(0.5)


def test_directives_are_named_once_for_each_variant(store: Store) -> None:
    profiles, levels = Profiles(store), plain_records.LEVELS.with_variants({"q4_0": "f" * 16})
    for _ in range(2):
        profiles.name_directives(levels.directives)
    with store.read() as connection:
        rows = connection.execute("SELECT * FROM directives").fetchall()
    assert {tuple(row) for row in rows} == {
        (d.key, d.text, d.placement, d.max_tokens, d.variant) for d in levels.directives
    }
    assert len(rows) == 6


def test_idle_power_is_replaced_by_a_newer_measurement(store: Store) -> None:
    profiles = Profiles(store)
    profiles.set_idle(UNDER, 30.0, 5.0, NOW)
    profiles.set_idle(UNDER, 32.5, 10.0, NOW + timedelta(hours=1))
    with store.read() as connection:
        rows = connection.execute("SELECT * FROM baselines").fetchall()
    assert [tuple(row) for row in rows] == [
        ("machine", "rapl", 32.5, 10.0, "2026-01-01T13:00:00.000Z")
    ]
