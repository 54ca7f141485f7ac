"""US Energy Information Administration, open data v2: fuel mix of a balancing authority; free key.

Endpoint: /electricity/rto/fuel-type-data/data/ (hourly, UTC, paged by 5,000 rows). Fields:
`period`, `fueltype`, `value` (MWh as text, may be negative or null). It gives generation, not
carbon, so the intensity is ours: the mean of FACTORS weighted by positive generation. Storage is
left out on both sides, and so is a fuel of no known factor, unless it makes more than a quarter of
the hour: then there is no value. An hour that lacks a fuel which makes more than a twentieth of
the reply is not complete yet, and left out.

Imports are not counted: rows say `eia_production_mix` and are marked as estimated. They lag by 1
to 24 hours and there is no forecast. An unknown respondent is answered with no rows. The key is in
the URL, and the reply echoes it. Zones: a respondent (CISO), or one behind a country and regions
(US-CAL-CISO). Public domain.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sprout.errors import InputError
from sprout.grid.provider import About, Harvest, Reply, parse_time, wire_shape

if TYPE_CHECKING:
    from sprout.grid.http import Client
    from sprout.keys import Keys

KEY: Final = "eia_key"
ABOUT: Final = About(
    name="eia",
    title="US EIA",
    areas="balancing authorities of the USA: US-CISO, US-PJM, ...",
    source="eia_production_mix",
    kind="average",
    factors=("lifecycle",),
    has_forecast=False,
    key_names=(KEY,),
    max_span=timedelta(days=30),
    licence="public domain",
    attribution="U.S. Energy Information Administration, Open Data; factors of IPCC AR5",
    link="https://www.eia.gov/opendata",
)
FACTORS: Final[Mapping[str, float]] = {
    "COL": 820.0,
    "NG": 490.0,
    "OIL": 700.0,
    "BIO": 230.0,
    "SUN": 48.0,
    "SNB": 48.0,
    "GEO": 38.0,
    "WAT": 24.0,
    "NUC": 12.0,
    "WND": 11.0,
    "WNB": 11.0,
}
"""gCO2eq/kWh by fuel: lifecycle medians of IPCC AR5 WG3 (2014), Annex III, table A.III.2.

Utility-scale solar; onshore wind; the B of SNB and WNB is a battery beside. Oil is not in that
table: 700 lies between the 650 and 740 in use.
"""
STORAGE: Final = frozenset({"BAT", "PS", "OES", "UES"})
MAX_UNKNOWN_SHARE = 0.25
MAIN_SHARE = 0.05
PAGE = 5000
HOUR_S = 3600
RESPONDENTS: Final[Mapping[str, str]] = {
    "BPAT": "Bonneville Power Administration",
    "CISO": "California Independent System Operator",
    "DUK": "Duke Energy Carolinas",
    "ERCO": "Electric Reliability Council of Texas",
    "FPL": "Florida Power & Light",
    "ISNE": "ISO New England",
    "MISO": "Midcontinent Independent System Operator",
    "NYIS": "New York Independent System Operator",
    "PACE": "PacifiCorp East",
    "PACW": "PacifiCorp West",
    "PJM": "PJM Interconnection",
    "SOCO": "Southern Company Services",
    "SWPP": "Southwest Power Pool",
    "TVA": "Tennessee Valley Authority",
    "US48": "United States, lower 48",
}
"""The largest; every other respondent of EIA-930 works as well."""


class Eia:
    """Reads one respondent."""

    def __init__(self, client: "Client", zone: str, keys: "Keys") -> None:
        self._client = client
        self._zone = zone
        self._respondent = zone.strip().upper().rpartition("-")[2]
        self._key = keys.get(KEY)

    def recent(self, now: datetime) -> Reply:
        """Return the last 48 hours: what there is of them, for it comes late."""
        return self.past(now - timedelta(hours=48), now, now)

    def past(self, start: datetime, end: datetime, now: datetime) -> Reply:
        """Return at most 30 days."""
        self._client.begin()
        with wire_shape(ABOUT):
            generation = _generation(self._rows(start, end))
        if not generation:
            raise InputError(
                f"{ABOUT.title} has no rows of respondent {self._respondent!r} from "
                f"{start:%Y-%m-%d} to {end:%Y-%m-%d}; `sprout grid zones --provider eia` lists some"
            )
        harvest = Harvest(ABOUT, self._zone, "lifecycle", now)
        main_fuels = _main_fuels(generation)
        for hour, by_fuel in sorted(generation.items()):
            if start <= hour < end and main_fuels <= by_fuel.keys():
                harvest.add(
                    hour, HOUR_S, intensity_of(by_fuel), is_forecast=False, is_estimated=True
                )
        return harvest.reply()

    def _rows(self, start: datetime, end: datetime) -> Iterator[Mapping[str, Any]]:
        from sprout.grid.http import value_of

        offset, total = 0, 1
        while offset < total:
            params = (
                ("api_key", self._key),
                ("frequency", "hourly"),
                ("data[0]", "value"),
                ("facets[respondent][]", self._respondent),
                ("start", f"{start:%Y-%m-%dT%H}"),
                ("end", f"{end:%Y-%m-%dT%H}"),
                ("sort[0][column]", "period"),
                ("sort[0][direction]", "asc"),
                ("offset", str(offset)),
                ("length", str(PAGE)),
            )
            answer = self._client.get("/electricity/rto/fuel-type-data/data/", params)
            body = value_of(answer, self._zone)
            if not isinstance(body, dict):
                raise TypeError(type(body).__name__)
            rows = body["response"]["data"]
            total = int(body["response"]["total"])
            yield from rows
            if not rows:
                return
            offset += len(rows)


def zones() -> tuple[tuple[str, str], ...]:
    """Return the largest respondents."""
    return tuple((f"US-{code}", name) for code, name in RESPONDENTS.items())


def intensity_of(generation_mwh: Mapping[str, float]) -> float | None:
    """Return the intensity of one hour's mix, in gCO2eq/kWh; None when too much is unknown."""
    positive = {f: mwh for f, mwh in generation_mwh.items() if mwh > 0 and f not in STORAGE}
    known = {fuel: mwh for fuel, mwh in positive.items() if fuel in FACTORS}
    total_mwh, known_mwh = sum(positive.values()), sum(known.values())
    if known_mwh <= 0 or total_mwh - known_mwh > MAX_UNKNOWN_SHARE * total_mwh:
        return None
    return sum(FACTORS[fuel] * mwh for fuel, mwh in known.items()) / known_mwh


def _generation(rows: Iterator[Mapping[str, Any]]) -> dict[datetime, dict[str, float]]:
    """Return MWh by hour and fuel; a null value is left out."""
    found: dict[datetime, dict[str, float]] = defaultdict(dict)
    for row in rows:
        hour = parse_time(f"{row['period']}:00")
        if row["value"] is not None:
            found[hour][row["fueltype"]] = float(row["value"])
    return found


def _main_fuels(generation: Mapping[datetime, Mapping[str, float]]) -> set[str]:
    """Return the fuels without which an hour is not complete."""
    totals: dict[str, float] = defaultdict(float)
    for by_fuel in generation.values():
        for fuel, mwh in by_fuel.items():
            if mwh > 0 and fuel not in STORAGE:
                totals[fuel] += mwh
    all_mwh = sum(totals.values())
    return {fuel for fuel, mwh in totals.items() if mwh > MAIN_SHARE * all_mwh}
