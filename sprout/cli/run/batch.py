"""One run of a batch: its output file, what it remembers, and the loop that serves it."""

import os
import secrets
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from itertools import islice
from pathlib import Path

from sprout import outfile
from sprout.cli.locking import held
from sprout.cli.wiring import Known
from sprout.directives import DirectiveSet
from sprout.errors import (
    DiskError,
    OutputExistsError,
    PermissionDeniedError,
    UsageError,
)
from sprout.planning.plan import Plan, PlanOptions
from sprout.planning.planner import make
from sprout.planning.strict import check_strict
from sprout.prompts import Prompt, Rejected
from sprout.report.foreign import showable
from sprout.run import Remembered
from sprout.state.completions import Completions
from sprout.state.plans import Plans
from sprout.state.reconciliation import reconcile
from sprout.state.runs import Runs
from sprout.state.store import Store

NUM_COMPARED = 10_000
"""Answers that are looked at to tell whether prompts are of another batch: a second's reading."""

NUM_READ = 100_000
"""Prompts that are read for it at most."""


@dataclass(frozen=True, slots=True)
class Target:
    """Where answers go, and whether an unfinished run is continued there.

    Args:
        repeated: ids that the file holds twice: a kill came before the old line was dropped.
        is_adopted: whether the store does not know the run that is continued.
    """

    run_id: str
    output: Path | None
    is_resumed: bool
    repeated: frozenset[str] = frozenset()
    is_adopted: bool = False


def new_run_id(now: datetime) -> str:
    """Return a name for a new run."""
    return f"run-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"


def check_places(written: Iterable[Path], read: Iterable[Path]) -> None:
    """Refuse to write over a file that is read, twice into one file, or where there is no folder.

    Raises:
        UsageError: two of the paths lead to the same file.
        DiskError: the folder is not there, or the path itself is a folder.
        PermissionDeniedError: the folder may not be entered.
    """
    taken = {os.path.realpath(path) for path in read}
    for path in written:
        place = os.path.realpath(path)
        if place in taken:
            raise UsageError(f"{path} has another part in this run: write to another file")
        taken.add(place)
        try:
            if _is_folder(path):
                raise DiskError(f"{path} is a folder: name a file in it")
            if not _is_folder(path.parent):
                raise DiskError(f"there is no folder {path.parent}: make it first")
        except PermissionError as error:
            raise PermissionDeniedError(f"{path} is out of reach: {error.strerror}") from error
        except OSError as error:
            raise DiskError(f"{path} cannot be written: {error.strerror}") from error


def _is_folder(path: Path) -> bool:
    """Return whether a path is a folder; what keeps it from being known is an OSError."""
    # Path.is_dir tells of no error from Python 3.14 on
    try:
        return stat.S_ISDIR(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False


@contextmanager
def locked(output: Path | None, folder: Path) -> Iterator[None]:
    """Hold the one lock of an output file; the lock file lies beside the store.

    Raises:
        TryLaterError: another run writes this file.
        PermissionDeniedError, DiskError: the lock file cannot be made.
    """
    if output is None:
        yield
        return
    name = sha256(os.fsencode(output)).hexdigest()[:16]
    with held(folder / f"{name}.lock", f"another run is writing {output}: wait for it"):
        yield


def choose_target(
    store: Store,
    output: Path | None,
    now: datetime,
    *,
    overwrite: bool,
    retries_errors: bool,
    adopts: bool = False,
) -> Target:
    """Return the run to start or to continue; `restored` brings its store and its file in line.

    Args:
        adopts: continue a file that no run of this store wrote, as after the store was lost.

    Raises:
        OutputExistsError: the file is finished, or somebody else's.
    """
    fresh = Target(new_run_id(now), output, is_resumed=False)
    if output is None or overwrite:
        return fresh
    runs = Runs(store)
    latest = runs.latest(showable(str(output)))
    exists = output.exists()
    if latest is None:
        if not exists or not output.stat().st_size:
            return fresh
        if adopts:
            return _adopted(runs, output)
        raise OutputExistsError(
            f"{output} exists and no run in {store.path} wrote it: choose another -o file, "
            "--adopt to continue it if a run of another store did, or --overwrite"
        )
    run_id, is_finished = latest
    if not exists:
        return fresh
    if is_finished and not retries_errors:
        raise OutputExistsError(
            f"{output} is finished: choose another -o file, --retry-errors to serve only "
            "what failed, or --overwrite"
        )
    store.check()  # a row out of its place would be found no more, and its prompt answered again
    outfile.check_torn_line(output, run_id)
    return Target(run_id, output, is_resumed=True)


def _adopted(runs: Runs, output: Path) -> Target:
    """Return the unknown run that wrote a file; its rows are restored once it is recorded."""
    run_id = outfile.run_of(output)
    if runs.is_known(run_id):
        raise OutputExistsError(
            f"{output} was written by {run_id}, which this store knows under another name: "
            "move the file back there"
        )
    outfile.check_torn_line(output, run_id)
    return Target(run_id, output, is_resumed=True, is_adopted=True)


def restored(store: Store, target: Target) -> Target:
    """Return a run that is continued, recorded by now, with every line of its file in the store.

    Raises:
        OutputExistsError: a line is not this run's; the file is as it was.
    """
    if not target.is_resumed or target.output is None:
        return target
    lines = outfile.read_lines(target.output, target.run_id)
    Runs(store).reopen(
        target.run_id
    )  # its sums, if it was finished, are no longer those of its rows
    repeated = reconcile(store, target.run_id, lines)
    outfile.drop_torn_line(target.output)  # last: by now all else in the file is the run's
    return replace(target, repeated=frozenset(repeated))


def check_same_batch(output: Path, prompts: Iterable[Prompt | Rejected]) -> None:
    """Refuse prompts that would replace most of the answers that there are, as another batch's do.

    Ids are line numbers where none are given, so every other batch has the same ones. The first
    answers are looked at, and prompts until most of these are accounted for.

    Raises:
        OutputExistsError: most of those found have other content now.
    """
    answered = outfile.first_answers(output, NUM_COMPARED)
    num_same = num_changed = 0
    for row in islice(prompts, NUM_READ):
        if isinstance(row, Rejected) or row.id not in answered:
            continue
        if answered[row.id] == row.content_hash:
            num_same += 1
        else:
            num_changed += 1
        if 2 * max(num_same, num_changed) > len(answered):
            break
    if num_changed > num_same:
        raise _another_batch(output)


def checking(
    recall: Callable[[Prompt], Remembered | None], target: Target
) -> Callable[[Prompt], Remembered | None]:
    """Return a `recall` for prompts that cannot be read ahead: it refuses those of another batch.

    The recall raises an OutputExistsError once more answers would be replaced than are kept.
    """
    output = target.output
    if not target.is_resumed or output is None:
        return recall
    num_same = num_changed = 0

    def checked(prompt: Prompt) -> Remembered | None:
        nonlocal num_same, num_changed
        past = recall(prompt)
        num_same += past is not None and past.is_answered
        num_changed += past is not None and past.is_changed
        if num_changed > num_same:
            raise _another_batch(output)
        return past

    return checked


def _another_batch(output: Path) -> OutputExistsError:
    return OutputExistsError(
        f"{output} holds answers of another batch: most of these prompts have other contents or "
        "options than the answered ones of the same ids: name another -o file, or --overwrite"
    )


def memory_of(
    store: Store, target: Target, directives: DirectiveSet
) -> Callable[[Prompt], Remembered | None]:
    """Return what tells of a prompt what an earlier part of this run decided."""
    if not target.is_resumed:
        return lambda _prompt: None
    completions = Completions(store, target.run_id)
    known = {directive.level for directive in directives.directives}

    def recall(prompt: Prompt) -> Remembered | None:
        past = completions.recall(prompt.id)
        if past is None:
            return None
        is_same = past.content_hash == prompt.content_hash
        return Remembered(
            is_answered=past.is_answered and is_same,
            is_changed=past.is_answered and not is_same,
            level=past.level if is_same and past.level in known else None,
            plan_id=past.plan_id,
        )

    return recall


def plan_of(
    known: Known, target: Target, options: PlanOptions, *, is_strict: bool
) -> Callable[[datetime], Plan]:
    """Return what gives the plan for a moment: a resumed run's own while it holds, or a new one.

    A strict run ends, to be continued later, when its next plan would rest on a stand-in.

    A kept plan keeps its quotas, so an interrupted run assigns the levels that an uninterrupted one
    would have. It holds no longer when the user decides otherwise than it was made by.
    """
    keys = tuple(directive.key for directive in known.directives.directives)

    def plan_at(now: datetime) -> Plan:
        snapshot = known.snapshot(now)
        if is_strict:
            check_strict(snapshot, known.directives)
        kept = Plans(known.store).latest(target.run_id) if target.is_resumed else None
        holds = (
            kept is not None
            and kept.made_at <= now < kept.valid_until
            and kept.g_per_kwh == snapshot.grid.intensity.g_per_kwh
            and tuple(level.directive_key for level in kept.levels) == keys
            and kept.options == options
        )
        return (
            kept if kept is not None and holds else make(snapshot, known.directives, options, now)
        )

    return plan_at


def counts_of(store: Store, target: Target) -> Callable[[Plan, str], tuple[int, ...]]:
    """Return what tells how often each level of a plan was given out for a task before."""

    def counts(plan: Plan, task: str) -> tuple[int, ...]:
        if not target.is_resumed:
            return tuple(0 for _ in plan.levels)
        found = Completions(store, target.run_id).level_counts(plan.id)
        return tuple(found.get((task, level.level), 0) for level in plan.levels)

    return counts
