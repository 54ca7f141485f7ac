"""The programs of scripts/endure in their smallest form; at full length they are run by hand."""

import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).resolve().parents[2] / "scripts" / "endure"
NAMES = sorted(path.name for path in PROGRAMS.glob("*.py") if path.read_bytes().startswith(b"#!"))
PATIENCE_S = 240.0


def run(program: str, *options: object) -> str:
    """Run a program, which must find nothing wrong; return what it said."""
    found = subprocess.run(
        [sys.executable, PROGRAMS / program, *map(str, options)],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert found.returncode == 0, found.stdout + found.stderr
    assert "passed: " in found.stdout
    assert "FAIL" not in found.stdout
    return found.stdout


@pytest.mark.slow
@pytest.mark.parametrize("program", NAMES)
def test_every_program_says_what_it_does(program: str) -> None:
    found = subprocess.run(
        [sys.executable, PROGRAMS / program, "--help"], check=True, capture_output=True, text=True
    )
    assert "Example: scripts/endure/" in found.stdout


@pytest.mark.slow
def test_a_spoilt_byte_of_the_store_loses_no_answer() -> None:
    run("damage.py", "--seeds", 6)


@pytest.mark.slow
def test_a_crowd_on_one_store_loses_no_row() -> None:
    run("crowd.py", "--runs", 8, "--prompts", 80)


@pytest.mark.slow
def test_thousands_of_prompts_take_no_more_memory_and_no_more_time_each() -> None:
    # lines come in bursts: with a tenth of fewer its rate is chance
    run("million.py", "--prompts", 40_000, "--least-rate", 0.5)


@pytest.mark.slow
# signals and standard output have tests of their own in tests/cli
@pytest.mark.parametrize("fault", ["disk", "denied", "clock"])
def test_a_fault_is_told_clearly_and_the_run_goes_on(fault: str) -> None:
    run("faults.py", "--quick", "--only", fault)


@pytest.mark.model
def test_bad_prompts_and_a_cache_that_cannot_be_had_end_clearly() -> None:
    run("faults.py", "--quick", "--only", "memory", "prompts")


@pytest.mark.model
def test_runs_of_the_model_that_are_killed_come_to_what_an_uninterrupted_one_does() -> None:
    run("kills.py", "--mode", "exact", "--kills", 3, "--prompts", 8, "--max-tokens", 4)
