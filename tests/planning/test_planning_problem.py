from dataclasses import replace

import numpy as np
import pytest

from sprout.planning.problem import Deferrable, Floor, Problem, mix_of


def two_slots() -> Problem:
    """Return two slots, one class and two levels, at 0.18 and 0.036 g, then 0.02 and 0.004 g."""
    return Problem(
        energy_kwh=np.array([[2e-4, 0.4e-4]]),
        time_s=np.ones((1, 2)),
        preference=np.array([[0.6, 0.4]]),
        intensity_g_per_kwh=np.array([900.0, 100.0]),
        embodied_g_per_s=0.01,
        demand=np.ones((2, 1)),
    )


def test_cost_adds_operational_and_embodied_carbon() -> None:
    # 900 * 2e-4 + 0.01 * 1 and so on.
    assert two_slots().cost_g[:, 0].tolist() == [
        pytest.approx([0.19, 0.046]),
        pytest.approx([0.03, 0.014]),
    ]


def test_a_mix_says_what_its_amounts_come_to() -> None:
    # Slot 0 halves: (0.19 + 0.046) / 2 + 0.03 = 0.148 g, and the mean of 0.5 and 0.6 is
    # preferred.
    problem = replace(two_slots(), floors=(Floor((0, 1), (0,), 0.55), Floor((0,), (0,), 0.5)))
    mix = mix_of(problem, np.array([[[0.5, 0.5]], [[1.0, 0.0]]]), None)
    assert mix.carbon_g == pytest.approx(0.148)
    assert mix.preference == pytest.approx(0.55)
    assert mix.is_floor_met


def test_a_mix_below_one_of_the_floors_says_so() -> None:
    problem = replace(two_slots(), floors=(Floor((0, 1), (0,), 0.5), Floor((0,), (0,), 0.5)))
    mix = mix_of(problem, np.array([[[0.0, 1.0]], [[1.0, 0.0]]]), None)
    assert not mix.is_floor_met


def test_a_slot_that_serves_nothing_has_no_shares() -> None:
    problem = replace(two_slots(), demand=np.array([[0.0], [2.0]]))
    mix = mix_of(problem, np.array([[[0.0, 0.0]], [[1.0, 1.0]]]), None)
    assert mix.share[:, 0].tolist() == [[0, 0], [0.5, 0.5]]


NAN = float("nan")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"energy_kwh": np.array([[NAN, 1.0]])}, "energy_kwh must be finite"),
        ({"energy_kwh": np.array([1.0, 1.0])}, "unpack"),
        ({"time_s": np.array([[-1.0, 1.0]])}, "time_s must be finite and not negative"),
        ({"time_s": np.zeros((2, 2))}, r"time_s has shape \(2, 2\), expected \(1, 2\)"),
        ({"preference": np.array([[NAN, 1.0]])}, "preference must be finite"),
        ({"intensity_g_per_kwh": np.array([-5.0, 1.0])}, "intensity_g_per_kwh must be"),
        ({"embodied_g_per_s": NAN}, "embodied_g_per_s must be finite"),
        ({"demand": np.ones((3, 1))}, r"demand has shape \(3, 1\), expected \(2, 1\)"),
        ({"demand": np.zeros((2, 1))}, "no demand"),
        ({"capacity_s": np.ones(3)}, "capacity_s has shape"),
        ({"min_share": np.array([0.6, 0.6])}, "no mix has shares"),
        ({"max_share": np.array([0.4, 0.4])}, "no mix has shares"),
        ({"min_share": np.array([-0.1, 0.0])}, "0 <= min_share"),
        ({"deferrable": (Deferrable(0, 1.0, 1, 2),)}, "does not fit 2 slots, 1 classes"),
        ({"deferrable": (Deferrable(1, 1.0, 0, 1),)}, "does not fit"),
        ({"deferrable": (Deferrable(0, 0.0, 0, 1),)}, "does not fit"),
        ({"floors": (Floor((0, 2), (0,), 0.5),)}, "does not fit"),
        ({"floors": (Floor((0,), (), 0.5),)}, "does not fit"),
        ({"floors": (Floor((0, 0), (0,), 0.5),)}, "does not fit"),
        ({"floors": (Floor((0,), (0,), NAN),)}, "does not fit"),
    ],
)
def test_data_that_do_not_fit_together_are_refused(
    changes: dict[str, object], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        replace(two_slots(), **changes)  # type: ignore[arg-type]
