"""OpenElectricity v4: the regions of Australia's National Electricity Market; needs a key.

Endpoint: /data/network/NEM with the metrics `emissions` (t) and `energy` (MWh), hourly, grouped by
`network_region`; at most 32 days. `date_start` and `date_end` are in the network's own time, UTC+10
all the year. The reply has one block a metric, whose results are lists of [time, value].

The intensity is ours: emissions over energy of a region's own plants, so imports are not counted:
rows say `open_electricity_production_mix` and are marked as estimated. Which emission factors stand
behind them the API does not say: `unknown`. The hour that is running is left out. No forecast.
Western Australia has a network of its own, which is not read.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any, Final

from sprout.clock import in_utc
from sprout.errors import InputError
from sprout.grid.intensity import HOUR, HOUR_S
from sprout.grid.provider import About, Harvest, Reply, wire_shape

if TYPE_CHECKING:
    from sprout.config.keys import Keys
    from sprout.grid.http import Client

KEY: Final = "open_electricity_key"
ABOUT: Final = About(
    name="open_electricity",
    title="OpenElectricity",
    areas="regions of Australia's NEM: AU-NSW, AU-VIC, ...",
    source="open_electricity_production_mix",
    kind="average",
    factors=("unknown",),
    has_forecast=False,
    key_names=(KEY,),
    max_span=timedelta(days=31),
    licence="CC BY-NC 4.0",
    attribution="OpenElectricity, The Superpower Institute",
    link="https://openelectricity.org.au",
)
REGIONS: Final[Mapping[str, tuple[str, str]]] = {
    "AU-NSW": ("NSW1", "New South Wales"),
    "AU-QLD": ("QLD1", "Queensland"),
    "AU-SA": ("SA1", "South Australia"),
    "AU-TAS": ("TAS1", "Tasmania"),
    "AU-VIC": ("VIC1", "Victoria"),
}
NETWORK_TIME: Final = timezone(timedelta(hours=10))
INTERVAL: Final = "1h"
G_PER_KWH_PER_T_PER_MWH = 1000.0


class OpenElectricity:
    """Reads one region."""

    def __init__(self, client: "Client", zone: str, keys: "Keys") -> None:
        self._client = client
        self._zone = zone
        self._region = region_of(zone)
        self._key = keys.get(KEY)

    def recent(self, now: datetime) -> Reply:
        """Return the last 24 hours that have ended."""
        return self.past(now - 25 * HOUR, now, now)

    def past(self, start: datetime, end: datetime, now: datetime) -> Reply:
        """Return at most 31 days."""
        self._client.begin()
        params = (
            ("metrics", "emissions"),
            ("metrics", "energy"),
            ("interval", INTERVAL),
            ("primary_grouping", "network_region"),
            ("date_start", _network_time(start)),
            ("date_end", _network_time(end)),
        )
        headers = {"Authorization": f"Bearer {self._key}"}
        body = self._client.get("/data/network/NEM", params, headers=headers).value(self._zone)
        harvest = Harvest(ABOUT, self._zone, "unknown", now)
        with wire_shape(ABOUT):
            emitted_t, energy_mwh = self._metrics(body)
            for hour in sorted(emitted_t.keys() & energy_mwh.keys()):
                if start - HOUR < hour < end and hour + HOUR <= now and energy_mwh[hour] > 0:
                    value = emitted_t[hour] / energy_mwh[hour] * G_PER_KWH_PER_T_PER_MWH
                    harvest.add(hour, HOUR_S, value, is_forecast=False, is_estimated=True)
        return harvest.reply()

    def _metrics(self, body: Any) -> tuple[dict[datetime, float], dict[datetime, float]]:  # noqa: ANN401 - JSON
        """Return the region's emissions in t and its energy in MWh, by hour."""
        found: dict[str, dict[datetime, float]] = {"emissions": {}, "energy": {}}
        for block in body["data"]:
            metric, unit = block["metric"], block["unit"]
            if block.get("interval", INTERVAL) != INTERVAL:
                raise ValueError(f"intervals of {block['interval']}")
            if (metric, unit) != ("energy", "MWh") and not (
                metric == "emissions" and unit.startswith("t")
            ):
                raise ValueError(f"{metric} in {unit}")
            for result in block["results"]:
                if result["columns"]["network_region"] == self._region:
                    found[metric] |= {
                        _time(when): float(value)
                        for when, value in result["data"]
                        if value is not None
                    }
        return found["emissions"], found["energy"]


def zones() -> tuple[tuple[str, str], ...]:
    """Return the regions with their names."""
    return tuple((zone, name) for zone, (_, name) in REGIONS.items())


def region_of(zone: str) -> str:
    """Return the provider's code of a region.

    Raises:
        InputError: it has none for the zone.
    """
    name = zone.strip().upper()
    for known, (code, _) in REGIONS.items():
        if name in {known, code}:
            return code
    raise InputError(f"{ABOUT.title} knows no zone {zone!r}; it knows {', '.join(REGIONS)}")


def _network_time(when: datetime) -> str:
    return f"{when.astimezone(NETWORK_TIME):%Y-%m-%dT%H:%M:%S}"


def _time(text: str) -> datetime:
    when = datetime.fromisoformat(text)
    return in_utc(when if when.tzinfo else when.replace(tzinfo=NETWORK_TIME))
