from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sprout.policies import base, co2_opt, sprout
from sprout.problem import Deferrable, Floor, Problem


def problem() -> Problem:
    """Return a dirty and a clean slot, two classes, three levels and a floor in each slot."""
    return Problem(
        energy_kwh=np.array([[3e-4, 6e-5, 4e-5], [1e-4, 5e-5, 6e-5]]),
        time_s=np.array([[4.5, 0.9, 0.6], [1.5, 0.7, 0.9]]),
        preference=np.array([[0.54, 0.26, 0.2], [0.24, 0.35, 0.41]]),
        intensity_g_per_kwh=np.array([600.0, 60.0]),
        embodied_g_per_s=1.67e-4,
        demand=np.array([[10.0, 20.0], [30.0, 0.0]]),
        floors=tuple(Floor((t,), (0, 1), 0.36) for t in (0, 1)),
    )


def test_base_serves_everything_at_l0() -> None:
    mix = base(problem())
    assert mix.share.tolist() == [[[1, 0, 0], [1, 0, 0]], [[1, 0, 0], [0, 0, 0]]]
    assert mix.carbon_g == pytest.approx(mix.baseline_carbon_g)
    # (40 * 0.54 + 20 * 0.24) / 60 = 0.44
    assert mix.preference == pytest.approx(0.44)
    assert mix.floor_price_g is None


def test_base_serves_deferrable_demand_at_once() -> None:
    mix = base(replace(problem(), deferrable=(Deferrable(1, 5.0, 0, 1),)))
    assert mix.amount[:, 1, 0].tolist() == [25, 0]
    assert mix.carbon_g == pytest.approx(mix.baseline_carbon_g)


def test_base_explores_no_more_than_it_has_to() -> None:
    mix = base(replace(problem(), min_share=np.array([0.0, 0.02, 0.05])))
    assert mix.share[0, 0].tolist() == pytest.approx([0.93, 0.02, 0.05])
    assert mix.carbon_g < mix.baseline_carbon_g


def test_base_passes_on_what_l0_may_not_serve() -> None:
    mix = base(replace(problem(), max_share=np.array([0.5, 0.3, 1.0])))
    assert mix.share[0, 0].tolist() == pytest.approx([0.5, 0.3, 0.2])


def test_co2_opt_takes_the_level_of_least_carbon_of_each_class() -> None:
    mix = co2_opt(problem())
    assert mix.share[0].tolist() == [[0, 0, 1], [0, 1, 0]]
    assert mix.share[1].tolist() == [[0, 0, 1], [0, 0, 0]]
    # Slot 0 serves 10 at 0.2 and 20 at 0.35: 0.3 is below its floor of 0.36.
    assert not mix.is_floor_met
    assert mix.floor_price_g is None


def test_co2_opt_explores_as_it_is_told() -> None:
    mix = co2_opt(replace(problem(), min_share=np.array([0.1, 0.0, 0.0])))
    assert mix.share[0, 0].tolist() == pytest.approx([0.1, 0, 0.9])


def test_sprout_keeps_the_floor_that_co2_opt_breaks() -> None:
    mix = sprout(problem())
    assert mix.is_floor_met
    assert mix.floor_price_g is not None
    assert min(mix.floor_price_g) > 0


@settings(deadline=None, max_examples=50)
@given(
    st.lists(st.floats(1e-6, 1e-3), min_size=6, max_size=6),
    st.lists(st.floats(0.01, 1), min_size=6, max_size=6),
    st.floats(0, 1),
)
def test_sprout_lies_between_co2_opt_and_the_floor_of_base(
    energies_kwh: list[float], preferences: list[float], tolerance: float
) -> None:
    preference = np.array(preferences).reshape(2, 3)
    drawn = replace(
        problem(), energy_kwh=np.array(energies_kwh).reshape(2, 3), preference=preference
    )
    kept = base(drawn).preference * (1 - tolerance)
    drawn = replace(drawn, floors=(Floor((0, 1), (0, 1), kept),))
    mix = sprout(drawn)
    assert mix.is_floor_met
    assert co2_opt(drawn).carbon_g <= mix.carbon_g * (1 + 1e-6)
    assert mix.carbon_g <= base(drawn).carbon_g * (1 + 1e-6)
