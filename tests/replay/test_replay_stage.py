from dataclasses import replace

import numpy as np
import pytest

from sprout.replay.stage import Options, assessed_hours, build, static_intensity
from sprout.replay.world import World


def world_of_four_hours() -> World:
    """Two tasks by turns, and one request more every hour."""
    return World(
        tasks=("a", "b"),
        levels=("L0", "L1"),
        intensity_g_per_kwh={"XX": np.array([100.0, 200.0, 300.0, 400.0])},
        composition=np.array([[1.0, 0.0], [0.0, 1.0], [0.5, 0.5], [0.25, 0.75]]),
        weight=np.array([1.0, 2.0, 3.0, 4.0]),
        energy_kwh=np.ones((2, 2)),
        time_s=np.ones((2, 2)),
        patterns=np.eye(2),
        pool=np.array([[0, 1], [0, 1]]),
        quality="preference",
        embodied_g_per_s=0.0,
        is_parallel=True,
    )


def test_hours_of_one_record_keep_their_own_demand() -> None:
    world, options = world_of_four_hours(), Options(start_hour=2, num_hours=2)
    stage = build(world, "XX", options)
    assert stage.intensity_g_per_kwh.tolist() == [300, 400]
    assert stage.composition.tolist() == [[0.5, 0.5], [0.25, 0.75]]
    assert stage.weight.tolist() == [3, 4]
    assert stage.reference_g_per_kwh == 250  # the middle of all four hours


def test_a_static_mix_is_for_the_mean_of_the_month_before_or_else_of_the_record() -> None:
    hours = np.arange(2000.0)
    world = replace(world_of_four_hours(), intensity_g_per_kwh={"XX": hours})
    means = [static_intensity(world, "XX", Options(start_hour=h)) for h in (0, 719, 720, 800, 1000)]
    assert means == [999.5, 999.5, 359.5, 999.5, (280 + 999) / 2]


def test_the_evaluator_knows_the_months_mean_or_that_of_what_it_has_seen() -> None:
    # hour 7 is a minimum, which hour 8 sees: its 120 are below the mean of all hours, 232, but
    # above that of the nine seen, 101
    hours = np.array([*[100.0] * 7, 90.0, 120.0, *[400.0] * 7])
    assert assessed_hours(hours, Options(knows_month=True)).tolist() == [0, 8]
    assert assessed_hours(hours, Options(knows_month=False)).tolist() == [0]


def test_the_mix_of_the_past_is_of_its_requests_and_of_an_hour_with_all_tasks_alike() -> None:
    stage = build(world_of_four_hours(), "XX", Options(0, num_hours=4, knows_mix=False))
    # 1.25 requests of either task to begin with; then 1 of a, 2 of b, 1.5 of each
    told = [[1.25, 1.25], [2.25, 1.25], [2.25, 3.25], [3.75, 4.75]]
    assert stage.told_mix == pytest.approx(np.array([np.array(row) / sum(row) for row in told]))


def test_a_months_mix_begins_with_the_month() -> None:
    world = replace(world_of_four_hours(), is_parallel=False)
    stage = build(world, "XX", Options(start_hour=2, num_hours=2))
    assert stage.intensity_g_per_kwh.tolist() == [300, 400]
    assert stage.composition.tolist() == [[1, 0], [0, 1]]
    assert stage.weight.tolist() == [1, 2]
