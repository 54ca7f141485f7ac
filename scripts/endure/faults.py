#!/usr/bin/env python3
"""Take the ground away from under runs: disk, permission, clock, signals, output, memory, prompts.

Every fault must end in one clear message and its exit status, and the same command must then
continue: what was answered stays byte for byte, and each prompt is answered once. Full and
read-only disks are real mounts in a namespace of their own (unshare); the stepped clock is that of
one process (clock.c, preloaded).

Example: scripts/endure/faults.py --only disk clock
"""

import argparse
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from fault import COUNT, DISK, REPLAY, Part, Trial, place_in
from model_faults import memory, prompts
from mounts import denied, disk, enter_namespace
from trial import Ended, Verdicts, num_lines, write_prompts

HOUR_S = 3600
NUM_SIGNALS = 24


def clock(folder: Path, verdicts: Verdicts, part: Part) -> None:
    """The clock is set back and forth by an hour, between runs and during one."""
    library, offset = folder / "clock.so", folder / "offset"
    source = Path(__file__).with_name("clock.c")
    compiler = shutil.which("cc")
    if compiler is None:
        verdicts.skip("a stepped clock", "no C compiler (cc) for clock.c")
        return
    built = [compiler, "-shared", "-fPIC", "-O1", "-o", str(library), str(source), "-ldl"]
    subprocess.run(built, check=True)
    stepped = {"LD_PRELOAD": str(library), "CLOCK_OFFSET_FILE": str(offset)}

    def step(hours: int) -> None:
        fresh = offset.with_suffix(".new")
        fresh.write_text(str(hours * HOUR_S))
        fresh.replace(offset)

    for first, then in part.of(((0, -1), (0, 1), (2, -3))):
        name = f"the clock steps from {first:+} h to {then:+} h"
        trial = Trial(
            f"{name} between runs", place_in(folder, f"b{first}{then}", stepped), verdicts
        )
        step(first)
        trial.place.run(*trial.command, "--limit", 100)
        kept = trial.output.read_bytes()
        step(then)
        trial.resume(kept)
        # another run of the same file, which is then the older one by the clock
        trial.place.run(*trial.command, "--overwrite", "--limit", 50)
        kept = trial.output.read_bytes()
        step(then + 1)
        trial.resume(kept)
        trial = Trial(
            f"{name} during a run", place_in(folder, f"d{first}{then}", stepped), verdicts
        )
        step(first)
        command = (*trial.command, "--parallel", 1)
        process = trial.place.start(*command)
        while process.poll() is None and num_lines(trial.output) < COUNT // 3:
            time.sleep(0.005)
        step(then)
        _, stderr = process.communicate()
        trial.expect(Ended(process.returncode, "", stderr.decode()), {0})
        trial.resume(trial.output.read_bytes())
        negative = trial.place.select(
            "SELECT count(*) FROM completions WHERE duration_s < 0 OR busy_s < 0 OR energy_j < 0"
        )
        verdicts.check(f"{name} during a run: no span is negative", negative == [(0,)])
        for words in (("status",), ("report",), ("optimize", *REPLAY), ("evaluate", *REPLAY)):
            found = trial.place.run(*words)
            clear = found.is_clear and found.code in {0, 65, 78}
            verdicts.check(f"{name}: sprout {words[0]}", clear, f"{found.code} {found.stderr}")


def signals(folder: Path, verdicts: Verdicts, part: Part) -> None:
    """SIGTERM, SIGINT, and both twice, at random moments from the first millisecond on."""
    rng = random.Random(7)  # noqa: S311 - to be repeatable
    count = 4000 if part.is_quick else 30_000
    trial = Trial("signals", place_in(folder, "signals"), verdicts, count)
    command = (*trial.command, "--parallel", 1)
    faults: list[str] = []
    codes: Counter[tuple[str, int]] = Counter()
    for number in part.of(range(NUM_SIGNALS)):
        kinds = rng.choice([[signal.SIGINT], [signal.SIGTERM], [signal.SIGINT] * 2])
        kept = trial.output.read_bytes() if trial.output.exists() else b""
        process = trial.place.start(*command)
        wait_s = rng.uniform(0.0, 4.0)
        time.sleep(wait_s)
        for kind in kinds:
            process.send_signal(kind)
            time.sleep(rng.uniform(0.0, 0.05))
        _, stderr = process.communicate()
        name = "+".join(kind.name for kind in kinds)
        codes[name, process.returncode] += 1
        data = trial.output.read_bytes() if trial.output.exists() else b""
        whole = kept[: kept.rfind(b"\n") + 1]
        good = process.returncode in {0, 73, 130, 143, -signal.SIGINT, -signal.SIGTERM}
        if not good or not _is_quiet(stderr, process.returncode) or not data.startswith(whole):
            told = stderr.decode()
            faults.append(f"{number}: {name} at {wait_s:.3f} s: {process.returncode} {told}")
    verdicts.check(
        f"{sum(codes.values())} signals, each told clearly", not faults, "\n".join(faults)
    )
    print("      " + ", ".join(f"{n} exit {c}: {k}" for (n, c), k in sorted(codes.items())))
    trial.resume(trial.output.read_bytes() if trial.output.exists() else b"")


def _is_quiet(stderr: bytes, code: int) -> bool:
    """Return whether there is no traceback but that of an interpreter that is only starting."""
    frames = [line for line in stderr.splitlines() if line.startswith(b'  File "')]
    is_ours = any(b"/sprout/" in frame and b"__main__.py" not in frame for frame in frames)
    return not frames or (code == -signal.SIGINT and not is_ours)


def output(folder: Path, verdicts: Verdicts, _part: Part) -> None:
    """Standard output is closed: from the start, or after the first line."""
    place = place_in(folder, "output")
    prompts = write_prompts(place.folder / "prompts.jsonl", COUNT)
    words = [sys.executable, "-m", "sprout", "run", str(prompts), *map(str, REPLAY)]
    pipe = ("bash", "-c", '"$@" | head -1; exit "${PIPESTATUS[0]}"', "bash", *words)
    for name, line, wanted in (
        ("head -1", pipe, 1),
        ("standard output closed at the start", ("bash", "-c", 'exec "$@" >&-', "b", *words), 0),
        ("a full device", ("bash", "-c", 'exec "$@" >/dev/full', "b", *words), 0),
    ):
        found = subprocess.run(
            line, check=False, capture_output=True, text=True, env=place.environment
        )
        said = found.stderr.count("\n") == 1 and "Traceback" not in found.stderr
        lines = [json.loads(text) for text in found.stdout.splitlines()]
        verdicts.check(
            f"{name}: exit {DISK} and one message",
            found.returncode == DISK and said and len(lines) == wanted,
            f"{found.returncode} {found.stderr}",
        )
    whole = place.select("PRAGMA integrity_check")
    verdicts.check("the store is whole", whole == [("ok",)])


FAULTS: dict[str, Callable[[Path, Verdicts, Part], None]] = {
    "disk": disk,
    "denied": denied,
    "clock": clock,
    "signals": signals,
    "output": output,
    "memory": memory,
    "prompts": prompts,
}


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--only", nargs="+", choices=FAULTS, default=list(FAULTS))
    parser.add_argument("--quick", action="store_true", help="a fifth of the cases")
    given = parser.parse_args()
    enter_namespace()
    verdicts = Verdicts()
    for name in given.only:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            FAULTS[name](Path(folder), verdicts, Part(given.quick))
    return verdicts.end()


if __name__ == "__main__":
    sys.exit(main())
