"""Electricity Maps API v4, about 350 zones; needs a key (free: not for commercial use).

Endpoints below /carbon-intensity: history (the last 24 hours), latest, forecast, and past-range
(`start`, `end` exclusive, at most 10 days of hours). Header `auth-token`. `disableCallerLookup` is
always sent: without it a zone that is missing or wrong is answered with the caller's own. Fields:
`carbonIntensity` (gCO2eq/kWh), `datetime`, `isEstimated` (a row without it counts as estimated),
`updatedAt`. The rows come under
`history`, `data` or `forecast`, or as one bare object; v3 differs in nothing that is read here, so
a base URL that ends in /v3 works.

401 means a refused key, or no access to that endpoint for that zone, and only the text tells
which. Access differs by plan: what is refused is noted, and what the plan allows is still used.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sprout.errors import PermissionDeniedError
from sprout.grid.answer import UNAUTHORIZED
from sprout.grid.intensity import FactorType
from sprout.grid.provider import (
    About,
    Harvest,
    NoAccessError,
    Reply,
    as_allowed,
    parse_time,
    wire_shape,
)

if TYPE_CHECKING:
    from sprout.config.keys import Keys
    from sprout.grid.http import Client

KEY: Final = "electricity_maps_key"
ABOUT: Final = About(
    name="electricity_maps",
    title="Electricity Maps",
    areas="about 350 zones of the world: DE, US-CAL-CISO, ...",
    source="electricity_maps",
    kind="average",
    factors=("lifecycle", "direct"),
    has_forecast=True,
    key_names=(KEY,),
    max_span=timedelta(days=10),
    licence="by contract; the free plan is not for commercial use",
    attribution="Electricity Maps",
    link="https://www.electricitymaps.com",
)
HORIZON_HOURS = 48
_SECONDS: Final = {"5_minutes": 300, "15_minutes": 900, "hourly": 3600}


class ElectricityMaps:
    """Reads one zone with one kind of emission factors."""

    def __init__(self, client: "Client", zone: str, factor_type: FactorType, keys: "Keys") -> None:
        self._client = client
        self._zone = zone
        self._factor_type = factor_type
        self._headers = {"auth-token": keys.get(KEY)}

    def recent(self, now: datetime) -> Reply:
        """Return the last 24 hours, now, and the forecast, as far as the plan allows."""
        self._client.begin()
        harvest = Harvest(ABOUT, self._zone, self._factor_type, now)
        horizon = (("horizonHours", str(HORIZON_HOURS)),)
        return as_allowed(
            harvest,
            lambda: self._read("history", (), harvest, is_forecast=False),
            lambda: self._read("latest", (), harvest, is_forecast=False),
            lambda: self._read("forecast", horizon, harvest, is_forecast=True),
        )

    def past(self, start: datetime, end: datetime, now: datetime) -> Reply:
        """Return at most 10 days of hours."""
        self._client.begin()
        harvest = Harvest(ABOUT, self._zone, self._factor_type, now)
        span = (("start", _text(start)), ("end", _text(end)))
        self._read("past-range", span, harvest, is_forecast=False)
        return harvest.reply()

    def _read(
        self,
        path: str,
        more: Sequence[tuple[str, str]],
        harvest: Harvest,
        *,
        is_forecast: bool,
    ) -> None:
        params = (
            ("zone", self._zone),
            ("temporalGranularity", "hourly"),
            ("emissionFactorType", self._factor_type),
            ("disableCallerLookup", "true"),
            *more,
        )
        answer = self._client.get(f"/carbon-intensity/{path}", params, headers=self._headers)
        if answer.status == UNAUTHORIZED:
            raise _refusal(answer.message(), path, self._zone)
        body = answer.value(self._zone)
        with wire_shape(ABOUT):
            of_all = body if isinstance(body, dict) else {}
            for row in _rows(body):
                self._check(row)
                told = row.get("updatedAt") or of_all.get("updatedAt")
                step = row.get("temporalGranularity") or of_all.get("temporalGranularity")
                harvest.add(
                    parse_time(row["datetime"]),
                    _SECONDS[step or "hourly"],
                    row["carbonIntensity"],
                    is_forecast=is_forecast,
                    is_estimated=bool(row.get("isEstimated", not is_forecast)),
                    generated_at=None if told is None else parse_time(told),
                )

    def _check(self, row: Mapping[str, Any]) -> None:
        """Refuse a row of another zone, such as the caller's own, or of other factors."""
        if row.get("zone", self._zone) != self._zone:
            raise ValueError("a row of another zone")
        if row.get("emissionFactorType", self._factor_type) != self._factor_type:
            raise ValueError("a row of other emission factors")


def zones(client: "Client", keys: "Keys") -> tuple[tuple[str, str], ...]:
    """Return the zones with their names; with a key, those that it opens are marked."""
    client.begin()
    headers = {"auth-token": keys.get(KEY)} if KEY in keys.found else None
    body = client.get("/zones", headers=headers).value("")
    with wire_shape(ABOUT):
        if not isinstance(body, dict):
            raise TypeError(type(body).__name__)
        return tuple((zone, _zone_name(facts)) for zone, facts in sorted(body.items()))


def _zone_name(facts: Mapping[str, Any]) -> str:
    names = (facts.get("countryName"), facts.get("zoneName"))
    access = " (open to the key)" if facts.get("access") else ""
    return ", ".join(name for name in names if name) + access


def _rows(body: object) -> Iterator[Mapping[str, Any]]:
    if not isinstance(body, dict):
        raise TypeError(type(body).__name__)
    for name in ("history", "data", "forecast"):
        if name in body:
            yield from body[name]
            return
    yield body


def _refusal(message: str, path: str, zone: str) -> PermissionDeniedError:
    if "access" in message.lower():
        return NoAccessError(
            f"{ABOUT.title}: the plan of this key has no access to {path} of zone {zone} "
            f"({message})"
        )
    return PermissionDeniedError(
        f"{ABOUT.title} refused the key (401, {message}): check {KEY}; "
        "a passed rate limit answers so too"
    )


def _text(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%SZ")
