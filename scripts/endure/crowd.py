#!/usr/bin/env python3
"""Eight `sprout run`s, a `grid fetch` every second and evaluations, all on one store.

The provider is a real HTTP server on loopback that answers in Energy-Charts' exact shape. Nobody
may hear "database is locked"; no row may be missing; and what the store sums to is what the output
lines sum to.

Example: scripts/endure/crowd.py --runs 8 --prompts 4000
"""

import argparse
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

from trial import (
    RECORDING,
    ROOT,
    Place,
    Verdicts,
    default_model,
    read_lines,
    write_prompts,
)

sys.path.insert(0, str(ROOT / "tests"))

from local import grid_server

FETCH_EVERY_S = 1.0
ROUNDING = 1e-9
NUM_MODEL_PROMPTS = 12


@contextmanager
def provider() -> Iterator[tuple[dict[str, str], grid_server.GridServer]]:
    """Serve intensities; yield the settings that lead there."""
    with grid_server.serving(grid_server.energy_charts(datetime.now(UTC))) as server:
        settings = {
            "SPROUT_ZONE": "DE",
            "SPROUT_PROVIDER": "energy_charts",
            "SPROUT_ENERGY_CHARTS_URL": server.url,
        }
        yield settings, server


def start_runs(
    place: Place, given: argparse.Namespace
) -> list[tuple[Path, int, subprocess.Popen[bytes]]]:
    """Start all runs; return output, prompts and process of each."""
    started = []
    model = default_model() if given.with_model else None
    for number in range(given.runs):
        is_real = model is not None and number == 0
        count = NUM_MODEL_PROMPTS if is_real else given.prompts
        prompts = write_prompts(place.folder / f"prompts-{number}.jsonl", count, reference="7")
        output = place.folder / f"out-{number}.jsonl"
        options = ("--max-tokens", 4) if is_real else ("--model", RECORDING, "--parallel", 2)
        started.append((output, count, place.start("run", prompts, "-o", output, *options)))
    return started


def disturb(place: Place, runs: list[subprocess.Popen[bytes]]) -> list[tuple[str, int, str]]:
    """Fetch every second and evaluate while the runs go on; return what each command said."""
    said: list[tuple[str, int, str]] = []
    fetch = evaluation = None
    fetched_s = 0.0
    while any(process.poll() is None for process in runs) or len(said) < 1:
        if fetch is None and time.perf_counter() - fetched_s >= FETCH_EVERY_S:
            fetch = place.start("grid", "fetch", "--max-age", "0m")
            fetched_s = time.perf_counter()
        if evaluation is None:
            evaluation = place.start("evaluate", "--prompts", 60, "--model", RECORDING)
        if fetch is not None and fetch.poll() is not None:
            said.append(("grid fetch", fetch.returncode, fetch.communicate()[1].decode()))
            fetch = None
        if evaluation is not None and evaluation.poll() is not None:
            stderr = evaluation.communicate()[1].decode()
            said.append(("evaluate", evaluation.returncode, stderr))
            evaluation = None
        time.sleep(0.02)
    for name, process in (("grid fetch", fetch), ("evaluate", evaluation)):
        if process is not None:
            _, stderr = process.communicate()
            said.append((name, process.returncode, stderr.decode()))
    return said


def check_run(place: Place, output: Path, count: int, verdicts: Verdicts) -> tuple[int, float]:
    """Check one run's rows against its lines; return how many, and their joules."""
    lines = read_lines(output)
    counts = Counter(line["custom_id"] for line in lines)
    told_j = sum(line["sprout"]["energy_j"] for line in lines)
    ((rows, energy_j, metered_j, idle_j),) = place.select(
        "SELECT count(*), sum(energy_j), metered_j, idle_j FROM completions c"
        " JOIN runs USING (run_id) WHERE output = ? AND c.finished_at IS NOT NULL",
        str(output),
    )
    holds = (
        counts == Counter(f"p{number}" for number in range(count))
        and rows == count
        and abs(energy_j - told_j) <= ROUNDING * told_j
        and energy_j + idle_j <= metered_j * (1 + ROUNDING)
    )
    verdicts.check(f"{output.name}: every line has its row, sums agree", holds, f"{rows} rows")
    return rows, energy_j


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--runs", type=int, default=8)
    parser.add_argument("--prompts", type=int, default=4000, help="of each run")
    parser.add_argument("--with-model", action="store_true", help="one run on the real model")
    given = parser.parse_args()
    verdicts = Verdicts()
    with tempfile.TemporaryDirectory() as name, provider() as (settings, server):
        place = Place(Path(name), settings)
        begun_s = time.perf_counter()
        started = start_runs(place, given)
        said = disturb(place, [process for _, _, process in started])
        for output, _, process in started:
            _, stderr = process.communicate()
            said.append((f"run {output.name}", process.returncode, stderr.decode()))
        wall_s = time.perf_counter() - begun_s
        faults = [each for each in said if each[1] != 0 or "Traceback" in each[2]]
        verdicts.check("every command ends with 0", not faults, faults or f"{len(said)} commands")
        locked = [each for each in said if "locked" in each[2]]
        verdicts.check('nobody hears "database is locked"', not locked, locked)
        found = [check_run(place, output, count, verdicts) for output, count, _ in started]
        print(f"      {sum(rows for rows, _ in found)} prompts in {wall_s:.0f} s beside", end=" ")
        names = Counter(name for name, _, _ in said)
        print(f"{names['grid fetch']} fetches and {names['evaluate']} evaluations")
        check_together(place, found, server, verdicts)
    return verdicts.end()


def check_together(
    place: Place,
    found: list[tuple[int, float]],
    server: grid_server.GridServer,
    verdicts: Verdicts,
) -> None:
    """Check what all commands share."""
    integrity = place.select("PRAGMA integrity_check")
    verdicts.check("the store is whole", integrity == [("ok",)], integrity[0][0])
    ((everything, by_task),) = place.select(
        "SELECT sum(num_requests) FILTER (WHERE task = '*'),"
        " sum(num_requests) FILTER (WHERE task <> '*') FROM profiles"
    )
    learned = everything == by_task and everything >= sum(rows for rows, _ in found)
    verdicts.check("every request was learned from once", learned, everything)
    ((tallied, energy_j),) = place.select("SELECT sum(num_answered), sum(energy_j) FROM tallies")
    rows, row_j = sum(rows for rows, _ in found), sum(each_j for _, each_j in found)
    verdicts.check(
        "reports sum what the rows sum to",
        tallied == rows and abs(energy_j - row_j) <= ROUNDING * row_j,
        f"{tallied} answers, {energy_j:.2f} J",
    )
    (slots,) = place.select("SELECT count(*), count(DISTINCT start_utc) FROM intensities")
    verdicts.check("every fetched slot is there once", slots[0] == slots[1] > 0, slots[0])
    verdicts.check("the provider was asked again and again", len(server.seen) > 1, len(server.seen))
    judged = place.select("SELECT count(*), count(DISTINCT evaluation_id) FROM evaluations")
    verdicts.check("evaluations are recorded, each once", judged[0][0] == judged[0][1] > 0, judged)


if __name__ == "__main__":
    sys.exit(main())
