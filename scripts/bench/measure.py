"""Runs commands in turn and compares them: ratios of medians within one run."""

import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SPROUT = Path(sys.executable).with_name("sprout")
RECORDING = ROOT / "tests" / "cli" / "recording.jsonl"
"""Answers of the default model, which the recorded engine replays."""


@dataclass(frozen=True, slots=True)
class Finished:
    """One process that ended well: wall seconds, peak memory in MB, standard output."""

    wall_s: float
    peak_mb: float
    stdout: str


def run(command: Sequence[str | Path], state: Path | None = None, **settings: str) -> Finished:
    """Run a command to its end and measure it; `settings` go into its environment."""
    environment = os.environ | ({"SPROUT_STATE": str(state)} if state else {}) | settings
    started_s = time.perf_counter()
    with subprocess.Popen(
        [str(word) for word in command], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        stdout = process.stdout.read() if process.stdout else ""
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{command[0]} ended with {process.returncode}")
    return Finished(time.perf_counter() - started_s, usage.ru_maxrss / 1024, stdout)


def in_turn(rounds: int, *sides: Callable[[], float]) -> list[list[float]]:
    """Return each side's values, measured side by side so that drift hits all alike."""
    values: list[list[float]] = [[] for _ in sides]
    for _ in range(rounds):
        for found, side in zip(values, sides, strict=True):
            found.append(side())
    return values


def show(name: str, values: Sequence[float], unit: str) -> float:
    """Print and return the median of a side, with its range."""
    median = statistics.median(values)
    print(f"{name:<38} {median:10.3f} {unit}  ({min(values):.3f} to {max(values):.3f})")
    return median
