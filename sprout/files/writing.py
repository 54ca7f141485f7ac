"""Files written whole or not at all, and what it means when one cannot be written."""

import errno
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from sprout.errors import DiskError, PermissionDeniedError

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def write_whole(path: Path, text: str, *, mode: int, keeps_mode: bool = True) -> None:
    """Write a file whole or not at all; a link keeps its target.

    Args:
        mode: of a new file; of one that is there too, unless it keeps its own.

    Raises:
        DiskError: it is a device or a pipe, which a new file would take the place of; or no room.
        PermissionDeniedError: the file or its folder may not be written.
    """
    place = Path(os.path.realpath(path))
    try:
        if place.exists() and not place.is_file():
            raise DiskError(f"{path} is no regular file: name another")
        place.parent.mkdir(parents=True, exist_ok=True)
        with replacing(place, mode=mode, keeps_mode=keeps_mode) as file:
            file.write(text.encode())
    except OSError as error:
        raise translated(path, error) from error


def replace_file(path: Path, text: str) -> None:
    """Write a whole file at once: who reads it sees the old or the new one, never a half.

    A link keeps its target: /dev/stdout is one.
    """
    try:
        if path.exists() and not path.is_file():  # a pipe or a terminal: nothing to replace
            path.write_text(text, encoding="utf-8")
            return
        with replacing(Path(os.path.realpath(path))) as file:
            file.write(text.encode())
    except OSError as error:
        raise translated(path, error) from error


@contextmanager
def replacing(path: Path, *, mode: int = 0o666, keeps_mode: bool = True) -> Iterator[BinaryIO]:
    """Give a new file that takes the place of `path` once the block is done.

    The name is a fixed one, so that a kill leaves one file at most, and whatever bears it already,
    a link of somebody else's in a shared folder say, is removed and not written through.

    Args:
        mode: of a new file, as far as the umask lets it; of one that is there too, unless it keeps
            its own.
    """
    replacement = path.with_name(f".{path.name}.new")
    replacement.unlink(missing_ok=True)
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    kept = stat.S_IMODE(path.stat().st_mode) if keeps_mode and path.exists() else None
    try:
        with os.fdopen(os.open(replacement, flags, mode if kept is None else 0o600), "wb") as new:
            if kept is not None:
                os.fchmod(new.fileno(), kept)
            yield new
            new.flush()
            os.fsync(new.fileno())
        replacement.replace(path)
    except BaseException:
        replacement.unlink(missing_ok=True)  # on a full disk its half would fill the rest
        raise


def translated(path: Path, error: OSError) -> DiskError | PermissionDeniedError:
    """Return what a failed write means for whoever runs the command."""
    if isinstance(error, PermissionError):
        return PermissionDeniedError(f"{path} may not be written: {error.strerror}")
    advice = "make room, then run" if error.errno in _NO_ROOM else "mend it, then run"
    return DiskError(
        f"{path} cannot be written: {error.strerror}; what is finished is kept: {advice} the same "
        "command again"
    )
