"""US Energy Information Administration, open data v2: fuel mix of a balancing authority; free key.

Endpoint: /electricity/rto/fuel-type-data/data/ (hourly, UTC, paged by 5,000 rows). Fields:
`period`, `fueltype`, `value` (MWh as text, may be negative or null). EIA-930 reports by hour
ending: `period` is the end of its hour, in rows and in requests. It gives generation, not carbon,
so the intensity is ours (sprout.grid.mix).

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
from sprout.grid import mix
from sprout.grid.intensity import HOUR, HOUR_S
from sprout.grid.provider import About, Harvest, Reply, parse_time, wire_shape

if TYPE_CHECKING:
    from sprout.config.keys import Keys
    from sprout.grid.http import Client

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
    "COL": mix.COAL,
    "NG": mix.GAS,
    "OIL": mix.OIL,
    "BIO": mix.BIOMASS,
    "SUN": mix.SOLAR,
    "SNB": mix.SOLAR,
    "GEO": mix.GEOTHERMAL,
    "WAT": mix.HYDRO,
    "NUC": mix.NUCLEAR,
    "WND": mix.ONSHORE_WIND,
    "WNB": mix.ONSHORE_WIND,
}
"""gCO2eq/kWh by fuel; the B of SNB and WNB is a battery beside."""
STORAGE: Final = frozenset({"BAT", "PS", "OES", "UES"})
PAGE, MAX_PAGES = 5000, 15
"""Rows of one request, and requests for a span: 30 days of 20 fuels are 14,400 rows."""
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
        start = now - timedelta(hours=48)
        generation = self._generation(start, now)
        if not generation:
            raise InputError(self._nothing(start, now))
        return self._reply(generation, start, now, now)

    def past(self, start: datetime, end: datetime, now: datetime) -> Reply:
        """Return at most 30 days; a span without rows is no fault, but told."""
        generation = self._generation(start, end)
        notes = () if generation else (self._nothing(start, end),)
        return self._reply(generation, start, end, now, *notes)

    def _generation(self, start: datetime, end: datetime) -> mix.Generation:
        self._client.begin()
        with wire_shape(ABOUT):
            return _generation(self._rows(start, end))

    def _nothing(self, start: datetime, end: datetime) -> str:
        return (
            f"{ABOUT.title} has no rows of respondent {self._respondent!r} from "
            f"{start:%Y-%m-%d} to {end:%Y-%m-%d}: they come up to a day late and begin in July "
            "2018; `sprout grid zones --provider eia` lists respondents"
        )

    def _reply(
        self, generation: mix.Generation, start: datetime, end: datetime, now: datetime, *notes: str
    ) -> Reply:
        harvest = Harvest(ABOUT, self._zone, "lifecycle", now)
        main_fuels = mix.main_fuels(generation)
        for hour, by_fuel in sorted(generation.items()):
            if start <= hour < end and main_fuels <= by_fuel.keys():
                harvest.add(
                    hour,
                    HOUR_S,
                    mix.intensity_of(by_fuel, FACTORS),
                    is_forecast=False,
                    is_estimated=True,
                )
        return harvest.reply(*notes)

    def _rows(self, start: datetime, end: datetime) -> Iterator[Mapping[str, Any]]:
        offset = 0
        for _ in range(MAX_PAGES):
            params = (
                ("api_key", self._key),
                ("frequency", "hourly"),
                ("data[0]", "value"),
                ("facets[respondent][]", self._respondent),
                # ends of hours, both inclusive: of the hours that begin in the span
                ("start", f"{start + HOUR:%Y-%m-%dT%H}"),
                ("end", f"{end + HOUR - timedelta.resolution:%Y-%m-%dT%H}"),
                ("sort[0][column]", "period"),
                ("sort[0][direction]", "asc"),
                ("offset", str(offset)),
                ("length", str(PAGE)),
            )
            answer = self._client.get("/electricity/rto/fuel-type-data/data/", params)
            body = answer.value(self._zone)
            if not isinstance(body, dict):
                raise TypeError(type(body).__name__)
            rows = body["response"]["data"]
            for row in rows:
                if row.get("respondent", self._respondent) != self._respondent:
                    raise ValueError("a row of another respondent")
                yield row
            offset += len(rows)
            if not rows or offset >= int(body["response"]["total"]):
                return
        raise ValueError(f"more than {MAX_PAGES} pages")


def zones() -> tuple[tuple[str, str], ...]:
    """Return the largest respondents."""
    return tuple((f"US-{code}", name) for code, name in RESPONDENTS.items())


def _generation(rows: Iterator[Mapping[str, Any]]) -> dict[datetime, dict[str, float]]:
    """Return MWh by start of the hour and fuel, without storage; a null value is left out."""
    found: dict[datetime, dict[str, float]] = defaultdict(dict)
    for row in rows:
        hour = parse_time(f"{row['period']}:00") - HOUR
        if row["value"] is not None and row["fueltype"] not in STORAGE:
            found[hour][row["fueltype"]] = float(row["value"])
    return found
