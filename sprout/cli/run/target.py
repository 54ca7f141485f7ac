"""Where the answers of a run go, and whether an unfinished run is continued there."""

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from pathlib import Path

from sprout.batch import outfile
from sprout.cli.locking import held
from sprout.cli.run.flags import RunFlags
from sprout.config.settings import Settings
from sprout.config.sources import model_path
from sprout.errors import DiskError, OutputExistsError, PermissionDeniedError, UsageError
from sprout.report.foreign import showable
from sprout.state.reconciliation import reconcile
from sprout.state.runs import Runs, Waits
from sprout.state.store import Store


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


def check_places(flags: RunFlags, settings: Settings) -> None:
    """Refuse to write over a file that is read, twice into one file, or where nothing can be.

    Raises:
        UsageError: two of the paths lead to the same file.
        DiskError: the folder is not there, or the path itself is a folder.
        PermissionDeniedError: the folder may not be entered.
        OutputExistsError: the errors file holds something else.
    """
    source = Path("/dev/stdin" if flags.source == "-" else flags.source)
    read = (source, model_path(settings), *settings.variants.values(), settings.state)
    taken = {_identity(path) for path in read}
    written = [path for path in (flags.output, flags.errors_path) if path is not None]
    for path in written:
        _check_place(path)
    if flags.output is None:
        written.insert(0, Path("/dev/stdout"))
    for path in written:
        identity = _identity(path)
        if identity is not None and identity in taken:
            raise UsageError(f"{path} has another part in this run: write to another file")
        taken.add(identity)
    if flags.errors_path is not None and not flags.overwrites:
        outfile.check_errors_file(flags.errors_path)


def _identity(path: Path) -> tuple[int, int] | str | None:
    """Return what two names of one file have in common, however they lead there.

    A device or a pipe has none: it may have several parts, as /dev/null and a terminal do.
    """
    try:
        found = path.stat()
    except OSError:
        return os.path.realpath(path)
    return (found.st_dev, found.st_ino) if stat.S_ISREG(found.st_mode) else None


def _check_place(path: Path) -> None:
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


def choose_target(store: Store, flags: RunFlags, now: datetime) -> Target:
    """Return the run to start or to continue; `restored` brings its store and its file in line.

    Raises:
        OutputExistsError: the file is finished, or somebody else's.
        PermissionDeniedError: what is to be written may not be.
    """
    output = flags.file
    continued = None if output is None or flags.overwrites else _continued(store, flags, output)
    _check_writable(flags)
    run_id = f"run-{now:%Y%m%dT%H%M%SZ}-{secrets.token_hex(3)}"
    return continued or Target(run_id, flags.output, is_resumed=False)


def _continued(store: Store, flags: RunFlags, output: Path) -> Target | None:
    """Return the run that a file is of; None where one may begin."""
    runs = Runs(store)
    latest = runs.latest(showable(str(output)))
    exists = output.exists()
    if latest is None:
        if not exists or not output.stat().st_size:
            return None
        if flags.adopts:
            return _adopted(runs, output)
        raise OutputExistsError(
            f"{output} exists and no run in {store.path} wrote it: choose another -o file, "
            "--adopt to continue it if a run of another store did, or --overwrite"
        )
    run_id, is_finished = latest
    if not exists:
        return None
    if is_finished and not flags.retries_errors:
        raise OutputExistsError(
            f"{output} is finished: choose another -o file, --retry-errors to serve only "
            "what failed, or --overwrite"
        )
    store.check()  # a row out of its place would be found no more, and its prompt answered again
    outfile.check_torn_line(output, run_id)
    return Target(run_id, output, is_resumed=True)


def _check_writable(flags: RunFlags) -> None:
    """Refuse places that may not be written: hours later the first line would find out."""
    for path in (flags.output, flags.errors_path):
        if path is not None and not os.access(path if path.exists() else path.parent, os.W_OK):
            raise PermissionDeniedError(f"{path} may not be written")


def _adopted(runs: Runs, output: Path) -> Target:
    """Return the unknown run that wrote a file; its rows are restored once it is recorded."""
    run_id = outfile.run_of(output)
    if runs.model(run_id) is not None:
        raise OutputExistsError(
            f"{output} was written by {run_id}, which this store knows under another name: "
            "move the file back there"
        )
    outfile.check_torn_line(output, run_id)
    return Target(run_id, output, is_resumed=True, is_adopted=True)


def past_waits(store: Store, target: Target) -> Waits | None:
    """Return how a run that is continued may wait; None for one that begins, or serves at once."""
    is_known = target.is_resumed and not target.is_adopted
    return Runs(store).waits(target.run_id) if is_known else None


def restored(store: Store, target: Target) -> Target:
    """Return a run that is continued, recorded by now, with every line of its file in the store.

    Raises:
        OutputExistsError: a line is not this run's; the file is as it was.
    """
    if not target.is_resumed or target.output is None:
        return target
    lines = outfile.read_lines(target.output, target.run_id)
    Runs(store).reopen(target.run_id)  # the sums of a finished one would be no longer its rows'
    repeated = reconcile(store, target.run_id, lines)
    outfile.drop_torn_line(target.output)  # last: by now all else in the file is the run's
    return replace(target, repeated=frozenset(repeated))
