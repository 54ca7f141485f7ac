"""Every exit status that the man pages promise, reached by a real command line."""

import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

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
    write_prompts,
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


def lock_held(_prompts: Path) -> int:
    many, out = write_prompts(Path("many.jsonl"), 500), Path("out.jsonl")
    command = ("run", many, *REPLAY, "-o", out, "--parallel", 1)
    first = start(*command)
    wait_for_lines(out, 1, first)
    first.send_signal(signal.SIGSTOP)
    second = sprout(*command)
    first.send_signal(signal.SIGCONT)
    assert first.wait(PATIENCE_S) == 0
    assert len(read_lines(out)) == 500
    assert "another run is writing" in second.stderr
    return second.code


def no_permission(prompts: Path) -> int:
    return sprout("run", prompts, *REPLAY, "--state", "/proc/sprout.db").code


def not_measured(_prompts: Path) -> int:
    return sprout("optimize", *REPLAY).code


def interrupted(number: int) -> int:
    prompts, out = write_prompts(Path("many.jsonl"), 3000), Path("out.jsonl")
    process = start("run", prompts, *REPLAY, "-o", out, "--parallel", 1, stderr=subprocess.DEVNULL)
    wait_for_lines(out, 5, process)
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
    130: lambda _: interrupted(signal.SIGINT),
    141: reader_left,
    143: lambda _: interrupted(signal.SIGTERM),
}


@pytest.mark.parametrize("code", sorted(EXIT_CODES.keys() - {BUG}))
def test_every_documented_exit_status_is_reached(code: int, prompts: Path) -> None:
    assert CASES[code](prompts) == code


def test_a_wrong_option_is_wrong_usage() -> None:
    assert run_process("run", "--no-such-option").code == 2
