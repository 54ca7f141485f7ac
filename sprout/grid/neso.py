"""NESO Carbon Intensity API, Great Britain: national and 17 regions; no key (CC BY 4.0).

Endpoints: /intensity/{from}/pt24h, /intensity/{from}/fw48h and /intensity/{from}/{to}, of at most
14 days; for a region /regional/intensity/{from}/{to}/... and .../fw48h/.... Fields: `from`, `to`
(UTC, half-hours, both ends of a request inclusive), `intensity.actual` and `.forecast`, in
gCO2/kWh with direct factors (wind, solar and nuclear count as zero).

Zones: GB; GB-1 to GB-17 (region numbers); GB-RG10 (the first half of a postcode). Regions have no
`actual` at all: of a slot that is over, the forecast that stands is all that will ever be known,
and is kept as an estimate, else a region would have no history. What it does not promise: `actual`
is itself an estimate from metered generation, and may be corrected for a few hours.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from sprout.errors import InputError
from sprout.grid.provider import About, Harvest, Reply, parse_time, wire_shape

if TYPE_CHECKING:
    from sprout.grid.http import Client

ABOUT: Final = About(
    name="neso",
    title="NESO Carbon Intensity API",
    areas="Great Britain: GB, GB-1 to GB-17, GB-<outward postcode>",
    source="neso",
    kind="average",
    factors=("direct",),
    has_forecast=True,
    key_names=(),
    max_span=timedelta(days=14),
    licence="CC BY 4.0",
    attribution="National Energy System Operator, Carbon Intensity API",
    link="https://carbonintensity.org.uk",
)
REGIONS: Final = (
    "North Scotland",
    "South Scotland",
    "North West England",
    "North East England",
    "Yorkshire",
    "North Wales",
    "South Wales",
    "West Midlands",
    "East Midlands",
    "East England",
    "South West England",
    "South England",
    "London",
    "South East England",
    "England",
    "Scotland",
    "Wales",
)


class Neso:
    """Reads one zone."""

    def __init__(self, client: "Client", zone: str) -> None:
        self._client = client
        self._zone = zone
        self._place = place_of(zone)

    def recent(self, now: datetime) -> Reply:
        """Return the last 24 hours and the coming 48."""
        self._client.begin()
        harvest = Harvest(ABOUT, self._zone, "direct", now)
        start, day_ago = _text(now), _text(now - timedelta(hours=24))
        paths = (f"/intensity/{start}/pt24h", f"/intensity/{start}/fw48h")
        if self._place is not None:
            paths = (
                f"/regional/intensity/{day_ago}/{start}{self._place}",
                f"/regional/intensity/{start}/fw48h{self._place}",
            )
        for path in paths:
            if not self._read(path, harvest, now) and self._place is not None:
                raise InputError(f"{ABOUT.title} knows no zone {self._zone!r}: {ABOUT.areas}")
        return harvest.reply()

    def past(self, start: datetime, end: datetime, now: datetime) -> Reply:
        """Return at most 14 days."""
        self._client.begin()
        harvest = Harvest(ABOUT, self._zone, "direct", now)
        region = "" if self._place is None else "/regional"
        span = f"/intensity/{_text(start)}/{_text(end - timedelta(minutes=1))}"
        if self._read(f"{region}{span}{self._place or ''}", harvest, now):
            return harvest.reply()
        return harvest.reply(
            f"{ABOUT.title} has nothing of {self._zone} from {start:%Y-%m-%d} to {end:%Y-%m-%d}"
        )

    def _read(self, path: str, harvest: Harvest, now: datetime) -> int:
        """Add the slots of one reply, and return how many there are; none: no such postcode."""
        body = self._client.get(path).value(self._zone)
        with wire_shape(ABOUT):
            num_slots = 0
            for slot in _slots(body):
                num_slots += 1
                self._add(slot, harvest, now)
        return num_slots

    def _add(self, slot: Mapping[str, Any], harvest: Harvest, now: datetime) -> None:
        start, end = parse_time(slot["from"]), parse_time(slot["to"])
        duration_s = int((end - start).total_seconds())
        actual = slot["intensity"].get("actual")
        if actual is not None:
            harvest.add(start, duration_s, actual, is_forecast=False)
            return
        # of the whole country an `actual` may still come
        is_settled = self._place is not None and end <= now
        harvest.add(
            start,
            duration_s,
            slot["intensity"]["forecast"],
            is_forecast=not is_settled,
            is_estimated=is_settled,
        )


def zones() -> tuple[tuple[str, str], ...]:
    """Return the zones with their names; postcodes are too many to list."""
    numbered = ((f"GB-{number}", name) for number, name in enumerate(REGIONS, start=1))
    return (("GB", "Great Britain"), *numbered)


def place_of(zone: str) -> str | None:
    """Return the end of a regional path, None for the whole country.

    Raises:
        InputError: this is no zone of Great Britain.
    """
    spelled = zone.strip().upper()
    if spelled in {"GB", "UK"}:
        return None
    found = re.fullmatch(r"(?:GB|UK)-(?:(\d{1,2})|([A-Z]{1,2}\d[A-Z0-9]?))", spelled)
    if found and found[1] and 1 <= int(found[1]) <= len(REGIONS):
        return f"/regionid/{int(found[1])}"
    if found and found[2]:
        return f"/postcode/{found[2]}"
    raise InputError(f"{ABOUT.title} knows no zone {zone!r}: {ABOUT.areas}")


def _slots(body: object) -> Iterator[Mapping[str, Any]]:
    """Yield the slots of either envelope: a list of slots, or regions that hold one each."""
    data = _member(body, "data")
    for part in data if isinstance(data, list) else [data]:
        if "data" in part:
            yield from part["data"]
        else:
            yield part


def _member(value: object, name: str) -> Any:  # noqa: ANN401 - JSON
    if not isinstance(value, dict):
        raise TypeError(type(value).__name__)
    return value[name]


def _text(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%MZ")
