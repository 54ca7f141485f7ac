"""Every provider against a server that answers in its shape and checks what it received."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from local import grid_server
from local.grid_server import KEY, PASSWORD, USER, Answer, GridServer, Request

from sprout.config.keys import Key, Keys
from sprout.errors import (
    InputError,
    NotReadyError,
    PermissionDeniedError,
    TryLaterError,
    UsageError,
)
from sprout.grid import eia, entsoe
from sprout.grid.intensity import FactorType, IntensityTrace, Kind
from sprout.grid.mix import intensity_of
from sprout.grid.open import NAMES, about, open_provider, series_of, zones
from sprout.grid.patience import Limits
from sprout.grid.provider import NoAccessError, Reply, ThrottledError
from sprout.grid.timeline import best

NOW = datetime(2026, 3, 29, 1, 40, tzinfo=UTC)  # the hour in which Europe's clocks go forward
HOUR = timedelta(hours=1)
KEYS = Keys(
    {
        "electricity_maps_key": Key(KEY, "test"),
        "watttime_user": Key(USER, "test"),
        "watttime_password": Key(PASSWORD, "test"),
        "eia_key": Key(KEY, "test"),
        "entsoe_key": Key(KEY, "test"),
        "open_electricity_key": Key(KEY, "test"),
    }
)
KINDS: dict[str, Kind] = {"carbon_aware_sdk": "marginal"}  # as its user would set it
QUICK = Limits(total_s=20, num_retries=0, connect_s=10, read_s=10, backoff_s=0)


@pytest.fixture
def server() -> Iterator[GridServer]:
    with grid_server.serving() as running:
        yield running


def recent(
    server: GridServer,
    name: str,
    zone: str,
    factor: FactorType | None = None,
    keys: Keys = KEYS,
) -> Reply:
    wanted = series_of(zone, name, KINDS.get(name), factor)
    with open_provider(name, wanted, server.url, keys, QUICK) as provider:
        return provider.recent(NOW)


def past(server: GridServer, name: str, zone: str, start: datetime, end: datetime) -> Reply:
    wanted = series_of(zone, name, KINDS.get(name), None)
    with open_provider(name, wanted, server.url, KEYS, QUICK) as provider:
        return provider.past(start, end, NOW)


def counts(reply: Reply) -> tuple[int, int]:
    num_forecast = sum(row.is_forecast for row in reply.intensities)
    return len(reply.intensities) - num_forecast, num_forecast


@pytest.mark.parametrize(
    ("name", "zone", "kind", "factor"),
    [
        ("neso", "GB", "average", "direct"),
        ("energy_charts", "DE", "average", "unknown"),
        ("electricity_maps", "DE", "average", "lifecycle"),
        ("watttime", "US-CAISO_NORTH", "marginal", "direct"),
        ("eia", "US-CAL-CISO", "average", "lifecycle"),
        ("entsoe", "FR", "average", "lifecycle"),
        ("open_electricity", "AU-NSW", "average", "unknown"),
        ("carbon_aware_sdk", "eastus", "marginal", "unknown"),
    ],
)
def test_every_row_says_what_it_is_and_none_comes_twice(
    server: GridServer, name: str, zone: str, kind: str, factor: str
) -> None:
    server.behave = getattr(grid_server, name)(NOW)
    reply = recent(server, name, zone)
    keys = [(row.start, row.is_forecast) for row in reply.intensities]
    assert keys == sorted(set(keys))
    assert {(row.source, row.zone, row.kind, row.factor_type) for row in reply.intensities} == {
        (about(name).source, zone, kind, factor)
    }
    assert all(row.fetched_at == NOW for row in reply.intensities)
    assert all(row.is_forecast or row.start <= NOW for row in reply.intensities)
    assert reply.notes == ()
    assert all(len(found.headers["user-agent"]) > 8 for found in server.seen)


# NESO


def test_neso_asks_for_the_last_day_and_the_coming_two(server: GridServer) -> None:
    server.behave = grid_server.neso(NOW, 200)
    reply = recent(server, "neso", "GB")
    assert server.paths == [
        "/intensity/2026-03-29T01:40Z/pt24h",
        "/intensity/2026-03-29T01:40Z/fw48h",
    ]
    # 01:30 of the day before to 01:30 now, both inclusive: 49 half-hours; then 96 to 01:30
    assert counts(reply) == (49, 96)
    assert {row.duration_s for row in reply.intensities} == {1800}
    assert {row.g_per_kwh for row in reply.intensities if not row.is_forecast} == {200}
    assert {row.g_per_kwh for row in reply.intensities if row.is_forecast} == {205}


@pytest.mark.parametrize(
    ("zone", "place"), [("GB-13", "regionid/13"), ("gb-rg10", "postcode/RG10")]
)
def test_what_neso_forecast_of_a_region_is_an_estimate_once_it_is_over(
    server: GridServer, zone: str, place: str
) -> None:
    server.behave = grid_server.neso(NOW)
    reply = recent(server, "neso", zone)
    assert server.paths == [
        f"/regional/intensity/2026-03-28T01:40Z/2026-03-29T01:40Z/{place}",
        f"/regional/intensity/2026-03-29T01:40Z/fw48h/{place}",
    ]
    # 145 half-hours from 01:30 the day before; those to 01:30 are over, 01:30 to 02:00 is not
    assert counts(reply) == (48, 97)
    over = [row for row in reply.intensities if not row.is_forecast]
    assert all(row.is_estimated and row.end <= NOW for row in over)
    assert min(row.start for row in reply.intensities if row.is_forecast) == NOW.replace(minute=30)


def test_neso_forecasts_of_the_whole_country_stay_forecasts(server: GridServer) -> None:
    # its actual value may still come
    ends = {"from": "2026-03-28T12:00Z", "to": "2026-03-28T12:30Z"}
    slot = ends | {"intensity": {"forecast": 205, "actual": None}}
    server.behave = lambda _request: Answer({"data": [slot]})
    assert counts(past(server, "neso", "GB", NOW - 24 * HOUR, NOW)) == (0, 1)


def test_neso_history_ends_before_its_exclusive_end(server: GridServer) -> None:
    server.behave = grid_server.neso(NOW)
    reply = past(server, "neso", "GB", NOW - 15 * 24 * HOUR, NOW - 24 * HOUR)
    assert server.paths == ["/intensity/2026-03-14T01:40Z/2026-03-28T01:39Z"]
    assert counts(reply)[0] == 14 * 48 + 1  # the first slot begins before what was asked


@pytest.mark.parametrize("zone", ["DE", "GB-18", "GB-0", "GB-LONDON"])
def test_neso_knows_no_other_zones_and_asks_nobody(server: GridServer, zone: str) -> None:
    with pytest.raises(InputError, match="knows no zone"):
        recent(server, "neso", zone)
    assert server.seen == []


def test_an_empty_answer_for_a_postcode_is_an_unknown_zone(server: GridServer) -> None:
    server.behave = lambda _request: Answer({"data": []})
    with pytest.raises(InputError, match="GB-ZZ9"):
        recent(server, "neso", "GB-ZZ9")


# Energy-Charts


def test_energy_charts_measured_wins_over_forecast_and_nulls_are_gaps(server: GridServer) -> None:
    server.behave = grid_server.energy_charts(NOW, 300)
    reply = recent(server, "energy_charts", "GB")
    (seen,) = server.seen
    assert seen.query == {"country": "uk", "start": "2026-03-28", "end": "2026-03-30"}
    # 28 March and to 01:30 on the 29th: 96 + 7; the last two of 288 slots are null
    assert counts(reply) == (103, 288 - 103 - 2)
    assert {row.duration_s for row in reply.intensities} == {900}
    hours = {row.start for row in reply.intensities}
    assert len(hours) == len(reply.intensities)


def test_energy_charts_hours_are_hours(server: GridServer) -> None:
    server.behave = grid_server.energy_charts(NOW, 300, step_s=3600)
    assert {row.duration_s for row in recent(server, "energy_charts", "FR").intensities} == {3600}


def test_energy_charts_missing_and_repeated_hours_stay_what_they_are(server: GridServer) -> None:
    begin = int(datetime(2026, 3, 28, tzinfo=UTC).timestamp())
    seconds = [begin, begin + 3600, begin + 3600, begin + 4 * 3600]
    body = {"unix_seconds": seconds, "co2eq": [1, 2, 3, 4], "co2eq_forecast": None}
    server.behave = lambda _request: Answer(body)
    reply = recent(server, "energy_charts", "FR")
    assert [(row.start.hour, row.g_per_kwh) for row in reply.intensities] == [
        (0, 1),
        (1, 3),
        (4, 4),
    ]
    assert {row.duration_s for row in reply.intensities} == {3600}


@pytest.mark.parametrize(
    "minutes_by_hour",
    [
        {0: 60, 1: 60, 2: 60, 3: 15, 3.25: 15, 3.75: 15, 4: 15},  # a quarter is missing
        {0: 15, 0.25: 15, 0.5: 15, 0.75: 15, 1: 15, 2: 60, 3: 60},  # 1:00 may be a quarter
        {0: 60, 3: 60, 4: 15, 4.25: 15},
        {},
    ],
)
def test_energy_charts_hours_beside_quarters_are_hours(
    server: GridServer, minutes_by_hour: dict[float, int]
) -> None:
    begin = NOW.replace(day=28, hour=0, minute=0)
    seconds = [int((begin + hour * HOUR).timestamp()) for hour in minutes_by_hour]
    server.behave = lambda _request: Answer({"unix_seconds": seconds, "co2eq": [1] * len(seconds)})
    found = recent(server, "energy_charts", "DE").intensities
    assert [row.duration_s // 60 for row in found] == list(minutes_by_hour.values())


def test_energy_charts_arrays_of_different_length_are_no_answer(server: GridServer) -> None:
    body = {"unix_seconds": [0, 900], "co2eq": [1], "co2eq_forecast": [1, 2]}
    server.behave = lambda _request: Answer(body)
    with pytest.raises(TryLaterError, match="a shape that is not its own"):
        recent(server, "energy_charts", "DE")


def test_energy_charts_days_without_values_are_no_fault_of_the_country(server: GridServer) -> None:
    server.behave = lambda _request: Answer({"detail": "no content available"}, status=404)
    begin = datetime(2012, 1, 1, tzinfo=UTC)
    reply = past(server, "energy_charts", "DE", begin, begin + 31 * 24 * HOUR)
    assert reply == Reply(
        (),
        ("Energy-Charts has nothing of DE from 2012-01-01 to 2012-02-01: no content available",),
    )
    with pytest.raises(InputError, match="no content available"):
        recent(server, "energy_charts", "DE")


def test_energy_charts_history_asks_for_one_day_more(server: GridServer) -> None:
    server.behave = grid_server.energy_charts(NOW)
    end = datetime(2026, 3, 10, tzinfo=UTC)
    reply = past(server, "energy_charts", "DE", end - timedelta(days=31), end)
    assert server.seen[0].query == {"country": "de", "start": "2026-02-07", "end": "2026-03-10"}
    assert reply.intensities[0].start == end - timedelta(days=31)
    assert all(not row.is_forecast for row in reply.intensities)


# Electricity Maps


@pytest.mark.parametrize("version", [3, 4])
def test_electricity_maps_reads_both_versions(server: GridServer, version: int) -> None:
    server.behave = grid_server.electricity_maps(NOW, 350, version)
    reply = recent(server, "electricity_maps", "DE", "direct")
    assert server.paths == [
        "/carbon-intensity/history",
        "/carbon-intensity/latest",
        "/carbon-intensity/forecast",
    ]
    assert all(seen.query["emissionFactorType"] == "direct" for seen in server.seen)
    assert counts(reply) == (24, 49)
    assert [row.start for row in reply.intensities if row.is_estimated] == [NOW.replace(minute=0)]
    assert all(row.generated_at is not None for row in reply.intensities)


def test_what_the_plan_does_not_open_is_noted_and_the_rest_is_used(server: GridServer) -> None:
    good = grid_server.electricity_maps(NOW)

    def behave(request: Request) -> Answer:
        is_closed = request.path.endswith(("history", "forecast"))
        return grid_server.no_access(request) if is_closed else good(request)

    server.behave = behave
    reply = recent(server, "electricity_maps", "DE")
    assert counts(reply) == (1, 0)
    assert len(reply.notes) == 2
    assert "no access to history of zone DE" in reply.notes[0]


def test_a_zone_without_a_newest_value_still_has_its_history_and_forecast(
    server: GridServer,
) -> None:
    good = grid_server.electricity_maps(NOW)
    missing = Answer({"error": 'No recent data for zone "DE"'}, status=404)

    def behave(request: Request) -> Answer:
        return missing if request.path.endswith("latest") else good(request)

    server.behave = behave
    reply = recent(server, "electricity_maps", "DE")
    assert counts(reply) == (24, 49)
    (note,) = reply.notes
    assert 'No recent data for zone "DE"' in note


def test_no_access_at_all_is_told_apart_from_a_refused_key(server: GridServer) -> None:
    server.behave = grid_server.no_access
    with pytest.raises(NoAccessError, match="has no access to history of zone DE"):
        recent(server, "electricity_maps", "DE")
    server.behave = grid_server.electricity_maps(NOW)
    wrong = Keys({"electricity_maps_key": Key("wrong", "test")})
    with pytest.raises(PermissionDeniedError, match="refused the key") as raised:
        recent(server, "electricity_maps", "DE", keys=wrong)
    assert not isinstance(raised.value, NoAccessError)
    assert raised.value.exit_code == 77


def test_a_zone_without_data_is_told_with_their_words(server: GridServer) -> None:
    body = {"error": 'No recent data for zone "US-MIDW-MISO"'}
    server.behave = lambda _request: Answer(body, status=404)
    with pytest.raises(InputError, match='No recent data for zone "US-MIDW-MISO"'):
        recent(server, "electricity_maps", "US-MIDW-MISO")


def test_a_row_of_another_zone_is_not_taken(server: GridServer) -> None:
    row = {"zone": "FR", "carbonIntensity": 20, "datetime": "2026-03-29T01:00:00.000Z"}
    server.behave = lambda _request: Answer(row)
    with pytest.raises(TryLaterError, match="a shape that is not its own"):
        recent(server, "electricity_maps", "DE")


# WattTime


def test_watttime_is_marginal_and_in_grams(server: GridServer) -> None:
    server.behave = grid_server.watttime(NOW, 1000)
    reply = recent(server, "watttime", "CAISO_NORTH")
    assert server.paths == ["/login", "/v3/historical", "/v3/forecast"]
    assert {round(row.g_per_kwh, 3) for row in reply.intensities} == {453.592}  # 1000 lb/MWh
    assert {row.duration_s for row in reply.intensities} == {300}
    assert counts(reply) == (289, 577)


def test_an_expired_token_is_renewed_once(server: GridServer) -> None:
    good, refusals = grid_server.watttime(NOW), [1]

    def behave(request: Request) -> Answer:
        if request.path == "/v3/forecast" and refusals:
            refusals.pop()
            return Answer(grid_server.HTML, status=403)
        return good(request)

    server.behave = behave
    assert counts(recent(server, "watttime", "CAISO_NORTH")) == (289, 577)
    assert server.paths.count("/login") == 2
    refusals.extend([1] * 9)
    server.seen.clear()
    with pytest.raises(PermissionDeniedError, match="refused a fresh token"):
        recent(server, "watttime", "CAISO_NORTH")
    assert server.paths.count("/v3/forecast") == 2


def test_watttime_tells_a_bad_login_from_a_closed_region(server: GridServer) -> None:
    server.behave = grid_server.watttime(NOW)
    wrong = Keys(dict(KEYS.found) | {"watttime_password": Key("wrong", "test")})
    with pytest.raises(PermissionDeniedError, match="refused user and password"):
        recent(server, "watttime", "CAISO_NORTH", keys=wrong)
    with pytest.raises(NoAccessError, match="no access to /v3/historical of PJM"):
        recent(server, "watttime", "US-PJM")


# EIA


def test_eia_makes_an_intensity_of_the_mix(server: GridServer) -> None:
    server.behave = grid_server.eia(NOW, lag_h=3)
    reply = recent(server, "eia", "US-CAL-CISO")
    assert server.seen[0].query["facets[respondent][]"] == "CISO"
    # half gas (490), half nuclear (12); negative sun and batteries do not count
    assert {row.g_per_kwh for row in reply.intensities} == {251.0}
    assert all(row.is_estimated for row in reply.intensities)
    assert max(row.start for row in reply.intensities) == NOW.replace(minute=0) - 3 * HOUR


def test_eia_reads_every_page(server: GridServer) -> None:
    server.behave = grid_server.eia(NOW, page=50)
    reply = past(server, "eia", "CISO", NOW - 100 * HOUR, NOW)
    assert [seen.query["offset"] for seen in server.seen][:3] == ["0", "50", "100"]
    # from 22:00 on the 24th to 23:00 on the 28th, two hours before now
    assert len(reply.intensities) == 98


def test_eia_stamps_an_hour_with_its_end(server: GridServer) -> None:
    rows = [{"period": "2026-03-28T18", "fueltype": "NG", "value": "100"}]
    server.behave = lambda _request: Answer({"response": {"total": "1", "data": rows}})
    (row,) = recent(server, "eia", "CISO").intensities
    assert (row.start, row.end) == (NOW.replace(day=28, hour=17, minute=0), row.start + HOUR)


@pytest.mark.parametrize(
    ("start", "end", "stamps", "starts"),
    [
        # two hours, from 10:00 to 12:00, which are stamped 11 and 12
        ((10, 0), (12, 0), ("2026-03-27T11", "2026-03-27T12"), [10, 11]),
        # 10:00 began before the span, 12:00 begins in it
        ((10, 40), (12, 20), ("2026-03-27T11", "2026-03-27T13"), [11, 12]),
    ],
)
def test_eia_asks_for_the_ends_of_the_hours_that_begin_in_a_span(
    server: GridServer,
    start: tuple[int, int],
    end: tuple[int, int],
    stamps: tuple[str, str],
    starts: list[int],
) -> None:
    server.behave = grid_server.eia(NOW)
    first, last = (datetime(2026, 3, 27, *each, tzinfo=UTC) for each in (start, end))
    reply = past(server, "eia", "CISO", first, last)
    (seen,) = server.seen
    assert (seen.query["start"], seen.query["end"]) == stamps
    assert [row.start.hour for row in reply.intensities] == starts


def test_eia_spans_that_meet_give_every_hour_once(server: GridServer) -> None:
    server.behave = grid_server.eia(NOW)
    cut = NOW.replace(day=20, hour=0, minute=0)
    both = [
        past(server, "eia", "CISO", cut - 48 * HOUR, cut),
        past(server, "eia", "CISO", cut, cut + 48 * HOUR),
    ]
    starts = [row.start for reply in both for row in reply.intensities]
    assert starts == [cut + hour * HOUR for hour in range(-48, 48)]


def test_eia_without_rows_is_an_unknown_respondent(server: GridServer) -> None:
    server.behave = grid_server.eia(NOW)
    with pytest.raises(InputError, match="NOWHERE"):
        recent(server, "eia", "NOWHERE")


def test_a_span_without_rows_is_no_fault_of_the_respondent(server: GridServer) -> None:
    server.behave = grid_server.eia(NOW, lag_h=30)
    for start, end in ((NOW - 5 * HOUR, NOW), (NOW - 72 * HOUR, NOW - 70 * HOUR)):
        reply = past(server, "eia", "CISO", start, end)
        assert len(reply.intensities) == (2 if end < NOW else 0)
    server.behave = grid_server.eia(NOW)
    reply = past(server, "eia", "NOWHERE", NOW - 5 * HOUR, NOW)
    assert reply.intensities == ()
    (note,) = reply.notes
    assert note.startswith("US EIA has no rows of respondent 'NOWHERE' from 2026-03-28")


def test_a_past_span_of_a_region_without_slots_is_told(server: GridServer) -> None:
    server.behave = lambda _request: Answer({"data": {"regionid": 13, "data": []}})
    reply = past(server, "neso", "GB-13", NOW - 48 * HOUR, NOW)
    assert reply.intensities == ()
    assert reply.notes == (
        "NESO Carbon Intensity API has nothing of GB-13 from 2026-03-27 to 2026-03-29",
    )


def test_an_hour_without_a_main_fuel_is_not_complete(server: GridServer) -> None:
    rows = [
        {"period": f"2026-03-28T{hour:02}", "fueltype": fuel, "value": "100"}
        for hour in range(3)
        for fuel in ("NG", "NUC")
        if (hour, fuel) != (2, "NUC")
    ]
    server.behave = lambda _request: Answer({"response": {"total": "5", "data": rows}})
    reply = recent(server, "eia", "CISO")
    assert [row.end.hour for row in reply.intensities] == [0, 1]
    assert {row.g_per_kwh for row in reply.intensities} == {251.0}


@pytest.mark.parametrize(
    ("mix", "expected"),
    [
        ({"COL": 100.0, "WND": 100.0}, 415.5),  # (820 + 11) / 2
        ({"COL": 100.0, "OTH": 20.0}, 820.0),
        ({"COL": 100.0, "OTH": 50.0}, None),  # a third of it is unknown
        ({"COL": 100.0, "SUN": -5.0}, 820.0),
        ({"OTH": 900.0}, None),
        ({}, None),
    ],
)
def test_the_mean_of_a_mix(mix: dict[str, float], expected: float | None) -> None:
    assert intensity_of(mix, eia.FACTORS) == expected


# ENTSO-E


def test_entsoe_makes_an_intensity_of_whole_hours(server: GridServer) -> None:
    server.behave = grid_server.entsoe(NOW)
    reply = recent(server, "entsoe", "FR")
    (seen,) = server.seen
    assert seen.query["in_Domain"] == "10YFR-RTE------C"
    assert (seen.query["periodStart"], seen.query["periodEnd"]) == ("202603270100", "202603290200")
    # half gas (490), half nuclear (12), which is told once and repeated; pumping does not count
    assert {row.g_per_kwh for row in reply.intensities} == {251.0}
    assert {row.duration_s for row in reply.intensities} == {3600}
    assert all(row.is_estimated for row in reply.intensities)
    # 02:00 on the 27th (01:40 is inside the hour before) to 23:00 on the 28th, two hours before now
    assert counts(reply) == (46, 0)
    assert max(row.start for row in reply.intensities) == NOW.replace(minute=0) - 2 * HOUR


@pytest.mark.parametrize(
    ("zone", "area"),
    [
        ("fr", "10YFR-RTE------C"),
        ("DK-DK1", "10YDK-1--------W"),
        ("10Y1001A1001A82H", "10Y1001A1001A82H"),
        ("DE-10Y1001A1001A82H", "10Y1001A1001A82H"),
    ],
)
def test_entsoe_takes_names_and_codes(zone: str, area: str) -> None:
    assert entsoe.area_of(zone) == area


@pytest.mark.parametrize("zone", ["XX", "US-CAL-CISO", "10YFR", "", "DE-"])
def test_entsoe_knows_no_other_zones_and_asks_nobody(server: GridServer, zone: str) -> None:
    with pytest.raises(InputError, match="name an EIC code"):
        recent(server, "entsoe", zone)
    assert server.seen == []


def test_entsoe_leaves_out_what_is_not_whole(server: GridServer) -> None:
    start = datetime(2026, 3, 28, tzinfo=UTC)
    series = grid_server.time_series
    document = grid_server.gl_document(
        # the second hour lacks a quarter of its gas, the third all its nuclear power
        series("B04", start, {1: 4, 2: 4, 3: 4, 4: 4, 5: 4, 6: 4, 8: 4}, 12, 15),
        series("B04", start + 2 * HOUR, {1: 4}, 1),
        series("B14", start, {1: 4, 2: 4}, 3),
        series("B16", start, {1: 0, 2: 0, 3: 0}, 3),
        # what plants consume is told like generation, but for the area's element
        series("B04", start, {1: 900}, 1, domain="outBiddingZone_Domain.mRID"),
    )
    server.behave = lambda _request: grid_server.xml(document)
    (row,) = recent(server, "entsoe", "FR").intensities
    assert (row.start, row.g_per_kwh) == (start, 251.0)


@pytest.mark.parametrize("status", [200, 400])
def test_entsoe_without_data_is_no_error_but_told(server: GridServer, status: int) -> None:
    said = grid_server.acknowledgement("999", "No matching data found for FR")
    server.behave = lambda _request: grid_server.xml(said, status)
    reply = recent(server, "entsoe", "FR")
    assert reply.intensities == ()
    assert reply.notes == ("ENTSO-E: No matching data found for FR",)


def test_entsoe_tells_a_refused_token_from_a_refused_area(server: GridServer) -> None:
    server.behave = grid_server.entsoe(NOW)
    wrong = Keys({"entsoe_key": Key("wrong-token", "test")})
    with pytest.raises(PermissionDeniedError, match="check entsoe_key") as raised:
        recent(server, "entsoe", "FR", keys=wrong)
    assert "wrong-token" not in str(raised.value)
    text = f"Delivered Area EIC 10YDE-ENBW-----N is not valid. {KEY}"
    said = grid_server.acknowledgement("999", text)
    server.behave = lambda _request: grid_server.xml(said, 400)
    with pytest.raises(InputError, match="10YDE-ENBW-----N is not valid") as refused:
        recent(server, "entsoe", "FR")
    assert KEY not in str(refused.value)


def test_entsoe_bans_for_ten_minutes_and_is_left_alone_for_them(server: GridServer) -> None:
    server.behave = lambda _request: Answer({}, status=429)
    with pytest.raises(ThrottledError, match="try again in 600 s") as raised:
        recent(server, "entsoe", "FR")
    assert raised.value.retry_after_s == 600
    server.behave = lambda _request: Answer({}, status=429, headers={"Retry-After": "1200"})
    with pytest.raises(ThrottledError, match="try again in 1200 s"):
        recent(server, "entsoe", "FR")


LAUGHS = "".join(f'<!ENTITY l{i + 1} "{f"&l{i};" * 10}">' for i in range(9))


@pytest.mark.parametrize(
    "text",
    [
        f'<?xml version="1.0"?><!DOCTYPE a [<!ENTITY l0 "ha">{LAUGHS}]><a>&l9;</a>',
        '<!DOCTYPE a [<!ENTITY x SYSTEM "file:///etc/passwd">]><a>&x;</a>',
        '<!DOCTYPE a SYSTEM "http://127.0.0.1:9/a.dtd"><a/>',
        "<GL_MarketDocument><TimeSeries>",
        '<?xml version="1.0" encoding="nonsense"?><a/>',
        "<a/>",
        "<GL_MarketDocument><TimeSeries/></GL_MarketDocument>",
        grid_server.gl_document(
            grid_server.time_series("B04", NOW, {1: 1}, 1).replace("PT60M", "P1Y")
        ),
        grid_server.gl_document(grid_server.time_series("B04", NOW, {1: 1}, 10**6)),
        grid_server.gl_document(
            grid_server.time_series("B04", NOW, {1: 1}, 1).replace(">MAW<", ">MWH<")
        ),
        "<a>" * 20_000 + "</a>" * 20_000,
        "",
    ],
)
def test_another_xml_is_no_answer_and_no_entity_is_expanded(server: GridServer, text: str) -> None:
    server.behave = lambda _request: grid_server.xml(text)
    with pytest.raises(TryLaterError):
        recent(server, "entsoe", "FR")


# OpenElectricity


def test_open_electricity_divides_emissions_by_energy(server: GridServer) -> None:
    server.behave = grid_server.open_electricity(NOW, 600)
    reply = recent(server, "open_electricity", "AU-VIC")
    query = server.seen[0].query
    # 00:40 the day before to 01:40 UTC, ten hours later in the network's time
    assert (query["date_start"], query["date_end"]) == (
        "2026-03-28T10:40:00",
        "2026-03-29T11:40:00",
    )
    # 1200 t over 1000 MWh; New South Wales has half of it
    assert {row.g_per_kwh for row in reply.intensities} == {1200.0}
    # 00:00 the day before, which reaches into the span, to 00:00; 01:00 has not ended
    assert counts(reply) == (25, 0)
    assert max(row.start for row in reply.intensities) == NOW.replace(hour=0, minute=0)


def test_open_electricity_history_is_cut_to_what_it_accepts(server: GridServer) -> None:
    server.behave = grid_server.open_electricity(NOW)
    span = about("open_electricity").max_span
    reply = past(
        server, "open_electricity", "NSW1", NOW - 40 * 24 * HOUR, NOW - 40 * 24 * HOUR + span
    )
    assert counts(reply)[0] == 31 * 24 + 1
    with pytest.raises(InputError, match="Maximum range is 32 days"):
        past(server, "open_electricity", "NSW1", NOW - 60 * 24 * HOUR, NOW)


def test_open_electricity_faults_are_told_apart(server: GridServer) -> None:
    server.behave = grid_server.open_electricity(NOW)
    wrong = Keys({"open_electricity_key": Key("wrong", "test")})
    with pytest.raises(PermissionDeniedError, match="Invalid API key"):
        recent(server, "open_electricity", "AU-SA", keys=wrong)
    with pytest.raises(InputError, match="it knows AU-NSW"):
        recent(server, "open_electricity", "AU-WA")
    body = {"data": [{"metric": "energy", "unit": "GWh", "results": []}]}
    server.behave = lambda _request: Answer(body)
    with pytest.raises(TryLaterError, match="a shape that is not its own"):
        recent(server, "open_electricity", "AU-SA")


def test_open_electricity_nulls_and_hours_without_energy_are_gaps(server: GridServer) -> None:
    def block(metric: str, unit: str, values: list[float | None]) -> dict[str, Any]:
        hours = [f"2026-03-28T{10 + i}:00:00" for i in range(4)]  # no offset: network time
        data = [list(pair) for pair in zip(hours, values, strict=True)]
        results = [{"columns": {"network_region": "SA1"}, "data": data}]
        return {"metric": metric, "unit": unit, "results": results}

    blocks = [block("energy", "MWh", [10, None, 0, 10]), block("emissions", "t", [1, 1, 1, None])]
    server.behave = lambda _request: Answer({"data": blocks})
    (row,) = past(server, "open_electricity", "AU-SA", NOW - 48 * HOUR, NOW).intensities
    assert (row.start, row.g_per_kwh) == (datetime(2026, 3, 28, tzinfo=UTC), 100.0)


# Carbon Aware SDK


def test_a_carbon_aware_sdk_is_asked_for_the_past_and_the_forecast(server: GridServer) -> None:
    server.behave = grid_server.carbon_aware_sdk(NOW, 65)
    reply = recent(server, "carbon_aware_sdk", "eastus")
    assert [(seen.path, seen.query) for seen in server.seen] == [
        (
            "/emissions/bylocation",
            {
                "location": "eastus",
                "time": "2026-03-28T01:40:00Z",
                "toTime": "2026-03-29T01:40:00Z",
            },
        ),
        ("/emissions/forecasts/current", {"location": "eastus"}),
    ]
    assert counts(reply) == (288, 12)
    assert {row.duration_s for row in reply.intensities} == {300}
    assert {row.g_per_kwh for row in reply.intensities} == {65, 66.5}


def test_a_carbon_aware_sdk_needs_to_be_told_its_kind() -> None:
    with pytest.raises(NotReadyError, match="SPROUT_KIND"):
        series_of("eastus", "carbon_aware_sdk", None, None)
    assert series_of("eastus", "carbon_aware_sdk", "marginal", None).kind == "marginal"


@pytest.mark.parametrize("status", [204, 400, 404, 501])
def test_a_carbon_aware_sdk_without_a_forecast_still_has_the_past(
    server: GridServer, status: int
) -> None:
    good = grid_server.carbon_aware_sdk(NOW)
    problem = Answer({"title": "x", "detail": "no forecasts"} if status > 204 else b"", status)

    def behave(request: Request) -> Answer:
        return problem if request.path.endswith("current") else good(request)

    server.behave = behave
    reply = recent(server, "carbon_aware_sdk", "eastus")
    assert counts(reply) == (288, 0)
    assert "no forecast of eastus" in reply.notes[0]


def test_a_carbon_aware_sdk_without_data_or_location_says_so(server: GridServer) -> None:
    server.behave = lambda _request: Answer(b"", status=204)
    assert past(server, "carbon_aware_sdk", "eastus", NOW - HOUR, NOW).intensities == ()
    server.behave = grid_server.carbon_aware_sdk(NOW)
    with pytest.raises(InputError, match="Unknown: nowhere"):
        recent(server, "carbon_aware_sdk", "nowhere")


def test_a_carbon_aware_sdk_has_no_place_until_one_is_set() -> None:
    wanted = series_of("eastus", "carbon_aware_sdk", "average", None)
    with (
        pytest.raises(NotReadyError, match="base URL"),
        open_provider("carbon_aware_sdk", wanted, "", KEYS, QUICK),
    ):
        pass


# what cannot be true


@pytest.mark.parametrize("value", [-1, 3000.5, 1e9])
def test_an_impossible_value_is_left_out_and_told(server: GridServer, value: float) -> None:
    begin = int(datetime(2026, 3, 28, tzinfo=UTC).timestamp())
    body = {"unix_seconds": [begin, begin + 900], "co2eq": [value, 250], "co2eq_forecast": [1, 1]}
    server.behave = lambda _request: Answer(body)
    reply = recent(server, "energy_charts", "DE")
    assert [row.g_per_kwh for row in reply.intensities] == [250]
    assert "1 impossible values left out" in reply.notes[0]


def test_a_measurement_of_the_future_is_left_out_and_told(server: GridServer) -> None:
    server.behave = grid_server.electricity_maps(NOW + 2 * HOUR)
    reply = recent(server, "electricity_maps", "DE")
    assert max(row.start for row in reply.intensities if not row.is_forecast) <= NOW
    assert "clock" in reply.notes[0]


@pytest.mark.parametrize(
    "body",
    [
        [],
        {},
        {"data": None},
        {"data": [{"from": "yesterday", "to": "today", "intensity": {}}]},
        {"data": [{"from": "2026-03-29T00:00Z", "to": "2026-03-29T00:30Z", "intensity": None}]},
        {"unix_seconds": ["a"], "co2eq": [1]},
        {"unix_seconds": [1], "co2eq": ["1"]},
        {"unix_seconds": [1e30], "co2eq": [1]},
        {"response": {"total": "x", "data": []}},
        {"token": 5},
        {"history": [{"datetime": 5, "carbonIntensity": 5}]},
        "null",
    ],
)
@pytest.mark.parametrize("name", NAMES)
def test_another_shape_is_no_answer_and_no_traceback(
    server: GridServer, name: str, body: Any
) -> None:
    server.behave = lambda _request: Answer(body if body != "null" else b"null")
    if (name, body) == ("carbon_aware_sdk", []):
        assert recent(server, name, "DE").intensities == ()  # its way of having no data
        return
    with pytest.raises((TryLaterError, InputError)):
        recent(
            server, name, {"neso": "GB", "eia": "CISO", "open_electricity": "AU-SA"}.get(name, "DE")
        )


# what was not asked for


def test_other_emission_factors_than_were_asked_for_are_no_answer(server: GridServer) -> None:
    good = grid_server.electricity_maps(NOW)

    def behave(request: Request) -> Answer:
        asked = dict(request.query) | {"emissionFactorType": "lifecycle"}
        return good(Request(request.path, asked, request.headers))

    server.behave = behave
    assert recent(server, "electricity_maps", "DE", "lifecycle").intensities
    with pytest.raises(TryLaterError, match="a shape that is not its own"):
        recent(server, "electricity_maps", "DE", "direct")


def test_a_row_that_does_not_say_whether_it_is_estimated_is_not_measured(
    server: GridServer,
) -> None:
    row = {"zone": "DE", "carbonIntensity": 20, "datetime": "2026-03-29T01:00:00.000Z"}
    server.behave = lambda _request: Answer(row)
    (found,) = past(server, "electricity_maps", "DE", NOW - HOUR, NOW).intensities
    assert found.is_estimated


def test_a_forecast_of_quarters_is_not_one_of_hours(server: GridServer) -> None:
    rows = [
        {"carbonIntensity": 300 + i, "datetime": f"2026-03-29T02:{15 * i:02}:00Z"} for i in range(4)
    ]
    body = {"zone": "DE", "forecast": rows, "temporalGranularity": "15_minutes"}
    server.behave = lambda _request: Answer(body)
    found = recent(server, "electricity_maps", "DE").intensities
    assert {row.duration_s for row in found if row.is_forecast} == {900}


@pytest.mark.parametrize("signal", ["co2_aoer", "health_damage"])
def test_another_signal_than_the_marginal_one_is_no_answer(server: GridServer, signal: str) -> None:
    good = grid_server.watttime(NOW)

    def behave(request: Request) -> Answer:
        answer = good(request)
        if "meta" in answer.body:
            answer.body["meta"]["signal_type"] = signal
        return answer

    server.behave = behave
    with pytest.raises(TryLaterError, match="a shape that is not its own"):
        recent(server, "watttime", "CAISO_NORTH")


def test_rows_of_another_respondent_are_no_answer(server: GridServer) -> None:
    good = grid_server.eia(NOW)

    def behave(request: Request) -> Answer:
        answer = good(request)
        answer.body["response"]["data"][-1]["respondent"] = "PJM"
        return answer

    server.behave = behave
    with pytest.raises(TryLaterError, match="a shape that is not its own"):
        recent(server, "eia", "CISO")


def test_eia_pages_without_end_are_no_answer(server: GridServer) -> None:
    row = {"period": "2026-03-28T18", "fueltype": "NG", "value": "100"}
    server.behave = lambda _request: Answer({"response": {"total": "1000000", "data": [row]}})
    with pytest.raises(TryLaterError, match="a shape that is not its own"):
        recent(server, "eia", "CISO")
    assert len(server.seen) < 20


def test_days_in_the_place_of_hours_are_no_answer(server: GridServer) -> None:
    good = grid_server.open_electricity(NOW)

    def behave(request: Request) -> Answer:
        answer = good(request)
        for block in answer.body["data"]:
            block["interval"] = "1d"
        return answer

    server.behave = behave
    with pytest.raises(TryLaterError, match="a shape that is not its own"):
        recent(server, "open_electricity", "AU-NSW")


def test_a_forecast_that_says_it_was_made_in_the_future_is_of_an_unknown_time(
    server: GridServer,
) -> None:
    """Else no later one, made when it is said to be, would ever replace it."""
    rows = [{"carbonIntensity": 300, "datetime": "2026-03-29T02:00:00Z"}]
    body = {"zone": "DE", "forecast": rows, "updatedAt": "2999-01-01T00:00:00Z"}
    server.behave = lambda _request: Answer(body | {"updatedAt": "2060-01-01T00:00:00Z"})
    found = recent(server, "electricity_maps", "DE").intensities
    assert [row.generated_at for row in found if row.is_forecast] == [None]


def test_slots_that_begin_within_a_second_of_each_other_make_a_line(server: GridServer) -> None:
    def behave(request: Request) -> Answer:
        hours = range(3)
        if request.path.endswith("bylocation"):
            return Answer([{"time": f"2026-03-28T0{h}:00:00.5Z", "rating": 60} for h in hours])
        points = [
            {"timestamp": f"2026-03-28T0{h}:00:00Z", "duration": 60, "value": 90} for h in hours
        ]
        return Answer([{"generatedAt": "2026-03-28T00:00:00Z", "forecastData": points}])

    server.behave = behave
    rows = recent(server, "carbon_aware_sdk", "eastus").intensities
    assert counts(Reply(rows)) == (3, 3)
    # the half second before the first rating is of the forecast alone; a trace refuses overlap
    IntensityTrace(best(rows, NOW - 48 * HOUR, NOW))


# before anything is sent


def test_a_missing_key_says_where_it_may_be(server: GridServer) -> None:
    for name in ("electricity_maps", "watttime", "eia", "entsoe", "open_electricity"):
        zone = "AU-SA" if name == "open_electricity" else "DE"
        with pytest.raises(PermissionDeniedError, match="SPROUT_"):
            recent(server, name, zone, keys=Keys())
    assert server.seen == []


def test_another_kind_or_factor_than_the_provider_has_is_refused() -> None:
    with pytest.raises(NotReadyError, match="never mixed"):
        series_of("DE", "watttime", "average", None)
    with pytest.raises(NotReadyError, match="direct emission factors, and `factor` is lifecycle"):
        series_of("GB", "neso", None, "lifecycle")
    with pytest.raises(UsageError, match="choose one of neso"):
        about("nobody")


# zones


@pytest.mark.parametrize(
    ("name", "zone"),
    [
        ("neso", "GB-13"),
        ("energy_charts", "DE"),
        ("electricity_maps", "DE"),
        ("watttime", "CAISO_NORTH"),
        ("eia", "US-CISO"),
        ("entsoe", "FR"),
        ("open_electricity", "AU-VIC"),
    ],
)
def test_every_provider_lists_zones(server: GridServer, name: str, zone: str) -> None:
    server.behave = getattr(grid_server, name)(NOW)
    assert zone in dict(zones(name, server.url, KEYS, QUICK))
