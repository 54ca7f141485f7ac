from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st
from plain_records import NOW

from sprout.grid import yearly
from sprout.grid.intensity import History, Series
from sprout.grid.range import judged_against, weight

DE = Series("DE", "average", "lifecycle")


def test_without_a_history_it_is_the_countries_of_the_world() -> None:
    assert judged_against(DE, None) == yearly.world_range()


def test_after_a_year_it_is_the_zones_own() -> None:
    found = judged_against(DE, History(120, 480, 365, NOW))
    assert (found.low_g_per_kwh, found.high_g_per_kwh) == (120, 480)
    assert found.source == "history of DE since 2026-01-01 (365 days)"


def test_in_between_it_is_both_and_says_so() -> None:
    # 91 days weigh sqrt(91 / 365) = 0.4993; the countries reach from 20 to 1306.025
    found = judged_against(DE, History(120, 480, 91, NOW))
    assert found.low_g_per_kwh == pytest.approx(0.5007 * 20 + 0.4993 * 120, abs=0.05)
    assert found.high_g_per_kwh == pytest.approx(0.5007 * 1306.025 + 0.4993 * 480, abs=0.2)
    assert found.source.startswith("50% history of DE")
    assert "countries" in found.source


def test_the_weight_grows_with_every_day() -> None:
    weights = [weight(days) for days in range(367)]
    assert weights[0] == 0
    assert all(earlier < later for earlier, later in pairwise(weights[:366]))
    assert weights[365] == weights[366] == 1


@given(st.floats(0, 3000), st.floats(0, 3000), st.integers(1, 400))
def test_what_was_seen_always_lies_inside(one: float, other: float, days: int) -> None:
    low, high = sorted((one, other))
    found = judged_against(DE, History(low, high, days, NOW))
    assert found.low_g_per_kwh <= low <= high <= found.high_g_per_kwh
