"""ENTSO-E Transparency Platform: generation per type of a European area; free token, XML.

Endpoint: /api with `documentType` A75, `processType` A16, `in_Domain` (an EIC code), `periodStart`
and `periodEnd` (UTC, at most a year). A GL_MarketDocument holds a TimeSeries for each `psrType`: a
Period with start, `resolution` and Points of MW, numbered from 1. A curve of type A03 leaves out
points that repeat the one before. A series with an outBiddingZone is consumption, such as pumping.
The namespace's minor version varies, so elements are known by their local names. No data, and most
that is wrong with a request: an Acknowledgement of status 200 or 400 with reason 999, which only
its text tells apart. The token is in the URL. Over 400 requests a minute are answered with 429, for
ten minutes.

It gives generation, not carbon, so the intensity is ours (sprout.grid.mix), of whole hours; lignite
counts as coal, and coal gas, oil shale, peat, waste and "other" have no factor. Imports are not
counted: rows say `entsoe_production_mix` and are marked as estimated. There is no forecast.

A document type is refused: nothing of the platform has one, and entities could grow without end.
Zones: an EIC code, alone or behind a country (DE-10Y1001A1001A83F), or one of `AREAS`.
"""

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NoReturn
from xml.etree import ElementTree as ET

from sprout.errors import InputError, PermissionDeniedError, TryLaterError
from sprout.grid import mix
from sprout.grid.answer import OK, REFUSED, Answer
from sprout.grid.intensity import HOUR, HOUR_S
from sprout.grid.provider import (
    About,
    Harvest,
    Reply,
    ThrottledError,
    parse_time,
    wire_shape,
)

if TYPE_CHECKING:
    from sprout.config.keys import Keys
    from sprout.grid.http import Client

KEY: Final = "entsoe_key"
ABOUT: Final = About(
    name="entsoe",
    title="ENTSO-E",
    areas="areas of Europe: FR, DE, ... or an EIC code",
    source="entsoe_production_mix",
    kind="average",
    factors=("lifecycle",),
    has_forecast=False,
    key_names=(KEY,),
    max_span=timedelta(days=30),
    licence="partly CC BY 4.0",
    attribution="ENTSO-E Transparency Platform; factors of IPCC AR5",
    link="https://transparency.entsoe.eu",
)
FACTORS: Final[Mapping[str, float]] = {
    "B01": mix.BIOMASS,
    "B02": mix.COAL,  # lignite; the table knows coal alone
    "B04": mix.GAS,
    "B05": mix.COAL,
    "B06": mix.OIL,
    "B09": mix.GEOTHERMAL,
    "B11": mix.HYDRO,
    "B12": mix.HYDRO,
    "B13": mix.OCEAN,
    "B14": mix.NUCLEAR,
    "B16": mix.SOLAR,
    "B18": mix.OFFSHORE_WIND,
    "B19": mix.ONSHORE_WIND,
}
"""gCO2eq/kWh by psrType."""
STORAGE: Final = frozenset({"B10", "B25"})
AREAS: Final[Mapping[str, str]] = {
    "AT": "10YAT-APG------L",
    "BE": "10YBE----------2",
    "BG": "10YCA-BULGARIA-R",
    "CH": "10YCH-SWISSGRIDZ",
    "CZ": "10YCZ-CEPS-----N",
    "DE": "10Y1001A1001A83F",
    "DK-DK1": "10YDK-1--------W",
    "DK-DK2": "10YDK-2--------M",
    "EE": "10Y1001A1001A39I",
    "ES": "10YES-REE------0",
    "FI": "10YFI-1--------U",
    "FR": "10YFR-RTE------C",
    "GR": "10YGR-HTSO-----Y",
    "HU": "10YHU-MAVIR----U",
    "IT": "10YIT-GRTN-----B",
    "LT": "10YLT-1001A0008Q",
    "LV": "10YLV-1001A00074",
    "NL": "10YNL----------L",
    "NO": "10YNO-0--------C",
    "PL": "10YPL-AREA-----S",
    "PT": "10YPT-REN------W",
    "RO": "10YRO-TEL------P",
    "SE": "10YSE-1--------K",
    "SI": "10YSI-ELES-----O",
    "SK": "10YSK-SEPS-----K",
}
"""EIC codes by zone; every other area works by its code."""
NO_DATA: Final = "no matching data"
LONGEST = timedelta(days=32)  # of one period; at most 30 days are asked for
BAN_S = 600.0
"""After 400 requests in a minute."""
_EIC: Final = re.compile(r"(?:[A-Z]{2}-)?(\d\d[A-Z][A-Z0-9-]{12}[A-Z0-9])")
_MINUTES: Final = re.compile(r"PT(15|30|60)M|PT1H")
_REPEATS: Final = "A03"


class Entsoe:
    """Reads one area."""

    def __init__(self, client: "Client", zone: str, keys: "Keys") -> None:
        self._client = client
        self._zone = zone
        self._area = area_of(zone)
        self._key = keys.get(KEY)

    def recent(self, now: datetime) -> Reply:
        """Return the last 48 hours: what there is of them, for it comes late."""
        return self.past(now - timedelta(hours=48), now, now)

    def past(self, start: datetime, end: datetime, now: datetime) -> Reply:
        """Return the whole hours of at most 30 days."""
        self._client.begin()
        first = start.replace(minute=0, second=0, microsecond=0)
        params = (
            ("securityToken", self._key),
            ("documentType", "A75"),
            ("processType", "A16"),
            ("in_Domain", self._area),
            ("periodStart", f"{first:%Y%m%d%H%M}"),
            ("periodEnd", f"{end + HOUR:%Y%m%d%H}00"),
        )
        try:
            answer = self._client.get("/api", params, headers={"Accept": "application/xml"})
        except ThrottledError as error:
            raise ThrottledError(error.what, max(BAN_S, error.retry_after_s)) from None
        document = self._document(answer)
        harvest = Harvest(ABOUT, self._zone, "lifecycle", now)
        with wire_shape(ABOUT):
            if _name(document) == "Acknowledgement_MarketDocument":
                return harvest.reply(self._acknowledged(document))
            if answer.status != OK or _name(document) != "GL_MarketDocument":
                raise ValueError(_name(document))
            generation = _generation(document)
            main_fuels = mix.main_fuels(generation)
            for hour, by_fuel in sorted(generation.items()):
                if start <= hour < end and main_fuels <= by_fuel.keys():
                    value = mix.intensity_of(by_fuel, FACTORS)
                    harvest.add(hour, HOUR_S, value, is_forecast=False, is_estimated=True)
        return harvest.reply()

    def _document(self, answer: Answer) -> ET.Element:
        """Return the root of a reply.

        Raises:
            PermissionDeniedError: the token is refused.
            TryLaterError: it is no whole XML, or has a document type.
        """
        if answer.status in REFUSED:
            raise PermissionDeniedError(f"{ABOUT.title} refused the token: check {KEY}")
        try:
            return ET.fromstring(answer.body, parser=ET.XMLParser(target=_Tree()))  # noqa: S314 - see `_Tree`
        except (ET.ParseError, ValueError, LookupError) as error:
            raise TryLaterError(
                f"{ABOUT.title} answered {answer.status} with something that is not whole XML "
                f"({len(answer.body)} bytes): try again later"
            ) from error

    def _acknowledged(self, document: ET.Element) -> str:
        """Return that there are no data; raise for any other reason.

        Raises:
            InputError: the area or the time is refused.
        """
        said = self._client.clean(_text(_child(document, "Reason"), "text"))
        if NO_DATA in said.lower():
            return f"{ABOUT.title}: {said}"
        raise InputError(f"{ABOUT.title} does not take zone {self._zone!r}: {said}")


class _Tree(ET.TreeBuilder):
    """Builds a document, unless it declares a type: without one there are no entities to expand."""

    def doctype(self, name: str, _pubid: str | None, _system: str | None) -> NoReturn:
        raise ValueError(f"a document type, {name}")


def zones() -> tuple[tuple[str, str], ...]:
    """Return the zones that have a name here, with their EIC codes."""
    return tuple(AREAS.items())


def area_of(zone: str) -> str:
    """Return the EIC code of a zone.

    Raises:
        InputError: it is neither a known zone nor a code.
    """
    name = zone.strip().upper()
    code = _EIC.fullmatch(name)
    if name in AREAS:
        return AREAS[name]
    if code is None:
        raise InputError(
            f"{ABOUT.title} knows no zone {zone!r}: name an EIC code such as 10YFR-RTE------C, or "
            f"one of {', '.join(AREAS)}"
        )
    return code[1]


def _generation(document: ET.Element) -> dict[datetime, dict[str, float]]:
    """Return MWh by whole hour and type, without storage and consumption."""
    found: dict[datetime, dict[str, float]] = defaultdict(dict)
    for series in _children(document, "TimeSeries"):
        if next(_children(series, "outBiddingZone_Domain.mRID"), None) is not None:
            continue
        fuel = _text(_child(series, "MktPSRType"), "psrType")
        if _text(series, "quantity_Measure_Unit.name") != "MAW":
            raise ValueError("not in MW")
        if fuel in STORAGE:
            continue
        repeats = any(each.text == _REPEATS for each in _children(series, "curveType"))
        for period in _children(series, "Period"):
            for hour, mwh in _hours(period, repeats=repeats):
                found[hour][fuel] = found[hour].get(fuel, 0.0) + mwh
    return found


def _hours(period: ET.Element, *, repeats: bool) -> Iterator[tuple[datetime, float]]:
    """Yield each hour of a period that all its points are there of, with its MWh."""
    interval = _child(period, "timeInterval")
    start, end = parse_time(_text(interval, "start")), parse_time(_text(interval, "end"))
    matched = _MINUTES.fullmatch(_text(period, "resolution"))
    if matched is None or not timedelta() < end - start <= LONGEST:
        raise ValueError("a resolution or an interval of no known kind")
    step = timedelta(minutes=int(matched[1] or 60))
    points = {
        int(_text(point, "position")): float(_text(point, "quantity"))
        for point in _children(period, "Point")
    }
    by_hour: dict[datetime, list[float]] = defaultdict(list)
    latest: float | None = None
    for position in range(1, (end - start) // step + 1):
        latest = points.get(position, latest if repeats else None)
        if latest is not None:
            when = start + (position - 1) * step
            by_hour[when.replace(minute=0, second=0)].append(latest)
    for hour, values in by_hour.items():
        if len(values) == HOUR // step:
            yield hour, sum(values) / len(values)


def _name(element: ET.Element) -> str:
    """Return an element's name without its namespace."""
    return element.tag.rpartition("}")[2]


def _children(element: ET.Element, name: str) -> Iterator[ET.Element]:
    return (child for child in element if _name(child) == name)


def _child(element: ET.Element, name: str) -> ET.Element:
    found = next(_children(element, name), None)
    if found is None:
        raise KeyError(name)
    return found


def _text(element: ET.Element, name: str) -> str:
    return (_child(element, name).text or "").strip()
