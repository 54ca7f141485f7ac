"""Locks between processes: one holder at a time, gone with the process that holds it."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from sprout.errors import TryLaterError
from sprout.files import writing


@contextmanager
def held(path: Path, otherwise: str) -> Iterator[None]:
    """Hold the lock of a file, which is made if it is not there.

    Args:
        otherwise: what to say when somebody else holds it.

    Raises:
        TryLaterError: somebody else holds it.
        PermissionDeniedError, DiskError: the file cannot be made.
    """
    lock = FileLock(path, timeout=0)
    # only taking it, not what is done meanwhile: an error of that has its own words
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock.acquire()
    except Timeout as error:
        raise TryLaterError(otherwise) from error
    except OSError as error:
        raise writing.translated(path, error) from error
    try:
        yield
    finally:
        lock.release()
