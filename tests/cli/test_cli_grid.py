"""`sprout grid` and what runs make of it, with providers on loopback."""

import gzip
import signal
import sqlite3
import subprocess
import sys
import threading
import tomllib
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cli.program import PATIENCE_S, REPLAY, change, read_lines, select, sprout, start
from local import grid_server
from local.grid_server import KEY, PASSWORD, TOKEN, USER, Answer, GridServer, refused_url

from sprout.cli.grid.choosing import edited
from sprout.errors import InputError
from sprout.grid.open import about

PROFILE = ("profile", *REPLAY, "--idle", 0, "--repeats", 1)
ZONES = {
    "neso": "GB",
    "energy_charts": "DE",
    "electricity_maps": "DE",
    "watttime": "CAISO_NORTH",
    "eia": "US-CISO",
    "entsoe": "FR",
    "open_electricity": "AU-NSW",
    "carbon_aware_sdk": "eastus",
}


def now() -> datetime:
    return datetime.now(UTC)


@pytest.fixture
def server() -> Iterator[GridServer]:
    with grid_server.serving() as running:
        yield running


@pytest.fixture(autouse=True)
def environment(server: GridServer, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ZONES:
        monkeypatch.setenv(f"SPROUT_{name.upper()}_URL", server.url)
    monkeypatch.setenv("SPROUT_GRID_DEADLINE_S", "8")
    monkeypatch.setenv("SPROUT_GRID_RETRIES", "0")
    for name in ("ELECTRICITYMAPS_API_TOKEN", "EIA_API_KEY", "WATTTIME_USER", "WATTTIME_PASSWORD"):
        monkeypatch.delenv(name, raising=False)


def use_provider(
    server: GridServer, monkeypatch: pytest.MonkeyPatch, name: str = "energy_charts"
) -> None:
    monkeypatch.setenv("SPROUT_ZONE", ZONES[name])
    monkeypatch.setenv("SPROUT_PROVIDER", name)
    monkeypatch.setenv("SPROUT_ELECTRICITY_MAPS_KEY", KEY)
    monkeypatch.setenv("SPROUT_EIA_KEY", KEY)
    monkeypatch.setenv("SPROUT_ENTSOE_KEY", KEY)
    monkeypatch.setenv("SPROUT_OPEN_ELECTRICITY_KEY", KEY)
    monkeypatch.setenv("SPROUT_WATTTIME_USER", USER)
    monkeypatch.setenv("SPROUT_WATTTIME_PASSWORD", PASSWORD)
    if name == "carbon_aware_sdk":
        monkeypatch.setenv("SPROUT_KIND", "average")
    server.behave = getattr(grid_server, name)(now())


def age_fetch(store: Path, **span: float) -> None:
    """Make the newest fetch and its rows look older."""
    shift = timedelta(**span)
    when = (now() - shift).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    change(store, "UPDATE grid_fetches SET fetched_at = ?, retry_at = NULL", when)
    change(store, "UPDATE intensities SET fetched_at = ?, generated_at = NULL", when)


# fetch


@pytest.mark.parametrize("name", ZONES)
def test_a_fetch_stores_what_it_says_and_a_fresh_one_asks_nobody(
    name: str, server: GridServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch, name)
    found = sprout("grid", "fetch", "--json")
    assert found.code == 0, found.stderr
    assert found.data["is_fresh"] is False
    num_rows = found.data["num_rows"]
    of_each = {mark: found.data[f"num_{mark}"] for mark in ("measured", "estimated", "forecast")}
    assert sum(of_each.values()) == num_rows
    if about(name).source.endswith("_production_mix"):  # which nobody measured
        assert of_each == {"measured": 0, "estimated": num_rows, "forecast": 0}
    assert select(store, "SELECT count(*) FROM intensities") == [(num_rows,)]
    num_requests = len(server.seen)
    again = sprout("grid", "fetch", "--json")
    assert again.data["is_fresh"] is True
    assert len(server.seen) == num_requests
    assert sprout("grid", "fetch", "--max-age", "0m").code == 0
    assert len(server.seen) == 2 * num_requests
    ((num_stored,),) = select(store, "SELECT count(*) FROM intensities")
    assert num_stored - num_rows in {0, 1}  # a slot may have begun meanwhile


def test_what_was_fetched_as_another_kind_is_not_there(
    server: GridServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch, "carbon_aware_sdk")
    history = ("grid", "history", "--from", "2026-10-01", "--to", "2026-10-05", "--json")
    for kind in ("average", "marginal"):
        monkeypatch.setenv("SPROUT_KIND", kind)
        fetched = sprout("grid", "fetch", "--json").data
        assert (fetched["kind"], fetched["is_fresh"]) == (kind, False)
        assert sprout(*history).data["num_fetched"] == 1
        assert sprout("grid", "show").code == 0


def test_a_fetch_is_silent_for_cron(server: GridServer, monkeypatch: pytest.MonkeyPatch) -> None:
    use_provider(server, monkeypatch)
    found = sprout("grid", "fetch")
    assert (found.code, found.stdout, found.stderr) == (0, "", "")
    found = sprout("grid", "fetch", "--max-age", "0m", "-v")
    assert " measured, " in found.stderr
    assert " forecast rows, " in found.stderr


def test_a_fresh_fetch_imports_nothing_that_speaks_http(
    server: GridServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch)
    assert sprout("grid", "fetch").code == 0
    program = (
        "import sys\nfrom sprout.cli.app import main\n"
        "sys.argv = ['sprout', 'grid', 'fetch']\n"
        "try:\n    main()\nexcept SystemExit as end:\n    assert not end.code\n"
        "heavy = {'requests', 'urllib3', 'ortools', 'llama_cpp'} & sys.modules.keys()\n"
        "sys.exit(', '.join(heavy) or 0)"
    )
    found = subprocess.run([sys.executable, "-c", program], check=False, capture_output=True)
    assert found.returncode == 0, found.stderr


@pytest.mark.parametrize(
    ("args", "code", "word"),
    [
        ((), 78, "no zone is set"),
        (("--zone", "DE"), 78, "no provider is set"),
        (("--zone", "DE", "--provider", "nobody"), 2, "provider"),
        (("--zone", "FR", "--provider", "neso"), 65, "knows no zone"),
        (("--zone", "DE", "--provider", "electricity_maps"), 77, "no electricity_maps_key"),
        (("--zone", "DE", "--provider", "eia", "--max-age", "soon"), 2, "no age"),
    ],
)
def test_what_cannot_be_fetched_is_told_and_nobody_is_asked(
    args: tuple[str, ...], code: int, word: str, server: GridServer
) -> None:
    found = sprout("grid", "fetch", *args)
    assert found.code == code
    assert word in found.stderr
    assert found.stderr.count("\n") == 1
    assert server.seen == []


FAULTS = {
    "html": (Answer(grid_server.HTML), 75),
    "truncated": (Answer('{"data": [', headers={"Content-Type": "application/json"}), 75),
    "nulls": (
        Answer({"unix_seconds": [0, 900], "co2eq": [None, None], "co2eq_forecast": [None, None]}),
        75,
    ),
    "absurd": (Answer({"unix_seconds": [0], "co2eq": [-5], "co2eq_forecast": [99999]}), 75),
    "401": (Answer({"error": "no"}, status=401), 77),
    "403": (Answer(grid_server.HTML, status=403), 77),
    "404": (Answer({"error": "no zone"}, status=404), 65),
    "429": (Answer({}, status=429, headers={"Retry-After": "100"}), 75),
    "500": (Answer(grid_server.HTML, status=500), 75),
    "hang": (Answer({}, hang_s=30), 75),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_has_its_exit_status_and_stores_nothing(
    fault: str, server: GridServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPROUT_GRID_DEADLINE_S", "0.5" if fault == "hang" else "8")
    answer, code = FAULTS[fault]
    use_provider(server, monkeypatch)
    server.behave = lambda _request: answer
    found = sprout("grid", "fetch", "--json")
    assert found.code == code, found.stderr
    assert found.envelope["errors"][0]["exit_code"] == code
    assert found.stderr.count("\n") == 1
    assert select(store, "SELECT count(*) FROM intensities") == [(0,)]
    asked = len(server.seen)
    again = sprout("grid", "fetch")
    if code == 75:  # it is left alone for a while
        assert again.code == 75
        assert "not asked again before" in again.stderr
        assert len(server.seen) == asked
    else:  # what the user can mend is tried at once
        assert len(server.seen) > asked


def test_a_port_where_nobody_listens_is_75(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPROUT_NESO_URL", refused_url())
    found = sprout("grid", "fetch", "--zone", "GB", "--provider", "neso")
    assert found.code == 75
    assert "no connection" in found.stderr


def test_a_wait_that_is_asked_for_begins_with_the_answer(
    server: GridServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch)
    server.behave = lambda _request: Answer(
        {}, status=429, hang_s=1, headers={"Retry-After": "100"}
    )
    begun = now()
    assert sprout("grid", "fetch").code == 75
    ((retry_at,),) = select(store, "SELECT retry_at FROM grid_fetches")
    assert datetime.fromisoformat(retry_at) >= begun + timedelta(seconds=101)


def claim(store: Path) -> None:
    """Look like another process that fetches for twenty seconds."""
    until = (now() + timedelta(seconds=20)).isoformat(timespec="milliseconds")
    change(store, "UPDATE grid_fetches SET claimed_until = ?", until.replace("+00:00", "Z"))


@contextmanager
def another_fetching(store: Path, for_s: float) -> Iterator[None]:
    """What is stored is an hour old, until another process brings news within the block."""
    age_fetch(store, hours=1)
    claim(store)

    def finish() -> None:
        age_fetch(store, minutes=0)
        change(store, "UPDATE grid_fetches SET claimed_until = NULL")

    other = threading.Timer(for_s, finish)
    other.start()
    yield
    other.join()


def test_while_another_process_fetches_nobody_else_does(
    server: GridServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch)
    assert sprout("grid", "fetch").code == 0
    asked = len(server.seen)
    claim(store)
    monkeypatch.setenv("SPROUT_GRID_DEADLINE_S", "0.2")
    found = sprout("grid", "fetch", "--max-age", "0m")
    assert found.code == 75
    assert "another process" in found.stderr
    assert len(server.seen) == asked


def test_a_run_waits_a_little_for_what_another_process_fetches(
    server: GridServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sprout(*PROFILE)
    use_provider(server, monkeypatch)
    assert sprout("grid", "fetch").code == 0
    asked = len(server.seen)
    with another_fetching(store, for_s=0.5):
        plan = optimized()
    assert plan["intensity_mark"] == "measured"
    assert len(server.seen) == asked


def test_a_fetch_that_comes_second_takes_what_the_first_one_brings(
    server: GridServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch)
    assert sprout("grid", "fetch").code == 0
    asked = len(server.seen)
    with another_fetching(store, for_s=0.3):
        found = sprout("grid", "fetch", "--json")
    assert found.code == 0
    assert found.data["is_fresh"] is True
    assert len(server.seen) == asked


def test_a_fetch_that_was_killed_keeps_nobody_from_fetching_for_long(
    server: GridServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch)
    assert sprout("grid", "fetch").code == 0
    asked = len(server.seen)
    until = (now() + timedelta(seconds=1)).isoformat(timespec="milliseconds")
    change(store, "UPDATE grid_fetches SET claimed_until = ?", until.replace("+00:00", "Z"))
    found = sprout("grid", "fetch", "--max-age", "0m", "--json")
    assert found.code == 0, found.stderr
    assert found.data["is_fresh"] is False
    assert len(server.seen) == asked + 1


# keys


LEAKIEST = ("html", "401", "500")


def everything_written(folder: Path) -> bytes:
    files = [path for path in folder.rglob("*") if path.is_file()]
    return b"".join(path.read_bytes() for path in files)


SLOWER = [pytest.param(fault, marks=pytest.mark.slow) for fault in FAULTS if fault not in LEAKIEST]


@pytest.mark.parametrize("fault", ["none", "echo", *LEAKIEST, *SLOWER])
@pytest.mark.parametrize(
    "name", ["electricity_maps", "watttime", "eia", "entsoe", "open_electricity"]
)
def test_no_key_is_ever_written(
    name: str,
    fault: str,
    server: GridServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    monkeypatch.setenv("SPROUT_GRID_DEADLINE_S", "0.25" if fault == "hang" else "8")
    use_provider(server, monkeypatch, name)
    good = server.behave
    told = {
        "error": f"{KEY} {USER} {PASSWORD} {TOKEN if name == 'watttime' else ''}",
        "message": KEY,
    }

    def behave(request: grid_server.Request) -> Answer:
        if fault == "none" or (name == "watttime" and request.path == "/login"):
            return good(request)
        return Answer(told, status=400) if fault == "echo" else FAULTS[fault][0]

    server.behave = behave
    with closing(sqlite3.connect(tmp_path / "sprout.db")):  # keeps the write-ahead log
        outputs = [
            sprout("grid", "fetch", "-v"),
            sprout("grid", "fetch", "--max-age", "0m", "--json"),
            sprout("grid", "history", "--from", f"{now() - timedelta(days=2):%Y-%m-%d}", "-v"),
            sprout("status", "--json"),
        ]
        shown = "".join(found.stdout + found.stderr for found in outputs) + caplog.text
        written = shown.encode() + everything_written(tmp_path)
    assert server.seen
    for secret in (KEY, PASSWORD, TOKEN, USER):
        assert secret.encode() not in written
        assert secret[:8].encode() not in written
    assert "Traceback" not in shown


def test_a_key_in_a_file_that_others_may_read_is_warned_of(
    server: GridServer,
) -> None:
    server.behave = grid_server.eia(now())
    file = Path("sprout.toml")
    file.write_text(f'zone = "CISO"\nprovider = "eia"\neia_key = "{KEY}"\n')
    file.chmod(0o644)
    found = sprout("grid", "fetch", "--config", file)
    assert found.code == 0, found.stderr
    assert "warning" in found.stderr
    assert "chmod 600" in found.stderr
    file.chmod(0o600)
    found = sprout("grid", "fetch", "--config", file, "--max-age", "0m")
    assert found.stderr == ""


def test_keys_come_from_upstream_names_and_credentials(
    server: GridServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server.behave = grid_server.eia(now())
    command = ("grid", "fetch", "--zone", "CISO", "--provider", "eia", "--max-age", "0m")
    folder = tmp_path / "credentials"
    folder.mkdir()
    (folder / "eia_key").write_text(f"{KEY}\n")
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", str(folder))
    assert sprout(*command).code == 0
    monkeypatch.setenv("EIA_API_KEY", "wrong")  # the environment comes first
    assert sprout(*command).code == 77
    monkeypatch.setenv("SPROUT_EIA_KEY", KEY)
    assert sprout(*command).code == 0


def test_a_key_that_cannot_be_one_is_refused_without_showing_it(
    server: GridServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPROUT_EIA_KEY", "gehéim\nnis")
    monkeypatch.setenv("SPROUT_EIA_URL", server.url)
    assert sprout("grid", "sources").code == 0  # which asks nobody
    found = sprout("grid", "fetch", "--zone", "US-CISO", "--provider", "eia")
    assert found.code == 65
    assert server.seen == []
    assert "gehéim" not in found.stderr
    assert "SPROUT_EIA_KEY" in found.stderr


# history


def test_history_comes_in_pieces_and_resumes(
    server: GridServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch, "electricity_maps")
    good, left = server.behave, [2]

    def behave(request: grid_server.Request) -> Answer:
        if not left[0]:
            return Answer({}, status=503)
        left[0] -= 1
        return good(request)

    server.behave = behave
    command = ("grid", "history", "--from", "2025-01-01", "--to", "2025-02-10", "--json")
    assert sprout(*command).code == 75
    assert select(store, "SELECT count(*) FROM grid_spans") == [(2,)]
    left[0] = 99
    server.seen.clear()
    found = sprout(*command)
    assert found.code == 0, found.stderr
    assert found.data["num_fetched"] == found.data["num_spans"] - 2 == len(server.seen)
    # forty days of hours, none twice
    assert select(store, "SELECT count(*), min(start_utc) FROM intensities") == [
        (40 * 24, "2025-01-01T00:00:00.000Z")
    ]
    server.seen.clear()
    assert sprout(*command).data["num_fetched"] == 0
    assert server.seen == []


def test_an_interrupt_of_a_history_keeps_what_came_and_says_so(
    server: GridServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch, "electricity_maps")
    good = server.behave
    command = ("grid", "history", "--from", "2025-01-01", "--to", "2025-02-10")
    process = start(*command, stderr=subprocess.PIPE)

    def behave(request: grid_server.Request) -> Answer:
        if len(server.seen) == 2:
            process.send_signal(signal.SIGINT)
        return good(request)

    server.behave = behave
    _, stderr = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    num_spans = len(server.seen)
    assert stderr.decode() == (
        f"sprout grid history: stopped after {num_spans} of 5 spans, which are stored; the same "
        "command fetches the others\n"
    )
    assert select(store, "SELECT count(*) FROM grid_spans") == [(num_spans,)]
    server.seen.clear()
    assert sprout(*command, "--json").data["num_fetched"] == 5 - num_spans


def test_a_history_that_asked_too_often_leaves_the_provider_alone(
    server: GridServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch, "electricity_maps")
    server.behave = lambda _request: Answer({}, status=429, headers={"Retry-After": "100"})
    command = ("grid", "history", "--from", "2025-01-01", "--to", "2025-02-10")
    assert sprout(*command).code == 75
    asked = len(server.seen)
    again = sprout(*command)
    assert again.code == 75
    assert "not asked again before" in again.stderr
    assert len(server.seen) == asked


def eia_since(begin: datetime) -> grid_server.Behaviour:
    """EIA's answers, as if its rows began then."""
    good = grid_server.eia(now(), lag_h=30)

    def behave(request: grid_server.Request) -> Answer:
        answer = good(request)
        response = answer.body["response"]
        stamp = f"{begin:%Y-%m-%dT%H}"
        response["data"] = [row for row in response["data"] if row["period"] > stamp]
        response["total"] = str(len(response["data"]))
        return answer

    return behave


def test_a_history_goes_on_past_spans_without_rows(
    server: GridServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch, "eia")
    first = now().replace(hour=0, minute=0, second=0, microsecond=0) - timedelta(days=99)
    server.behave = eia_since(first + timedelta(days=65))
    command = ("grid", "history", "--from", f"{first:%Y-%m-%d}")
    found = sprout(*command, "--json", "-v")
    assert found.code == 0, found.stderr
    assert found.data["num_fetched"] == found.data["num_spans"] >= 4
    # to the hour that began 30 before this one
    ((num_rows, begin),) = select(store, "SELECT count(*), min(start_utc) FROM intensities")
    assert num_rows == found.data["num_rows"] > 24 * 30
    assert begin[:10] == f"{first + timedelta(days=65):%Y-%m-%d}"
    assert "no rows of respondent 'CISO'" in found.stderr
    # what was empty is asked again, and that nothing new came is no fault
    again = sprout(*command, "--json")
    assert again.code == 0
    assert 0 < again.data["num_fetched"] < again.data["num_spans"]


def test_a_history_of_nothing_is_bad_input_each_time(
    server: GridServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch, "eia")
    monkeypatch.setenv("SPROUT_ZONE", "US-NOWHERE")
    for _ in range(2):
        found = sprout("grid", "history", "--from", f"{now() - timedelta(days=70):%Y-%m-%d}")
        assert found.code == 65
        assert found.stderr.count("\n") == 1
        assert "US EIA has no rows of respondent 'NOWHERE'" in found.stderr
    assert select(store, "SELECT count(*) FROM grid_spans") == [(0,)]


def test_a_region_whose_past_is_forecasts_has_a_history(
    server: GridServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch, "neso")
    monkeypatch.setenv("SPROUT_ZONE", "GB-13")
    assert sprout("grid", "fetch").code == 0
    num_ahead = select(store, "SELECT count(*) FROM intensities WHERE is_forecast = 1")
    first = f"{now() - timedelta(days=60):%Y-%m-%d}"
    assert sprout("grid", "history", "--from", first).code == 0
    assert select(store, "SELECT count(*) FROM intensities WHERE is_forecast = 1") == num_ahead
    assert sprout("grid", "backtest").code == 0
    assert "history of GB-13" in sprout("status", "--json").data["grid"]["range_source"]


def test_a_history_that_ends_before_it_begins_is_wrong_usage(
    server: GridServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch)
    for words in (
        ("--from", "2026-02-01", "--to", "2026-01-01"),
        ("--from", "soon"),
        ("--from", "0226-02-01"),  # seventy thousand requests
    ):
        assert sprout("grid", "history", *words).code == 2
    assert server.seen == []


# show, zones, sources


def test_show_draws_what_is_known(server: GridServer, monkeypatch: pytest.MonkeyPatch) -> None:
    use_provider(server, monkeypatch, "neso")
    assert sprout("grid", "show").code == 66
    sprout("grid", "fetch")
    shown = sprout("grid", "show").stdout
    assert "|" in shown.splitlines()[0]
    assert "GB (average, direct), g/kWh; from neso" in shown
    # the three hours from this one: only the first half-hour of them can be measured
    assert shown.count("measured, forecast") == 1
    data = sprout("grid", "show", "--json").data
    assert {row["g_per_kwh"] for row in data["past"]} == {200}
    ends = [datetime.fromisoformat(row["start"]) for row in data["ahead"]]
    assert max(ends) > now() + timedelta(hours=46)


def test_without_a_providers_forecast_our_own_is_shown(
    server: GridServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch, "eia")
    sprout("grid", "fetch")
    data = sprout("grid", "show", "--json").data
    assert {row["source"] for row in data["ahead"]} == {"sprout_forecast"}
    assert all(row["is_forecast"] and row["is_estimated"] for row in data["ahead"])


def test_zones_and_sources_are_listed(server: GridServer) -> None:
    zones = sprout("grid", "zones", "--json").data
    assert zones["provider"] == "yearly"
    assert len(zones["zones"]) > 200
    assert "GB-13" in sprout("grid", "zones", "--provider", "neso").stdout
    assert server.seen == []
    sources = sprout("grid", "sources", "--json").data["sources"]
    assert {source["name"] for source in sources} >= {*ZONES, "yearly", "electricitymaps_csv"}
    assert all(source["licence"] and source["attribution"] for source in sources)


# use


def test_use_changes_two_settings_and_nothing_else() -> None:
    file = Path("sprout.toml")
    file.write_text('# mine\nzone = "FR"  # home\r\npue = 1.2\n')
    file.chmod(0o640)
    found = sprout("grid", "use", "DE", "--provider", "energy_charts", "--config", file)
    assert found.code == 0, found.stderr
    assert file.read_bytes() == (
        b'# mine\nzone = "DE"  # home\r\npue = 1.2\nprovider = "energy_charts"\n'
    )
    assert file.stat().st_mode & 0o777 == 0o640
    assert sprout("grid", "use", "AT", "--provider", "none", "--config", file).code == 0
    assert b"provider" not in file.read_bytes()
    assert [path.name for path in Path().iterdir()] == ["sprout.toml"]


def test_use_checks_the_zone_with_the_provider_that_stays() -> None:
    file = Path("sprout.toml")
    file.write_text('zone = "FR"\nprovider = "energy_charts"\n')
    found = sprout("grid", "use", "US-CISO", "--config", file)
    assert found.code == 65
    assert "Energy-Charts knows no zone 'US-CISO'" in found.stderr
    assert sprout("grid", "use", "", "--config", file).code == 2
    assert file.read_text() == 'zone = "FR"\nprovider = "energy_charts"\n'


def test_use_says_what_is_in_the_file_and_what_is_in_force(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SPROUT_ZONE", "GB")
    monkeypatch.setenv("SPROUT_PROVIDER", "neso")
    found = sprout("grid", "use", "DE", "-p", "energy_charts", "--config", "sprout.toml")
    assert found.code == 0, found.stderr
    assert found.stdout.startswith("sprout.toml: zone DE, provider energy_charts\n")
    assert "SPROUT_ZONE sets another zone, GB" in found.stderr
    assert "SPROUT_PROVIDER sets another provider, neso" in found.stderr


def test_use_makes_the_file_for_its_owner_alone() -> None:
    file = Path("new/sprout.toml")
    assert sprout("grid", "use", "GB", "-p", "neso", "--config", file).code == 0
    assert file.read_text() == 'zone = "GB"\nprovider = "neso"\n'
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("zone", "provider", "code"), [("GB", "nobody", 2), ("DE", "neso", 65)])
def test_use_of_what_there_is_not_leaves_the_file(zone: str, provider: str, code: int) -> None:
    file = Path("sprout.toml")
    file.write_text('zone = "FR"\n')
    found = sprout("grid", "use", zone, "--provider", provider, "--config", file)
    assert found.code == code
    assert file.read_text() == 'zone = "FR"\n'


@pytest.mark.parametrize(
    "text",
    [
        'gpus = [\n  "a",\n]\nzone = "x"',
        "zone = 'x' # c",
        '"zone"="x"\n\n[table]\nzone = "other"\n',
        "",
        "# only a comment",
        'a = """\nzone = "not this"\n"""\n',
    ],
)
def test_edits_are_what_a_toml_parser_sees(text: str) -> None:
    try:
        new = edited(text, {"zone": 'D"E\\'}, "x.toml")
    except InputError:
        return  # left alone, and said so
    assert tomllib.loads(new) == tomllib.loads(text) | {"zone": 'D"E\\'}


def test_a_file_that_cannot_be_edited_by_lines_is_left_alone() -> None:
    with pytest.raises(InputError, match="by hand"):
        edited('a = """\nzone = "not this"\n"""\n', {"zone": "DE"}, "x.toml")


# what runs make of it


def optimized(*more: object) -> dict[str, Any]:
    found = sprout("optimize", *REPLAY, "--json", *more)
    assert found.code == 0, found.stderr
    return found.data


def test_with_no_provider_nobody_is_contacted(server: GridServer, prompts: Path) -> None:
    sprout(*PROFILE)
    assert optimized("--zone", "DE")["intensity_mark"] == "yearly average"
    assert sprout("run", prompts, *REPLAY, "--zone", "DE").code == 0
    sprout("status")
    sprout("doctor", *REPLAY)
    assert server.seen == []


def test_a_plan_fetches_when_it_is_due_and_uses_the_providers_value(
    server: GridServer, store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sprout(*PROFILE)
    use_provider(server, monkeypatch)
    first = optimized()
    assert (first["intensity_g_per_kwh"], first["intensity_mark"]) == (300, "measured")
    assert first["intensity_source"] == "energy_charts"
    assert first["ahead"]["high_g_per_kwh"] == 310
    assert datetime.fromisoformat(first["valid_until"]) <= now() + timedelta(minutes=15)
    asked = len(server.seen)
    optimized()
    assert len(server.seen) == asked
    age_fetch(store, minutes=31)
    optimized()
    assert len(server.seen) == asked + 1


def test_out_of_reach_the_last_known_value_is_stale_and_then_the_years(
    server: GridServer, store: Path, prompts: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sprout(*PROFILE)
    use_provider(server, monkeypatch)
    optimized()
    server.behave = lambda _request: Answer({}, status=503)
    age_fetch(store, hours=2.9)
    plan = optimized()
    assert (plan["intensity_g_per_kwh"], plan["intensity_mark"]) == (300, "stale")
    assert any("answered 503" in note for note in plan["notes"])
    age_fetch(store, hours=3.1)
    plan = optimized()
    assert plan["intensity_mark"] == "yearly average"
    assert any("yearly average" in note and "503" in note for note in plan["notes"])
    strict = sprout("optimize", *REPLAY, "--strict")
    assert strict.code == 75
    assert "stale" in strict.stderr
    assert sprout("run", prompts, *REPLAY, "-o", out, "--strict").code == 75
    assert not out.exists()
    assert sprout("run", prompts, *REPLAY, "-o", out).code == 0
    assert {line["sprout"]["intensity_source"] for line in read_lines(out)} == {"yearly average"}
    assert sprout("doctor", *REPLAY, "--json").code == 0


def test_a_provider_that_hangs_holds_no_run(
    server: GridServer, prompts: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch)
    monkeypatch.setenv("SPROUT_GRID_DEADLINE_S", "0.3")
    server.behave = lambda _request: Answer({}, hang_s=60)
    assert sprout("run", prompts, *REPLAY, "-o", out).code == 0
    assert {line["sprout"]["intensity_source"] for line in read_lines(out)} == {"yearly average"}


def test_late_measurements_are_carried_forward_by_our_own_forecast(
    server: GridServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sprout(*PROFILE)
    use_provider(server, monkeypatch, "eia")
    plan = optimized()
    assert plan["intensity_source"] == "sprout_forecast"
    assert plan["intensity_mark"] == "forecast"
    assert plan["intensity_g_per_kwh"] == pytest.approx(251)


def test_kinds_and_factors_are_never_mixed(
    server: GridServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    sprout(*PROFILE)
    use_provider(server, monkeypatch, "neso")
    sprout("grid", "fetch")
    monkeypatch.delenv("SPROUT_PROVIDER")
    found = sprout("optimize", *REPLAY)
    assert found.code == 78
    assert "average/direct" in found.stderr
    assert "never mixed" in found.stderr
    assert "grid fetch" in found.stderr
    monkeypatch.setenv("SPROUT_FACTOR", "direct")
    assert optimized()["intensity_g_per_kwh"] == 200
    monkeypatch.setenv("SPROUT_PROVIDER", "neso")
    monkeypatch.setenv("SPROUT_KIND", "marginal")
    assert sprout("optimize", *REPLAY).code == 78


def test_status_tells_of_the_provider_and_asks_nobody(
    server: GridServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_provider(server, monkeypatch, "eia")
    sprout("grid", "fetch")
    asked = len(server.seen)
    data = sprout("status", "--json").data["grid"]
    assert data["provider"]["name"] == "eia"
    assert data["provider"]["keys_from"] == {"eia_key": "SPROUT_EIA_KEY"}
    assert data["provider"]["fetched_at"]
    assert "history of US-CISO" in data["range_source"]
    assert "provider  eia" in sprout("status").stdout
    assert len(server.seen) == asked


# import of two columns


def test_two_named_columns_of_any_csv_are_imported(store: Path) -> None:
    Path("my.csv").write_text(
        "when;what;gram\n2025-10-26T01:00;x;100,5\n2025-10-26T02:00;x;200\n"
        "2025-10-26T02:00;x;300\n2025-10-26T03:00;x;\n2025-10-26T04:00;x;500\n"
    )
    command = ("grid", "import", "my.csv", "--time-column", "When", "--value-column", "gram")
    assert sprout(*command).code == 78  # no zone
    words = ("--zone", "DE", "--factor", "direct", "--time-zone", "Europe/Berlin")
    found = sprout(*command, *words, "--json")
    assert found.code == 0, found.stderr
    # clocks go back: 02:00 comes twice, at 00:00 and 01:00 UTC
    assert select(store, "SELECT start_utc, g_per_kwh, factor_type FROM intensities") == [
        ("2025-10-25T23:00:00.000Z", 100.5, "direct"),
        ("2025-10-26T00:00:00.000Z", 200, "direct"),
        ("2025-10-26T01:00:00.000Z", 300, "direct"),
        ("2025-10-26T03:00:00.000Z", 500, "direct"),
    ]
    assert found.data["files"][0]["num_empty"] == 1
    assert sprout(*command, *words).code == 0
    assert select(store, "SELECT count(*) FROM intensities") == [(4,)]


def test_a_gzipped_file_is_imported_like_what_is_in_it() -> None:
    Path("my.csv.gz").write_bytes(gzip.compress(b"t,g\n2025-10-26T01:00,100\n"))
    words = ("my.csv.gz", "--time-column", "t", "--value-column", "g", "--zone", "DE")
    found = sprout("grid", "import", *words, "--json")
    assert found.code == 0, found.stderr
    assert found.data["files"][0]["num_rows"] == 1


def test_a_file_that_begins_with_the_newest_row_has_the_later_hour_first(store: Path) -> None:
    hours = ("03:00", "02:00", "02:00", "01:00")
    rows = [f"2025-10-26T{hour},{100 * n}" for n, hour in enumerate(hours, start=1)]
    Path("my.csv").write_text("\n".join(["t,g", *rows]) + "\n")
    words = ("--time-column", "t", "--value-column", "g", "--time-zone", "Europe/Berlin")
    assert sprout("grid", "import", "my.csv", *words, "--zone", "DE").code == 0
    # 03:00 CET, 02:00 CET, 02:00 CEST, 01:00 CEST
    assert select(store, "SELECT start_utc, g_per_kwh FROM intensities ORDER BY 1 DESC") == [
        ("2025-10-26T02:00:00.000Z", 100),
        ("2025-10-26T01:00:00.000Z", 200),
        ("2025-10-26T00:00:00.000Z", 300),
        ("2025-10-25T23:00:00.000Z", 400),
    ]


@pytest.mark.parametrize(
    ("text", "code", "word"),
    [
        ("", 65, "no columns"),
        ("a,b\n1,2\n", 65, "'a', 'b'"),
        ("t,g\n", 66, "no rows"),
        ("t,g\n2025-01-01,\n", 66, "my.csv: no row has an intensity"),
        ("t,g\nsoon,1\n", 65, "my.csv:2"),
        ("t,g\n2025-01-01,much\n", 65, "'much'"),
        ("t,g\n2025-01-01,-1\n", 65, "between 0 and 3000"),
        ("t,g\n2025-01-01\n", 65, "only 1 cells"),
    ],
)
def test_a_bad_file_of_two_columns_stores_nothing(
    text: str, code: int, word: str, store: Path
) -> None:
    Path("my.csv").write_text(text)
    words = ("--time-column", "t", "--value-column", "g", "--zone", "DE")
    found = sprout("grid", "import", "my.csv", *words)
    assert found.code == code
    assert word in found.stderr
    assert select(store, "SELECT count(*) FROM intensities") == [(0,)]


def test_what_a_file_says_of_the_future_is_a_forecast(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPROUT_ZONE", "DE")
    begin = now().replace(minute=0, second=0, microsecond=0)
    write_hours(Path("my.csv"), 24 * 60, begin - timedelta(days=58))
    command = ("grid", "import", "my.csv", "--time-column", "t", "--value-column", "g")
    assert sprout(*command).code == 0
    counts = "SELECT is_forecast, count(*), min(start_utc) FROM intensities GROUP BY 1"
    (measured, forecast) = select(store, counts)
    assert measured[1] in {58 * 24 + 1, 58 * 24 + 2}  # the hour may have ended meanwhile
    assert forecast[1] == 60 * 24 - measured[1]
    assert datetime.fromisoformat(forecast[2]) > begin
    assert {row["source"] for row in sprout("grid", "show", "--json").data["ahead"]} == {"csv"}
    backtested = sprout("grid", "backtest", "--json").data["zones"][0]
    assert datetime.fromisoformat(backtested["last"]) <= now()


def test_eight_digits_are_a_day_and_more_are_seconds(store: Path) -> None:
    words = ("--time-column", "t", "--value-column", "g", "--zone", "DE")
    Path("my.csv").write_text("t,g\n20260131,1\n20260201,2\n1767225600,3\n")
    assert sprout("grid", "import", "my.csv", *words).code == 0
    assert select(store, "SELECT start_utc, duration_s FROM intensities ORDER BY 1") == [
        ("2026-01-01T00:00:00.000Z", 86_400),
        ("2026-01-31T00:00:00.000Z", 86_400),
        ("2026-02-01T00:00:00.000Z", 86_400),
    ]


def test_columns_come_in_pairs_and_time_zones_exist() -> None:
    Path("my.csv").write_text("t,g\n2025-01-01,1\n")
    assert sprout("grid", "import", "my.csv", "--time-column", "t").code == 2
    words = ("--time-column", "t", "--value-column", "g", "--time-zone", "Mars/Olympus")
    assert sprout("grid", "import", "my.csv", *words).code == 2


# rows of more than an hour

HEADER = (
    "Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),"
    "Carbon intensity gCO₂eq/kWh (Life cycle),Data source,Data estimated"
)


@pytest.mark.parametrize("mark", ["daily average", "monthly average", "yearly average"])
def test_the_mean_of_a_long_time_is_not_measured(
    mark: str, prompts: Path, out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SPROUT_ZONE", "DE")
    word = mark.split(maxsplit=1)[0]
    today = f"{now():%Y-%m-%d}"
    first = {"daily": today, "monthly": f"{today[:7]}-01", "yearly": f"{today[:4]}-01-01"}[word]
    file = Path(f"DE_{word}.csv")
    file.write_text(f"{HEADER}\n{first} 00:00:00,Germany,Germany,DE,300,381,ENTSO-E,false\n")
    assert sprout("grid", "import", file).code == 0
    sprout(*PROFILE)
    assert f"381 g/kWh in DE ({mark})" in sprout("status").stdout
    plan = optimized()
    assert (plan["intensity_g_per_kwh"], plan["intensity_mark"]) == (381, mark)
    refused = sprout("run", prompts, *REPLAY, "-o", out, "--strict")
    assert refused.code == 78
    assert f"the grid intensity is not measured ({mark})" in refused.stderr
    assert sprout("run", prompts, *REPLAY, "-o", out).code == 0
    source = f"electricitymaps_csv ({mark})"
    assert {line["sprout"]["intensity_source"] for line in read_lines(out)} == {source}
    (origin,) = sprout("report", "--json").data["provenance"]["intensity"]
    assert (origin["name"], origin["mark"]) == (f"DE: {source}", mark)
    assert sprout("report", "--format", "html", "-o", "report.html").code == 0
    page = Path("report.html").read_text()
    assert page.count(f'<span class="mark unsure">{mark}</span>') > 1  # with the explanation
    shown = sprout("grid", "show")
    assert shown.code == 66
    assert f"but a {mark} of 381 g/kWh" in shown.stderr


# backtest


def write_hours(path: Path, num_hours: int, start: datetime) -> None:
    lines = ["zone,t,g"]
    for zone in ("A", "B"):
        for hour in range(num_hours):
            value = 300 + 100 * ((hour % 24) < 12) + 20 * ((hour % 168) < 24) + hour % 7
            lines.append(f"{zone},{(start + timedelta(hours=hour)).isoformat()},{value}")
    path.write_text("\n".join(lines) + "\n")


@pytest.mark.parametrize("separator", [",", ";", "\t"])
def test_a_backtest_of_a_file_tests_every_zone_in_it(separator: str) -> None:
    file = Path("my.csv")
    write_hours(file, 24 * 60, datetime(2025, 1, 1, tzinfo=UTC))
    file.write_text(file.read_text().replace(",", separator))
    words = ("my.csv", "--time-column", "t", "--value-column", "g", "--zone-column", "Zone")
    found = sprout("grid", "backtest", *words, "--json")
    assert found.code == 0, found.stderr
    assert [row["zone"] for row in found.data["zones"]] == ["A", "B"]
    for row in found.data["zones"]:
        assert row["error"] < min(row["persistence_error"], row["seasonal_error"])
        assert len(row["lead_errors"]) == 24
    with file.open("a") as lines:
        lines.write(separator.join(("B", "2025-01-20", "much")))
    spoilt = sprout("grid", "backtest", *words)
    assert spoilt.code == 65
    assert f"my.csv:{2 * 24 * 60 + 2}: carbon intensity 'much'" in spoilt.stderr


def test_a_backtest_of_the_store_is_kept_and_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SPROUT_ZONE", "DE")
    assert sprout("grid", "backtest").code == 66
    begin = now().replace(minute=0, second=0, microsecond=0) - timedelta(days=60)
    write_hours(Path("my.csv"), 24 * 60, begin)
    sprout("grid", "import", "my.csv", "--time-column", "t", "--value-column", "g")
    found = sprout("grid", "backtest")
    assert found.code == 0, found.stderr
    assert "persistence" in found.stdout
    kept = sprout("grid", "show", "--json").data["backtest"]
    assert kept["error"] < kept["persistence_error"]
    assert "backtested on" in sprout("status").stdout


def write_days(path: Path, num_days: int, start: datetime) -> None:
    rows = [f"{start + timedelta(days=day):%Y-%m-%d},{300 + day % 7}" for day in range(num_days)]
    path.write_text("\n".join(["t,g", *rows]) + "\n")


def test_means_of_days_are_no_hours_to_test_a_forecast_on(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Spread over their hours they would be foretold nearly without an error."""
    monkeypatch.setenv("SPROUT_ZONE", "DE")
    write_days(Path("days.csv"), 365, now() - timedelta(days=365))
    words = ("days.csv", "--time-column", "t", "--value-column", "g")
    for zone in ((), ("--zone-column", "g")):
        found = sprout("grid", "backtest", *words, *zone)
        assert found.code == 65
        assert "rows of 24 hours say nothing of single hours" in found.stderr
    assert sprout("grid", "import", *words).code == 0
    found = sprout("grid", "backtest")
    assert found.code == 66
    assert "no measured rows of an hour or less" in found.stderr
    # beside hours they change nothing
    begin = now().replace(minute=0, second=0, microsecond=0) - timedelta(days=60)
    write_hours(Path("my.csv"), 24 * 60, begin)
    sprout("grid", "import", "my.csv", "--time-column", "t", "--value-column", "g")
    mixed = sprout("grid", "backtest", "--json").data["zones"]
    change(store, "DELETE FROM intensities WHERE duration_s > 3600")
    alone = sprout("grid", "backtest", "--json").data["zones"]
    assert mixed[0] | {"tested_at": ""} == alone[0] | {"tested_at": ""}


def test_days_last_as_long_as_the_clocks_make_them(store: Path) -> None:
    Path("my.csv").write_text(
        "t,g\n2026-03-28,1\n2026-03-29,2\n2026-03-30,3\n2026-10-24,4\n2026-10-25,5\n2026-10-26,6\n"
    )
    words = ("--time-column", "t", "--value-column", "g", "--time-zone", "Europe/Berlin")
    assert sprout("grid", "import", "my.csv", *words, "--zone", "DE").code == 0
    hours = "SELECT g_per_kwh, duration_s / 3600.0 FROM intensities ORDER BY start_utc"
    assert select(store, hours) == [(1, 24), (2, 23), (3, 24), (4, 24), (5, 25), (6, 24)]


def test_too_short_a_history_is_bad_input() -> None:
    write_hours(Path("my.csv"), 24 * 20, datetime(2025, 1, 1, tzinfo=UTC))
    found = sprout("grid", "backtest", "my.csv", "--time-column", "t", "--value-column", "g")
    assert found.code == 65
    assert "five weeks" in found.stderr


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (lambda data: data[:40] + bytes(40) + data[80:], "not gzip, or damaged"),
        (lambda data: data[:-8] + bytes(8), "not gzip, or damaged"),  # the checksum
        (lambda data: data[:-20], "cut off"),
        (lambda _data: b"zone,t,g\n", "not gzip"),
        (lambda _data: gzip.compress(b"t,g\n\xff\xfe,1\n"), "not UTF-8"),
    ],
)
def test_a_spoilt_gzip_file_is_bad_input(spoil: Callable[[bytes], bytes], word: str) -> None:
    write_hours(Path("my.csv"), 24 * 60, datetime(2025, 1, 1, tzinfo=UTC))
    whole = gzip.compress(Path("my.csv").read_bytes())
    Path("my.csv.gz").write_bytes(spoil(whole))
    found = sprout("grid", "backtest", "my.csv.gz", "--time-column", "t", "--value-column", "g")
    assert found.code == 65, found.stderr
    assert found.stderr.count("\n") == 1
    assert word in found.stderr


@pytest.mark.parametrize("cell", ["x" * 200_000, "\0"])
@pytest.mark.parametrize("where", ["header", "row"])
def test_a_file_with_a_zone_column_that_is_no_csv_is_bad_input(cell: str, where: str) -> None:
    header, row = ("zone,t,g", f"{cell},2025-01-01,1")
    lines = [f"{header},{cell}", "A,2025-01-01,1,"] if where == "header" else [header, row]
    Path("my.csv").write_text("\n".join(lines) + "\n")
    words = ("--time-column", "t", "--value-column", "g", "--zone-column", "zone")
    found = sprout("grid", "backtest", "my.csv", *words)
    assert found.code == 65, found.stderr
    assert found.stderr.count("\n") == 1


def test_a_file_without_rows_is_no_input() -> None:
    Path("my.csv").write_text("zone,t,g\n")
    words = ("--time-column", "t", "--value-column", "g", "--zone-column", "zone")
    assert sprout("grid", "backtest", "my.csv", *words).code == 66
