"""Grid providers that answer any bytes, and what they answer in their own shapes."""

import json
import zlib
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from local import grid_server

from sprout.config import sources
from sprout.config.keys import Key, Keys
from sprout.grid.answer import Answer
from sprout.grid.carbon_aware_sdk import CarbonAwareSdk
from sprout.grid.eia import Eia
from sprout.grid.electricity_maps import ElectricityMaps
from sprout.grid.energy_charts import EnergyCharts
from sprout.grid.entsoe import Entsoe
from sprout.grid.http import Client
from sprout.grid.neso import Neso
from sprout.grid.open_electricity import OpenElectricity
from sprout.grid.patience import Limits
from sprout.grid.provider import Provider
from sprout.grid.watttime import WattTime

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
SECRET = "sk-4711-secret+/="  # noqa: S105 - of nobody


class Canned(Client):
    """Gives the same body to every request but for a token, with a status that the body decides."""

    def __init__(self, body: bytes) -> None:
        super().__init__("Somebody", "http://127.0.0.1:9", Limits(2.0, 0), (SECRET,))
        self._body = body

    def _send(self, path: str, *_args: Any) -> Answer:
        if path == "/login":
            return Answer(200, "application/json", b'{"token": "t"}', self.who, (SECRET,))
        status = {0: 401, 1: 403, 2: 400, 3: 429, 4: 204}.get(zlib.crc32(self._body) % 40, 200)
        return Answer(status, "application/json", self._body, self.who, (SECRET,))


_KEYS = Keys({name: Key(SECRET, "test") for name in sources.KEY_VARIABLES})
PROVIDERS: Mapping[str, Callable[[Client], Provider]] = {
    "neso": lambda client: Neso(client, "GB"),
    "energy_charts": lambda client: EnergyCharts(client, "DE"),
    "electricity_maps": lambda client: ElectricityMaps(client, "DE", "lifecycle", _KEYS),
    "watttime": lambda client: WattTime(client, "CAISO_NORTH", _KEYS),
    "eia": lambda client: Eia(client, "US-CISO", _KEYS),
    "entsoe": lambda client: Entsoe(client, "FR", _KEYS),
    "open_electricity": lambda client: OpenElectricity(client, "AU-NSW", _KEYS),
    "carbon_aware_sdk": lambda client: CarbonAwareSdk(client, "eastus", "marginal"),
}


def bodies(name: str) -> tuple[bytes, ...]:
    """Return a body in the provider's own shape, of few rows, and its error."""
    hour = {"from": "2026-11-24T11:30Z", "to": "2026-11-24T12:00Z"}
    slot = hour | {"intensity": {"forecast": 266, "actual": 263, "index": "moderate"}}
    row = {
        "zone": "DE", "carbonIntensity": 302, "datetime": "2026-11-24T11:00:00.000Z",
        "updatedAt": "2026-11-24T11:00:00.000Z", "isEstimated": False,
    }  # fmt: skip
    coming = {"carbonIntensity": 300, "datetime": "2026-11-24T13:00:00.000Z"}
    point = {"point_time": "2026-11-24T11:00:00+00:00", "value": 1048.41}
    meta = {
        "data_point_period_seconds": 300, "region": "CAISO_NORTH", "units": "lbs_co2_per_mwh",
        "generated_at": "2026-11-24T11:00:00+00:00",
    }  # fmt: skip
    fuel = {"period": "2026-11-24T05", "respondent": "CISO", "fueltype": "NG", "value": "841"}
    sun = fuel | {"fueltype": "SUN", "value": "100"}
    seconds = [1795518000, 1795518900, 1795519800]
    columns = {"network_region": "NSW1"}
    metrics = [
        {
            "metric": metric,
            "unit": unit,
            "interval": "1h",
            "results": [
                {"columns": columns, "data": [["2026-11-24T20:00:00+10:00", amount], ["", None]]}
            ],
        }
        for metric, unit, amount in (("energy", "MWh", 1000.0), ("emissions", "t", 600.0))
    ]
    rating = {"location": "eastus", "time": "2026-11-24T11:00:00+00:00", "rating": 65}
    window = {"timestamp": "2026-11-24T13:00:00+00:00", "duration": 5, "value": 66.5}
    forecast = {"generatedAt": "2026-11-24T12:00:00+00:00", "forecastData": [window, window]}
    shapes: dict[str, list[Any]] = {
        "neso": [
            {"data": [slot]},
            {"data": [{"regionid": 3, "data": [slot]}]},
            {"error": {"code": "400 Bad Request", "message": "no"}},
        ],
        "energy_charts": [
            {"unix_seconds": seconds, "co2eq": [491.5, None, 1], "co2eq_forecast": [None, 5, None]}
        ],
        "electricity_maps": [
            {"zone": "DE", "history": [row]}, {"data": [row, row]}, row,
            {"zone": "DE", "forecast": [coming], "updatedAt": "2026-11-24T11:00:00.000Z"},
            {"error": f"no {SECRET}", "message": "You do not have access"},
        ],
        "watttime": [{"data": [point], "meta": meta}, {"error": "no", "message": "Invalid scope"}],
        "eia": [{"response": {"total": "2", "data": [fuel, sun]}, "request": {"params": SECRET}}],
        "open_electricity": [
            {"data": metrics, "success": True}, {"detail": "Maximum range is 32 days."},
        ],
        "carbon_aware_sdk": [
            [rating | forecast, rating | forecast],  # one body answers both of its questions
            {"title": "LocationException", "status": 400, "detail": f"Unknown: {SECRET}"},
        ],
    }  # fmt: skip
    if name == "entsoe":
        return _documents()
    return tuple(json.dumps(body).encode() for body in shapes[name])


def _documents() -> tuple[bytes, ...]:
    """Return what ENTSO-E answers: generation, and why there is none."""
    start = NOW - timedelta(hours=6)
    gas = grid_server.time_series("B04", start, {1: 500, 2: 510}, 2)
    nuclear = grid_server.time_series("B14", start, {1: 500}, 8, 15, curve="A03")
    pumping = grid_server.time_series("B10", start, {1: 9}, 2, domain="outBiddingZone_Domain.mRID")
    texts = (
        grid_server.gl_document(gas, nuclear, pumping),
        grid_server.acknowledgement("999", f"No matching data found {SECRET}"),
        grid_server.acknowledgement("100", "no such area"),
    )
    return tuple(text.encode() for text in texts)
