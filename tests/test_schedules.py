"""The examples for cron and systemd: valid, and of commands that exist."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from cli.program import RECORDING, sprout, write_prompts

from sprout.cli.app import app

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
UNITS = sorted((SCRIPTS / "systemd").iterdir())
SERVICES = [unit for unit in UNITS if unit.suffix == ".service"]
PAGE = SCRIPTS.parent / "man" / "sprout-cron.7"
CRONTAB = SCRIPTS / "cron" / "crontab"
ANALYZE = shutil.which("systemd-analyze")


def schedule() -> list[tuple[str, str]]:
    """Return (five fields of time, command) of the crontab's jobs."""
    jobs = []
    for line in CRONTAB.read_text().splitlines():
        if line and not line.startswith("#") and not re.match(r"[A-Z_]+=", line):
            fields = line.split(maxsplit=5)
            jobs.append((" ".join(fields[:5]), fields[5]))
    return jobs


def words_of(command: str) -> list[str]:
    """Return the words behind `sprout` of a command, which a shell may run."""
    command = shlex.split(command)[2] if command.startswith("/bin/sh -c ") else command
    words = re.split(r"(?:\$SPROUT|/sprout) ", command, maxsplit=1)[1]
    return shlex.split(words.partition(" 2>&1")[0])


COMMANDS = [command for _, command in schedule()] + [
    line.removeprefix("ExecStart=")
    for service in SERVICES
    for line in service.read_text().splitlines()
    if line.startswith("ExecStart=")
]


@pytest.mark.parametrize("command", COMMANDS)
def test_a_scheduled_command_has_only_options_that_exist(command: str) -> None:
    found = typer.main.get_command(app)
    words = words_of(command)
    while children := getattr(found, "commands", None):
        assert words[0] in children
        found = children[words.pop(0)]
    known = {name for p in found.params for name in (*p.opts, *p.secondary_opts)}
    assert {word for word in words if word.startswith("-")} <= known


def test_a_nightly_batch_has_a_file_of_its_own_each_night() -> None:
    nightly = [command for command in COMMANDS if "prompts.jsonl" in command]
    assert len(nightly) == 2
    for command in nightly:
        assert re.search(r'-o "answers-\$\(date \+(?:\\|%)%F\)\.jsonl"', command), command


def test_every_job_of_the_crontab_says_when_and_is_quiet() -> None:
    jobs = schedule()
    assert len(jobs) == 5
    for when, command in jobs:
        assert re.fullmatch(r"(?:(?:\*|\*/\d+|\d+|\d-\d)(?: |$)){5}", when)
        assert "--quiet" in command
        assert not re.search(r"(?<!\\)%", command)  # cron would cut the line there


def test_the_manual_shows_the_jobs_of_the_crontab() -> None:
    page = PAGE.read_text().replace("\\-", "-").replace("\\e", "\\")
    shown = [line for line in page.splitlines() if " $SPROUT " in line or "$($SPROUT " in line]
    assert len(shown) == 4
    assert set(shown) <= set(CRONTAB.read_text().splitlines())


def said_by(word: str, folder: Path) -> str:
    """Return what cron would mail of the crontab's job that has this word."""
    (command,) = (command for _, command in schedule() if word in command)
    found = subprocess.run(
        ["/bin/sh", "-c", command.replace("\\%", "%").replace("/srv/batch", str(folder))],
        check=False,
        capture_output=True,
        text=True,
        env=os.environ
        | {
            "SPROUT": f"{sys.executable} -m sprout",
            "SPROUT_MODEL": str(RECORDING),
            "SPROUT_NESO_URL": "http://127.0.0.1:9",
            "SPROUT_GRID_RETRIES": "0",
        },
    )
    return found.stdout + found.stderr


def test_cron_mails_of_the_nightly_batch_what_failed_and_nothing_else(tmp_path: Path) -> None:
    prompts = write_prompts(tmp_path / "prompts.jsonl", 3)
    assert said_by("prompts.jsonl", tmp_path) == ""
    (answers,) = tmp_path.glob("answers-*.jsonl")
    assert len(answers.read_text().splitlines()) == 3
    assert said_by("prompts.jsonl", tmp_path) == ""  # finished: 73
    answers.unlink()
    prompts.write_text("no JSON\n" + prompts.read_text())
    assert "1 of 4 lines failed" in said_by("prompts.jsonl", tmp_path)
    prompts.unlink()
    assert "no prompts file" in said_by("prompts.jsonl", tmp_path)
    assert "nowhere" in said_by("prompts.jsonl", tmp_path / "nowhere")


def test_cron_mails_nothing_of_a_grid_that_is_away(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no zone is set" in said_by("grid fetch", tmp_path)
    monkeypatch.setenv("SPROUT_PROVIDER", "neso")
    monkeypatch.setenv("SPROUT_ZONE", "GB")
    assert sprout("grid", "fetch", env={"SPROUT_NESO_URL": "http://127.0.0.1:9"}).code == 75
    assert said_by("grid fetch", tmp_path) == ""


def test_every_service_has_its_timer() -> None:
    names = {unit.stem for unit in SERVICES}
    assert names == {"sprout-grid", "sprout-evaluate", "sprout-run", "sprout-report"}
    assert {unit.stem for unit in UNITS if unit.suffix == ".timer"} == names


@pytest.mark.parametrize("service", SERVICES, ids=lambda unit: unit.stem)
def test_trying_later_is_no_failure_of_a_service(service: Path) -> None:
    text = service.read_text()
    assert "Type=oneshot" in text
    codes = re.findall(r"^SuccessExitStatus=(.*)$", text, re.MULTILINE)
    assert "75" in " ".join(codes).split()


@pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze on this machine")
def test_systemd_finds_no_fault_in_the_units(tmp_path: Path) -> None:
    assert ANALYZE is not None
    for unit in UNITS:
        # the program must be there to be verified, and no user of that name is here
        text = unit.read_text().replace("/opt/sprout/bin/sprout", sys.executable)
        (tmp_path / unit.name).write_text(text.replace("User=sprout", "DynamicUser=yes"))
    found = subprocess.run(
        [ANALYZE, "verify", "--man=no", *tmp_path.iterdir()],
        check=False,
        capture_output=True,
        text=True,
    )
    if "Failed to" in found.stderr and "unit" not in found.stderr:
        pytest.skip(f"systemd-analyze cannot run here: {found.stderr.strip()}")
    faults = [line for line in found.stderr.splitlines() if "sprout-" in line]
    assert (found.returncode, faults) == (0, [])


@pytest.mark.skipif(ANALYZE is None, reason="no systemd-analyze on this machine")
def test_a_unit_with_a_fault_is_found_out(tmp_path: Path) -> None:
    assert ANALYZE is not None
    bad = tmp_path / "sprout-bad.service"
    bad.write_text("[Service]\nType=oneshot\nExecStart=relative/sprout\n")
    found = subprocess.run(
        [ANALYZE, "verify", "--man=no", bad], check=False, capture_output=True, text=True
    )
    assert found.returncode != 0
