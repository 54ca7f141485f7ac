"""Grid providers on loopback: each answers in its exact shape, and keeps what it received."""

import json
import socket
import threading
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qsl, urlsplit

HTML = "<html><head><title>403 Forbidden</title></head><body>nginx</body></html>"
USER, PASSWORD, TOKEN = "ada-lovelace", "s3cret pass/word+%", "token-4711-abcdef"
KEY = "key-0815-XYZ/+="
SLOT = timedelta(minutes=30)
HOUR = timedelta(hours=1)
EPOCH = datetime.fromtimestamp(0, UTC)


@dataclass(frozen=True)
class Request:
    """What arrived."""

    path: str
    query: dict[str, str]
    headers: dict[str, str]
    pairs: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Answer:
    """What goes back; `length` is what the header claims, `hang_s` a wait before the first byte."""

    body: Any = None
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    hang_s: float = 0.0
    drips: bool = False

    @property
    def data(self) -> bytes:
        if isinstance(self.body, bytes):
            return self.body
        text = self.body if isinstance(self.body, str) else json.dumps(self.body)
        return text.encode()


Behaviour = Callable[[Request], Answer]


class GridServer:
    """A server whose behaviour a test sets; `seen` holds what arrived."""

    def __init__(self) -> None:
        self.behave: Behaviour = lambda _request: Answer(status=404, body={"error": "not set"})
        self.seen: list[Request] = []
        self.stop = threading.Event()
        self.num_connections = 0
        outer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True  # else each answer waits 40 ms for an acknowledgement

            def setup(self) -> None:
                outer.num_connections += 1
                super().setup()

            def do_GET(self) -> None:
                parts = urlsplit(self.path)
                headers = {name.lower(): value for name, value in self.headers.items()}
                pairs = tuple(parse_qsl(parts.query))
                request = Request(parts.path, dict(pairs), headers, pairs)
                outer.seen.append(request)
                answer = outer.behave(request)
                outer.stop.wait(answer.hang_s)
                with suppress(BrokenPipeError, ConnectionResetError):
                    self.reply(answer)

            def reply(self, answer: Answer) -> None:
                self.send_response(answer.status)
                kind = "text/html" if isinstance(answer.body, str) else "application/json"
                length = len(answer.data) if answer.length is None else answer.length
                headers = {"Content-Type": kind, "Content-Length": str(length)} | answer.headers
                for name, value in headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if not answer.drips:
                    self.wfile.write(answer.data)
                    return
                for byte in answer.data:
                    self.wfile.write(bytes([byte]))
                    self.wfile.flush()
                    if outer.stop.wait(0.05):
                        return

            def log_message(self, *_args: object) -> None:
                pass

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            block_on_close = False

            def handle_error(self, *_args: object) -> None:
                pass  # a client that gave up

        self._server = Server(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )
        self._thread.start()

    @property
    def paths(self) -> list[str]:
        return [request.path for request in self.seen]

    def close(self) -> None:
        self.stop.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)


@contextmanager
def serving(behave: Behaviour | None = None) -> Iterator[GridServer]:
    server = GridServer()
    if behave is not None:
        server.behave = behave
    try:
        yield server
    finally:
        server.close()


def refused_url() -> str:
    """A port of this machine at which nobody listens."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    return f"http://127.0.0.1:{port}"


def hour_of(now: datetime) -> datetime:
    return now.replace(minute=0, second=0, microsecond=0)


def iso(when: datetime) -> str:
    return when.strftime("%Y-%m-%dT%H:%M:%S.000Z")


# the providers, each as its documentation shows it


def neso(now: datetime, value: float = 200) -> Behaviour:
    def slot(start: datetime, *, is_regional: bool) -> dict[str, Any]:
        intensity: dict[str, Any] = {"forecast": value + 5, "index": "moderate"}
        if not is_regional:
            intensity["actual"] = value if start <= now else None
        ends = {"from": f"{start:%Y-%m-%dT%H:%MZ}", "to": f"{start + SLOT:%Y-%m-%dT%H:%MZ}"}
        more = {"generationmix": [{"fuel": "gas", "perc": 43.6}]} if is_regional else {}
        return ends | {"intensity": intensity} | more

    def behave(request: Request) -> Answer:
        assert "authorization" not in request.headers
        parts = request.path.strip("/").split("/")
        is_regional = parts[0] == "regional"
        parts = parts[1:] if is_regional else parts
        begin = datetime.strptime(parts[1], "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
        spans = {"pt24h": (begin - 24 * HOUR, begin), "fw48h": (begin, begin + 48 * HOUR)}
        if parts[2] in spans:
            first, last = spans[parts[2]]
        else:
            end = datetime.strptime(parts[2], "%Y-%m-%dT%H:%MZ").replace(tzinfo=UTC)
            first, last = begin, end
            if last - first > timedelta(days=14):
                message = "the maximum duration is 14 days"
                error = {"error": {"code": "400 Bad Request", "message": message}}
                return Answer(status=400, body=error)
        start = first.replace(minute=first.minute // 30 * 30)  # may begin before what was asked
        slots = []
        while start <= last:  # inclusive at both ends
            slots.append(slot(start, is_regional=is_regional))
            start += SLOT
        if not is_regional:
            return Answer({"data": slots})
        region = {"regionid": 13, "shortname": "London", "data": slots}
        return Answer({"data": region if "fw48h" in parts else [region]})

    return behave


def energy_charts(now: datetime, value: float = 300, step_s: int = 900) -> Behaviour:
    def behave(request: Request) -> Answer:
        assert request.path == "/co2eq"
        assert request.query.keys() == {"country", "start", "end"}
        first = datetime.fromisoformat(request.query["start"]).replace(tzinfo=UTC)
        last = datetime.fromisoformat(request.query["end"]).replace(tzinfo=UTC) + 24 * HOUR
        times = [
            first + i * timedelta(seconds=step_s)
            for i in range((last - first) // timedelta(seconds=step_s))
        ]
        measured = [value if time <= now else None for time in times]
        return Answer(
            {
                "unix_seconds": [int(time.timestamp()) for time in times],
                "co2eq": measured,
                "co2eq_forecast": [None if m is not None else value + 10 for m in measured[:-2]]
                + [None, None],
                "deprecated": False,
            }
        )

    return behave


def electricity_maps(now: datetime, value: float = 350, version: int = 4) -> Behaviour:
    def row(start: datetime, zone: str, factor: str) -> dict[str, Any]:
        found = {
            "zone": zone,
            "carbonIntensity": value,
            "datetime": iso(start),
            "updatedAt": iso(start),
            "createdAt": iso(start - timedelta(days=3)),
            "emissionFactorType": factor,
            "isEstimated": start == hour_of(now),
            "estimationMethod": "TIME_SLICER_AVERAGE" if start == hour_of(now) else None,
        }
        return found | (
            {"flowTraced": True, "temporalGranularity": "hourly"} if version == 4 else {}
        )

    def behave(request: Request) -> Answer:  # noqa: PLR0911 - one a path
        if request.path == "/zones":
            return Answer(
                {"DE": {"zoneName": "Germany", "access": ["*"]}, "FR": {"zoneName": "France"}}
            )
        query = request.query
        if request.headers.get("auth-token") != KEY:
            return Answer(status=401, body={"error": "Invalid auth-token"})
        assert query["disableCallerLookup"] == "true"
        assert query["temporalGranularity"] == "hourly"
        zone, factor, hour = query["zone"], query["emissionFactorType"], hour_of(now)
        match request.path:
            case "/carbon-intensity/latest":
                return Answer(row(hour, zone, factor))
            case "/carbon-intensity/history":
                rows = [row(hour - i * HOUR, zone, factor) for i in range(24)]
                return Answer({"data": rows} if version == 4 else {"zone": zone, "history": rows})
            case "/carbon-intensity/forecast":
                hours = int(query["horizonHours"])
                slots = [
                    {"carbonIntensity": value + i, "datetime": iso(hour + i * HOUR)}
                    for i in range(hours + 1)
                ]
                more = {"updatedAt": iso(hour), "temporalGranularity": "hourly"}
                return Answer({"zone": zone, "forecast": slots} | more)
            case "/carbon-intensity/past-range":
                start = datetime.fromisoformat(query["start"])
                end = datetime.fromisoformat(query["end"])
                assert end - start <= timedelta(days=10)
                rows = [row(start + i * HOUR, zone, factor) for i in range((end - start) // HOUR)]
                return Answer({"zone": zone, "data": rows})
        return Answer(status=404, body={"error": "Not found"})

    return behave


def no_access(request: Request) -> Answer:
    return Answer(
        status=401,
        body={
            "error": f"Request unauthorized for zoneKey={request.query.get('zone')}",
            "message": "You do not have access to this specific endpoint for this specific zone. "
            "Please visit https://help.electricitymaps.com if this is a mistake",
        },
    )


def watttime(now: datetime, value: float = 1000.0) -> Behaviour:
    def behave(request: Request) -> Answer:
        if request.path == "/login":
            expected = b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if request.headers.get("authorization") != f"Basic {expected}":
                return Answer(HTML, status=403)
            return Answer({"token": TOKEN})
        if request.headers.get("authorization") != f"Bearer {TOKEN}":
            return Answer(HTML, status=403)
        if request.path == "/v3/my-access":
            region = {"region": "CAISO_NORTH", "region_full_name": "California ISO Northern"}
            return Answer({"signal_types": [{"signal_type": "co2_moer", "regions": [region]}]})
        query = request.query
        assert query["signal_type"] == "co2_moer"
        if query["region"] != "CAISO_NORTH":
            message = "Invalid scope. You do not have sufficient access to this resource"
            return Answer({"error": "Invalid query parameters", "message": message}, status=403)
        five = timedelta(minutes=5)
        if request.path == "/v3/historical":
            start, end = (datetime.fromisoformat(query[name]) for name in ("start", "end"))
            assert end - start <= timedelta(days=32)
            start += (EPOCH - start) % five  # its slots begin every five minutes, whenever asked
        else:
            start = hour_of(now)
            end = start + int(query["horizon_hours"]) * HOUR
        extra = {"last_updated": iso(now), "imputed_data_used": False}
        more = extra if request.path == "/v3/historical" else {}
        rows = [
            {"point_time": (start + i * five).isoformat(), "value": value} | more
            for i in range((end - start) // five + 1)
        ]
        meta = {
            "data_point_period_seconds": 300,
            "region": "CAISO_NORTH",
            "warnings": [],
            "signal_type": "co2_moer",
            "model": {"date": "2023-03-01"},
            "units": "lbs_co2_per_mwh",
            "generated_at_period_seconds": 300,
            "generated_at": now.isoformat(),
        }
        return Answer({"data": rows, "meta": meta})

    return behave


def eia(now: datetime, lag_h: int = 2, page: int = 5000) -> Behaviour:
    def behave(request: Request) -> Answer:
        query = request.query
        echo = {"command": request.path, "params": dict(query)}
        if query.get("api_key") != KEY:
            error = {
                "code": "API_KEY_INVALID",
                "message": f"An invalid api_key {query.get('api_key')}",
            }
            return Answer({"error": error, "request": echo}, status=403)
        assert request.path == "/electricity/rto/fuel-type-data/data/"
        start = datetime.strptime(query["start"], "%Y-%m-%dT%H").replace(tzinfo=UTC)
        end = datetime.strptime(query["end"], "%Y-%m-%dT%H").replace(tzinfo=UTC)
        rows = []
        # a period is the end of its hour; the newest hour begins `lag_h` before the present one
        while start <= min(end, hour_of(now) - (lag_h - 1) * HOUR):
            for fuel, mwh in (("NG", "500"), ("SUN", "-3"), ("NUC", "500"), ("BAT", "90")):
                rows.append(
                    {
                        "period": f"{start:%Y-%m-%dT%H}",
                        "respondent": query["facets[respondent][]"],
                        "fueltype": fuel,
                        "value": mwh,
                        "value-units": "megawatthours",
                    }
                )
            start += HOUR
        if query["facets[respondent][]"] == "NOWHERE":
            rows = []
        offset = int(query["offset"])
        part = rows[offset : offset + min(page, int(query["length"]))]
        response = {"total": str(len(rows)), "frequency": "hourly", "data": part}
        return Answer({"response": response, "request": echo, "apiVersion": "2.1.12"})

    return behave


def xml(text: str, status: int = 200) -> Answer:
    return Answer(text.encode(), status=status, headers={"Content-Type": "text/xml"})


def gl_document(*series: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><GL_MarketDocument xmlns="urn:iec62325.351:'
        'tc57wg16:451-6:generationloaddocument:3:0"><mRID>1</mRID>'
        + "".join(series)
        + "</GL_MarketDocument>"
    )


def time_series(
    fuel: str,
    start: datetime,
    quantities: dict[int, float],
    num_points: int,
    minutes: int = 60,
    domain: str = "inBiddingZone_Domain.mRID",
    curve: str = "A01",
) -> str:
    points = "".join(
        f"<Point><position>{position}</position><quantity>{mw:g}</quantity></Point>"
        for position, mw in quantities.items()
    )
    end = start + num_points * timedelta(minutes=minutes)
    return (
        f'<TimeSeries><{domain} codingScheme="A01">10YFR-RTE------C</{domain}>'
        "<quantity_Measure_Unit.name>MAW</quantity_Measure_Unit.name>"
        f"<curveType>{curve}</curveType><MktPSRType><psrType>{fuel}</psrType></MktPSRType>"
        f"<Period><timeInterval><start>{start:%Y-%m-%dT%H:%MZ}</start>"
        f"<end>{end:%Y-%m-%dT%H:%MZ}</end></timeInterval>"
        f"<resolution>PT{minutes}M</resolution>{points}</Period></TimeSeries>"
    )


def acknowledgement(code: str, text: str) -> str:
    return (
        '<?xml version="1.0" encoding="UTF-8"?><Acknowledgement_MarketDocument xmlns="urn:'
        'iec62325.351:tc57wg16:451-1:acknowledgementdocument:7:0"><mRID>1</mRID>'
        f"<Reason><code>{code}</code><text>{text}</text></Reason></Acknowledgement_MarketDocument>"
    )


def entsoe(now: datetime, lag_h: int = 2) -> Behaviour:
    def behave(request: Request) -> Answer:
        query = request.query
        assert request.path == "/api"
        assert request.headers["accept"] == "application/xml"
        assert (query["documentType"], query["processType"]) == ("A75", "A16")
        if query["securityToken"] != KEY:
            return xml(acknowledgement("999", f"Unauthorized {query['securityToken']}"), 401)
        start, end = (
            datetime.strptime(query[name], "%Y%m%d%H%M").replace(tzinfo=UTC)
            for name in ("periodStart", "periodEnd")
        )
        assert end - start <= timedelta(days=366)
        num = (min(end, hour_of(now) - (lag_h - 1) * HOUR) - start) // HOUR
        if num <= 0:
            return xml(acknowledgement("999", "No matching data found"))
        # half gas, half nuclear; pumps consume
        return xml(
            gl_document(
                time_series("B04", start, {i + 1: 500 for i in range(num)}, num),
                time_series("B14", start, {1: 500}, 4 * num, 15, curve="A03"),
                time_series(
                    "B10", start, {1: 90}, num, domain="outBiddingZone_Domain.mRID", curve="A03"
                ),
            )
        )

    return behave


def open_electricity(now: datetime, value: float = 600.0) -> Behaviour:
    def behave(request: Request) -> Answer:
        assert request.path == "/data/network/NEM"
        if request.headers.get("authorization") != f"Bearer {KEY}":
            error = {"code": "unauthorized", "message": "Invalid API key"}
            return Answer({"error": error}, status=401)
        query = request.query
        assert [pair for pair in request.pairs if pair[0] == "metrics"] == [
            ("metrics", "emissions"),
            ("metrics", "energy"),
        ]
        assert (query["interval"], query["primary_grouping"]) == ("1h", "network_region")
        ten = timedelta(hours=10)
        start, end = (
            datetime.fromisoformat(query[name]).replace(tzinfo=UTC) - ten
            for name in ("date_start", "date_end")
        )
        if end - start > timedelta(days=32):
            message = "Date range too large for hour interval. Maximum range is 32 days."
            return Answer({"detail": message}, status=400)
        hours = [
            hour_of(start) + i * HOUR for i in range((min(end, now) - hour_of(start)) // HOUR + 1)
        ]

        def block(metric: str, unit: str, amount: float) -> dict[str, Any]:
            results = [
                {
                    "name": f"{metric}_{region}",
                    "date_start": iso(start),
                    "date_end": iso(end),
                    "columns": {"network_region": region},
                    "data": [[iso(hour).replace(".000", ""), amount * scale] for hour in hours],
                }
                for region, scale in (("NSW1", 1.0), ("VIC1", 2.0 if metric == "emissions" else 1))
            ]
            return {
                "network_code": "NEM",
                "metric": metric,
                "unit": unit,
                "interval": "1h",
                "start": iso(start),
                "end": iso(end),
                "groupings": [],
                "results": results,
                "network_timezone_offset": "+10:00",
            }

        blocks = [block("energy", "MWh", 1000.0), block("emissions", "t", value)]
        more = {"version": "4.0.3.dev0", "created_at": "2025-02-18T07:27:28+11:00", "success": True}
        return Answer(more | {"data": blocks})

    return behave


def carbon_aware_sdk(now: datetime, value: float = 65) -> Behaviour:
    five = timedelta(minutes=5)

    def behave(request: Request) -> Answer:
        query = request.query
        location = query["location"]
        if location == "nowhere":
            problem = {"title": "LocationException", "status": 400, "detail": "Unknown: nowhere"}
            return Answer(problem, status=400, headers={"Content-Type": "application/problem+json"})
        if request.path == "/emissions/bylocation":
            start, end = (datetime.fromisoformat(query[name]) for name in ("time", "toTime"))
            start = start.replace(minute=start.minute // 5 * 5, second=0)
            return Answer(
                [
                    {
                        "location": location,
                        "time": f"{start + i * five:%Y-%m-%dT%H:%M:%S+00:00}",
                        "rating": value,
                    }
                    for i in range((end - start) // five)
                ]
            )
        assert request.path == "/emissions/forecasts/current"
        points = [
            {
                "location": location,
                "timestamp": f"{now + i * five:%Y-%m-%dT%H:%M:%S+00:00}",
                "duration": 5,
                "value": value + 1.5,
            }
            for i in range(12)
        ]
        return Answer(
            [
                {
                    "requestedAt": iso(now),
                    "generatedAt": iso(now),
                    "location": location,
                    "dataStartAt": iso(now),
                    "dataEndAt": iso(now + HOUR),
                    "windowSize": 5,
                    "optimalDataPoint": points[0],
                    "forecastData": points,
                }
            ]
        )

    return behave
