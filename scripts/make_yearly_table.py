#!/usr/bin/env python3
"""Write sprout/grid/yearly.csv, the packaged table of yearly carbon intensities by country.

    scripts/make_yearly_table.py global_energy_mix.json iso3166-1.json

The first file is codecarbon/data/private_infra/global_energy_mix.json of the package codecarbon;
the second is ISO 3166-1 as Debian's iso-codes and the package pycountry carry it. The same input
gives the same bytes.

A country is left out when its intensity is missing, zero or above MAX_G_PER_KWH, when its year is
before OLDEST_YEAR, and when it generates no more than ROUNDING_TWH: the source rounds generation
to 0.01 TWh and emissions to 0.01 Mt, and one rounding step over another says nothing.
"""

import argparse
import csv
import json
import sys
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

OLDEST_YEAR = 2021
MAX_G_PER_KWH = 2000.0
ROUNDING_TWH = 0.01
DEFAULT_OUTPUT = Path(__file__).resolve().parent.parent / "sprout" / "grid" / "yearly.csv"
COMMENT = (
    "# Lifecycle carbon intensity of electricity, Our World in Data (CC BY 4.0), from Ember, "
    "Yearly Electricity Data (CC BY 4.0), through codecarbon (MIT). Changes: rows selected and "
    "the WORLD row computed by scripts/make_yearly_table.py."
)


@dataclass(frozen=True, slots=True)
class Country:
    """One country's yearly average intensity and generation."""

    iso3: str
    iso2: str
    name: str
    g_per_kwh: float
    year: int
    generation_twh: float


def read_countries(mix: dict[str, Any], iso2_by_iso3: dict[str, str]) -> list[Country]:
    """Return the countries worth keeping, sorted by their three-letter code."""
    return [
        Country(
            iso3=iso3,
            iso2=iso2_by_iso3[iso3],
            name=row["country_name"],
            g_per_kwh=row["carbon_intensity"],
            year=row["year"],
            generation_twh=row["total_TWh"],
        )
        for iso3, row in sorted(mix.items())
        if is_sane(row)
    ]


def is_sane(row: dict[str, Any]) -> bool:
    """Return whether a row has a plausible, recent intensity that is more than rounding."""
    return (
        row["carbon_intensity"] is not None
        and 0 < row["carbon_intensity"] <= MAX_G_PER_KWH
        and row["year"] >= OLDEST_YEAR
        and row["total_TWh"] > ROUNDING_TWH
    )


def world(countries: Iterable[Country]) -> Country:
    """Return the generation-weighted mean, sum(g_per_kwh * TWh) / sum(TWh).

    Its year is the one that most of the generation is from.
    """
    emissions_kt = generation_twh = 0.0  # g/kWh * TWh = kt
    twh_by_year: defaultdict[int, float] = defaultdict(float)
    for country in countries:
        emissions_kt += country.g_per_kwh * country.generation_twh
        generation_twh += country.generation_twh
        twh_by_year[country.year] += country.generation_twh
    return Country(
        iso3="WORLD",
        iso2="WORLD",
        name="World (generation-weighted mean)",
        g_per_kwh=round(emissions_kt / generation_twh, 3),
        year=max(twh_by_year, key=lambda year: twh_by_year[year]),
        generation_twh=generation_twh,
    )


def write_table(path: Path, countries: Iterable[Country]) -> None:
    """Write the table, with its attribution as a comment on the first line."""
    with path.open("w", encoding="utf-8", newline="") as file:
        file.write(COMMENT + "\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["iso3", "iso2", "name", "g_per_kwh", "year"])
        writer.writerows(
            [each.iso3, each.iso2, each.name, f"{each.g_per_kwh:.3f}", each.year]
            for each in countries
        )


def main() -> None:
    parser = argparse.ArgumentParser(description="Regenerate the yearly carbon-intensity table.")
    parser.add_argument("mix", type=Path, help="codecarbon's global_energy_mix.json")
    parser.add_argument("iso3166", type=Path, help="iso3166-1.json of pycountry or iso-codes")
    parser.add_argument("--output", type=Path, default=DEFAULT_OUTPUT)
    arguments = parser.parse_args()
    mix = json.loads(arguments.mix.read_text(encoding="utf-8"))
    iso = json.loads(arguments.iso3166.read_text(encoding="utf-8"))["3166-1"]
    countries = read_countries(mix, {each["alpha_3"]: each["alpha_2"] for each in iso})
    dropped = sorted(mix.keys() - {each.iso3 for each in countries})
    write_table(arguments.output, [*countries, world(countries)])
    print(
        f"{arguments.output}: {len(countries)} countries and WORLD; left out: {', '.join(dropped)}",
        file=sys.stderr,
    )


if __name__ == "__main__":
    main()
