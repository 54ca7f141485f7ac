"""Every exit status that the man pages promise, reached by a real command line."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from subprocess import PIPE

import pytest
from cli.program import (
    PATIENCE_S,
    REPLAY,
    read_lines,
    run_process,
    sprout,
    start,
    wait_for_lines,
    write_lines,
)

from sprout.errors import EXIT_CODES

BUG = 1  # is not reached on purpose


def done(prompts: Path) -> int:
    return sprout("run", prompts, *REPLAY, "-o", "out.jsonl").code


def wrong_usage(_prompts: Path) -> int:
    return sprout("prune", "--older-than", "soon").code


def partly_done(_prompts: Path) -> int:
    write_lines(Path("mixed.jsonl"), [{"prompt": "Hello?"}, "{"])
    return sprout("run", "mixed.jsonl", *REPLAY, "-o", "out.jsonl").code


def bad_data(prompts: Path) -> int:
    Path("model.gguf").write_bytes(b"PK\3\4")
    return sprout("run", prompts, "--model", "model.gguf").code


def no_input(_prompts: Path) -> int:
    return sprout("run", "missing.jsonl", *REPLAY).code


def model_unavailable(prompts: Path) -> int:
    Path("model.gguf").write_bytes(b"GGUF" + bytes(1000))
    return sprout("run", prompts, "--model", "model.gguf").code


def output_finished(prompts: Path) -> int:
    done(prompts)
    return done(prompts)


def no_place(prompts: Path) -> int:
    return sprout("run", prompts, *REPLAY, "-o", "nowhere/out.jsonl").code


def unended(prompts: Path) -> subprocess.Popen[bytes]:
    """Start a run that has answered all but goes on, as its standard input has no end yet."""
    process = start("run", "-", *REPLAY, "-o", "out.jsonl", stdin=PIPE, stderr=subprocess.DEVNULL)
    assert process.stdin is not None
    process.stdin.write(prompts.read_bytes())
    process.stdin.flush()
    wait_for_lines(Path("out.jsonl"), 10, process)
    return process


def lock_held(prompts: Path) -> int:
    with unended(prompts) as first:
        second = sprout("run", prompts, *REPLAY, "-o", "out.jsonl")
    assert first.returncode == 0
    assert len(read_lines(Path("out.jsonl"))) == 10
    assert "another run is writing" in second.stderr
    return second.code


def no_permission(prompts: Path) -> int:
    return sprout("run", prompts, *REPLAY, "--state", "/proc/sprout.db").code


def not_measured(_prompts: Path) -> int:
    return sprout("optimize", *REPLAY).code


def interrupted(prompts: Path, number: int) -> int:
    with unended(prompts) as process:
        process.send_signal(number)
        return process.wait(PATIENCE_S)


def reader_left(_prompts: Path) -> int:
    process = start("status", stdout=subprocess.PIPE)
    assert process.stdout is not None
    process.stdout.close()
    return process.wait(PATIENCE_S)


CASES: dict[int, Callable[[Path], int]] = {
    0: done,
    2: wrong_usage,
    3: partly_done,
    65: bad_data,
    66: no_input,
    69: model_unavailable,
    73: output_finished,
    74: no_place,
    75: lock_held,
    77: no_permission,
    78: not_measured,
    130: lambda prompts: interrupted(prompts, signal.SIGINT),
    141: reader_left,
    143: lambda prompts: interrupted(prompts, signal.SIGTERM),
}


@pytest.mark.parametrize("code", sorted(EXIT_CODES.keys() - {BUG}))
def test_every_documented_exit_status_is_reached(code: int, prompts: Path) -> None:
    assert CASES[code](prompts) == code


def test_a_wrong_option_is_wrong_usage() -> None:
    assert run_process("run", "--no-such-option").code == 2
