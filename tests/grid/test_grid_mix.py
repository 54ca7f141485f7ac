from datetime import timedelta

import pytest
from plain_records import NOW

from sprout.grid import mix
from sprout.grid.mix import Generation, intensity_of, main_fuels


def test_factors_are_the_lifecycle_medians_of_the_ipcc() -> None:
    # AR5 WG3, Annex III, table A.III.2, its medians; oil is not in it
    assert (mix.COAL, mix.GAS, mix.BIOMASS, mix.NUCLEAR) == (820, 490, 230, 12)
    assert (mix.SOLAR, mix.GEOTHERMAL, mix.HYDRO, mix.OCEAN) == (48, 38, 24, 17)
    assert (mix.OFFSHORE_WIND, mix.ONSHORE_WIND) == (12, 11)
    assert mix.OIL == 700  # between the 650 and 740 in use


def test_a_mix_is_the_mean_of_its_fuels_by_generation() -> None:
    # 30 % of 820 and 70 % of 11
    found = intensity_of({"coal": 30.0, "wind": 70.0}, {"coal": 820.0, "wind": 11.0})
    assert found == pytest.approx(253.7)


def test_a_quarter_may_be_of_no_known_factor_and_no_more() -> None:
    factors = {"coal": 820.0}
    assert intensity_of({"coal": 75.0, "other": 25.0}, factors) == 820
    assert intensity_of({"coal": 74.9, "other": 25.1}, factors) is None


def test_a_fuel_of_more_than_a_twentieth_of_all_hours_is_a_main_one() -> None:
    def by_hour(num_mwh: float) -> Generation:
        rest = (100 - num_mwh) / 2
        return {NOW: {"a": rest, "b": num_mwh}, NOW + timedelta(hours=1): {"a": rest}}

    assert main_fuels(by_hour(5.0)) == {"a"}
    assert main_fuels(by_hour(5.02)) == {"a", "b"}
