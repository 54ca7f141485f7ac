"""Intensity of a mix of fuels: the mean of lifecycle factors, weighted by generation. Pure.

Negative generation and storage are left out, and so is a fuel of no known factor, unless it makes
more than a quarter: then there is no value. An hour that lacks a fuel which makes more than a
twentieth of all hours is not complete yet. Imports are not counted.
"""

from collections import defaultdict
from collections.abc import Mapping
from datetime import datetime
from typing import Final

COAL: Final = 820.0
GAS: Final = 490.0
OIL: Final = 700.0
BIOMASS: Final = 230.0
SOLAR: Final = 48.0
GEOTHERMAL: Final = 38.0
HYDRO: Final = 24.0
OCEAN: Final = 17.0
NUCLEAR: Final = 12.0
OFFSHORE_WIND: Final = 12.0
ONSHORE_WIND: Final = 11.0
"""gCO2eq/kWh: lifecycle medians of IPCC AR5 WG3 (2014), Annex III, table A.III.2.

Utility-scale solar. Oil is not in that table: 700 lies between the 650 and 740 in use.
"""
MAX_UNKNOWN_SHARE = 0.25
MAIN_SHARE = 0.05

Generation = Mapping[datetime, Mapping[str, float]]
"""Energy of each hour by fuel, in MWh."""


def intensity_of(mix_mwh: Mapping[str, float], factors: Mapping[str, float]) -> float | None:
    """Return the intensity of one hour's mix without storage, in gCO2eq/kWh.

    None when too much of it is of unknown factor, or there is nothing.
    """
    positive = {fuel: mwh for fuel, mwh in mix_mwh.items() if mwh > 0}
    known = {fuel: mwh for fuel, mwh in positive.items() if fuel in factors}
    total_mwh, known_mwh = sum(positive.values()), sum(known.values())
    if known_mwh <= 0 or total_mwh - known_mwh > MAX_UNKNOWN_SHARE * total_mwh:
        return None
    return sum(factors[fuel] * mwh for fuel, mwh in known.items()) / known_mwh


def main_fuels(generation: Generation) -> set[str]:
    """Return the fuels without which an hour is not complete."""
    totals: dict[str, float] = defaultdict(float)
    for by_fuel in generation.values():
        for fuel, mwh in by_fuel.items():
            if mwh > 0:
                totals[fuel] += mwh
    all_mwh = sum(totals.values())
    return {fuel for fuel, mwh in totals.items() if mwh > MAIN_SHARE * all_mwh}
