"""Runs the `sprout` command: inside this process, or as a process of its own."""

import ctypes
import json
import os
import pty
import random
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from typer.testing import CliRunner

from sprout.cli.app import app

RECORDING = Path(__file__).with_name("recording.jsonl")
"""Answers of the default model at L0, L1 and L2, as `sprout run` wrote them."""

REPLAY = ("--model", str(RECORDING))
PATIENCE_S = 60.0
PR_CAPBSET_DROP = 24

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Result:
    """How a command ended and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def envelope(self) -> Json:
        """The one JSON object on standard output."""
        assert self.stdout.count("\n") == 1, self.stdout
        value = json.loads(self.stdout)
        assert isinstance(value, dict)
        return value

    @property
    def data(self) -> Json:
        """What the envelope carries."""
        data = self.envelope["data"]
        assert isinstance(data, dict)
        return data


def sprout(*args: object, stdin: str | bytes = "", env: dict[str, str] | None = None) -> Result:
    """Run a command in this process; a traceback fails the test."""
    found = CliRunner().invoke(app, [str(arg) for arg in args], input=stdin, env=env)
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return Result(found.exit_code, found.stdout, found.stderr)


def command_line(*args: object) -> list[str]:
    return [sys.executable, "-m", "sprout", *map(str, args)]


def start(*args: object, **options: Any) -> subprocess.Popen[bytes]:
    """Start a command as a process of its own."""
    return subprocess.Popen(command_line(*args), **options)


def lose_privileges() -> None:
    """Let root be refused what a file's mode refuses; for `preexec_fn`."""
    for capability in (1, 2):  # CAP_DAC_OVERRIDE, CAP_DAC_READ_SEARCH
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def run_process(*args: object, prefix: Iterable[str] = (), **options: Any) -> Result:
    """Run a command as a process of its own; `prefix` is the start of its command line."""
    found = subprocess.run(
        [*prefix, *command_line(*args)],
        check=False,
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        **options,
    )
    return Result(found.returncode, found.stdout, found.stderr)


def run_on_terminal(*args: object, env: dict[str, str]) -> Result:
    """Run a command whose standard error is a terminal, and whose standard output is a pipe."""
    main_end, other_end = pty.openpty()
    process = start(
        *args,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=other_end,
        env=os.environ | {"TERM": "xterm-256color", "COLUMNS": "80"} | env,
    )
    os.close(other_end)
    seen = bytearray()
    watcher = threading.Thread(target=_drain, args=(main_end, seen))
    watcher.start()
    stdout, _ = process.communicate(timeout=PATIENCE_S)
    watcher.join(PATIENCE_S)
    os.close(main_end)
    return Result(process.returncode, stdout.decode(), seen.decode())


def _drain(descriptor: int, seen: bytearray) -> None:
    while True:
        try:
            data = os.read(descriptor, 1 << 16)
        except OSError:  # how Linux says that the other end is closed
            return
        if not data:
            return
        seen += data


def wait_for_lines(path: Path, count: int, process: subprocess.Popen[bytes]) -> None:
    """Return when a file has so many lines, or the process that writes it has ended."""
    wait_until(lambda: path.exists() and path.read_bytes().count(b"\n") >= count, process)


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes]) -> None:
    """Return when something is so, or the process that brings it about has ended."""
    give_up_s = time.perf_counter() + PATIENCE_S
    while process.poll() is None and time.perf_counter() < give_up_s and not is_so():
        time.sleep(0.001)


def write_lines(path: Path, lines: Iterable[Json | str]) -> Path:
    """Write a prompt file; a text is written as it is."""
    texts = [line if isinstance(line, str) else json.dumps(line) for line in lines]
    path.write_text("".join(f"{text}\n" for text in texts), encoding="utf-8")
    return path


def write_prompts(path: Path, count: int) -> Path:
    """Write a file of so many prompts of two tasks."""
    rng = random.Random(count)  # noqa: S311 - to be repeatable
    return write_lines(
        path,
        (
            {"id": f"q{n}", "prompt": f"Question {n}?", "task": rng.choice(["qa", "maths"])}
            for n in range(count)
        ),
    )


def read_lines(path: Path) -> list[Json]:
    """Return the objects of a JSON-lines file, whose last line must be whole."""
    data = path.read_bytes()
    assert data == b"" or data.endswith(b"\n")
    return [json.loads(line) for line in data.splitlines()]


def ids(lines: Iterable[Json]) -> list[str]:
    return [line["custom_id"] for line in lines]


def levels(lines: Iterable[Json]) -> dict[str, str]:
    return {line["custom_id"]: line["sprout"]["level"] for line in lines}


def select(store: Path, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
    """Return what a query says of the store's file."""
    connection = sqlite3.connect(store)
    try:
        return connection.execute(sql, parameters).fetchall()
    finally:
        connection.close()


def change(store: Path, sql: str, *parameters: object) -> None:
    """Change the store's file behind Sprout's back."""
    connection = sqlite3.connect(store)
    try:
        with connection:
            connection.execute(sql, parameters)
    finally:
        connection.close()
