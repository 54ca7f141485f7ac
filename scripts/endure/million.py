#!/usr/bin/env python3
"""Serve a million prompts with the recorded engine: flat memory, constant rate, store size.

Peak memory of the last tenth may lie at most 60 MB above that of the first, and the last tenth must
go at 0.9 times the rate of the first or faster. A shared machine makes the wall clock say little,
so the rate is told by CPU seconds too; the verdict goes by these, and both are printed.

Example: scripts/endure/million.py --prompts 1000000
"""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

from trial import RECORDING, Place, Verdicts, write_prompts

NUM_PARTS = 10
MOST_GROWTH_MB = 60.0
LEAST_RATE = 0.9
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Part:
    """A tenth of the run: prompts answered, seconds taken, and the most memory in it."""

    num_prompts: int
    wall_s: float
    cpu_s: float
    peak_mb: float
    store_mb: float


def cpu_seconds(pid: int) -> float:
    """Return the CPU seconds that a process took so far, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


def peak_mb(pid: int) -> float:
    """Return the peak resident memory since the last call, in MB, and begin anew."""
    status = Path(f"/proc/{pid}/status").read_text()
    peak_kb = next(line.split()[1] for line in status.splitlines() if line.startswith("VmHWM"))
    Path(f"/proc/{pid}/clear_refs").write_text("5")
    return int(peak_kb) / 1024


class Counter:
    """Counts the lines of a growing file."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._position = 0
        self.num_lines = 0

    def update(self) -> int:
        """Return how many lines there are by now."""
        if self._path.exists():
            with self._path.open("rb") as file:
                file.seek(self._position)
                while data := file.read(1 << 22):
                    self._position += len(data)
                    self.num_lines += data.count(b"\n")
        return self.num_lines


def watch(process: subprocess.Popen[bytes], place: Place, output: Path, count: int) -> list[Part]:
    """Follow a run to its end and return its parts."""
    counter = Counter(output)
    parts: list[Part] = []
    while not counter.update() and process.poll() is None:
        time.sleep(0.02)
    peak_mb(process.pid)  # of loading, which is no part
    begun = (counter.num_lines, time.perf_counter(), cpu_seconds(process.pid))
    while process.poll() is None and len(parts) < NUM_PARTS - 1:
        time.sleep(0.01)
        # an equal part of what was left: lines are seen in bursts, which may pass a whole part
        if counter.update() < begun[0] + (count - begun[0]) // (NUM_PARTS - len(parts)):
            continue
        now = (counter.num_lines, time.perf_counter(), cpu_seconds(process.pid))
        parts.append(_part(begun, now, peak_mb(process.pid), place))
        begun = now
    # the last part ends with its last line, not with the sums that finish a run
    now = begun
    peak = 0.0
    while counter.update() < count and process.poll() is None:
        now = (counter.num_lines, time.perf_counter(), cpu_seconds(process.pid))
        time.sleep(0.005)
    if process.poll() is None:
        now = (counter.num_lines, time.perf_counter(), cpu_seconds(process.pid))
        peak = peak_mb(process.pid)
    return [*parts, _part(begun, now, peak, place)]


def _part(
    begun: tuple[int, float, float], now: tuple[int, float, float], peak: float, place: Place
) -> Part:
    num, wall_s, cpu_s = (after - before for before, after in zip(begun, now, strict=True))
    store = [path for path in place.folder.glob("sprout.db*") if path.name != "sprout.db-shm"]
    size = sum(path.stat().st_size for path in store)
    return Part(int(num), wall_s, cpu_s, peak, size / 2**20)


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--prompts", type=int, default=1_000_000)
    parser.add_argument("--parallel", type=int, default=16)
    parser.add_argument("--least-rate", type=float, default=LEAST_RATE)
    given = parser.parse_args()
    count, parallel, least_rate = given.prompts, given.parallel, given.least_rate
    verdicts = Verdicts()
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name))
        output = place.folder / "out.jsonl"
        options = ("--model", RECORDING, "--parallel", parallel)
        few = write_prompts(place.folder / "few.jsonl", 10)
        place.run("run", few, "-o", place.folder / "few.out.jsonl", *options)  # calibrates
        many = write_prompts(place.folder / "many.jsonl", count)
        begun_s = time.perf_counter()
        process = place.start("run", many, "-o", output, *options, stdout=subprocess.DEVNULL)
        parts = watch(process, place, output, count)
        _, stderr = process.communicate()
        wall_s = time.perf_counter() - begun_s
        print("tenth   prompts    /s wall   /s CPU    peak MB   store MB")
        for number, part in enumerate(parts, start=1):
            print(
                f"{number:5} {part.num_prompts:9} {part.num_prompts / part.wall_s:10.0f}"
                f" {part.num_prompts / part.cpu_s:8.0f} {part.peak_mb:10.1f} {part.store_mb:10.1f}"
            )
        verdicts.check("the run ends well", process.returncode == 0, stderr.decode() or "exit 0")
        ((num_rows, num_ids),) = place.select(
            "SELECT count(*), count(DISTINCT prompt_id) FROM completions JOIN runs USING (run_id)"
            " WHERE output = ? AND completions.finished_at IS NOT NULL AND error IS NULL",
            str(output),
        )
        verdicts.check("the store has every prompt once", num_rows == num_ids == count, num_rows)
        first, last = parts[0], parts[-1]
        grown = last.peak_mb - first.peak_mb
        verdicts.check(
            f"memory is flat (at most +{MOST_GROWTH_MB:.0f} MB)",
            last.peak_mb > 0 and grown <= MOST_GROWTH_MB,
            f"peak {first.peak_mb:.0f} MB in the first tenth, {last.peak_mb:.0f} in the last",
        )
        ratios = [
            (last.num_prompts / taken_last) / (first.num_prompts / taken_first)
            for taken_first, taken_last in ((first.wall_s, last.wall_s), (first.cpu_s, last.cpu_s))
        ]
        verdicts.check(
            f"the rate is constant (at least {least_rate})",
            ratios[1] >= least_rate,
            f"last tenth against the first {ratios[1]:.2f} by CPU, {ratios[0]:.2f} by the clock",
        )
        size_mb = place.store.stat().st_size / 2**20
        print(
            f"{count} prompts in {wall_s:.0f} s ({count / wall_s:.0f}/s); store {size_mb:.0f} MB,"
            f" {size_mb * 2**20 / count:.0f} bytes a prompt; output"
            f" {output.stat().st_size / 2**20:.0f} MB"
        )
    return verdicts.end()


if __name__ == "__main__":
    sys.exit(main())
