"""Faults of the network, each provoked on loopback."""

import socket
import time
import traceback
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path

import pytest
from local.grid_server import HTML, Answer, GridServer, Request, refused_url, serving

from sprout.config.keys import Key, Keys, scrub
from sprout.errors import InputError, NotReadyError, PermissionDeniedError, TryLaterError
from sprout.grid.http import Client
from sprout.grid.patience import Limits
from sprout.grid.provider import ThrottledError

QUICK = Limits(total_s=20, num_retries=2, connect_s=5, read_s=5, backoff_s=0.01)
SECRET = "s3cret/+ key"  # noqa: S105


@pytest.fixture
def server() -> Iterator[GridServer]:
    with serving() as running:
        yield running


def get(url: str, limits: Limits = QUICK) -> object:
    with Client("The grid", url, limits, (SECRET,)) as client:
        return client.get("/path", (("api_key", SECRET),)).value("DE")


def test_a_good_answer_is_its_json(server: GridServer) -> None:
    server.behave = lambda _request: Answer({"a": 1})
    assert get(server.url + "/v4/") == {"a": 1}
    (seen,) = server.seen
    assert seen.path == "/v4/path"
    assert seen.query == {"api_key": SECRET}
    assert seen.headers["user-agent"].startswith("sprout-llm/")


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_fault_of_theirs_is_tried_again_and_then_told(server: GridServer, status: int) -> None:
    server.behave = lambda _request: Answer(HTML, status=status)
    with pytest.raises(TryLaterError, match=f"The grid answered {status}"):
        get(server.url)
    assert len(server.seen) == 3


def test_a_fault_that_passes_is_not_noticed(server: GridServer) -> None:
    server.behave = lambda _request: (
        Answer({"a": 1}) if len(server.seen) > 2 else Answer(HTML, status=503)
    )
    assert get(server.url) == {"a": 1}


def test_a_name_that_does_not_resolve_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_args: object, **_more: object) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)  # no test asks a name server
    with pytest.raises(TryLaterError, match=r"grid\.invalid is out of reach: the name does not"):
        get("http://grid.invalid", replace(QUICK, num_retries=0))


def test_a_server_that_speaks_no_tls_is_said(server: GridServer) -> None:
    with pytest.raises(TryLaterError, match="out of reach: TLS failed"):
        get(server.url.replace("http://", "https://"), replace(QUICK, num_retries=0))


def test_too_many_requests_are_tried_again_when_they_say(server: GridServer) -> None:
    def behave(_request: Request) -> Answer:
        if len(server.seen) > 1:
            return Answer({"a": 1})
        return Answer({}, status=429, headers={"Retry-After": "1"})

    server.behave = behave
    begun_s = time.perf_counter()
    assert get(server.url) == {"a": 1}
    assert 1 <= time.perf_counter() - begun_s < 10


@pytest.mark.parametrize(
    ("retry_after", "expected_s"),
    [
        ("120", 120),
        ("999999", 3600),
        (None, 60),
        ("soon", 60),
        ("a date in five minutes", 300),
    ],
)
def test_a_long_wait_is_told_and_not_waited_for(
    server: GridServer, retry_after: str | None, expected_s: float
) -> None:
    if retry_after is not None and retry_after.startswith("a date"):
        retry_after = format_datetime(datetime.now(UTC) + timedelta(seconds=300))
    headers = {} if retry_after is None else {"Retry-After": retry_after}
    server.behave = lambda _request: Answer({}, status=429, headers=headers)
    begun_s = time.perf_counter()
    with pytest.raises(ThrottledError) as raised:
        get(server.url)
    assert raised.value.retry_after_s == pytest.approx(expected_s, abs=60)
    assert raised.value.exit_code == 75
    assert time.perf_counter() - begun_s < 10
    assert len(server.seen) == (1 if retry_after not in {None, "soon"} else 3)


def test_a_fault_that_says_when_it_will_be_over_is_left_alone_until_then(
    server: GridServer,
) -> None:
    server.behave = lambda _request: Answer(HTML, status=503, headers={"Retry-After": "600"})
    with pytest.raises(ThrottledError, match="The grid answered 503: try again in 600 s") as raised:
        get(server.url)
    assert raised.value.retry_after_s == 600
    assert len(server.seen) == 1


def test_one_connection_is_for_all_requests(server: GridServer) -> None:
    server.behave = lambda _request: Answer({"a": 1})
    with Client("The grid", server.url, QUICK) as client:
        for _ in range(5):
            client.get("/path")
    assert len(server.seen) == 5
    assert server.num_connections == 1


@pytest.mark.parametrize(
    "answer",
    [
        Answer(HTML),
        Answer('{"data": [1, 2', headers={"Content-Type": "application/json"}),
        Answer(""),
        Answer(b"\xff\xfe{"),
        Answer(b"[" * 100_000),
    ],
)
def test_what_is_not_whole_json_is_told_with_its_type_and_length(
    server: GridServer, answer: Answer
) -> None:
    server.behave = lambda _request: answer
    with pytest.raises(TryLaterError, match="not whole JSON") as raised:
        get(server.url)
    assert f"{len(answer.data)} bytes" in str(raised.value)


def test_a_body_that_ends_too_early_is_no_answer(server: GridServer) -> None:
    server.behave = lambda _request: Answer({"a": 1}, length=1000, headers={"Connection": "close"})
    with pytest.raises(TryLaterError, match="out of reach"):
        get(server.url)


def test_a_server_that_hangs_is_left_at_the_deadline(server: GridServer) -> None:
    server.behave = lambda _request: Answer({"a": 1}, hang_s=30)
    begun_s = time.perf_counter()
    with pytest.raises(TryLaterError, match="timeout"):
        get(server.url, Limits(total_s=2, num_retries=0, read_s=0.2))
    assert time.perf_counter() - begun_s < 10
    with pytest.raises(TryLaterError, match=r"no answer within 0\.3 s"):
        get(server.url, Limits(total_s=0.3, num_retries=5, read_s=10))


def test_a_server_that_drips_is_left_at_the_deadline(server: GridServer) -> None:
    server.behave = lambda _request: Answer("x" * 10_000, drips=True)
    begun_s = time.perf_counter()
    with pytest.raises(TryLaterError, match=r"no answer within 0\.4 s"):
        get(server.url, Limits(total_s=0.4, num_retries=0))
    assert time.perf_counter() - begun_s < 10


def test_one_deadline_is_for_all_requests_of_a_piece_of_work(server: GridServer) -> None:
    server.behave = lambda _request: Answer({"a": 1}, hang_s=0.1)

    def ask_often(client: Client) -> None:
        for _ in range(100):
            client.get("/path")

    with Client("The grid", server.url, Limits(total_s=0.8, num_retries=0)) as client:
        client.begin()
        with pytest.raises(TryLaterError, match="no answer within"):
            ask_often(client)
        assert 1 <= len(server.seen) <= 8
        client.begin()
        assert client.get("/path").status == 200


def test_nobody_at_the_port_is_told(server: GridServer) -> None:
    with pytest.raises(TryLaterError, match="out of reach: no connection"):
        get(refused_url())
    assert server.seen == []


@pytest.mark.parametrize("url", ["", "nowhere", "ftp://127.0.0.1", "http://", "http://[::1"])
def test_a_base_url_that_is_none_is_told(url: str) -> None:
    with pytest.raises(NotReadyError, match="The grid: its base URL is no"):
        get(url)


def test_redirects_are_not_followed(server: GridServer) -> None:
    with serving(lambda _request: Answer({"a": 1})) as other:
        server.behave = lambda _request: Answer({}, status=302, headers={"Location": other.url})
        with pytest.raises(TryLaterError, match="redirects are not followed"):
            get(server.url)
        assert other.seen == []


@pytest.mark.parametrize("status", [400, 404, 422])
def test_what_they_do_not_know_is_bad_input(server: GridServer, status: int) -> None:
    server.behave = lambda _request: Answer({"error": {"message": "no such zone"}}, status=status)
    with pytest.raises(InputError, match="zone 'DE': no such zone"):
        get(server.url)
    assert len(server.seen) == 1


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_is_told_and_not_repeated(server: GridServer, status: int) -> None:
    server.behave = lambda _request: Answer({"error": "no"}, status=status)
    with pytest.raises(PermissionDeniedError, match="refused: no"):
        get(server.url)
    assert len(server.seen) == 1


def test_the_proxy_of_the_environment_is_asked(
    server: GridServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", server.url)
    server.behave = lambda _request: Answer({"a": 1})
    assert get("http://grid.invalid/v4") == {"a": 1}
    (seen,) = server.seen
    assert (seen.headers["host"], seen.path) == ("grid.invalid", "/v4/path")


@pytest.mark.parametrize("proxy", ["", "http://"])
def test_a_proxy_that_leads_nowhere_is_told(proxy: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTPS_PROXY", proxy or refused_url())
    with pytest.raises(TryLaterError, match="out of reach: the proxy that the environment names"):
        get("https://grid.invalid")


def test_no_proxy_is_asked_for_what_the_environment_excepts(
    server: GridServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTP_PROXY", refused_url())
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server.behave = lambda _request: Answer({"a": 1})
    assert get(server.url) == {"a": 1}


def test_netrc_names_nobody(
    server: GridServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login ada password lovelace\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    server.behave = lambda _request: Answer({"a": 1})
    assert get(server.url) == {"a": 1}
    assert "authorization" not in server.seen[0].headers


# secrets


@pytest.mark.parametrize("status", [200, 302, 400, 401, 429, 500])
def test_no_exception_traceback_or_log_shows_a_secret(
    server: GridServer, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    body = {"error": f"the key {SECRET} is s3cret%2F%2B%20key", "params": {"api_key": SECRET}}
    server.behave = lambda _request: Answer(
        body if status != 200 else f"<html>{SECRET}", status=status
    )
    for url in (server.url, refused_url()):
        with pytest.raises((TryLaterError, InputError, PermissionDeniedError)) as raised:
            get(url)
        shown = "".join(traceback.format_exception(raised.value))
        shown += repr(raised.value) + repr(raised.value.__context__) + repr(raised.value.__cause__)
        shown += caplog.text
        assert SECRET not in shown
        assert "s3cret" not in shown


def test_a_key_shows_itself_only_when_asked() -> None:
    keys = Keys({"eia_key": Key(SECRET, "EIA_API_KEY")})
    assert SECRET not in repr(keys) + str(keys.found["eia_key"])
    assert keys.get("eia_key") == SECRET
    with pytest.raises(PermissionDeniedError, match="SPROUT_WATTTIME_USER"):
        keys.get("watttime_user")


@pytest.mark.parametrize(
    "text",
    ["s3cret/+ key", "s3cret%2F%2B%20key", "s3cret%2F%2B+key", "czNjcmV0Lysga2V5"],
)
def test_a_secret_is_found_however_it_is_encoded(text: str) -> None:
    assert scrub(f"a {text} b", (SECRET,)) == "a *** b"
