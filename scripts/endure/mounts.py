"""Disks that fill up and folders that may only be read, as real mounts in our own namespace."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

from fault import DISK, PARALLEL, REPLAY, Part, Trial, place_in
from trial import Place, Verdicts

UNSHARE = ("unshare", "--map-root-user", "--mount", "--propagation", "private")
MOUNTS_ASIDE = "SPROUT_ENDURE_MOUNTS"  # set inside the namespace
DENIED = 77
SIZES_KB = (900, 160, 320, 400, 480, 640, 1300, 1800, 2400)


def enter_namespace() -> None:
    """Begin anew in a namespace where we may mount, if that can be had."""
    if MOUNTS_ASIDE in os.environ or shutil.which("unshare") is None:
        return
    if subprocess.run([*UNSHARE, "true"], check=False, capture_output=True).returncode == 0:
        os.environ[MOUNTS_ASIDE] = "1"
        os.execvp("unshare", [*UNSHARE, sys.executable, *sys.argv])  # noqa: S606, S607


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
        trial = Trial(name, place_in(folder, f"limit-{size_kb}"), verdicts)
        few = ("prlimit", f"--fsize={size_kb * 1024}")
        trial.resume(trial.expect(trial.place.run(*trial.command, prefix=few), {DISK}))
    if not can_mount(verdicts, "full disks"):
        return
    for size_kb in part.of(SIZES_KB):
        trial = Trial(f"a disk of {size_kb} kB", place_in(folder, f"disk-{size_kb}"), verdicts)
        mount("-t", "tmpfs", "-o", "size=64m", "tmpfs", trial.place.folder)
        command = trial.command  # writes the prompts
        used_kb = sum(path.stat().st_size for path in trial.place.folder.iterdir()) // 1024
        mount("-o", f"remount,size={used_kb + size_kb}k", trial.place.folder)
        kept = trial.expect(trial.place.run(*command), {DISK})
        mount("-o", "remount,size=64m", trial.place.folder)
        trial.resume(kept)
    for under in part.of(("store", "output")):
        trial = Trial(f"a full disk under the {under} alone", place_in(folder, under), verdicts)
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
        trial = Trial(f"a read-only folder of the {under}", place_in(folder, under), verdicts)
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
