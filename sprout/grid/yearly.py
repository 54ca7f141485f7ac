"""The packaged table of yearly average carbon intensities by country: the offline default.

yearly.csv holds lifecycle intensities of electricity generation, in gCO2eq/kWh, of the newest
year (2021 to 2023) that the source has for each country. Source: Our World in Data, "Carbon
intensity of electricity generation" (CC BY 4.0), based on Ember, Yearly Electricity Data
(CC BY 4.0), as shipped in the data of codecarbon 3.3.2 (MIT licence), which names Our World in
Data as its source. Rows selected and the WORLD row computed by scripts/make_yearly_table.py.
Production, not consumption: imports are not counted. Commands that print a number of this table
also offer ATTRIBUTION.

What it does not promise: an average year says nothing about this hour, and small grids are
coarse (the source rounds emissions to 0.01 Mt). The record made of a row is marked as estimated.
"""

import csv
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib import resources

from sprout.grid.intensity import Intensity, IntensityRange

ATTRIBUTION = (
    "Yearly carbon intensities: Our World in Data, https://ourworldindata.org/grapher/"
    "carbon-intensity-electricity (CC BY 4.0), based on Ember, Yearly Electricity Data "
    "(CC BY 4.0), through codecarbon (MIT licence). "
    "Changes: rows selected, world mean computed."
)
SOURCE = "yearly average"
WORLD = "WORLD"
VALID_S = 3600
"""How long a record made of an average holds, in s: the plan that uses it is then made again."""

_COUNTRY_BY_ALIAS = {"UK": "GB"}


@dataclass(frozen=True, slots=True)
class YearlyAverage:
    """The average intensity of one country in one year; its zone is the ISO 3166 two-letter code.

    The zone WORLD is the mean of the countries, weighted by their generation; its year is the one
    that most of the generation is from.
    """

    zone: str
    name: str
    g_per_kwh: float
    year: int


def look_up(zone: str) -> YearlyAverage | None:
    """Return the average of the country that a zone is or lies in, None when it is not known.

    Args:
        zone: a country (DE, DEU), a zone inside one (US-TEX-ERCO, DK-DK2: the country's row), or
            WORLD. Upper or lower case; UK is GB.
    """
    code = zone.strip().upper().split("-", maxsplit=1)[0]
    return _average_by_code().get(_COUNTRY_BY_ALIAS.get(code, code))


def zones() -> tuple[YearlyAverage, ...]:
    """Return every row of the table, WORLD included, sorted by zone."""
    return tuple(sorted(set(_average_by_code().values()), key=lambda average: average.zone))


def world_range() -> IntensityRange:
    """Return the lowest and highest country of the table, in gCO2eq/kWh.

    They are Lesotho (20, hydropower) and Turkmenistan (1306, gas): extreme, but as Ember publishes
    them, and the next ones are near (Bhutan 23, Uzbekistan 1168). WORLD is not a country.
    """
    countries = [average.g_per_kwh for average in zones() if average.zone != WORLD]
    return IntensityRange(
        low_g_per_kwh=min(countries),
        high_g_per_kwh=max(countries),
        source=f"yearly averages of {len(countries)} countries",
    )


def as_intensity(average: YearlyAverage, zone: str, now: datetime) -> Intensity:
    """Return an average as an estimated intensity of `zone` for the hour that starts at `now`.

    Args:
        average: the row that stands in for the zone.
        zone: the zone that was asked for, which may lie inside the average's country.
        now: the current time, in UTC.
    """
    return Intensity(
        source=SOURCE,
        zone=zone,
        start=now,
        duration_s=VALID_S,
        g_per_kwh=average.g_per_kwh,
        kind="average",
        factor_type="lifecycle",
        is_forecast=False,
        is_estimated=True,
        generated_at=None,
        fetched_at=now,
    )


@cache
def _average_by_code() -> dict[str, YearlyAverage]:
    """Return the rows of yearly.csv by their two-letter and by their three-letter code."""
    text = resources.files("sprout.grid").joinpath("yearly.csv").read_text(encoding="utf-8")
    lines = (line for line in text.splitlines() if not line.startswith("#"))
    average_by_code = {}
    for row in csv.DictReader(lines):
        average = YearlyAverage(row["iso2"], row["name"], float(row["g_per_kwh"]), int(row["year"]))
        average_by_code[row["iso2"]] = average
        average_by_code[row["iso3"]] = average
    return average_by_code
