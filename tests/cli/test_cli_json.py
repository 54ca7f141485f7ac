"""With --json standard output is one object, whatever happens."""

import json
from pathlib import Path

import pytest
from cli.program import REPLAY, run_process, sprout, write_lines

from sprout import __version__

KEYS = ["sprout", "command", "status", "data", "errors"]
PROFILE = ("profile", *REPLAY, "--idle", 0, "--repeats", 1)

SUCCESSES = [
    ("run", "prompts.jsonl", *REPLAY, "-o", "out.jsonl"),
    ("run", "prompts.jsonl", "--check"),
    ("run", "prompts.jsonl", *REPLAY, "--dry-run"),
    PROFILE,
    (*PROFILE, "--search"),
    ("optimize", *REPLAY, "--intensity", 300),
    ("status",),
    ("doctor", *REPLAY),
    ("prune", "--older-than", "90d"),
    ("prune", "--older-than", "90d", "--dry-run"),
    ("grid", "import", "DE_2025_hourly.csv"),
    ("grid", "use", "DE"),
    ("grid", "zones"),
    ("grid", "sources"),
]
FAILURES = [
    (66, ("run", "missing.jsonl", *REPLAY)),
    (66, ("run", "missing.jsonl", "--check")),
    (66, ("run", "missing.jsonl", *REPLAY, "--dry-run")),
    (66, ("profile", "--model", "missing.gguf")),
    (78, ("optimize", *REPLAY)),
    (65, ("status", "--config", "broken.toml")),
    (78, ("doctor", "--model", "missing.gguf")),
    (2, ("prune", "--older-than", "soon")),
    (66, ("grid", "import", "missing.csv")),
    (78, ("grid", "fetch")),
    (78, ("grid", "history", "--from", "2025-01-01")),
    (78, ("grid", "show")),
    (78, ("grid", "backtest")),
    (2, ("grid", "zones", "--provider", "nobody")),
    (2, ("grid", "use", "DE", "--provider", "nobody")),
]
CSV = """Datetime (UTC),Country,Zone name,Zone id,Carbon intensity gCO₂eq/kWh (direct),\
Carbon intensity gCO₂eq/kWh (Life cycle),Data source,Data estimated
2025-01-01 00:00:00,Germany,Germany,DE,300,350,ENTSOE,false
2025-01-01 01:00:00,Germany,Germany,DE,310,360,ENTSOE,false
"""


def name_of(command: tuple[object, ...]) -> str:
    return " ".join(map(str, command[:2])) if command[0] == "grid" else str(command[0])


@pytest.fixture(autouse=True)
def files(prompts: Path) -> None:
    assert prompts.exists()
    Path("DE_2025_hourly.csv").write_text(CSV, encoding="utf-8")
    Path("broken.toml").write_text("zone = ")


@pytest.mark.parametrize("command", SUCCESSES, ids=lambda words: " ".join(map(str, words)))
def test_a_success_is_one_object(command: tuple[object, ...]) -> None:
    if command[0] == "optimize":
        assert sprout(*PROFILE, "--json").code == 0
    found = sprout(*command, "--json")
    assert found.code == 0, found.stderr
    assert list(found.envelope) == KEYS
    assert found.envelope["sprout"] == __version__
    assert found.envelope["command"] == name_of(command)
    assert found.envelope["status"] == "ok"
    assert found.envelope["errors"] == []
    assert found.stderr == ""


@pytest.mark.parametrize(("code", "command"), FAILURES)
def test_a_failure_is_one_object_too(code: int, command: tuple[object, ...]) -> None:
    found = sprout(*command, "--json")
    assert found.code == code
    assert list(found.envelope) == KEYS
    assert found.envelope["command"] == name_of(command)
    assert found.envelope["status"] == "error"
    (error,) = found.envelope["errors"]
    assert error["exit_code"] == code
    assert error["message"] in found.stderr
    assert "Traceback" not in found.stderr


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (("run", "--bogus", "--json"), "run"),
        (("grid", "import", "--json"), "grid import"),
        (("evaporate", "--json"), ""),
    ],
)
def test_wrong_usage_is_one_object_too(words: tuple[str, ...], name: str) -> None:
    found = run_process(*words)
    assert found.code == 2
    assert list(found.envelope) == KEYS
    assert found.envelope["command"] == name
    assert found.envelope["errors"][0]["exit_code"] == 2


def test_a_run_without_an_output_file_prints_its_lines_and_a_closing_record(
    prompts: Path,
) -> None:
    found = sprout("run", prompts, *REPLAY, "--json")
    *answers, closing = map(json.loads, found.stdout.splitlines())
    assert found.code == 0
    assert len(answers) == 10
    assert all(answer["response"]["status_code"] == 200 for answer in answers)
    assert list(closing) == KEYS
    assert closing["data"]["num_served"] == 10


def test_a_partly_done_run_says_so_in_its_record() -> None:
    write_lines(Path("mixed.jsonl"), [{"prompt": "Hello?"}, "{"])
    found = sprout("run", "mixed.jsonl", *REPLAY, "-o", "out.jsonl", "--json")
    assert found.code == 3
    assert found.envelope["status"] == "partial"
    assert found.data["num_served"] == 1
    assert found.data["num_failed"] == 1
    assert "1 of 2 lines failed" in found.envelope["errors"][0]["message"]


def test_a_failing_run_prints_the_closing_record_after_its_lines(prompts: Path) -> None:
    found = sprout("run", prompts, *REPLAY, "--json", "--zone", "ATLANTIS")
    assert found.code == 65
    assert list(found.envelope) == KEYS


def test_numbers_are_not_rounded_and_times_are_utc(prompts: Path) -> None:
    sprout("run", prompts, *REPLAY, "-o", "out.jsonl")
    pruned = sprout("prune", "--older-than", "1d", "--json").data
    assert pruned["before"].endswith("Z")
    imported = sprout("grid", "import", "DE_2025_hourly.csv", "--json").data
    assert imported["files"][0]["first_start"] == "2025-01-01T00:00:00.000Z"
    shares = [row["share"] for row in sprout("optimize", *REPLAY, "--json").data["levels"]]
    assert sum(shares) == pytest.approx(1, abs=1e-12)


def test_nothing_that_is_no_json_number_is_printed(prompts: Path) -> None:
    def refuse(name: str) -> float:
        raise AssertionError(name)

    for command in (("run", prompts, *REPLAY), PROFILE, ("optimize", *REPLAY), ("status",)):
        found = sprout(*command, "--json")
        assert found.code == 0
        for line in found.stdout.splitlines():
            json.loads(line, parse_constant=refuse)
