import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).parents[2] / "scripts" / "make_yearly_table.py"
ISO = {
    "3166-1": [
        {"alpha_2": "FR", "alpha_3": "FRA", "name": "France"},
        {"alpha_2": "DE", "alpha_3": "DEU", "name": "Germany"},
        {"alpha_2": "CF", "alpha_3": "CAF", "name": "Central African Republic"},
    ]
}


def country(name: str, g_per_kwh: float | None, year: int, total_twh: float) -> dict[str, Any]:
    return {
        "country_name": name,
        "carbon_intensity": g_per_kwh,
        "year": year,
        "total_TWh": total_twh,
    }


def make_table(folder: Path, mix: dict[str, Any]) -> list[str]:
    (folder / "mix.json").write_text(json.dumps(mix))
    (folder / "iso.json").write_text(json.dumps(ISO))
    output = folder / "yearly.csv"
    subprocess.run(
        [sys.executable, SCRIPT, folder / "mix.json", folder / "iso.json", "--output", output],
        check=True,
        capture_output=True,
    )
    return output.read_text(encoding="utf-8").splitlines()


def test_the_script_writes_sorted_countries_and_their_generation_weighted_mean(
    tmp_path: Path,
) -> None:
    mix = {"FRA": country("France", 50.0, 2022, 300.0), "DEU": country("Germany", 400, 2023, 100.0)}

    comment, *table = make_table(tmp_path, mix)

    assert comment.startswith("# ")
    # (50 * 300 + 400 * 100) / 400 = 137.5; 300 of the 400 TWh are of 2022
    assert table == [
        "iso3,iso2,name,g_per_kwh,year",
        "DEU,DE,Germany,400.000,2023",
        "FRA,FR,France,50.000,2022",
        "WORLD,WORLD,World (generation-weighted mean),137.500,2022",
    ]


@pytest.mark.parametrize(
    "unfit",
    [
        country("Central African Republic", 0.0, 2022, 0.15),
        country("Central African Republic", None, 2022, 0.15),
        country("Central African Republic", 2500.0, 2022, 0.15),
        country("Central African Republic", 600.0, 2009, 0.15),
        country("Central African Republic", 1000.0, 2022, 0.01),
    ],
    ids=["zero", "missing", "absurd", "old", "rounding"],
)
def test_the_script_leaves_out_what_is_no_intensity(unfit: dict[str, Any], tmp_path: Path) -> None:
    table = make_table(tmp_path, {"CAF": unfit, "FRA": country("France", 50.0, 2022, 300.0)})

    assert [line.split(",")[0] for line in table[2:]] == ["FRA", "WORLD"]
    assert table[-1].endswith(",50.000,2022")
