"""The Green Software Foundation's Carbon Aware SDK, web API: your own server before any source.

Endpoints: /emissions/bylocation (`location`, `time`, `toTime`): a list of `time` and `rating`;
/emissions/forecasts/current (`location`): `generatedAt` and `forecastData` of `timestamp`,
`duration` (minutes) and `value`; both in g/kWh. 204 says that there are no data. Faults are
problem+json. Ratings tell no duration: the smallest distance of two is taken, an hour at most.

Whether a rating is average or marginal depends on the SDK's own source and is not in the reply, so
`kind` must be set; emission factors are `unknown`. The base URL must be set as well. Zones are the
SDK's locations, such as eastus.
"""

from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from sprout.grid.answer import NO_CONTENT
from sprout.grid.intensity import HOUR_S, Kind
from sprout.grid.provider import About, Harvest, Reply, parse_time, wire_shape

if TYPE_CHECKING:
    from sprout.grid.http import Client

ABOUT: Final = About(
    name="carbon_aware_sdk",
    title="Carbon Aware SDK",
    areas="locations of your own server: eastus, ...",
    source="carbon_aware_sdk",
    kind=None,
    factors=("unknown",),
    has_forecast=True,
    key_names=(),
    max_span=timedelta(days=30),
    licence="of its own source",
    attribution="the source of the Carbon Aware SDK, Green Software Foundation",
    link="https://github.com/Green-Software-Foundation/carbon-aware-sdk",
)
NO_FORECAST: Final = frozenset({400, 404, 501})
"""Sources without forecasts are answered with one of these."""


class CarbonAwareSdk:
    """Reads one location."""

    def __init__(self, client: "Client", zone: str, kind: Kind) -> None:
        self._client = client
        self._zone = zone
        self._kind: Kind = kind

    def recent(self, now: datetime) -> Reply:
        """Return the last 24 hours, and the forecast where the source has one."""
        self._client.begin()
        harvest = Harvest(ABOUT, self._zone, "unknown", now, self._kind)
        self._read_past(now - timedelta(hours=24), now, harvest)
        note = self._read_forecast(harvest)
        return harvest.reply(*note)

    def past(self, start: datetime, end: datetime, now: datetime) -> Reply:
        """Return at most 30 days."""
        self._client.begin()
        harvest = Harvest(ABOUT, self._zone, "unknown", now, self._kind)
        self._read_past(start, end, harvest)
        return harvest.reply()

    def _read_past(self, start: datetime, end: datetime, harvest: Harvest) -> None:
        params = (
            ("location", self._zone),
            ("time", f"{start:%Y-%m-%dT%H:%M:%SZ}"),
            ("toTime", f"{end:%Y-%m-%dT%H:%M:%SZ}"),
        )
        answer = self._client.get("/emissions/bylocation", params)
        if answer.status == NO_CONTENT:
            return
        body: Any = answer.value(self._zone)
        with wire_shape(ABOUT):
            if not isinstance(body, list):
                raise TypeError(type(body).__name__)
            rows = [(parse_time(row["time"]), row["rating"]) for row in body]
            duration_s = _spacing_s([when for when, _ in rows])
            for when, rating in rows:
                harvest.add(when, duration_s, rating, is_forecast=False)

    def _read_forecast(self, harvest: Harvest) -> tuple[str, ...]:
        """Add the forecast, or return why there is none."""
        answer = self._client.get("/emissions/forecasts/current", (("location", self._zone),))
        if answer.status == NO_CONTENT:
            return (f"{ABOUT.title}: no forecast of {self._zone}",)
        if answer.status in NO_FORECAST:
            return (f"{ABOUT.title}: no forecast of {self._zone}: {answer.message()}",)
        body: Any = answer.value(self._zone)
        with wire_shape(ABOUT):
            if not isinstance(body, list):
                raise TypeError(type(body).__name__)
            for forecast in body:
                generated_at = parse_time(forecast["generatedAt"])
                for row in forecast["forecastData"]:
                    harvest.add(
                        parse_time(row["timestamp"]),
                        int(row["duration"]) * 60,
                        row["value"],
                        is_forecast=True,
                        generated_at=generated_at,
                    )
        return ()


def _spacing_s(starts: list[datetime]) -> int:
    """Return how long a slot is, in s."""
    distances = [
        (later - earlier).total_seconds() for earlier, later in pairwise(sorted(set(starts)))
    ]
    return int(min([*distances, HOUR_S]))
