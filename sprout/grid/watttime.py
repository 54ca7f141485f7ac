"""WattTime API v3: MARGINAL operating emissions; needs an account (free: CAISO_NORTH alone).

Endpoints: /login (HTTP Basic, a token for 30 minutes), /v3/forecast (`horizon_hours`, at most 72),
/v3/historical (at most 32 days, both ends inclusive) and /v3/my-access. Signal co2_moer: the
emissions of the power plants that answer a change of demand, in lb CO2/MWh, every five minutes;
converted to g/kWh. Direct factors. Never to be compared with an average.

An expired token is answered with 403 and HTML, as is a wrong password; 403 with JSON says that the
plan has no access. The token is renewed once, then the refusal stands. The data are bound by
contract. Zones are WattTime's regions (CAISO_NORTH), with a country before them where one is
wanted (US-CAISO_NORTH).
"""

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sprout.errors import PermissionDeniedError
from sprout.grid.answer import REFUSED, Answer
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

USER: Final = "watttime_user"
PASSWORD: Final = "watttime_password"  # noqa: S105 - its name
ABOUT: Final = About(
    name="watttime",
    title="WattTime",
    areas="regions of the world: CAISO_NORTH, ...; marginal",
    source="watttime",
    kind="marginal",
    factors=("direct",),
    has_forecast=True,
    key_names=(USER, PASSWORD),
    max_span=timedelta(days=30),
    licence="by contract",
    attribution="WattTime",
    link="https://watttime.org",
)
G_PER_KWH_PER_LB_PER_MWH = 0.453592
HORIZON_HOURS = 48
SIGNAL, UNITS = "co2_moer", "lbs_co2_per_mwh"


class WattTime:
    """Reads one region."""

    def __init__(self, client: "Client", zone: str, keys: "Keys") -> None:
        self._client = client
        self._zone = zone
        self._region = region_of(zone)
        self._account = (keys.get(USER), keys.get(PASSWORD))
        self._token: str | None = None

    def recent(self, now: datetime) -> Reply:
        """Return the last 24 hours and the coming 48, as far as the account allows."""
        self._client.begin()
        harvest = Harvest(ABOUT, self._zone, "direct", now)
        day = _span(now - timedelta(hours=24), now)
        horizon = (("horizon_hours", str(HORIZON_HOURS)),)
        return as_allowed(
            harvest,
            lambda: self._read("/v3/historical", day, harvest, is_forecast=False),
            lambda: self._read("/v3/forecast", horizon, harvest, is_forecast=True),
        )

    def past(self, start: datetime, end: datetime, now: datetime) -> Reply:
        """Return at most 30 days."""
        self._client.begin()
        harvest = Harvest(ABOUT, self._zone, "direct", now)
        span = _span(start, end - timedelta(seconds=1))
        self._read("/v3/historical", span, harvest, is_forecast=False)
        return harvest.reply()

    def regions(self) -> tuple[tuple[str, str], ...]:
        """Return the regions of the signal that the account opens, with their names."""
        self._client.begin()
        body = self._value("/v3/my-access", ())
        with wire_shape(ABOUT):
            found = {
                str(region["region"]): str(region.get("region_full_name") or "")
                for signal in body.get("signal_types", [body])
                if signal.get("signal_type", SIGNAL) == SIGNAL
                for region in signal["regions"]
            }
        return tuple(sorted(found.items()))

    def _read(
        self, path: str, more: Sequence[tuple[str, str]], harvest: Harvest, *, is_forecast: bool
    ) -> None:
        params = (("region", self._region), ("signal_type", SIGNAL), *more)
        body = self._value(path, params)
        with wire_shape(ABOUT):
            meta = body["meta"]
            told = (meta["region"], meta.get("signal_type", SIGNAL), meta["units"])
            if told != (self._region, SIGNAL, UNITS):
                raise ValueError("not the signal that was asked for")
            generated = meta.get("generated_at")
            for row in body["data"]:
                _add(row, harvest, meta, generated, is_forecast=is_forecast)

    def _value(self, path: str, params: Sequence[tuple[str, str]]) -> Any:  # noqa: ANN401 - JSON
        answer = self._ask(path, params)
        if answer.status in REFUSED and not answer.is_json:
            self._token = None  # it may have expired
            answer = self._ask(path, params)
        if answer.status in REFUSED and answer.is_json:
            raise NoAccessError(
                f"{ABOUT.title}: this account has no access to {path} of {self._region} "
                f"({answer.message()})"
            )
        if answer.status in REFUSED:
            raise PermissionDeniedError(f"{ABOUT.title} refused a fresh token for {path}")
        return answer.value(self._zone)

    def _ask(self, path: str, params: Sequence[tuple[str, str]]) -> Answer:
        if self._token is None:
            self._token = self._log_in()
        headers = {"Authorization": f"Bearer {self._token}"}
        return self._client.get(path, params, headers=headers)

    def _log_in(self) -> str:
        answer = self._client.get("/login", auth=self._account)
        if answer.status in REFUSED:
            raise PermissionDeniedError(
                f"{ABOUT.title} refused user and password: check {USER} and {PASSWORD}"
            )
        body = answer.value(self._zone)
        with wire_shape(ABOUT):
            if not isinstance(body, dict):
                raise TypeError(type(body).__name__)
            token = body["token"]
            if not isinstance(token, str) or not token.isascii() or not token:
                raise ValueError("no token")
        self._client.hide(token)
        return token


def region_of(zone: str) -> str:
    """Return WattTime's name of a zone: without a country before it."""
    return re.sub(r"^[A-Z]{2}-", "", zone.strip())


def _span(start: datetime, end: datetime) -> tuple[tuple[str, str], ...]:
    return (("start", start.strftime("%Y-%m-%dT%H:%MZ")), ("end", end.strftime("%Y-%m-%dT%H:%MZ")))


def _add(
    row: Mapping[str, Any],
    harvest: Harvest,
    meta: Mapping[str, Any],
    generated: str | None,
    *,
    is_forecast: bool,
) -> None:
    value = row["value"]
    harvest.add(
        parse_time(row["point_time"]),
        int(meta["data_point_period_seconds"]),
        None if value is None else value * G_PER_KWH_PER_LB_PER_MWH,
        is_forecast=is_forecast,
        is_estimated=bool(row.get("imputed_data_used", False)),
        generated_at=None if generated is None else parse_time(generated),
    )
