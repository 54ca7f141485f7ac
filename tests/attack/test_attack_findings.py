"""What fuzzing and reading found, each with the input that found it."""

import json
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from attack.targets import Target, targets
from local.judge_server import KEY, JudgeServer, Reply, completion
from local.judge_server import serving as judging

from sprout import directive_sets
from sprout.batch.answers import is_count, is_text, parse_line
from sprout.batch.outfile import keep_last_lines
from sprout.config import sources
from sprout.errors import InputError, SproutError, TryLaterError
from sprout.files.writing import replace_file
from sprout.grid.neso import ABOUT
from sprout.grid.provider import Harvest, wire_shape
from sprout.quality.completions import Address, Completions
from sprout.quality.endpoint import EndpointJudge
from sprout.quality.judge import Question
from sprout.quality.wording import choice_in

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
DEEP = "[" * 3000 + "]" * 3000


@pytest.fixture(scope="module")
def known(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Target]]:
    with targets(tmp_path_factory.mktemp("findings")) as found:
        yield found


# settings and directives: RecursionError, ValueError, RuntimeError


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"zone = {DEEP}", "nested too deeply"),
        (f"parallel = {'9' * 5000}", "not TOML"),
        ('model = "~no-such-user/m.gguf"', "no such home folder"),
        ('model = "~\\u0000/m.gguf"', "no such home folder"),
        ('powercap = "a\\u0000b"', "is no path"),
        ('zone = "a\\u0000b"', "characters that no text has"),
        (f"zone = {'[' * 200 + ']' * 200}", "`zone` = a list"),
        (f'tolerance = "{"x" * 9999}"', "xxx\\.\\.\\."),
    ],
)
def test_settings_that_ended_in_a_traceback(tmp_path: Path, text: str, reason: str) -> None:
    file = tmp_path / "sprout.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(InputError, match=reason) as raised:
        sources.load({}, file)
    assert len(str(raised.value)) < 500


@pytest.mark.parametrize("name", ["judge_url", "eia_url"])
def test_a_password_in_a_url_is_refused_and_not_repeated(tmp_path: Path, name: str) -> None:
    file = tmp_path / "sprout.toml"
    file.write_text(f'{name} = "https://ada:pass/word@127.0.0.1/v1"', encoding="utf-8")
    sources.load({}, file)  # no password: "pass" is a port that is none
    file.write_text(f'{name} = "https://ada:s3cret@127.0.0.1/v1"', encoding="utf-8")
    with pytest.raises(InputError, match="holds a password") as raised:
        sources.load({}, file)
    assert "s3cret" not in str(raised.value)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (f"mine = {DEEP}", "nested too deeply"),
        (f"mine = {'9' * 5000}", "not TOML"),
        (f"mine = {'[' * 200 + ']' * 200}", "a list is not a table"),
    ],
)
def test_directives_that_ended_in_a_traceback(text: str, reason: str) -> None:
    with pytest.raises(InputError, match=reason):
        directive_sets.parse(text, "mine.toml")


# times at the ends of the calendar: OverflowError


@pytest.mark.parametrize(
    "row",
    [
        "9999-12-31 23:00:00,G,G,DE,300,350,1,1,s,false,",
        "0001-01-01T00:00:00+23:59,G,G,DE,300,350,1,1,s,false,",
    ],
)
def test_downloads_of_impossible_times_are_refused(known: dict[str, Target], row: str) -> None:
    header = known["csv"].seeds[0].split(b"\n")[0]
    with pytest.raises(InputError, match="is no time such as"):
        known["csv"].run(header + b"\n" + row.encode() + b"\n")


@pytest.mark.parametrize("cell", ["0001-01-01T00:00:00", "9999-12-31T23:30-23:59", "9" * 11])
def test_columns_of_impossible_times_are_refused(known: dict[str, Target], cell: str) -> None:
    with pytest.raises(InputError, match="is no time such as"):
        known["columns"].run(f"time,g\n{cell},1\n".encode())


def test_a_header_that_is_no_csv_is_refused(known: dict[str, Target]) -> None:
    with pytest.raises(InputError, match=r"two\.csv:1: not CSV"):
        known["columns"].run(b'"' + b"x" * 200_000 + b'",g\n')


@pytest.mark.parametrize("when", ["0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59"])
def test_deadlines_at_the_ends_of_the_calendar_reject_their_line(when: str) -> None:
    from plain_records import prompt  # noqa: PLC0415 - its assertion says what came instead

    with pytest.raises(AssertionError, match="invalid_request"):
        prompt(deadline=when)


# providers


@pytest.mark.parametrize("duration_s", [0, -1800, 86_401, 10**12])
def test_a_slot_that_no_provider_has_is_not_its_shape(duration_s: int) -> None:
    # one such row covered every hour for thousands of years, or overflowed when its end was asked
    harvest = Harvest(ABOUT, "GB", "direct", NOW)
    with pytest.raises(TryLaterError, match="in a shape that is not its own"), wire_shape(ABOUT):
        harvest.add(NOW, duration_s, 1.0, is_forecast=True)


@pytest.mark.parametrize(
    ("name", "body"),
    [
        ("neso", {"data": [{"from": "9999-12-31T23:30Z", "to": "9999-12-31T23:59Z"}]}),
        ("energy_charts", {"unix_seconds": [2**62], "co2eq": [1]}),
        ("electricity_maps", {"carbonIntensity": 10**400, "datetime": "2026-11-24T11:00Z"}),
        ("watttime", {"meta": {}, "data": 3}),
    ],
)
def test_bodies_of_another_shape_are_tried_again_later(
    known: dict[str, Target], name: str, body: Any
) -> None:
    with pytest.raises(SproutError):
        known[name].run(json.dumps(body).encode())


def test_an_error_that_is_nested_deeply_is_still_a_message() -> None:
    from sprout.grid.answer import Answer  # noqa: PLC0415

    body: dict[str, Any] = {"error": "inner"}
    for _ in range(400):
        body = {"error": body, "message": "outer"}
    answer = Answer(400, "application/json", json.dumps(body).encode(), "Somebody", ())
    assert answer.message().startswith("outer; outer")


# output lines and recordings that somebody edited


def line_with(known: dict[str, Target], *path: str | int, value: object) -> bytes:
    line: Any = json.loads(known["resume"].seeds[0])
    place = line
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return json.dumps(line).encode() + b"\n"


BODY = ("response", "body")
EDITED: list[tuple[tuple[str | int, ...], object]] = [
    (("response",), "a body"),
    ((*BODY, "usage"), {}),
    ((*BODY, "usage", "prompt_tokens"), "x"),
    ((*BODY, "usage", "completion_tokens"), 2**63),
    ((*BODY, "choices", 0, "finish_reason"), ["stop"]),
    ((*BODY, "choices", 0, "message", "content"), None),
    ((*BODY, "choices", 0, "message", "content"), "\ud800"),
    ((*BODY, "created"), 10**18),
    (("custom_id",), "\udcff"),
    (("sprout", "energy_j"), None),
    (("sprout", "carbon_g"), 10**400),
    (("sprout", "energy_j"), 2**63),
    (("sprout", "busy_s"), float("nan")),
    (("sprout", "zone"), 5),
]


@pytest.mark.parametrize(("path", "value"), EDITED)
def test_an_edited_line_is_none_of_ours(
    known: dict[str, Target], path: tuple[str | int, ...], value: object
) -> None:
    line = line_with(known, *path, value=value)
    assert parse_line(line) is None
    for name in ("resume", "recording"):
        with pytest.raises(SproutError):
            known[name].run(line)


def test_a_line_as_it_was_written_is_read(known: dict[str, Target]) -> None:
    assert parse_line(known["resume"].seeds[0]) is not None
    assert is_text("\U0001f331")
    assert not is_count(1.0)


# judges


@pytest.fixture
def server() -> Iterator[JudgeServer]:
    with judging() as state:
        yield state


@pytest.fixture
def judge(server: JudgeServer) -> Iterator[EndpointJudge]:
    address = Address(server.url, "judge-1", KEY, 5.0)
    with Completions(address, lambda _s: None, lambda: NOW) as completions:
        yield EndpointJudge(completions)


QUESTION = Question("What?", ("One.", "Two."))


@pytest.mark.parametrize(
    "usage",
    [
        [1],
        {"prompt_tokens": 2**70, "completion_tokens": -1, "cost": float("inf")},
        {"prompt_tokens": True, "cost": 10**400},
    ],
)
def test_what_a_judge_says_of_its_cost_is_believed_within_reason(
    judge: EndpointJudge, server: JudgeServer, usage: object
) -> None:
    server.script = [Reply(body=json.dumps(completion("B") | {"usage": usage}))]
    found = judge.ask(QUESTION).usage
    assert (found.num_prompt_tokens, found.num_new_tokens, found.price_usd) == (None, None, None)


def test_a_judge_that_nests_deeply_or_says_half_a_pair_breaks_nothing(
    judge: EndpointJudge, server: JudgeServer
) -> None:
    server.script = [Reply(body='{"choices":' + DEEP + "}"), Reply(body=completion("B \ud800"))]
    assert judge.ask(QUESTION).raw == "B ?"


def test_a_key_that_a_judge_says_is_in_no_opinion(
    judge: EndpointJudge, server: JudgeServer
) -> None:
    server.script = [Reply(body=completion(f"Key {KEY}: B"))]
    assert judge.ask(QUESTION).raw == "Key ***: B"


@pytest.mark.parametrize("label", ["\u212a", "\u017f", "best \u212a"])
def test_a_letter_that_only_looks_like_one_names_no_slot(label: str) -> None:
    assert choice_in(label, 26) is None  # the sign of kelvin is a K where case is ignored


@pytest.mark.parametrize(
    "words",
    [
        "```" + "a" * 60_000,
        "```" + " " * 60_000,
        "best" + " " * 60_000,
        "best a" + " b" * 30_000,
        "best " + "a" * 30_000 + " " + "a" * 30_000,
        " " * 60_000 + "x",
        "answer " * 9000,
        "[[" * 30_000 + " ",
        "[[ " * 20_000,
        "[[" + " " * 60_000 + "]]",
        "A. " * 20_000,
        ("." + "*" * 99) * 600,
        "the final answer is: " * 3000,
        "```{" + "} " * 30_000,
        "{" * 60_000,
    ],
)
def test_the_words_of_a_judge_are_read_in_no_time(words: str) -> None:
    start_s = time.process_time()  # of this process alone, however busy the machine is
    choice_in(words, 3)
    assert time.process_time() - start_s < 2


# files


def test_a_link_that_waits_where_a_file_is_made_is_not_written_through(tmp_path: Path) -> None:
    victim, path = tmp_path / "victim", tmp_path / "report.html"
    victim.write_text("precious", encoding="utf-8")
    (tmp_path / ".report.html.new").symlink_to(victim)
    replace_file(path, "page")
    assert victim.read_text(encoding="utf-8") == "precious"
    assert path.read_text(encoding="utf-8") == "page"


def test_a_replaced_file_keeps_its_mode(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old", encoding="utf-8")
    path.chmod(0o640)
    replace_file(path, "new")
    assert path.stat().st_mode & 0o777 == 0o640
    keep_last_lines(path, set())
    assert path.stat().st_mode & 0o777 == 0o640
