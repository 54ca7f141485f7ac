#!/usr/bin/env python3
"""Spoil one random byte of the store of an interrupted run, many times over, and go on.

Even seeds spoil a store that was closed, odd ones the write-ahead log of one that was killed.
For each seed: no command may end in a traceback; whatever it says is one clear message with an exit
status; the answers in the output file stay as they are; and where the store can be used no more,
the run continues on a fresh one with --adopt, each prompt answered once.

Example: scripts/endure/damage.py --seeds 300
"""

import argparse
import random
import shutil
import sqlite3
import sys
import tempfile
import traceback
from collections import Counter
from contextlib import closing
from pathlib import Path

from trial import RECORDING, Ended, Place, Verdicts, read_lines, write_prompts
from typer.testing import CliRunner

NUM_PROMPTS = 60
CLEAR_CODES = {0, 3, 66, 73, 74, 75, 77, 78}
SET_SHARE = 0.5  # most of a small store's pages are empty
CLOSE_ENOUGH = 40  # prompts answered before the damage


def invoke(place: Place, *words: object) -> Ended:
    """Run a command in this process, hundreds of times faster than in one of its own."""
    from sprout.cli.app import app  # noqa: PLC0415 - after --help

    found = CliRunner().invoke(app, [str(word) for word in words], env=place.environment)
    escaped = found.exception is not None and not isinstance(found.exception, SystemExit)
    trace = "".join(traceback.format_exception(found.exception)) if escaped else ""
    return Ended(found.exit_code, found.stdout, found.stderr + trace)


def spoil(path: Path, rng: random.Random) -> str:
    """Change one byte of a file to another value, and say which; half the time one that is set."""
    data = bytearray(path.read_bytes())
    places = [n for n, byte in enumerate(data) if byte] if rng.random() < SET_SHARE else data
    place = rng.choice(places) if places is not data else rng.randrange(len(data))
    before = data[place]
    data[place] = (before + rng.randrange(1, 256)) % 256
    path.write_bytes(bytes(data))
    return f"byte {place} from {before} to {data[place]}"


def commands(place: Place) -> list[tuple[object, ...]]:
    """Return what is tried on a damaged store; the run itself comes last."""
    options = ("--model", RECORDING)
    return [
        ("status",),
        ("report", "--by", "task"),
        ("optimize", *options),
        ("evaluate", "--show", *options),
        ("doctor", *options),
        ("grid", "show", "--zone", "DE"),
        resume(place),
    ]


def resume(place: Place, *more: object) -> tuple[object, ...]:
    """Return the command that continues the run."""
    prompts, output = place.folder / "prompts.jsonl", place.folder / "out.jsonl"
    return ("run", prompts, "-o", output, "--model", RECORDING, *more)


def prepare(place: Place) -> None:
    """Leave an interrupted run, a finished one, and an evaluation's worth of texts."""
    write_prompts(place.folder / "prompts.jsonl", NUM_PROMPTS)
    few = write_prompts(place.folder / "few.jsonl", 30, reference="7")
    for words in (
        ("run", few, "-o", place.folder / "few.out.jsonl", "--model", RECORDING),
        resume(place, "--limit", CLOSE_ENOUGH),
        ("evaluate", "--prompts", 5, "--model", RECORDING),
    ):
        found = invoke(place, *words)
        if found.code != 0:
            sys.exit(f"cannot prepare: {words} ended with {found.code}: {found.stderr}")


def try_seed(seed: int, place: Place, codes: Counter[tuple[str, int]]) -> list[str]:
    """Return what is wrong with how Sprout takes one spoilt byte."""
    faults: list[str] = []
    log = place.store.with_name("sprout.db-wal")
    spoilt = log if log.exists() else place.store
    told = f"seed {seed}, {spoilt.name}, "
    told += spoil(spoilt, random.Random(seed))  # noqa: S311 - to be repeatable
    output = place.folder / "out.jsonl"
    kept = output.read_bytes()

    def attempt(name: str, words: tuple[object, ...]) -> Ended:
        found = invoke(place, *words)
        codes[name, found.code] += 1
        if found.code not in CLEAR_CODES or not found.is_clear:
            faults.append(f"{told}, {name}: exit {found.code}: {found.stderr}")
        if not output.read_bytes().startswith(kept):
            faults.append(f"{told}, {name}: answers were changed")
        return found

    found = Ended(0, "", "")
    for words in commands(place):
        found = attempt(str(words[0]), words)
    if found.code != 0:
        for path in place.folder.glob("sprout.db*"):
            path.rename(path.with_name(f"damaged-{path.name}"))
        found = attempt("run --adopt", resume(place, "--adopt"))
        if found.code != 0:
            faults.append(f"{told}: the run cannot be continued: {found.stderr}")
    counts = Counter(line["custom_id"] for line in read_lines(output))
    if counts != Counter(f"p{number}" for number in range(NUM_PROMPTS)):
        faults.append(f"{told}: {len(counts)} prompts answered, not each once")
    return faults


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seeds", type=int, default=100)
    parser.add_argument("--first-seed", type=int, default=0)
    given = parser.parse_args()
    seeds = range(given.first_seed, given.first_seed + given.seeds)
    verdicts = Verdicts()
    faults: list[str] = []
    codes: Counter[tuple[str, int]] = Counter()
    with tempfile.TemporaryDirectory() as name:
        # always in the same folder: a run is known by where it writes
        place = Place(Path(name) / "trial")
        closed, killed = Path(name) / "closed", Path(name) / "killed"
        place.folder.mkdir()
        prepare(place)
        place.folder.rename(closed)
        place.folder.mkdir()
        place.run("status")  # makes the store
        with closing(sqlite3.connect(place.store)) as held:
            held.execute("SELECT count(*) FROM runs").fetchone()  # keeps the log from being folded
            prepare(place)
            shutil.copytree(place.folder, killed, ignore=shutil.ignore_patterns("*-shm"))
        shutil.rmtree(place.folder)
        for seed in seeds:
            shutil.copytree(killed if seed % 2 else closed, place.folder)
            faults += try_seed(seed, place, codes)
            shutil.rmtree(place.folder)
    for fault in faults:
        print(fault)
    for (command, code), count in sorted(codes.items()):
        print(f"{command:<12} exit {code:3}: {count} times")
    verdicts.check(f"{given.seeds} spoilt bytes, each told clearly", not faults, len(faults))
    return verdicts.end()


if __name__ == "__main__":
    sys.exit(main())
